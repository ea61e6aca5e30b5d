// Texts that a server calls equal must fold to equal bytes, or be called uncertain: for every
// collation the server has, over texts made of awkward characters.

#include <map>
#include <random>
#include <string>
#include <vector>

#include "certifier/collation_weights.h"
#include "proxy/catalog_loader.h"
#include "tests/integration/cpp/server_pair.h"
#include "tests/support/test.h"

namespace consort::test {
namespace {

using certifier::CollationKind;
using certifier::CollationWeights;

constexpr int kTextsPerCollation = 120;

const std::vector<std::string>& characters() {
  static const std::vector<std::string> list{
      "a",      "A",        "b",      "e",      "E",      "s",      "S",      "ss",
      "i",      "I",        "y",      "Y",      "u",      "v",      "V",      "w",
      "j",      "l",        "lj",     "ch",     "cs",     "ccs",    "dz",     "aa",
      "oe",     "ae",       "th",     "ll",     "n",      "z",      "o",      "O",
      "0",      "1",        "-",      "_",      "'",      "`",      "[",      "]",
      "{",      "|",        "}",      "\\\\",   "~",      "^",      " ",      " ",
      "\\t",    "\\n",      "\\0",    "á",      "à",      "ä",      "Ä",      "å",
      "Å",      "â",        "ã",      "ą",      "æ",      "Æ",      "ç",      "č",
      "ć",      "đ",        "ð",      "é",      "É",      "è",      "ê",      "ë",
      "ę",      "ğ",        "ı",      "İ",      "ï",      "í",      "ł",      "Ł",
      "ñ",      "Ñ",        "ö",      "Ö",      "ø",      "ő",      "œ",      "ß",
      "ẞ",      "š",        "ş",      "þ",      "ü",      "Ü",      "ű",      "ý",
      "ÿ",      "ž",        "µ",      "²",      "½",      "º",      "·",      "l·",
      "\u00a0", "\u00ad",   "\u0301", "\u0308", "\u0306", "\u030a", "\u0327", "\u200b",
      "\u200d", "\ufeff",   "ﬁ",      "ﬀ",      "Ⅳ",      "™",      "€",      "α",
      "Α",      "ά",        "ς",      "σ",      "Σ",      "ώ",      "а",      "А",
      "е",      "ё",        "Ё",      "и",      "й",      "Й",      "і",      "ї",
      "ъ",      "ѐ",        "א",      "ב",      "\u05b0", "ا",      "آ",      "ก",
      "เก",     "เ",        "क",      "क्ष",     "あ",     "ア",     "ｱ",      "ー",
      "が",     "か\u3099", "日",     "本",     "一",     "㎏",     "가",     "\u1100\u1161",
      "Ａ",     "ａ",       "😀",      "😁",      "𝐀",      "￥",     "¥"};
  return list;
}

std::string random_text(std::mt19937& random) {
  std::string text;
  const std::size_t length = random() % 4;
  for (std::size_t i = 0; i < length; ++i) {
    text += characters()[random() % characters().size()];
  }
  return text + std::string(random() % 3, ' ');
}

/// A text that has good chances to be equal to `text`.
std::string relative(const std::string& text, std::mt19937& random) {
  switch (random() % 4) {
    case 0:
      return text + " ";
    case 1:
      return "UPPER:" + text;
    case 2:
      return "LOWER:" + text;
    default: {
      std::string changed = text;
      const std::string from = characters()[random() % characters().size()];
      const std::size_t at = changed.find(from);
      if (!from.empty() && at != std::string::npos) {
        changed.replace(at, from.size(), characters()[random() % characters().size()]);
      }
      return changed;
    }
  }
}

std::string literal(const std::string& text) {
  for (const char* word : {"UPPER:", "LOWER:"}) {
    if (text.starts_with(word)) {
      return std::string(word, 5) + "('" + literal(text.substr(6)).substr(1) + ")";
    }
  }
  std::string quoted = "'";
  for (const char c : text) {
    quoted.append(c == '\'' ? 2 : 1, c);
  }
  return quoted + "'";
}

struct Folded {
  bool certain = false;
  Buffer bytes;
};

Buffer from_hex(const std::string& hex) {
  Buffer bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

struct Counts {
  int equal_certain = 0;  ///< equal for the server and folded alike
  int equal_uncertain = 0;
  int missed = 0;
  int certain = 0;
};

/// Compares the server's idea of equality with ours, over the table `collated_texts`.
Counts compare(const std::string& collation, const CollationWeights* weights) {
  MYSQL* client = ServerPair::instance().client();
  const auto traits = certifier::collation_traits(collation);
  const auto* table = weights ? weights->find(collation) : nullptr;
  Counts counts;
  std::map<int, Folded> folded;
  std::map<int, std::string> hex;
  for (const auto& row : run_sql(client, "SELECT id,HEX(s) FROM collated_texts")) {
    Folded& text = folded[std::stoi(row[0])];
    hex[std::stoi(row[0])] = row[1];
    text.certain = certifier::fold_text(traits, table, from_hex(row[1]), 0, text.bytes);
    counts.certain += text.certain ? 1 : 0;
  }
  for (const auto& row : run_sql(client,
                                 "SELECT a.id,b.id FROM collated_texts a JOIN collated_texts b "
                                 "ON a.s=b.s AND a.id<b.id")) {
    const int a = std::stoi(row[0]);
    const int b = std::stoi(row[1]);
    if (!folded[a].certain || !folded[b].certain) {
      ++counts.equal_uncertain;
    } else if (folded[a].bytes == folded[b].bytes) {
      ++counts.equal_certain;
    } else {
      ++counts.missed;
      EXPECT_MESSAGE(false, collation, ": ", hex[a], " = ", hex[b]);
    }
  }
  return counts;
}

void fill_texts(const std::string& charset, const std::string& collation, std::mt19937& random) {
  MYSQL* client = ServerPair::instance().client();
  run_sql(client, "DROP TABLE IF EXISTS collated_texts");
  run_sql(client,
          "CREATE TABLE collated_texts(id INT PRIMARY KEY AUTO_INCREMENT, s VARCHAR(30) "
          "CHARACTER SET " +
              charset + " COLLATE " + collation + ")");
  std::string values;
  for (int i = 0; i < kTextsPerCollation; i += 2) {
    const std::string text = random_text(random);
    values += (i > 0 ? ",(" : "(") + literal(text) + "),(" + literal(relative(text, random)) + ")";
  }
  run_sql(client, "INSERT IGNORE INTO collated_texts(s) VALUES" + values);
}

/// Every collation of a MySQL server and its character set, but for "binary".
SqlRows mysql_collations(MYSQL* client) {
  return run_sql(client,
                 "SELECT COLLATION_NAME,CHARACTER_SET_NAME FROM information_schema.COLLATIONS "
                 "WHERE ID<>63");
}

TEST_SUITE("mysql_collations") {
  TEST_CASE("what MySQL calls equal folds alike") {
    MYSQL* client = ServerPair::instance().client();
    run_sql(client, "SET sql_log_bin=0");
    const unsigned seed = std::random_device()();
    INFO("seed ", seed);
    std::mt19937 random(seed);
    const auto weights = proxy::load_collation_weights(client);
    REQUIRE(weights.ok());
    std::map<CollationKind, int> tried;
    int equal_certain = 0;
    for (const auto& row : mysql_collations(client)) {
      const CollationKind kind = certifier::collation_traits(row[0]).kind;
      if (kind == CollationKind::kUnknown) {
        continue;  // nothing is certain there
      }
      fill_texts(row[1], row[0], random);
      ++tried[kind];
      compare(row[0], nullptr);
      equal_certain += compare(row[0], weights->get()).equal_certain;
    }
    run_sql(client, "SET sql_log_bin=1");
    EXPECT(tried[CollationKind::kFolded] > 80);
    EXPECT(tried[CollationKind::kPadded] > 30);
    EXPECT(equal_certain > 100);
  }

  TEST_CASE("printable ASCII under MySQL's folded collations is equal without case only") {
    MYSQL* client = ServerPair::instance().client();
    run_sql(client, "SET cte_max_recursion_depth=100000,sql_mode=''");
    int tried = 0;
    for (const auto& row : mysql_collations(client)) {
      if (certifier::collation_traits(row[0]).kind != CollationKind::kFolded) {
        continue;
      }
      ++tried;
      const std::string numbers =
          "WITH RECURSIVE n(seq) AS (SELECT 32 UNION ALL SELECT seq+1 FROM n WHERE seq<126)";
      const SqlRows mixed =
          run_sql(client, numbers +
                              " SELECT MIN(t) FROM (SELECT WEIGHT_STRING(CONVERT(CHAR(a.seq,b.seq) "
                              "USING " +
                              row[1] + ") COLLATE " + row[0] +
                              ") s, CAST(RTRIM(UPPER(CHAR(a.seq,b.seq USING ascii))) AS BINARY) t "
                              "FROM n a JOIN n b) x GROUP BY s HAVING COUNT(DISTINCT t)>1");
      EXPECT_MESSAGE(mixed.empty(), row[0], ": ", mixed.empty() ? "" : mixed[0][0]);
    }
    run_sql(client, "SET sql_mode=DEFAULT");
    EXPECT(tried > 80);
  }
}

TEST_SUITE("collations") {
  TEST_CASE("what the server calls equal folds alike") {
    MYSQL* client = ServerPair::instance().client();
    run_sql(client, "SET sql_log_bin=0");
    const unsigned seed = std::random_device()();
    INFO("seed ", seed);
    std::mt19937 random(seed);
    const auto weights = proxy::load_collation_weights(client);
    REQUIRE(weights.ok());
    std::map<CollationKind, int> tried;
    Counts with_weights;
    for (const auto& row : run_sql(client,
                                   "SELECT FULL_COLLATION_NAME,CHARACTER_SET_NAME FROM "
                                   "information_schema.COLLATION_CHARACTER_SET_APPLICABILITY "
                                   "WHERE ID IS NOT NULL AND ID<>63")) {
      if (certifier::collation_traits(row[0]).kind == CollationKind::kUnknown) {
        continue;  // nothing is certain there
      }
      fill_texts(row[1], row[0], random);
      ++tried[certifier::collation_traits(row[0]).kind];
      compare(row[0], nullptr);
      const Counts counts = compare(row[0], weights->get());
      if (weights.value()->find(row[0]) != nullptr) {
        with_weights.certain += counts.certain;
        with_weights.equal_certain += counts.equal_certain;
        with_weights.equal_uncertain += counts.equal_uncertain;
      }
    }
    run_sql(client, "SET sql_log_bin=1");
    EXPECT(tried[CollationKind::kFolded] > 60);
    EXPECT(tried[CollationKind::kPadded] > 60);
    MESSAGE("with weights, of texts made of awkward characters: ", with_weights.certain,
            " certain, ", with_weights.equal_certain, " equal pairs known, ",
            with_weights.equal_uncertain, " held coarsely");
  }

  TEST_CASE("printable ASCII under folded collations is equal without case only") {
    MYSQL* client = ServerPair::instance().client();
    for (const auto& row : run_sql(client,
                                   "SELECT FULL_COLLATION_NAME,CHARACTER_SET_NAME FROM "
                                   "information_schema.COLLATION_CHARACTER_SET_APPLICABILITY "
                                   "WHERE ID IS NOT NULL")) {
      if (certifier::collation_traits(row[0]).kind != CollationKind::kFolded) {
        continue;
      }
      // All pairs of characters, grouped by the server: each group holds one text without case.
      const SqlRows mixed = run_sql(
          client, "SELECT MIN(t) FROM (SELECT CONVERT(CHAR(a.seq,b.seq) USING " + row[1] +
                      ") COLLATE " + row[0] + " s, RTRIM(UPPER(CHAR(a.seq,b.seq USING ascii))) t " +
                      "FROM mysql.seq_32_to_126 a JOIN mysql.seq_32_to_126 b) x GROUP BY s "
                      "HAVING COUNT(DISTINCT BINARY t)>1");
      EXPECT_MESSAGE(mixed.empty(), row[0], ": ", mixed.empty() ? "" : mixed[0][0]);
    }
  }
}

}  // namespace
}  // namespace consort::test
