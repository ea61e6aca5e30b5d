// IpNetworks: a list of networks that an operator named, and whether an address is in one of them.
// Threads: any (immutable).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace consort::proxy {

class IpNetworks {
 public:
  /// `words`: "10.0.0.0/8", "::1", "fd00::/8", an address alone, or "localhost" for whoever comes
  /// through a Unix socket. Errors name the word.
  [[nodiscard]] static Result<IpNetworks> parse(const std::vector<std::string>& words);

  /// `address`: numeric, as a socket gives it; "localhost": of a Unix socket. IPv4 mapped to IPv6
  /// is the IPv4 address.
  [[nodiscard]] bool contains(std::string_view address) const;

  [[nodiscard]] bool empty() const { return networks_.empty() && !unix_sockets_; }

 private:
  using Address = std::array<std::uint8_t, 16>;

  struct Network {
    Address base{};
    unsigned prefix_bits = 128;
  };

  [[nodiscard]] static bool read_address(std::string_view text, Address& out);
  [[nodiscard]] static bool read_network(std::string_view word, Network& out);

  std::vector<Network> networks_;
  bool unix_sockets_ = false;
};

}  // namespace consort::proxy
