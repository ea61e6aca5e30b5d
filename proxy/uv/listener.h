// Listener: a listening TCP or Unix socket. Several workers may listen on one port (SO_REUSEPORT);
// the kernel spreads connections over them. Workers that share a Unix socket take them in turn.
// Threads: its loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "proxy/uv/event_loop.h"
#include "proxy/uv/handle.h"
#include "proxy/uv/socket_address.h"
#include "proxy/uv/tcp_stream.h"
#include "proxy/uv/unix_socket.h"

namespace consort::proxy {

class Listener {
 public:
  /// Called once per arriving connection; takes it with `stream.accept(handle)`.
  using OnConnection = std::function<void(uv_stream_t* handle)>;

  /// Binds and listens. Errors name the address (in use, not permitted, ...).
  [[nodiscard]] static Result<std::unique_ptr<Listener>> open(EventLoop& loop,
                                                              const SocketAddress& address,
                                                              OnConnection on_connection);
  /// Listens on `fd`, a bound socket, and owns it. Errors say why not.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> open(EventLoop& loop,
                                                              int fd,
                                                              OnConnection on_connection);
  /// A socket bound to `address` that others may be bound to as well (SO_REUSEPORT), the caller's
  /// own. Errors name the address.
  [[nodiscard]] static Result<int> bind_shared(const SocketAddress& address);
  /// Listens on `socket` too.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> open(EventLoop& loop,
                                                              const UnixSocket& socket,
                                                              OnConnection on_connection);
  /// The port bound, useful when 0 was asked for.
  [[nodiscard]] std::uint16_t port() const;

 private:
  explicit Listener(OnConnection on_connection) : on_connection_(std::move(on_connection)) {}

  /// Takes `fd`. 0, or a negative uv error.
  [[nodiscard]] int listen_on(EventLoop& loop, int fd);

  UvHandle<uv_tcp_t> handle_;
  OnConnection on_connection_;
};

}  // namespace consort::proxy
