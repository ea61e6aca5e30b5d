// Listener: a listening TCP socket. Several workers may listen on one port (SO_REUSEPORT); the
// kernel spreads connections over them. Threads: its loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "proxy/uv/event_loop.h"
#include "proxy/uv/handle.h"
#include "proxy/uv/socket_address.h"
#include "proxy/uv/tcp_stream.h"

namespace consort::proxy {

class Listener {
 public:
  /// Called once per arriving connection; takes it with `stream.accept(handle)`.
  using OnConnection = std::function<void(uv_stream_t* handle)>;

  /// Binds and listens. Errors name the address (in use, not permitted, ...).
  [[nodiscard]] static Result<std::unique_ptr<Listener>> open(EventLoop& loop,
                                                              const SocketAddress& address,
                                                              OnConnection on_connection);
  /// The port bound, useful when 0 was asked for.
  [[nodiscard]] std::uint16_t port() const;

 private:
  explicit Listener(OnConnection on_connection) : on_connection_(std::move(on_connection)) {}

  Status bind_and_listen(EventLoop& loop, const SocketAddress& address);

  UvHandle<uv_tcp_t> handle_;
  OnConnection on_connection_;
};

}  // namespace consort::proxy
