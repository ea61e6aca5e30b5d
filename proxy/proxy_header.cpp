#include "proxy/proxy_header.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <string_view>

namespace consort::proxy {
namespace {

using Parsed = Result<std::optional<ProxyHeader>>;

constexpr std::string_view kLineFront = "PROXY";
constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
/// So much of either tells it from a login.
constexpr std::size_t kFrontBytes = 5;
constexpr std::size_t kFixedBytes = 16;  ///< of version 2: signature, command, family, length
constexpr std::size_t kTlvHeadBytes = 3;
constexpr std::uint8_t kTlvCrc32c = 0x03;
constexpr std::size_t kUnixPathsBytes = 216;

std::uint16_t load_be16(const std::uint8_t* data) {
  return static_cast<std::uint16_t>(data[0] << 8U | data[1]);
}

Error refuse(int version, const std::string& what) {
  return make_error("version " + std::to_string(version) + ": " + what);
}

/// `text` in the usual spelling, or empty when it is no address of `family`.
std::string canonical(int family, const std::string& text) {
  in6_addr address{};
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (text.find('\0') != std::string::npos || inet_pton(family, text.c_str(), &address) != 1) {
    return {};
  }
  return inet_ntop(family, &address, out.data(), out.size());
}

std::string numeric(int family, const std::uint8_t* address) {
  std::array<char, INET6_ADDRSTRLEN> out{};
  return inet_ntop(family, address, out.data(), out.size());
}

// ---- version 1 --------------------------------------------------------------------------------

/// The next word of `line`, up to a space.
std::string_view take_word(std::string_view& line) {
  const std::size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

std::optional<std::uint16_t> port_of(std::string_view word) {
  std::uint16_t port = 0;
  const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), port);
  const bool whole = failure == std::errc() && end == word.data() + word.size();
  return whole ? std::optional(port) : std::nullopt;
}

/// `line` without its CR LF.
Result<ProxyHeader> parse_line(std::string_view line) {
  ProxyHeader header;
  if (take_word(line) != kLineFront) {
    return refuse(1, "it does not begin with 'PROXY '");
  }
  const std::string_view family = take_word(line);
  if (family == "UNKNOWN") {
    header.source = ProxySource::kSender;  // what follows is not looked at
    return header;
  }
  if (family != "TCP4" && family != "TCP6") {
    return refuse(1, "a protocol other than TCP4, TCP6 and UNKNOWN");
  }
  const int inet = family == "TCP4" ? AF_INET : AF_INET6;
  header.source = ProxySource::kAddress;
  header.host = canonical(inet, std::string(take_word(line)));
  const std::string destination = canonical(inet, std::string(take_word(line)));
  const std::optional<std::uint16_t> port = port_of(take_word(line));
  const std::optional<std::uint16_t> destination_port = port_of(line);
  if (header.host.empty() || destination.empty()) {
    return refuse(1, "an address that is none");
  }
  if (!port || !destination_port) {
    return refuse(1, "a port that is none");
  }
  header.port = *port;
  return header;
}

Parsed parse_version_1(Bytes unread) {
  const std::string_view text = as_text(unread.first(std::min(unread.size(), kProxyLineBytesMax)));
  const std::size_t end = text.find("\r\n");
  if (end == std::string_view::npos) {
    if (text.size() == kProxyLineBytesMax) {
      return refuse(1, "no end of line within 107 bytes");
    }
    return std::optional<ProxyHeader>();
  }
  Result<ProxyHeader> header = parse_line(text.substr(0, end));
  if (!header.ok()) {
    return header.error();
  }
  header->bytes = end + 2;
  return std::optional(std::move(header).value());
}

// ---- version 2 --------------------------------------------------------------------------------

/// CRC-32C of `bytes`, as if `zeroed` (its own place in them) were zeros. Headers are short and
/// few, so no table.
std::uint32_t crc32c(Bytes bytes, std::size_t zeroed_from) {
  std::uint32_t crc = ~0U;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool zeroed = i >= zeroed_from && i < zeroed_from + 4;
    crc ^= zeroed ? 0U : bytes[i];
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0x82F63B78U : 0U);
    }
  }
  return ~crc;
}

/// Walks over the extensions from `at` on. Only the checksum means something to us.
Status check_extensions(Bytes header, std::size_t at) {
  while (at < header.size()) {
    if (header.size() - at < kTlvHeadBytes) {
      return refuse(2, "an extension that is cut off");
    }
    const std::size_t size = load_be16(header.data() + at + 1);
    const std::size_t value = at + kTlvHeadBytes;
    if (header.size() - value < size) {
      return refuse(2, "an extension longer than the header");
    }
    if (header[at] == kTlvCrc32c) {
      const std::uint8_t* const sum = header.data() + value;
      if (size != 4 || crc32c(header, value) != (static_cast<std::uint32_t>(load_be16(sum)) << 16U |
                                                 load_be16(sum + 2))) {
        return refuse(2, "its checksum does not match");
      }
    }
    at = value + size;
  }
  return Ok{};
}

/// Where the connection comes from, and how long the block that says so is.
struct Addresses {
  ProxyHeader header;
  std::size_t block_bytes = 0;
};

Result<Addresses> parse_addresses(std::uint8_t family, Bytes block) {
  constexpr std::size_t kIpv4Bytes = 12;
  constexpr std::size_t kIpv6Bytes = 36;
  Addresses out;
  out.header.source = ProxySource::kAddress;
  switch (family) {
    case 0x00:  // unspecified: the sender itself
      out.header.source = ProxySource::kSender;
      return out;
    case 0x11:
      out.block_bytes = kIpv4Bytes;
      break;
    case 0x21:
      out.block_bytes = kIpv6Bytes;
      break;
    case 0x31:
      out.header.source = ProxySource::kUnix;
      out.block_bytes = kUnixPathsBytes;
      break;
    default:
      return refuse(2, "a protocol other than TCP and Unix streams");
  }
  if (block.size() < out.block_bytes) {
    return refuse(2, "too short for its addresses");
  }
  if (family == 0x11) {
    out.header.host = numeric(AF_INET, block.data());
    out.header.port = load_be16(block.data() + 8);
  } else if (family == 0x21) {
    out.header.host = numeric(AF_INET6, block.data());
    out.header.port = load_be16(block.data() + 32);
  }
  return out;
}

Parsed parse_version_2(Bytes unread) {
  const std::size_t seen = std::min(unread.size(), kSignature.size());
  if (as_text(unread.first(seen)) != kSignature.substr(0, seen)) {
    return refuse(2, "a wrong signature");
  }
  if (unread.size() < kFixedBytes) {
    return std::optional<ProxyHeader>();
  }
  const std::uint8_t command = unread[12];
  const std::size_t bytes = kFixedBytes + load_be16(unread.data() + 14);
  if (command != 0x20 && command != 0x21) {
    return refuse(2, "a version or command that is not known");
  }
  if (bytes > kProxyHeaderBytesMax) {
    return refuse(2, "longer than 4096 bytes");
  }
  if (unread.size() < bytes) {
    return std::optional<ProxyHeader>();
  }
  const Bytes header = unread.first(bytes);
  Addresses addresses;
  addresses.header.source = ProxySource::kSender;
  std::size_t extensions = bytes;
  if (command == 0x21) {  // of LOCAL nothing else is to be looked at
    Result<Addresses> parsed = parse_addresses(unread[13], header.subspan(kFixedBytes));
    if (!parsed.ok()) {
      return parsed.error();
    }
    addresses = std::move(parsed).value();
    extensions = unread[13] == 0x00 ? bytes : kFixedBytes + addresses.block_bytes;
  }
  if (Status checked = check_extensions(header, extensions); !checked.ok()) {
    return checked.error();
  }
  addresses.header.bytes = bytes;
  return std::optional(std::move(addresses.header));
}

}  // namespace

Parsed parse_proxy_header(Bytes unread) {
  const std::size_t seen = std::min(unread.size(), kFrontBytes);
  const std::string_view front = as_text(unread.first(seen));
  const bool line = front == kLineFront.substr(0, seen);
  const bool binary = front == kSignature.substr(0, seen);
  if (!line && !binary) {
    return std::optional(ProxyHeader{});
  }
  if (seen < kFrontBytes) {
    return std::optional<ProxyHeader>();
  }
  return line ? parse_version_1(unread) : parse_version_2(unread);
}

}  // namespace consort::proxy
