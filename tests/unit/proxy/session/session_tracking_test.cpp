// What a client with session tracking is told, and how it may change that.
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

constexpr std::uint64_t kTracking = SessionScript::kClient | protocol::capability::kSessionTrack;

struct TrackingScript : SessionScript {
  TrackingScript() : SessionScript({0xC1, 3, 16, {}}, kTracking) {}

  /// What the client's last packet tells: "name=value ..", "schema d", "state T_______",
  /// "how START TRANSACTION;", "changed".
  std::string told() const {
    Bytes last;
    Bytes rest(to_client);
    while (const auto frame = protocol::peek_packet(rest)) {
      last = frame->payload;
      rest = rest.subspan(frame->bytes);
    }
    const auto ok = protocol::decode_ok(last, kTracking);
    REQUIRE(ok.ok());
    std::string text;
    for (const auto& [name, value] : ok->changes.system_variables) {
      text += std::string(name) + "=" + std::string(value) + " ";
    }
    const auto add = [&](std::string_view word, const std::optional<std::string_view>& value) {
      if (value) {
        text.append(word).append(*value).append(" ");
      }
    };
    add("schema ", ok->changes.schema);
    add("state ", ok->changes.transaction_state);
    add("how ", ok->changes.transaction_characteristics);
    text += ok->changes.state_changed.value_or(false) ? "changed " : "";
    if (!text.empty()) {
      text.pop_back();
    }
    return text;
  }

  void home_state(std::string_view state, bool how = false) {
    protocol::OkPacket ok;
    ok.changes.transaction_state = state;
    if (how) {
      ok.changes.transaction_characteristics = "XA START 'x';";
    }
    backend_ok(Channel::kHome, ok);
  }

  /// The client's SET of session_track_transaction_info.
  void track(std::string_view level) {
    query("SET session_track_transaction_info=" + std::string(level));
    sent(Channel::kHome);
    home_tells({{"session_track_transaction_info", level}});
  }
};

TEST_SUITE("session") {
  TEST_CASE("SessionCore: session_track_schema by a literal stays with the session") {
    TrackingScript script;
    script.query("SET session_track_schema=0");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET session_track_schema=@@session.session_track_schema"}));
    script.home_tells({{"session_track_schema", "ON"}});
    EXPECT(script.told().empty());
    script.query("USE d2");
    script.home_tells({}, "d2");
    EXPECT(script.answer() == "OK");
    EXPECT(script.told().empty());
    EXPECT(script.core.state().schema() == "d2");
    script.query("SET session_track_schema=ON");
    script.backend_ok(Channel::kHome);
    script.query("USE d3");
    script.home_tells({}, "d3");
    EXPECT(script.told() == "schema d3");
  }

  TEST_CASE("SessionCore: the server says what a list of variables means") {
    TrackingScript script;
    script.shows_guards = true;
    script.query("SET autocommit=1, session_track_system_variables=CONCAT('sql_mode',', a')");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET SESSION session_track_schema=1, "
                  "SESSION session_track_system_variables=DEFAULT",
                  "SET SESSION session_track_system_variables=CONCAT('sql_mode',', a')",
                  "SELECT CAST(@@session.session_track_schema+0 AS BINARY), "
                  "CAST(@@session.session_track_system_variables AS BINARY)",
                  std::string(dialect_of(ServerKind::kMariadb).tell_everything)}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_row(Channel::kHome, {"1", "sql_mode"});
    EXPECT(script.sent(Channel::kHome).empty());
    script.backend_ok(Channel::kHome);
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET autocommit=1, session_track_schema=@@session.session_track_schema"}));
    script.home_tells({{"autocommit", "ON"}, {"session_track_schema", "ON"}});
    EXPECT(script.answer() == "OK");
    EXPECT(script.told().empty());
    script.query("SET sql_mode='', time_zone='SYSTEM'");
    script.home_tells({{"sql_mode", ""}, {"time_zone", "SYSTEM"}});
    EXPECT(script.told() == "sql_mode=");
    EXPECT(script.core.state().variable("time_zone") == "SYSTEM");
    script.sent(Channel::kHome);
    script.query("SELECT @@session_track_system_variables");
    EXPECT((script.sent(Channel::kHome).empty()));
    EXPECT((script.sent(Channel::kRead) == Texts{"SELECT IF(1,_utf8mb4 X'73716C5F6D6F6465',"
                                                 "@@session.session_track_system_variables) AS "
                                                 "`@@session_track_system_variables`"}));
    script.backend_rows(Channel::kRead);
    script.core.reset();
    script.query("SELECT @@session_track_system_variables");
    EXPECT(
        (script.sent(Channel::kRead) == Texts{"SELECT @@global.session_track_system_variables AS "
                                              "`@@session_track_system_variables`"}));
  }

  TEST_CASE("SessionCore: a list that the server refuses changes nothing") {
    TrackingScript script;
    script.shows_guards = true;
    script.query("SET autocommit=0, session_track_system_variables=NULL");
    script.backend_ok(Channel::kHome);
    script.backend_error(Channel::kHome, 1231);
    script.backend_row(Channel::kHome, {"1", "autocommit"});
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "ERR 1231");
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT(script.core.idle());
    script.query("SET time_zone='SYSTEM'");
    script.home_tells({{"time_zone", "SYSTEM"}});
    EXPECT(script.told() == "time_zone=SYSTEM");
  }

  TEST_CASE("SessionCore: a connection that may not tell of everything any more is closed") {
    for (const int answers : {0, 2, 3}) {
      CAPTURE(answers);
      TrackingScript script;
      script.shows_guards = true;
      script.query("SET session_track_system_variables='*'");
      for (int i = 0; i < answers; ++i) {
        if (i == 2) {
          script.backend_row(Channel::kHome, {"1", "*"});
        } else {
          script.backend_ok(Channel::kHome);
        }
      }
      script.backend_error(Channel::kHome, protocol::sql_code::kQueryInterrupted);
      EXPECT(script.answer() == "ERR 1317");
      EXPECT((script.releases == std::vector<bool>{false}));
      EXPECT(script.core.idle());
    }
  }

  TEST_CASE("SessionCore: a SET that fails leaves the client's tracking as it was") {
    TrackingScript script;
    script.query("SET session_track_schema=0, sql_mode='x'");
    script.backend_error(Channel::kHome, 1231);
    script.query("USE d2");
    script.home_tells({}, "d2");
    EXPECT(script.told() == "schema d2");
  }

  TEST_CASE("SessionCore: a prepared SET of session_track_schema runs as a text") {
    TrackingScript script;
    script.command(protocol::Command::kStmtPrepare, as_bytes("SET session_track_schema=0"));
    script.sent(Channel::kHome);
    Buffer reply;
    const std::uint8_t prepared[] = {0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    protocol::append_packet(reply, prepared, 1);
    script.feed(Channel::kHome, reply);
    const std::uint8_t execute[] = {1, 0, 0, 0, 0, 1, 0, 0, 0};
    script.command(protocol::Command::kStmtExecute, execute);
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET session_track_schema=@@session.session_track_schema"}));
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: session_track_state_change is the server's, on every connection") {
    TrackingScript script;
    script.query("SET session_track_state_change=1");
    EXPECT((script.sent(Channel::kHome) == Texts{"SET session_track_state_change=1"}));
    script.home_tells({{"session_track_state_change", "ON"}});
    EXPECT(script.core.state().variable("session_track_state_change") == "ON");
    script.query("SET @a=1");
    protocol::OkPacket ok;
    ok.changes.state_changed = true;
    script.backend_ok(Channel::kHome, ok);
    EXPECT(script.told() == "changed");
  }

  TEST_CASE("SessionCore: the client's transaction is told, not the branch") {
    TrackingScript script;
    script.track("CHARACTERISTICS");
    EXPECT(script.told() == "state ________ how ");
    script.query("BEGIN");
    EXPECT(script.told() == "state T_______ how START TRANSACTION;");
    script.query("UPDATE t SET v=1");
    script.home_state("T_______", true);
    script.home_state("T___W___");
    EXPECT(script.told() == "state T___W___");
    script.query("SELECT 1");
    script.backend_rows(Channel::kHome);
    EXPECT(script.told() == "state T___W_S_");
    script.query("ROLLBACK");
    EXPECT(script.answer().empty());
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.told() == "state ________ how ");
    script.query("BEGIN");
    EXPECT(script.told() == "state T_______ how START TRANSACTION;");
    script.query("COMMIT AND CHAIN");
    EXPECT(script.told() == "how START TRANSACTION;");
  }

  TEST_CASE("SessionCore: an autocommit write tells of no transaction") {
    TrackingScript script;
    script.track("CHARACTERISTICS");
    script.query("UPDATE t SET v=1");
    script.home_state("T_______", true);
    script.home_state("T_R_W___", true);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 11);
    EXPECT(script.answer() == "OK");
    EXPECT(script.told().empty());
  }

  TEST_CASE("SessionCore: what the home says of the next transaction is told, and ends with it") {
    TrackingScript script;
    script.track("CHARACTERISTICS");
    script.query("SET TRANSACTION READ ONLY");
    script.backend_ok(Channel::kHome);
    EXPECT(script.told() == "how SET TRANSACTION READ ONLY;");
    script.query("START TRANSACTION");
    EXPECT(script.told() == "state T_______ how START TRANSACTION READ ONLY;");
    script.query("COMMIT");
    EXPECT(script.told() == "state ________ how ");
    script.sent(Channel::kHome);
    script.query("SET @@tx_isolation='SERIALIZABLE'");
    EXPECT((script.sent(Channel::kHome) == Texts{"SET SESSION tx_isolation=@@session.tx_isolation, "
                                                 "SESSION tx_read_only=@@session.tx_read_only",
                                                 "SET @@tx_isolation='SERIALIZABLE'"}));
    script.backend_ok(Channel::kHome);
    protocol::OkPacket ok;
    ok.changes.transaction_characteristics = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;";
    script.backend_ok(Channel::kHome, ok);
    EXPECT(script.told() == "how SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;");
  }

  TEST_CASE("SessionCore: a stored program cannot make a write go unnoticed") {
    const std::string ours = std::string(dialect_of(ServerKind::kMariadb).tell_everything);
    for (const std::string text : {"CALL p()", "SELECT f(1)", "UPDATE t SET v=f(1)"}) {
      CAPTURE(text);
      TrackingScript script;
      script.shows_guards = true;
      script.query(text);
      EXPECT((script.sent(Channel::kHome) ==
              Texts{"XA START", "START TRANSACTION", text, ours, "XA END", "XA PREPARE"}));
    }
    TrackingScript script;
    script.functions = true;
    script.shows_guards = true;
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.backend_ok(Channel::kHome);
    script.backend_error(Channel::kHome, 1399);
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    script.query("COMMIT");
    EXPECT((script.sent(Channel::kHome) == Texts{ours, "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: who has not been told of a write asks whether it is told of anything") {
    const auto begin = [](SessionScript& script, bool wrapped) {
      script.shows_guards = true;
      if (!wrapped) {
        script.query("BEGIN");
      }
      script.query("UPDATE t SET v=1");
      script.backend_ok(Channel::kHome);           // XA START
      script.backend_error(Channel::kHome, 1399);  // the guard
      script.backend_ok(Channel::kHome);
      if (!wrapped) {
        script.query("COMMIT");
      }
      script.backend_ok(Channel::kHome);  // XA END
      script.sent(Channel::kHome);
      script.backend_ok(Channel::kHome);  // XA PREPARE: no last_gtid
      EXPECT((script.sent(Channel::kHome) == Texts{std::string(SessionScript::kAskTold)}));
      EXPECT(script.answer().empty());
      EXPECT(script.posted.empty());
    };
    for (const bool wrapped : {true, false}) {
      CAPTURE(wrapped);
      SUBCASE("it is: nothing was written") {
        SessionScript script;
        begin(script, wrapped);
        script.backend_ok(Channel::kHome);
        EXPECT(script.answer() == "OK");
        EXPECT((script.sent(Channel::kHome) == Texts{"XA ROLLBACK"}));
        EXPECT(script.posted.empty());
      }
      SUBCASE("it is not: the rows in the binlog decide") {
        for (const bool committed : {true, false}) {
          CAPTURE(committed);
          SessionScript script;
          begin(script, wrapped);
          script.backend_error(Channel::kHome, 1231);
          EXPECT((script.sent(Channel::kHome) ==
                  Texts{std::string(dialect_of(ServerKind::kMariadb).tell_everything)}));
          script.backend_ok(Channel::kHome);
          EXPECT(script.answer().empty());
          EXPECT_FALSE(script.posted_back<BranchPrepared>().surely_logged);
          script.outcome(committed ? BranchVerdict::kCommitted : BranchVerdict::kConflict, 5);
          EXPECT(script.answer() == (committed ? "OK" : "ERR 1213"));
          EXPECT(script.core.pins().has(router::PinReason::kUnknownState));
        }
      }
      SUBCASE("the question was interrupted") {
        SessionScript script;
        begin(script, wrapped);
        script.backend_error(Channel::kHome, 1317);
        EXPECT(script.answer() == "ERR 1213");
        EXPECT(script.posted_back<BranchAbandoned>().branch == BranchId{1, 0, 1});
      }
      SUBCASE("the home is lost meanwhile") {
        SessionScript script;
        begin(script, wrapped);
        script.lose(Channel::kHome);
        EXPECT(std::holds_alternative<BranchAbandoned>(script.posted.front()));
        EXPECT(script.answer() == (wrapped ? "" : "ERR 1213"));
        EXPECT(script.core.idle() != wrapped);  // it is run again
      }
    }
  }

  TEST_CASE("SessionCore: where programs may have run, what the client sets is told all the same") {
    const std::string ours = std::string(dialect_of(ServerKind::kMariadb).tell_everything);
    for (const bool triggers : {true, false}) {
      CAPTURE(triggers);
      TrackingScript script;
      script.has_triggers = triggers;
      script.shows_guards = true;
      for (const std::string text : {"USE d2", "SET sql_mode=''", "SET NAMES latin1"}) {
        CAPTURE(text);
        script.query(text);
        EXPECT((script.sent(Channel::kHome) == (triggers ? Texts{ours, text} : Texts{text})));
        script.backend_ok(Channel::kHome);
        if (triggers) {
          script.backend_ok(Channel::kHome);
        }
        EXPECT(script.answer() == "OK");
      }
      script.command(protocol::Command::kInitDb, as_bytes("d3"));
      EXPECT(script.sent(Channel::kHome).size() == (triggers ? 2U : 1U));
      script.backend_ok(Channel::kHome);
      if (triggers) {
        script.backend_ok(Channel::kHome);
      }
      script.query("SET @a=1");
      EXPECT((script.sent(Channel::kHome) == Texts{"SET @a=1"}));
    }
  }

  TEST_CASE("SessionCore: who has seen to it that it is told need not ask") {
    TrackingScript script;
    script.shows_guards = true;
    for (const bool heard : {true, false}) {
      CAPTURE(heard);
      script.query("SELECT f(1)");
      script.backend_ok(Channel::kHome);           // XA START
      script.backend_error(Channel::kHome, 1399);  // the guard
      script.backend_rows(Channel::kHome);
      if (heard) {
        script.backend_ok(Channel::kHome);
      } else {
        script.backend_error(Channel::kHome, 1317);
      }
      script.backend_ok(Channel::kHome);  // XA END
      script.sent(Channel::kHome);
      script.backend_ok(Channel::kHome);  // XA PREPARE
      EXPECT((script.sent(Channel::kHome) ==
              Texts{heard ? "XA ROLLBACK" : std::string(SessionScript::kAskTold)}));
      script.backend_ok(Channel::kHome);
    }
  }

  TEST_CASE("SessionCore: what only one of our own statements is told of the branch is told") {
    TrackingScript script;
    script.track("STATE");
    script.query("START TRANSACTION WITH CONSISTENT SNAPSHOT");
    EXPECT(
        (script.sent(Channel::kHome) == Texts{"XA START", "SELECT seqno FROM consort.`position`"}));
    script.home_state("T_______");
    script.home_state("T_R_W___");
    EXPECT(script.told() == "state T_R_W___");
  }

  TEST_CASE("SessionCore: behind an error only a new change is told") {
    TrackingScript script;
    script.track("STATE");
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.home_state("T_______");
    script.backend_error(Channel::kHome, 1213);
    EXPECT(script.answer() == "ERR 1213");
    script.backend_ok(Channel::kHome);
    script.query("SET @a=1");
    script.backend_ok(Channel::kHome);
    EXPECT(script.told().empty());
    script.query("BEGIN");
    EXPECT(script.told().empty());  // T_______ as before
    EXPECT((load_le<2>(script.to_client.data() + 7) &
            protocol::status_flag::kSessionStateChanged) != 0);
    script.query("COMMIT");
    EXPECT(script.told() == "state ________");
  }

  TEST_CASE("SessionCore: an EOF packet of the old form says that something has changed") {
    SessionScript script({0xC1, 3, 16, {}},
                         protocol::capability::kProtocol41 | protocol::capability::kSessionTrack);
    script.query("SET session_track_transaction_info='STATE'");
    protocol::OkPacket ok;
    ok.changes.system_variables = {{"session_track_transaction_info", "STATE"}};
    script.backend_ok(Channel::kHome, ok);
    script.query("BEGIN");
    script.command(protocol::Command::kSetOption, Buffer{1, 0});
    const auto status = [&] { return load_le<2>(script.to_client.data() + 7); };
    EXPECT((status() & protocol::status_flag::kSessionStateChanged) != 0);
    // Again, since there was no room for what (measured).
    script.command(protocol::Command::kSetOption, Buffer{1, 0});
    EXPECT((status() & protocol::status_flag::kSessionStateChanged) != 0);
    script.query("SAVEPOINT a");
    for (int i = 0; i < 3; ++i) {
      script.backend_ok(Channel::kHome);
    }
    script.query("ROLLBACK");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.command(protocol::Command::kSetOption, Buffer{1, 0});
    EXPECT((status() & protocol::status_flag::kSessionStateChanged) == 0);
  }
}

}  // namespace
}  // namespace consort::proxy
