// KILL by an expression, by a query's number, of a user.
#include "tests/support/test.h"
#include "tests/unit/proxy/session/prepare_script.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

ProcessRow user_row(std::uint32_t id, std::string user, std::string host = "10.0.0.1:5") {
  ProcessRow out;
  out.id = id;
  out.user = std::move(user);
  out.host = std::move(host);
  return out;
}

std::vector<std::uint64_t> killed_ids(const SessionScript& script) {
  std::vector<std::uint64_t> ids;
  for (const KillOrder& order : script.kills) {
    ids.push_back(order.connection_id);
  }
  return ids;
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: the home knows what number an expression is") {
    SessionScript script;
    script.query("KILL QUERY CONNECTION_ID() - 7 + @x");
    EXPECT(script.sent(Channel::kHome) == Texts{"VALUES (CAST((77 - 7 + @x) AS SIGNED))"});
    script.backend_row(Channel::kHome, {"70"});
    REQUIRE(script.kills.size() == 1);
    EXPECT(script.kills[0].connection_id == 70);
    EXPECT(script.kills[0].query_only);
    script.core.on_kill_answer(KillVerdict::kDone);
    EXPECT(script.answer() == "OK");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: an expression that is a negative number, or oneself") {
    SessionScript script;
    script.query("KILL -1");
    script.backend_row(Channel::kHome, {"-1"});
    EXPECT(script.answer() == "ERR 1094");
    script.query("KILL QUERY 70 + 7");
    script.backend_row(Channel::kHome, {"77"});
    EXPECT(script.answer() == "ERR 1317");
  }

  TEST_CASE("SessionCore: a killer's right is asked for behind the number") {
    SessionScript script;
    script.query("KILL @id");
    script.backend_row(Channel::kHome, {"5"});
    script.sent(Channel::kHome);
    script.core.on_kill_answer(KillVerdict::kNotOwner);
    EXPECT(script.sent(Channel::kHome) == Texts{"SET GLOBAL slow_launch_time = 'x'"});
    script.backend_error(Channel::kHome, 1227);
    EXPECT(script.answer() == "ERR 1095");
    const std::uint8_t id[] = {6, 0, 0, 0};
    script.command(protocol::Command::kProcessKill, id);
    script.core.on_kill_answer(KillVerdict::kNotOwner);
    EXPECT(script.sent(Channel::kHome) == Texts{"SET GLOBAL slow_launch_time = 'x'"});
  }

  TEST_CASE("SessionCore: the home lost while the number is asked for: another one is") {
    SessionScript script;
    script.query("KILL 1 + 4");
    script.sent(Channel::kHome);
    script.lose(Channel::kHome);
    script.core.on_retry_due();
    EXPECT(script.sent(Channel::kHome) == Texts{"VALUES (CAST((1 + 4) AS SIGNED))"});
    script.backend_row(Channel::kHome, {"5"});
    EXPECT(killed_ids(script) == std::vector<std::uint64_t>{5});
  }

  TEST_CASE("SessionCore: errors of an expression are those of KILL") {
    SessionScript script;
    script.query("KILL (SELECT id FROM t)");
    EXPECT(script.answer() == "ERR 1970");
    script.query("KILL f()");
    EXPECT(script.answer() == "ERR 1970");
    script.query("KILL @x := 5");
    EXPECT(script.answer() == "ERR 1235");
    script.query("KILL abc");
    script.backend_error(Channel::kHome, 4100,
                         "Field reference 'abc' can't be used in table value constructor");
    EXPECT(script.answer() == "ERR 1054");
    EXPECT(as_text(Bytes(script.to_client)).find("Unknown column 'abc' in 'KILL'") !=
           std::string_view::npos);
    script.query("KILL 5 6");
    script.backend_error(Channel::kHome, 1064, "near '6) AS SIGNED))' at line 1");
    EXPECT(as_text(Bytes(script.to_client)).find("near '6' at line 1") != std::string_view::npos);
    script.query("KILL QUERY ID USER 'foo'");
    script.backend_error(Channel::kHome, 1064, "near ''foo') AS SIGNED))' at line 1");
    EXPECT(as_text(Bytes(script.to_client)).find("Unknown column 'USER' in 'KILL'") !=
           std::string_view::npos);
    EXPECT(script.kills.empty());
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a prepared KILL with a parameter") {
    SessionScript script;
    prepare_at_home(script, "KILL ?", 9, 1);
    Buffer argument;
    append_le<4>(argument, 1);
    append_le<1>(argument, 0);
    append_le<4>(argument, 1);
    append_le<1>(argument, 0);  // no NULL
    append_le<1>(argument, 1);  // types follow
    append_le<2>(argument, 8);  // BIGINT
    append_le<8>(argument, 5);
    script.command(protocol::Command::kStmtExecute, argument);
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT CAST(CAST((?) AS SIGNED) AS CHAR)"});
    answer_prepare(script, Channel::kHome, 20, 1);
    EXPECT(script.sent(Channel::kHome) == Texts{"EXECUTE 20"});
    const std::size_t known = script.statements.size();
    Buffer reply;
    const std::uint8_t count[] = {1};
    std::uint8_t sequence = protocol::append_packet(reply, count, 1);
    sequence = protocol::append_packet(reply, as_bytes("column definition"), sequence);
    const std::uint8_t row[] = {0, 0, 1, '5'};
    sequence = protocol::append_packet(reply, row, sequence);
    protocol::OkPacket ok;
    ok.status = protocol::status_flag::kAutocommit;
    protocol::append_ok(reply, ok, SessionScript::kCapabilities, sequence,
                        protocol::OkHeader::kEof);
    script.feed(Channel::kHome, reply);
    EXPECT(killed_ids(script) == std::vector<std::uint64_t>{5});
    script.core.on_kill_answer(KillVerdict::kDone);
    EXPECT(script.answer() == "OK");
    EXPECT(script.statements.size() + 1 == known);
  }

  TEST_CASE("SessionCore: KILL QUERY ID names a session's command") {
    SessionScript script;
    script.query("KILL QUERY ID " + std::to_string(process_query_id(5, 9)));
    REQUIRE(script.kills.size() == 1);
    EXPECT(script.kills[0].connection_id == 5);
    EXPECT(script.kills[0].command == 9U);
    EXPECT(script.kills[0].query_only);
    script.core.on_kill_answer(KillVerdict::kUnknown);
    EXPECT(script.answer() == "ERR 1957");
    script.query("KILL QUERY ID " + std::to_string(process_query_id(5, 9)));
    script.core.on_kill_answer(KillVerdict::kNotOwner);
    script.backend_error(Channel::kHome, 1227);
    EXPECT(script.answer() == "ERR 1979");
    const std::uint32_t next = script.core.command_number() + 1;
    script.query("KILL QUERY ID " + std::to_string(process_query_id(77, next)));
    EXPECT(script.answer() == "ERR 1317");
    script.query("KILL QUERY ID " + std::to_string(process_query_id(77, next)));
    EXPECT(script.answer() == "ERR 1957");
  }

  TEST_CASE("SessionCore: KILL USER ends an account's sessions, one's own last") {
    SessionScript script;
    script.query("KILL USER u");
    EXPECT(script.lists_asked == 1);
    script.core.on_sessions(
        {user_row(5, "u"), user_row(6, "v"), user_row(77, "u"), user_row(8, "u", "[::1]:4")});
    EXPECT(killed_ids(script) == std::vector<std::uint64_t>{8});
    script.core.on_kill_answer(KillVerdict::kDone);
    EXPECT(killed_ids(script) == std::vector<std::uint64_t>{8, 5});
    EXPECT_FALSE(script.closed);
    script.core.on_kill_answer(KillVerdict::kUnknown);
    EXPECT(script.answer() == "OK 2");
    EXPECT(script.closed);
    EXPECT_FALSE(script.kills[0].query_only);
  }

  TEST_CASE("SessionCore: KILL QUERY USER of one's own user ends nobody's connection") {
    SessionScript script;
    script.query("KILL QUERY USER CURRENT_USER");
    script.core.on_sessions({user_row(77, "u")});
    EXPECT(script.answer() == "OK");
    EXPECT_FALSE(script.closed);
  }

  TEST_CASE("SessionCore: KILL USER of another host, or of nobody") {
    SessionScript script;
    script.query("KILL USER u@'10.0.0.2'");
    script.core.on_sessions({user_row(5, "u"), user_row(6, "u", "10.0.0.2:1")});
    EXPECT(killed_ids(script) == std::vector<std::uint64_t>{6});
    script.core.on_kill_answer(KillVerdict::kDone);
    script.query("KILL USER u@localhost");
    script.core.on_sessions({user_row(7, "u"), user_row(8, "u", "127.0.0.1:1")});
    EXPECT(killed_ids(script) == std::vector<std::uint64_t>{6, 8});
    script.core.on_kill_answer(KillVerdict::kDone);
    script.query("KILL USER nobody");
    script.core.on_sessions({user_row(5, "u")});
    EXPECT(script.answer() == "OK");
    script.query("KILL USER 'a''b'");
    EXPECT(script.answer() == "ERR 1235");
  }

  TEST_CASE("SessionCore: KILL USER of others needs the right") {
    for (const bool may : {false, true}) {
      SessionScript script;
      script.query("KILL USER bob");
      script.core.on_sessions({user_row(5, "bob"), user_row(6, "u")});
      EXPECT(script.kills.empty());
      EXPECT(script.sent(Channel::kHome) == Texts{"SET GLOBAL slow_launch_time = 'x'"});
      script.backend_error(Channel::kHome, may ? 1232 : 1227);
      if (!may) {
        EXPECT(script.answer() == "ERR 1095");
        EXPECT(as_text(Bytes(script.to_client)).find("KILL USER failed for bob@%") !=
               std::string_view::npos);
        continue;
      }
      REQUIRE(script.kills.size() == 1);
      EXPECT(script.kills[0].any_owner);
      script.core.on_kill_answer(KillVerdict::kDone);
      EXPECT(script.answer() == "OK 1");
    }
  }
}

}  // namespace
}  // namespace consort::proxy
