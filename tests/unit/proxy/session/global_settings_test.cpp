#include "proxy/session/global_settings.h"

#include "protocol/constants.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

GlobalsChanged change(std::uint64_t seqno, const std::string& name, const std::string& value) {
  return {Seqno{seqno}, {GlobalChange{{name, value, true}, "old", true}}};
}

TEST_SUITE("session") {
  TEST_CASE("GlobalSettings: connections are outdated by a SET GLOBAL and by a lane's new start") {
    constexpr BackendId kBackend{1};
    AppliedPositions positions;
    positions.applied[1] = 7;
    GlobalSettings globals(positions);
    const SettingsAge age = globals.age(kBackend);
    EXPECT_FALSE(globals.outdated(kBackend, age));
    globals.note({Seqno{8}, {}});  // it failed
    EXPECT((globals.seen() == Seqno{8}));
    EXPECT((globals.changed_at() == Seqno{0}));
    EXPECT_FALSE(globals.outdated(kBackend, age));
    globals.note(change(9, "sort_buffer_size", "1"));
    EXPECT((globals.changed_at() == Seqno{9}));
    EXPECT(globals.outdated(kBackend, age));
    EXPECT(globals.outdated(kBackend, globals.age(kBackend)));  // the server has it not yet
    positions.applied[1] = 9;
    EXPECT_FALSE(globals.outdated(kBackend, globals.age(kBackend)));
    const SettingsAge newer = globals.age(kBackend);
    positions.lane_generations[1] = 1;
    EXPECT(globals.outdated(kBackend, newer));
  }

  TEST_CASE("GlobalSettings: a new sql_mode reads texts before the servers were looked at again") {
    AppliedPositions positions;
    GlobalSettings globals(positions);
    router::LexerOptions known;
    EXPECT((globals.lexer(known) == known));
    globals.note(change(9, "sql_mode", "ANSI_QUOTES"));
    EXPECT(globals.lexer(known).ansi_quotes);
    known.doubtful = true;  // one has it, another not yet
    globals.on_lexer_known(known);
    EXPECT(globals.lexer(known).ansi_quotes);
    EXPECT_FALSE(globals.lexer(known).doubtful);
    known.doubtful = false;
    known.ansi_quotes = true;
    globals.on_lexer_known(known);
    known.ansi_quotes = false;  // somebody changed it past Consort
    EXPECT_FALSE(globals.lexer(known).ansi_quotes);
  }

  TEST_CASE("GlobalSettings: what a session has at first") {
    constexpr std::chrono::seconds kUsual{28800};
    AppliedPositions positions;
    GlobalSettings globals(positions);
    EXPECT(globals.first_settings({}, 0, kUsual).empty());
    KeptGlobals known = {{"wait_timeout", "28800"}, {"interactive_timeout", "60"}};
    EXPECT(globals.first_settings(known, 0, kUsual).empty());
    EXPECT((globals.first_settings(known, protocol::capability::kInteractive, kUsual) ==
            KeptGlobals{{"wait_timeout", "60"}}));
    globals.note(change(9, "wait_timeout", "5"));
    globals.note(change(10, "tx_read_only", "1"));
    const KeptGlobals both = {{"tx_read_only", "ON"}, {"wait_timeout", "5"}};
    EXPECT((globals.first_settings(known, 0, kUsual) == both));
    globals.on_kept_known(known);  // not looked at since
    EXPECT((globals.first_settings(known, 0, kUsual) == both));
    known["wait_timeout"] = "5";
    known["tx_read_only"] = "1";
    globals.on_kept_known(known);
    EXPECT((globals.first_settings(known, 0, kUsual) == both));
    known.erase("wait_timeout");  // somebody has deleted what was kept
    known["tx_read_only"] = "0";
    EXPECT(globals.first_settings(known, 0, kUsual).empty());
  }

  TEST_CASE("GlobalSettings: what a session's client is told of at first") {
    AppliedPositions positions;
    GlobalSettings globals(positions);
    const KeptGlobals known = {{"session_track_schema", "ON"},
                               {"session_track_system_variables", "time_zone"}};
    EXPECT((globals.first_settings(known, 0, std::chrono::seconds(1)) == known));
    globals.note(change(9, "session_track_system_variables", "*"));
    globals.note(change(10, "session_track_schema", "0"));
    EXPECT((globals.first_settings(known, 0, std::chrono::seconds(1)) ==
            KeptGlobals{{"session_track_schema", "0"}, {"session_track_system_variables", "*"}}));
  }

  TEST_CASE("GlobalSettings: CLIENT_IGNORE_SPACE is a sql_mode") {
    constexpr std::chrono::seconds kUsual{28800};
    constexpr std::uint64_t kIgnoreSpace = protocol::capability::kIgnoreSpace;
    AppliedPositions positions;
    GlobalSettings globals(positions);
    EXPECT(globals.first_settings({}, kIgnoreSpace, kUsual).empty());  // no server was looked at
    const KeptGlobals known = {{"sql_mode", "ANSI_QUOTES"}};
    EXPECT(globals.first_settings(known, 0, kUsual).empty());
    EXPECT((globals.first_settings(known, kIgnoreSpace, kUsual) ==
            KeptGlobals{{"sql_mode", "ANSI_QUOTES,IGNORE_SPACE"}}));
    globals.note(change(9, "sql_mode", ""));
    EXPECT((globals.first_settings(known, kIgnoreSpace, kUsual) ==
            KeptGlobals{{"sql_mode", "IGNORE_SPACE"}}));
  }

  TEST_CASE("GlobalSettings: what Consort obeys in the servers' place") {
    AppliedPositions positions;
    GlobalSettings globals(positions);
    EXPECT(globals.connections_max({}, 1000) == 1000);
    EXPECT_FALSE(globals.read_only());
    globals.note(change(9, "consort_max_connections", "77"));
    globals.note(change(10, "consort_read_only", "1"));
    EXPECT(globals.connections_max({}, 1000) == 77);
    EXPECT(globals.read_only());
    globals.on_kept_known({});  // not looked at since
    EXPECT(globals.read_only());
    const KeptGlobals known = {{"consort_max_connections", "77"}, {"consort_read_only", "1"}};
    globals.on_kept_known(known);
    EXPECT(globals.connections_max(known, 1000) == 77);
    EXPECT(globals.read_only());
    globals.note(change(11, "consort_max_connections", "1"));
    EXPECT(globals.connections_max(known, 1000) == 10);
    globals.note(change(12, "consort_max_connections", ""));  // DEFAULT
    EXPECT(globals.connections_max(known, 1000) == 1000);
    globals.note(change(13, "consort_read_only", "0"));
    globals.on_kept_known(known);
    EXPECT_FALSE(globals.read_only());
    EXPECT_FALSE(globals.runs_events());
    globals.note(change(14, "consort_event_scheduler", "1"));
    EXPECT(globals.runs_events());
    globals.on_kept_known({{"consort_event_scheduler", "1"}});
    EXPECT(globals.runs_events());
    globals.note(change(15, "consort_event_scheduler", "0"));
    EXPECT_FALSE(globals.runs_events());
  }

  TEST_CASE("GlobalSettings: what begins a session, and how many wrong passwords may be tried") {
    AppliedPositions positions;
    GlobalSettings globals(positions);
    EXPECT(globals.init_connect({}).empty());
    EXPECT(globals.password_errors_max({}) == 0);
    const KeptGlobals known = {{"consort_init_connect", "SET @a=1"}, {"max_password_errors", "7"}};
    EXPECT(globals.init_connect(known) == "SET @a=1");
    EXPECT(globals.password_errors_max(known) == 7);
    globals.note(change(9, "consort_init_connect", ""));
    globals.note(change(10, "max_password_errors", "2"));
    EXPECT(globals.init_connect(known).empty());
    EXPECT(globals.password_errors_max(known) == 2);
  }

  TEST_CASE("GlobalSettings: how long packets may be") {
    AppliedPositions positions;
    GlobalSettings globals(positions);
    EXPECT(globals.packet_bytes_max(0) == 0);  // nobody has SET it: as configured
    EXPECT(globals.packet_bytes_max(1 << 20) == 1 << 20);
    EXPECT(globals.packet_bytes_max(std::uint64_t{1} << 40) == 1 << 30);
    globals.note(change(9, "sort_buffer_size", "1"));
    EXPECT((globals.logins_changed_at() == Seqno{0}));
    globals.note(change(10, "max_allowed_packet", "2048"));
    EXPECT((globals.logins_changed_at() == Seqno{10}));
    EXPECT(globals.packet_bytes_max(1 << 20) == 16384);  // what fits into a buffer
    globals.note(change(11, "net_buffer_length", "1024"));
    EXPECT((globals.logins_changed_at() == Seqno{11}));
    EXPECT(globals.packet_bytes_max(1 << 20) == 2048);
    globals.on_packet_limit_known(1 << 20);  // from before
    EXPECT(globals.packet_bytes_max(1 << 20) == 2048);
    globals.on_packet_limit_known(2048);
    EXPECT(globals.packet_bytes_max(4096) == 4096);
  }
}

}  // namespace
}  // namespace consort::proxy
