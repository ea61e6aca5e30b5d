#include "certifier/collation_weights.h"

#include <string>

#include "tests/support/test.h"

namespace consort::certifier {
namespace {

/// The folded form, or "?" when it is not certain.
std::string fold(const std::string& collation,
                 const std::string& text,
                 std::uint32_t prefix = 0,
                 const WeightTable* table = nullptr) {
  Buffer out;
  const bool certain = fold_text(collation_traits(collation), table, as_bytes(text), prefix, out);
  return certain ? std::string(as_text(out)) : "?";
}

TEST_SUITE("certifier") {
  TEST_CASE("collation_traits") {
    const auto kind = [](const char* name) { return collation_traits(name).kind; };
    EXPECT(kind("binary") == CollationKind::kBytes);
    for (const char* name : {"utf8mb4_bin", "latin1_bin", "utf8mb4_nopad_bin", "utf16_bin",
                             "gbk_bin", "utf8mb4_0900_bin"}) {
      EXPECT(kind(name) == CollationKind::kPadded);
    }
    for (const char* name :
         {"utf8mb4_general_ci", "utf8mb3_unicode_520_ci", "utf8_general_ci",
          "utf8mb4_unicode_nopad_ci", "utf8mb4_uca1400_nopad_ai_ci", "latin1_swedish_ci",
          "latin1_swedish_nopad_ci", "utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs",
          "utf8mb4_de_pb_0900_ai_ci", "utf8mb4_da_0900_as_cs", "utf8mb4_ja_0900_as_cs_ks",
          "utf8mb4_lv_0900_as_cs"}) {
      EXPECT(kind(name) == CollationKind::kFolded);
    }
    for (const char* name :
         {"utf8mb4_danish_ci", "utf16_general_ci", "sjis_japanese_ci", "koi8u_general_ci",
          "latin2_czech_cs", "utf8mb4_uca1400_swedish_ai_ci", "utf8mb4_hu_0900_ai_ci",
          "utf8mb4_lv_0900_ai_ci", "utf8mb4_ja_0900_ai_ci", "utf8mb4_da_0900_xx",
          "latin1_da_0900_ai_ci", "nonsense", ""}) {
      EXPECT(kind(name) == CollationKind::kUnknown);
    }
  }

  TEST_CASE("fold_text: case, trailing spaces, and what is not certain") {
    EXPECT(fold("utf8mb4_general_ci", "Abc  ") == "ABC");
    EXPECT(fold("utf8mb4_general_ci", "a_B~{") == "A_B~{");
    EXPECT(fold("utf8mb4_general_ci", "\xC3\xA9") == "?");
    EXPECT(fold("utf8mb4_general_ci", "a\tb") == "?");
    EXPECT(fold("utf8mb4_danish_ci", "abc") == "?");
    EXPECT(fold("utf8mb4_bin", "Abc ") == "Abc");
    EXPECT(fold("binary", "Abc ") == "Abc ");
    EXPECT(fold("utf16_bin", std::string("\0a\0 ", 4)) == std::string("\0a", 2));
  }

  TEST_CASE("fold_text: prefixes are cut by characters") {
    EXPECT(fold("utf8mb4_bin", "\xC3\xA9\xE6\x97\xA5zz", 3) == "\xC3\xA9\xE6\x97\xA5z");
    EXPECT(fold("latin1_bin", "\xE9xyz", 2) == "\xE9x");
    EXPECT(fold("utf8mb4_general_ci", "ab\xC3\xA9", 2) == "AB");
    EXPECT(fold("utf8mb4_bin", "ab", 9) == "ab");
    EXPECT(fold("gbk_bin", "abcd", 2) == "ab");
    EXPECT(fold("utf8mb4_bin", "\xC3", 1) == "\xC3");
  }

  TEST_CASE("fold_text: by weights") {
    WeightTable table(65536);
    table.set(' ', "\x02\x09");
    table.set('a', "\x0E\x33");
    table.set('A', "\x0E\x33");
    table.set('s', "\x0F\xEA");
    table.set(0xDF, "\x0F\xEA\x0F\xEA");
    const auto folded = [&](const std::string& text) {
      return fold("utf8mb4_unicode_ci", text, 0, &table);
    };
    EXPECT(folded("aA  ") == "\x0E\x33\x0E\x33");
    EXPECT(folded("\xC3\x9F") == folded("ss"));
    EXPECT(folded("a a") != folded("aa"));
    for (const char* uncertain :
         {"b", "\xC3\xA9", "\xF0\x9F\x98\x80", "\xC3", "\xFF", "\xE6\x97"}) {
      EXPECT(folded(uncertain) == "?");
    }
    // Bytes of single-byte sets are not UTF-8.
    WeightTable latin(256);
    latin.set(0xC3, "A");
    EXPECT(fold("latin1_swedish_ci", "\xC3", 0, &latin) == "A");
  }

  TEST_CASE("weight_sources name collations that fold") {
    for (const WeightSource& source : weight_sources()) {
      for (const std::string& collation : source.also_for) {
        INFO(collation);
        EXPECT(collation_traits(collation).kind == CollationKind::kFolded);
      }
    }
  }
}

}  // namespace
}  // namespace consort::certifier
