// classify(): SET in all its forms, and the settings that Consort owns.
#include "router/guarded_settings.h"
#include "tests/support/test.h"
#include "tests/unit/router/statement_summary.h"

using namespace consort::router;

TEST_SUITE("classify_set") {
  TEST_CASE("forms") {
    struct Case {
      std::string_view sql;
      std::string_view kind;
      std::string_view settings;
      std::string_view route;
    };

    constexpr std::string_view kSession = "home/session_setting";
    constexpr std::string_view kGuarded = "refuse/guarded_setting";
    constexpr std::string_view kRefused = "refuse/not_supported";
    constexpr std::string_view kGlobal = "ordered/global_setting";
    constexpr std::string_view kUnknown = "home/unknown_statement";
    const Case table[] = {
        {"SET autocommit=0", "set_autocommit", "autocommit=0", kSession},
        {"SET AUTOCOMMIT = ON;", "set_autocommit", "AUTOCOMMIT=ON", kSession},
        {"SET @@session.autocommit := 'off'", "set_autocommit", "session autocommit='off'",
         kSession},
        {"SET SESSION autocommit=TRUE", "set_autocommit", "session autocommit=TRUE", kSession},
        {"SET autocommit=0, sql_mode=''", "set_session", "autocommit=0; sql_mode=''", kSession},
        {"SET autocommit=@x", "set_session", "autocommit=@x", kSession},
        {"SET autocommit=2", "set_session", "autocommit=2", kSession},
        {"SET NAMES utf8mb4", "set_names", "names =utf8mb4", kSession},
        {"SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'", "set_names",
         "names ='utf8mb4' collate 'utf8mb4_bin'", kSession},
        {"SET CHARACTER SET DEFAULT", "set_names", "charset =DEFAULT", kSession},
        {"SET CHARSET latin1", "set_names", "charset =latin1", kSession},
        {"SET NAMES utf8mb4, sql_mode = 'ANSI'", "set_session", "names =utf8mb4; sql_mode='ANSI'",
         kSession},
        {"SET @x = 1, @`y z` := (SELECT max(a) FROM t)", "set_user_variable",
         "@x=1; @y z=(SELECT max(a) FROM t)", kSession},
        {"SET sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES'), time_zone='+00:00'",
         "set_session", "sql_mode=CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES'); time_zone='+00:00'",
         kSession},
        {"SET @@SQL_NOTES=@OLD, LOCAL foreign_key_checks = 0", "set_session",
         "SQL_NOTES=@OLD; session foreign_key_checks=0", kSession},
        {"SET tx_isolation = 'READ-COMMITTED'", "set_session", "tx_isolation='READ-COMMITTED'",
         kSession},
        {"SET innodb_snapshot_isolation=ON", "set_session", "innodb_snapshot_isolation=ON",
         kSession},
        {"SET x = -5", "set_session", "x=-5", kSession},
        {"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */",
         "set_session", "@OLD_SQL_MODE=@@SQL_MODE; SQL_MODE='NO_AUTO_VALUE_ON_ZERO'", kSession},
        {"SET ROLE r", "set_role", "", kSession},
        {"SET DEFAULT ROLE r FOR u", "account", "", "ordered/accounts"},
        {"SET PASSWORD FOR u = PASSWORD('x')", "set_password", "", "ordered/accounts"},
        {"SET GLOBAL max_connections = 5", "set_session", "global max_connections=5", kGlobal},
        {"SET GLOBAL init_connect = 'x'", "set_session", "global init_connect='x'", kGlobal},
        {"SET GLOBAL init_connect = 'x', a = 1", "set_session",
         "global init_connect='x'; global a=1", kRefused},
        {"SET GLOBAL a = 1, b = 2", "set_session", "global a=1; global b=2", kGlobal},
        {"SET @@global.a = 1, b = 2", "set_session", "global a=1; b=2", kGlobal},
        {"SET @@`global`.`a` = @x, @y = 2", "set_session", "global a=@x; @y=2", kGlobal},
        {"SET PERSIST a = 1", "set_session", "global a=1", kGlobal},
        {"SET GLOBAL hot.key_buffer_size = 1", "set_session", "global hot.key_buffer_size=1",
         kGlobal},
        {"SET GLOBAL hot.sort_buffer_size = 1", "set_session", "global hot.sort_buffer_size=1",
         kRefused},
        {"SET GLOBAL a = ?", "set_session", "global a=?", kRefused},
        {"SET GLOBAL a = f(1)", "set_session", "global a=f(1)", kRefused},
        {"SET GLOBAL a = (SELECT b FROM t)", "set_session", "global a=(SELECT b FROM t)", kRefused},
        {"SET GLOBAL a = 1, SESSION autocommit = 1", "set_session",
         "global a=1; session autocommit=1", kRefused},
        {"SET GLOBAL slave_exec_mode = 'IDEMPOTENT'", "set_session",
         "global slave_exec_mode='IDEMPOTENT'", kGuarded},
        {"SET a = 1, GLOBAL Read_Only = 1", "set_session", "a=1; global Read_Only=1", kRefused},
        {"SET @@global.read_only = ON", "set_session", "global read_only=ON", kGlobal},
        {"SET GLOBAL session_track_system_variables = '*', session_track_schema = 0", "set_session",
         "global session_track_system_variables='*'; global session_track_schema=0", kGlobal},
        {"SET GLOBAL gtid_domain_id = 3", "set_session", "global gtid_domain_id=3", kGuarded},
        {"SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED", "set_transaction", "", kGlobal},
        {"SET GLOBAL TRANSACTION READ ONLY", "set_transaction", "", kGlobal},
        {"SET SESSION a = 1, @@b = 2, c = 3", "set_session", "session a=1; b=2; session c=3",
         kSession},
        {"SET SESSION a = 1, @@sql_log_bin = 0", "set_session",
         "session a=1; sql_log_bin=0 guarded", kGuarded},
        {"SET GLOBAL event_scheduler=ON", "set_session", "global event_scheduler=ON", kGlobal},
        {"SET GLOBAL innodb_read_only_compressed=OFF", "set_session",
         "global innodb_read_only_compressed=OFF", kGlobal},
        {"SET GLOBAL innodb_read_only_compressed=1", "set_session",
         "global innodb_read_only_compressed=1", kGuarded},
        {"SET GLOBAL event_scheduler='off', @@global.Event_Scheduler=default", "set_session",
         "global event_scheduler='off'; global Event_Scheduler=default", kRefused},
        {"SET sql_log_bin=0", "set_session", "sql_log_bin=0 guarded", kGuarded},
        {"SET @@session.SQL_LOG_BIN := 0", "set_session", "session SQL_LOG_BIN=0 guarded",
         kGuarded},
        {"SET @@`sql_log_bin` = 0", "set_session", "sql_log_bin=0 guarded", kGuarded},
        {"SET @@session . sql_log_bin = 0", "set_session", "session sql_log_bin=0 guarded",
         kGuarded},
        {"SET @@session/**/./**/sql_log_bin = 0", "set_session", "session sql_log_bin=0 guarded",
         kGuarded},
        {"SET `sql_log_bin` = 0", "set_session", "sql_log_bin=0 guarded", kGuarded},
        {"SET /*!50000 sql_log_bin */ = 0", "set_session", "sql_log_bin=0 guarded", kGuarded},
        {"SET SESSION session_track_transaction_info='STATE', @@session_track_state_change=1",
         "set_session",
         "session session_track_transaction_info='STATE'; session_track_state_change=1", kSession},
        {"SET session_track_schema=0", "set_session", "session_track_schema=0 guarded", kGuarded},
        {"SET session_track_schema=1-1", "set_session", "session_track_schema=1-1 guarded",
         kGuarded},
        {"SET session_track_schema=DEFAULT", "set_session", "session_track_schema=DEFAULT guarded",
         kGuarded},
        {"SET a=1, SESSION binlog_row_image=MINIMAL", "set_session",
         "a=1; session binlog_row_image=MINIMAL guarded", kGuarded},
        {"SET STATEMENT sql_log_bin=0 FOR DELETE FROM t", "delete", "sql_log_bin=0 guarded",
         kGuarded},
        {"SET STATEMENT max_statement_time=1, binlog_format='ROW' FOR SELECT 1", "select",
         "max_statement_time=1; binlog_format='ROW' guarded", kGuarded},
        {"SET @sql_log_bin = 0", "set_user_variable", "@sql_log_bin=0", kSession},
        {"SET x = f(1)", "set_session", "x=f(1)", "home/write"},
        {"SET @x = NEXTVAL(s)", "set_user_variable", "@x=NEXTVAL(s)", "home/sequence"},
        {"SET x = 1; DELETE FROM t", "set_session", "x=1", "proxy/multi_statement"},
        {"SET", "unknown", "", kUnknown},
        {"SET x", "unknown", "", kUnknown},
        {"SET x =", "unknown", "", kUnknown},
        {"SET = 1", "unknown", "", kUnknown},
        {"SET x = 1,", "unknown", "x=1", kUnknown},
        {"SET STATEMENT x = 1", "unknown", "x=1", kUnknown},
        {"SET STATEMENT x = 1 FOR", "empty", "x=1", "proxy/empty_statement"},
        {"SET RESOURCE GROUP g", "unknown", "", kUnknown},
    };
    for (const Case& row : table) {
      CAPTURE(row.sql);
      const Statement statement = classify(row.sql);
      EXPECT(to_text(statement.kind) == row.kind);
      EXPECT(settings_text(statement) == row.settings);
      EXPECT(route_text(statement) == row.route);
    }
  }

  TEST_CASE("autocommit's value") {
    EXPECT(classify("SET autocommit=1").autocommit_value);
    EXPECT(classify("SET autocommit='ON'").autocommit_value);
    EXPECT(!classify("SET autocommit=0").autocommit_value);
    EXPECT(classify("SET autocommit=1, a=2").has(Flag::kSetsAutocommit));
  }

  TEST_CASE("kinds of values") {
    const Statement statement = classify("SET a=1, b=-1.5, c='x', d=ON, e=1+1, f=@x, g=0x1F");
    const SetValueKind expected[] = {SetValueKind::kNumber,     SetValueKind::kNumber,
                                     SetValueKind::kString,     SetValueKind::kWord,
                                     SetValueKind::kExpression, SetValueKind::kExpression,
                                     SetValueKind::kNumber};
    REQUIRE(statement.settings.size() == std::size(expected));
    for (std::size_t i = 0; i < std::size(expected); ++i) {
      CAPTURE(i);
      EXPECT(statement.settings[i].value_kind == expected[i]);
    }
  }

  TEST_CASE("more assignments than kept: a guarded one is still found") {
    std::string sql = "SET a0=0";
    for (int i = 1; i < 20; ++i) {
      sql += ", a" + std::to_string(i) + "=0";
    }
    EXPECT(classify(sql).settings.overflowed());
    EXPECT(classify(sql).kind == StatementKind::kSetSession);
    EXPECT(route_text(classify(sql + ", sql_log_bin=0")) == "refuse/guarded_setting");
  }

  TEST_CASE("SET TRANSACTION") {
    const Statement next = classify("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY");
    EXPECT(next.kind == StatementKind::kSetTransaction);
    EXPECT(next.transaction.scope == SetScope::kUnscoped);
    EXPECT(next.transaction.isolation == IsolationLevel::kReadCommitted);
    EXPECT(next.transaction.access == AccessMode::kReadOnly);
    const Statement session = classify("SET SESSION TRANSACTION READ WRITE");
    EXPECT(session.transaction.scope == SetScope::kSession);
    EXPECT(session.transaction.access == AccessMode::kReadWrite);
    EXPECT(classify("SET LOCAL TRANSACTION ISOLATION LEVEL SERIALIZABLE").transaction.isolation ==
           IsolationLevel::kSerializable);
    EXPECT(classify("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").transaction.isolation ==
           IsolationLevel::kRepeatableRead);
    EXPECT(classify("SET TRANSACTION READ UNCOMMITTED").kind == StatementKind::kUnknown);
    EXPECT(classify("SET TRANSACTION").kind == StatementKind::kUnknown);
    EXPECT(classify("SET TRANSACTION READ ONLY, READ WRITE").kind == StatementKind::kUnknown);
  }

  TEST_CASE("guarded settings") {
    for (const std::string_view name :
         {"sql_log_bin", "BINLOG_FORMAT", "binlog_row_image", "pseudo_slave_mode", "server_id",
          "gtid_domain_id", "session_track_system_variables", "SESSION_TRACK_SCHEMA", "wsrep_on",
          "skip_replication"}) {
      CAPTURE(name);
      EXPECT(is_guarded_setting(name));
    }
    for (const std::string_view name :
         {"sql_mode", "innodb_snapshot_isolation", "time_zone", "", "x", "sql_log_bin2", "binlog",
          "insert_id", "foreign_key_checks", "auto_increment_offset", "session_track_state_change",
          "session_track_transaction_info"}) {
      CAPTURE(name);
      EXPECT(!is_guarded_setting(name));
    }
  }

  TEST_CASE("the refusal names the variable") {
    const Route route = decide(classify("SET autocommit=1, SQL_LOG_BIN=0"), {});
    EXPECT(route.refusal.code == 1238);
    EXPECT(route.refusal.message.find("'SQL_LOG_BIN'") != std::string::npos);
  }
}
