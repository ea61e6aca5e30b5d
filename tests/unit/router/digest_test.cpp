// Digests, hints, functions and the options that come from sql_mode.
#include "router/digest.h"

#include "router/functions.h"
#include "router/hints.h"
#include "router/statement.h"
#include "tests/support/test.h"

using namespace consort::router;

TEST_SUITE("digest") {
  TEST_CASE("text") {
    struct Case {
      std::string_view sql;
      std::string_view text;
    };

    const Case table[] = {
        {"", ""},
        {"select  a ,b from t where id=5 -- x", "select a, b from t where id = ?"},
        {"SELECT 1, 'a', ?", "SELECT ?, ..."},
        {"SELECT a FROM t WHERE b IN (1,2,3)", "SELECT a FROM t WHERE b IN(?, ...)"},
        {"SELECT a FROM t WHERE b IN (-1)", "SELECT a FROM t WHERE b IN(?)"},
        {"SELECT a-1, -1, - b", "SELECT a - ?, ..., - b"},
        {"INSERT INTO t VALUES (1,'x'),(2,NULL),(3,'z')", "INSERT INTO t VALUES(?, ...), ..."},
        {"INSERT INTO t VALUES (1),(2)", "INSERT INTO t VALUES(?), ..."},
        {"INSERT INTO t VALUES (1),(now())", "INSERT INTO t VALUES(?), (now())"},
        {"INSERT INTO t VALUES (1), (2, a)", "INSERT INTO t VALUES(?), (?, a)"},
        {"SELECT `db`.`t`.* FROM `t`; DROP TABLE x", "SELECT db.t.* FROM t"},
        {"SELECT @a, @@b", "SELECT @a, @@b"},
        {"SELECT a FROM t LIMIT 5, 6", "SELECT a FROM t LIMIT ?, ..."},
        {"SELECT (1),", "SELECT(?),"},
        {"SELECT (1),(", "SELECT(?), ("},
        {"SELECT (1),(2", "SELECT(?), (?"},
        {"SELECT a = -", "SELECT a = -"},
    };
    for (const Case& row : table) {
      CAPTURE(row.sql);
      EXPECT(digest_text(row.sql) == row.text);
    }
    EXPECT(digest_text("SELECT abcdef", {}, 9) == "SELECT ab");
  }

  TEST_CASE("number: equal where only literals, blanks, comments and case differ") {
    const auto digest = [](std::string_view sql) { return classify(sql).digest; };
    EXPECT(digest("SELECT a FROM t WHERE id=5") ==
           digest("select /* x */ A from T where ID = 'q'"));
    EXPECT(digest("SELECT a FROM t WHERE b IN (1,2)") ==
           digest("SELECT a FROM t WHERE b IN (1,2,3)"));
    EXPECT(digest("INSERT INTO t VALUES (1,2),(3,4)") ==
           digest("INSERT INTO t VALUES (1,2),(3,4),(5,6);"));
    EXPECT(digest("SELECT `a` FROM t") == digest("SELECT a FROM t"));
    EXPECT(digest("SELECT a FROM t") != digest("SELECT b FROM t"));
    EXPECT(digest("SELECT a FROM t") != digest("SELECT a FROM t WHERE 1"));
    EXPECT(digest("SELECT ab") != digest("SELECT a b"));
    EXPECT(digest("SELECT abcdefgh1") != digest("SELECT abcdefgh2"));
    EXPECT(digest("SELECT [") != digest("SELECT {"));
    EXPECT(digest("SELECT \xC3\xA9") != digest("SELECT \xC3\x89"));
  }

  TEST_CASE("hints") {
    const Hints all = parse_hints(" consort: home, read=EVENTUAL backend=db-2 ");
    EXPECT(all.home);
    EXPECT(all.read == ReadFreshness::kEventual);
    EXPECT(all.backend == "db-2");
    EXPECT(all.bad.empty());
    EXPECT(parse_hints("Consort:read=strong").read == ReadFreshness::kStrong);
    EXPECT(parse_hints("consort: read=stale").bad == "read=stale");
    EXPECT(parse_hints("consort: backend=").bad == "backend=");
    EXPECT(!parse_hints("consort home").home);
    EXPECT(!parse_hints("").home);
    EXPECT(!parse_hints("consort:").home);
    EXPECT(classify("/* x */ /* consort: home */ SELECT 1").hints.home);
    EXPECT(classify("SELECT 1 /*consort:home*/").hints.home);
    EXPECT(!classify("SELECT '/* consort: home */'").hints.home);
  }

  TEST_CASE("functions") {
    const LexerOptions mariadb;
    LexerOptions mysql;
    mysql.mysql = true;
    EXPECT(classify_function("Concat", false, mariadb) == FunctionClass::kSafe);
    EXPECT(classify_function("concat", true, mariadb) == FunctionClass::kSafe);
    EXPECT(classify_function("count", false, mariadb) == FunctionClass::kSafe);
    EXPECT(classify_function("count", true, mariadb) == FunctionClass::kUnknown);
    EXPECT(classify_function("nvl", false, mariadb) == FunctionClass::kSafe);
    EXPECT(classify_function("nvl", false, mysql) == FunctionClass::kUnknown);
    EXPECT(classify_function("in", true, mariadb) == FunctionClass::kSyntax);
    EXPECT(classify_function("nextval", true, mariadb) == FunctionClass::kSequence);
    EXPECT(classify_function("", false, mariadb) == FunctionClass::kUnknown);
    EXPECT(classify_function("sformat", false, mariadb) == FunctionClass::kUnknown);
    LexerOptions newer;
    newer.server_version = 101106;
    EXPECT(classify_function("sformat", true, newer) == FunctionClass::kSafe);
    EXPECT(classify_function("my_function", false, mariadb) == FunctionClass::kUnknown);
    EXPECT(classify_function(std::string(500, 'a'), false, mariadb) == FunctionClass::kUnknown);
  }

  TEST_CASE("options from sql_mode") {
    EXPECT(with_sql_mode({}, "")->ansi_quotes == false);
    EXPECT(with_sql_mode({}, "STRICT_TRANS_TABLES, ansi_quotes")->ansi_quotes);
    EXPECT(with_sql_mode({}, "ANSI")->ansi_quotes);
    EXPECT(with_sql_mode({}, "oracle")->ignore_space);
    EXPECT(with_sql_mode({}, "oracle")->oracle);
    EXPECT_FALSE(with_sql_mode({}, "ANSI")->oracle);
    EXPECT(classify("BEGIN", *with_sql_mode({}, "oracle")).kind == StatementKind::kCompound);
    EXPECT(with_sql_mode({}, "NO_BACKSLASH_ESCAPES")->no_backslash_escapes);
    EXPECT(!with_sql_mode({}, "TRADITIONAL")->ansi_quotes);
    EXPECT(with_sql_mode({}, "4")->ansi_quotes);
    EXPECT(with_sql_mode({}, "8")->ignore_space);
    EXPECT(with_sql_mode({}, "1048576")->no_backslash_escapes);
    EXPECT(!with_sql_mode({}, "512").has_value());
    EXPECT(!with_sql_mode({}, "CONCAT(@@sql_mode, 'x')").has_value());
    LexerOptions before;
    before.ansi_quotes = true;
    EXPECT(!with_sql_mode(before, "")->ansi_quotes);
  }

  TEST_CASE("options from the character set") {
    EXPECT(!with_character_set({}, "utf8mb4").doubtful);
    EXPECT(!with_character_set({}, "utf8mb4").single_byte);
    EXPECT(with_character_set({}, "Latin1").single_byte);
    EXPECT(!with_character_set({}, "latin1").doubtful);
    EXPECT(with_character_set({}, "gbk").doubtful);
    for (const LexerOptions& swe7 : {with_character_set({}, "swe7"), with_collation({}, 82)}) {
      EXPECT_FALSE(swe7.doubtful);
      EXPECT_FALSE(classify("SELECT '[~]' FROM t", swe7).has(Flag::kUncertain));
      for (const char* const sql : {"SELECT a[ FROM t", "SELECT {d '2020-01-01'}", "SELECT \\N",
                                    "SELECT 1 ^ 1", "SELECT ~1"}) {
        EXPECT(classify(sql, swe7).has(Flag::kUncertain));
      }
    }
    EXPECT(with_character_set({}, "sjis").doubtful);
    EXPECT(with_character_set({}, "no_such").doubtful);
  }
}
