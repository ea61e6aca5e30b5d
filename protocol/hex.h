// Hex: digits of hashes and of binary literals.
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>

namespace consort::protocol {

/// The value of a digit in upper or lower case; nullopt: it is none.
[[nodiscard]] constexpr std::optional<std::uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return static_cast<std::uint8_t>(c - '0');
  }
  if (c >= 'A' && c <= 'F') {
    return static_cast<std::uint8_t>(c - 'A' + 10);
  }
  if (c >= 'a' && c <= 'f') {
    return static_cast<std::uint8_t>(c - 'a' + 10);
  }
  return std::nullopt;
}

}  // namespace consort::protocol
