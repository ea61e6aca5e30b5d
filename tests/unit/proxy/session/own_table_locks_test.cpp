#include "proxy/session/own_table_locks.h"

#include "router/statement.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

/// What a session gets that holds d.r by READ and d.w by WRITE locks: the error's number, or 0.
unsigned error_of(std::string_view sql) {
  OwnTableLocks locks;
  locks.take({{"d", "r", false}, {"d", "w", true}, {"d", "r", false}});
  const auto refused = locks.refusal(router::classify(sql), sql, "d");
  return refused ? refused->code : 0;
}

std::string used_by(std::string_view sql) {
  std::string text;
  for (const TableLock& table : tables_used(router::classify(sql), "d")) {
    text += table.schema + "." + table.table + (table.write ? "! " : " ");
  }
  return text;
}

TEST_SUITE("session") {
  TEST_CASE("OwnTableLocks: what is locked may be used, as it is locked") {
    EXPECT(error_of("SELECT * FROM r JOIN d.W USING (id)") == 0);
    EXPECT(error_of("INSERT INTO w SELECT * FROM r") == 0);
    EXPECT(error_of("UPDATE r SET a = 1") == 1099);
    EXPECT(error_of("INSERT INTO `r` VALUES (1)") == 1099);
    EXPECT(error_of("TRUNCATE r") == 1099);
    EXPECT(error_of("CREATE TABLE IF NOT EXISTS r LIKE w") == 1099);
    EXPECT(error_of("CREATE TABLE IF NOT EXISTS w LIKE r") == 0);
    EXPECT(error_of("ALTER TABLE w DISABLE KEYS") == 0);
    EXPECT(error_of("DELETE FROM w") == 0);
    EXPECT(error_of("ALTER TABLE w RENAME TO x") == 0);
    EXPECT(error_of("ALTER TABLE r RENAME TO x") == 1099);
    EXPECT(error_of("SELECT * FROM w FOR UPDATE") == 0);
    EXPECT(error_of("SELECT * FROM r FOR UPDATE") == 1099);
    EXPECT(error_of("SELECT * FROM r LOCK IN SHARE MODE") == 0);
  }

  TEST_CASE("OwnTableLocks: with a temporary table its lock goes, but not LOCK TABLES") {
    constexpr std::string_view kRead = "SELECT * FROM tmp";
    bool is_there = true;
    const auto is_temporary = [&](const TableLock& table) {
      return is_there && table.table == "tmp";
    };
    OwnTableLocks locks;
    locks.take({{"d", "tmp", true}, {"d", "w", true}}, is_temporary);
    EXPECT(locks.refusal(router::classify(kRead), kRead, "d")->code == 1100);  // of the plain one
    locks.forget("d", "w");
    locks.forget("d", "tmp");
    locks.forget_dropped_temporary(is_temporary);
    EXPECT_FALSE(locks.empty());
    is_there = false;
    locks.forget_dropped_temporary(is_temporary);
    EXPECT(locks.empty());
  }

  TEST_CASE("OwnTableLocks: nothing else may be used") {
    EXPECT(error_of("SELECT * FROM other") == 1100);
    EXPECT(error_of("SELECT * FROM e.r") == 1100);
    EXPECT(error_of("INSERT INTO other VALUES (1)") == 1100);
    EXPECT(error_of("INSERT INTO w SELECT * FROM other") == 1100);
    EXPECT(error_of("CREATE TABLE other (a INT)") == 1100);
    EXPECT(error_of("CREATE TABLE other LIKE r") == 1100);
    EXPECT(error_of("CREATE TABLE other (a INT REFERENCES w (a))") == 1100);
    EXPECT(error_of("DROP TABLE other") == 1100);
    EXPECT(error_of("FLUSH TABLES WITH READ LOCK") == 1192);
    EXPECT(error_of("DROP DATABASE e") == 1192);
    EXPECT(error_of("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1") == 1192);
    EXPECT(error_of("ALTER EVENT e DISABLE") == 1192);
    EXPECT(error_of("DROP EVENT IF EXISTS e") == 1192);
    EXPECT(error_of("RENAME TABLE w TO x") == 1192);
    EXPECT(error_of("CREATE OR REPLACE VIEW v AS SELECT 1") == 1192);
    EXPECT(error_of("DROP VIEW v") == 1192);
    EXPECT(error_of("CREATE PROCEDURE p() SELECT 1") == 1192);
    EXPECT(error_of("DROP FUNCTION IF EXISTS f") == 1192);
    EXPECT(error_of("ALTER PROCEDURE p COMMENT 'c'") == 1192);
    EXPECT(error_of("CREATE TRIGGER g BEFORE INSERT ON other FOR EACH ROW SET @a = 1") == 1100);
    EXPECT(error_of("CREATE TRIGGER g BEFORE INSERT ON r FOR EACH ROW SET @a = 1") == 1099);
    EXPECT(error_of("CREATE TRIGGER g BEFORE INSERT ON w FOR EACH ROW SET @a = 1") == 0);
    EXPECT(error_of("DROP TRIGGER g") == 0);
    EXPECT(error_of("HANDLER w OPEN") == 1192);
    EXPECT(error_of("HANDLER w READ FIRST") == 0);
    EXPECT(error_of("CREATE SEQUENCE q") == 1100);
    EXPECT(error_of("DROP SEQUENCE q") == 1100);
  }

  TEST_CASE("awaits_global_lock: what a server writes to its binlog") {
    const auto awaits = [](std::string_view sql) {
      return awaits_global_lock(router::classify(sql), sql);
    };
    EXPECT(awaits("FLUSH TABLES"));
    EXPECT(awaits("flush /* a */ tables t, u"));
    EXPECT(awaits("FLUSH PRIVILEGES"));
    EXPECT(awaits("FLUSH STATUS"));
    EXPECT(awaits("ANALYZE TABLE t"));
    EXPECT_FALSE(awaits("ANALYZE LOCAL TABLE t"));
    EXPECT_FALSE(awaits("FLUSH LOCAL TABLES"));
    EXPECT_FALSE(awaits("FLUSH NO_WRITE_TO_BINLOG STATUS"));
    EXPECT_FALSE(awaits("FLUSH BINARY LOGS"));
    EXPECT_FALSE(awaits("FLUSH LOGS"));
    EXPECT_FALSE(awaits("FLUSH TABLES WITH READ LOCK"));
    EXPECT_FALSE(awaits("FLUSH TABLES t WITH READ LOCK"));
    EXPECT_FALSE(awaits("SELECT 1"));
  }

  TEST_CASE("OwnTableLocks: FLUSH TABLES wants WRITE locks of what it flushes") {
    EXPECT(error_of("FLUSH TABLES") == 1099);
    EXPECT(error_of("FLUSH TABLE r") == 1099);
    EXPECT(error_of("FLUSH LOCAL TABLES w, `d`.r;") == 1099);
    EXPECT(error_of("FLUSH NO_WRITE_TO_BINLOG TABLES other, r") == 1100);
    EXPECT(error_of("FLUSH TABLES e.w") == 1100);
    EXPECT(error_of("FLUSH TABLES w, d.W") == 0);
    EXPECT(error_of("FLUSH STATUS") == 0);
    EXPECT(error_of("FLUSH LOCAL HOSTS, PRIVILEGES") == 1100);
    EXPECT(error_of("FLUSH PRIVILEGES") == 1100);
    EXPECT(error_of("FLUSH TABLES w, `privileges`") == 1100);
    OwnTableLocks locks;
    const auto flush = [&locks] {
      return locks.refusal(router::classify("FLUSH TABLES"), "FLUSH TABLES", "d");
    };
    locks.take({{"d", "w", true}, {"d", "x", true}});
    EXPECT(!flush());
    locks.take({{"d", "r", false}, {"d", "s", false}, {"d", "w", true}});
    REQUIRE(flush());
    EXPECT(flush()->message == "Table 's' was locked with a READ lock and can't be updated");
  }

  TEST_CASE("OwnTableLocks: what the text does not tell for certain passes") {
    EXPECT(error_of("WITH c AS (SELECT 1) SELECT * FROM c") == 0);
    EXPECT(error_of("DELETE x FROM w AS x WHERE 1") == 0);
    EXPECT(error_of("UPDATE w JOIN r USING (id) SET w.a = r.a") == 0);
    EXPECT(error_of("SELECT * FROM information_schema.TABLES") == 0);
    EXPECT(error_of("CREATE TEMPORARY TABLE other (a INT)") == 0);
    EXPECT(error_of("SHOW CREATE TABLE other") == 0);
    EXPECT(error_of("SELECT 1") == 0);
    EXPECT(error_of("CALL p()") == 0);
  }

  TEST_CASE("tables_used: by rows and definitions") {
    EXPECT(used_by("SELECT * FROM a, e.b") == "d.a e.b ");
    EXPECT(used_by("INSERT INTO a SELECT * FROM b") == "d.a! d.b ");
    EXPECT(used_by("ALTER TABLE a ADD c INT") == "d.a! ");
    EXPECT(used_by("DROP DATABASE e") == "e.! ");
    EXPECT(used_by("SHOW CREATE TABLE a") == "");
  }
}

}  // namespace
}  // namespace consort::proxy
