#include "router/lock_list.h"

#include <string>

#include "tests/support/test.h"

using namespace consort::router;

namespace {

/// "schema.table=alias READ", one after the other; "?" when it cannot be read.
std::string items_of(std::string_view sql, const LexerOptions& options = {}) {
  const auto list = lock_list(sql, options);
  if (!list) {
    return "?";
  }
  std::string text;
  for (const LockListItem& item : list->items) {
    text += text.empty() ? "" : ", ";
    text += item.schema.empty() ? "" : item.schema + ".";
    text += item.table;
    text += item.alias.empty() ? "" : "=" + item.alias;
    text += item.write ? " WRITE" : " READ";
  }
  return text + (list->wait_s ? " wait " + std::to_string(*list->wait_s) : "");
}

}  // namespace

TEST_SUITE("route") {
  TEST_CASE("lock_list: names, quotes, aliases and kinds of lock") {
    EXPECT(items_of("LOCK TABLES t READ") == "t READ");
    EXPECT(items_of("lock table `a``b` as `x y` write, db.u u2 READ LOCAL;") ==
           "a`b=x y WRITE, db.u=u2 READ");
    EXPECT(items_of("LOCK TABLES `d`.`t` LOW_PRIORITY WRITE, s WRITE CONCURRENT") ==
           "d.t WRITE, s WRITE");
    EXPECT(items_of("LOCK TABLES `a` READ /*!32311 LOCAL */,`b` READ /*!32311 LOCAL */") ==
           "a READ, b READ");
    EXPECT(items_of("LOCK TABLES a READ WAIT 5") == "a READ wait 5");
    EXPECT(
        items_of("SET STATEMENT max_statement_time=9, sql_mode=CONCAT('a', (SELECT 1 FOR UPDATE)) "
                 "FOR LOCK TABLES a READ") == "a READ");
    EXPECT(items_of("SET STATEMENT max_statement_time=9") == "?");
    EXPECT(items_of("LOCK TABLES a READ, b WRITE NOWAIT") == "a READ, b WRITE wait 0");
  }

  TEST_CASE("lock_list: the text keeps the spelling of names and loses the waiting") {
    EXPECT(lock_list("SET STATEMENT a=1  FOR LOCK  TABLES b READ WAIT 5", {})->sql ==
           "SET STATEMENT a=1  FOR LOCK TABLES b READ");
    EXPECT(lock_list("LOCK TABLES `a` x READ /*!32311 LOCAL */, b.c WRITE NOWAIT", {})->sql ==
           "LOCK TABLES `a` AS x READ LOCAL, b.c WRITE");
  }

  TEST_CASE("lock_list: as many tables as there are") {
    std::string sql = "LOCK TABLES t0 READ";
    for (int i = 1; i < 1000; ++i) {
      sql += ", t" + std::to_string(i) + " READ";
    }
    EXPECT(lock_list(sql, {})->items.size() == 1000);
  }

  TEST_CASE("flush_lock_list: FLUSH TABLES of some WITH READ LOCK") {
    const auto list =
        flush_lock_list("flush no_write_to_binlog table `a b`, c.d WITH read LOCK;", {});
    REQUIRE(list);
    EXPECT(list->sql == "FLUSH LOCAL TABLES `a b`, c.d WITH READ LOCK");
    REQUIRE(list->items.size() == 2);
    EXPECT(list->items[0].table == "a b");
    EXPECT(list->items[0].spelled == "`a b`");
    EXPECT(list->items[1].schema == "c");
    EXPECT(list->items[1].table == "d");
    EXPECT_FALSE(list->items[1].write);
    EXPECT_FALSE(flush_lock_list("FLUSH TABLES WITH READ LOCK", {}));
    EXPECT_FALSE(flush_lock_list("FLUSH TABLES t", {}));
    EXPECT_FALSE(flush_lock_list("FLUSH TABLES t FOR EXPORT", {}));
    EXPECT_FALSE(flush_lock_list("FLUSH TABLES t WITH READ LOCK NONSENSE", {}));
  }

  TEST_CASE("locks_all_tables: FLUSH TABLES WITH READ LOCK in its forms") {
    for (const char* sql : {"FLUSH TABLES WITH READ LOCK", "flush local table with read lock;",
                            "FLUSH NO_WRITE_TO_BINLOG TABLES WITH READ LOCK -- all",
                            "FLUSH TABLES WITH READ LOCK AND DISABLE CHECKPOINT"}) {
      EXPECT(locks_all_tables(sql, {}));
    }
    for (const char* sql : {"FLUSH TABLES", "FLUSH TABLES t WITH READ LOCK",
                            "FLUSH TABLES WITH READ LOCK, STATUS", "FLUSH TABLES t FOR EXPORT",
                            "FLUSH TABLES WITH READ LOCK; SELECT 1", "LOCK TABLES t READ"}) {
      EXPECT_FALSE(locks_all_tables(sql, {}));
    }
  }

  TEST_CASE("wait_clause: what DDL says of its waiting") {
    EXPECT(wait_clause("ALTER TABLE t WAIT 7 COMMENT='WAIT 9'", {}) == 7);
    EXPECT(wait_clause("RENAME TABLE t NOWAIT TO u", {}) == 0);
    EXPECT(wait_clause("OPTIMIZE TABLE t WAIT 0", {}) == 0);
    EXPECT_FALSE(wait_clause("ALTER TABLE t ADD wait INT, ADD v INT DEFAULT (`nowait`)", {}));
    EXPECT_FALSE(wait_clause("DROP TABLE `NOWAIT`", {}));
  }

  TEST_CASE("lock_list: what it cannot read") {
    LexerOptions doubtful;
    doubtful.doubtful = true;
    EXPECT(items_of("LOCK TABLES t READ", doubtful) == "?");
    EXPECT(items_of("LOCK TABLES t") == "?");
    EXPECT(items_of("LOCK TABLES t READ, ") == "?");
    EXPECT(items_of("LOCK TABLES t READ u WRITE") == "?");
    EXPECT(items_of("LOCK TABLES t LOW_PRIORITY READ") == "?");
    EXPECT(items_of("LOCK TABLES t READ WAIT x") == "?");
    EXPECT(items_of("LOCK TABLES t READ; SELECT 1") == "?");
    EXPECT(items_of("LOCK TABLES `t READ") == "?");
    EXPECT(items_of("LOCK INSTANCE FOR BACKUP") == "?");
  }
}
