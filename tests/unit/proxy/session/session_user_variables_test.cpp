// User variables travel with their session.
#include "proxy/session/session_core.h"
#include "proxy/session/user_variables.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

using Texts = std::vector<std::string>;
using router::PinReason;

const std::string kAskNames(kUserVariablesSql);
constexpr const char* kAskValues = "SELECT @`a`,COLLATION(@`a`)";
constexpr const char* kAskInsertId = "SET last_insert_id=@@last_insert_id";

/// SET @a = 1, done.
void assign(SessionScript& script) {
  script.query("SET @a = 1");
  script.backend_ok(Channel::kHome);
  EXPECT(script.core.pins().has(PinReason::kUserVariables));
  script.sent(Channel::kHome);
}

/// The home tells what the session asks when it is to leave.
void tell(SessionScript& script) {
  EXPECT(script.sent(Channel::kHome) == Texts{kAskNames});
  script.backend_row(Channel::kHome, {"61", "INT", "latin1"});
  EXPECT(script.sent(Channel::kHome) == Texts{kAskValues});
  script.backend_row(Channel::kHome, {"1", "binary"});
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: an idle session takes its user variables along") {
    SessionScript script;
    assign(script);
    EXPECT(script.core.yield(Channel::kHome, true));
    EXPECT(script.releases.empty());
    tell(script);
    EXPECT(script.releases == std::vector<bool>{true});
    EXPECT(script.core.home_has_traces());  // the next user must not find them
    EXPECT(script.core.pins().empty());

    script.query("SELECT @a");
    EXPECT((script.sent(Channel::kHome) == Texts{"SET @`a`=1", "SELECT @a"}));
    script.backend_ok(Channel::kHome);
    EXPECT(script.core.pins().has(PinReason::kUserVariables));
    script.backend_rows(Channel::kHome);
    EXPECT(script.answer() == "data | data | data | EOF");
    script.query("SELECT @a");
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT @a"});
  }

  TEST_CASE("SessionCore: with LAST_INSERT_ID() the variables are asked first") {
    SessionScript script;
    assign(script);
    script.query("SELECT LAST_INSERT_ID(7)");
    script.backend_rows(Channel::kHome);
    script.sent(Channel::kHome);
    EXPECT(script.core.yield(Channel::kHome, true));
    tell(script);
    EXPECT(script.releases.empty());
    EXPECT(script.sent(Channel::kHome) == Texts{kAskInsertId});
    script.answer_insert_id("7");
    EXPECT(script.releases == std::vector<bool>{true});
    script.query("SELECT @a, LAST_INSERT_ID()");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET last_insert_id=7", "SET @`a`=1", "SELECT @a, LAST_INSERT_ID()"}));
  }

  TEST_CASE("SessionCore: a statement that comes meanwhile keeps the connection") {
    SessionScript script;
    assign(script);
    EXPECT(script.core.yield(Channel::kHome, true));
    script.query("SET @a = 2");
    EXPECT((script.sent(Channel::kHome) == Texts{kAskNames, "SET @a = 2"}));
    script.backend_row(Channel::kHome, {"61", "INT", "latin1"});
    EXPECT(script.sent(Channel::kHome).empty());
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
    EXPECT(script.releases.empty());
    EXPECT(script.core.pins().has(PinReason::kUserVariables));
  }

  TEST_CASE("SessionCore: GET_LOCK elsewhere finds the variables there") {
    SessionScript script;
    script.home = BackendId{0};
    script.lock_home = UserLockHome::Place{BackendId{2}, 1};
    assign(script);
    script.query("SELECT GET_LOCK(@a, 1)");
    tell(script);
    EXPECT(script.releases == std::vector<bool>{true});
    EXPECT(script.core.home() == BackendId{2});
    EXPECT((script.sent(Channel::kHome) == Texts{"SET @`a`=1", "SELECT GET_LOCK(@a, 1)"}));
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    EXPECT(script.answer() == "data | data | data | EOF");
    EXPECT(script.core.pins().has(PinReason::kUserVariables));
  }

  TEST_CASE("SessionCore: what cannot be told exactly stays, and GET_LOCK elsewhere is refused") {
    SessionScript script;
    script.home = BackendId{0};
    script.lock_home = UserLockHome::Place{BackendId{2}, 1};
    assign(script);
    script.query("SELECT GET_LOCK('a', 1)");
    script.backend_row(Channel::kHome, {"C3A4", "INT", "latin1"});
    EXPECT(script.answer() == "ERR 1235");
    EXPECT(script.core.idle());
    EXPECT(script.releases.empty());
    EXPECT(script.core.pins().has(PinReason::kUserVariables));
    EXPECT_FALSE(script.core.yield(Channel::kHome, false));
    assign(script);  // perhaps it has become another
    EXPECT(script.core.yield(Channel::kHome, false));
  }

  TEST_CASE("SessionCore: a KILL QUERY of a lock statement that moves ends it") {
    SessionScript script;
    script.home = BackendId{0};
    script.lock_home = UserLockHome::Place{BackendId{2}, 1};
    assign(script);
    script.query("SELECT GET_LOCK('a', 1)");
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.core.pins().has(PinReason::kUserVariables));
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: variables that could not be set are set by the next statement") {
    SessionScript script;
    assign(script);
    EXPECT(script.core.yield(Channel::kHome, true));
    tell(script);
    script.query("SELECT @a");
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.releases.back() == false);
    script.sent(Channel::kHome);
    script.query("SELECT @a");
    EXPECT((script.sent(Channel::kHome) == Texts{"SET @`a`=1", "SELECT @a"}));
  }

  TEST_CASE("SessionCore: a home that is lost does not take what is on the way") {
    SessionScript script;
    assign(script);
    EXPECT(script.core.yield(Channel::kHome, true));
    tell(script);
    script.query("UPDATE t SET v=@a");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET @`a`=1", "XA START", "UPDATE t SET v=@a", "XA END", "XA PREPARE"}));
    script.lose(Channel::kHome);
    script.core.on_retry_due();
    EXPECT_FALSE(script.closed);
    EXPECT(script.sent(Channel::kHome).front() == "SET @`a`=1");
  }

  TEST_CASE("SessionCore: reads stay with the variables, also with those on their way") {
    SessionScript script;
    assign(script);
    script.query("SELECT v FROM t");
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT v FROM t"});
    script.backend_rows(Channel::kHome);
    EXPECT(script.core.yield(Channel::kHome, true));
    tell(script);
    script.query("SELECT v FROM t");
    EXPECT((script.sent(Channel::kHome) == Texts{"SET @`a`=1", "SELECT v FROM t"}));
    EXPECT(script.sent(Channel::kRead).empty());
  }

  TEST_CASE("SessionCore: variables that a trigger may have made are asked for, too") {
    SessionScript script;
    script.has_triggers = true;
    script.query("UPDATE t SET v=1");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 10);
    script.sent(Channel::kHome);
    EXPECT(script.core.yield(Channel::kHome, true));
    tell(script);
    script.query("SELECT @a");
    EXPECT(script.sent(Channel::kHome).front() == "SET @`a`=1");
  }

  TEST_CASE("SessionCore: a reset forgets variables on their way") {
    SessionScript script;
    assign(script);
    EXPECT(script.core.yield(Channel::kHome, true));
    tell(script);
    script.core.reset();
    script.query("SELECT @a FOR UPDATE");  // at home
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT @a FOR UPDATE"});
  }
}

}  // namespace
}  // namespace consort::proxy
