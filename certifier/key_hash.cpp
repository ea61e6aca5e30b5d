#include "certifier/key_hash.h"

#include <xxhash.h>

namespace consort::certifier {
namespace {

constexpr std::size_t kLengthBytes = 4;

}  // namespace

void KeyHash::add_name(std::string_view name) {
  const std::size_t at = open_value();
  for (const char c : name) {
    bytes_.push_back(static_cast<std::uint8_t>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
  }
  close_value(at);
}

void KeyHash::add_value(Bytes value) {
  append_le<kLengthBytes>(bytes_, value.size());
  append(bytes_, value);
}

std::size_t KeyHash::open_value() {
  const std::size_t at = bytes_.size();
  append_le<kLengthBytes>(bytes_, 0);
  return at;
}

void KeyHash::close_value(std::size_t at) {
  store_le<kLengthBytes>(bytes_.data() + at, bytes_.size() - at - kLengthBytes);
}

std::uint64_t KeyHash::digest() const {
  return XXH3_64bits(bytes_.data(), bytes_.size());
}

}  // namespace consort::certifier
