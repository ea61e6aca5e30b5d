// SocketAddress: a resolved host and port.
// Threads: resolve() blocks; call it before the loops start or on the control thread.
#pragma once

#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>

#include "base/result.h"

namespace consort::proxy {

class SocketAddress {
 public:
  /// Numeric addresses are taken as they are, names are looked up. Errors name host and port.
  [[nodiscard]] static Result<SocketAddress> resolve(const std::string& host, std::uint16_t port);
  /// Copies what the kernel gave.
  [[nodiscard]] static SocketAddress from_raw(const sockaddr_storage& storage);

  [[nodiscard]] const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage_); }

  /// The other end of a Unix socket: no host, no port.
  [[nodiscard]] bool is_unix() const { return storage_.ss_family == AF_UNIX; }

  /// Numeric host without port, "" when the family is unknown.
  [[nodiscard]] std::string host() const;
  [[nodiscard]] std::uint16_t port() const;

 private:
  sockaddr_storage storage_{};
};

}  // namespace consort::proxy
