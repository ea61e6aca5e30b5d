// A statement never runs outside the branch or transaction it was sent into.
#include <algorithm>

#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

/// A session whose connection reports a time limit on statements.
void limit_time(SessionScript& script, const std::string& seconds) {
  const std::string tracked = seconds + ".000000";
  script.query("SET max_statement_time=" + seconds);
  REQUIRE(script.sent(Channel::kHome).size() == 1);
  protocol::OkPacket ok;
  ok.status = protocol::status_flag::kAutocommit;
  ok.changes.system_variables.emplace_back("max_statement_time", tracked);
  script.backend_ok(Channel::kHome, ok);
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: an XA START that fails alone leaves the statement in a transaction") {
    SessionScript script;
    script.shows_guards = true;
    script.query("UPDATE t SET v=1");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "START TRANSACTION", "UPDATE t SET v=1", "XA END", "XA PREPARE"}));
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.releases == std::vector<bool>{false});
    // It may have begun nevertheless, and is prepared then.
    REQUIRE(script.posted.size() == 1);
    EXPECT(script.posted_back<BranchAbandoned>().branch == BranchId{1, 0, 1});
    EXPECT(script.posted_back<BranchAbandoned>().owner_thread == 100);
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a transaction's first statement stands behind a guard, the next not") {
    SessionScript script;
    script.shows_guards = true;
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "START TRANSACTION", "UPDATE t SET v=1"}));
    script.backend_ok(Channel::kHome);
    script.backend_error(Channel::kHome, 1399);
    EXPECT(script.answer().empty());
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK trx");
    script.query("UPDATE t SET v=2");
    EXPECT(script.sent(Channel::kHome) == Texts{"UPDATE t SET v=2"});
  }

  TEST_CASE("SessionCore: a read that must not write stands behind a guard") {
    SessionScript script;
    script.shows_guards = true;
    script.functions = true;
    script.query("SELECT 1 FROM t");
    EXPECT((script.sent(Channel::kRead) == Texts{"START TRANSACTION READ ONLY",
                                                 "SET TRANSACTION READ ONLY", "SELECT 1 FROM t",
                                                 "COMMIT AND NO CHAIN NO RELEASE"}));
    script.backend_error(Channel::kRead, 1317);
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.releases == std::vector<bool>{false});
  }

  TEST_CASE("SessionCore: a SERIALIZABLE session's read outside a transaction takes no locks") {
    const std::string_view lockless = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    SessionScript script;
    script.functions = true;
    script.query("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    protocol::OkPacket ok;
    ok.status = protocol::status_flag::kAutocommit;
    ok.changes.system_variables.emplace_back("tx_isolation", "SERIALIZABLE");
    script.backend_ok(Channel::kHome, ok);
    script.sent(Channel::kHome);
    script.query("SELECT 1 FROM t");
    EXPECT((script.sent(Channel::kRead) == Texts{std::string(lockless),
                                                 "START TRANSACTION READ ONLY", "SELECT 1 FROM t",
                                                 "COMMIT AND NO CHAIN NO RELEASE"}));
    script.backend_ok(Channel::kRead);  // not the one that counts
    script.backend_ok(Channel::kRead);
    script.backend_ok(Channel::kRead);
    script.backend_ok(Channel::kRead);
    script.answer();
    script.query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    script.query("SELECT 1 FROM t");
    EXPECT(script.sent(Channel::kHome).front() == "START TRANSACTION READ ONLY");
  }

  TEST_CASE("SessionCore: nor does one that only the next transaction's level makes so") {
    for (const char* sql :
         {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET @@tx_isolation = 'serializable'"}) {
      CAPTURE(sql);
      SessionScript script;
      script.functions = true;
      script.query(sql);
      script.backend_ok(Channel::kHome);
      script.query("SET TRANSACTION READ ONLY");
      script.backend_ok(Channel::kHome);
      script.sent(Channel::kHome);
      script.query("SELECT 1 FROM t");
      EXPECT(script.sent(Channel::kHome).front() ==
             "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    }
  }

  TEST_CASE("SessionCore: READ WRITE holds where the server would begin a READ ONLY transaction") {
    const std::string next_writes = "SET TRANSACTION READ WRITE";
    for (const std::string sql :
         {"SET SESSION TRANSACTION READ ONLY", "SET TRANSACTION READ ONLY"}) {
      CAPTURE(sql);
      const bool whole_session = sql.find("SESSION") != sql.npos;
      SessionScript script;
      script.query(sql);
      protocol::OkPacket ok;
      ok.status = protocol::status_flag::kAutocommit;
      if (whole_session) {
        ok.changes.system_variables.emplace_back("tx_read_only", "ON");
      }
      script.backend_ok(Channel::kHome, ok);
      script.sent(Channel::kHome);
      script.query("START TRANSACTION READ WRITE");
      script.query("UPDATE t SET v=1");
      EXPECT((script.sent(Channel::kHome) == Texts{next_writes, "XA START", "UPDATE t SET v=1"}));
      EXPECT(script.core.home_has_traces());
    }
  }

  TEST_CASE("SessionCore: a transaction stays as it began when the session becomes READ ONLY") {
    for (const bool chain : {false, true}) {
      SessionScript script;
      script.query(chain ? "COMMIT AND CHAIN" : "BEGIN");
      script.query("SET SESSION tx_read_only = ON");
      protocol::OkPacket ok;
      ok.status = protocol::status_flag::kAutocommit;
      ok.changes.system_variables.emplace_back("tx_read_only", "ON");
      script.backend_ok(Channel::kHome, ok);
      script.sent(Channel::kHome);
      script.query("UPDATE t SET v=1");
      EXPECT((script.sent(Channel::kHome) ==
              Texts{"SET TRANSACTION READ WRITE", "XA START", "UPDATE t SET v=1"}));
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.query("ROLLBACK");
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.query("COMMIT AND CHAIN");  // outside: as any other that begins now
      script.sent(Channel::kHome);
      script.query("SELECT 1 FROM t");
      const Texts sent = script.sent(Channel::kHome);
      EXPECT(std::find(sent.begin(), sent.end(), "SET TRANSACTION READ ONLY") != sent.end());
    }
  }

  TEST_CASE("SessionCore: an autocommit write that is refused leaves SET TRANSACTION to the next") {
    SessionScript script;
    script.query("SET TRANSACTION READ ONLY");
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    const auto answer_settings = [&script] {  // the session's, and what SET TRANSACTION has said
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
    };
    for (const bool again : {false, true}) {
      script.query("UPDATE t SET v=1");
      const Texts sent = script.sent(Channel::kHome);
      EXPECT(sent[again ? 1 : 0] == (again ? "SET TRANSACTION READ ONLY" : "XA START"));
      if (again) {
        answer_settings();
      }
      script.backend_ok(Channel::kHome);
      script.backend_error(Channel::kHome, 1792);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      EXPECT(script.answer() == "ERR 1792");
      script.sent(Channel::kHome);
    }
    script.query("SET TRANSACTION READ WRITE");
    answer_settings();
    script.backend_ok(Channel::kHome);
    script.query("UPDATE t SET v=1");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 10);
    REQUIRE(script.core.idle());
    script.sent(Channel::kHome);
    script.query("UPDATE t SET v=1");
    EXPECT(script.sent(Channel::kHome).front().starts_with("SET SESSION tx_isolation"));
  }

  TEST_CASE("SessionCore: BEGIN is what SET TRANSACTION has said") {
    struct Row {
      const char* sql;
      bool session_reads_only;
      const char* begins;
    };

    for (const Row& row :
         {Row{"SET TRANSACTION READ ONLY", false, "SET TRANSACTION READ ONLY"},
          Row{"SET @@tx_read_only = 'on'", false, "SET TRANSACTION READ ONLY"},
          Row{"SET TRANSACTION READ WRITE", true, "SET TRANSACTION READ WRITE"},
          Row{"SET @@transaction_read_only = 0", true, "SET TRANSACTION READ WRITE"},
          Row{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", true, "SET TRANSACTION READ ONLY"},
          Row{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", false, "XA START"}}) {
      CAPTURE(row.sql);
      SessionScript script;
      script.query("SET SESSION TRANSACTION READ ONLY");
      protocol::OkPacket ok;
      ok.status = protocol::status_flag::kAutocommit;
      ok.changes.system_variables.emplace_back("tx_read_only",
                                               row.session_reads_only ? "ON" : "OFF");
      script.backend_ok(Channel::kHome, ok);
      script.query(row.sql);
      script.backend_ok(Channel::kHome);
      script.sent(Channel::kHome);
      script.query("BEGIN");
      script.query("SELECT 1 FROM t");
      EXPECT(script.sent(Channel::kHome).front() == row.begins);
    }
  }

  TEST_CASE("SessionCore: a transaction that has reached no server uses SET TRANSACTION up") {
    const std::string renewal =
        "SET SESSION tx_isolation=@@session.tx_isolation, "
        "SESSION tx_read_only=@@session.tx_read_only";
    for (const Texts& ends :
         {Texts{"COMMIT"}, Texts{"BEGIN", "ROLLBACK"}, Texts{"BEGIN", "COMMIT"}}) {
      SessionScript script;
      script.query("SET TRANSACTION READ ONLY");
      script.backend_ok(Channel::kHome);
      script.sent(Channel::kHome);
      for (const std::string& sql : ends) {
        script.query(sql);
      }
      EXPECT(script.sent(Channel::kHome).empty());
      script.query("UPDATE t SET v=1");
      EXPECT((script.sent(Channel::kHome) ==
              Texts{renewal, "XA START", "UPDATE t SET v=1", "XA END", "XA PREPARE"}));
      EXPECT(script.core.home_has_traces());
    }
  }

  TEST_CASE("SessionCore: another home is told what SET TRANSACTION has said") {
    SessionScript script;
    script.query("SET TRANSACTION READ ONLY");
    script.backend_ok(Channel::kHome);
    script.lose(Channel::kHome);
    script.sent(Channel::kHome);
    script.query("UPDATE t SET v=1");
    const Texts sent = script.sent(Channel::kHome);
    REQUIRE(sent.size() > 3);
    EXPECT(sent[1] == "SET TRANSACTION READ ONLY");
    EXPECT(sent[2] == "XA START");
  }

  TEST_CASE("SessionCore: a detached branch leaves no transaction settings behind") {
    const std::string renewal =
        "SET SESSION tx_isolation=@@session.tx_isolation, "
        "SESSION tx_read_only=@@session.tx_read_only";
    for (const bool amid : {false, true}) {
      CAPTURE(amid);
      SessionScript script;
      script.query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
      script.backend_ok(Channel::kHome);
      if (amid) {
        script.query("SELECT 1 FROM t");  // that was its transaction
        script.backend_ok(Channel::kHome);
      }
      EXPECT(script.core.home_has_traces());  // else it would be somebody else's
      script.query("BEGIN");
      script.query("UPDATE t SET v=1");
      if (amid) {
        script.backend_ok(Channel::kHome);  // the renewal: the SELECT may have opened no table
      }
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      if (amid) {
        script.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
        protocol::OkPacket ok;
        ok.status = protocol::status_flag::kAutocommit | protocol::status_flag::kInTransaction;
        ok.changes.system_variables.emplace_back("tx_isolation", "READ-COMMITTED");
        script.backend_ok(Channel::kHome, ok);
      }
      EXPECT(script.core.home_has_traces());  // who gets the connection next resets it
      script.query("UPDATE t SET v=2");
      script.backend_ok(Channel::kHome);
      script.query("COMMIT");
      script.backend_ok(Channel::kHome);
      script.backend_ok_gtid();
      script.outcome(BranchVerdict::kCommitted, 10);
      script.sent(Channel::kHome);
      script.query("UPDATE t SET v=3");
      EXPECT((script.sent(Channel::kHome) ==
              Texts{renewal, "XA START", "UPDATE t SET v=3", "XA END", "XA PREPARE"}));
    }
  }

  TEST_CASE("SessionCore: under a time limit nothing is sent before XA START has its OK") {
    SessionScript script;
    script.shows_guards = true;
    limit_time(script, "5");
    script.query("UPDATE t SET v=1");
    EXPECT(script.sent(Channel::kHome) == Texts{"XA START"});
    script.backend_ok(Channel::kHome);
    EXPECT((script.sent(Channel::kHome) == Texts{"UPDATE t SET v=1", "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 11);
    EXPECT(script.answer() == "OK");
    script.applied_seqno = Seqno{11};

    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    EXPECT(script.sent(Channel::kHome) == Texts{"XA START"});
    script.backend_error(Channel::kHome, 1969);
    EXPECT(script.answer() == "ERR 1213");  // the transaction is over
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT_FALSE(script.core.in_transaction());

    limit_time(script, "0");
    script.query("UPDATE t SET v=1");
    EXPECT(script.sent(Channel::kHome).size() == 5);
  }

  TEST_CASE("SessionCore: a beginning alone that is lost is begun again with the statement") {
    SessionScript script;
    limit_time(script, "5");
    REQUIRE(script.core.yield(Channel::kHome, true));
    script.query("UPDATE t SET v=1");
    EXPECT(script.sent(Channel::kHome) == Texts{"XA START"});
    script.lose(Channel::kHome);
    EXPECT(script.posted.empty());
    script.core.on_retry_due();
    EXPECT(script.sent(Channel::kHome) == Texts{"XA START"});
    script.backend_ok(Channel::kHome);
    EXPECT((script.sent(Channel::kHome) == Texts{"UPDATE t SET v=1", "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: a read alone in its transaction under a time limit") {
    SessionScript script;
    script.functions = true;
    limit_time(script, "5");
    script.query("SELECT 1 FROM t");
    EXPECT(script.sent(Channel::kRead) == Texts{"START TRANSACTION READ ONLY"});
    script.backend_ok(Channel::kRead);
    EXPECT((script.sent(Channel::kRead) ==
            Texts{"SELECT 1 FROM t", "COMMIT AND NO CHAIN NO RELEASE"}));
    script.backend_error(Channel::kRead, 1792);
    script.backend_ok(Channel::kRead);
    EXPECT(script.sent(Channel::kHome) == Texts{"XA START"});  // it wanted to write
  }

  TEST_CASE("SessionCore: nobody leases a connection that a KILL QUERY may still reach") {
    SessionScript script;
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.core.on_abort_branch();
    EXPECT(script.killed == 100);
    REQUIRE(script.kill.begin());
    script.backend_ok(Channel::kHome);
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1213");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    REQUIRE(script.core.yield(Channel::kHome, false));
    EXPECT(script.releases == std::vector<bool>{false});
  }
}

}  // namespace
}  // namespace consort::proxy
