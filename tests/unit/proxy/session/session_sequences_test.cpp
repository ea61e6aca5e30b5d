// Sequences: definitions are shared, SETVAL is ordered, PREVIOUS VALUE is a connection's own.
#include "proxy/session/session_core.h"
#include "proxy/session/taken_numbers.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/prepare_script.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

TEST_SUITE("session") {
  TEST_CASE("SessionCore: CREATE SEQUENCE goes into the log with INCREMENT BY 0") {
    SessionScript script;
    script.query("CREATE SEQUENCE s START 5");
    const auto request = script.posted_back<DdlRequest>();
    EXPECT(request.sql == "CREATE SEQUENCE s INCREMENT BY 0 START 5");
    REQUIRE(request.targets.size() == 1);
    EXPECT(request.targets[0].table == "s");
    EXPECT(script.known_sequences.any());
  }

  TEST_CASE("SessionCore: SETVAL goes into the log, and ends no transaction") {
    SessionScript script;
    script.query("SELECT SETVAL(d.s, 5)");
    const auto request = script.posted_back<DdlRequest>();
    EXPECT(request.sql == "SELECT SETVAL(d.s, 5)");
    REQUIRE(request.targets.size() == 1);
    EXPECT(request.targets[0].schema == "d");

    SessionScript open;
    open.query("BEGIN");
    EXPECT(open.answer() == "OK trx");
    open.query("SELECT SETVAL(s, 5)");
    EXPECT(open.answer() == "ERR 1235");
    EXPECT(open.core.in_transaction());
  }

  TEST_CASE("SessionCore: SETVAL amid something else would raise one server's sequence only") {
    SessionScript script;
    for (const char* sql : {"SELECT SETVAL(s, 5), 1", "SET @a = SETVAL(s, 5)",
                            "INSERT INTO t VALUES (SETVAL(s, 5))"}) {
      CAPTURE(sql);
      script.query(sql);
      EXPECT(script.answer() == "ERR 1235");
    }
    script.command(protocol::Command::kStmtPrepare, as_bytes("SELECT SETVAL(s, 5)"));
    EXPECT(script.answer() == "ERR 1235");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: no rows of a sequence, no copy of its definition") {
    SessionScript script;
    script.query("INSERT INTO s VALUES (1)");
    EXPECT(script.sent(Channel::kHome).front() == "XA START");
    SessionScript known;
    known.known_sequences.add("d", "s");
    for (const char* sql :
         {"INSERT INTO d.s VALUES (1)", "REPLACE d.`s` VALUES (1)", "CREATE TABLE t LIKE d.s"}) {
      CAPTURE(sql);
      known.query(sql);
      EXPECT(known.answer() == "ERR 1235");
    }
    known.query("INSERT INTO d.t SELECT * FROM d.s");
    EXPECT(known.sent(Channel::kHome).front() == "XA START");
  }

  TEST_CASE("SessionCore: numbers are taken in a branch at home") {
    SessionScript script;
    script.query("SELECT NEXTVAL(s)");
    const Texts sent = script.sent(Channel::kHome);
    REQUIRE(sent.size() >= 2);
    EXPECT(sent.front() == "XA START");
  }

  TEST_CASE("SessionCore: what may become a sequence is known as one before, until it is dropped") {
    SessionScript script;
    script.known_sequences.add("d", "s");
    script.query("RENAME TABLE d.s TO d.s2");
    EXPECT(script.known_sequences.has("d", "s2"));
    EXPECT_FALSE(script.known_sequences.has("d", "s3"));
  }

  TEST_CASE("TakenNumbers: PREVIOUS VALUE is lost with the connection that knows it") {
    TakenNumbers numbers;
    numbers.on_home_left();
    EXPECT_FALSE(numbers.lost());
    numbers.on_sent();
    EXPECT_FALSE(numbers.lost());
    numbers.on_home_left();
    EXPECT(numbers.lost());
    numbers.reset();
    EXPECT_FALSE(numbers.lost());
  }
}

}  // namespace
}  // namespace consort::proxy
