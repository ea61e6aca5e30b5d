// SHOW PROCESSLIST: whose sessions a client sees.
#include "proxy/session/process_list.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

ProcessRow session_row(std::uint32_t id, std::string user) {
  ProcessRow out;
  out.id = id;
  out.user = std::move(user);
  out.host = "10.0.0.1:5";
  out.command = "Sleep";
  return out;
}

/// Packets of the result set: a count, nine definitions, rows, the end.
std::size_t rows_in(const SessionScript& script) {
  std::size_t packets = 0;
  Bytes rest(script.to_client);
  while (const auto frame = protocol::peek_packet(rest)) {
    EXPECT(frame->sequence == packets + 1);
    ++packets;
    rest = rest.subspan(frame->bytes);
  }
  return packets - 11;
}

TEST_SUITE("session") {
  TEST_CASE("process_list_request: what asks for the list, and what does not") {
    EXPECT(process_list_request("SHOW PROCESSLIST").has_value());
    EXPECT_FALSE(process_list_request("SHOW PROCESSLIST")->full);
    EXPECT(process_list_request(" show\tFull\nProcessList ; ")->full);
    EXPECT_FALSE(process_list_request("").has_value());
    EXPECT_FALSE(process_list_request("SHOW").has_value());
    EXPECT_FALSE(process_list_request("SHOW FULL").has_value());
    EXPECT_FALSE(process_list_request("SHOW PROCESSLIST LIMIT").has_value());
    EXPECT_FALSE(process_list_request("SHOW FULL PROCESSLIST WHERE").has_value());
    EXPECT_FALSE(process_list_request("SHOW PROCESSLIST; SELECT 1").has_value());
    EXPECT_FALSE(process_list_request("SHOW /* x */ PROCESSLIST").has_value());
    EXPECT_FALSE(process_list_request("SHOW PROCESSLISTS").has_value());
  }

  TEST_CASE("asks_threads_connected: what asks for the number, and what does not") {
    EXPECT(asks_threads_connected("SHOW STATUS LIKE 'Threads_connected'"));
    EXPECT(asks_threads_connected(" show\tglobal STATUS like 'threads_connected' ; "));
    EXPECT(asks_threads_connected("SHOW SESSION STATUS LIKE 'Threads_connected'"));
    EXPECT(asks_threads_connected("SHOW LOCAL STATUS LIKE 'Threads_connected'"));
    EXPECT_FALSE(asks_threads_connected(""));
    EXPECT_FALSE(asks_threads_connected("SHOW STATUS"));
    EXPECT_FALSE(asks_threads_connected("SHOW STATUS LIKE 'Threads_connecte%'"));
    EXPECT_FALSE(asks_threads_connected("SHOW STATUS LIKE 'Threads_connected' LIMIT 1"));
    EXPECT_FALSE(asks_threads_connected("SHOW STATUS LIKE 'Threads_connected'; SELECT 1"));
    EXPECT_FALSE(asks_threads_connected("SHOW VARIABLES LIKE 'Threads_connected'"));
  }

  TEST_CASE("SessionCore: Threads_connected is the number of everybody's sessions") {
    for (const std::uint64_t capabilities :
         {SessionScript::kClient, SessionScript::kClient & ~protocol::capability::kDeprecateEof}) {
      SessionScript script({0xC1, 3, 16, {}}, capabilities);
      script.query("SHOW STATUS LIKE 'Threads_connected'");
      EXPECT(script.lists_asked == 1);
      script.core.on_sessions({session_row(3, "u"), session_row(4, "other"), session_row(5, "")});
      EXPECT(script.leases == 0);
      const bool old_eof = capabilities != SessionScript::kClient;
      EXPECT(script.last_sequence() == (old_eof ? 6 : 5));
      EXPECT(as_text(Bytes(script.to_client)).find("\021Threads_connected\0013") !=
             std::string_view::npos);
      EXPECT(script.core.idle());
    }
  }

  TEST_CASE("SessionCore: a list of one's own sessions needs no server") {
    SessionScript script;
    script.query("SHOW PROCESSLIST");
    EXPECT(script.lists_asked == 1);
    EXPECT(script.answer().empty());
    script.core.on_sessions({session_row(7, "u"), session_row(3, "u")});
    EXPECT(rows_in(script) == 2);
    EXPECT(script.leases == 0);
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a server knows who may see other users' sessions") {
    for (const bool may : {false, true}) {
      SessionScript script;
      script.query("SHOW FULL PROCESSLIST");
      script.core.on_sessions(
          {session_row(3, "u"), session_row(4, "other"), session_row(5, "unauthenticated user")});
      EXPECT(script.sent(Channel::kHome) ==
             Texts{"SELECT 1 FROM information_schema.INNODB_CMP LIMIT 1"});
      if (may) {
        script.backend_ok(Channel::kHome);
      } else {
        script.backend_error(Channel::kHome, 1227);
      }
      EXPECT(rows_in(script) == (may ? 3 : 1));
      EXPECT(script.core.idle());
    }
  }

  TEST_CASE("SessionCore: a list for a client that left meanwhile") {
    SessionScript script;
    script.query("SHOW PROCESSLIST");
    script.core.on_client_gone();
    script.core.on_sessions({session_row(3, "u")});
    EXPECT(script.to_client.empty());
  }

  TEST_CASE("SessionCore: the home lost while it is asked: another one is") {
    SessionScript script;
    script.query("SHOW PROCESSLIST");
    script.core.on_sessions({session_row(3, "u"), session_row(4, "other")});
    script.sent(Channel::kHome);
    script.lose(Channel::kHome);
    EXPECT(script.retries == 1);
    script.core.on_retry_due();
    EXPECT(script.sent(Channel::kHome) ==
           Texts{"SELECT 1 FROM information_schema.INNODB_CMP LIMIT 1"});
    script.backend_ok(Channel::kHome);
    EXPECT(rows_in(script) == 2);
  }

  TEST_CASE("SessionCore: with an expired password the server answers") {
    SessionScript script;
    script.core.begin({"'u'@'%'", SessionScript::kClient, "d", 45, 77, true});
    script.query("SHOW PROCESSLIST");
    EXPECT(script.lists_asked == 0);
    EXPECT(script.sent(Channel::kHome) == Texts{"SHOW PROCESSLIST"});
  }

  TEST_CASE("SessionCore: what it says of itself to others") {
    SessionScript script;
    ProcessRow idle;
    script.core.describe(idle, std::chrono::steady_clock::now());
    EXPECT(idle.command == "Sleep");
    EXPECT(idle.schema == "d");
    EXPECT_FALSE(idle.info);
    script.query("UPDATE t SET v=1");
    ProcessRow busy;
    script.core.describe(busy, std::chrono::steady_clock::now() + std::chrono::seconds(3));
    EXPECT(busy.command == "Query");
    EXPECT(busy.state == "Executing");
    EXPECT(busy.time_s >= 2);
    EXPECT(busy.info == "UPDATE t SET v=1");
  }
}

}  // namespace
}  // namespace consort::proxy
