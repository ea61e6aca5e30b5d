// A session gives its home connection to others and loses nothing by it.
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

constexpr const char* kAsk = "SET last_insert_id=@@last_insert_id";

void commit(SessionScript& script, const protocol::OkPacket& ok) {
  script.backend_ok(Channel::kHome);
  script.backend_ok(Channel::kHome, ok);
  script.backend_ok(Channel::kHome);
  script.backend_ok_gtid();
  script.outcome(BranchVerdict::kCommitted, 10);
}

void insert(SessionScript& script, std::uint64_t id) {
  script.query("INSERT INTO t VALUES (NULL)");
  protocol::OkPacket ok;
  ok.affected_rows = 1;
  ok.last_insert_id = id;
  ok.status = protocol::status_flag::kAutocommit;
  commit(script, ok);
  script.sent(Channel::kHome);
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: an idle session gives its home to others at once") {
    SessionScript script;
    EXPECT_FALSE(script.core.yield(Channel::kHome, true));  // it has none
    script.query("UPDATE t SET v=1");
    EXPECT_FALSE(script.core.yield(Channel::kHome, true));  // in use
    script.sent(Channel::kHome);
    protocol::OkPacket ok;
    ok.affected_rows = 3;
    ok.status = protocol::status_flag::kAutocommit;
    commit(script, ok);
    EXPECT(script.core.yield(Channel::kHome, true));
    EXPECT(script.releases == std::vector<bool>{true});
    EXPECT(script.core.home() == script.home);
    script.query("SELECT ROW_COUNT()");  // it knows
    EXPECT(script.sent(Channel::kHome).empty());
  }

  TEST_CASE("SessionCore: what needs the connection keeps it") {
    SessionScript in_transaction;
    in_transaction.query("BEGIN");
    in_transaction.query("SELECT 1 FROM t");
    in_transaction.backend_ok(Channel::kHome);
    in_transaction.backend_rows(Channel::kHome);
    EXPECT_FALSE(in_transaction.core.yield(Channel::kHome, false));

    SessionScript pinned;
    pinned.query("PREPARE p FROM 'SELECT 1'");
    pinned.backend_ok(Channel::kHome);
    EXPECT_FALSE(pinned.core.yield(Channel::kHome, false));

    SessionScript with_table;
    with_table.query("CREATE TEMPORARY TABLE x (a INT)");
    with_table.backend_ok(Channel::kHome);
    EXPECT_FALSE(with_table.core.yield(Channel::kHome, false));
    with_table.core.leave_home();
    EXPECT(with_table.releases.empty());

    SessionScript before_transaction;
    before_transaction.query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
    before_transaction.backend_ok(Channel::kHome);
    EXPECT_FALSE(before_transaction.core.yield(Channel::kHome, false));
  }

  TEST_CASE("SessionCore: a session that waits for a read elsewhere gives its home") {
    SessionScript script;
    script.query("UPDATE t SET v=1");
    protocol::OkPacket ok;
    ok.status = protocol::status_flag::kAutocommit;
    commit(script, ok);
    script.lease_hangs = true;
    script.query("SELECT 1 FROM t");
    REQUIRE(script.core.phase() == SessionPhase::kAwaitingBackend);
    EXPECT(script.core.yield(Channel::kHome, true));
  }

  TEST_CASE("SessionCore: LAST_INSERT_ID() is asked for again where another variable was told") {
    for (const bool at_last : {true, false}) {
      CAPTURE(at_last);
      SessionScript script;
      insert(script, 7);
      script.core.yield(Channel::kHome, true);
      protocol::OkPacket ok;
      ok.status = protocol::status_flag::kAutocommit;
      ok.changes.system_variables.emplace_back("last_gtid", "0-1-9");
      script.sent(Channel::kHome);
      script.backend_ok(Channel::kHome, ok);
      script.shows_guards = true;
      EXPECT((script.sent(Channel::kHome) ==
              Texts{std::string(dialect_of(ServerKind::kMariadb).tell_everything), kAsk}));
      script.shows_guards = false;
      if (at_last) {
        script.answer_insert_id("5");
        EXPECT(script.releases == std::vector<bool>{true});
        EXPECT(script.core.home_insert_id() == std::optional<std::uint64_t>(5));
      } else {
        script.backend_ok(Channel::kHome, ok);  // not once more: it stays
        EXPECT(script.releases.empty());
        EXPECT(script.sent(Channel::kHome).empty());
      }
    }
  }

  TEST_CASE("SessionCore: LAST_INSERT_ID() travels with the session") {
    SessionScript script;
    insert(script, 7);
    // The row may have brought the 7 itself: only the server knows what LAST_INSERT_ID() is.
    EXPECT(script.core.yield(Channel::kHome, true));
    EXPECT(script.releases.empty());
    EXPECT(script.sent(Channel::kHome) == Texts{kAsk});
    EXPECT_FALSE(script.core.yield(Channel::kHome, true));  // it is on its way
    script.answer_insert_id("5");
    EXPECT(script.releases == std::vector<bool>{true});
    EXPECT(script.core.home_insert_id() == std::optional<std::uint64_t>(5));

    script.query("SELECT LAST_INSERT_ID()");
    EXPECT(
        (script.sent(Channel::kHome) == Texts{"SET last_insert_id=5", "SELECT LAST_INSERT_ID()"}));
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    EXPECT(script.answer() == "data | data | data | EOF");
    script.query("SELECT LAST_INSERT_ID()");
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT LAST_INSERT_ID()"});
    script.backend_rows(Channel::kHome);
    EXPECT(script.core.yield(Channel::kHome, true));  // known: no question
    EXPECT(script.releases.size() == 2);
  }

  TEST_CASE("SessionCore: the first write on another connection sets LAST_INSERT_ID() before") {
    SessionScript script;
    script.lease_insert_id = std::nullopt;  // whoever had it left something
    script.query("UPDATE t SET v=LAST_INSERT_ID()");
    EXPECT((script.sent(Channel::kHome) == Texts{"SET last_insert_id=0", "XA START",
                                                 "UPDATE t SET v=LAST_INSERT_ID()", "XA END",
                                                 "XA PREPARE"}));
    script.backend_error(Channel::kHome, 1317);  // killed: the statement has not its value
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.releases == std::vector<bool>{false});
    EXPECT(std::holds_alternative<BranchAbandoned>(script.posted.back()));
  }

  TEST_CASE("SessionCore: a statement that comes meanwhile keeps the connection") {
    SessionScript script;
    insert(script, 7);
    EXPECT(script.core.yield(Channel::kHome, true));
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    EXPECT((script.sent(Channel::kHome) == Texts{kAsk, "XA START", "UPDATE t SET v=1"}));
    script.answer_insert_id("7");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK trx");
    EXPECT(script.releases.empty());
  }

  TEST_CASE("SessionCore: a server that does not tell LAST_INSERT_ID() is not left") {
    SessionScript script;
    insert(script, 7);
    EXPECT(script.core.yield(Channel::kHome, true));
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.releases.empty());
    script.sent(Channel::kHome);
    EXPECT(script.core.yield(Channel::kHome, true));
    EXPECT(script.sent(Channel::kHome) == Texts{kAsk});
    script.lose(Channel::kHome);
    script.query("SELECT LAST_INSERT_ID()");
    EXPECT(script.answer() == "ERR 1053");
  }

  TEST_CASE("SessionCore: warnings keep the connection for a while, and are not made up later") {
    SessionScript script;
    script.query("SET sql_mode='no'");
    script.backend_error(Channel::kHome, 1231);
    EXPECT_FALSE(script.core.yield(Channel::kHome, true));
    EXPECT(script.core.yield(Channel::kHome, false));
    script.sent(Channel::kHome);
    script.query("SHOW WARNINGS");
    EXPECT(script.sent(Channel::kHome).size() == 2);  // what others left is cleared first

    SessionScript reader;
    reader.query("SELECT no_such FROM t");
    reader.backend_error(Channel::kRead, 1054);
    EXPECT_FALSE(reader.core.yield(Channel::kRead, true));
    EXPECT(reader.core.yield(Channel::kRead, false));
    EXPECT_FALSE(reader.core.yield(Channel::kRead, false));
    EXPECT(reader.releases == std::vector<bool>{true});
  }

  TEST_CASE("SessionCore: an idle session leaves a home that drains") {
    SessionScript script;
    insert(script, 7);
    script.online = false;
    script.core.leave_home();
    EXPECT(script.core.home().has_value());
    script.answer_insert_id("7");
    EXPECT_FALSE(script.core.home().has_value());
    EXPECT(script.releases == std::vector<bool>{true});
  }

  TEST_CASE("SessionCore: COM_RESET_CONNECTION gives a clean connection back") {
    SessionScript clean;
    insert(clean, 7);
    clean.command(protocol::Command::kResetConnection, {});
    EXPECT(clean.releases == std::vector<bool>{true});
    EXPECT_FALSE(clean.core.home_insert_id().has_value());
    clean.query("UPDATE t SET v=1");
    EXPECT(clean.sent(Channel::kHome)[0] == "XA START");  // 0, as on a fresh connection

    SessionScript pinned;
    pinned.query("SET @a=1");
    pinned.backend_ok(Channel::kHome);
    pinned.command(protocol::Command::kResetConnection, {});
    EXPECT(pinned.releases == std::vector<bool>{false});
  }

  TEST_CASE("SessionCore: traces that only a reset takes away are known") {
    SessionScript script;
    script.query("UPDATE t SET v=1");
    EXPECT_FALSE(script.core.home_has_traces());
    SessionScript with_trigger;
    with_trigger.has_triggers = true;
    with_trigger.query("UPDATE t SET v=1");
    EXPECT(with_trigger.core.home_has_traces());
    SessionScript with_function;
    with_function.query("SELECT f()");
    EXPECT(with_function.core.home_has_traces());
    for (const char* sql :
         {"UPDATE t SET v=@x", "EXPLAIN UPDATE t SET v=@x", "EXPLAIN INSERT INTO t SELECT @x"}) {
      SessionScript makes_variable;
      makes_variable.query(sql);
      EXPECT(makes_variable.core.home_has_traces());
    }
    SessionScript prepares;
    prepares.command(protocol::Command::kStmtPrepare, as_bytes("SET @x = ?"));
    EXPECT(prepares.core.home_has_traces());
    SessionScript only_reads;
    only_reads.query("SELECT @x");
    EXPECT_FALSE(only_reads.core.home_has_traces());
    SessionScript with_clock;
    with_clock.query("SET timestamp=1");
    protocol::OkPacket ok;
    ok.status = protocol::status_flag::kAutocommit;
    ok.changes.system_variables.emplace_back("timestamp", "1.000000");
    with_clock.backend_ok(Channel::kHome, ok);
    EXPECT(with_clock.core.home_has_traces());
  }
}

}  // namespace
}  // namespace consort::proxy
