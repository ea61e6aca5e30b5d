// SHOW PROCESSLIST: whose sessions a client sees.
#include "proxy/session/process_list.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

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
    const auto asks = [](std::string_view sql) { return process_list_request(sql, {}); };
    EXPECT(asks("SHOW PROCESSLIST").has_value());
    EXPECT_FALSE(asks("SHOW PROCESSLIST")->full);
    EXPECT(asks(" show\tFull\nProcessList ; ")->full);
    EXPECT_FALSE(asks("/* monitor */ SHOW /* x */ PROCESSLIST -- all of them")->full);
    EXPECT(asks("SHOW /*!50000 FULL */ PROCESSLIST;;# end")->full);
    for (const std::string_view sql :
         {"", "SHOW", "SHOW FULL", "SHOW PROCESSLIST LIMIT", "SHOW FULL PROCESSLIST WHERE",
          "SHOW PROCESSLIST; SELECT 1", "SHOW PROCESSLISTS", "SHOW `PROCESSLIST`",
          "SHOW PROCESSLIST /* open", "SELECT PROCESSLIST"}) {
      CAPTURE(sql);
      EXPECT_FALSE(asks(sql).has_value());
    }
    router::LexerOptions doubtful;
    doubtful.doubtful = true;
    EXPECT_FALSE(process_list_request("SHOW PROCESSLIST", doubtful).has_value());
  }

  TEST_CASE("append_process_list: rows of the binary protocol") {
    ProcessRow idle = sleeping_session(3, "u");
    idle.schema.clear();
    idle.info.reset();
    idle.command = "Sleep";
    idle.time = std::chrono::seconds(258);
    ProcessRow busy = sleeping_session(4, "v");
    busy.schema = "d";
    busy.info = "SELECT 1";
    ProcessListFormat format;
    format.binary = true;
    format.capabilities = SessionScript::kClient;
    Buffer out;
    append_process_list(out, {busy, idle}, format);
    std::vector<Bytes> packets;
    Bytes rest(out);
    while (const auto frame = protocol::peek_packet(rest)) {
      packets.push_back(frame->payload);
      rest = rest.subspan(frame->bytes);
    }
    REQUIRE(packets.size() == 1 + 9 + 2 + 1);
    const Bytes first = packets[10];
    EXPECT(first[0] == 0);
    EXPECT(load_le<2>(first.data() + 1) == (1U << 5 | 1U << 9));  // db and Info are NULL
    EXPECT(load_le<8>(first.data() + 3) == 3);
    protocol::Reader texts(first.subspan(11));
    EXPECT(texts.lenenc_text() == "u");
    EXPECT(texts.lenenc_text() == idle.host);
    EXPECT(texts.lenenc_text() == "Sleep");
    EXPECT(texts.u32() == 258);
    EXPECT(texts.lenenc_text() == idle.state);
    EXPECT(texts.remaining() == 8);
    const Bytes second = packets[11];
    EXPECT(load_le<2>(second.data() + 1) == 0);
    EXPECT(as_text(second).find("SELECT 1") != std::string_view::npos);
  }

  TEST_CASE("asks_threads_connected: what asks for the number, and what does not") {
    const auto asks = [](std::string_view sql) { return asks_threads_connected(sql, {}); };
    EXPECT(asks("SHOW STATUS LIKE 'Threads_connected'"));
    EXPECT(asks(" show\tglobal STATUS like 'threads_connected' ; "));
    EXPECT(asks("SHOW STATUS LIKE \"Threads_connected\""));
    EXPECT(asks("SHOW SESSION STATUS LIKE 'Threads_connected'"));
    EXPECT(asks("SHOW LOCAL STATUS LIKE 'Threads_connected'"));
    EXPECT(asks("SHOW /* c */ STATUS LIKE 'Threads_connected' -- d"));
    EXPECT_FALSE(asks("SHOW STATUS LIKE Threads_connected"));
    EXPECT_FALSE(asks(""));
    EXPECT_FALSE(asks("SHOW STATUS"));
    EXPECT_FALSE(asks("SHOW STATUS LIKE 'Threads_connecte%'"));
    EXPECT_FALSE(asks("SHOW STATUS LIKE 'Threads_connected' LIMIT 1"));
    EXPECT_FALSE(asks("SHOW STATUS LIKE 'Threads_connected'; SELECT 1"));
    EXPECT_FALSE(asks("SHOW VARIABLES LIKE 'Threads_connected'"));
  }

  TEST_CASE("SessionCore: Threads_connected is the number of everybody's sessions") {
    for (const std::uint64_t capabilities :
         {SessionScript::kClient, SessionScript::kClient & ~protocol::capability::kDeprecateEof}) {
      SessionScript script({0xC1, 3, 16, {}}, capabilities);
      script.query("SHOW STATUS LIKE 'Threads_connected'");
      EXPECT(script.lists_asked == 1);
      script.core.on_sessions(
          {sleeping_session(3, "u"), sleeping_session(4, "other"), sleeping_session(5, "")});
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
    script.core.on_sessions({sleeping_session(7, "u"), sleeping_session(3, "u")});
    EXPECT(rows_in(script) == 2);
    EXPECT(script.leases == 0);
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a server knows who may see other users' sessions") {
    for (const bool may : {false, true}) {
      SessionScript script;
      script.query("SHOW FULL PROCESSLIST");
      script.core.on_sessions({sleeping_session(3, "u"), sleeping_session(4, "other"),
                               sleeping_session(5, "unauthenticated user")});
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
    script.core.on_sessions({sleeping_session(3, "u")});
    EXPECT(script.to_client.empty());
  }

  TEST_CASE("SessionCore: the home lost while it is asked: another one is") {
    SessionScript script;
    script.query("SHOW PROCESSLIST");
    script.core.on_sessions({sleeping_session(3, "u"), sleeping_session(4, "other")});
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
    EXPECT(busy.time_s() >= 2);
    EXPECT(busy.info == "UPDATE t SET v=1");
    EXPECT(busy.place.thread_id == 100);
    EXPECT(busy.query_id == idle.query_id + 1);
  }

  TEST_CASE("SessionCore: DDL that waits for its turn waits for a metadata lock") {
    SessionScript script;
    script.query("ALTER TABLE t ADD c INT");
    ProcessRow row;
    script.core.describe(row, std::chrono::steady_clock::now());
    EXPECT(row.state == "Waiting for table metadata lock");
    EXPECT(row.place.thread_id == 0);
    SessionScript account;
    account.query("CREATE USER v");
    account.core.describe(row, std::chrono::steady_clock::now());
    EXPECT(row.state == "Waiting for its turn");
  }

  TEST_CASE("SessionCore: others see what the client has sent") {
    SessionScript script;
    script.query("SELECT CONNECTION_ID(), SLEEP(5)");
    ProcessRow row;
    script.core.describe(row, std::chrono::steady_clock::now());
    EXPECT(row.info == "SELECT CONNECTION_ID(), SLEEP(5)");
  }
}

}  // namespace
}  // namespace consort::proxy
