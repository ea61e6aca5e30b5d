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
  Status bound = listener->bind_and_listen(loop, address);
  if (!bound.ok()) {
    return bound.error();
  }
  return listener;
}

Status Listener::bind_and_listen(EventLoop& loop, const SocketAddress& address) {
  const int fd = open_shared_socket(address);
  if (fd < 0) {
    return address_error(address, fd);
  }
  handle_.reset(new uv_tcp_t);
  CHECK(uv_tcp_init(loop.raw(), handle_.get()) == 0);
  handle_->data = this;
  int failure = uv_tcp_open(handle_.get(), fd);
  if (failure != 0) {
    close(fd);
    return address_error(address, failure);
  }
  const auto on_arrival = [](uv_stream_t* stream, int status) {
    auto* self = static_cast<Listener*>(stream->data);
    if (self != nullptr && status == 0) {
      self->on_connection_(stream);
    }
  };
  failure = uv_listen(reinterpret_cast<uv_stream_t*>(handle_.get()), kBacklog, on_arrival);
  if (failure != 0) {
    return address_error(address, failure);
  }
  return Ok{};
}

std::uint16_t Listener::port() const {
  sockaddr_storage storage{};
  int length = sizeof storage;
  uv_tcp_getsockname(handle_.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  return SocketAddress::from_raw(storage).port();
}

}  // namespace consort::proxy
