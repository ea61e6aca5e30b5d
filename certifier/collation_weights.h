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

/// The weights of single characters under one collation, as the server's WEIGHT_STRING() gives
/// them. Texts of characters that have one are equal exactly when their weights, put together, are;
/// trailing spaces aside. So characters that may contract with others, or are ignored between
/// others, must have none.
class WeightTable {
 public:
  /// `code_points_max`: one more than the last code point (or byte, for single-byte sets).
  explicit WeightTable(std::size_t code_points_max) : entries_(code_points_max, kNone) {}

  /// REQUIRES: code_point < code_points_max.
  void set(std::uint32_t code_point, const std::string& weight);

  /// The weight of a character; null when it is not certain.
  [[nodiscard]] const std::string* find(std::uint32_t code_point) const;

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  std::vector<std::uint32_t> entries_;  ///< by code point: index in weights_
  std::vector<std::string> weights_;    ///< each once
  std::map<std::string, std::uint32_t> indexes_;
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

/// A group of collations that share one WeightTable.
struct WeightSource {
  std::string_view collation;         ///< whose weights to ask a server for
  CharacterWidth width;               ///< kSingleByte: ask for every byte
  bool simple = true;                 ///< false: ask only where may_have_weight()
  std::vector<std::string> also_for;  ///< equal or finer collations, for which they are right too
};

/// What to fill a CollationWeights with.
[[nodiscard]] std::vector<WeightSource> weight_sources();

/// The character never contracts with others and is no combining mark, so that its weight under
/// the Unicode collation algorithm does not depend on its neighbours. Errs towards false.
[[nodiscard]] bool may_have_weight(std::uint32_t code_point);

/// Appends to `out` a form of the first `prefix_characters` (0: all) of `text` that is equal for
/// equal texts. False when that is not certain; `out` then holds the bytes themselves (which are
/// equal for one and the same stored row). `table` may be null.
[[nodiscard]] bool fold_text(const CollationTraits& traits,
                             const WeightTable* table,
                             Bytes text,
                             std::uint32_t prefix_characters,
                             Buffer& out);

}  // namespace consort::certifier
