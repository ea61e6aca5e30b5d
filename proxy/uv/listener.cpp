#include "proxy/uv/listener.h"

#include <unistd.h>

#include "base/check.h"

namespace consort::proxy {
namespace {

constexpr int kBacklog = 1024;

Error address_error(const SocketAddress& address, int uv_error) {
  return make_error("cannot listen on " + address.host() + ":" + std::to_string(address.port()) +
                    ": " + uv_strerror(uv_error));
}

/// A bound socket with SO_REUSEPORT, or a negative uv error.
int open_shared_socket(const SocketAddress& address) {
  const int family = address.raw()->sa_family;
  const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return uv_translate_sys_error(errno);
  }
  const int on = 1;
  const socklen_t length = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
      bind(fd, address.raw(), length) != 0) {
    const int failure = uv_translate_sys_error(errno);
    close(fd);
    return failure;
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(EventLoop& loop,
                                                 const SocketAddress& address,
                                                 OnConnection on_connection) {
  std::unique_ptr<Listener> listener(new Listener(std::move(on_connection)));
  const int fd = open_shared_socket(address);
  const int failure = fd < 0 ? fd : listener->listen_on(loop, fd);
  if (failure != 0) {
    return address_error(address, failure);
  }
  return listener;
}

Result<int> Listener::bind_shared(const SocketAddress& address) {
  const int fd = open_shared_socket(address);
  return fd < 0 ? Result<int>(address_error(address, fd)) : Result<int>(fd);
}

Result<std::unique_ptr<Listener>> Listener::open(EventLoop& loop,
                                                 int fd,
                                                 OnConnection on_connection) {
  std::unique_ptr<Listener> listener(new Listener(std::move(on_connection)));
  if (const int failure = listener->listen_on(loop, fd); failure != 0) {
    return make_error(std::string("cannot listen for clients: ") + uv_strerror(failure));
  }
  return listener;
}

Result<std::unique_ptr<Listener>> Listener::open(EventLoop& loop,
                                                 const UnixSocket& socket,
                                                 OnConnection on_connection) {
  std::unique_ptr<Listener> listener(new Listener(std::move(on_connection)));
  const int fd = socket.descriptor();
  const int failure = fd < 0 ? uv_translate_sys_error(-fd) : listener->listen_on(loop, fd);
  if (failure != 0) {
    return make_error(std::string("cannot listen on the Unix socket: ") + uv_strerror(failure));
  }
  return listener;
}

// libuv's TCP handle takes any stream socket: what only TCP has (TCP_NODELAY, ports) fails without
// harm on others. So a client's stream is of one type whichever way it came.
int Listener::listen_on(EventLoop& loop, int fd) {
  handle_.reset(new uv_tcp_t);
  CHECK(uv_tcp_init(loop.raw(), handle_.get()) == 0);
  handle_->data = this;
  if (const int failure = uv_tcp_open(handle_.get(), fd); failure != 0) {
    close(fd);
    return failure;
  }
  const auto on_arrival = [](uv_stream_t* stream, int status) {
    auto* self = static_cast<Listener*>(stream->data);
    if (self != nullptr && status == 0) {
      self->on_connection_(stream);
    }
  };
  return uv_listen(reinterpret_cast<uv_stream_t*>(handle_.get()), kBacklog, on_arrival);
}

std::uint16_t Listener::port() const {
  sockaddr_storage storage{};
  int length = sizeof storage;
  uv_tcp_getsockname(handle_.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  return SocketAddress::from_raw(storage).port();
}

}  // namespace consort::proxy
