// SET GLOBAL read_only: what sessions without the right may not do any more.
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

TEST_SUITE("session") {
  TEST_CASE("SessionCore: under read_only nothing is sent that writes") {
    SessionScript script;
    script.reads_only = true;
    for (const char* sql : {"INSERT INTO t VALUES (1)", "CREATE TABLE u (a INT)", "DROP USER v",
                            "SELECT a FROM t FOR UPDATE", "LOCK TABLES t READ, u WRITE",
                            "START TRANSACTION READ WRITE", "OPTIMIZE TABLE t"}) {
      script.query(sql);
      EXPECT(script.answer() == "ERR 1290");
      EXPECT(script.core.idle());
    }
    EXPECT(script.posted.empty());
    script.query("START TRANSACTION");
    EXPECT(script.answer() == "OK trx");
    script.query("COMMIT");
    EXPECT(script.answer() == "OK");
    script.query("CREATE TEMPORARY TABLE tmp (a INT)");
    EXPECT_FALSE(script.sent(Channel::kHome).empty());
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
    script.query("LOCK TABLES t READ, tmp WRITE");  // nobody else has that one
    EXPECT(script.answer().empty());
  }

  TEST_CASE("SessionCore: a transaction that has written before read_only cannot commit") {
    SessionScript script;
    script.query("BEGIN");
    script.query("INSERT INTO t VALUES (1)");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.reads_only = true;
    script.query("COMMIT");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    EXPECT(script.answer() == "ERR 1290");
    EXPECT(script.posted_back<BranchAbandoned>().branch == BranchId{1, 0, 1});
    EXPECT_FALSE(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: @@init_connect is what clients have SET GLOBAL") {
    SessionScript script;
    script.init_connect_text = "DO 1";
    script.query("SELECT @@init_connect AS v");
    EXPECT(script.sent(Channel::kRead) ==
           Texts{"SELECT IF(1,_utf8mb4 X'444F2031',@@global.init_connect) AS v"});
    script.backend_rows(Channel::kRead);
    script.query("SHOW VARIABLES LIKE 'init_connect'");
    EXPECT(script.sent(Channel::kRead) ==
           Texts{"SELECT 'init_connect' AS Variable_name,_utf8mb4 X'444F2031' AS Value"});
  }

  TEST_CASE("SessionCore: @@read_only is what clients have SET GLOBAL") {
    SessionScript script;
    script.query("SELECT @@global.read_only");
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT @@global.read_only"});
    script.backend_rows(Channel::kRead);
    script.reads_only = true;
    script.query("SELECT @@global.read_only, @@tx_read_only");
    EXPECT(script.sent(Channel::kRead) ==
           Texts{"SELECT 1 AS `@@global.read_only`, @@tx_read_only"});
  }

  TEST_CASE("SessionCore: @@event_scheduler is what clients have SET GLOBAL") {
    SessionScript script;
    script.query("SELECT @@event_scheduler");
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT @@event_scheduler"});
    script.backend_rows(Channel::kRead);
    script.events_on = true;
    script.query("SELECT @@event_scheduler, @@session.event_scheduler");
    EXPECT(script.sent(Channel::kRead) ==
           Texts{"SELECT 'ON' AS `@@event_scheduler`, @@session.event_scheduler"});
    script.backend_rows(Channel::kRead);
    script.query("SHOW VARIABLES LIKE 'event_scheduler'");
    EXPECT(script.sent(Channel::kRead) ==
           Texts{"SELECT 'event_scheduler' AS Variable_name,'ON' AS Value"});
    script.backend_rows(Channel::kRead);
    script.query("SHOW VARIABLES LIKE 'event%'");
    EXPECT(script.sent(Channel::kRead) == Texts{"SHOW VARIABLES LIKE 'event%'"});
  }
}

}  // namespace
}  // namespace consort::proxy
