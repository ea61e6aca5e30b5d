// Where a session must answer as one server would: found by playing the same statements to both.
#include "certifier/ddl_fence.h"
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

protocol::OkPacket inside_branch() {
  protocol::OkPacket ok;
  ok.status = protocol::status_flag::kAutocommit | protocol::status_flag::kInTransaction;
  return ok;
}

/// Among what was sent to the home and not looked at.
bool sends(const SessionScript& script, std::string_view text) {
  const Buffer& sent = script.to_backend[static_cast<int>(Channel::kHome)];
  return as_text(Bytes(sent)).find(text) != std::string_view::npos;
}

/// The home's connection is in schema `gone` then.
void enter_schema(SessionScript& script) {
  script.query("USE gone");
  script.sent(Channel::kHome);
  protocol::OkPacket ok;
  ok.status = protocol::status_flag::kAutocommit;
  ok.changes.schema = "gone";
  script.backend_ok(Channel::kHome, ok);
  CHECK(script.answer() == "OK");
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: only DDL that may have had a part of its effect runs elsewhere, too") {
    struct Row {
      const char* sql;
      std::uint16_t error;
      DdlEnd end;
    };

    const Row rows[] = {
        {"CREATE OR REPLACE VIEW IF NOT EXISTS v AS SELECT * FROM t", 1221, DdlEnd::kFailed},
        {"CREATE TABLE c (id INT, FOREIGN KEY (id) REFERENCES p (nosuch))", 1005, DdlEnd::kFailed},
        {"CREATE OR REPLACE TABLE t (a INT, a INT)", 1060, DdlEnd::kPartly},
        {"-- x\n/* y */ create  or replace\ttable t (a NOTYPE)", 4161, DdlEnd::kPartly},
        {"CREATE /*!100000 OR REPLACE */ TABLE t (a INT, a INT)", 1060, DdlEnd::kPartly},
        {"CREATE VIEW v AS SELECT * FROM t", 1317, DdlEnd::kFailed},
        {"DROP TABLE a, b", 1142, DdlEnd::kFailed},
        {"DROP TABLE a, b", 1051, DdlEnd::kPartly},
        {"DROP TABLE a, b", 1451, DdlEnd::kPartly},
        {"DROP TABLE a, b", 1317, DdlEnd::kUnclear},
        {"DROP DATABASE d", 1010, DdlEnd::kUnclear},
        {"DROP DATABASE d", 1205, DdlEnd::kUnclear},
        {"DROP TABLE a, b", 1792, DdlEnd::kFailed},
        {"CREATE OR REPLACE TABLE a (id INT)", 1792, DdlEnd::kFailed},
        {"CREATE OR REPLACE TABLE a (id INT)", 1142, DdlEnd::kFailed},
        {"CREATE OR REPLACE TABLE a (id INT)", 1205, DdlEnd::kUnclear},
        {"CREATE /*!100000 OR REPLACE */ TABLE a (id INT)", 1044, DdlEnd::kFailed},
        {"CREATE OR REPLACE USER u IDENTIFIED WITH nosuch", 1524, DdlEnd::kPartly},
        {"CREATE OR REPLACE USER u", 1227, DdlEnd::kFailed},
        {"CREATE OR REPLACE ROLE r WITH ADMIN nobody", 1959, DdlEnd::kPartly},
        {"CREATE USER u IDENTIFIED WITH nosuch", 1524, DdlEnd::kFailed},
        {"CREATE USER u, v IDENTIFIED WITH nosuch", 1524, DdlEnd::kPartly},
        {"CREATE USER a, b", 1396, DdlEnd::kPartly},
    };
    for (const Row& row : rows) {
      CAPTURE(row.sql);
      SessionScript script;
      script.query(row.sql);
      const auto request = script.posted_back<DdlRequest>();
      script.core.on_ddl_turn({request.session, Seqno{11}, request.home});
      script.backend_ok(Channel::kHome);
      script.backend_error(Channel::kHome, row.error);
      const auto executed = script.posted_back<DdlExecuted>();
      EXPECT(executed.end == row.end);
    }
  }

  TEST_CASE("SessionCore: DDL looks whether a schema is still there before it leaves it") {
    for (const bool there : {true, false}) {
      CAPTURE(there);
      SessionScript script;
      enter_schema(script);
      script.changed_schemas = Seqno{5};  // later than the home's connection entered it
      const DdlRequest request = give_turn(script, "DROP TABLE IF EXISTS t");
      EXPECT(script.sent(Channel::kHome) == Texts{"gone"});
      if (there) {
        script.backend_ok(Channel::kHome);
      } else {
        script.backend_error(Channel::kHome, 1049);
      }
      const Texts sent = script.sent(Channel::kHome);
      REQUIRE(sent.size() == (there ? 3 : 1));
      if (there) {
        EXPECT(sent[0] == "information_schema");
        EXPECT(sent[1] == "gone");
        script.backend_ok(Channel::kHome);
        script.backend_ok(Channel::kHome);
      }
      script.backend_ok(Channel::kHome);  // the fence
      EXPECT(script.sent(Channel::kHome) == Texts{"DROP TABLE IF EXISTS t"});
      script.backend_ok(Channel::kHome);
      EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kSucceeded);
      script.core.on_ddl_outcome({request.session, Seqno{11}});
      EXPECT(script.answer() == "OK");
    }
  }

  TEST_CASE("SessionCore: a read in a schema that is gone runs where the session still is in it") {
    SessionScript script;
    script.reader = BackendId{1};
    script.lease_fails_permanently = true;
    script.query("SELECT * FROM t");
    EXPECT(script.answer() == "ERR 1049");  // it is nowhere
    script.lease_fails_permanently = false;
    enter_schema(script);
    script.lease_fails_permanently = true;
    script.query("SELECT * FROM t");
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT * FROM t"});
    script.backend_error(Channel::kHome, 1146);
    EXPECT(script.answer() == "ERR 1146");
  }

  TEST_CASE("SessionCore: what a text may set behind XA START does not change its branch's name") {
    for (const char* sql : {"EXECUTE s", "CALL p()", "BEGIN NOT ATOMIC SET NAMES utf8; END"}) {
      CAPTURE(sql);
      SessionScript script;
      script.query(sql);
      EXPECT(sends(script, "XA START X'636F6E736F72742D"));
      EXPECT(sends(script, "XA END X'636F6E736F72742D"));
    }
  }

  TEST_CASE("SessionCore: a collation of wide characters changes neither branches nor fences") {
    SessionScript script;
    script.query("SET collation_connection = ucs2_bin");
    script.sent(Channel::kHome);
    protocol::OkPacket ok = inside_branch();
    ok.changes.system_variables.emplace_back("collation_connection", "ucs2_bin");
    script.backend_ok(Channel::kHome, ok);
    script.query("UPDATE t SET v=1");
    EXPECT(sends(script, "XA START X'636F6E736F72742D"));
    EXPECT(sends(script, "XA PREPARE X'636F6E736F72742D"));
    REQUIRE(script.sent(Channel::kHome).size() == 4);
    script.backend_ok(Channel::kHome);
    script.backend_error(Channel::kHome, 1146);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("DROP TABLE x");
    const auto request = script.posted_back<DdlRequest>();
    script.core.on_ddl_turn({request.session, Seqno{11}, request.home});
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET collation_connection=latin1_bin", turn_fence(Seqno{11}),
                  "SET SESSION collation_connection=_utf8mb4 X'756373325F62696E'"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.sent(Channel::kHome) == Texts{"DROP TABLE x"});
  }

  TEST_CASE("SessionCore: SHOW WARNINGS shows an error that no server has given") {
    SessionScript script;
    script.query(";");
    EXPECT(script.answer() == "ERR 1065");
    for (int i = 0; i < 2; ++i) {
      script.query("SHOW WARNINGS");
      const Texts sent = script.sent(Channel::kHome);
      REQUIRE(sent.size() == 2);
      EXPECT(sent[0].starts_with("SIGNAL SQLSTATE '42000' SET MYSQL_ERRNO=1065,MESSAGE_TEXT="));
      EXPECT(sent[1] == "SHOW WARNINGS");
      script.backend_error(Channel::kHome, 1065);
      script.backend_rows(Channel::kHome);
    }
    script.query(";");
    script.query("SELECT 1 FROM t FOR UPDATE");
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    script.query("SHOW WARNINGS");
    EXPECT_FALSE(script.sent(Channel::kHome)[0].starts_with("SIGNAL"));
  }

  TEST_CASE("SessionCore: what a read elsewhere has left as diagnostics is not stored there") {
    for (const char* sql :
         {"GET DIAGNOSTICS @n = NUMBER", "SET @n = @@warning_count", "SELECT @@error_count INTO @n",
          "INSERT INTO t VALUES (@@warning_count)"}) {
      CAPTURE(sql);
      SessionScript script;
      script.query("SELECT nosuch FROM t");
      script.sent(Channel::kRead);
      script.backend_error(Channel::kRead, 1054);
      script.query("SHOW WARNINGS");
      EXPECT(script.sent(Channel::kRead) == Texts{"SHOW WARNINGS"});
      script.backend_rows(Channel::kRead);
      script.query(sql);
      EXPECT(script.answer() == "ERR 1235");
      EXPECT(script.sent(Channel::kRead).empty());
      EXPECT(script.sent(Channel::kHome).empty());
      EXPECT_FALSE(script.core.lent(Channel::kRead));
    }
  }

  TEST_CASE("SessionCore: a transaction's characteristics are fixed when it has begun") {
    SessionScript script;
    script.query("BEGIN");
    script.query("SET TRANSACTION READ ONLY");
    EXPECT(script.answer() == "ERR 1568");
    script.query("SET SESSION TRANSACTION READ ONLY");
    EXPECT(script.answer().empty());  // on its way
  }

  TEST_CASE("SessionCore: the collation of SET NAMES goes along") {
    for (const char* sql : {"SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci",
                            "SET @a = 1, NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci'",
                            "SET NAMES utf8mb4 COLLATE uca1400_ai_ci",
                            "SET NAMES 'utf8mb4' COLLATE 'UCA1400_ai_ci'"}) {
      CAPTURE(sql);
      SessionScript script;
      script.query(sql);
      script.sent(Channel::kHome);
      protocol::OkPacket ok = inside_branch();
      for (const char* name :
           {"character_set_results", "character_set_client", "character_set_connection"}) {
        ok.changes.system_variables.emplace_back(name, "utf8mb4");
      }
      script.backend_ok(Channel::kHome, ok);
      const std::string_view whole =
          script.core.state().variable("collation_connection").value_or("");
      EXPECT((whole == "utf8mb4_unicode_ci" || whole == "utf8mb4_uca1400_ai_ci" ||
              whole == "utf8mb4_UCA1400_ai_ci"));
      EXPECT_FALSE(script.core.state().variable("character_set_connection").has_value());
    }
  }

  TEST_CASE("SessionCore: @@in_transaction asks inside the transaction") {
    SessionScript script;
    script.query("BEGIN");
    script.query("SELECT @@in_transaction");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "SELECT @@in_transaction"}));
  }

  TEST_CASE("SessionCore: what SET STATEMENT sets ends with the statement") {
    SessionScript script;
    script.query("SET STATEMENT sql_mode = 'ANSI_QUOTES' FOR SELECT 1 FOR UPDATE");
    script.backend_ok(Channel::kHome);
    protocol::OkPacket ok = inside_branch();
    ok.changes.system_variables.emplace_back("sql_mode", "ANSI_QUOTES");
    script.backend_ok(Channel::kHome, ok);
    EXPECT_FALSE(script.core.state().has_variables());
  }

  TEST_CASE("SessionCore: a SET that failed may have set something") {
    SessionScript script;
    script.query("SET nosuch = 1");
    script.backend_error(Channel::kHome, 1193);
    EXPECT(script.core.pins().empty());
    script.query("SET @a = 1, version = '1'");
    script.backend_error(Channel::kHome, 1238);
    EXPECT(script.core.pins().has(router::PinReason::kUserVariables));
    EXPECT(script.core.pins().has(router::PinReason::kUnknownState));
  }

  TEST_CASE("SessionCore: COM_INIT_DB is no question about the read before it") {
    SessionScript script;
    script.query("SELECT nosuch FROM t");
    script.sent(Channel::kRead);
    script.backend_error(Channel::kRead, 1054);  // its connection is kept for SHOW WARNINGS
    EXPECT(script.core.lent(Channel::kRead));
    script.command(protocol::Command::kInitDb, as_bytes("other"));
    EXPECT_FALSE(script.core.lent(Channel::kRead));
    EXPECT(script.sent(Channel::kRead).empty());
    EXPECT(script.sent(Channel::kHome).size() == 1);
  }

  TEST_CASE("SessionCore: autocommit that is off already commits nothing when it is set off") {
    struct Row {
      const char* sql;
      bool commits;
    };

    const Row rows[] = {
        {"SET autocommit = 0", false},         {"SET @@autocommit = 'OFF', @a = 1", false},
        {"SET autocommit = FALSE", false},     {"SET autocommit = 1", true},
        {"SET @a = 1, autocommit = ON", true}, {"SET autocommit = DEFAULT", true},
        {"SET autocommit = @b", true},
    };
    for (const Row& row : rows) {
      CAPTURE(row.sql);
      SessionScript script;
      script.query("SET autocommit = 0");
      protocol::OkPacket ok;
      ok.status = protocol::status_flag::kNoIndexUsed;  // any but autocommit
      ok.changes.system_variables.emplace_back("autocommit", "OFF");
      script.backend_ok(Channel::kHome, ok);
      script.query("UPDATE t SET v=1");
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.sent(Channel::kHome);
      script.query(row.sql);
      const Texts sent = script.sent(Channel::kHome);
      REQUIRE_FALSE(sent.empty());
      EXPECT((sent.front() == "XA END") == row.commits);
    }
  }

  TEST_CASE("SessionCore: BEGIN follows the session's tx_read_only") {
    SessionScript script;
    script.query("SET SESSION TRANSACTION READ ONLY");
    script.sent(Channel::kHome);
    protocol::OkPacket ok = inside_branch();
    ok.changes.system_variables.emplace_back("tx_read_only", "ON");
    script.backend_ok(Channel::kHome, ok);
    script.query("BEGIN");
    script.query("SELECT 1 FROM t");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET TRANSACTION READ ONLY", "XA START", "SELECT 1 FROM t"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    script.query("ROLLBACK");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("START TRANSACTION READ WRITE");
    script.query("SELECT 1 FROM t");
    script.sent(Channel::kHome);
    EXPECT(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: SET autocommit leaves to the next transaction what its last one was") {
    const std::string renewal =
        "SET SESSION tx_isolation=@@session.tx_isolation, "
        "SESSION tx_read_only=@@session.tx_read_only";
    const char* next_level = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED";

    struct Row {
      const char* before;  // nullptr: nothing
      const char* begin;
      bool reaches_server;
      const char* said;  // nullptr: nothing
    };

    for (const Row& row :
         {Row{nullptr, "START TRANSACTION READ ONLY", true, "SET TRANSACTION READ ONLY"},
          Row{nullptr, "START TRANSACTION READ ONLY", false, "SET TRANSACTION READ ONLY"},
          Row{"SET TRANSACTION READ ONLY", "BEGIN", false, "SET TRANSACTION READ ONLY"},
          Row{next_level, "BEGIN", true,
              "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"},
          Row{nullptr, "BEGIN", true, nullptr}, Row{nullptr, "BEGIN", false, nullptr}}) {
      CAPTURE(row.begin);
      CAPTURE(row.reaches_server);
      SessionScript script;
      protocol::OkPacket ok;
      ok.status = protocol::status_flag::kNoIndexUsed;  // any but autocommit
      ok.changes.system_variables.emplace_back("autocommit", "OFF");
      script.query("SET autocommit = 0");
      script.backend_ok(Channel::kHome, ok);
      if (row.before != nullptr) {
        script.query(row.before);
        script.backend_ok(Channel::kHome);
      }
      script.query(row.begin);
      if (row.reaches_server) {
        script.query("SELECT 1 FROM t");
        for (int i = 0; i < 8 && !script.core.idle(); ++i) {
          script.backend_ok(Channel::kHome);
        }
      }
      script.sent(Channel::kHome);
      script.query("SET autocommit = DEFAULT");
      if (row.reaches_server) {
        EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
        script.backend_ok(Channel::kHome);
        script.backend_ok(Channel::kHome);
      }
      Texts sent = script.sent(Channel::kHome);
      REQUIRE_FALSE(sent.empty());
      EXPECT(sent.back() == "SET autocommit = DEFAULT");
      sent.pop_back();
      EXPECT(sent == (row.said != nullptr ? Texts{renewal, row.said} : Texts{}));
    }
  }

  TEST_CASE("SessionCore: its own answers show ANSI_QUOTES") {
    SessionScript script;
    script.query("SET sql_mode = 'ANSI_QUOTES'");
    protocol::OkPacket ok = inside_branch();
    ok.changes.system_variables.emplace_back("sql_mode", "ANSI_QUOTES");
    script.backend_ok(Channel::kHome, ok);
    script.query("BEGIN");
    const auto frame = protocol::peek_packet(script.to_client);
    REQUIRE(frame.has_value());
    const auto begun = protocol::decode_ok(frame->payload, SessionScript::kClient);
    REQUIRE(begun.ok());
    EXPECT((begun->status & protocol::status_flag::kAnsiQuotes) != 0);
  }

  TEST_CASE("SessionCore: a client is not told of changes that only Consort asked for") {
    SessionScript script;
    script.query("SET group_concat_max_len = 7");
    script.sent(Channel::kHome);
    protocol::OkPacket ok = inside_branch();
    ok.status |= protocol::status_flag::kSessionStateChanged;
    ok.changes.system_variables.emplace_back("group_concat_max_len", "7");
    script.backend_ok(Channel::kHome, ok);
    const auto frame = protocol::peek_packet(script.to_client);
    REQUIRE(frame.has_value());
    const auto told = protocol::decode_ok(frame->payload, SessionScript::kClient);
    REQUIRE(told.ok());
    EXPECT((told->status & protocol::status_flag::kSessionStateChanged) == 0);
  }
}

}  // namespace
}  // namespace consort::proxy
