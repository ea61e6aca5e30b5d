// KeyHash: how key hashes are made: what kind of key, whose it is, then values with their lengths.
// Layout: docs/formats/keys.md. Threads: none.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace consort::certifier {

/// First byte of what is hashed, so that kinds never meet.
enum class KeyDomain : std::uint8_t {
  kSchema = 'S',
  kTable = 'T',
  kAccounts = 'A',
  kIndex = 'I',       ///< one value of a unique index
  kIndexAny = 'W',    ///< any value of a unique index that has certain others in common
  kWholeRow = 'R',    ///< a row of a table without a usable unique key
  kReferenced = 'F',  ///< any row of a table as the parent of coarse foreign keys
};

/// Bytes to be hashed. Reused from key to key.
class KeyHash {
 public:
  /// Starts over with a domain.
  void start(KeyDomain domain) {
    bytes_.clear();
    bytes_.push_back(static_cast<std::uint8_t>(domain));
  }

  /// Starts over with what another KeyHash holds.
  void start(const KeyHash& prefix) { bytes_ = prefix.bytes_; }

  /// Adds an identifier, without regard to ASCII case.
  void add_name(std::string_view name);

  /// Adds a value and its length.
  void add_value(Bytes value);

  /// Where the next value will go: add it in place with out(), then close_value(at).
  [[nodiscard]] std::size_t open_value();
  void close_value(std::size_t at);

  [[nodiscard]] Buffer& out() { return bytes_; }

  [[nodiscard]] std::uint64_t digest() const;

 private:
  Buffer bytes_;
};

}  // namespace consort::certifier
