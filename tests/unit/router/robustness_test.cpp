// The classifier on broken text: every prefix, and seeded mutations, of a list of statements.
// Texts stand in buffers of their exact size, so that a sanitizer sees a read past the end.
#include <cstring>
#include <memory>
#include <random>
#include <string>

#include "router/digest.h"
#include "router/router.h"
#include "tests/support/test.h"

using namespace consort::router;

namespace {

constexpr std::string_view kStatements[] = {
    "SELECT /* consort: read=strong */ a.`b`, 'it''s', \"x\\\"y\" FROM t WHERE c IN (1, -2.5e3, "
    "0xFF) "
    "AND f(@x, @@session.sql_mode) LIMIT ? -- end",
    "INSERT INTO db.t (a, b) VALUES (1, 'x'), (2, NULL) ON DUPLICATE KEY UPDATE a = VALUES(a); "
    "COMMIT",
    "/*!50000 SET */ @@session . `sql_log_bin` := 0, NAMES 'utf8' COLLATE utf8_bin, @`u` = (SELECT "
    "1)",
    "CREATE DEFINER=`r`@`%` PROCEDURE p() BEGIN CASE 1 WHEN 1 THEN SELECT 1; END CASE; END; DROP "
    "TABLE x",
    "WITH RECURSIVE c (n) AS (SELECT 1 UNION SELECT n FROM c) DELETE FROM a USING a JOIN b # tail",
    "ALTER TABLE t RENAME TO u, ADD FOREIGN KEY (a) REFERENCES p (b) /*M!100500 COMMENT 'x' */",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    "SELECT n'x', x'1F', b'01', _utf8'q', s.nextval, NEXT VALUE FOR s, JSON_TABLE('[]', '$' "
    "COLUMNS (a "
    "INT PATH '$')) INTO OUTFILE '/x' FOR UPDATE",
    "SET STATEMENT a=1 FOR ANALYZE FORMAT=JSON UPDATE t SET b = b <=> c || d",
    "KILL HARD QUERY 5",
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE t (a, @b) SET c = @b",
    "lbl: BEGIN NOT ATOMIC SELECT 1; END lbl",
};

bool lies_within(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

/// Classifies a copy of `sql` without a byte behind it; true when what came out is in order.
bool holds(std::string_view sql, const LexerOptions& options) {
  const std::unique_ptr<char[]> exact(new char[sql.size()]);
  if (!sql.empty()) {
    std::memcpy(exact.get(), sql.data(), sql.size());
  }
  const std::string_view text(exact.get(), sql.size());
  const Statement statement = classify(text, options);
  bool in_order = lies_within(statement.rest, text) && lies_within(statement.name, text) &&
                  lies_within(statement.hints.backend, text);
  for (const TableRef& table : statement.tables) {
    in_order = in_order && lies_within(table.schema, text) && lies_within(table.name, text);
  }
  for (const SetItem& item : statement.settings) {
    in_order = in_order && lies_within(item.name, text) && lies_within(item.value, text) &&
               lies_within(item.collation, text);
  }
  const Route route = decide(statement, {});
  const bool any = route.target == Target::kAnyFresh;
  return in_order && !(any && statement.may_write()) && digest_text(text, options).size() <= 1024;
}

LexerOptions options_of(unsigned bits) {
  LexerOptions options;
  options.ansi_quotes = (bits & 1) != 0;
  options.no_backslash_escapes = (bits & 2) != 0;
  options.doubtful = (bits & 4) != 0;
  options.single_byte = (bits & 8) != 0;
  options.mysql = (bits & 16) != 0;
  return options;
}

std::string mutated(std::string text, std::mt19937_64& random) {
  constexpr std::string_view kSigns =
      "'\"`\\/*-#;()@.,!? \0\xFF"
      "aN1";
  for (unsigned i = 0; i <= random() % 4; ++i) {
    const std::size_t at = random() % (text.size() + 1);
    const char sign = kSigns[random() % kSigns.size()];
    switch (random() % 3) {
      case 0:
        text.insert(at, 1, sign);
        break;
      case 1:
        text.erase(at, 1 + random() % 5);
        break;
      default:
        text.replace(at, 1, 1, sign);
    }
  }
  return text;
}

}  // namespace

TEST_SUITE("router_robustness") {
  TEST_CASE("every prefix and suffix") {
    for (const std::string_view statement : kStatements) {
      for (std::size_t size = 0; size <= statement.size(); ++size) {
        CAPTURE(statement.substr(0, size));
        EXPECT(holds(statement.substr(0, size), {}));
        EXPECT(holds(statement.substr(size), options_of(1)));
      }
    }
  }

  TEST_CASE("seeded mutations in every mode") {
    constexpr std::uint64_t kSeed = 20240501;
    std::mt19937_64 random(kSeed);
    for (int round = 0; round < 20000; ++round) {
      const std::string text =
          mutated(std::string(kStatements[random() % std::size(kStatements)]), random);
      const LexerOptions options = options_of(static_cast<unsigned>(random()) & 31U);
      if (!holds(text, options)) {
        CAPTURE(round);
        CAPTURE(text);
        FAIL("not in order");
      }
    }
  }
}
