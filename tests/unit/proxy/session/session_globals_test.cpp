// SET GLOBAL: in the log's order, with the values that the home has afterwards.
#include "certifier/ddl_fence.h"
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

const std::string kAskValue = "SELECT HEX(CONVERT(@@global.a USING utf8mb4)) LIMIT 1";
const std::string kRelease(certifier::kDdlReleaseSql);

/// What the server says of variable `a`.
void answer_question(SessionScript& script) {
  const Texts sent = script.sent(Channel::kHome);
  REQUIRE(sent.size() == 1);
  EXPECT(sent[0].find("SYSTEM_VARIABLES WHERE VARIABLE_NAME IN ('a')") != std::string::npos);
  script.backend_row(Channel::kHome, {"61", "494E54", "53455353494F4E", "35"});  // a INT SESSION 5
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: SET GLOBAL runs in its turn, and its values are told") {
    SessionScript script;
    const DdlRequest request = pass_fence(script, "SET GLOBAL a = @x + 1");
    EXPECT(request.sets_globals);
    EXPECT(request.sql == certifier::kNoGlobalsSql);
    EXPECT(request.session_set.empty());  // what the lanes execute is not in the client's spelling
    EXPECT(request.schema.empty());
    answer_question(script);
    EXPECT(script.sent(Channel::kHome) == Texts{"SET GLOBAL a = @x + 1"});
    script.backend_ok(Channel::kHome);
    EXPECT(script.sent(Channel::kHome) == Texts{kAskValue});
    EXPECT(script.answer().empty());
    script.backend_row(Channel::kHome, {"37"});
    EXPECT(script.sent(Channel::kHome) == Texts{kRelease});
    const auto executed = script.posted_back<DdlExecuted>();
    EXPECT(executed.end == DdlEnd::kSucceeded);
    REQUIRE(executed.globals.size() == 1);
    EXPECT((executed.globals[0].variable == certifier::GlobalVariable{"a", "7", false}));
    EXPECT(executed.globals[0].old_value == "5");
    EXPECT(script.answer().empty());  // not before it is in the log
    script.backend_ok(Channel::kHome);
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "OK");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a SET GLOBAL that fails changes nothing elsewhere") {
    SessionScript script;
    const DdlRequest request = pass_fence(script, "SET GLOBAL a = 'x'");
    answer_question(script);
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1232);
    EXPECT(script.sent(Channel::kHome) == Texts{kRelease});
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kFailed);
    EXPECT(script.posted_back<DdlExecuted>().globals.empty());
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "ERR 1232");
  }

  TEST_CASE("SessionCore: a value that Consort would not obey changes nothing either") {
    SessionScript script;
    const DdlRequest request = pass_fence(script, "SET GLOBAL event_scheduler = DISABLED");
    script.sent(Channel::kHome);
    script.backend_rows(Channel::kHome);
    EXPECT(script.sent(Channel::kHome) == Texts{"SET GLOBAL event_scheduler=OFF"});
    script.backend_ok(Channel::kHome);
    EXPECT(script.sent(Channel::kHome) ==
           Texts{"SELECT HEX(CONVERT(('DISABLED') USING utf8mb4)) LIMIT 1"});
    script.backend_row(Channel::kHome, {"44495341424C4544"});
    EXPECT(script.sent(Channel::kHome) == Texts{kRelease});
    EXPECT(script.posted_back<DdlExecuted>().end != DdlEnd::kSucceeded);
    EXPECT(script.posted_back<DdlExecuted>().globals.empty());
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "ERR 1231");
  }

  TEST_CASE("SessionCore: one of several that failed may have set the first") {
    SessionScript script;
    (void)pass_fence(script, "SET GLOBAL a = 7, SESSION b = 'x'");
    answer_question(script);
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1232);
    EXPECT(script.sent(Channel::kHome) == Texts{kAskValue});
    script.backend_row(Channel::kHome, {"37"});
    EXPECT(script.posted_back<DdlExecuted>().globals.size() == 1);
  }

  TEST_CASE("SessionCore: a SET GLOBAL whose home is lost amid it is not believed") {
    SessionScript script;
    const DdlRequest request = pass_fence(script, "SET GLOBAL a = 7");
    answer_question(script);
    script.backend_ok(Channel::kHome);
    script.lose(Channel::kHome);
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kLost);
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "ERR 1158");
  }

  TEST_CASE("SessionCore: SET GLOBAL waits for no open transaction, and ends none") {
    SessionScript script;
    script.query("BEGIN");
    (void)pass_fence(script, "SET GLOBAL a = 7");
    EXPECT(script.core.in_transaction());
    SessionScript busy;
    busy.query("BEGIN");
    busy.query("INSERT INTO t VALUES (1)");
    busy.backend_ok(Channel::kHome);
    busy.backend_ok(Channel::kHome);
    busy.query("SET GLOBAL a = 7");
    EXPECT(busy.answer() == "ERR 1235");
    EXPECT(busy.core.in_transaction());
  }

  TEST_CASE(
      "SessionCore: DDL that must hear of a SET GLOBAL first asks again, with what it heard") {
    SessionScript script;
    script.query("CREATE TABLE t (a INT)");
    const auto request = script.posted_back<DdlRequest>();
    EXPECT((request.globals_seen == Seqno{0}));
    script.core.on_ddl_outcome({request.session, Seqno{}, false, true});
    EXPECT(script.answer().empty());
    script.seen_globals = Seqno{9};
    script.core.on_globals_changed(
        {Seqno{9}, {GlobalChange{{"time_zone", "UTC", true}, "SYSTEM", true}}});
    script.core.on_retry_due();
    const auto again = script.posted_back<DdlRequest>();
    EXPECT((again.globals_seen == Seqno{9}));
    EXPECT(again.session_set.find("time_zone=_utf8mb4 X'53595354454D'") != std::string::npos);
  }

  TEST_CASE("SessionCore: a session that runs keeps the values that it has") {
    SessionScript script;
    script.query("SET @@sort_buffer_size = 8192");
    protocol::OkPacket ok;
    ok.changes.system_variables.emplace_back("sort_buffer_size", "8192");
    script.backend_ok(Channel::kHome, ok);
    script.sent(Channel::kHome);
    const auto changed = [](std::string name, bool per_session) {
      return GlobalChange{{std::move(name), "1", false}, "7", per_session};
    };
    script.core.on_globals_changed(
        {Seqno{9}, {changed("sort_buffer_size", true), changed("a", true), changed("b", false)}});
    EXPECT(script.core.state().variable("sort_buffer_size") == "8192");
    EXPECT(script.core.state().variable("a") == "7");
    EXPECT_FALSE(script.core.state().variable("b").has_value());
    script.query("SELECT LAST_INSERT_ID()");
    EXPECT(script.sent(Channel::kHome) ==
           (Texts{"SET SESSION a=7, SESSION sort_buffer_size=8192", "SELECT LAST_INSERT_ID()"}));
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    script.query("SELECT LAST_INSERT_ID()");
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT LAST_INSERT_ID()"});
  }
}

}  // namespace
}  // namespace consort::proxy
