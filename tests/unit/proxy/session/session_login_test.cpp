// How a session begins, and begins again by COM_CHANGE_USER.
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

SessionOwner owner(std::string definer, std::string schema) {
  return {std::move(definer), SessionScript::kClient, std::move(schema), 45,
          SessionScript::kConnectionId};
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: COM_CHANGE_USER to a database that is denied leaves whom it was") {
    SessionScript script;
    script.lease_fails_permanently = true;
    script.core.reset();
    script.core.begin_checked(owner("'v'@'%'", "secret"), 3);
    REQUIRE(script.denied_change);
    EXPECT(script.denied_change->code == 1049);
    EXPECT(script.denied_sequence == 3);
    EXPECT(script.answer().empty());  // the shell answers, a while later
    EXPECT_FALSE(script.closed);
    EXPECT(script.core.idle());
    EXPECT(script.core.owner().definer == "'u'@'%'");
    EXPECT(script.core.state().schema() == "d");
    script.lease_fails_permanently = false;
    script.query("SELECT a FROM t");
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT a FROM t"});
  }

  TEST_CASE("SessionCore: COM_CHANGE_USER that succeeds is no way back") {
    SessionScript script;
    script.core.reset();
    script.core.begin_checked(owner("'v'@'%'", "e"), 1);
    EXPECT(script.answer() == "OK");
    EXPECT(script.core.owner().definer == "'v'@'%'");
    script.lease_fails_permanently = true;
    script.core.reset();
    script.core.begin_checked(owner("'w'@'%'", "f"), 1);
    EXPECT(script.denied_change);
    EXPECT(script.core.owner().definer == "'v'@'%'");
    EXPECT(script.core.state().schema() == "e");
  }

  TEST_CASE("SessionCore: interactive_timeout is a session's wait_timeout until it is reset") {
    SessionScript script({0xC1, 3, 16, {}},
                         SessionScript::kClient | protocol::capability::kInteractive);
    EXPECT(script.core.state().variable("wait_timeout") == "77");
    script.core.reset();
    EXPECT_FALSE(script.core.state().has_variables());
    EXPECT_FALSE(SessionScript().core.state().has_variables());
  }
}

}  // namespace
}  // namespace consort::proxy
