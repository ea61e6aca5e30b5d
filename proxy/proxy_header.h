// ProxyHeader: what a load balancer says in front of a connection about where it really comes from
// (PROXY protocol, versions 1 and 2).
// A server speaks first, so whether a header comes is seen from the client's first bytes: no login
// begins like one, since a packet's fourth byte is its number and the first is numbered 1.
// Spec: HAProxy's proxy-protocol.txt; which of them MariaDB takes, and its error.
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace consort::proxy {

/// The longest line of version 1, its CR LF included.
inline constexpr std::size_t kProxyLineBytesMax = 107;
/// The longest header of version 2 that is taken. Addresses need 232; the rest is extensions.
inline constexpr std::size_t kProxyHeaderBytesMax = 4096;

/// Whom a header names.
enum class ProxySource : std::uint8_t {
  kNone,     ///< there is no header
  kSender,   ///< who sent it: LOCAL, UNKNOWN, such as a load balancer's own look
  kAddress,  ///< `host` and `port`
  kUnix      ///< a client of a Unix socket at the load balancer
};

struct ProxyHeader {
  std::size_t bytes = 0;  ///< its length; what follows is the client's
  ProxySource source = ProxySource::kNone;
  std::string host;  ///< numeric, IPv4 or IPv6
  std::uint16_t port = 0;
};

/// The header that a connection's bytes begin with; nullopt while that is not certain. Errors: it
/// is none of version 1 or 2 over TCP, or its checksum is wrong: what and why.
[[nodiscard]] Result<std::optional<ProxyHeader>> parse_proxy_header(Bytes unread);

}  // namespace consort::proxy
