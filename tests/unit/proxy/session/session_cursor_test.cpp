// Cursors: the session stays with the connection that keeps the rows.
#include "proxy/session/session_core.h"
#include "tests/unit/proxy/session/prepare_script.h"

namespace consort::proxy {
namespace {

using protocol::Command;
constexpr std::string_view kSelect = "SELECT id FROM t";
constexpr std::string_view kCalling = "SELECT f(id) FROM t";
constexpr std::uint8_t kCursor = 1;

void fetch(SessionScript& script, std::uint32_t client_id, std::uint32_t rows) {
  Buffer argument;
  append_le<4>(argument, client_id);
  append_le<4>(argument, rows);
  script.command(Command::kStmtFetch, argument);
}

/// A definition or some rows, and the EOF that says `flag`.
void answer(SessionScript& script, bool columns, int rows, std::uint16_t flag) {
  Buffer reply;
  std::uint8_t sequence = 1;
  if (columns) {
    const std::uint8_t count[] = {1};
    sequence = protocol::append_packet(reply, count, sequence);
    sequence = protocol::append_packet(reply, as_bytes("column definition"), sequence);
  }
  for (int i = 0; i < rows; ++i) {
    const std::uint8_t row[] = {0, 0, 5};
    sequence = protocol::append_packet(reply, row, sequence);
  }
  protocol::OkPacket ok;
  ok.status = protocol::status_flag::kAutocommit | flag;
  protocol::append_ok(reply, ok, SessionScript::kCapabilities, sequence, protocol::OkHeader::kEof);
  script.feed(Channel::kHome, reply);
}

/// The client's statement 1 has a cursor; the home knows it as 8.
void open_cursor(SessionScript& script) {
  prepare_at_home(script, kSelect, 7);
  execute(script, 1, kCursor);
  REQUIRE(script.sent(Channel::kHome) == Texts{std::string(kSelect)});  // once more: for itself
  answer_prepare(script, Channel::kHome, 8);
  REQUIRE(script.sent(Channel::kHome) == Texts{"EXECUTE 8"});
  answer(script, true, 0, protocol::status_flag::kCursorExists);
  REQUIRE(script.core.pins().has(router::PinReason::kOpenCursor));
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a cursor is opened at home and read there to its end") {
    SessionScript script;
    open_cursor(script);
    EXPECT(script.answer() == "data | data | EOF cursor");
    fetch(script, 1, 2);
    EXPECT(script.sent(Channel::kHome) == Texts{"FETCH 8/2"});
    answer(script, false, 2, protocol::status_flag::kCursorExists);
    EXPECT(script.answer() == "OK | OK | EOF cursor");  // rows begin like OK
    EXPECT(script.core.pins().has(router::PinReason::kOpenCursor));
    fetch(script, 1, 9);
    answer(script, false, 1, protocol::status_flag::kLastRowSent);
    EXPECT(script.answer() == "OK | EOF last");
    EXPECT(script.core.pins().empty());
    script.sent(Channel::kHome);
    fetch(script, 1, 1);
    EXPECT(script.answer() == "ERR 1421");
    fetch(script, 5, 1);
    EXPECT(script.answer() == "ERR 1243");
    EXPECT(script.sent(Channel::kHome).empty());
  }

  TEST_CASE("SessionCore: an open cursor keeps everything at its home") {
    SessionScript script;
    open_cursor(script);
    script.query("SELECT 1 FROM t");
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT 1 FROM t"});
    script.backend_rows(Channel::kHome);
    EXPECT_FALSE(script.core.yield(Channel::kHome, false));
    SUBCASE("until it is closed") {
      about_statement(script, Command::kStmtClose, 1);
      EXPECT(script.statements.size() == 1);  // the one that others may share
      EXPECT(script.answer().empty());
    }
    SUBCASE("until it is reset") {
      about_statement(script, Command::kStmtReset, 1);
      EXPECT(script.sent(Channel::kHome) == Texts{"RESET 8"});
      EXPECT(script.answer() == "OK");
      script.backend_ok(Channel::kHome);
    }
    SUBCASE("until its statement is executed without one") {
      execute(script, 1);
      EXPECT(script.sent(Channel::kHome) == Texts{"RESET 8"});
      EXPECT(script.sent(Channel::kRead) == Texts{"EXECUTE 7"});
      script.backend_ok(Channel::kHome);
      script.backend_rows(Channel::kRead);
    }
    SUBCASE("until the session is reset") {
      script.command(Command::kResetConnection, {});
    }
    EXPECT(script.core.pins().empty());
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: with its home an open cursor's session is lost") {
    SessionScript script;
    open_cursor(script);
    script.lose(Channel::kHome);
    EXPECT(script.closed);
  }

  TEST_CASE("SessionCore: statements with one text have cursors of their own") {
    SessionScript script;
    open_cursor(script);
    script.command(Command::kStmtPrepare, as_bytes(kSelect));
    script.sent(Channel::kHome);
    answer_prepare(script, Channel::kHome, 9);
    execute(script, 2, kCursor);
    script.sent(Channel::kHome);
    answer_prepare(script, Channel::kHome, 10);
    EXPECT(script.sent(Channel::kHome) == Texts{"EXECUTE 10"});
    answer(script, true, 0, protocol::status_flag::kCursorExists);
    fetch(script, 1, 1);
    EXPECT(script.sent(Channel::kHome) == Texts{"FETCH 8/1"});
    answer(script, false, 0, protocol::status_flag::kLastRowSent);
    EXPECT(script.core.pins().has(router::PinReason::kOpenCursor));  // the other one
  }

  TEST_CASE("SessionCore: a read that may write is answered when it is certified, cursor or not") {
    SessionScript script;
    prepare_at_home(script, kCalling, 7);
    execute(script, 1, kCursor);
    script.sent(Channel::kHome);
    answer_prepare(script, Channel::kHome, 8);
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "EXECUTE 8", "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    answer(script, true, 0, protocol::status_flag::kCursorExists);
    EXPECT(script.core.pins().empty());
    script.backend_ok(Channel::kHome);
    SUBCASE("nothing was changed") {
      script.backend_ok(Channel::kHome);
      EXPECT(script.answer() == "data | data | EOF cursor");
      EXPECT(script.core.pins().has(router::PinReason::kOpenCursor));
    }
    SUBCASE("a conflict") {
      script.backend_ok_gtid();
      script.outcome(BranchVerdict::kConflict);
      EXPECT(script.answer() == "data | data | ERR 1213");
      EXPECT(script.core.pins().empty());
    }
  }

  TEST_CASE("SessionCore: a server that opens no cursor answers with all rows") {
    SessionScript script;
    prepare_at_home(script, "EXPLAIN SELECT 1", 7);
    execute(script, 1, kCursor);
    script.sent(Channel::kHome);
    answer_prepare(script, Channel::kHome, 8);
    answer(script, true, 2, 0);
    EXPECT(script.answer() == "data | data | OK | OK | EOF");
    EXPECT(script.core.pins().empty());
    about_statement(script, Command::kStmtClose, 1);
    EXPECT(script.statements.size() == 1);
  }
}

}  // namespace
}  // namespace consort::proxy
