// KILL: the one who kills and the one who is killed. CONNECTION_ID(): the number to kill by.
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

constexpr std::uint16_t kDenied = 1227;
constexpr std::uint16_t kWrongType = 1232;

/// Something that binds the session to its connection.
void pin(SessionScript& script) {
  script.query("HANDLER t OPEN");
  script.backend_ok(Channel::kHome);
  REQUIRE_FALSE(script.core.pins().empty());
  script.sent(Channel::kHome);
}

void open_branch(SessionScript& script) {
  script.query("BEGIN");
  script.query("UPDATE t SET v=1");
  script.backend_ok(Channel::kHome);
  script.backend_ok(Channel::kHome);
  script.sent(Channel::kHome);
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: KILL asks the other session's worker") {
    struct Row {
      KillVerdict verdict;
      std::string answer;
    };

    for (const Row& row : {Row{KillVerdict::kDone, "OK"}, Row{KillVerdict::kUnknown, "ERR 1094"}}) {
      SessionScript script;
      script.query("KILL SOFT QUERY 5");
      REQUIRE(script.kills.size() == 1);
      EXPECT(script.kills[0].connection_id == 5);
      EXPECT(script.kills[0].query_only);
      EXPECT_FALSE(script.kills[0].any_owner);
      EXPECT(script.answer().empty());
      script.core.on_kill_answer(row.verdict);
      EXPECT(script.answer() == row.answer);
      EXPECT(script.core.idle());
      EXPECT(script.leases == 0);
    }
  }

  TEST_CASE("SessionCore: COM_PROCESS_KILL is KILL") {
    SessionScript script;
    const std::uint8_t id[] = {5, 0, 0, 0};
    script.command(protocol::Command::kProcessKill, id);
    REQUIRE(script.kills.size() == 1);
    EXPECT(script.kills[0].connection_id == 5);
    EXPECT_FALSE(script.kills[0].query_only);
    script.core.on_kill_answer(KillVerdict::kDone);
    EXPECT(script.answer() == "OK");
    script.command(protocol::Command::kProcessKill, Bytes(id).first(2));
    EXPECT(script.answer() == "ERR 1835");
  }

  TEST_CASE("SessionCore: KILL of a number that no connection can have") {
    SessionScript script;
    script.query("KILL 4294967296");
    EXPECT(script.answer() == "ERR 1094");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a backend knows who may kill other users' sessions") {
    SessionScript script;
    script.query("KILL 5");
    script.core.on_kill_answer(KillVerdict::kNotOwner);
    EXPECT(script.sent(Channel::kHome) == Texts{"SET GLOBAL slow_launch_time = 'x'"});
    script.backend_error(Channel::kHome, kDenied);
    EXPECT(script.answer() == "ERR 1095");
    EXPECT(script.kills.size() == 1);
    script.query("KILL 5");
    script.core.on_kill_answer(KillVerdict::kNotOwner);
    script.backend_error(Channel::kHome, kWrongType);
    REQUIRE(script.kills.size() == 3);
    EXPECT(script.kills[2].any_owner);
    EXPECT(script.answer().empty());
    script.core.on_kill_answer(KillVerdict::kDone);
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: a killer's home lost meanwhile is asked again elsewhere") {
    SessionScript script;
    script.query("KILL 5");
    script.core.on_kill_answer(KillVerdict::kNotOwner);
    script.sent(Channel::kHome);
    script.lose(Channel::kHome);
    EXPECT(script.retries == 1);
    script.core.on_retry_due();
    EXPECT(script.sent(Channel::kHome) == Texts{"SET GLOBAL slow_launch_time = 'x'"});
    script.backend_error(Channel::kHome, kDenied);
    EXPECT(script.answer() == "ERR 1095");
  }

  TEST_CASE("SessionCore: KILL inside a transaction does not end it") {
    SessionScript script;
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("KILL 5");
    script.core.on_kill_answer(KillVerdict::kNotOwner);
    script.backend_error(Channel::kHome, kDenied);
    EXPECT(script.answer() == "ERR 1095");
    EXPECT(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: KILL of oneself") {
    SessionScript script;
    script.query("KILL QUERY 77");
    EXPECT(script.answer() == "ERR 1317");
    EXPECT_FALSE(script.closed);
    script.query("KILL QUERY CONNECTION_ID()");
    EXPECT(script.answer() == "ERR 1317");
    script.query("KILL 77");
    EXPECT(script.answer() == "ERR 1927");
    EXPECT(script.closed);
    EXPECT(script.kills.empty());
  }

  TEST_CASE(
      "SessionCore: KILL QUERY ends an autocommit write; while it may come again nobody gets "
      "the connection") {
    SessionScript script;
    script.query("UPDATE t SET v=1");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.core.on_kill_query();
    EXPECT(script.killed == 100);
    REQUIRE(script.kill.begin());
    script.backend_error(Channel::kHome, 1317);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "ERR 1317");
    script.sent(Channel::kHome);
    if (script.core.awaits_reply(Channel::kHome)) {
      script.backend_ok(Channel::kHome);
    }
    // The next write does not trust the connection either.
    script.query("UPDATE t SET v=2");
    EXPECT(script.releases == std::vector<bool>{false});
    EXPECT(script.leases == 2);
  }

  TEST_CASE("SessionCore: a KILL QUERY that hits XA PREPARE is 1317, too") {
    SessionScript script;
    script.query("UPDATE t SET v=1");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.core.on_kill_query();
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: KILL QUERY inside a transaction leaves it open") {
    SessionScript script;
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("UPDATE t SET v=2");
    script.core.on_kill_query();
    REQUIRE(script.kill.begin());
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.core.in_transaction());
    script.core.on_client_gone();
    EXPECT(script.releases == std::vector<bool>{false});
  }

  TEST_CASE("SessionCore: who is killed leaves no connection to others") {
    SessionScript script;
    const auto use_home = [&] {
      script.query("USE d");
      script.backend_ok(Channel::kHome);
      REQUIRE(script.core.lent(Channel::kHome));
    };
    use_home();
    SUBCASE("by itself") {
      script.query("KILL CONNECTION_ID()");
      EXPECT(script.answer() == "ERR 1927");
      EXPECT(script.releases == std::vector<bool>{false});
    }
    SUBCASE("by another") {
      script.core.on_kill_connection();
      script.core.on_client_gone(true);
      EXPECT(script.releases == std::vector<bool>{false});
    }
    SUBCASE("who goes does") {
      script.core.on_client_gone();
      EXPECT(script.releases == std::vector<bool>{true});
    }
  }

  TEST_CASE("SessionCore: KILL QUERY of a read on another backend") {
    SessionScript script;
    script.query("SELECT 1 FROM t");
    script.core.on_kill_query();
    script.core.on_kill_query();
    EXPECT(script.killed == 101);
    REQUIRE(script.kill.begin());
    script.backend_rows(Channel::kRead);  // it came too late
    EXPECT(script.core.idle());
    EXPECT(script.releases == std::vector<bool>{false});
    script.query("SELECT 1 FROM t");
    script.backend_rows(Channel::kRead);
    EXPECT(script.releases == std::vector<bool>{false, true});
  }

  TEST_CASE("SessionCore: KILL QUERY ends a wait for a backend") {
    SessionScript script;
    script.lease_hangs = true;
    script.query("SELECT 1 FROM t");
    script.core.on_kill_query();
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.waits_stopped == 1);
    EXPECT(script.core.idle());
    script.query("START TRANSACTION WITH CONSISTENT SNAPSHOT");
    script.core.on_kill_query();
    EXPECT(script.answer() == "ERR 1317");
    EXPECT_FALSE(script.core.in_transaction());
    EXPECT(script.killed == 0);
  }

  TEST_CASE("SessionCore: KILL QUERY of a session that runs nothing does nothing") {
    SessionScript script;
    script.core.on_kill_query();
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.core.on_kill_query();
    script.query("COMMIT");
    script.core.on_kill_query();
    EXPECT(script.killed == 0);
    EXPECT(script.waits_stopped == 0);
  }

  TEST_CASE("SessionCore: KILL ends what runs on a backend; its connection is closed") {
    SessionScript script;
    script.query("SELECT 1 FROM t");
    script.core.on_kill_connection();
    EXPECT(script.killed == 101);
    script.core.on_client_gone();
    EXPECT(script.releases == std::vector<bool>{false});
  }

  TEST_CASE("SessionCore: a KILL QUERY is not sent any more when its statement has ended") {
    SessionScript script;
    script.query("SELECT 1 FROM t");
    script.core.on_kill_query();
    script.backend_rows(Channel::kRead);
    EXPECT_FALSE(script.kill.begin());
    EXPECT(script.releases == std::vector<bool>{true});
    open_branch(script);
    script.query("UPDATE t SET v=2");
    script.core.on_abort_branch();
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT_FALSE(script.kill.begin());
    EXPECT(script.releases == std::vector<bool>{true});
  }

  TEST_CASE("SessionCore: a pinned session waits for a lane's KILL QUERY before it goes on") {
    SessionScript script;
    pin(script);
    open_branch(script);
    script.query("UPDATE t SET v=2");
    script.core.on_abort_branch();
    REQUIRE(script.kill.begin());
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "ERR 1213");
    script.backend_ok(Channel::kHome);  // XA END
    script.backend_ok(Channel::kHome);  // XA ROLLBACK
    script.sent(Channel::kHome);
    script.query("DELETE FROM t");
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT(script.retries == 1);
    script.core.on_retry_due();
    EXPECT(script.sent(Channel::kHome).empty());
    script.kill.end(true);
    script.core.on_retry_due();
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "DELETE FROM t", "XA END", "XA PREPARE"}));
    EXPECT(script.releases.empty());
  }

  TEST_CASE("SessionCore: a pinned session ends when nobody knows what became of a KILL QUERY") {
    SessionScript script;
    pin(script);
    open_branch(script);
    script.query("UPDATE t SET v=2");
    script.core.on_abort_branch();
    REQUIRE(script.kill.begin());
    script.kill.end(false);
    script.backend_error(Channel::kHome, 1317);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("DELETE FROM t");
    for (int i = 0; i < 1000 && !script.closed; ++i) {
      script.core.on_retry_due();
    }
    EXPECT(script.answer() == "ERR 1053");
    EXPECT(script.closed);
    EXPECT(script.releases == std::vector<bool>{false});
  }

  TEST_CASE("KillTicket: from the wish to its end") {
    KillTicket none;
    EXPECT_FALSE(none.pending());
    none.withdraw();
    KillTicket ticket = KillTicket::issue();
    const KillTicket carried = ticket;
    EXPECT(ticket.pending());
    EXPECT(carried.begin());
    ticket.withdraw();  // too late
    EXPECT(ticket.pending());
    carried.end(false);
    EXPECT(ticket.pending());
    EXPECT(carried.begin());  // sent again: the first one may still come
    carried.end(true);
    EXPECT(ticket.pending());
    ticket = KillTicket::issue();
    const KillTicket late = ticket;
    ticket.withdraw();
    EXPECT_FALSE(ticket.pending());
    EXPECT_FALSE(late.begin());
  }

  TEST_CASE("SessionCore: CONNECTION_ID() is the session's, wherever it is asked") {
    SessionScript script;
    script.query("SELECT CONNECTION_ID()");
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT 77 AS `CONNECTION_ID()`"});
    script.backend_rows(Channel::kRead);
    script.query("INSERT INTO t VALUES (CONNECTION_ID())");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "INSERT INTO t VALUES (77)", "XA END", "XA PREPARE"}));
    SessionScript prepared;
    prepared.command(protocol::Command::kStmtPrepare, as_bytes("SELECT CONNECTION_ID() AS id"));
    EXPECT(prepared.sent(Channel::kHome) == Texts{"SELECT 77 AS id"});
  }
}

}  // namespace
}  // namespace consort::proxy
