// Reader: a bounds-checked cursor over a payload; and length-encoded integers and strings.
// Spec: MariaDB KB "Protocol data types". Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/bytes.h"

namespace consort::protocol {

/// Reads forward through bytes that somebody else owns. The first read past the end makes it fail
/// for good: every later read yields zero or nothing, so a decoder reads all its fields and asks
/// failed() once. Views live as long as the bytes.
class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}

  [[nodiscard]] bool failed() const { return failed_; }

  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }

  /// The next byte without taking it; 0 at the end.
  [[nodiscard]] std::uint8_t peek() const { return rest_.empty() ? 0 : rest_[0]; }

  [[nodiscard]] std::uint8_t u8() { return static_cast<std::uint8_t>(le<1>()); }

  [[nodiscard]] std::uint16_t u16() { return static_cast<std::uint16_t>(le<2>()); }

  [[nodiscard]] std::uint32_t u32() { return static_cast<std::uint32_t>(le<4>()); }

  [[nodiscard]] std::uint64_t u64() { return le<8>(); }

  /// Little-endian integer of `Width` bytes.
  template <std::size_t Width>
  [[nodiscard]] std::uint64_t le() {
    const Bytes taken = bytes(Width);
    return taken.size() == Width ? load_le<Width>(taken.data()) : 0;
  }

  /// Length-encoded integer. Fails on 0xFB (NULL) and 0xFF too.
  [[nodiscard]] std::uint64_t lenenc() {
    const std::uint8_t first = u8();
    if (first < 0xFB) {
      return first;
    }
    switch (first) {
      case 0xFC:
        return le<2>();
      case 0xFD:
        return le<3>();
      case 0xFE:
        return le<8>();
      default:
        fail();
        return 0;
    }
  }

  /// Exactly `count` bytes, or none and failed().
  [[nodiscard]] Bytes bytes(std::uint64_t count) {
    if (failed_ || count > rest_.size()) {
      fail();
      return {};
    }
    const Bytes taken = rest_.first(static_cast<std::size_t>(count));
    rest_ = rest_.subspan(static_cast<std::size_t>(count));
    return taken;
  }

  void skip(std::uint64_t count) { static_cast<void>(bytes(count)); }

  [[nodiscard]] Bytes lenenc_bytes() { return bytes(lenenc()); }

  [[nodiscard]] std::string_view lenenc_text() { return as_text(lenenc_bytes()); }

  /// Text up to a zero byte, which is taken too. Fails when there is none.
  [[nodiscard]] std::string_view nul_text() {
    const void* zero = rest_.empty() ? nullptr : std::memchr(rest_.data(), 0, rest_.size());
    if (zero == nullptr) {
      fail();
      return {};
    }
    const auto length =
        static_cast<std::size_t>(static_cast<const std::uint8_t*>(zero) - rest_.data());
    const std::string_view text = as_text(bytes(length));
    skip(1);
    return text;
  }

  /// Text up to a zero byte or, when there is none, to the end.
  [[nodiscard]] std::string_view nul_text_or_rest() {
    if (!rest_.empty() && std::memchr(rest_.data(), 0, rest_.size()) != nullptr) {
      return nul_text();
    }
    return as_text(rest());
  }

  /// All that is left.
  [[nodiscard]] Bytes rest() { return bytes(rest_.size()); }

 private:
  void fail() {
    failed_ = true;
    rest_ = {};
  }

  Bytes rest_;
  bool failed_ = false;
};

/// Bytes that append_lenenc(value) writes: 1, 3, 4 or 9.
[[nodiscard]] inline std::size_t lenenc_size(std::uint64_t value) {
  if (value < 0xFB) {
    return 1;
  }
  if (value <= 0xFFFF) {
    return 3;
  }
  return value <= 0xFFFFFF ? 4 : 9;
}

/// Appends `value` in its shortest length-encoded form.
inline void append_lenenc(Buffer& out, std::uint64_t value) {
  if (value < 0xFB) {
    out.push_back(static_cast<std::uint8_t>(value));
  } else if (value <= 0xFFFF) {
    out.push_back(0xFC);
    append_le<2>(out, value);
  } else if (value <= 0xFFFFFF) {
    out.push_back(0xFD);
    append_le<3>(out, value);
  } else {
    out.push_back(0xFE);
    append_le<8>(out, value);
  }
}

/// Appends the length of `bytes`, then `bytes`.
inline void append_lenenc_bytes(Buffer& out, Bytes bytes) {
  append_lenenc(out, bytes.size());
  append(out, bytes);
}

inline void append_lenenc_text(Buffer& out, std::string_view text) {
  append_lenenc_bytes(out, as_bytes(text));
}

/// Appends `text` and a zero byte.
inline void append_nul_text(Buffer& out, std::string_view text) {
  append(out, text);
  out.push_back(0);
}

}  // namespace consort::protocol
