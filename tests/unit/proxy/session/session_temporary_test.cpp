#include "certifier/lane_sql.h"
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

using Texts = std::vector<std::string>;
using router::PinReason;

const std::string kMark(certifier::kMarkBranchSql);
const std::string kEnd = "COMMIT AND NO CHAIN NO RELEASE";

protocol::OkPacket changed(std::uint64_t rows) {
  protocol::OkPacket ok;
  ok.affected_rows = rows;
  ok.status = protocol::status_flag::kAutocommit | protocol::status_flag::kInTransaction;
  return ok;
}

void create(SessionScript& script, const std::string& name) {
  script.query("CREATE TEMPORARY TABLE " + name + " (a INT)");
  script.sent(Channel::kHome);
  script.backend_ok(Channel::kHome);
}

/// SHOW CREATE TABLE's answer.
void show_table(SessionScript& script, const std::string& definition) {
  script.backend_row(Channel::kHome, {"t", definition});
}

/// A transaction that changes a temporary table and then a plain one, up to its answered PREPARE.
void prepare_mixed(SessionScript& script) {
  create(script, "tmp");
  script.query("BEGIN");
  script.query("INSERT INTO tmp VALUES (1)");
  script.backend_ok(Channel::kHome);
  script.backend_ok(Channel::kHome, changed(1));
  script.query("INSERT INTO t VALUES (1)");
  script.backend_ok(Channel::kHome, changed(1));
  script.sent(Channel::kHome);
  script.query("COMMIT");
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a temporary table pins until the last one is dropped") {
    SessionScript script;
    script.query("CREATE TEMPORARY TABLE a (x INT)");
    EXPECT(script.sent(Channel::kHome) == Texts{"CREATE TEMPORARY TABLE a (x INT)"});
    EXPECT(script.core.pins().empty());
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
    EXPECT(script.core.pins().has(PinReason::kTemporaryTable));
    create(script, "b");
    script.query("SELECT * FROM a, t");
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT * FROM a, t"});
    script.backend_rows(Channel::kHome);
    script.query("DROP TEMPORARY TABLE a");
    script.backend_ok(Channel::kHome);
    EXPECT(script.core.pins().has(PinReason::kTemporaryTable));
    script.query("DROP TEMPORARY TABLE b");
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.core.pins().has(PinReason::kTemporaryTable));
    script.query("DROP TEMPORARY TABLE b");
    script.backend_ok(Channel::kHome);
    EXPECT(script.core.pins().empty());
  }

  TEST_CASE("SessionCore: a temporary table that was not made pins nobody") {
    SessionScript script;
    script.query("CREATE TEMPORARY TABLE a (x INT)");
    script.backend_error(Channel::kHome, 1050);
    EXPECT(script.core.pins().empty());
    create(script, "a");
    script.command(protocol::Command::kResetConnection, {});
    EXPECT(script.core.pins().empty());
    EXPECT(script.releases == std::vector<bool>{false});
    script.query("INSERT INTO a VALUES (1)");
    EXPECT(script.sent(Channel::kHome)[0] != "START TRANSACTION READ ONLY");
  }

  TEST_CASE("SessionCore: a change of temporary tables alone runs read-only") {
    SessionScript script;
    create(script, "tmp");
    script.query("INSERT INTO tmp SELECT * FROM t");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"START TRANSACTION READ ONLY", "INSERT INTO tmp SELECT * FROM t", kEnd}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome, changed(3));
    EXPECT(script.answer() == "OK 3");
    EXPECT_FALSE(script.core.idle());
    script.backend_ok(Channel::kHome);
    EXPECT(script.core.idle());
    script.query("SELECT ROW_COUNT()");
    EXPECT(script.answer() == "data | data | data | EOF");
    EXPECT(script.posted.empty());
  }

  TEST_CASE("SessionCore: a name that deceives: the write runs again in a branch") {
    SessionScript script;
    create(script, "tmp");
    script.query("INSERT INTO tmp VALUES (1)");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_error(Channel::kHome, 1792);
    EXPECT(script.answer().empty());
    script.backend_ok(Channel::kHome);
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "INSERT INTO tmp VALUES (1)",
                                                 "SHOW WARNINGS", kMark, "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: warnings of a statement that is marked are asked before, and kept") {
    SessionScript script;
    script.functions = true;
    create(script, "tmp");
    script.query("INSERT INTO t SELECT * FROM tmp");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "INSERT INTO t SELECT * FROM tmp",
                                                 "SHOW WARNINGS", kMark, "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome, changed(0));
    protocol::OkPacket ok = changed(1);
    ok.warnings = 1;
    script.backend_ok(Channel::kHome, ok);
    script.backend_row(Channel::kHome, {"Warning", "1364", "no default"});
    script.backend_ok(Channel::kHome, changed(0));
    script.backend_ok(Channel::kHome, changed(0));
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 12);
    EXPECT(script.answer() == "OK 1");
    script.query("SHOW WARNINGS");
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT(script.answer() == "data | data | data | data | data | EOF");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: warnings of a marked statement that lost are those of its end") {
    SessionScript script;
    script.functions = true;
    create(script, "tmp");
    script.query("INSERT INTO t SELECT * FROM tmp");
    script.backend_ok(Channel::kHome, changed(0));
    script.backend_ok(Channel::kHome, changed(1));
    script.backend_row(Channel::kHome, {"Warning", "1364", "no default"});
    script.backend_ok(Channel::kHome, changed(0));
    script.backend_ok(Channel::kHome, changed(0));
    script.backend_ok_gtid();
    const auto prepared = script.posted_back<BranchPrepared>();
    script.core.on_outcome(
        {prepared.session, prepared.branch, BranchVerdict::kConflict, Seqno{}, {}, BackendId{0}});
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "ERR 1213");
    script.query("SHOW WARNINGS");
    EXPECT(script.sent(Channel::kHome).back() == "SHOW WARNINGS");
  }

  TEST_CASE("SessionCore: a plain write beside temporary tables is a write like any other") {
    SessionScript script;
    create(script, "tmp");
    script.query("INSERT INTO t SELECT * FROM tmp");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "INSERT INTO t SELECT * FROM tmp", "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome, changed(1));
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    EXPECT_FALSE(script.posted_back<BranchPrepared>().session_ends_it);
  }

  TEST_CASE("SessionCore: a branch with temporary rows is marked, and ended by its session") {
    SessionScript script;
    prepare_mixed(script);
    EXPECT((script.sent(Channel::kHome) == Texts{kMark, "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    const auto prepared = script.posted_back<BranchPrepared>();
    EXPECT(prepared.session_ends_it);
    script.core.on_outcome(
        {prepared.session, prepared.branch, BranchVerdict::kConflict, Seqno{}, {}, BackendId{0}});
    EXPECT(script.sent(Channel::kHome) == Texts{"XA ROLLBACK"});
    EXPECT(script.answer().empty());
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.core.idle());
    EXPECT(script.core.pins().has(PinReason::kTemporaryTable));
  }

  TEST_CASE("SessionCore: a branch of nothing but temporary rows is committed by its session") {
    SessionScript script;
    prepare_mixed(script);
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    const auto prepared = script.posted_back<BranchPrepared>();
    script.core.on_outcome(
        {prepared.session, prepared.branch, BranchVerdict::kCommitted, Seqno{}, {}, BackendId{0}});
    EXPECT(script.sent(Channel::kHome) == Texts{"XA COMMIT"});
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: with autocommit off the end of such a branch needs it on for a moment") {
    SessionScript script;
    create(script, "tmp");
    script.query("SET autocommit=0");
    protocol::OkPacket off;
    off.changes.system_variables.emplace_back("autocommit", "OFF");
    script.backend_ok(Channel::kHome, off);
    script.query("INSERT INTO tmp VALUES (1)");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome, changed(1));
    script.query("COMMIT");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    const auto prepared = script.posted_back<BranchPrepared>();
    script.core.on_outcome(
        {prepared.session, prepared.branch, BranchVerdict::kCommitted, Seqno{}, {}, BackendId{0}});
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET autocommit=1", "XA COMMIT", "SET autocommit=0"}));
  }

  TEST_CASE("SessionCore: whoever leaves amid the end of such a branch abandons it") {
    SessionScript left;
    prepare_mixed(left);
    left.backend_ok(Channel::kHome);
    left.backend_ok(Channel::kHome);
    left.backend_ok_gtid();
    const auto prepared = left.posted_back<BranchPrepared>();
    left.core.on_client_gone();
    left.core.on_outcome(
        {prepared.session, prepared.branch, BranchVerdict::kConflict, Seqno{}, {}, BackendId{0}});
    EXPECT(left.posted_back<BranchAbandoned>().branch == prepared.branch);

    SessionScript lost;
    prepare_mixed(lost);
    lost.backend_ok(Channel::kHome);
    lost.backend_ok(Channel::kHome);
    lost.backend_ok_gtid();
    lost.core.on_outcome(
        {prepared.session, prepared.branch, BranchVerdict::kConflict, Seqno{}, {}, BackendId{0}});
    lost.lose(Channel::kHome);
    EXPECT(lost.posted_back<BranchAbandoned>().branch == prepared.branch);
    EXPECT(lost.answer() == "ERR 1053");
    EXPECT(lost.closed);
  }

  TEST_CASE("SessionCore: temporary rows that cannot be kept are an error, not a loss") {
    SessionScript script;
    prepare_mixed(script);
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1370);  // no right to mark
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);  // PREPARE: nothing in the binlog
    EXPECT(script.sent(Channel::kHome) == Texts{"XA ROLLBACK"});
    script.backend_error(Channel::kHome, 1402);
    EXPECT(script.answer() == "ERR 1105");
    EXPECT(script.posted.empty());
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a replay that undid temporary rows ends the session") {
    for (const bool replayed : {false, true}) {
      SessionScript script;
      prepare_mixed(script);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok_gtid();
      script.outcome(BranchVerdict::kCommitted, 12);
      EXPECT(script.answer() == "OK");
      script.query("SELECT * FROM tmp");
      EXPECT(script.waits == std::vector<Seqno>{Seqno{12}});
      script.applied_seqno = Seqno{12};
      script.replayed_seqno = replayed ? Seqno{12} : Seqno{11};
      script.sent(Channel::kHome);
      script.core.on_applied();
      EXPECT(script.closed == replayed);
      EXPECT(script.sent(Channel::kHome) == (replayed ? Texts{} : Texts{"SELECT * FROM tmp"}));
    }
  }

  TEST_CASE("SessionCore: before DDL the server says which tables are temporary") {
    SessionScript script;
    create(script, "tmp");
    script.query("ALTER TABLE tmp ADD b INT");
    EXPECT(script.sent(Channel::kHome) == Texts{"SHOW CREATE TABLE `tmp`"});
    show_table(script, "CREATE TEMPORARY TABLE `tmp` (..)");
    EXPECT(script.sent(Channel::kHome) == Texts{"ALTER TABLE tmp ADD b INT"});
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
    EXPECT(script.posted.empty());

    script.query("DROP TABLE d.tmp, `o``ther`");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SHOW CREATE TABLE `d`.`tmp`", "SHOW CREATE TABLE `o``ther`"}));
    show_table(script, "CREATE TABLE `tmp` (..)");
    script.backend_error(Channel::kHome, 1146);
    EXPECT(script.posted_back<DdlRequest>().sql == "DROP TABLE d.tmp, `o``ther`");
    script.core.on_ddl_outcome({});

    script.query("ALTER TABLE tmp RENAME TO t");  // a plain one may have that name
    show_table(script, "CREATE TEMPORARY TABLE `tmp` (..)");
    show_table(script, "CREATE TABLE `t` (..)");
    EXPECT(script.sent(Channel::kHome).back() == "ALTER TABLE tmp RENAME TO t");
    script.backend_error(Channel::kHome, 1050);

    script.query("RENAME TABLE t TO tmp");
    show_table(script, "CREATE TABLE `t` (..)");
    show_table(script, "CREATE TEMPORARY TABLE `tmp` (..)");
    EXPECT(script.answer() == "ERR 1235");

    // There every table calls itself a temporary one.
    script.sent(Channel::kHome);
    script.query("CREATE VIEW v AS SELECT * FROM information_schema.`TABLES`");
    EXPECT(script.sent(Channel::kHome).back() == "SELECT 0");
    script.backend_error(Channel::kHome, 1146);
    script.backend_row(Channel::kHome, {"0"});
    EXPECT(script.posted_back<DdlRequest>().sql.starts_with("CREATE VIEW v"));
    script.core.on_ddl_outcome({});

    script.query("TRUNCATE TABLE tmp");
    show_table(script, "CREATE TABLE `tmp` (..)");  // our name for it was wrong
    EXPECT(script.posted_back<DdlRequest>().sql == "TRUNCATE TABLE tmp");
  }

  TEST_CASE("SessionCore: of a DROP TABLE the other servers get what is theirs") {
    for (const auto& [sql, theirs] :
         {std::pair<std::string, std::string>{"DROP TABLE d.`tm``p`, t , `o``ther`",
                                              "DROP TABLE t, `o``ther`"},
          {"DROP TABLE IF EXISTS t1, d . t2, tmp WAIT 5", "DROP TABLE IF EXISTS d . t2, tmp"}}) {
      CAPTURE(sql);
      SessionScript script;
      create(script, "tmp");
      script.query(sql);
      script.sent(Channel::kHome);
      show_table(script, "CREATE TEMPORARY TABLE `tmp` (..)");
      show_table(script, "CREATE TABLE `t` (..)");
      script.backend_error(Channel::kHome, 1146);
      const auto request = script.posted_back<DdlRequest>();
      EXPECT(request.sql == theirs);
      EXPECT(request.targets.size() == 2);
      script.core.on_ddl_turn({request.session, Seqno{11}, request.home});
      script.sent(Channel::kHome);
      script.backend_ok(Channel::kHome);
      EXPECT(script.sent(Channel::kHome) == Texts{sql});  // the home drops them all
      script.backend_ok(Channel::kHome);
      EXPECT(script.posted_back<DdlExecuted>().end == DdlEnd::kSucceeded);
    }
  }

  TEST_CASE("SessionCore: a program may have left temporary tables behind: DDL asks, too") {
    SessionScript script;
    script.query("CALL leaves_a_table()");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);  // PREPARE: nothing in the binlog
    script.backend_ok(Channel::kHome);
    REQUIRE(script.core.idle());
    script.sent(Channel::kHome);
    script.query("DROP TABLE tmp");
    EXPECT(script.sent(Channel::kHome) == Texts{"SHOW CREATE TABLE `tmp`"});
    show_table(script, "CREATE TEMPORARY TABLE `tmp` (..)");
    EXPECT(script.sent(Channel::kHome) == Texts{"DROP TABLE tmp"});
    script.backend_ok(Channel::kHome);
    EXPECT(script.posted.empty());
  }

  TEST_CASE("SessionCore: DDL of as many tables as anybody writes asks of each") {
    SessionScript script;
    create(script, "tmp");
    std::string sql = "DROP TABLE t0";
    for (std::size_t i = 1; i < router::kTablesMax; ++i) {
      sql += ", t" + std::to_string(i);
    }
    script.query(sql);
    REQUIRE(script.sent(Channel::kHome).size() == router::kTablesMax);
    for (std::size_t i = 0; i < router::kTablesMax; ++i) {
      script.backend_error(Channel::kHome, 1146);
    }
    EXPECT(script.posted_back<DdlRequest>().sql == sql);
    EXPECT(script.posted_back<DdlRequest>().targets.size() == router::kTablesMax);
  }

  TEST_CASE("SessionCore: DDL does not run when the server could not say") {
    SessionScript script;
    create(script, "tmp");
    script.query("DROP TABLE tmp");
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT(script.posted.empty());
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: DDL on temporary tables commits first, their creation does not") {
    SessionScript script;
    create(script, "tmp");
    script.query("BEGIN");
    script.query("INSERT INTO t VALUES (1)");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome, changed(1));
    create(script, "more");
    EXPECT(script.answer() == "OK trx");
    script.query("DROP TABLE tmp");
    script.sent(Channel::kHome);
    show_table(script, "CREATE TEMPORARY TABLE `tmp` (..)");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: an engine that backends do not make is substituted") {
    SessionScript script;
    script.query("CREATE TEMPORARY TABLE m (a INT) ENGINE=MEMORY");
    const Texts sent = script.sent(Channel::kHome);
    REQUIRE(sent.size() == 3);
    EXPECT(sent[0].starts_with("SET SESSION sql_mode=REPLACE("));
    EXPECT(sent[1] == "CREATE TEMPORARY TABLE m (a INT) ENGINE=MEMORY");
    EXPECT(sent[2] == "SET SESSION sql_mode=DEFAULT");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
    script.backend_ok(Channel::kHome);
    script.query("SELECT * FROM m");
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT * FROM m"});
  }
}

}  // namespace
}  // namespace consort::proxy
