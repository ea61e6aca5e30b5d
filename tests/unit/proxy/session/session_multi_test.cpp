// Several statements in one query: each a command of its own, one reply to the client.
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

constexpr std::uint64_t kSeveral = SessionScript::kClient | protocol::capability::kMultiStatements |
                                   protocol::capability::kMultiResults;

struct MultiScript : SessionScript {
  explicit MultiScript(std::uint64_t capabilities = kSeveral)
      : SessionScript({0xC1, 3, 16, {}}, capabilities) {}

  /// The numbers of the packets that the client got since its last command.
  std::string sequences() const {
    std::string text;
    Bytes rest(to_client);
    while (const auto frame = protocol::peek_packet(rest)) {
      text += (text.empty() ? "" : " ") + std::to_string(frame->sequence);
      rest = rest.subspan(frame->bytes);
    }
    return text;
  }

  void commit_write(std::uint64_t rows, std::uint64_t seqno) {
    protocol::OkPacket ok;
    ok.affected_rows = rows;
    backend_ok(Channel::kHome);
    backend_ok(Channel::kHome, ok);
    backend_ok(Channel::kHome);
    backend_ok_gtid();
    outcome(BranchVerdict::kCommitted, seqno);
  }

  /// As the shell does with what stands in init_connect.
  void begin_with(std::string_view sql) {
    core.run_text(sql);
    pump();
  }

  void set_option(std::uint16_t option) {
    Buffer argument;
    append_le<2>(argument, option);
    command(protocol::Command::kSetOption, argument);
  }
};

TEST_SUITE("session") {
  TEST_CASE("SessionCore: each of several autocommit writes is certified by itself") {
    MultiScript script;
    script.query("UPDATE t SET v=1; UPDATE t SET v=2");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "UPDATE t SET v=1", "XA END", "XA PREPARE"}));
    script.commit_write(3, 11);
    EXPECT(script.answer() == "OK 3 more");
    EXPECT_FALSE(script.core.idle());
    EXPECT(script.sent(Channel::kHome).empty());  // the first commit is not applied there yet
    script.applied_seqno = Seqno{11};
    script.core.on_applied();
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", " UPDATE t SET v=2", "XA END", "XA PREPARE"}));
    script.commit_write(2, 12);
    EXPECT(script.answer() == "OK 3 more | OK 2");
    EXPECT(script.sequences() == "1 2");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a transaction inside one query") {
    MultiScript script;
    script.query("BEGIN; UPDATE t SET v=1; COMMIT; SELECT 1 FROM t");
    EXPECT(script.answer() == "OK trx more");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", " UPDATE t SET v=1"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK trx more | OK trx more");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 10);
    EXPECT(script.answer() == "OK trx more | OK trx more | OK more");
    EXPECT((script.sent(Channel::kRead) == Texts{" SELECT 1 FROM t"}));
    script.backend_rows(Channel::kRead);
    EXPECT(script.answer() == "OK trx more | OK trx more | OK more | data | data | data | EOF");
    EXPECT(script.sequences() == "1 2 3 4 5 6 7");
    EXPECT(script.core.idle());
  }

  TEST_CASE(
      "SessionCore: what begins a session may be several statements, whatever the client may "
      "send") {
    MultiScript script(SessionScript::kClient);
    script.begin_with("BEGIN; UPDATE t SET v=1;");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", " UPDATE t SET v=1;"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.core.idle());
    EXPECT(script.core.in_transaction());
    script.query("SELECT 1; SELECT 2");  // the client still may not
    EXPECT((script.sent(Channel::kHome) == Texts{"SELECT 1; SELECT 2"}));
  }

  TEST_CASE("SessionCore: an error ends several statements") {
    MultiScript script;
    SUBCASE("of a backend") {
      script.query("SELECT 1 FROM t; SELECT 2 FROM t; SELECT 3 FROM t");
      script.backend_rows(Channel::kRead);
      script.backend_error(Channel::kRead, 1146);
      EXPECT(script.answer() == "data | data | data | EOF more | ERR 1146");
      EXPECT(script.sequences() == "1 2 3 4 5");
    }
    SUBCASE("of a write, once its branch is gone") {
      script.query("INSERT INTO t VALUES (1); BEGIN; COMMIT");
      script.backend_ok(Channel::kHome);
      script.backend_error(Channel::kHome, 1062);
      EXPECT(script.answer().empty());
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);  // XA PREPARE: nothing changed
      EXPECT(script.answer() == "ERR 1062");
    }
    SUBCASE("of certification") {
      script.query("UPDATE t SET v=1; BEGIN");
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok_gtid();
      script.outcome(BranchVerdict::kConflict);
      EXPECT(script.answer() == "ERR 1213");
    }
    SUBCASE("of our own") {
      script.query("BEGIN; SET GLOBAL gtid_domain_id=9; COMMIT");
      EXPECT(script.answer() == "OK trx more | ERR 1238");
      EXPECT(script.core.in_transaction());
    }
    EXPECT(script.core.idle());
    script.command(protocol::Command::kPing, {});
    EXPECT(script.last_sequence() == 1);
  }

  TEST_CASE("SessionCore: a home that is lost between several statements") {
    MultiScript script;
    script.query("BEGIN; UPDATE t SET v=1; UPDATE t SET v=2; COMMIT");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.lose(Channel::kHome);
    EXPECT(script.answer() == "OK trx more | OK trx more | ERR 1213");
    EXPECT(script.sequences() == "1 2 3");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: where one statement ends depends on those before it") {
    MultiScript script;
    script.query("SET sql_mode='ANSI_QUOTES'; SELECT \";\" FROM t; SELECT 2");
    protocol::OkPacket ok;
    ok.changes.system_variables.emplace_back("sql_mode", "ANSI_QUOTES");
    script.backend_ok(Channel::kHome, ok);
    EXPECT(script.sent(Channel::kRead) == Texts{" SELECT \";\" FROM t"});
  }

  TEST_CASE("SessionCore: what is no statement goes to the server as a whole") {
    MultiScript script;
    for (const std::string text : {"SELEC 1; SELECT 2", "; SELECT 2", "/* c */; SELECT 2"}) {
      script.query(text);
      EXPECT((script.sent(Channel::kHome) == Texts{"XA START", text, "XA END", "XA PREPARE"}));
      script.backend_ok(Channel::kHome);
      script.backend_error(Channel::kHome, 1064);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      EXPECT(script.answer() == "ERR 1064");
      script.backend_ok(Channel::kHome);
    }
  }

  TEST_CASE("SessionCore: a comment counts as another statement, a blank does not") {
    MultiScript script;
    script.query("SELECT 1 FROM t; /* c */");
    script.backend_rows(Channel::kRead);
    EXPECT(script.answer() == "data | data | data | EOF more | OK");
    script.query("SELECT 1 FROM t; ;");
    script.backend_rows(Channel::kRead);
    EXPECT(script.answer() == "data | data | data | EOF");
  }

  TEST_CASE("SessionCore: a program whose blocks are not followed is left whole") {
    MultiScript script;
    const std::string text = "CREATE PROCEDURE p() IF 1 THEN DO 1; DO 2; END IF";
    script.query(text);
    EXPECT(script.posted_back<DdlRequest>().sql == text);
    MultiScript other;
    other.query("CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW SET NEW.v=1; SELECT 1");
    EXPECT(other.posted_back<DdlRequest>().sql ==
           "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW SET NEW.v=1");
  }

  TEST_CASE("SessionCore: several statements only for who asked for them") {
    MultiScript script(SessionScript::kClient);
    const std::string text = "UPDATE t SET v=1; DROP TABLE t";
    const auto refuse = [&] {
      script.query(text);
      EXPECT((script.sent(Channel::kHome) == Texts{"XA START", text, "XA END", "XA PREPARE"}));
      script.backend_ok(Channel::kHome);
      script.backend_error(Channel::kHome, 1064);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      EXPECT(script.answer() == "ERR 1064");
      script.backend_ok(Channel::kHome);
    };
    refuse();
    script.set_option(0);
    EXPECT(script.answer() == "EOF");
    script.query("BEGIN; COMMIT");
    EXPECT(script.answer() == "OK trx more | OK");
    script.set_option(1);
    EXPECT(script.answer() == "EOF");
    refuse();
    script.set_option(2);
    EXPECT(script.answer() == "ERR 1047");
  }

  TEST_CASE("SessionCore: a file amid several statements") {
    MultiScript script;
    const std::string load = "LOAD DATA LOCAL INFILE 'f' INTO TABLE t";
    script.query("BEGIN; " + load + "; COMMIT");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    Buffer ask;
    protocol::append_packet(ask,
                            as_bytes("\xFB"
                                     "f"),
                            1);
    script.feed(Channel::kHome, ask);
    EXPECT(script.sequences() == "1 2");
    REQUIRE(script.core.wants_file());
    Buffer wire;
    protocol::append_packet(wire, as_bytes("1\n"), 3);
    script.core.on_file_packet(wire, 3);
    wire.clear();
    protocol::append_packet(wire, {}, 4);
    script.core.on_file_packet(wire, 4);
    EXPECT(std::string(as_text(script.to_backend[0])) == std::string("\2\0\0\2"
                                                                     "1\n"
                                                                     "\0\0\0\3",
                                                                     10));
    Buffer reply;
    protocol::OkPacket ok;
    ok.status = protocol::status_flag::kAutocommit;
    protocol::append_ok(reply, ok, SessionScript::kCapabilities, 4);
    script.feed_bytes(Channel::kHome, reply);
    EXPECT(script.sequences() == "1 2 5");
  }

  TEST_CASE("MultiStatement: numbers packets that come in pieces") {
    MultiStatement several;
    several.begin("a; b", 250);
    Buffer bytes;
    for (int i = 0; i < 8; ++i) {
      protocol::append_packet(bytes, as_bytes(std::string(static_cast<std::size_t>(i), 'x')), 9);
    }
    MutableBytes all(bytes);
    several.number(all.first(4 + 5 + 6 + 6));  // amid the fourth packet
    several.number(all.subspan(4 + 5 + 6 + 6, 1));
    several.number(all.subspan(4 + 5 + 6 + 7));
    Bytes rest(bytes);
    for (int i = 0; i < 8; ++i) {
      const auto frame = protocol::peek_packet(rest);
      REQUIRE(frame);
      EXPECT(frame->sequence == static_cast<std::uint8_t>(250 + i));
      rest = rest.subspan(frame->bytes);
    }
    EXPECT(rest.empty());
  }
}

}  // namespace
}  // namespace consort::proxy
