// What a server cannot read commits no transaction, and what a client calls READ ONLY writes
// nothing.
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/prepare_script.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

constexpr const char* kDdl = "CREATE TABLE n (id INT)";

/// BEGIN, a write on the home, then DDL.
void ddl_in_transaction(SessionScript& script) {
  script.query("BEGIN");
  script.query("UPDATE t SET v=1");
  script.backend_ok(Channel::kHome);
  script.backend_ok(Channel::kHome);
  script.sent(Channel::kHome);
  script.query("CREATE TABLE n (id INT)");
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: DDL that the home cannot read leaves the transaction open") {
    SessionScript script;
    ddl_in_transaction(script);
    EXPECT(script.sent(Channel::kHome) == Texts{kDdl});
    script.backend_error(Channel::kHome, 1064);
    EXPECT(script.answer() == "ERR 1064");
    EXPECT(script.posted.empty());
    EXPECT(script.core.in_transaction());
    script.query("ROLLBACK");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
  }

  TEST_CASE("SessionCore: the parser refuses what would change information_schema") {
    SessionScript script;
    ddl_in_transaction(script);
    script.backend_error(Channel::kHome, 1044,
                         "Access denied for user 'u'@'h' to database 'information_schema'");
    EXPECT(script.answer() == "ERR 1044");
    EXPECT(script.posted.empty());
    EXPECT(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: DDL that it can read, or refuses for other reasons, commits first") {
    for (const std::uint16_t error : {0, 1146, 1044, 1109, 1295}) {
      CAPTURE(error);
      SessionScript script;
      ddl_in_transaction(script);
      script.sent(Channel::kHome);
      Texts expected = {"XA END", "XA PREPARE"};
      if (error == 0) {
        answer_prepare(script, Channel::kHome, 9);
        expected.insert(expected.begin(), "CLOSE 9");
      } else {
        script.backend_error(Channel::kHome, error);
      }
      EXPECT(script.sent(Channel::kHome) == expected);
      script.backend_ok(Channel::kHome);
      script.backend_ok_gtid();
      script.outcome(BranchVerdict::kCommitted, 10);
      EXPECT(script.posted_back<DdlRequest>().sql == "CREATE TABLE n (id INT)");
      EXPECT_FALSE(script.core.in_transaction());
    }
  }

  TEST_CASE(
      "SessionCore: what Consort cannot read with certainty the home may not be able to either") {
    constexpr const char* kUncertain = "CREATE /*!101100 DEFINER=a@b */ VIEW v AS SELECT 1";
    for (const std::uint16_t error : {0, 1064, 1295}) {
      CAPTURE(error);
      SessionScript script;
      script.query(kUncertain);
      EXPECT(script.sent(Channel::kHome) == Texts{kUncertain});
      EXPECT(script.answer().empty());
      if (error == 0) {
        answer_prepare(script, Channel::kHome, 9);
        EXPECT(script.sent(Channel::kHome) == Texts{"CLOSE 9"});
      } else {
        script.backend_error(Channel::kHome, error);
      }
      EXPECT(script.answer() == (error == 1064 ? "ERR 1064" : "ERR 1235"));
      EXPECT(script.posted.empty());
      EXPECT(script.core.idle());
    }
  }

  TEST_CASE("SessionCore: a text with definitions to come is closed behind them") {
    SessionScript script;
    ddl_in_transaction(script);
    script.sent(Channel::kHome);
    answer_prepare(script, Channel::kHome, 9, 2);
    EXPECT((script.sent(Channel::kHome) == Texts{"CLOSE 9", "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: the home is asked also where BEGIN has not reached it yet") {
    SessionScript script;
    script.query("BEGIN");
    script.query("CREATE TABLE n (id INT)");
    EXPECT(script.sent(Channel::kHome) == Texts{kDdl});
    script.backend_error(Channel::kHome, 1064);
    EXPECT(script.answer() == "ERR 1064");
    EXPECT(script.core.in_transaction());
    script.query("UPDATE t SET v=1");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "UPDATE t SET v=1"}));
  }

  TEST_CASE("SessionCore: DDL outside a transaction is not asked about") {
    SessionScript script;
    script.query("CREATE TABLE n (id INT)");
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT(script.posted_back<DdlRequest>().sql == "CREATE TABLE n (id INT)");
  }

  TEST_CASE("SessionCore: a home lost amid the question ends the transaction") {
    SessionScript script;
    ddl_in_transaction(script);
    script.lose(Channel::kHome);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT_FALSE(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: a KILL QUERY amid the question ends the statement") {
    SessionScript script;
    ddl_in_transaction(script);
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: a READ ONLY transaction is a branch that cannot write") {
    SessionScript script;
    script.query("START TRANSACTION READ ONLY");
    script.query("CALL p()");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET TRANSACTION READ ONLY", "XA START", "CALL p()"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK trx");
    script.query("COMMIT");  // it cannot have written
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
    script.query("UPDATE t SET v=1");  // the server has forgotten READ ONLY with the branch
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "UPDATE t SET v=1", "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: a SERIALIZABLE transaction's snapshot does not lock the position") {
    for (const bool next_only : {false, true}) {
      CAPTURE(next_only);
      SessionScript script;
      script.query(next_only ? "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"
                             : "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE");
      protocol::OkPacket ok;
      ok.status = protocol::status_flag::kAutocommit;
      if (!next_only) {
        ok.changes.system_variables.emplace_back("tx_isolation", "SERIALIZABLE");
      }
      script.backend_ok(Channel::kHome, ok);
      script.sent(Channel::kHome);
      script.query("START TRANSACTION WITH CONSISTENT SNAPSHOT");
      EXPECT(script.sent(Channel::kHome) == Texts{"XA START"});
      script.backend_ok(Channel::kHome);
      EXPECT(script.answer() == "OK trx");
    }
  }

  TEST_CASE("SessionCore: beside temporary tables it is none, and no program may run in it") {
    SessionScript script;
    script.query("CREATE TEMPORARY TABLE tmp (id INT)");
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    for (const bool begun : {false, true}) {
      CAPTURE(begun);
      script.query("START TRANSACTION READ ONLY");
      if (begun) {
        script.query("SELECT 1 FROM t");
        EXPECT((script.sent(Channel::kHome) ==
                Texts{"START TRANSACTION READ ONLY", "SELECT 1 FROM t"}));
        script.backend_ok(Channel::kHome);
        script.backend_ok(Channel::kHome);
      }
      for (const char* sql : {"CALL p()", "EXECUTE q", "BEGIN NOT ATOMIC COMMIT; END"}) {
        script.query(sql);
        EXPECT(script.answer() == "ERR 1235");
      }
      EXPECT(script.sent(Channel::kHome).empty());
      script.query("COMMIT");
      script.backend_ok(Channel::kHome);
    }
  }

  TEST_CASE("SessionCore: with autocommit=0 a READ ONLY session's transaction says so") {
    SessionScript script;
    script.query("SET autocommit = 0");
    protocol::OkPacket ok;
    ok.changes.system_variables.emplace_back("autocommit", "OFF");
    ok.changes.system_variables.emplace_back("tx_read_only", "ON");
    ok.status = protocol::status_flag::kNoBackslashEscapes;
    script.backend_ok(Channel::kHome, ok);
    script.sent(Channel::kHome);
    script.query("SELECT id INTO @x FROM t");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET TRANSACTION READ ONLY", "XA START", "SELECT id INTO @x FROM t"}));
  }

  TEST_CASE("SessionCore: what SET TRANSACTION said is said again when nothing has used it up") {
    const std::string renewal =
        "SET SESSION tx_isolation=@@session.tx_isolation, "
        "SESSION tx_read_only=@@session.tx_read_only";

    struct Row {
      const char* sets;
      std::uint16_t error;
      const char* said;  // nullptr: used up
    };

    for (const Row& row : {Row{"SET TRANSACTION READ ONLY", 1064, "SET TRANSACTION READ ONLY"},
                           Row{"SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY", 1146,
                               "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY"},
                           Row{"SET @@tx_isolation = 'repeatable-read'", 1146,
                               "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"},
                           Row{"SET TRANSACTION READ ONLY", 1066, "SET TRANSACTION READ ONLY"},
                           Row{"SET TRANSACTION READ WRITE", 1062, nullptr}}) {
      CAPTURE(row.sets);
      SessionScript script;
      script.query(row.sets);
      script.backend_ok(Channel::kHome);
      script.query("UPDATE t SET v=1");
      script.backend_ok(Channel::kHome);
      script.backend_error(Channel::kHome, row.error);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      CHECK(script.core.idle());
      script.sent(Channel::kHome);
      script.query("UPDATE t SET v=2");
      Texts sent = script.sent(Channel::kHome);
      REQUIRE(sent.size() > 2);
      EXPECT(sent[0] == renewal);
      EXPECT(sent[1] == (row.said != nullptr ? row.said : "XA START"));
    }
  }

  TEST_CASE("SessionCore: what commits by itself uses SET TRANSACTION up") {
    for (const std::uint16_t error : {0, 1146, 1064}) {
      CAPTURE(error);
      SessionScript script;
      script.query("SET TRANSACTION READ ONLY");
      script.backend_ok(Channel::kHome);
      script.query("FLUSH TABLES nosuch");
      REQUIRE_FALSE(script.sent(Channel::kHome).empty());
      error == 0 ? script.backend_ok(Channel::kHome) : script.backend_error(Channel::kHome, error);
      REQUIRE(script.core.idle());
      script.query("BEGIN");
      script.query("UPDATE t SET v=1");
      EXPECT((script.sent(Channel::kHome).front() == "SET TRANSACTION READ ONLY") ==
             (error == 1064));
    }
  }

  TEST_CASE("SessionCore: a list of tables without any uses SET TRANSACTION not up") {
    struct Row {
      const char* sql;
      bool used_up;
    };

    for (const Row& row : {Row{"SELECT id, id FROM (SELECT 1 AS id) AS one", false},
                           Row{"SELECT 1 FROM dual", false},
                           Row{"SELECT id FROM (SELECT 1 AS id FROM t) AS one", true},
                           Row{"SELECT 1 FROM t, (SELECT 1) AS one", true}}) {
      CAPTURE(row.sql);
      SessionScript script;
      script.query("SET TRANSACTION READ ONLY");
      script.backend_ok(Channel::kHome);
      script.query(row.sql);
      for (int i = 0; i < 8 && !script.core.idle(); ++i) {
        script.backend_ok(Channel::kHome);
      }
      script.sent(Channel::kHome);
      script.query("BEGIN");
      script.query("UPDATE t SET v=2");
      EXPECT((script.sent(Channel::kHome).front() == "SET TRANSACTION READ ONLY") != row.used_up);
    }
  }

  TEST_CASE("SessionCore: SET GLOBAL of others ends no branch whose tables are not known") {
    for (const bool globals : {true, false}) {
      CAPTURE(globals);
      SessionScript script;
      script.query("BEGIN");
      script.query("CALL p()");
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.sent(Channel::kHome);
      for (int ask = 0; ask < 5; ++ask) {
        script.core.on_abort_table_users(
            {globals ? DdlTarget{"consort", "global_variables"} : DdlTarget{"d", "x"}});
      }
      EXPECT(script.sent(Channel::kHome).empty() == globals);
    }
  }

  TEST_CASE("SessionCore: a locking read that SET TRANSACTION forbids is not run as a write") {
    SessionScript script;
    script.functions = true;
    script.query("SET TRANSACTION READ ONLY");
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    script.query("SELECT 1 FROM t FOR UPDATE");
    script.backend_ok(Channel::kHome);
    script.backend_error(Channel::kHome, 1792);
    EXPECT(script.answer() == "ERR 1792");
    script.backend_ok(Channel::kHome);
    EXPECT(script.core.idle());
  }
}

}  // namespace
}  // namespace consort::proxy
