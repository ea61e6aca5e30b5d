#include "proxy/session/session_core.h"

#include <array>
#include <vector>

#include "certifier/ddl_fence.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

protocol::OkPacket rows_changed(std::uint64_t rows) {
  protocol::OkPacket ok;
  ok.affected_rows = rows;
  ok.status = protocol::status_flag::kAutocommit | protocol::status_flag::kInTransaction;
  return ok;
}

/// BEGIN and one update inside the branch.
void open_transaction(SessionScript& script) {
  script.query("BEGIN");
  script.query("UPDATE t SET v=1");
  script.sent(Channel::kHome);
  script.backend_ok(Channel::kHome);
  script.backend_ok(Channel::kHome, rows_changed(1));
}

/// An autocommit write up to its answered XA PREPARE.
void prepare_write(SessionScript& script) {
  script.query("UPDATE t SET v=1");
  script.sent(Channel::kHome);
  script.backend_ok(Channel::kHome);
  script.backend_ok(Channel::kHome, rows_changed(1));
  script.backend_ok(Channel::kHome);
  script.backend_ok_gtid();
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: an autocommit read leases a reader and passes its reply") {
    SessionScript script;
    script.query("SELECT 1 FROM t");
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT 1 FROM t"});
    script.backend_rows(Channel::kRead);
    EXPECT(script.answer() == "data | data | data | EOF");
    EXPECT(script.core.idle());
    EXPECT(script.releases == std::vector<bool>{true});
  }

  TEST_CASE("SessionCore: an autocommit write is one flush and answers after certification") {
    SessionScript script;
    script.query("UPDATE t SET v=1");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "UPDATE t SET v=1", "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome, rows_changed(3));
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer().empty());
    script.backend_ok_gtid();
    EXPECT(script.core.phase() == SessionPhase::kCertifying);
    EXPECT(script.answer().empty());
    script.outcome(BranchVerdict::kCommitted, 11);
    EXPECT(script.answer() == "OK 3");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: an XA PREPARE that tells of something else than last_gtid is looked up") {
    SessionScript script;
    script.query("UPDATE t SET v=1");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome, rows_changed(3));
    script.backend_ok(Channel::kHome);
    protocol::OkPacket misled;
    misled.changes.system_variables.emplace_back("timestamp", "5.000000");
    script.backend_ok(Channel::kHome, misled);
    EXPECT(script.core.phase() == SessionPhase::kCertifying);
    EXPECT_FALSE(script.posted_back<BranchPrepared>().surely_logged);
    script.outcome(BranchVerdict::kCommitted, 11);
    EXPECT(script.answer() == "OK 3");
  }

  TEST_CASE("SessionCore: while stored functions exist a read runs in a read-only transaction") {
    SessionScript script;
    script.functions = true;
    script.query("SELECT 1 FROM t");
    EXPECT((script.sent(Channel::kRead) == Texts{"START TRANSACTION READ ONLY", "SELECT 1 FROM t",
                                                 "COMMIT AND NO CHAIN NO RELEASE"}));
    script.backend_ok(Channel::kRead);
    script.backend_rows(Channel::kRead);
    EXPECT(script.answer() == "data | data | data | EOF");
    // Whoever leases the connection next must not get the COMMIT's reply.
    EXPECT(script.releases.empty());
    EXPECT_FALSE(script.core.idle());
    script.backend_ok(Channel::kRead);
    EXPECT(script.releases == std::vector<bool>{true});
    EXPECT(script.core.idle());
    EXPECT(script.answer() == "data | data | data | EOF");
    script.query("SELECT 1");
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT 1"});
  }

  TEST_CASE("SessionCore: a read that wanted to write runs again in a branch") {
    SessionScript script;
    script.functions = true;
    script.query("SELECT 1 FROM t");
    script.sent(Channel::kRead);
    script.backend_ok(Channel::kRead);
    script.backend_error(Channel::kRead, 1792);
    EXPECT(script.answer().empty());
    script.backend_ok(Channel::kRead);
    EXPECT(script.releases == std::vector<bool>{true});
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "SELECT 1 FROM t", "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    EXPECT(script.answer() == "data | data | data");
    script.outcome(BranchVerdict::kCommitted, 11);
    EXPECT(script.answer() == "data | data | data | EOF");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: rows that are out are followed by the error that ends them") {
    SessionScript script;
    script.query("SELECT f(1)");  // perhaps a write
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    EXPECT(script.answer() == "data | data | data");
    script.backend_ok(Channel::kHome);  // XA END; the answer of XA PREPARE is lost
    script.lose(Channel::kHome);
    EXPECT(script.answer() == "data | data | data | ERR 1213");
    EXPECT(script.last_sequence() == 4);
    EXPECT(script.posted_back<BranchAbandoned>().branch == BranchId{1, 0, 1});
  }

  TEST_CASE("SessionCore: an earlier answer that was held back is never sent for a later command") {
    SessionScript script;
    prepare_write(script);
    script.outcome(BranchVerdict::kConflict);
    EXPECT(script.answer() == "ERR 1213");
    script.query("CREATE TABLE x (id INT)");
    const auto request = script.posted_back<DdlRequest>();
    script.core.on_ddl_outcome({request.session, Seqno{}});  // the log takes no more
    EXPECT(script.answer().starts_with("ERR"));
  }

  TEST_CASE("SessionCore: a transaction never ends behind its client's back") {
    SessionScript unleased;
    unleased.query("BEGIN");
    unleased.online = false;
    unleased.query("UPDATE t SET v=1");
    for (int i = 0; i < 3; ++i) {
      unleased.core.on_retry_due();
    }
    EXPECT(unleased.answer().starts_with("ERR"));
    EXPECT(unleased.core.in_transaction());

    SessionScript refused;
    refused.query("BEGIN");
    refused.query("UPDATE t SET v=1");
    refused.backend_error(Channel::kHome, 1399);
    EXPECT(refused.answer() == "ERR 1213");
    EXPECT_FALSE(refused.core.in_transaction());

    SessionScript snapshot;
    snapshot.query("START TRANSACTION WITH CONSISTENT SNAPSHOT");
    snapshot.backend_error(Channel::kHome, 1399);
    EXPECT(snapshot.answer() == "ERR 1399");
    EXPECT_FALSE(snapshot.core.in_transaction());
  }

  TEST_CASE("SessionCore: a connection that a KILL QUERY may still reach is lent to nobody") {
    SessionScript script;
    open_transaction(script);
    script.query("UPDATE t SET v=2");
    script.core.on_abort_branch();
    EXPECT(script.killed == 100);
    REQUIRE(script.kill.begin());
    script.backend_ok(Channel::kHome, rows_changed(1));  // it was done before
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.core.on_client_gone();
    EXPECT(script.releases == std::vector<bool>{false});
  }

  TEST_CASE("SessionCore: a reader that lost commits while it was leased is not asked") {
    SessionScript script;
    prepare_write(script);
    script.outcome(BranchVerdict::kCommitted, 10);
    script.applied_at_lease = Seqno{9};
    script.query("SELECT 1 FROM t");
    EXPECT(script.sent(Channel::kRead).empty());
    EXPECT(script.releases == std::vector<bool>{true});
    EXPECT(script.waits == std::vector<Seqno>{Seqno{10}});
    script.applied_seqno = Seqno{10};
    script.core.on_applied();
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT 1 FROM t"});
  }

  TEST_CASE("SessionCore: the client's character set and sql_mode decide how it is read") {
    // In gbk the backslash is the second half of a character, and the quote behind it ends the
    // text.
    constexpr std::string_view kTricky = "SELECT '\xBF\\', f(1), ' FROM t";
    SessionScript gbk;
    gbk.core.begin({"'u'@'%'", SessionScript::kClient, "d", 28});
    gbk.query(kTricky);
    EXPECT_FALSE(gbk.sent(Channel::kHome).empty());

    SessionScript quotes;
    quotes.lexer.ansi_quotes = true;  // the backends' global sql_mode
    quotes.query("SELECT 1 FROM \"t\"");
    EXPECT(quotes.sent(Channel::kRead).size() == 1);
    SessionScript old;
    old.query("/*M!100616 SELECT */ 1");
    EXPECT(old.sent(Channel::kHome).size() == 4);  // who knows: as a write
    SessionScript recent;
    recent.lexer.server_version = 101119;
    recent.query("/*M!100616 SELECT */ 1");
    EXPECT(recent.sent(Channel::kRead).size() == 1);
  }

  TEST_CASE("SessionCore: LOCK TABLES is ignored where the operator says so") {
    SessionCore::Options options{0xC1, 3, 16, {}};
    options.policy.ignore_lock_tables = true;
    SessionScript ignores(options);
    open_transaction(ignores);
    ignores.sent(Channel::kHome);
    ignores.query("LOCK TABLES t WRITE");
    EXPECT((ignores.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));  // it commits
    ignores.backend_ok(Channel::kHome);
    ignores.backend_ok_gtid();
    ignores.outcome(BranchVerdict::kCommitted, 10);
    EXPECT(ignores.answer() == "OK");
    ignores.query("UNLOCK TABLES");
    EXPECT(ignores.answer() == "OK");
    EXPECT(ignores.core.pins().empty());
  }

  TEST_CASE("SessionCore: pinned sessions are counted until they end") {
    SessionScript script;
    const Gauge& pinned =
        script.metrics()
            .sessions_pinned[static_cast<std::size_t>(router::PinReason::kUserVariables)];
    script.query("SET @a = 1");
    script.backend_ok(Channel::kHome);
    EXPECT(pinned.value() == 1);
    script.core.on_client_gone();
    EXPECT(pinned.value() == 0);
  }

  TEST_CASE("SessionCore: a branch that does not end on the server ends with its connection") {
    SessionScript script;
    open_transaction(script);
    script.query("ROLLBACK");
    script.backend_error(Channel::kHome, 1317);  // a KILL QUERY came late and hit XA END
    script.backend_error(Channel::kHome, 1399, "XAER_RMFAIL: .. in the  ACTIVE state");
    EXPECT(script.releases == std::vector<bool>{false});
    EXPECT(script.answer() == "OK");
    SessionScript gone;
    open_transaction(gone);
    gone.query("ROLLBACK");
    gone.backend_error(Channel::kHome, 1399);
    gone.backend_error(Channel::kHome, 1402);
    EXPECT(gone.releases.empty());
    EXPECT(gone.answer() == "OK");
    SessionScript aborted;
    open_transaction(aborted);
    aborted.core.on_abort_branch();
    aborted.backend_error(Channel::kHome, 1317);
    aborted.backend_error(Channel::kHome, 1399);
    EXPECT(aborted.releases == std::vector<bool>{false});
    aborted.query("COMMIT");
    EXPECT(aborted.answer() == "ERR 1213");
  }

  TEST_CASE("SessionCore: 1399 ends the transaction only where the server has ended it") {
    SessionScript script;
    open_transaction(script);
    script.query("CALL commits_inside()");
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1399, "XAER_RMFAIL: .. is in the  ACTIVE state");
    EXPECT(script.answer() == "ERR 1399");
    EXPECT(script.core.in_transaction());
    EXPECT(script.sent(Channel::kHome).empty());
    script.query("CALL again()");
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1399, "XAER_RMFAIL: .. is in the  ROLLBACK ONLY state");
    EXPECT_FALSE(script.core.in_transaction());
    EXPECT(script.sent(Channel::kHome) == Texts{"XA ROLLBACK"});
  }

  TEST_CASE("SessionCore: LAST_INSERT_ID() is right or the connection ends") {
    const auto insert = [](SessionScript& script) {
      script.query("INSERT INTO t VALUES (NULL)");
      script.backend_ok(Channel::kHome);
      protocol::OkPacket ok = rows_changed(1);
      ok.last_insert_id = 5;
      script.backend_ok(Channel::kHome, ok);
      script.backend_ok(Channel::kHome);
      script.backend_ok_gtid();
      script.outcome(BranchVerdict::kCommitted, 10);
    };
    SessionScript script;
    insert(script);
    script.lose(Channel::kHome);
    script.query("SELECT 1 FROM t");
    script.backend_rows(Channel::kRead);
    EXPECT_FALSE(script.closed);
    script.query("SELECT LAST_INSERT_ID()");
    EXPECT(script.answer() == "ERR 1053");
    EXPECT(script.closed);
  }

  TEST_CASE("SessionCore: SHOW WARNINGS asks where the statement ran, again and again") {
    SessionScript script;
    script.query("SELECT no_such FROM t");
    script.sent(Channel::kRead);
    script.backend_error(Channel::kRead, 1054);
    for (int i = 0; i < 2; ++i) {
      script.query("SHOW ERRORS");
      EXPECT(script.sent(Channel::kRead) == Texts{"SHOW ERRORS"});
      script.backend_rows(Channel::kRead);
    }
    script.query("SELECT 1 FROM t");
    EXPECT(script.releases == std::vector<bool>{true});
  }

  TEST_CASE("SessionCore: COMMIT AND CHAIN without a transaction is not read-only") {
    SessionScript script;
    script.query("START TRANSACTION READ ONLY");
    script.query("COMMIT");
    script.query("COMMIT AND CHAIN");
    script.query("UPDATE t SET v=1");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "UPDATE t SET v=1"}));
  }

  TEST_CASE("SessionCore: who cannot get a connection hears the server's own reason") {
    SessionScript script;
    script.lease_error = protocol::SqlError{1226, "42000", "max_user_connections"};
    script.query("SELECT 1 FROM t");
    for (int i = 0; i < 10 && !script.core.idle(); ++i) {
      script.core.on_retry_due();
    }
    EXPECT(script.answer() == "ERR 1226");
  }

  TEST_CASE("SessionCore: a pinned session does not execute DDL on another home") {
    SessionScript script;
    script.query("SET @a = 1");
    script.backend_ok(Channel::kHome);
    script.query("CREATE TABLE x (id INT PRIMARY KEY)");
    script.core.on_ddl_turn({{}, Seqno{11}, BackendId{2}});
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kNotExecuted);
    EXPECT(script.closed);
  }

  TEST_CASE("SessionCore: a read lost behind its whole reply is not answered twice") {
    SessionScript script;
    script.functions = true;
    script.query("SELECT 1 FROM t");
    script.backend_ok(Channel::kRead);
    script.backend_rows(Channel::kRead);
    script.lose(Channel::kRead);
    EXPECT(script.answer() == "data | data | data | EOF");
    EXPECT(script.core.idle());
    SessionScript refused;
    refused.functions = true;
    refused.query("SELECT 1 FROM t");
    refused.backend_ok(Channel::kRead);
    refused.backend_error(Channel::kRead, 1792);
    refused.lose(Channel::kRead);
    EXPECT(refused.answer().empty());
    EXPECT(refused.retries == 1);
  }

  TEST_CASE("SessionCore: a read-only transaction that cannot end costs its connection") {
    SessionScript script;
    script.functions = true;
    script.query("SELECT 1 FROM t");
    script.backend_ok(Channel::kRead);
    script.backend_rows(Channel::kRead);
    script.backend_error(Channel::kRead, 1317);
    EXPECT(script.releases == std::vector<bool>{false});
    EXPECT(script.answer() == "data | data | data | EOF");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a transaction that read a view may have written") {
    SessionScript script;
    script.functions = true;
    script.query("BEGIN");
    script.query("SELECT 1 FROM t");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    script.query("COMMIT");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: defining a function is known before it takes effect") {
    for (const char* sql :
         {"CREATE FUNCTION f() RETURNS INT RETURN 1", "CREATE OR REPLACE FUNCTION f() RETURNS INT",
          "CREATE DEFINER=u@h FUNCTION f() RETURNS INT RETURN 1",
          "CREATE AGGREGATE FUNCTION f(a INT) RETURNS INT RETURN 1",
          "CREATE PACKAGE BODY p AS END"}) {
      CAPTURE(sql);
      SessionScript script;
      script.query(sql);
      EXPECT(script.functions);
      EXPECT(script.posted.size() == 1);
    }
    for (const char* sql : {"CREATE TABLE x (id INT PRIMARY KEY)", "CREATE DATABASE x",
                            "CREATE DEFINER=`function`@h PROCEDURE p() SELECT 1",
                            "CREATE VIEW v AS SELECT 1", "DROP FUNCTION f"}) {
      CAPTURE(sql);
      SessionScript script;
      script.query(sql);
      EXPECT_FALSE(script.functions);
      EXPECT_FALSE(script.has_triggers);
      EXPECT(script.posted.size() == 1);
    }
    SessionScript script;
    script.query(
        "CREATE /*!50017 DEFINER=u@h*/ TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a=1");
    EXPECT(script.has_triggers);
  }

  TEST_CASE("SessionCore: the idle home lost does not disturb a read elsewhere") {
    SessionScript script;
    prepare_write(script);
    script.outcome(BranchVerdict::kCommitted, 10);
    script.query("SELECT 1 FROM t");
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT 1 FROM t"});
    script.lose(Channel::kHome);
    EXPECT(script.retries == 0);
    script.backend_rows(Channel::kRead);
    EXPECT(script.answer() == "data | data | data | EOF");
    EXPECT(script.core.idle());
    EXPECT(script.releases == std::vector<bool>{true});
  }

  TEST_CASE("SessionCore: the loser of a conflict gets 1213") {
    SessionScript script;
    prepare_write(script);
    script.outcome(BranchVerdict::kConflict);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.core.idle());
    EXPECT_FALSE(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: a write that changes nothing is rolled back and answered at once") {
    SessionScript script;
    script.query("UPDATE t SET v=1 WHERE 0");
    script.sent(Channel::kHome);
    for (int i = 0; i < 4; ++i) {
      script.backend_ok(Channel::kHome);
    }
    EXPECT(script.answer() == "OK");
    EXPECT(script.sent(Channel::kHome) == Texts{"XA ROLLBACK"});
    EXPECT(script.posted.empty());
  }

  TEST_CASE("SessionCore: a statement's own error comes unchanged and its branch goes") {
    SessionScript script;
    script.query("INSERT INTO t VALUES (1)");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_error(Channel::kHome, 1062);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "ERR 1062");
    // Not by this connection: SHOW WARNINGS must still find the error there.
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT(script.posted.size() == 1);
    EXPECT((script.posted_back<BranchAbandoned>().branch == BranchId{1, 0, 1}));
  }

  TEST_CASE("SessionCore: BEGIN is answered at once, the branch starts with the first statement") {
    SessionScript script;
    script.query("BEGIN");
    EXPECT(script.answer() == "OK trx");
    EXPECT(script.leases == 0);
    script.query("UPDATE t SET v=1");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "UPDATE t SET v=1"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome, rows_changed(1));
    EXPECT(script.answer() == "OK 1 trx");
    script.query("SELECT v FROM t");
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT v FROM t"});
    script.backend_rows(Channel::kHome);
    EXPECT(script.answer() == "data | data | data | EOF trx");
    script.query("COMMIT");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 11);
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: a branch tells what its home had applied at start, PREPARE and answer") {
    SessionScript script;
    script.home_lane_generation = 3;
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.applied_seqno = Seqno{20};
    script.home_lane_generation = 4;
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome, rows_changed(1));
    script.query("COMMIT");
    script.applied_seqno = Seqno{30};
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    const auto prepared = script.posted_back<BranchPrepared>();
    EXPECT(prepared.last_seen_at_start == Seqno{10});
    EXPECT(prepared.last_seen_at_prepare == Seqno{20});
    EXPECT(prepared.last_seen_at_answer == Seqno{30});
    EXPECT(prepared.lane_generation == 3);
  }

  TEST_CASE("SessionCore: a transaction that only read ends without PREPARE") {
    SessionScript script;
    script.query("BEGIN");
    script.query("SELECT 1 FROM t");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    script.query("COMMIT");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
    EXPECT(script.posted.empty());
  }

  TEST_CASE("SessionCore: ROLLBACK ends the branch on the home") {
    SessionScript script;
    open_transaction(script);
    script.query("ROLLBACK");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer().empty());
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: COMMIT AND CHAIN begins another transaction") {
    SessionScript script;
    open_transaction(script);
    script.query("COMMIT AND CHAIN");
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 11);
    EXPECT(script.answer() == "OK trx");
    EXPECT(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: completion_type says what follows a COMMIT that does not") {
    for (const auto& [sql, type, answer] :
         std::vector<std::array<const char*, 3>>{{"COMMIT", "CHAIN", "OK trx"},
                                                 {"COMMIT AND NO CHAIN", "CHAIN", "OK"},
                                                 {"COMMIT NO RELEASE", "RELEASE", "OK"},
                                                 {"COMMIT AND CHAIN", "NO_CHAIN", "OK trx"}}) {
      CAPTURE(sql);
      SessionScript script;
      script.query("SET completion_type = 1");
      protocol::OkPacket ok;
      ok.status = protocol::status_flag::kAutocommit;
      ok.changes.system_variables.emplace_back("completion_type", type);
      script.backend_ok(Channel::kHome, ok);
      script.query("BEGIN");
      script.query(sql);
      EXPECT(script.answer() == answer);
    }
  }

  TEST_CASE("SessionCore: a deadlock inside the branch cleans the connection") {
    for (const std::uint16_t code : {std::uint16_t{1213}, std::uint16_t{1020}}) {
      SessionScript script;
      open_transaction(script);
      script.query("UPDATE t SET v=2");
      script.sent(Channel::kHome);
      script.backend_error(Channel::kHome, code);
      EXPECT(script.answer() == "ERR 1213");
      EXPECT(script.sent(Channel::kHome) == Texts{"XA ROLLBACK"});
      EXPECT_FALSE(script.core.in_transaction());
      EXPECT(script.core.idle());
    }
  }

  TEST_CASE("SessionCore: a statement error leaves the transaction usable") {
    SessionScript script;
    open_transaction(script);
    script.query("INSERT INTO t VALUES (1)");
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1062);
    EXPECT(script.answer() == "ERR 1062");
    EXPECT(script.core.in_transaction());
  }

  TEST_CASE(
      "SessionCore: the home lost while idle in a transaction is 1213 at the next statement") {
    SessionScript script;
    open_transaction(script);
    script.lose(Channel::kHome);
    EXPECT(script.core.in_transaction());
    script.query("SELECT 1 FROM t");
    EXPECT(script.answer() == "ERR 1213");
    EXPECT_FALSE(script.core.in_transaction());
    script.query("ROLLBACK");
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: an autocommit write is run again when its home is lost") {
    SessionScript script;
    script.query("UPDATE t SET v=1");
    script.sent(Channel::kHome);
    script.lose(Channel::kHome);
    EXPECT(script.answer().empty());
    EXPECT(script.posted.size() == 1);
    EXPECT(script.posted_back<BranchAbandoned>().owner_thread == 100);
    EXPECT(script.retries == 1);
    script.core.on_retry_due();
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "UPDATE t SET v=1", "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: after PREPARE only the commit thread knows") {
    SessionScript script;
    prepare_write(script);
    script.lose(Channel::kHome);
    EXPECT(script.core.phase() == SessionPhase::kCertifying);
    script.outcome(BranchVerdict::kCommitted, 12);
    EXPECT(script.answer() == "OK 1");
    SessionScript other;
    prepare_write(other);
    other.lose(Channel::kHome);
    other.outcome(BranchVerdict::kHomeLost);
    EXPECT(other.answer().empty());
    EXPECT(other.retries == 1);
  }

  TEST_CASE("SessionCore: an autocommit write that lost runs again where that is applied") {
    SessionCore::Options options{0xC1, 3, 16, {}};
    options.autocommit_retries = 2;
    SessionScript script(options);
    prepare_write(script);
    for (const std::uint64_t winner : {11, 12}) {
      script.outcome(BranchVerdict::kConflict, winner);
      EXPECT(script.answer().empty());
      script.core.on_retry_due();
      EXPECT(script.waits.back() == Seqno{winner});
      EXPECT(script.sent(Channel::kHome).empty());
      script.applied_seqno = Seqno{winner};
      script.core.on_applied();
      EXPECT(script.sent(Channel::kHome).at(1) == "UPDATE t SET v=1");
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok_gtid();
    }
    script.outcome(BranchVerdict::kConflict, 13);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.retries == 2);
  }

  TEST_CASE("SessionCore: what would set a variable twice does not run again") {
    SessionCore::Options options{0xC1, 3, 16, {}};
    options.autocommit_retries = 2;
    SessionScript script(options);
    script.query("UPDATE t SET v = (@n := @n + 1)");
    for (int i = 0; i < 3; ++i) {
      script.backend_ok(Channel::kHome);
    }
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kConflict, 11);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.retries == 0);
  }

  TEST_CASE("SessionCore: an autocommit write that is too old runs again, a transaction fails") {
    SessionScript script;
    prepare_write(script);
    script.outcome(BranchVerdict::kTooOld);
    EXPECT(script.answer().empty());
    EXPECT(script.retries == 1);
    script.core.on_retry_due();
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "UPDATE t SET v=1", "XA END", "XA PREPARE"}));
    SessionScript other;
    open_transaction(other);
    other.sent(Channel::kHome);
    other.query("COMMIT");
    other.backend_ok(Channel::kHome);
    other.backend_ok_gtid();
    other.to_client.clear();
    other.outcome(BranchVerdict::kTooOld);
    EXPECT(other.answer() == "ERR 1213");
    EXPECT(other.retries == 0);
  }

  TEST_CASE("SessionCore: the next statement waits until its own commit is applied") {
    SessionScript script;
    prepare_write(script);
    script.outcome(BranchVerdict::kCommitted, 11);
    script.query("SELECT 1 FROM t");
    EXPECT(script.waits == std::vector<Seqno>{Seqno{11}});
    script.applied_seqno = Seqno{11};
    script.core.on_applied();
    EXPECT(script.sent(Channel::kRead).size() + script.sent(Channel::kHome).size() == 1);
  }

  TEST_CASE("SessionCore: aborted by the lane while idle") {
    SessionScript script;
    open_transaction(script);
    script.sent(Channel::kHome);
    script.core.on_abort_branch();
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("COMMIT");
    EXPECT(script.answer() == "ERR 1213");
    EXPECT_FALSE(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: aborted by the lane when the statement is just over") {
    SessionScript script;
    open_transaction(script);
    script.query("UPDATE t SET v=2");
    script.core.on_abort_branch();
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);  // its KILL QUERY is still under way, or was not told of
    EXPECT(script.answer() == "ERR 1213");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    EXPECT_FALSE(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: rows that a lane's KILL QUERY may have cut short end with its error") {
    SessionScript script;
    open_transaction(script);
    script.query("SELECT v FROM t FOR UPDATE");
    script.sent(Channel::kHome);
    script.core.on_abort_branch();
    script.backend_rows(Channel::kHome);
    EXPECT(script.answer() == "data | data | data | ERR 1213");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
  }

  TEST_CASE("SessionCore: aborted by the lane in the middle of a statement") {
    SessionScript script;
    open_transaction(script);
    script.query("UPDATE t SET v=3");
    script.sent(Channel::kHome);
    script.core.on_abort_branch();
    EXPECT(script.killed == 100);
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
  }

  TEST_CASE("SessionCore: DDL waits for its turn, then for its result in the log") {
    SessionScript script;
    script.query("CREATE TABLE x (id INT PRIMARY KEY)");
    const auto request = script.posted_back<DdlRequest>();
    EXPECT(request.targets.size() == 1);
    EXPECT(request.targets[0].schema == "d");
    EXPECT(request.targets[0].table == "x");
    EXPECT(request.session_set.ends_with(", SESSION timestamp=1700000000.000250"));
    EXPECT(script.sent(Channel::kHome).empty());
    script.core.on_ddl_turn({request.session, Seqno{11}, BackendId{2}});
    EXPECT(script.sent(Channel::kHome) == Texts{turn_fence(Seqno{11})});
    script.backend_ok(Channel::kHome);
    EXPECT(script.sent(Channel::kHome) == Texts{"CREATE TABLE x (id INT PRIMARY KEY)"});
    script.backend_ok(Channel::kHome);
    // A client's time limit that ended this would leave the lock, and every lane waiting for it.
    EXPECT(certifier::kDdlReleaseSql.starts_with("SET STATEMENT max_statement_time=0 FOR "));
    EXPECT(script.sent(Channel::kHome) ==
           (Texts{std::string(certifier::kDdlReleaseSql), std::string(certifier::kDdlClockSql)}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer().empty());
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kSucceeded);
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: no engine takes the place of another in a copy of a partitioned table") {
    SessionScript script;
    const DdlRequest request = pass_fence(script, "CREATE TABLE x LIKE y");
    script.sent(Channel::kHome);
    script.backend_row(Channel::kHome, {"1"});
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET SESSION sql_notes=0",
                  "SET SESSION sql_mode=REPLACE(@@sql_mode,'NO_ENGINE_SUBSTITUTION','')",
                  "CREATE TABLE x LIKE y", "SET SESSION sql_mode=DEFAULT"}));
    for (int i = 0; i < 4; ++i) {
      script.backend_ok(Channel::kHome);
    }
    const Texts behind = script.sent(Channel::kHome);
    EXPECT(behind.back() == "SET SESSION sql_notes=DEFAULT");
    for (std::size_t i = 0; i < behind.size(); ++i) {
      script.backend_ok(Channel::kHome);
    }
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: a KILL QUERY that meets what a copy asks is the statement's") {
    SessionScript script;
    const DdlRequest request = pass_fence(script, "CREATE TABLE x LIKE y");
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kFailed);
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "ERR 1317");
  }

  TEST_CASE("SessionCore: CREATE TABLE .. LIKE may find another engine than InnoDB") {
    for (const std::string sql :
         {"CREATE TABLE x LIKE y", "CREATE TABLE IF NOT EXISTS `x`(LIKE e.y)",
          "create table x like `e`.`y`"}) {
      SessionScript script;
      script.query(sql);
      const auto request = script.posted_back<DdlRequest>();
      EXPECT(request.session_set.ends_with(
          ", SESSION sql_mode=REPLACE(@@GLOBAL.sql_mode,'NO_ENGINE_SUBSTITUTION','')"));
      script.core.on_ddl_turn({request.session, Seqno{11}, BackendId{2}});
      script.sent(Channel::kHome);
      script.backend_ok(Channel::kHome);
      const Texts asked = script.sent(Channel::kHome);
      REQUIRE(asked.size() == 1);
      EXPECT(asked[0].starts_with("SELECT EXISTS(SELECT 1 FROM information_schema.TABLES"));
      EXPECT((asked[0].find("NOT EXISTS") != std::string::npos) ==
             (sql.find("IF NOT EXISTS") != std::string::npos));
      script.backend_row(Channel::kHome, {"0"});
      EXPECT((script.sent(Channel::kHome) ==
              Texts{"SET SESSION sql_mode=REPLACE(@@sql_mode,'NO_ENGINE_SUBSTITUTION','')", sql,
                    "SET SESSION sql_mode=DEFAULT"}));
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.core.on_ddl_outcome({request.session, Seqno{11}});
      EXPECT(script.answer() == "OK");
    }
    for (const std::string_view sql : {"CREATE TABLE x (a TEXT CHECK (a LIKE 'b')) ENGINE=MyISAM",
                                       "DROP TABLE x, y", "CREATE TABLE x (a INT REFERENCES y (a))",
                                       "CREATE VIEW x AS SELECT 'a' LIKE 'b' FROM y"}) {
      SessionScript script;
      script.query(sql);
      EXPECT(script.posted_back<DdlRequest>().session_set.find("ENGINE") == std::string::npos);
    }
  }

  TEST_CASE("SessionCore: DDL that its client can have no connection for is executed by nobody") {
    SessionScript script;
    script.query("DROP TABLE t");
    const auto request = script.posted_back<DdlRequest>();
    script.lease_fails_permanently = true;
    script.core.on_ddl_turn({request.session, Seqno{11}, request.home});
    const auto executed = script.posted_back<DdlExecuted>();
    EXPECT(executed.end == DdlEnd::kNotExecuted);
    EXPECT(executed.error == 0);  // no server was asked
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "ERR 1049");
  }

  TEST_CASE("SessionCore: DDL whose connection was lost may have its turn again, elsewhere") {
    SessionScript script;
    script.query("DROP TABLE x");
    const auto request = script.posted_back<DdlRequest>();
    script.core.on_ddl_turn({request.session, Seqno{11}, request.home});
    script.backend_ok(Channel::kHome);
    script.core.on_backend_lost(Channel::kHome);
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kLost);
    EXPECT(script.answer().empty());
    script.sent(Channel::kHome);
    script.core.on_ddl_turn({request.session, Seqno{11}, BackendId{2}});
    EXPECT(script.sent(Channel::kHome) == Texts{turn_fence(Seqno{11})});
    script.backend_ok(Channel::kHome);
    EXPECT(script.sent(Channel::kHome) == Texts{"DROP TABLE x"});
    script.backend_error(Channel::kHome, 1142);
    const auto executed = script.posted_back<DdlExecuted>();
    EXPECT(executed.end == DdlEnd::kFailed);
    EXPECT(executed.error == 1142);
    EXPECT((executed.backend == BackendId{2}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "ERR 1142");
  }

  TEST_CASE("SessionCore: whose password has expired executes nothing but SET PASSWORD") {
    SessionScript script;
    script.query("DROP TABLE t");
    auto request = script.posted_back<DdlRequest>();
    script.core.on_ddl_turn({request.session, Seqno{11}, request.home});
    script.backend_error(Channel::kHome, 1820);
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kNotExecuted);
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "ERR 1820");
    script.query("CREATE USER v");
    EXPECT(script.answer() == "ERR 1820");
    script.query("SET PASSWORD FOR 'u'@'%' = ''");
    request = script.posted_back<DdlRequest>();
    script.sent(Channel::kHome);
    script.core.on_ddl_turn({request.session, Seqno{12}, request.home});
    EXPECT(script.sent(Channel::kHome) == Texts{"SET PASSWORD FOR 'u'@'%' = ''"});
    script.backend_ok(Channel::kHome);
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kSucceeded);
    EXPECT(script.core.pins().has(router::PinReason::kUnknownState));
    script.core.on_ddl_outcome({request.session, Seqno{12}});
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: DDL is not sent while another connection executes one") {
    SessionScript script;
    script.query("DROP TABLE x");
    const auto request = script.posted_back<DdlRequest>();
    script.core.on_ddl_turn({request.session, Seqno{11}, BackendId{2}});
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1205);
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kLost);
  }

  TEST_CASE("SessionCore: a pinned session that loses its home in a DDL says so before it ends") {
    SessionScript script;
    script.query("SET @a = 1");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("DROP TABLE x");
    const auto request = script.posted_back<DdlRequest>();
    script.core.on_ddl_turn({request.session, Seqno{11}, request.home});
    script.backend_ok(Channel::kHome);
    script.core.on_backend_lost(Channel::kHome);
    EXPECT(script.closed);
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kLost);
  }

  TEST_CASE("SessionCore: DDL commits the open transaction first") {
    SessionScript script;
    open_transaction(script);
    script.query("DROP TABLE x");
    script.backend_error(Channel::kHome, 1295);  // nothing to say about its text
    EXPECT((script.sent(Channel::kHome) == Texts{"DROP TABLE x", "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kConflict);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a refused XA START closes the connection behind it") {
    SessionScript script;
    script.query("UPDATE t SET v=1");
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1399);
    EXPECT(script.answer() == "ERR 1399");
    EXPECT(script.releases == std::vector<bool>{false});
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: what is not supported yet is said, not done") {
    SessionScript script;
    for (const char* sql : {"CREATE SEQUENCE s CYCLE", "KILL @x := 5"}) {
      CAPTURE(sql);
      script.query(sql);
      EXPECT(script.answer() == "ERR 1235");
      EXPECT(script.core.idle());
    }
  }

  TEST_CASE("SessionCore: rows of system tables would be changed on one backend only") {
    SessionScript script;
    for (const char* sql :
         {"INSERT mysql.global_priv VALUES ('h', 'u', '{}')", "UPDATE `mysql`.user SET a=1",
          "DELETE FROM mysql.db", "REPLACE INTO consort.position VALUES (1)",
          "LOAD DATA INFILE 'f' INTO TABLE mysql.time_zone"}) {
      CAPTURE(sql);
      script.query(sql);
      EXPECT(script.answer() == "ERR 1235");
      EXPECT(script.core.idle());
    }
    script.query("DELETE FROM consort.global_variables WHERE name='x'");
    EXPECT(script.sent(Channel::kHome).front() == "XA START");
  }

  TEST_CASE("SessionCore: system tables may be read in a write") {
    SessionScript script;
    script.query("INSERT INTO t SELECT * FROM mysql.user");
    EXPECT(script.sent(Channel::kHome).front() == "XA START");
  }

  TEST_CASE("SessionCore: without any backend a command ends in an error after its tries") {
    SessionScript script;
    script.online = false;
    script.query("UPDATE t SET v=1");
    for (int i = 0; i < 10 && !script.core.idle(); ++i) {
      script.core.on_retry_due();
    }
    EXPECT(script.answer() == "ERR 1105");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: the client leaving during PREPARE leaves no branch behind") {
    SessionScript script;
    script.query("UPDATE t SET v=1");
    script.core.on_client_gone();
    EXPECT(script.posted.size() == 1);
    EXPECT(script.posted_back<BranchAbandoned>().owner_thread == 100);
    EXPECT(script.releases == std::vector<bool>{false});
  }
}

}  // namespace
}  // namespace consort::proxy
