#include "router/sequence_text.h"

#include "router/classify.h"
#include "tests/support/test.h"

namespace consort::router {
namespace {

SequenceDefinition shared(std::string_view sql, std::uint32_t increment_max = 50) {
  return shared_sequence(sql, classify(sql), {}, increment_max);
}

std::string text(std::string_view sql) {
  const SequenceDefinition definition = shared(sql);
  return definition.refused.empty() ? definition.sql.value_or("-") : "refused";
}

std::string raised(std::string_view sql) {
  const std::optional<TableRef> sequence = raised_sequence(sql, {});
  return sequence ? std::string(sequence->schema) + "." + std::string(sequence->name) : "-";
}

TEST_SUITE("router") {
  TEST_CASE("SequenceText: every definition says INCREMENT BY 0") {
    EXPECT(text("CREATE SEQUENCE s") == "CREATE SEQUENCE s INCREMENT BY 0");
    EXPECT(text("create or replace sequence `d`.`s` start 5 cache 10; ") ==
           "create or replace sequence `d`.`s` INCREMENT BY 0 start 5 cache 10; ");
    EXPECT(text("CREATE SEQUENCE IF NOT EXISTS increment -- x\n") ==
           "CREATE SEQUENCE IF NOT EXISTS increment INCREMENT BY 0 -- x\n");
    EXPECT(text("CREATE SEQUENCE s INCREMENT BY 50 NOCYCLE") ==
           "CREATE SEQUENCE s INCREMENT BY 0 NOCYCLE");
    EXPECT(text("CREATE SEQUENCE s INCREMENT = +1") == "CREATE SEQUENCE s INCREMENT = 0");
    EXPECT(text("CREATE SEQUENCE s MINVALUE -5 INCREMENT 1 MAXVALUE 2147483647 CACHE 10000") ==
           "CREATE SEQUENCE s MINVALUE -5 INCREMENT 0 MAXVALUE 2147483647 CACHE 10000");
    EXPECT(text("ALTER SEQUENCE IF EXISTS s INCREMENT 2 RESTART 5") ==
           "ALTER SEQUENCE IF EXISTS s INCREMENT 0 RESTART 5");
  }

  TEST_CASE("SequenceText: what stays as it is") {
    for (const char* sql :
         {"CREATE SEQUENCE s INCREMENT BY 0", "ALTER SEQUENCE s RESTART", "ALTER SEQUENCE s",
          "DROP SEQUENCE s", "CREATE SEQUENCE", "CREATE SEQUENCE s INCREMENT",
          "CREATE SEQUENCE s INCREMENT BY x", "CREATE TABLE t (sequence INT) COMMENT 'sequence=1'",
          "SELECT SETVAL(s, 5)", "ALTER TABLE t ADD COLUMN sequence INT", "CREATE SEQUENCE s 'a",
          "SELECT 1"}) {
      CAPTURE(sql);
      EXPECT(text(sql) == "-");
    }
  }

  TEST_CASE("SequenceText: what would give numbers twice, or run out, is refused") {
    for (const char* sql :
         {"CREATE SEQUENCE s INCREMENT -1", "CREATE SEQUENCE s INCREMENT BY 51",
          "CREATE SEQUENCE s INCREMENT 99999999999999999999", "ALTER SEQUENCE s INCREMENT BY 51",
          "CREATE SEQUENCE s CYCLE", "ALTER SEQUENCE s CYCLE", "CREATE SEQUENCE s CACHE 10001",
          "ALTER SEQUENCE s CACHE = 20000", "CREATE TEMPORARY SEQUENCE s",
          "CREATE SEQUENCE s MAXVALUE 2147483646", "ALTER SEQUENCE s MAXVALUE -1",
          "CREATE TABLE t (a INT) SEQUENCE=1", "CREATE TABLE t (a INT) ENGINE=InnoDB SEQUENCE = 1",
          "ALTER TABLE t SEQUENCE 1"}) {
      CAPTURE(sql);
      EXPECT(text(sql) == "refused");
    }
    EXPECT(shared("CREATE SEQUENCE s INCREMENT BY 2", 1).refused ==
           "sequences with an INCREMENT other than 1 to 1 (sequences.increment_max)");
  }

  TEST_CASE("SequenceText: SETVAL by itself is for every server") {
    EXPECT(raised("SELECT SETVAL(s, 5)") == ".s");
    EXPECT(raised("do setval(`d`.`s`, -5, 0, 1);") == "d.s");
    EXPECT(raised("SELECT SETVAL(s, +5, TRUE)") == ".s");
    for (const char* sql :
         {"SELECT SETVAL(s)", "SELECT SETVAL(s, 5) AS a", "SELECT SETVAL(s, 5), 1",
          "SELECT SETVAL(s, 5) FROM t", "SELECT SETVAL(s, ?)", "SELECT 1, SETVAL(s, 5)",
          "SET @a = SETVAL(s, 5)", "SELECT SETVAL(s, @a)", "SELECT SETVAL (a.b.c, 1)",
          "SELECT SETVAL(s, 5", "SELECT SETVAL 's'", "SELECT NEXTVAL(s)", "",
          "SELECT SETVAL(s, 5) /*!999999 , 1 */"}) {
      CAPTURE(sql);
      EXPECT(raised(sql) == "-");
    }
    const Statement statement = classify("SELECT SETVAL(d.s, 5)");
    EXPECT(statement.kind == StatementKind::kDdl);
    EXPECT(statement.ddl.object == DdlObject::kSequence);
    EXPECT_FALSE(statement.has(Flag::kImplicitCommit));
    REQUIRE(statement.tables.size() == 1);
    EXPECT(statement.tables[0].schema == "d");
    EXPECT(classify("SELECT SETVAL(s, 5), 1").kind == StatementKind::kSelect);
  }

  TEST_CASE("SequenceText: who reads a sequence's table sees a number above all that were given") {
    const auto read = [](std::string_view sql) {
      return with_all_reserved(sql, classify(sql), {}, 16).value_or("-");
    };
    const std::string inner =
        "(SELECT IF(next_not_cached_value>9223372036854775807-CAST(GREATEST(cache_size,1) AS "
        "SIGNED)*16,9223372036854775807,next_not_cached_value+CAST(GREATEST(cache_size,1) AS "
        "SIGNED)*16) AS next_not_cached_value,minimum_value,maximum_value,start_value,`increment`,"
        "cache_size,cycle_option,cycle_count FROM ";
    EXPECT(read("SELECT * FROM s") == "SELECT * FROM " + inner + "s) AS s");
    EXPECT(read("SELECT next_not_cached_value FROM `d` . `s` WHERE 1;") ==
           "SELECT next_not_cached_value FROM " + inner + "`d` . `s`) AS `s` WHERE 1;");
    for (const char* sql : {"SELECT * FROM s, t", "SELECT * FROM s AS x", "SELECT * FROM s x",
                            "SELECT * FROM s JOIN t", "SELECT * FROM s FOR UPDATE",
                            "SELECT (SELECT cache_size FROM s)", "DELETE FROM s", "SELECT 1",
                            "SELECT * FROM (SELECT * FROM s) d"}) {
      CAPTURE(sql);
      EXPECT(read(sql) == "-");
    }
  }

  TEST_CASE("SequenceText: what a statement asks of a sequence") {
    EXPECT(asks_previous_value("SELECT LastVal(s)"));
    EXPECT(asks_previous_value("SELECT PREVIOUS VALUE FOR s"));
    EXPECT(asks_previous_value("SELECT s.currval"));
    EXPECT_FALSE(asks_previous_value("SELECT NEXTVAL(s)"));
    EXPECT(mentions_setval("SELECT 1 + SetVal(s, 5)"));
    EXPECT_FALSE(mentions_setval("SELECT NEXT VALUE FOR s"));
  }
}

}  // namespace
}  // namespace consort::router
