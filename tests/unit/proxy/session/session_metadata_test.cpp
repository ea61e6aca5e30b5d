// Clients that keep in mind what they were told of columns (MARIADB_CLIENT_CACHE_METADATA).
#include "tests/support/test.h"
#include "tests/unit/proxy/session/prepare_script.h"

namespace consort::proxy {
namespace {

constexpr std::uint64_t kKeepsMetadata =
    SessionScript::kClient | protocol::capability::kMariadbCacheMetadata;

using Columns = std::vector<std::string>;

/// A result set of these columns with so many rows of one byte; `next`: the packet behind it.
Buffer columns_result(const Columns& columns, int rows = 1, std::uint16_t flags = 0) {
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
void prepare_columns(SessionScript& script, std::string_view sql, const Columns& columns) {
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
std::string told_packets(const SessionScript& script) {
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
std::string told_when_executed(SessionScript& script, Channel channel, Buffer reply) {
  execute(script, 1);
  REQUIRE(script.sent(channel).size() == 1);
  script.feed(channel, reply);
  REQUIRE(script.core.idle());
  return told_packets(script);
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: columns are told when they are new, and only then") {
    SessionScript script({0xC1, 3, 16, {}}, kKeepsMetadata);
    prepare_columns(script, "SELECT v FROM t", {"int v", "id"});
    const auto read = [&](const Columns& columns) {
      return told_when_executed(script, Channel::kRead, columns_result(columns));
    };
    EXPECT(read({"int v", "id"}) == "1:2/0 2:row 3:EOF");
    EXPECT(read({"int v", "id"}) == "1:2/0 2:row 3:EOF");
    EXPECT(read({"text v", "id"}) == "1:2/1 2:text v 3:id 4:row 5:EOF");
    EXPECT(read({"text v", "id"}) == "1:2/0 2:row 3:EOF");
    EXPECT(read({"int v", "id"}) == "1:2/1 2:int v 3:id 4:row 5:EOF");
    EXPECT(read({"int v"}) == "1:1/1 2:int v 3:row 4:EOF");
    EXPECT(read({"int v"}) == "1:1/0 2:row 3:EOF");
    script.query("SELECT v FROM t");
    Buffer reply = columns_result({"int v"});
    script.feed(Channel::kRead, reply);
    EXPECT(told_packets(script) == "1:1/1 2:int v 3:row 4:EOF");
  }

  TEST_CASE("SessionCore: whoever does not ask gets what came") {
    SessionScript script;
    prepare_columns(script, "SELECT v FROM t", {"v"});
    EXPECT(told_when_executed(script, Channel::kRead, columns_result({"v"})) ==
           "1:1 2:v 3:row 4:EOF");
    EXPECT(told_when_executed(script, Channel::kRead, columns_result({"v"})) ==
           "1:1 2:v 3:row 4:EOF");
  }

  TEST_CASE("SessionCore: what nobody has described before is told at first") {
    SessionScript script({0xC1, 3, 16, {}}, kKeepsMetadata);
    prepare_columns(script, "SHOW TABLES", {});
    EXPECT(told_when_executed(script, Channel::kRead, columns_result({"a"})) ==
           "1:1/1 2:a 3:row 4:EOF");
    EXPECT(told_when_executed(script, Channel::kRead, columns_result({"a"})) ==
           "1:1/0 2:row 3:EOF");
  }

  TEST_CASE("SessionCore: columns of programs are told each time") {
    SessionScript script({0xC1, 3, 16, {}}, kKeepsMetadata);
    script.query("BEGIN");
    prepare_columns(script, "CALL p()", {});
    for (int i = 0; i < 2; ++i) {
      execute(script, 1);
      script.sent(Channel::kHome);
      if (i == 0) {
        script.backend_ok(Channel::kHome);  // XA START
      }
      Buffer reply = columns_result({"a"}, 1, protocol::status_flag::kMoreResultsExist);
      Buffer second = columns_result({"a"}, 0, protocol::status_flag::kMoreResultsExist);
      std::uint8_t next = 5;
      for (Bytes rest(second); const auto packet = protocol::peek_packet(rest);) {
        next = protocol::append_packet(reply, packet->payload, next);
        rest = rest.subspan(packet->bytes);
      }
      protocol::OkPacket ok;
      ok.status = protocol::status_flag::kAutocommit;
      protocol::append_ok(reply, ok, SessionScript::kCapabilities, next);
      script.feed(Channel::kHome, reply);
      EXPECT(told_packets(script) == "1:1/1 2:a 3:row 4:EOF 5:1/1 6:a 7:EOF 8:OK");
    }
  }

  TEST_CASE("SessionCore: definitions are taken together, from however many reads") {
    SessionScript script({0xC1, 3, 16, {}}, kKeepsMetadata);
    prepare_columns(script, "SELECT v FROM t", {"v", "w"});
    for (const char* w : {"w", "x"}) {
      execute(script, 1);
      script.sent(Channel::kRead);
      const Buffer reply = columns_result({"v", w}, 3);
      Buffer inbox;
      for (const std::uint8_t byte : reply) {
        inbox.push_back(byte);
        const std::size_t used = script.core.on_backend_read(Channel::kRead, inbox);
        inbox.erase(inbox.begin(), inbox.begin() + static_cast<std::ptrdiff_t>(used));
      }
      REQUIRE(script.core.idle());
      EXPECT(told_packets(script) == (*w == 'w' ? "1:2/0 2:row 3:row 4:row 5:EOF"
                                                : "1:2/1 2:v 3:x 4:row 5:row 6:row 7:EOF"));
    }
  }

  TEST_CASE("SessionCore: a reply that never came has told nothing") {
    SessionScript script({0xC1, 3, 16, {}}, kKeepsMetadata);
    prepare_columns(script, "SELECT v FROM t", {"v"});
    execute(script, 1);
    script.sent(Channel::kRead);
    Buffer reply = columns_result({"w"});
    MutableBytes front = MutableBytes(reply).first(7);  // a part of the definition
    EXPECT(script.core.on_backend_read(Channel::kRead, front) == 0);
    script.lose(Channel::kRead);
    script.core.on_retry_due();
    REQUIRE(script.sent(Channel::kRead).size() == 1);
    Buffer whole = columns_result({"w"});
    script.feed(Channel::kRead, whole);
    EXPECT(told_packets(script) == "1:1/1 2:w 3:row 4:EOF");
    // Packets of nonsense behind it in one read: the connection is lost, and the read runs again.
    execute(script, 1);
    script.sent(Channel::kRead);
    Buffer broken = columns_result({"x"}, 0);
    broken.resize(broken.size() - 11);  // without its end
    append(broken, Buffer{0, 0, 0, 9});
    script.feed(Channel::kRead, broken);
    EXPECT(script.to_client.empty());
    script.core.on_retry_due();
    REQUIRE(script.sent(Channel::kRead).size() == 1);
    Buffer again = columns_result({"x"});
    script.feed(Channel::kRead, again);
    EXPECT(told_packets(script) == "1:1/1 2:x 3:row 4:EOF");
    EXPECT(told_when_executed(script, Channel::kRead, columns_result({"x"})) ==
           "1:1/0 2:row 3:EOF");
  }

  TEST_CASE("SessionCore: a read that wanted to write has told nothing") {
    SessionScript script({0xC1, 3, 16, {}}, kKeepsMetadata);
    script.functions = true;
    prepare_columns(script, "SELECT v FROM t", {"v"});
    execute(script, 1);
    REQUIRE((script.sent(Channel::kRead) ==
             Texts{"START TRANSACTION READ ONLY", "EXECUTE 7", "COMMIT AND NO CHAIN NO RELEASE"}));
    script.backend_ok(Channel::kRead);
    Buffer reply = columns_result({"w"}, 0);
    reply.resize(reply.size() - 11);
    protocol::append_err(reply, {1792, "25006", "read only"}, 3);
    script.feed(Channel::kRead, reply);
    script.backend_ok(Channel::kRead);
    EXPECT(script.to_client.empty());
    REQUIRE(
        (script.sent(Channel::kHome) == Texts{"XA START", "EXECUTE 7", "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    Buffer second = columns_result({"w"});
    script.feed(Channel::kHome, second);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 11);
    EXPECT(told_packets(script) == "1:1/1 2:w 3:row 4:EOF");
  }

  TEST_CASE(
      "SessionCore: errors amid rows, and a lost connection, are numbered as the client counts") {
    SessionScript script({0xC1, 3, 16, {}}, kKeepsMetadata);
    prepare_columns(script, "SELECT v FROM t", {"v", "w"});
    Buffer failing = columns_result({"v", "w"});
    failing.resize(failing.size() - 11);
    Buffer cut = failing;
    protocol::append_err(failing, {1690, "22003", "out of range"}, 5);
    EXPECT(told_when_executed(script, Channel::kRead, failing) == "1:2/0 2:row 3:ERR");
    execute(script, 1);
    script.sent(Channel::kRead);
    script.feed(Channel::kRead, cut);
    script.lose(Channel::kRead);
    EXPECT(told_packets(script) == "1:2/0 2:row 3:ERR");
  }

  TEST_CASE("SessionCore: other columns than before are told by a flag, once") {
    SessionScript script;
    prepare_columns(script, "SELECT * FROM t", {"a", "b"});
    const auto flagged = [&](const Columns& columns, std::uint16_t flags) {
      EXPECT(told_when_executed(script, Channel::kRead, columns_result(columns, 1, flags))
                 .ends_with("EOF"));
      const Bytes end = Bytes(script.to_client).last(6);  // affected rows, id, status, warnings
      return (load_le<2>(end.data() + 2) & protocol::status_flag::kMetadataChanged) != 0;
    };
    constexpr std::uint16_t kChanged = protocol::status_flag::kMetadataChanged;
    EXPECT_FALSE(flagged({"a", "b"}, 0));
    EXPECT_FALSE(flagged({"a", "b"}, kChanged));  // another session's word
    EXPECT(flagged({"a", "b", "c"}, 0));          // this backend had not prepared it before
    EXPECT_FALSE(flagged({"a", "b", "c"}, kChanged));
    EXPECT_FALSE(flagged({"a", "b", "d"}, 0));
    EXPECT(flagged({"a"}, kChanged));
    EXPECT_FALSE(flagged({"a"}, 0));
  }

  TEST_CASE("SessionCore: what Consort answers itself is told likewise") {
    SessionScript script({0xC1, 3, 16, {}}, kKeepsMetadata);
    prepare_columns(script, "SHOW GRANTS", {"g"});
    EXPECT(told_when_executed(script, Channel::kRead, columns_result({"g"})) ==
           "1:1/0 2:row 3:EOF");
    script.query("SHOW GRANTS");
    script.sent(Channel::kRead);
    Buffer reply = columns_result({"g"});
    script.feed(Channel::kRead, reply);
    EXPECT(told_packets(script) == "1:1/1 2:g 3:row 4:EOF");
    SessionScript list({0xC1, 3, 16, {}}, kKeepsMetadata);
    prepare_columns(list, "SHOW PROCESSLIST", {});
    const auto ask = [&] {
      execute(list, 1);
      list.core.on_sessions({sleeping_session(5, "u")});
      REQUIRE(list.core.idle());
      return told_packets(list);
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
