// Clients that keep in mind what they were told of columns (MARIADB_CLIENT_CACHE_METADATA).
#include "tests/support/test.h"
#include "tests/unit/proxy/session/prepare_script.h"

namespace consort::proxy {
namespace {

constexpr std::uint64_t kKeeps =
    SessionScript::kClient | protocol::capability::kMariadbCacheMetadata;

using Columns = std::vector<std::string>;

/// A result set of these columns with so many rows of one byte; `next`: the packet behind it.
Buffer result_of(const Columns& columns, int rows = 1, std::uint16_t flags = 0) {
  Buffer reply;
  std::uint8_t next = protocol::append_column_count(reply, {columns.size()}, 0, 1);
  for (const std::string& column : columns) {
    next = protocol::append_packet(reply, as_bytes(column), next);
  }
  for (int i = 0; i < rows; ++i) {
    next = protocol::append_packet(reply, as_bytes(std::string_view("\0\0r", 3)), next);
  }
  protocol::OkPacket ok;
  ok.status = protocol::status_flag::kAutocommit | flags;
  protocol::append_ok(reply, ok, SessionScript::kCapabilities, next, protocol::OkHeader::kEof);
  return reply;
}

/// The client prepares `sql` at home, where it is 7 and has these columns.
void prepare(SessionScript& script, std::string_view sql, const Columns& columns) {
  script.command(protocol::Command::kStmtPrepare, as_bytes(sql));
  protocol::StmtPrepareOk prepared;
  prepared.statement_id = 7;
  prepared.columns = static_cast<std::uint16_t>(columns.size());
  Buffer payload;
  protocol::encode_prepare_ok(payload, prepared);
  Buffer reply;
  std::uint8_t next = protocol::append_packet(reply, payload, 1);
  for (const std::string& column : columns) {
    next = protocol::append_packet(reply, as_bytes(column), next);
  }
  script.feed(Channel::kHome, reply);
  REQUIRE(script.core.idle());
  script.sent(Channel::kHome);
}

/// What the client got: numbers and packets, the first of a result set as "columns/follow".
std::string told(const SessionScript& script) {
  std::string text;
  Bytes rest(script.to_client);
  bool first = true;
  while (const auto frame = protocol::peek_packet(rest)) {
    const Bytes payload = frame->payload;
    text += (text.empty() ? "" : " ") + std::to_string(frame->sequence) + ":";
    if (payload[0] == protocol::kErrByte) {
      text += "ERR";
    } else if (payload[0] == protocol::kEofByte) {
      text += "EOF";
      first = true;
    } else if (payload[0] == protocol::kOkByte) {
      text += payload.size() == 3 ? "row" : "OK";
    } else if (std::exchange(first, false)) {
      text +=
          std::to_string(payload[0]) + (payload.size() > 1 ? "/" + std::to_string(payload[1]) : "");
    } else {
      text += as_text(payload);
    }
    rest = rest.subspan(frame->bytes);
  }
  return rest.empty() ? text : text + " and a part";
}

/// The client executes its first statement on a connection that knows it; `reply` comes.
std::string executed(SessionScript& script, Channel channel, Buffer reply) {
  execute(script, 1);
  REQUIRE(script.sent(channel).size() == 1);
  script.feed(channel, reply);
  REQUIRE(script.core.idle());
  return told(script);
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: columns are told when they are new, and only then") {
    SessionScript script({0xC1, 3, 16, {}}, kKeeps);
    prepare(script, "SELECT v FROM t", {"int v", "id"});
    const auto read = [&](const Columns& columns) {
      return executed(script, Channel::kRead, result_of(columns));
    };
    EXPECT(read({"int v", "id"}) == "1:2/0 2:row 3:EOF");
    EXPECT(read({"int v", "id"}) == "1:2/0 2:row 3:EOF");
    EXPECT(read({"text v", "id"}) == "1:2/1 2:text v 3:id 4:row 5:EOF");
    EXPECT(read({"text v", "id"}) == "1:2/0 2:row 3:EOF");
    EXPECT(read({"int v", "id"}) == "1:2/1 2:int v 3:id 4:row 5:EOF");
    EXPECT(read({"int v"}) == "1:1/1 2:int v 3:row 4:EOF");
    EXPECT(read({"int v"}) == "1:1/0 2:row 3:EOF");
    script.query("SELECT v FROM t");
    Buffer reply = result_of({"int v"});
    script.feed(Channel::kRead, reply);
    EXPECT(told(script) == "1:1/1 2:int v 3:row 4:EOF");
  }

  TEST_CASE("SessionCore: whoever does not ask gets what came") {
    SessionScript script;
    prepare(script, "SELECT v FROM t", {"v"});
    EXPECT(executed(script, Channel::kRead, result_of({"v"})) == "1:1 2:v 3:row 4:EOF");
    EXPECT(executed(script, Channel::kRead, result_of({"v"})) == "1:1 2:v 3:row 4:EOF");
  }

  TEST_CASE("SessionCore: what nobody has described before is told at first") {
    SessionScript script({0xC1, 3, 16, {}}, kKeeps);
    prepare(script, "SHOW TABLES", {});
    EXPECT(executed(script, Channel::kRead, result_of({"a"})) == "1:1/1 2:a 3:row 4:EOF");
    EXPECT(executed(script, Channel::kRead, result_of({"a"})) == "1:1/0 2:row 3:EOF");
  }

  TEST_CASE("SessionCore: columns of programs are told each time") {
    SessionScript script({0xC1, 3, 16, {}}, kKeeps);
    script.query("BEGIN");
    prepare(script, "CALL p()", {});
    for (int i = 0; i < 2; ++i) {
      execute(script, 1);
      script.sent(Channel::kHome);
      if (i == 0) {
        script.backend_ok(Channel::kHome);  // XA START
      }
      Buffer reply = result_of({"a"}, 1, protocol::status_flag::kMoreResultsExist);
      Buffer second = result_of({"a"}, 0, protocol::status_flag::kMoreResultsExist);
      std::uint8_t next = 5;
      for (Bytes rest(second); const auto packet = protocol::peek_packet(rest);) {
        next = protocol::append_packet(reply, packet->payload, next);
        rest = rest.subspan(packet->bytes);
      }
      protocol::OkPacket ok;
      ok.status = protocol::status_flag::kAutocommit;
      protocol::append_ok(reply, ok, SessionScript::kCapabilities, next);
      script.feed(Channel::kHome, reply);
      EXPECT(told(script) == "1:1/1 2:a 3:row 4:EOF 5:1/1 6:a 7:EOF 8:OK");
    }
  }

  TEST_CASE("SessionCore: definitions are taken together, from however many reads") {
    SessionScript script({0xC1, 3, 16, {}}, kKeeps);
    prepare(script, "SELECT v FROM t", {"v", "w"});
    for (const char* w : {"w", "x"}) {
      execute(script, 1);
      script.sent(Channel::kRead);
      const Buffer reply = result_of({"v", w}, 3);
      Buffer inbox;
      for (const std::uint8_t byte : reply) {
        inbox.push_back(byte);
        const std::size_t used = script.core.on_backend_read(Channel::kRead, inbox);
        inbox.erase(inbox.begin(), inbox.begin() + static_cast<std::ptrdiff_t>(used));
      }
      REQUIRE(script.core.idle());
      EXPECT(told(script) == (*w == 'w' ? "1:2/0 2:row 3:row 4:row 5:EOF"
                                        : "1:2/1 2:v 3:x 4:row 5:row 6:row 7:EOF"));
    }
  }

  TEST_CASE("SessionCore: a reply that never came has told nothing") {
    SessionScript script({0xC1, 3, 16, {}}, kKeeps);
    prepare(script, "SELECT v FROM t", {"v"});
    execute(script, 1);
    script.sent(Channel::kRead);
    Buffer reply = result_of({"w"});
    MutableBytes front = MutableBytes(reply).first(7);  // a part of the definition
    EXPECT(script.core.on_backend_read(Channel::kRead, front) == 0);
    script.lose(Channel::kRead);
    script.core.on_retry_due();
    REQUIRE(script.sent(Channel::kRead).size() == 1);
    Buffer whole = result_of({"w"});
    script.feed(Channel::kRead, whole);
    EXPECT(told(script) == "1:1/1 2:w 3:row 4:EOF");
    // Packets of nonsense behind it in one read: the connection is lost, and the read runs again.
    execute(script, 1);
    script.sent(Channel::kRead);
    Buffer broken = result_of({"x"}, 0);
    broken.resize(broken.size() - 11);  // without its end
    append(broken, Buffer{0, 0, 0, 9});
    script.feed(Channel::kRead, broken);
    EXPECT(script.to_client.empty());
    script.core.on_retry_due();
    REQUIRE(script.sent(Channel::kRead).size() == 1);
    Buffer again = result_of({"x"});
    script.feed(Channel::kRead, again);
    EXPECT(told(script) == "1:1/1 2:x 3:row 4:EOF");
    EXPECT(executed(script, Channel::kRead, result_of({"x"})) == "1:1/0 2:row 3:EOF");
  }

  TEST_CASE("SessionCore: a read that wanted to write has told nothing") {
    SessionScript script({0xC1, 3, 16, {}}, kKeeps);
    script.functions = true;
    prepare(script, "SELECT v FROM t", {"v"});
    execute(script, 1);
    REQUIRE((script.sent(Channel::kRead) ==
             Texts{"START TRANSACTION READ ONLY", "EXECUTE 7", "COMMIT AND NO CHAIN NO RELEASE"}));
    script.backend_ok(Channel::kRead);
    Buffer reply = result_of({"w"}, 0);
    reply.resize(reply.size() - 11);
    protocol::append_err(reply, {1792, "25006", "read only"}, 3);
    script.feed(Channel::kRead, reply);
    script.backend_ok(Channel::kRead);
    EXPECT(script.to_client.empty());
    REQUIRE(
        (script.sent(Channel::kHome) == Texts{"XA START", "EXECUTE 7", "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    Buffer second = result_of({"w"});
    script.feed(Channel::kHome, second);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 11);
    EXPECT(told(script) == "1:1/1 2:w 3:row 4:EOF");
  }

  TEST_CASE(
      "SessionCore: errors amid rows, and a lost connection, are numbered as the client counts") {
    SessionScript script({0xC1, 3, 16, {}}, kKeeps);
    prepare(script, "SELECT v FROM t", {"v", "w"});
    Buffer failing = result_of({"v", "w"});
    failing.resize(failing.size() - 11);
    Buffer cut = failing;
    protocol::append_err(failing, {1690, "22003", "out of range"}, 5);
    EXPECT(executed(script, Channel::kRead, failing) == "1:2/0 2:row 3:ERR");
    execute(script, 1);
    script.sent(Channel::kRead);
    script.feed(Channel::kRead, cut);
    script.lose(Channel::kRead);
    EXPECT(told(script) == "1:2/0 2:row 3:ERR");
  }

  TEST_CASE("SessionCore: what Consort answers itself is told likewise") {
    SessionScript script({0xC1, 3, 16, {}}, kKeeps);
    prepare(script, "SHOW GRANTS", {"g"});
    EXPECT(executed(script, Channel::kRead, result_of({"g"})) == "1:1/0 2:row 3:EOF");
    script.query("SHOW GRANTS");
    script.sent(Channel::kRead);
    Buffer reply = result_of({"g"});
    script.feed(Channel::kRead, reply);
    EXPECT(told(script) == "1:1/1 2:g 3:row 4:EOF");
    SessionScript list({0xC1, 3, 16, {}}, kKeeps);
    prepare(list, "SHOW PROCESSLIST", {});
    const auto ask = [&] {
      execute(list, 1);
      list.core.on_sessions({sleeping_session(5, "u")});
      REQUIRE(list.core.idle());
      return told(list);
    };
    EXPECT(ask().starts_with("1:9/1 2:"));
    EXPECT(list.last_sequence() == 12);
    EXPECT(ask().starts_with("1:9/0 2:"));
    EXPECT(list.last_sequence() == 3);
  }

  TEST_CASE("ToldDefinitions: to the byte, numbers aside, and not without end") {
    ToldDefinitions told;
    const auto packets = [](const Columns& columns, std::uint8_t first) {
      Buffer out;
      for (const std::string& column : columns) {
        first = protocol::append_packet(out, as_bytes(column), first);
      }
      return out;
    };
    EXPECT_FALSE(told.knows(1, {}));
    told.note(1, packets({"a", "bc"}, 2));
    EXPECT(told.knows(1, packets({"a", "bc"}, 9)));
    EXPECT_FALSE(told.knows(1, packets({"ab", "c"}, 2)));
    EXPECT_FALSE(told.knows(1, packets({"a", "bd"}, 2)));
    EXPECT_FALSE(told.knows(1, packets({"a"}, 2)));
    EXPECT_FALSE(told.knows(2, packets({"a", "bc"}, 2)));
    EXPECT_FALSE(told.knows(1, {}));
    told.note(1, {});
    EXPECT_FALSE(told.knows(1, packets({"a", "bc"}, 2)));
    EXPECT(told.bytes() == 0);
    const std::string half(ToldDefinitions::kBytesMax / 2 - 4, 'x');
    told.note(1, packets({half}, 1));
    told.note(2, packets({half}, 1));
    told.note(3, packets({"a"}, 1));
    EXPECT(told.knows(2, packets({half}, 1)));
    EXPECT_FALSE(told.knows(3, packets({"a"}, 1)));
    told.note(2, packets({"a"}, 1));
    told.note(3, packets({"b"}, 1));
    EXPECT(told.knows(3, packets({"b"}, 1)));
    told.erase(1);
    told.erase(2);
    EXPECT(told.bytes() == 5);
    told.clear();
    EXPECT(told.bytes() == 0);
  }
}

}  // namespace
}  // namespace consort::proxy
