// LOAD DATA LOCAL: the client's file goes to the home, inside the branch, or nowhere.
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

constexpr std::string_view kLoad = "LOAD DATA LOCAL INFILE 'f' INTO TABLE t";

/// The backend asks for the file, as packet 1 of its reply.
void ask(SessionScript& script) {
  Buffer reply;
  protocol::append_packet(reply,
                          as_bytes("\xFB"
                                   "f"),
                          1);
  script.feed(Channel::kHome, reply);
}

/// A packet of the file from the client.
void send(SessionScript& script, std::string_view data, std::uint8_t sequence) {
  REQUIRE(script.core.wants_file());
  Buffer wire;
  protocol::append_packet(wire, as_bytes(data), sequence);
  script.core.on_file_packet(wire, sequence);
}

/// The statement's own reply behind a file whose last packet was `sequence`.
void answer_load(SessionScript& script, std::uint8_t sequence, std::uint16_t error = 0) {
  Buffer reply;
  protocol::OkPacket ok;
  ok.affected_rows = 2;
  ok.status = protocol::status_flag::kAutocommit | protocol::status_flag::kInTransaction;
  const auto next = static_cast<std::uint8_t>(sequence + 1);
  if (error != 0) {
    protocol::append_err(reply, {error, "HY000", "no"}, next);
  } else {
    protocol::append_ok(reply, ok, SessionScript::kCapabilities, next);
  }
  script.feed_bytes(Channel::kHome, reply);
}

/// Autocommit: up to the home's question.
void begin_load(SessionScript& script) {
  script.query(kLoad);
  REQUIRE((script.sent(Channel::kHome) == Texts{"XA START", std::string(kLoad)}));
  script.backend_ok(Channel::kHome);
  ask(script);
  REQUIRE(script.core.wants_file());
}

/// The bytes that the home was sent since the last look.
std::string taken(SessionScript& script) {
  Buffer& bytes = script.to_backend[static_cast<int>(Channel::kHome)];
  const std::string text(as_text(bytes));
  bytes.clear();
  return text;
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a file under autocommit: nothing is pipelined behind its statement") {
    SessionScript script;
    begin_load(script);
    EXPECT(script.answer() == "data");
    script.to_client.clear();
    send(script, "1\n2\n", 2);
    send(script, "", 3);
    EXPECT_FALSE(script.core.wants_file());
    EXPECT(taken(script) == std::string("\4\0\0\2"
                                        "1\n2\n"
                                        "\0\0\0\3",
                                        12));
    answer_load(script, 3);
    EXPECT(script.answer().empty());
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    EXPECT(script.posted_back<BranchPrepared>().branch == BranchId{1, 0, 1});
    script.outcome(BranchVerdict::kCommitted, 11);
    EXPECT(script.answer() == "OK 2");
    EXPECT(script.last_sequence() == 4);
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a conflict of a file's rows takes the place of its OK") {
    SessionScript script;
    begin_load(script);
    script.to_client.clear();
    send(script, "1\n", 2);
    send(script, "", 3);
    answer_load(script, 3);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kConflict);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.last_sequence() == 4);
  }

  TEST_CASE("SessionCore: a home lost behind PREPARE is no second try: the file is gone") {
    SessionScript script;
    begin_load(script);
    script.to_client.clear();
    send(script, "", 2);
    answer_load(script, 2);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.lose(Channel::kHome);
    script.outcome(BranchVerdict::kHomeLost);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.retries == 0);
  }

  TEST_CASE("SessionCore: a file inside a transaction") {
    SessionScript script;
    script.query("BEGIN");
    begin_load(script);
    script.to_client.clear();
    send(script, "1\n", 2);
    send(script, "", 3);
    taken(script);
    answer_load(script, 3);
    EXPECT(script.answer() == "OK 2 trx");
    EXPECT(script.sent(Channel::kHome).empty());
    script.query("COMMIT");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: an error instead of the question, or behind the file") {
    SessionScript script;
    script.query(kLoad);
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_error(Channel::kHome, 1146);
    EXPECT_FALSE(script.core.wants_file());
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "ERR 1146");
    SessionScript late;
    begin_load(late);
    late.to_client.clear();
    send(late, "1\n1\n", 2);
    send(late, "", 3);
    answer_load(late, 3, 1062);
    late.backend_ok(Channel::kHome);
    late.backend_ok(Channel::kHome);
    EXPECT(late.answer() == "ERR 1062");
    EXPECT(late.last_sequence() == 4);
    EXPECT(late.posted_back<BranchAbandoned>().branch == BranchId{1, 0, 1});
  }

  TEST_CASE("SessionCore: a home lost before it asks is tried elsewhere") {
    SessionScript script;
    script.query(kLoad);
    script.sent(Channel::kHome);
    script.lose(Channel::kHome);
    EXPECT(script.retries == 1);
    script.core.on_retry_due();
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", std::string(kLoad)}));
  }

  TEST_CASE("SessionCore: a home lost amid the file: 1213 when the client has sent all of it") {
    for (const bool in_transaction : {false, true}) {
      CAPTURE(in_transaction);
      SessionScript script;
      if (in_transaction) {
        script.query("BEGIN");
      }
      begin_load(script);
      script.to_client.clear();
      send(script, "1\n", 2);
      taken(script);
      script.lose(Channel::kHome);
      EXPECT(script.core.phase() == SessionPhase::kDraining);
      send(script, "2\n", 3);
      script.core.on_kill_query();
      script.core.on_abort_branch();
      EXPECT(script.answer().empty());
      EXPECT(taken(script).empty());
      send(script, "", 4);
      EXPECT(script.answer() == "ERR 1213");
      EXPECT(script.last_sequence() == 5);
      EXPECT(script.core.idle());
      EXPECT_FALSE(script.core.in_transaction());
      EXPECT(script.retries == 0);
    }
  }

  TEST_CASE("SessionCore: aborted by the lane amid the file, which may take long to end") {
    SessionScript script;
    begin_load(script);
    script.to_client.clear();
    script.core.on_abort_branch();
    EXPECT(script.killed == 0);
    EXPECT(script.releases == std::vector<bool>{false});
    send(script, "1\n", 2);
    send(script, "", 3);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a home lost behind the file") {
    SessionScript script;
    begin_load(script);
    script.to_client.clear();
    send(script, "1\n", 2);
    send(script, "", 3);
    script.lose(Channel::kHome);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.last_sequence() == 4);
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: an answer amid the file ends the home's connection") {
    SessionScript script;
    begin_load(script);
    script.to_client.clear();
    answer_load(script, 2, 1053);
    EXPECT(script.releases == std::vector<bool>{false});
    EXPECT(script.answer().empty());
    send(script, "", 2);
    EXPECT(script.answer() == "ERR 1213");
  }

  TEST_CASE("SessionCore: an empty packet behind a full one does not end the file") {
    SessionScript script;
    begin_load(script);
    Buffer wire;
    protocol::append_packet(wire, Buffer(protocol::kMaxPayload, 'x'), 2);
    REQUIRE(wire.size() == protocol::kMaxPayload + 2 * protocol::kHeaderBytes);
    const Bytes both(wire);
    script.core.on_file_packet(both.first(wire.size() - protocol::kHeaderBytes), 2);
    script.core.on_file_packet(both.last(protocol::kHeaderBytes), 3);
    EXPECT(script.core.wants_file());
    send(script, "", 4);
    EXPECT_FALSE(script.core.wants_file());
  }

  TEST_CASE("SessionCore: a file's packet out of order, and a client that leaves amid it") {
    SessionScript script;
    begin_load(script);
    script.to_client.clear();
    send(script, "1\n", 7);
    EXPECT(script.answer() == "ERR 1156");
    EXPECT(script.closed);
    EXPECT(script.releases == std::vector<bool>{false});
    SessionScript other;
    begin_load(other);
    other.core.on_client_gone();
    EXPECT(other.releases == std::vector<bool>{false});
    EXPECT_FALSE(other.core.wants_file());
  }

  TEST_CASE("SessionCore: a file that nobody has asked for cannot be had") {
    SessionScript script;
    script.query("UPDATE t SET v=1");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    ask(script);
    EXPECT_FALSE(script.core.wants_file());
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.retries == 0);
    EXPECT(script.releases == std::vector<bool>{false});
  }
}

}  // namespace
}  // namespace consort::proxy
