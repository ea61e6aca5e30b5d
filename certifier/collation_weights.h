// CollationWeights: when are two texts equal under a collation? Decided here without the server.
// fold() maps text to bytes such that texts the server holds equal always get equal bytes, or says
// that it is not certain; then the caller must take a coarser key.
// Threads: any; immutable once filled.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace consort::certifier {

/// How texts of a collation are compared, as far as we dare to tell.
enum class CollationKind : std::uint8_t {
  kBytes,   ///< "binary": byte by byte, nothing stripped
  kPadded,  ///< "*_bin": byte by byte; trailing spaces may or may not count: stripped
  kFolded,  ///< printable ASCII is compared without case; other characters need weights
  kUnknown  ///< anything may equal anything
};

/// How characters are cut out of bytes, for prefix indexes.
enum class CharacterWidth : std::uint8_t { kSingleByte, kUtf8, kOther };

struct CollationTraits {
  CollationKind kind = CollationKind::kUnknown;
  CharacterWidth width = CharacterWidth::kOther;
};

/// What is known of a collation by its name alone.
[[nodiscard]] CollationTraits collation_traits(std::string_view name);

/// One class per character. Texts of characters with a class are equal exactly when their classes
/// are, trailing spaces aside. Whatever is not so simple (ignorable, expanding, contracting or
/// unassigned) is kUncertain.
struct WeightTable {
  static constexpr std::uint32_t kUncertain = 0;

  std::vector<std::uint32_t> classes;  ///< by code point, or by byte for single-byte sets
};

class CollationWeights {
 public:
  /// Adds the table of a kFolded collation. Only while filling.
  void add(std::string collation, std::shared_ptr<const WeightTable> table);

  /// The table of `collation`, or null.
  [[nodiscard]] const WeightTable* find(std::string_view collation) const;

 private:
  std::map<std::string, std::shared_ptr<const WeightTable>, std::less<>> tables_;
};

/// Appends to `out` a form of the first `prefix_characters` (0: all) of `text` that is equal for
/// equal texts. False when that is not certain; `out` then holds the bytes themselves (which are
/// equal for one and the same stored row). `table` may be null.
[[nodiscard]] bool fold_text(const CollationTraits& traits,
                             const WeightTable* table,
                             Bytes text,
                             std::uint32_t prefix_characters,
                             Buffer& out);

}  // namespace consort::certifier
