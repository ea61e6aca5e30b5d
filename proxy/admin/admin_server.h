// AdminServer: serves AdminRoutes over HTTP in a few threads of its own.
// One request per connection; a slow or silent client costs one of a bounded number of connections
// for a bounded time.
// Threads: start() and the destructor the control thread; requests run on the server's own threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "proxy/admin/admin_source.h"

namespace consort::proxy {

class AdminServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 6080;  ///< 0: any free one
    std::string token;          ///< asked for as "Authorization: Bearer"; empty: loopback only
    std::size_t threads = 4;    ///< requests served at once
    std::size_t connections_waiting_max = 32;  ///< beyond these a connection is answered 503
    std::uint32_t request_timeout_ms = 5000;   ///< from the moment a thread takes it up
  };

  /// Binds and serves at once. `source` outlives the server. Errors: an address that other machines
  /// can reach without a token; an address that cannot be bound, saying which and why.
  [[nodiscard]] static Result<std::unique_ptr<AdminServer>> start(Options options,
                                                                  AdminSource& source);

  /// Stops serving; requests under way are finished or time out first.
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  /// The port it is bound to.
  [[nodiscard]] std::uint16_t port() const;

 private:
  struct Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

/// True when only this machine can reach `host`: "localhost", 127.0.0.0/8 or ::1.
[[nodiscard]] bool is_loopback(const std::string& host);

}  // namespace consort::proxy
