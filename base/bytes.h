// Bytes: a view of bytes that somebody else owns; Buffer: bytes that we own.
// A view never outlives the callback that produced it (I1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace consort {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;
using Buffer = std::vector<std::uint8_t>;

/// The same bytes as text. Lives as long as `bytes`.
[[nodiscard]] inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The same text as bytes. Lives as long as `text`.
[[nodiscard]] inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Appends `bytes` to `out`.
inline void append(Buffer& out, Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

inline void append(Buffer& out, std::string_view text) {
  append(out, as_bytes(text));
}

/// Little-endian integer of `Width` bytes at `data`. REQUIRES: `Width` readable bytes.
template <std::size_t Width>
[[nodiscard]] inline std::uint64_t load_le(const std::uint8_t* data) {
  static_assert(Width >= 1 && Width <= 8);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < Width; ++i) {
    value |= static_cast<std::uint64_t>(data[i]) << (8 * i);
  }
  return value;
}

/// Stores the low `Width` bytes of `value`, little-endian. REQUIRES: `Width` writable bytes.
template <std::size_t Width>
inline void store_le(std::uint8_t* data, std::uint64_t value) {
  static_assert(Width >= 1 && Width <= 8);
  for (std::size_t i = 0; i < Width; ++i) {
    data[i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
}

/// Appends the low `Width` bytes of `value`, little-endian.
template <std::size_t Width>
inline void append_le(Buffer& out, std::uint64_t value) {
  const std::size_t at = out.size();
  out.resize(at + Width);
  store_le<Width>(out.data() + at, value);
}

}  // namespace consort
