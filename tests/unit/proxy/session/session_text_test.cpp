// Text protocol PREPARE and EXECUTE of what cannot run inside a branch.
#include "proxy/session/text_statements.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

void reply_text(SessionScript& script, std::string_view text) {
  Buffer row;
  row.push_back(static_cast<std::uint8_t>(text.size()));  // below 251
  append(row, text);
  Buffer reply;
  const std::uint8_t count[] = {1};
  std::uint8_t sequence = protocol::append_packet(reply, count, 1);
  sequence = protocol::append_packet(reply, as_bytes("column definition"), sequence);
  sequence = protocol::append_packet(reply, row, sequence);
  protocol::OkPacket ok;
  ok.status = protocol::status_flag::kAutocommit;
  protocol::append_ok(reply, ok, SessionScript::kCapabilities, sequence, protocol::OkHeader::kEof);
  script.feed(Channel::kHome, reply);
}

/// PREPARE s FROM @a, whose value is `text`.
void prepare(SessionScript& script, std::string_view text, const std::string& name = "s") {
  const std::string sql = "PREPARE " + name + " FROM @a";
  script.query(sql);
  REQUIRE((script.sent(Channel::kHome) == Texts{"SELECT @a", sql}));
  reply_text(script, text);
  REQUIRE(script.answer().empty());
  protocol::OkPacket ok;
  ok.status = protocol::status_flag::kAutocommit;
  script.backend_ok(Channel::kHome, ok);
  REQUIRE(script.answer() == "OK");
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: EXECUTE of DDL is DDL") {
    SessionScript script;
    prepare(script, "DROP TABLE t");
    script.query("EXECUTE S");
    REQUIRE_FALSE(script.posted.empty());
    const auto request = script.posted_back<DdlRequest>();
    EXPECT(request.sql == "DROP TABLE t");
    REQUIRE(request.targets.size() == 1);
    EXPECT(request.targets[0].table == "t");
    EXPECT(script.sent(Channel::kHome).empty());
  }

  TEST_CASE("SessionCore: behind a CALL that prepares nothing the text is known") {
    enum { kPrepares, kChanged, kHarmless };

    for (const int what : {kPrepares, kChanged, kHarmless}) {
      SessionScript script;
      prepare(script, "DROP TABLE t");
      script.call_is_dynamic = what == kPrepares;
      script.query("CALL p()");
      if (what == kChanged) {  // by DDL, while it ran
        script.call_verdict.reset();
      }
      for (int i = 0; i < 6 && !script.core.idle(); ++i) {
        script.backend_ok(Channel::kHome);
      }
      REQUIRE(script.core.idle());
      script.sent(Channel::kHome);
      script.query("EXECUTE s");
      const Texts sent = script.sent(Channel::kHome);
      REQUIRE_FALSE(sent.empty());
      CAPTURE(what);
      EXPECT(sent.front() == (what == kHarmless ? "SHOW CREATE TABLE `t`" : "XA START"));
    }
  }

  TEST_CASE("SessionCore: EXECUTE of transaction control is the session's") {
    SessionScript script;
    prepare(script, "BEGIN");
    script.query("EXECUTE s");
    EXPECT(script.answer() == "OK trx");
    EXPECT(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: EXECUTE of what a client may not set is refused") {
    SessionScript script;
    prepare(script, "SET sql_log_bin = 0");
    script.query("EXECUTE s");
    EXPECT(script.answer() == "ERR 1238");
    EXPECT(script.sent(Channel::kHome).empty());
  }

  TEST_CASE("SessionCore: EXECUTE IMMEDIATE of DDL is DDL, of others the server's") {
    SessionScript script;
    script.query("EXECUTE IMMEDIATE @a");
    REQUIRE((script.sent(Channel::kHome) == Texts{"SELECT @a"}));
    reply_text(script, "DROP TABLE t");
    REQUIRE_FALSE(script.posted.empty());
    EXPECT(script.posted_back<DdlRequest>().sql == "DROP TABLE t");
    EXPECT(script.sent(Channel::kHome).empty());

    SessionScript other;
    other.query("EXECUTE IMMEDIATE 'UPDATE t SET v=1'");
    REQUIRE((other.sent(Channel::kHome) == Texts{"SELECT 'UPDATE t SET v=1'"}));
    reply_text(other, "UPDATE t SET v=1");
    EXPECT((other.sent(Channel::kHome) ==
            Texts{"XA START", "EXECUTE IMMEDIATE 'UPDATE t SET v=1'", "XA END", "XA PREPARE"}));
  }

  TEST_CASE(
      "SessionCore: EXECUTE IMMEDIATE forgets the others unless its text is known to be harmless") {
    for (const std::string text : {"COMMIT", "CALL p()"}) {
      CAPTURE(text);
      SessionScript script;
      prepare(script, "BEGIN");
      script.query("EXECUTE IMMEDIATE @b");
      reply_text(script, text);
      for (int i = 0; i < 6 && !script.core.idle(); ++i) {
        script.backend_ok(Channel::kHome);
      }
      REQUIRE(script.core.idle());
      script.sent(Channel::kHome);
      script.query("EXECUTE s");
      EXPECT(script.sent(Channel::kHome).empty() == (text == "COMMIT"));
    }
  }

  TEST_CASE("SessionCore: the text may be any expression") {
    const std::string sql = "EXECUTE IMMEDIATE CONCAT('DROP TABLE ', @t)";
    const std::string question = "EXECUTE IMMEDIATE 'SELECT ?' USING CONCAT('DROP TABLE ', @t)";
    SessionScript script;
    script.query(sql);
    REQUIRE((script.sent(Channel::kHome) == Texts{question}));
    reply_text(script, "DROP TABLE t");
    REQUIRE_FALSE(script.posted.empty());
    EXPECT(script.posted_back<DdlRequest>().sql == "DROP TABLE t");
    // What is wrong with it the server says of the statement, not of the question.
    SessionScript other;
    other.query(sql);
    REQUIRE((other.sent(Channel::kHome) == Texts{question}));
    other.backend_error(Channel::kHome, 1970);
    EXPECT((other.sent(Channel::kHome) == Texts{"XA START", sql, "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: what may be a stored function is not asked for a text") {
    for (const bool there : {false, true}) {
      CAPTURE(there);
      SessionScript script;
      script.functions = there;
      script.query("EXECUTE IMMEDIATE f('x')");
      EXPECT((script.sent(Channel::kHome).front() == "XA START") == there);
    }
  }

  TEST_CASE("SessionCore: EXECUTE of what prepares nothing forgets no other") {
    for (const std::string text : {"SELECT 1", "INSERT INTO t VALUES (?)", "CALL p()"}) {
      CAPTURE(text);
      SessionScript script;
      prepare(script, "DROP TABLE t");
      prepare(script, text, "q");
      script.query("EXECUTE q");
      for (int i = 0; i < 6 && !script.core.idle(); ++i) {
        script.backend_ok(Channel::kHome);
      }
      REQUIRE(script.core.idle());
      script.sent(Channel::kHome);
      script.query("EXECUTE s");
      const Texts sent = script.sent(Channel::kHome);
      REQUIRE_FALSE(sent.empty());
      EXPECT(sent.front() == (text == "CALL p()" ? "XA START" : "SHOW CREATE TABLE `t`"));
    }
  }

  TEST_CASE("SessionCore: SHOW DATABASES leaves Consort's schema out, also by EXECUTE") {
    const std::string shown = "SHOW DATABASES WHERE BINARY `Database`<>'consort'";
    SessionScript script;
    script.query("SHOW DATABASES");
    EXPECT((script.sent(Channel::kRead) == Texts{shown}));
    SessionScript other;
    prepare(other, "SHOW DATABASES");
    other.query("EXECUTE s");
    EXPECT((other.sent(Channel::kHome) == Texts{shown}));
  }

  TEST_CASE("SessionCore: a home that is lost before it has told the text is asked again") {
    SessionScript script;
    script.query("EXECUTE IMMEDIATE 'COMMIT'");
    REQUIRE((script.sent(Channel::kHome) == Texts{"SELECT 'COMMIT'"}));
    script.lose(Channel::kHome);
    script.core.on_retry_due();
    EXPECT((script.sent(Channel::kHome) == Texts{"SELECT 'COMMIT'"}));
    reply_text(script, "COMMIT");
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: a KILL QUERY that meets the question ends the statement") {
    SessionScript script;
    script.query("EXECUTE IMMEDIATE 'COMMIT'");
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a lane's KILL QUERY that meets the question ends the transaction") {
    SessionScript script;
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    script.query("EXECUTE IMMEDIATE 'COMMIT'");
    REQUIRE((script.sent(Channel::kHome) == Texts{"SELECT 'COMMIT'"}));
    script.core.on_abort_branch();
    EXPECT(script.killed == 100);
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    EXPECT_FALSE(script.core.in_transaction());
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: other statements are the server's to execute") {
    SessionScript script;
    prepare(script, "UPDATE t SET v=1");
    script.query("EXECUTE s");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "EXECUTE s", "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: what may prepare a name anew makes it the server's") {
    for (const char* sql : {"DEALLOCATE PREPARE s", "DROP PREPARE `S`", "CALL p()",
                            "PREPARE s FROM CONCAT(@a, 'x')", "BEGIN NOT ATOMIC SELECT 1; END"}) {
      CAPTURE(sql);
      SessionScript script;
      prepare(script, "DROP TABLE t");
      script.query(sql);
      if (script.sent(Channel::kHome).front() == "XA START") {
        script.backend_ok(Channel::kHome);
      }
      script.backend_error(Channel::kHome, 1243);  // it may have had its effect all the same
      for (int i = 0; i < 4 && !script.core.idle(); ++i) {
        script.backend_ok(Channel::kHome);
      }
      REQUIRE(script.core.idle());
      script.sent(Channel::kHome);
      script.query("EXECUTE s");
      const Texts sent = script.sent(Channel::kHome);
      REQUIRE(sent.size() > 1);
      EXPECT(sent[1] == "EXECUTE s");
    }
  }

  TEST_CASE("SessionCore: a text that is meant in another database, or has parameters") {
    SessionScript script;
    prepare(script, "DROP TABLE t");
    script.query("EXECUTE s USING @b");
    EXPECT(script.sent(Channel::kHome).front() == "XA START");
    SessionScript other;
    prepare(other, "DROP TABLE t");
    other.query("USE elsewhere");
    protocol::OkPacket ok;
    ok.status = protocol::status_flag::kAutocommit;
    ok.changes.schema = "elsewhere";
    other.backend_ok(Channel::kHome, ok);
    other.sent(Channel::kHome);
    other.query("EXECUTE s");
    EXPECT(other.sent(Channel::kHome).front() == "XA START");
  }

  TEST_CASE("SessionCore: DDL with a parameter whose value only a server knows") {
    SessionScript script;
    prepare(script, "ALTER TABLE t ADD c INT DEFAULT ?");
    script.query("EXECUTE s USING @b");
    EXPECT(script.answer() == "ERR 1235");
  }

  TEST_CASE("SessionCore: a text that is too long, or none, is not kept") {
    const std::string sql = "DROP TABLE t";
    const std::string longer = sql + " /* " + std::string(64 << 10, 'x') + " */";
    for (const std::string& text : {sql, longer, std::string()}) {
      CAPTURE(text.size());
      SessionScript script;
      script.query("PREPARE s FROM @a");
      script.backend_row(Channel::kHome, {text});
      script.backend_ok(Channel::kHome);
      script.sent(Channel::kHome);
      script.query("EXECUTE s");
      EXPECT(script.sent(Channel::kHome).empty() == (text == sql));
    }
  }

  TEST_CASE("SessionCore: a question that fails leaves no text of another one behind") {
    SessionScript script;
    prepare(script, "DROP TABLE t");
    script.query("PREPARE s FROM @a");
    script.backend_error(Channel::kHome, 1317);
    script.backend_ok(Channel::kHome);
    script.query("PREPARE p FROM CONCAT(@a, FOUND_ROWS())");  // nothing is asked
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    for (const char* sql : {"EXECUTE s", "EXECUTE p"}) {
      script.sent(Channel::kHome);
      script.query(sql);
      EXPECT(script.sent(Channel::kHome).front() == "XA START");
      for (int i = 0; i < 6 && !script.core.idle(); ++i) {
        script.backend_ok(Channel::kHome);
      }
    }
    EXPECT(script.posted.empty());
  }

  TEST_CASE("TextStatements: names are the server's") {
    TextStatements statements;
    statements.add({"Ab", "COMMIT", "d", {}});
    REQUIRE(statements.find("aB") != nullptr);
    statements.add({"aB", "BEGIN", "d", {}});
    EXPECT(statements.find("AB")->sql == "BEGIN");
    statements.add({"\xC3\xA4", "COMMIT", "d", {}});
    EXPECT(statements.find("\xC3\xA4") == nullptr);
    statements.erase("AB");
    EXPECT(statements.find("ab") == nullptr);
    for (int i = 0; i < 100; ++i) {
      statements.add({std::to_string(i), "COMMIT", "d", {}});
    }
    EXPECT(statements.find("0") != nullptr);
    EXPECT(statements.find("99") == nullptr);
  }
}

}  // namespace
}  // namespace consort::proxy
