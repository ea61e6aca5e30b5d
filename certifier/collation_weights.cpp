#include "certifier/collation_weights.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

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
/// letters (i = y, u = v) or contract them; so are some plain ones (koi8u: "`" is a space).
constexpr std::array<std::string_view, 24> kFoldedCollations{
    "armscii8_general_ci", "ascii_general_ci",   "cp1250_general_ci", "cp1251_general_ci",
    "cp1256_general_ci",   "cp1257_general_ci",  "cp850_general_ci",  "cp852_general_ci",
    "cp866_general_ci",    "dec8_swedish_ci",    "greek_general_ci",  "hebrew_general_ci",
    "hp8_english_ci",      "keybcs2_general_ci", "koi8r_general_ci",  "latin1_danish_ci",
    "latin1_general_ci",   "latin1_german1_ci",  "latin1_german2_ci", "latin1_swedish_ci",
    "latin2_general_ci",   "latin5_turkish_ci",  "latin7_general_ci", "macroman_general_ci"};

/// The same for Unicode, behind "utf8mb4_" or "utf8mb3_", without "nopad_".
constexpr std::array<std::string_view, 11> kFoldedUnicode{
    "general_ci",    "general_mysql500_ci", "unicode_ci",    "unicode_520_ci",
    "uca1400_ai_ci", "uca1400_ai_cs",       "uca1400_as_ci", "uca1400_as_cs",
    "0900_ai_ci",    "0900_as_ci",          "0900_as_cs"};

/// Languages of MySQL's "utf8mb4_de_pb_0900_ai_ci" and so on under which printable ASCII texts are
/// equal exactly when they are equal without case (or, "as_cs", only where they are). Left out are
/// those that equate letters where accents do not count (i = y, u = v), and Hungarian, whose "ccs"
/// is "cscs". Each was compared with a server.
constexpr std::array<std::string_view, 24> kFoldedLanguages{
    "bg", "bs", "cs", "da", "de_pb", "eo", "es", "es_trad", "et", "gl",      "hr", "is",
    "nb", "nn", "pl", "ro", "ru",    "sk", "sl", "sr_latn", "sv", "mn_cyrl", "tr", "vi"};
constexpr std::array<std::string_view, 5> kFoldedWithAccents{"ja", "zh", "la", "lt", "lv"};

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

/// `ending`: behind "utf8mb4_".
bool is_folded_language(std::string_view ending) {
  constexpr std::string_view kVersion = "_0900_";
  const std::size_t at = ending.find(kVersion);
  if (at == std::string_view::npos) {
    return false;
  }
  const std::string_view language = ending.substr(0, at);
  const std::string_view sensitivity = ending.substr(at + kVersion.size());
  const bool with_accents = sensitivity == "as_cs" || sensitivity == "as_cs_ks";
  return (contains(kFoldedLanguages, language) && (with_accents || sensitivity == "ai_ci")) ||
         (contains(kFoldedWithAccents, language) && with_accents);
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

/// Base characters of scripts whose letters do not contract with one another.
struct CodePointRange {
  std::uint32_t first;
  std::uint32_t last;
};

constexpr std::array<CodePointRange, 24> kWeightRanges{
    {{0x20, 0x7E},                        // ASCII
     {0xA1, 0xB6},                        // Latin, but for the
     {0xB8, 0x24F},                       // dot of Catalan L
     {0x370, 0x386},                      // Greek
     {0x388, 0x3FF},   {0x400, 0x482},    // Cyrillic
     {0x48A, 0x52F},   {0x531, 0x556},    // Armenian
     {0x561, 0x587},   {0x5D0, 0x5EA},    // Hebrew
     {0x10A0, 0x10FF},                    // Georgian
     {0x1E00, 0x1EFF},                    // Latin, Vietnamese
     {0x1F00, 0x1FFF},                    // ancient Greek
     {0x2010, 0x2027},                    // punctuation
     {0x2030, 0x205E}, {0x20A0, 0x20BF},  // currencies
     {0x2190, 0x21FF},                    // arrows
     {0x3001, 0x3029},                    // CJK punctuation
     {0x3041, 0x3096},                    // kana
     {0x30A1, 0x30FA}, {0x3400, 0x4DBF},  // Han
     {0x4E00, 0x9FFF}, {0xAC00, 0xD7A3},  // Hangul
     {0xFF01, 0xFF5E}}};                  // full width

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

/// Cuts spaces off the end, known by their weight.
void strip_weight(const std::string* space, std::size_t start, Buffer& out) {
  if (space == nullptr || space->empty()) {
    return;
  }
  const Bytes weight = as_bytes(*space);
  while (out.size() - start >= weight.size() &&
         std::equal(weight.rbegin(), weight.rend(), out.rbegin())) {
    out.resize(out.size() - weight.size());
  }
}

bool fold_by_table(const WeightTable& table, CharacterWidth width, Bytes text, Buffer& out) {
  const std::size_t start = out.size();
  while (!text.empty()) {
    std::optional<std::uint32_t> code = text[0];
    if (width == CharacterWidth::kUtf8) {
      code = take_utf8(text);
    } else {
      text = text.subspan(1);
    }
    const std::string* weight = code ? table.find(*code) : nullptr;
    if (weight == nullptr) {
      out.resize(start);
      return false;
    }
    append(out, *weight);
  }
  strip_weight(table.find(' '), start, out);
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
  } else if (unicode && (contains(kFoldedUnicode, without_nopad(name.substr(end + 1))) ||
                         is_folded_language(name.substr(end + 1)))) {
    traits.kind = CollationKind::kFolded;
  } else if (single && contains(kFoldedCollations, without_nopad(name))) {
    traits.kind = CollationKind::kFolded;
  }
  return traits;
}

bool may_have_weight(std::uint32_t code_point) {
  return std::any_of(kWeightRanges.begin(), kWeightRanges.end(),
                     [code_point](const CodePointRange& range) {
                       return code_point >= range.first && code_point <= range.last;
                     });
}

std::vector<WeightSource> weight_sources() {
  std::vector<WeightSource> sources;
  for (const std::string_view name : kFoldedCollations) {
    const std::size_t suffix = name.rfind("_ci");
    const std::string nopad = std::string(name.substr(0, suffix)) + "_nopad_ci";
    sources.push_back({name, CharacterWidth::kSingleByte, true, {std::string(name), nopad}});
  }

  struct Unicode {
    std::string_view source;
    bool simple;
    std::vector<std::string> endings;
  };

  const Unicode families[] = {
      {"utf8mb4_general_ci", true, {"general_ci", "general_nopad_ci"}},
      {"utf8mb4_unicode_ci", false, {"unicode_ci", "unicode_nopad_ci"}},
      {"utf8mb4_unicode_520_ci", false, {"unicode_520_ci", "unicode_520_nopad_ci"}},
      // Accents and case left out, these are right for the finer ones too.
      {"utf8mb4_uca1400_ai_ci",
       false,
       {"uca1400_ai_ci", "uca1400_ai_cs", "uca1400_as_ci", "uca1400_as_cs", "uca1400_nopad_ai_ci",
        "uca1400_nopad_ai_cs", "uca1400_nopad_as_ci", "uca1400_nopad_as_cs"}}};
  // MySQL's, likewise.
  sources.push_back({"utf8mb4_0900_ai_ci",
                     CharacterWidth::kUtf8,
                     false,
                     {"utf8mb4_0900_ai_ci", "utf8mb4_0900_as_ci", "utf8mb4_0900_as_cs"}});
  for (const Unicode& family : families) {
    WeightSource source{family.source, CharacterWidth::kUtf8, family.simple, {}};
    for (const std::string& ending : family.endings) {
      source.also_for.push_back("utf8mb4_" + ending);
      source.also_for.push_back("utf8mb3_" + ending);
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

void WeightTable::set(std::uint32_t code_point, const std::string& weight) {
  CHECK(code_point < entries_.size());
  const auto [found, is_new] =
      indexes_.try_emplace(weight, static_cast<std::uint32_t>(weights_.size()));
  if (is_new) {
    weights_.push_back(weight);
  }
  entries_[code_point] = found->second;
}

const std::string* WeightTable::find(std::uint32_t code_point) const {
  if (code_point >= entries_.size() || entries_[code_point] == kNone) {
    return nullptr;
  }
  return &weights_[entries_[code_point]];
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
