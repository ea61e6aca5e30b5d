#include "router/lexer_options.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "router/token.h"

namespace consort::router {
namespace {

// Bits of a numeric sql_mode.
constexpr std::uint64_t kAnsiQuotesBit = 4;
constexpr std::uint64_t kIgnoreSpaceBit = 8;
constexpr std::uint64_t kNoBackslashEscapesBit = 1ULL << 20;
// ORACLE, MSSQL, DB2, MAXDB, ANSI: a number does not expand what they stand for, except ORACLE's
// 512; be on the safe side and leave them to `doubtful`.
constexpr std::uint64_t kCompositeBits = 512 | 1024 | 2048 | 4096 | 262144;

/// Modes that stand for several, ANSI_QUOTES and IGNORE_SPACE among them.
constexpr std::string_view kComposites[] = {"ANSI",  "DB2",    "MAXDB",
                                            "MSSQL", "ORACLE", "POSTGRESQL"};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

bool is_composite(std::string_view mode) {
  for (const std::string_view composite : kComposites) {
    if (equals_ignoring_case(mode, composite)) {
      return true;
    }
  }
  return false;
}

bool is_word(std::string_view text) {
  for (const char c : text) {
    const bool letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!letter) {
      return false;
    }
  }
  return true;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  constexpr std::size_t kDigitsMax = 19;
  if (text.empty() || text.size() > kDigitsMax) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

}  // namespace

std::optional<LexerOptions> with_sql_mode(LexerOptions options, std::string_view sql_mode) {
  options.ansi_quotes = false;
  options.ignore_space = false;
  options.no_backslash_escapes = false;
  options.oracle = false;
  if (const std::optional<std::uint64_t> bits = number_of(trimmed(sql_mode))) {
    if ((*bits & kCompositeBits) != 0) {
      return std::nullopt;
    }
    options.ansi_quotes = (*bits & kAnsiQuotesBit) != 0;
    options.ignore_space = (*bits & kIgnoreSpaceBit) != 0;
    options.no_backslash_escapes = (*bits & kNoBackslashEscapesBit) != 0;
    return options;
  }
  while (!sql_mode.empty()) {
    const std::size_t comma = sql_mode.find(',');
    const std::string_view mode = trimmed(sql_mode.substr(0, comma));
    sql_mode.remove_prefix(comma == std::string_view::npos ? sql_mode.size() : comma + 1);
    if (!is_word(mode)) {
      return std::nullopt;
    }
    const bool composite = is_composite(mode);
    options.ansi_quotes |= composite || equals_ignoring_case(mode, "ANSI_QUOTES");
    options.ignore_space |= composite || equals_ignoring_case(mode, "IGNORE_SPACE");
    options.no_backslash_escapes |= equals_ignoring_case(mode, "NO_BACKSLASH_ESCAPES");
    options.oracle |= equals_ignoring_case(mode, "ORACLE");
  }
  return options;
}

bool in_doubt(std::string_view sql, const LexerOptions& options) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  return options.doubtful &&
         !(options.ascii_is_certain && std::all_of(sql.begin(), sql.end(), is_ascii));
}

LexerOptions with_character_set(LexerOptions options, std::string_view name) {
  constexpr std::array<std::string_view, 4> kUnicode = {"utf8", "utf8mb3", "utf8mb4", "ascii"};
  constexpr std::array<std::string_view, 4> kEndInAscii = {"big5", "sjis", "gbk", "cp932"};
  constexpr std::array<std::string_view, 28> kOneByte = {
      "latin1",  "latin2", "latin5",   "latin7", "cp1250",  "cp1251", "cp1256",
      "cp1257",  "cp850",  "cp852",    "cp866",  "koi8r",   "koi8u",  "greek",
      "hebrew",  "tis620", "armscii8", "binary", "keybcs2", "macce",  "macroman",
      "geostd8", "dec8",   "hp8",      "ujis",   "eucjpms", "euckr",  "gb2312"};
  const auto is_among = [&](const auto& names) {
    for (const std::string_view known : names) {
      if (equals_ignoring_case(name, known)) {
        return true;
      }
    }
    return false;
  };
  options.letters_for_signs = equals_ignoring_case(name, "swe7");
  options.single_byte = options.letters_for_signs || is_among(kOneByte);
  options.ascii_is_certain = is_among(kEndInAscii);
  options.doubtful = !options.single_byte && !is_among(kUnicode);
  return options;
}

LexerOptions with_collation(LexerOptions options, std::uint16_t id) {
  constexpr unsigned kNoPad = 1024;  // added to the id of the same collation with PAD SPACE
  constexpr unsigned kUca1400 = 2048;
  const unsigned base = id >= kNoPad && id < kUca1400 ? id - kNoPad : id;
  const bool utf8 = base >= kUca1400 || base == 33 || base == 45 || base == 46 || base == 76 ||
                    base == 83 || (base >= 192 && base <= 247) || (base >= 255 && base <= 323) ||
                    (base >= 576 && base <= 578) || (base >= 608 && base <= 611);
  const bool ascii = base == 11 || base == 65;
  const bool may_end_in_ascii = base == 1 || base == 84 ||   // big5
                                base == 13 || base == 88 ||  // sjis
                                base == 28 || base == 87 ||  // gbk
                                base == 95 || base == 96;    // cp932
  options.letters_for_signs = base == 10 || base == 82;
  options.single_byte = !utf8 && !ascii && !may_end_in_ascii && base < 150;
  options.ascii_is_certain = may_end_in_ascii;
  options.doubtful = !utf8 && !ascii && !options.single_byte;
  return options;
}

}  // namespace consort::router
