#include "proxy/ip_networks.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>

namespace consort::proxy {
namespace {

constexpr std::string_view kUnixSocket = "localhost";
constexpr unsigned kMappedBits = 96;  ///< IPv4 stands behind ::ffff:0:0/96

bool bit_of(const std::array<std::uint8_t, 16>& address, unsigned bit) {
  return (address[bit / 8] >> (7 - bit % 8) & 1U) != 0;
}

}  // namespace

bool IpNetworks::read_address(std::string_view text, Address& out) {
  const std::string terminated(text);
  in_addr v4{};
  if (inet_pton(AF_INET, terminated.c_str(), &v4) == 1) {
    out = {};
    out[10] = out[11] = 0xFF;
    std::memcpy(out.data() + 12, &v4, sizeof v4);
    return true;
  }
  return inet_pton(AF_INET6, terminated.c_str(), out.data()) == 1;
}

bool IpNetworks::read_network(std::string_view word, Network& out) {
  const std::size_t slash = word.find('/');
  if (!read_address(word.substr(0, slash), out.base)) {
    return false;
  }
  if (slash == std::string_view::npos) {
    return true;
  }
  const bool v4 = word.substr(0, slash).find(':') == std::string_view::npos;
  const std::string_view digits = word.substr(slash + 1);
  const auto [end, failure] =
      std::from_chars(digits.data(), digits.data() + digits.size(), out.prefix_bits);
  if (failure != std::errc() || end != digits.data() + digits.size() ||
      out.prefix_bits > (v4 ? 32U : 128U)) {
    return false;
  }
  out.prefix_bits += v4 ? kMappedBits : 0;
  for (unsigned bit = out.prefix_bits; bit < 128; ++bit) {
    if (bit_of(out.base, bit)) {
      return false;  // 10.1.0.0/8: which one is meant?
    }
  }
  return true;
}

Result<IpNetworks> IpNetworks::parse(const std::vector<std::string>& words) {
  IpNetworks out;
  for (const std::string& word : words) {
    Network network;
    if (word == kUnixSocket) {
      out.unix_sockets_ = true;
    } else if (read_network(word, network)) {
      out.networks_.push_back(network);
    } else {
      return make_error(
          "expected a network such as 10.0.0.0/8 or fd00::/8, an address or "
          "localhost, got \"" +
          word + "\"");
    }
  }
  return out;
}

bool IpNetworks::contains(std::string_view address) const {
  if (address == kUnixSocket) {
    return unix_sockets_;
  }
  Address wanted{};
  if (!read_address(address, wanted)) {
    return false;
  }
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    for (unsigned bit = 0; bit < network.prefix_bits; ++bit) {
      if (bit_of(network.base, bit) != bit_of(wanted, bit)) {
        return false;
      }
    }
    return true;
  });
}

}  // namespace consort::proxy
