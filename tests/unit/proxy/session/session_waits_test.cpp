// What a session does when those it waits for are overloaded or away.
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a branch that an overloaded commit thread refuses is given up") {
    SessionScript script;
    script.commit_mailbox_full = true;
    script.query("UPDATE t SET v=1");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    EXPECT(script.answer() == "ERR 1213");
    REQUIRE(script.posted.size() == 1);  // else its locks stay until somebody looks
    EXPECT(script.posted_back<BranchAbandoned>().branch == BranchId{1, 0, 1});
    EXPECT(script.posted_back<BranchAbandoned>().owner_thread == 0);
    EXPECT(script.core.idle());
  }
}

}  // namespace
}  // namespace consort::proxy
