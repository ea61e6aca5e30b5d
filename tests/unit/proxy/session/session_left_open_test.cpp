// MySQL begins a transaction of its own where autocommit is off and its dictionary is read.
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

protocol::OkPacket in_transaction() {
  protocol::OkPacket ok;
  ok.status = protocol::status_flag::kInTransaction;
  return ok;
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a transaction that SHOW has begun at home ends behind it") {
    for (const ServerKind kind : {ServerKind::kMysql, ServerKind::kMariadb}) {
      SessionScript script;
      script.lease_kind = kind;
      script.query("SET sql_select_limit=9");
      script.sent(Channel::kHome);
      script.backend_ok(Channel::kHome, in_transaction());
      EXPECT(script.answer() == "OK");
      EXPECT(script.core.idle());
      EXPECT(script.sent(Channel::kHome) ==
             (kind == ServerKind::kMysql ? Texts{"ROLLBACK AND NO CHAIN NO RELEASE"} : Texts{}));
    }
  }

  TEST_CASE("SessionCore: the client's own transaction stays") {
    SessionScript script;
    script.lease_kind = ServerKind::kMysql;
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.backend_ok(Channel::kHome);  // XA START
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome, in_transaction());
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT(script.core.in_transaction());
  }
}

}  // namespace
}  // namespace consort::proxy
