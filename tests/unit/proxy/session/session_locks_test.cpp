#include "proxy/session/session_core.h"
#include "proxy/session/user_lock_home.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

using Texts = std::vector<std::string>;
using router::PinReason;

constexpr const char* kAskInsertId = "SET last_insert_id=@@last_insert_id";
const std::string kHeldA = "SELECT 0 OR IS_USED_LOCK('a')<=>CONNECTION_ID()";

/// GET_LOCK('a', 1), answered, up to the question which locks are held.
void take_a(SessionScript& script) {
  script.query("SELECT GET_LOCK('a', 1)");
  EXPECT(script.sent(Channel::kHome) == Texts{"SELECT GET_LOCK('a', 1)"});
  script.backend_rows(Channel::kHome);
  EXPECT(script.answer() == "data | data | data | EOF");
  EXPECT(script.sent(Channel::kHome) == Texts{kHeldA});
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a user lock pins while the server says that it is held") {
    SessionScript script;
    take_a(script);
    EXPECT_FALSE(script.core.idle());
    script.backend_row(Channel::kHome, {"1"});
    EXPECT(script.core.idle());
    EXPECT(script.core.pins().has(PinReason::kUserLock));
    EXPECT(script.lock_holders == 1);
    script.query("DO RELEASE_LOCK('a')");
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
    EXPECT(script.sent(Channel::kHome) == (Texts{"DO RELEASE_LOCK('a')", kHeldA}));
    script.backend_row(Channel::kHome, {"0"});
    EXPECT(script.core.pins().empty());
    EXPECT(script.lock_holders == 0);
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a lock that was not granted pins nobody") {
    SessionScript script;
    take_a(script);
    script.backend_row(Channel::kHome, {"0"});
    EXPECT(script.core.pins().empty());
  }

  TEST_CASE("SessionCore: a lock of unknown name pins until all are released") {
    SessionScript script;
    script.query("SELECT GET_LOCK(CONCAT('a', 'b'), 1)");
    script.backend_rows(Channel::kHome);
    EXPECT(script.core.idle());
    EXPECT(script.core.pins().has(PinReason::kUserLock));
    script.query("SELECT RELEASE_LOCK('ab')");
    script.backend_rows(Channel::kHome);
    EXPECT(script.core.pins().has(PinReason::kUserLock));
    script.sent(Channel::kHome);
    script.query("SELECT RELEASE_ALL_LOCKS()");
    script.backend_rows(Channel::kHome);
    EXPECT((script.sent(Channel::kHome) == Texts{"SELECT RELEASE_ALL_LOCKS()", "SELECT 0"}));
    script.backend_row(Channel::kHome, {"0"});
    EXPECT(script.core.pins().empty());
  }

  TEST_CASE("SessionCore: a session moves to where locks are taken, LAST_INSERT_ID() with it") {
    SessionScript script;
    script.home = BackendId{0};
    script.lock_home = UserLockHome::Place{BackendId{2}, 1};
    script.query("SELECT LAST_INSERT_ID(7)");
    script.backend_rows(Channel::kHome);
    EXPECT(script.core.home() == BackendId{0});
    script.sent(Channel::kHome);
    script.query("SELECT GET_LOCK('a', 1)");
    EXPECT(script.sent(Channel::kHome) == Texts{kAskInsertId});
    script.answer_insert_id("7");
    EXPECT(script.releases == std::vector<bool>{true});
    EXPECT(script.core.home() == BackendId{2});
    EXPECT(
        (script.sent(Channel::kHome) == Texts{"SET last_insert_id=7", "SELECT GET_LOCK('a', 1)"}));
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    script.backend_row(Channel::kHome, {"1"});
    script.query("SELECT LAST_INSERT_ID()");
    EXPECT_FALSE(script.closed);
    EXPECT(script.sent(Channel::kHome).back() == "SELECT LAST_INSERT_ID()");
  }

  TEST_CASE("SessionCore: a session that is giving its home away moves with the same answer") {
    SessionScript script;
    script.home = BackendId{0};
    script.lock_home = UserLockHome::Place{BackendId{2}, 1};
    script.query("SELECT LAST_INSERT_ID(7)");
    script.backend_rows(Channel::kHome);
    script.sent(Channel::kHome);
    EXPECT(script.core.yield(Channel::kHome, true));
    script.query("SELECT GET_LOCK('a', 1)");
    EXPECT(script.sent(Channel::kHome) == Texts{kAskInsertId});
    EXPECT(script.releases.empty());
    script.answer_insert_id("7");
    EXPECT(script.releases == std::vector<bool>{true});
    EXPECT(script.core.home() == BackendId{2});
    EXPECT(
        (script.sent(Channel::kHome) == Texts{"SET last_insert_id=7", "SELECT GET_LOCK('a', 1)"}));
  }

  TEST_CASE("SessionCore: a session that does not know LAST_INSERT_ID() any more ends for it") {
    SessionScript script;
    script.home = BackendId{0};
    script.lock_home = UserLockHome::Place{BackendId{2}, 1};
    script.query("SELECT LAST_INSERT_ID(7)");
    script.backend_rows(Channel::kHome);
    script.query("SELECT GET_LOCK('a', 1)");
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.core.home() == BackendId{2});
    script.sent(Channel::kHome);
    script.backend_rows(Channel::kHome);
    script.backend_row(Channel::kHome, {"0"});
    EXPECT(script.core.idle());
    script.query("SELECT LAST_INSERT_ID()");
    EXPECT(script.closed);
  }

  TEST_CASE("SessionCore: a held lock keeps the connection, and leaves traces on it") {
    SessionScript script;
    take_a(script);
    EXPECT_FALSE(script.core.yield(Channel::kHome, false));  // the server has still to say
    script.backend_row(Channel::kHome, {"1"});
    EXPECT_FALSE(script.core.yield(Channel::kHome, false));
    script.core.leave_home();
    EXPECT(script.releases.empty());
    script.query("SELECT RELEASE_LOCK('a')");
    script.backend_rows(Channel::kHome);
    script.backend_row(Channel::kHome, {"0"});
    EXPECT(script.core.yield(Channel::kHome, false));
    EXPECT(script.releases == std::vector<bool>{true});
    EXPECT(script.core.home_has_traces());
  }

  TEST_CASE("SessionCore: a session that cannot move there is told so") {
    SessionScript script;
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.lock_home = UserLockHome::Place{BackendId{2}, 1};
    script.sent(Channel::kHome);
    script.query("SELECT GET_LOCK('a', 1)");
    EXPECT(script.answer() == "ERR 1235");
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT(script.core.in_transaction());

    SessionScript pinned;
    pinned.query("PREPARE p FROM 'SELECT 1'");
    pinned.backend_row(Channel::kHome, {"SELECT 1"});  // what its text is
    pinned.backend_ok(Channel::kHome);
    pinned.lock_home = UserLockHome::Place{BackendId{2}, 1};
    pinned.query("SELECT GET_LOCK('a', 1)");
    EXPECT(pinned.answer() == "ERR 1235");
    EXPECT_FALSE(pinned.closed);
  }

  TEST_CASE("SessionCore: locks end with the place where they were taken") {
    SessionScript script;
    take_a(script);
    script.backend_row(Channel::kHome, {"1"});
    script.lock_home = UserLockHome::Place{BackendId{1}, 2};
    script.query("UPDATE t SET v=1");
    EXPECT(script.answer() == "ERR 1053");
    EXPECT(script.closed);
    EXPECT(script.lock_holders == 0);
  }

  TEST_CASE("SessionCore: prepared statements and handlers pin until the last is gone") {
    SessionScript script;
    const auto run = [&](std::string_view sql, bool fails = false) {
      script.query(sql);
      if (sql.starts_with("PREPARE")) {
        script.backend_row(Channel::kHome, {"SELECT 0"});  // what its text is
      }
      fails ? script.backend_error(Channel::kHome, 1243) : script.backend_ok(Channel::kHome);
      return script.core.pins();
    };
    EXPECT(run("PREPARE a FROM 'SELECT 1'").has(PinReason::kPreparedText));
    EXPECT(run("PREPARE `B` FROM 'SELECT 2'").has(PinReason::kPreparedText));
    EXPECT(run("PREPARE a FROM 'SELECT 3'").has(PinReason::kPreparedText));
    EXPECT(run("DEALLOCATE PREPARE A").has(PinReason::kPreparedText));
    EXPECT(run("DROP PREPARE b", true).empty());
    EXPECT(run("HANDLER t OPEN").has(PinReason::kHandler));
    EXPECT(run("HANDLER t OPEN AS h").has(PinReason::kHandler));
    EXPECT(run("HANDLER h READ FIRST").has(PinReason::kHandler));
    EXPECT(run("HANDLER h CLOSE").has(PinReason::kHandler));
    EXPECT(run("HANDLER t CLOSE").empty());
    EXPECT(run("HANDLER x READ FIRST", true).empty());
  }

  TEST_CASE("UserLockHome: stays where it is, moves when that goes") {
    UserLockHome home;
    std::vector<bool> serving = {false, true, true};
    std::vector<bool> tolerated = {false, true, true};
    const auto find = [&] {
      return home.find(
          3, [&](BackendId backend) { return serving[backend.value]; },
          [&](BackendId backend) { return tolerated[backend.value]; });
    };
    EXPECT(find()->backend == BackendId{1});
    const std::uint64_t first = find()->generation;
    serving[0] = true;
    EXPECT(find()->backend == BackendId{1});
    home.count_holder(1);
    serving[1] = false;  // it drains: who holds a lock may finish
    EXPECT(find()->backend == BackendId{1});
    home.count_holder(-1);
    EXPECT(find()->backend == BackendId{0});
    EXPECT(find()->generation == first + 1);
    serving.assign(3, false);
    EXPECT_FALSE(find());
    serving[0] = true;
    EXPECT(find()->generation == first + 1);
  }
}

}  // namespace
}  // namespace consort::proxy
