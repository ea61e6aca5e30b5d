#include "router/session_scope.h"

#include "router/classify.h"
#include "tests/support/test.h"

namespace consort::router {
namespace {

std::string scoped(std::string_view sql) {
  return with_session_scope(sql, classify(sql, {})).value_or("-");
}

TEST_SUITE("router") {
  TEST_CASE("SessionScope: a variable behind @@ gets the scope that the server gives it") {
    EXPECT(scoped("SET @@sql_mode = ''") == "SET @@session.sql_mode = ''");
    EXPECT(scoped("set @@autocommit=0") == "set @@session.autocommit=0");
    EXPECT(scoped("SET @@`sql_mode` = 'ANSI'") == "SET @@session.`sql_mode` = 'ANSI'");
    EXPECT(scoped("SET @a = 1, @@time_zone := '+01:00', x = @@y, @@sql_notes = 0") ==
           "SET @a = 1, @@session.time_zone := '+01:00', x = @@y, @@session.sql_notes = 0");
    // What stands in front of another one says nothing of it.
    EXPECT(scoped("SET SESSION x = 1, @@sql_mode = 'ANSI'") ==
           "SET SESSION x = 1, @@session.sql_mode = 'ANSI'");
    EXPECT(scoped("SET LOCAL x = 1, @@y = 2, z = 3") == "SET LOCAL x = 1, @@session.y = 2, z = 3");
  }

  TEST_CASE("SessionScope: everything else stays") {
    for (const char* sql :
         {"SET sql_mode = ''", "SET SESSION sql_mode = ''", "SET @@session.sql_mode = ''",
          "SET @@SESSION.sql_mode = @@sql_mode", "SET @@global.sql_mode = ''",
          "SET @a = @@sql_mode", "SET @@tx_isolation = 'SERIALIZABLE'", "SET NAMES utf8mb4",
          "SELECT @@sql_mode", "SET STATEMENT sql_mode = '' FOR SELECT 1"}) {
      CAPTURE(sql);
      EXPECT(scoped(sql) == "-");
    }
  }

  TEST_CASE("SessionScope: the next transaction's settings are told") {
    const auto next = [](std::string_view sql) {
      return sets_next_transaction(sql, classify(sql, {}));
    };
    EXPECT(next("SET @@tx_isolation = 'SERIALIZABLE'"));
    EXPECT(next("SET @@transaction_read_only = 1"));
    EXPECT(next("SET SESSION sql_notes = 0, @x = 2, @@tx_read_only = 0"));
    EXPECT_FALSE(next("SET SESSION sql_notes = 0, tx_read_only = 0"));
    EXPECT_FALSE(next("SET tx_isolation = 'SERIALIZABLE'"));
    EXPECT_FALSE(next("SET @@session.tx_isolation = 'SERIALIZABLE'"));
    EXPECT_FALSE(next("SET @@sql_mode = ''"));
  }

  TEST_CASE("SessionScope: what changes a session's variables or schema") {
    const auto sets = [](std::string_view sql) { return sets_session_state(classify(sql, {})); };
    for (const std::string sql :
         {"USE d", "SET sql_mode=''", "SET @a=1, @@sql_mode=''", "SET NAMES latin1",
          "SET LOCAL x=1", "SET CHARACTER SET latin1", "SET autocommit=0"}) {
      CAPTURE(sql);
      EXPECT(sets(sql));
    }
    for (const std::string sql :
         {"SET @a=1", "SET GLOBAL sql_mode=''", "SET max_join_size=ROW_COUNT()", "SELECT 1",
          "SET STATEMENT sql_mode='' FOR SELECT 1"}) {
      CAPTURE(sql);
      EXPECT_FALSE(sets(sql));
    }
  }
}

}  // namespace
}  // namespace consort::router
