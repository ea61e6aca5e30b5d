// ALTER TABLE that numbers rows or gives them values: alike on all servers, or not at all.
#include <algorithm>

#include "certifier/ddl_fence.h"
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

const Texts kTurnEnd = {std::string(certifier::kDdlReleaseSql),
                        std::string(certifier::kDdlClockSql)};
const std::string kByOne =
    "SET SESSION auto_increment_increment=1, SESSION auto_increment_offset=1";
const std::string kAsEver =
    "SET SESSION auto_increment_increment=16, SESSION auto_increment_offset=3";

Texts counting_ends() {
  Texts texts = kTurnEnd;
  texts.push_back(kAsEver);
  return texts;
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: an ALTER that numbers rows counts by one on all servers") {
    constexpr std::string_view kAlter = "ALTER TABLE d.t ADD id INT AUTO_INCREMENT PRIMARY KEY";
    SessionScript script;
    const DdlRequest request = pass_fence(script, kAlter);
    EXPECT(request.session_set.find(kByOne.substr(kByOne.find(' ', 4))) != std::string::npos);
    const Texts asked = script.sent(Channel::kHome);
    REQUIRE(asked.size() == 1);
    EXPECT(asked[0].starts_with("SELECT NOT EXISTS(SELECT 1 FROM information_schema.STATISTICS"));
    EXPECT(asked[0].find("AND EXISTS(SELECT 1 FROM `d`.`t`), @@") != std::string::npos);
    script.backend_row(Channel::kHome, {"0", "16", "3"});
    EXPECT(script.sent(Channel::kHome) == Texts{kByOne, std::string(kAlter)});
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.sent(Channel::kHome) == counting_ends());
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kSucceeded);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "OK");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: values that servers would give to rows in their own ways are refused") {
    constexpr std::string_view kAlter = "ALTER TABLE t ADD u CHAR(36) DEFAULT (UUID())";
    SessionScript script;
    const DdlRequest request = pass_fence(script, kAlter);
    script.sent(Channel::kHome);
    script.backend_row(Channel::kHome, {"1", "16", "3"});
    EXPECT(script.sent(Channel::kHome) == kTurnEnd);
    EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kFailed);
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "ERR 1235");
  }

  TEST_CASE(
      "SessionCore: rows that lie in orders of the servers' own get one, then the ALTER runs") {
    for (const std::string_view sql : {"ALTER TABLE t ADD id INT AUTO_INCREMENT PRIMARY KEY",
                                       "ALTER IGNORE TABLE t ADD UNIQUE (a)"}) {
      CAPTURE(sql);
      const bool numbers = sql.find("IGNORE") == sql.npos;
      SessionScript script;
      const DdlRequest request = pass_fence(script, sql);
      script.sent(Channel::kHome);
      script.backend_row(Channel::kHome, {"1", "16", "3"});
      EXPECT(script.sent(Channel::kHome) == kTurnEnd);
      EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kFailed);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.core.on_ddl_outcome({request.session, Seqno{11}});
      EXPECT(script.answer().empty());
      const DdlRequest again = script.posted_back<AlignTable>().ddl;
      EXPECT(again.sql == sql);
      EXPECT(again.session_set == request.session_set);
      EXPECT(again.targets.front().table == "t");

      script.core.on_ddl_turn({request.session, Seqno{13}, BackendId{0}});
      script.sent(Channel::kHome);
      script.backend_ok(Channel::kHome);  // the fence
      const Texts asked = script.sent(Channel::kHome);
      REQUIRE(asked.size() == 1);
      EXPECT(asked[0] == "SELECT 0, @@auto_increment_increment, @@auto_increment_offset LIMIT 1");
      script.backend_row(Channel::kHome, {"0", "16", "3"});
      EXPECT(script.sent(Channel::kHome).back() == sql);
      if (numbers) {
        script.backend_ok(Channel::kHome);
      }
      script.backend_ok(Channel::kHome);
      const DdlExecuted executed = script.posted_back<DdlExecuted>();
      EXPECT(executed.end == DdlEnd::kSucceeded);
      EXPECT((executed.seqno == Seqno{13}));
      script.core.on_ddl_outcome({request.session, Seqno{13}});
      EXPECT(script.answer() == "OK");
    }
  }

  TEST_CASE(
      "SessionCore: rows that cannot be brought into one order are looked at again, or refused") {
    constexpr std::string_view kAlter = "ALTER TABLE t ADD id INT AUTO_INCREMENT PRIMARY KEY";

    struct Row {
      DdlOutcome outcome;
      std::string answer;
    };

    for (const Row& row :
         {Row{{{}, Seqno{}, false, true}, ""}, Row{{{}, Seqno{}, true}, "ERR 1205"},
          Row{{{}, Seqno{}, false, false, false, false, "why"}, "ERR 1235"}}) {
      CAPTURE(row.answer);
      SessionScript script;
      const DdlRequest request = pass_fence(script, kAlter);
      script.sent(Channel::kHome);
      script.backend_row(Channel::kHome, {"1", "16", "3"});
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.core.on_ddl_outcome({request.session, Seqno{11}});
      (void)script.posted_back<AlignTable>();
      script.core.on_ddl_outcome(row.outcome);
      EXPECT(script.answer() == row.answer);
      if (row.answer.empty()) {
        script.core.on_retry_due();
        EXPECT(script.posted_back<DdlRequest>().sql == kAlter);
        script.core.on_ddl_turn({request.session, Seqno{15}, BackendId{0}});
        script.sent(Channel::kHome);
        script.backend_ok(Channel::kHome);
        EXPECT(script.sent(Channel::kHome)[0].starts_with("SELECT NOT EXISTS"));
      }
    }
  }

  TEST_CASE("SessionCore: of a table that is not there the ALTER itself tells") {
    SessionScript script;
    (void)pass_fence(script, "ALTER TABLE IF EXISTS t ADD u CHAR(36) DEFAULT (UUID())");
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1146);
    EXPECT(script.sent(Channel::kHome).size() == 1);
    script.backend_error(Channel::kHome, 1146);
    EXPECT(script.posted_back<DdlExecuted>().error == 1146);
  }

  TEST_CASE("SessionCore: another error of the question is the client's") {
    SessionScript script;
    const DdlRequest request = pass_fence(script, "ALTER TABLE t ADD u INT DEFAULT (RAND())");
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1142);
    EXPECT(script.sent(Channel::kHome) == kTurnEnd);
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    EXPECT(script.answer() == "ERR 1142");
  }

  TEST_CASE("SessionCore: directories of a table's files are ignored on all servers") {
    for (const char* sql : {"CREATE TABLE t (a INT) DATA DIRECTORY='/x'",
                            "ALTER TABLE t ADD PARTITION (PARTITION p Index Directory='/x')"}) {
      CAPTURE(sql);
      SessionScript script;
      const DdlRequest request = pass_fence(script, sql);
      EXPECT(request.session_set.find(
                 ", SESSION sql_mode=CONCAT(@@GLOBAL.sql_mode,',NO_DIR_IN_CREATE')") !=
             std::string::npos);
      EXPECT((script.sent(Channel::kHome) ==
              Texts{"SET SESSION sql_mode=CONCAT(@@sql_mode,',NO_DIR_IN_CREATE')", sql,
                    "SET SESSION sql_mode=DEFAULT"}));
    }
    SessionScript script;
    EXPECT(pass_fence(script, "CREATE TABLE t (a INT)").session_set.find("NO_DIR") ==
           std::string::npos);
    EXPECT(script.sent(Channel::kHome) == Texts{"CREATE TABLE t (a INT)"});
  }

  TEST_CASE("SessionCore: partitions are no engine where an index comes or goes") {
    for (const char* sql :
         {"DROP INDEX i ON t", "CREATE UNIQUE INDEX i ON t (a)", "ALTER TABLE t ENGINE = InnoDB",
          "ALTER TABLE t engine 'innodb', FORCE"}) {
      CAPTURE(sql);
      SessionScript script;
      const DdlRequest request = pass_fence(script, sql);
      EXPECT(request.session_set.find("REPLACE(@@GLOBAL.sql_mode,'NO_ENGINE_SUBSTITUTION','')") !=
             std::string::npos);
      const Texts asked = script.sent(Channel::kHome);
      REQUIRE(asked.size() == 1);
      EXPECT(asked[0].ends_with("LIKE '%partitioned%') LIMIT 1"));
      script.backend_row(Channel::kHome, {"1"});
      EXPECT((script.sent(Channel::kHome) ==
              Texts{"SET SESSION sql_notes=0",
                    "SET SESSION sql_mode=REPLACE(@@sql_mode,'NO_ENGINE_SUBSTITUTION','')", sql,
                    "SET SESSION sql_mode=DEFAULT"}));
    }
    for (const char* sql : {"ALTER TABLE t ENGINE=MyISAM", "ALTER TABLE t ADD engine INT",
                            "ALTER TABLE t ADD i INT"}) {
      CAPTURE(sql);
      SessionScript script;
      EXPECT(pass_fence(script, sql).session_set.find("ENGINE") == std::string::npos);
      EXPECT(script.sent(Channel::kHome) == Texts{sql});
    }
    SessionScript script;  // what IF EXISTS has to say is a note
    (void)pass_fence(script, "DROP INDEX IF EXISTS i ON d.t");
    EXPECT(script.sent(Channel::kHome)[0].find("AND NOT EXISTS") != std::string::npos);
  }

  TEST_CASE("SessionCore: no table's file comes or goes on one server") {
    SessionScript script;
    script.query("ALTER TABLE t DISCARD TABLESPACE");
    EXPECT(script.answer() == "ERR 1235");
    script.query("ALTER TABLE t IMPORT TABLESPACE");
    EXPECT(script.answer() == "ERR 1235");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: what a connection is for one statement only is undone, all of it") {
    SessionScript script;
    (void)pass_fence(script, "ALTER TABLE t ENGINE=InnoDB, ADD id INT AUTO_INCREMENT PRIMARY KEY");
    script.backend_row(Channel::kHome, {"0", "16", "3"});
    script.backend_ok(Channel::kHome);  // it counts by one
    script.backend_row(Channel::kHome, {"1"});
    script.sent(Channel::kHome);
    for (int reply = 0; reply < 4; ++reply) {  // without notes, its sql_mode, the ALTER, the mode
      script.backend_ok(Channel::kHome);
    }
    const Texts undone = script.sent(Channel::kHome);
    for (const std::string& sql : {kAsEver, std::string("SET SESSION sql_notes=DEFAULT")}) {
      CAPTURE(sql);
      EXPECT(std::count(undone.begin(), undone.end(), sql) == 1);
    }
  }

  TEST_CASE("SessionCore: a connection that would go on counting by one is closed") {
    SessionScript script;
    (void)pass_fence(script, "ALTER TABLE t ADD id INT AUTO_INCREMENT PRIMARY KEY");
    script.backend_row(Channel::kHome, {"0", "16", "3"});
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.releases.empty());
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.releases == std::vector<bool>{false});
  }
}

}  // namespace
}  // namespace consort::proxy
