// information_schema.PROCESSLIST in statements: Consort's sessions as rows in their text.
#include <algorithm>

#include "proxy/session/process_table.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/prepare_script.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

/// The document in a statement with JSON_TABLE; empty: there is none.
std::string table_document(std::string_view sql) {
  constexpr std::string_view kBefore = "JSON_TABLE(_latin1 X'";
  const std::size_t at = sql.find(kBefore);
  if (at == sql.npos) {
    return {};
  }
  const std::string_view rest = sql.substr(at + kBefore.size());
  std::string out;
  for (std::size_t i = 0; i + 1 < rest.size() && rest[i] != '\''; i += 2) {
    out += static_cast<char>(std::stoi(std::string(rest.substr(i, 2)), nullptr, 16));
  }
  return out;
}

std::string table_columns(std::string_view sql) {
  return std::string(sql.substr(sql.find("COLUMNS(")));
}

TEST_SUITE("session") {
  TEST_CASE("process_table_sql: newest first, NULL where a server has it") {
    ProcessRow busy = sleeping_session(4, "a");
    busy.schema = "d";
    busy.command = "Query";
    busy.state = "User sleep";
    busy.info = "SELECT 1";
    busy.time = std::chrono::microseconds(2001234);
    busy.query_id = process_query_id(4, 9);
    busy.effort = {1, 2, "50.125", 3, 4, 5};
    const std::string sql = process_table_sql({sleeping_session(3, "u"), busy}, 101100);
    EXPECT(
        table_document(sql) ==
        R"([[4,"a","10.0.0.1:5","d","Query",2,"User sleep","SELECT 1",2001.234,1,2,50.125,3,4,5,0,)"
        R"(17179869193,"SELECT 1",0,0],)"
        R"([3,"u","10.0.0.1:5",null,"Sleep",0,"",null,0.000,0,0,0.000,0,0,0,0,0,null,0,0]])");
  }

  TEST_CASE("process_table_sql: any bytes") {
    ProcessRow row = sleeping_session(1, "m\xC3\xBCller");
    row.info = "a'\"\\\n\xE2\x82\xAC\xF0\x9F\x98\x80\xFF\xC3(\x7F";
    const std::string sql = process_table_sql({row}, 101100);
    EXPECT(std::all_of(sql.begin(), sql.end(), [](char c) { return c >= ' ' && c < 0x7F; }));
    const std::string json = table_document(sql);
    EXPECT(json.find(R"("m\u00fcller")") != std::string::npos);
    EXPECT(json.find(R"("a'\u0022\u005c\u000a\u20ac???(\u007f")") != std::string::npos);
    EXPECT(json.find("\"a'\\u0022\\u005c\\u000a\xE2\x82\xAC\xF0\x9F\x98\x80\xFF\xC3(\\u007f\"") !=
           std::string::npos);
  }

  TEST_CASE("process_table_sql: much text is cut") {
    std::vector<ProcessRow> rows;
    for (std::uint32_t id = 1; id <= 100; ++id) {
      rows.push_back(sleeping_session(id, "u"));
      rows.back().info = std::string(kProcessInfoBytesMax, 'x');
    }
    const std::string sql = process_table_sql(rows, 101100);
    EXPECT(sql.size() > kProcessTableInfoBytesMax);
    EXPECT(sql.size() < 5 * kProcessTableInfoBytesMax);
  }

  TEST_CASE("process_table_sql: the columns are those of the server") {
    const std::string old = table_columns(process_table_sql({}, 101106));
    EXPECT(old.find("EXAMINED_ROWS int(7) PATH '$[14]',QUERY_ID bigint(4) PATH '$[16]'") !=
           std::string::npos);
    EXPECT(old.find("TMP_SPACE_USED") == std::string::npos);
    const std::string newer = table_columns(process_table_sql({}, 110800));
    EXPECT(newer.find("EXAMINED_ROWS bigint(10) PATH '$[14]',SENT_ROWS bigint(10) PATH '$[15]'") !=
           std::string::npos);
    EXPECT(newer.find("TID bigint(10) PATH '$[18]',TMP_SPACE_USED bigint(10) PATH '$[19]'") !=
           std::string::npos);
  }

  TEST_CASE("SessionCore: a SELECT of the table gets the sessions, and may run anywhere") {
    SessionScript script;
    script.query("SELECT COUNT(*) FROM information_schema.processlist p WHERE p.id>1");
    EXPECT(script.lists_asked == 1);
    EXPECT(script.leases == 0);
    ProcessRow asking;
    script.core.describe(asking, std::chrono::steady_clock::now());
    EXPECT(asking.state == "Filling schema table");
    EXPECT(asking.info == "SELECT COUNT(*) FROM information_schema.processlist p WHERE p.id>1");
    script.core.on_sessions({sleeping_session(3, "u"), sleeping_session(7, "u")});
    const Texts sent = script.sent(Channel::kRead);
    REQUIRE(sent.size() == 1);
    EXPECT(sent[0].starts_with("SELECT COUNT(*) FROM JSON_TABLE(_latin1 X'"));
    EXPECT(sent[0].ends_with(")) p WHERE p.id>1"));
    EXPECT(table_document(sent[0]).starts_with("[[7,\"u\""));
    ProcessRow running;
    script.core.describe(running, std::chrono::steady_clock::now());
    EXPECT(running.info == asking.info);
    EXPECT(running.place.thread_id == 101);
    script.backend_rows(Channel::kRead);
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: whoever may not see them finds no other users' sessions in the table") {
    for (const bool may : {false, true}) {
      SessionScript script;
      script.query("SELECT * FROM information_schema.processlist");
      script.core.on_sessions({sleeping_session(3, "u"), sleeping_session(7, "other")});
      EXPECT(script.sent(Channel::kHome) ==
             Texts{"SELECT 1 FROM information_schema.INNODB_CMP LIMIT 1"});
      if (may) {
        script.backend_ok(Channel::kHome);
      } else {
        script.backend_error(Channel::kHome, 1227);
      }
      const Texts sent = script.sent(Channel::kRead);
      REQUIRE(sent.size() == 1);
      EXPECT((table_document(sent[0]).find("other") != std::string::npos) == may);
    }
  }

  TEST_CASE("SessionCore: the table inside a transaction, and in an INSERT") {
    SessionScript script;
    script.query("INSERT INTO t SELECT id FROM information_schema.processlist");
    script.core.on_sessions({sleeping_session(3, "u")});
    Texts sent = script.sent(Channel::kHome);
    REQUIRE(sent.size() == 4);
    EXPECT(sent[0].starts_with("XA START"));
    EXPECT(sent[1].starts_with("INSERT INTO t SELECT id FROM JSON_TABLE("));
  }

  TEST_CASE("SessionCore: several statements, of which the second reads the table") {
    SessionScript script({0xC1, 3, 16, {}},
                         SessionScript::kClient | protocol::capability::kMultiStatements);
    script.query("DO 1; SELECT id FROM information_schema.processlist; SELECT 2");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kRead);
    EXPECT(script.lists_asked == 1);
    script.core.on_sessions({sleeping_session(3, "u")});
    EXPECT_FALSE(script.sent(Channel::kRead).empty());
    script.backend_rows(Channel::kRead);
    const Texts sent = script.sent(Channel::kRead);
    REQUIRE(sent.size() == 1);
    EXPECT(sent[0].ends_with("SELECT 2"));
  }

  TEST_CASE("SessionCore: where the table is left to the server") {
    for (const std::string_view sql :
         {"EXPLAIN SELECT * FROM information_schema.processlist",
          "SELECT 1 FROM information_schema.processlist /*!999999 x */"}) {
      SessionScript script;
      script.query(sql);
      CAPTURE(sql);
      EXPECT(script.lists_asked == 0);
    }
    SessionScript script;
    script.core.begin({"'u'@'%'", SessionScript::kClient, "d", 45, 77, true});
    script.query("SELECT * FROM information_schema.processlist");
    EXPECT(script.lists_asked == 0);
  }

  TEST_CASE("SessionCore: a client that leaves while the sessions are asked for") {
    SessionScript script;
    script.query("SELECT * FROM information_schema.processlist");
    script.core.on_client_gone();
    script.core.on_sessions({sleeping_session(3, "u")});
    EXPECT(script.sent(Channel::kRead).empty());
    EXPECT(script.to_client.empty());
  }

  TEST_CASE("SessionCore: an execution of a prepared one is prepared for itself, and forgotten") {
    SessionScript script;
    prepare_at_home(script, "SELECT id FROM information_schema.processlist", 9);
    const std::size_t known = script.statements.size();
    for (int i = 0; i < 2; ++i) {
      execute(script, 1);
      script.core.on_sessions({sleeping_session(3, "u")});
      const Channel channel = Channel::kRead;
      Texts sent = script.sent(channel);
      REQUIRE(sent.size() == 1);
      EXPECT(sent[0].starts_with("SELECT id FROM JSON_TABLE("));
      answer_prepare(script, channel, 20);
      sent = script.sent(channel);
      REQUIRE(sent.size() == 1);
      EXPECT(sent[0] == "EXECUTE 20");
      EXPECT(script.statements.size() == known + 1);
      script.backend_rows(channel);
      EXPECT(script.core.idle());
      EXPECT(script.statements.size() == known);
    }
    EXPECT(script.lists_asked == 2);
  }
}

}  // namespace
}  // namespace consort::proxy
