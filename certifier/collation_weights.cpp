#include "certifier/collation_weights.h"

#include <algorithm>
#include <array>
#include <utility>

namespace consort::certifier {
namespace {

/// Character sets of one byte per character whose printable ASCII bytes mean ASCII.
constexpr std::array<std::string_view, 24> kSingleByteSets{
    "armscii8", "ascii", "binary", "cp1250",  "cp1251", "cp1256", "cp1257", "cp850",
    "cp852",    "cp866", "dec8",   "geostd8", "greek",  "hebrew", "hp8",    "keybcs2",
    "koi8r",    "koi8u", "latin1", "latin2",  "latin5", "latin7", "macce",  "macroman"};

/// Case-insensitive collations under which two printable ASCII texts are equal exactly when they
/// are equal without case and trailing spaces. Each was compared with a server, see
/// tests/integration/cpp/row_events_check. Tailored collations are missing on purpose: some equate
/// letters (i = y, u = v) or contract them.
constexpr std::array<std::string_view, 26> kFoldedCollations{
    "armscii8_general_ci", "ascii_general_ci",   "cp1250_general_ci",  "cp1251_general_ci",
    "cp1256_general_ci",   "cp1257_general_ci",  "cp850_general_ci",   "cp852_general_ci",
    "cp866_general_ci",    "dec8_swedish_ci",    "geostd8_general_ci", "greek_general_ci",
    "hebrew_general_ci",   "hp8_english_ci",     "keybcs2_general_ci", "koi8r_general_ci",
    "koi8u_general_ci",    "latin1_danish_ci",   "latin1_general_ci",  "latin1_german1_ci",
    "latin1_swedish_ci",   "latin2_general_ci",  "latin5_turkish_ci",  "latin7_general_ci",
    "macce_general_ci",    "macroman_general_ci"};

/// The same for Unicode, behind "utf8mb4_" or "utf8mb3_", without "nopad_".
constexpr std::array<std::string_view, 11> kFoldedUnicode{
    "general_ci",    "general_mysql500_ci", "unicode_ci",    "unicode_520_ci",
    "uca1400_ai_ci", "uca1400_ai_cs",       "uca1400_as_ci", "uca1400_as_cs",
    "0900_ai_ci",    "0900_as_ci",          "0900_as_cs"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

/// "unicode_nopad_ci", "uca1400_nopad_ai_ci" -> "unicode_ci", "uca1400_ai_ci".
std::string without_nopad(std::string_view name) {
  constexpr std::string_view kWord = "nopad_";
  std::string result(name);
  const std::size_t at = result.find(kWord);
  if (at != std::string::npos) {
    result.erase(at, kWord.size());
  }
  return result;
}

bool is_stripped(std::uint8_t byte) {
  // 0 too: then spaces of UTF-16 and UTF-32 go as well. Stripping more is only coarser.
  return byte == 0x20 || byte == 0;
}

Bytes strip_trailing(Bytes text) {
  while (!text.empty() && is_stripped(text.back())) {
    text = text.first(text.size() - 1);
  }
  return text;
}

/// At most the first `characters` of `text`. For unknown widths it may cut shorter, which is
/// coarser but right: equal prefixes stay equal.
Bytes cut(Bytes text, std::uint32_t characters, CharacterWidth width) {
  if (characters == 0) {
    return text;
  }
  if (width != CharacterWidth::kUtf8) {
    return text.first(std::min<std::size_t>(text.size(), characters));
  }
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < characters && at < text.size(); ++i) {
    ++at;
    while (at < text.size() && (text[at] & 0xC0) == 0x80) {
      ++at;
    }
  }
  return text.first(at);
}

bool is_printable_ascii(std::uint8_t byte) {
  return byte >= 0x20 && byte <= 0x7E;
}

std::uint8_t fold_case(std::uint8_t byte) {
  return byte >= 'a' && byte <= 'z' ? static_cast<std::uint8_t>(byte - ('a' - 'A')) : byte;
}

/// Takes one character off the front of UTF-8 `text`; nullopt when malformed.
std::optional<std::uint32_t> take_utf8(Bytes& text) {
  const std::uint8_t first = text[0];
  const std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if ((first >= 0x80 && first < 0xC2) || first > 0xF4 || text.size() < length) {
    return std::nullopt;
  }
  std::uint32_t code = length == 1 ? first : first & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((text[i] & 0xC0) != 0x80) {
      return std::nullopt;
    }
    code = code << 6 | (text[i] & 0x3Fu);
  }
  text = text.subspan(length);
  return code;
}

bool fold_ascii(Bytes text, Buffer& out) {
  if (!std::all_of(text.begin(), text.end(), is_printable_ascii)) {
    return false;
  }
  for (const std::uint8_t byte : strip_trailing(text)) {
    out.push_back(fold_case(byte));
  }
  return true;
}

bool fold_by_table(const WeightTable& table, CharacterWidth width, Bytes text, Buffer& out) {
  const std::size_t start = out.size();
  text = strip_trailing(text);
  while (!text.empty()) {
    std::optional<std::uint32_t> code = text[0];
    if (width == CharacterWidth::kUtf8) {
      code = take_utf8(text);
    } else {
      text = text.subspan(1);
    }
    const std::uint32_t weight =
        code && *code < table.classes.size() ? table.classes[*code] : WeightTable::kUncertain;
    if (weight == WeightTable::kUncertain) {
      out.resize(start);
      return false;
    }
    append_le<4>(out, weight);
  }
  return true;
}

}  // namespace

CollationTraits collation_traits(std::string_view name) {
  if (name == "binary") {
    return {CollationKind::kBytes, CharacterWidth::kSingleByte};
  }
  const std::size_t end = name.find('_');
  if (end == std::string_view::npos) {
    return {};
  }
  const std::string_view charset = name.substr(0, end);
  const bool unicode = charset == "utf8mb4" || charset == "utf8mb3" || charset == "utf8";
  const bool single = contains(kSingleByteSets, charset);
  CollationTraits traits;
  traits.width = unicode  ? CharacterWidth::kUtf8
                 : single ? CharacterWidth::kSingleByte
                          : CharacterWidth::kOther;
  if (name.ends_with("_bin")) {
    traits.kind = CollationKind::kPadded;
  } else if (unicode && contains(kFoldedUnicode, without_nopad(name.substr(end + 1)))) {
    traits.kind = CollationKind::kFolded;
  } else if (single && contains(kFoldedCollations, without_nopad(name))) {
    traits.kind = CollationKind::kFolded;
  }
  return traits;
}

void CollationWeights::add(std::string collation, std::shared_ptr<const WeightTable> table) {
  tables_[std::move(collation)] = std::move(table);
}

const WeightTable* CollationWeights::find(std::string_view collation) const {
  const auto found = tables_.find(collation);
  return found == tables_.end() ? nullptr : found->second.get();
}

bool fold_text(const CollationTraits& traits,
               const WeightTable* table,
               Bytes text,
               std::uint32_t prefix_characters,
               Buffer& out) {
  const Bytes prefix = cut(text, prefix_characters, traits.width);
  switch (traits.kind) {
    case CollationKind::kBytes:
      append(out, prefix);
      return true;
    case CollationKind::kPadded:
      append(out, strip_trailing(prefix));
      return true;
    case CollationKind::kFolded: {
      const bool certain = table != nullptr ? fold_by_table(*table, traits.width, prefix, out)
                                            : fold_ascii(prefix, out);
      if (certain) {
        return true;
      }
      break;
    }
    case CollationKind::kUnknown:
      break;
  }
  append(out, text);
  return false;
}

}  // namespace consort::certifier
