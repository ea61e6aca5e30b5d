// CREATE TABLE .. SELECT, step by step.
#include "certifier/ddl_fence.h"
#include "certifier/lane_sql.h"
#include "proxy/session/create_select.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/prepare_script.h"

namespace consort::proxy {
namespace {

/// Number and length of each packet.
std::string packets_of(const Buffer& reply) {
  std::string out;
  Bytes rest(reply);
  while (const auto frame = protocol::peek_packet(rest)) {
    out += std::to_string(frame->sequence) + ":" + std::to_string(frame->payload.size()) + " ";
    rest = rest.subspan(frame->bytes);
  }
  return out;
}

const std::string kShow = "SHOW CREATE TABLE `d`.`consort_create_select`";
const std::string kInClientsCharacterSet =
    "SET STATEMENT character_set_results=@@character_set_client FOR ";
const std::string kDrop = "DROP TEMPORARY TABLE IF EXISTS `d`.`consort_create_select`";
const std::string kEnd = "COMMIT AND NO CHAIN NO RELEASE";

protocol::OkPacket plain_ok(std::uint64_t rows = 0) {
  protocol::OkPacket ok;
  ok.affected_rows = rows;
  ok.status = protocol::status_flag::kAutocommit;
  return ok;
}

Texts home_got(SessionScript& script) {
  return script.sent(Channel::kHome);
}

/// The one statement that the home got; empty: none, or several.
std::string home_got_one(SessionScript& script) {
  const Texts texts = home_got(script);
  return texts.size() == 1 ? texts.front() : std::string();
}

/// From the client's statement to the answered question whether the name is free.
void check(SessionScript& script, const std::string& sql = "CREATE TABLE t SELECT 1 AS a") {
  script.query(sql);
  REQUIRE(home_got_one(script) == sql);
  answer_prepare(script, Channel::kHome, 7);
  REQUIRE(home_got_one(script) == "CREATE TABLE `t`");
  script.backend_error(Channel::kHome, 1113);
}

/// The answer to SHOW CREATE TABLE of the collected rows.
void tell_definition(SessionScript& script) {
  script.backend_row(Channel::kHome, {"consort_create_select",
                                      "CREATE TEMPORARY TABLE `consort_create_select` (\n"
                                      "  `a` int(1) NOT NULL\n) ENGINE=InnoDB"});
}

/// And to SHOW COLUMNS.
void tell_columns(SessionScript& script) {
  script.backend_row(Channel::kHome, {"a", "int(1)", "NO", "", "", ""});
}

/// Further, to the answered SHOW COLUMNS: the rows are collected.
void collect(SessionScript& script, std::uint64_t rows = 2) {
  check(script);
  REQUIRE(home_got_one(script) ==
          "CREATE OR REPLACE TEMPORARY TABLE `d`.`consort_create_select`  SELECT 1 AS a");
  protocol::OkPacket ok = plain_ok(rows);
  ok.info = "Records: 2  Duplicates: 0  Warnings: 0";
  ok.last_insert_id = 5;
  script.backend_ok(Channel::kHome, ok);
  REQUIRE(home_got_one(script).starts_with("SET SESSION sql_mode="));
  ok = plain_ok();
  ok.changes.system_variables.emplace_back("sql_mode", "NO_AUTO_VALUE_ON_ZERO");
  ok.changes.system_variables.emplace_back("check_constraint_checks", "OFF");
  script.backend_ok(Channel::kHome, ok);
  REQUIRE(home_got_one(script) == "SET STATEMENT character_set_results=utf8mb4 FOR " + kShow);
  tell_definition(script);
  REQUIRE(home_got_one(script) ==
          kInClientsCharacterSet + "SHOW COLUMNS FROM `d`.`consort_create_select`");
  tell_columns(script);
}

/// Further: every server creates the table, at seqno 11.
void create(SessionScript& script) {
  const auto request = script.posted_back<DdlRequest>();
  REQUIRE(request.sql == "CREATE TABLE `t` (\n  `a` int(1) NOT NULL\n) ENGINE=InnoDB");
  script.core.on_ddl_turn({request.session, Seqno{11}, request.home});
  script.backend_ok(Channel::kHome, plain_ok());  // the fence
  script.backend_ok(Channel::kHome, plain_ok());
  script.backend_ok(Channel::kHome, plain_ok());  // and its end
  script.backend_ok(Channel::kHome, plain_ok());  // the clock
  script.applied_seqno = Seqno{11};
  script.core.on_ddl_outcome({request.session, Seqno{11}});
  home_got(script);
  script.pump();
}

const Texts kFill = {"XA START",
                     "INSERT INTO `t` (`a`) SELECT `a` FROM `d`.`consort_create_select`", "XA END",
                     "XA PREPARE"};

/// Further: the rows are prepared.
void fill(SessionScript& script) {
  REQUIRE(home_got(script) == kFill);
  script.backend_ok(Channel::kHome, plain_ok());
  script.backend_ok(Channel::kHome, plain_ok(2));
  script.backend_ok(Channel::kHome, plain_ok());
  script.backend_ok_gtid();
}

/// Which entry's table the commit thread was told to drop; 0: none.
Seqno unfilled(const SessionScript& script) {
  for (const CommitRequest& request : script.posted) {
    if (const auto* told = std::get_if<TableUnfilled>(&request)) {
      return told->made_by;
    }
  }
  return {};
}

/// The end: nothing of the steps is left at the home.
void clean(SessionScript& script) {
  REQUIRE(home_got_one(script) == kDrop);
  script.backend_ok(Channel::kHome, plain_ok());
  REQUIRE(home_got_one(script) ==
          "SET SESSION sql_mode=DEFAULT, SESSION sql_quote_show_create=DEFAULT, SESSION "
          "check_constraint_checks=DEFAULT");
  script.backend_ok(Channel::kHome, plain_ok());
  EXPECT(script.core.pins().empty());
  EXPECT_FALSE(script.core.state().has_variables());
}

/// A transaction is open, and has a branch.
void change_rows(SessionScript& script) {
  script.query("BEGIN");
  script.query("UPDATE t SET v=1");
  script.backend_ok(Channel::kHome);
  script.backend_ok(Channel::kHome);
  home_got(script);
}

TEST_SUITE("session") {
  TEST_CASE("CreateSelect: collected, created everywhere, filled by a certified write") {
    SessionScript script;
    collect(script);
    EXPECT_FALSE(script.core.idle());
    EXPECT(script.core.pins().has(router::PinReason::kTemporaryTable));
    create(script);
    fill(script);
    EXPECT(script.answer().empty());
    script.outcome(BranchVerdict::kCommitted, 12);
    script.applied_seqno = Seqno{12};
    script.core.on_applied();
    script.pump();
    clean(script);
    EXPECT(script.answer() == "OK 2");
    EXPECT(script.last_sequence() == 1);
    EXPECT(script.core.idle());
    const auto ok = protocol::decode_ok(Bytes(script.to_client).subspan(4), SessionScript::kClient);
    REQUIRE(ok.ok());
    EXPECT(ok->info == "Records: 2  Duplicates: 0  Warnings: 0");
    EXPECT(ok->last_insert_id == 5);
    script.query("SELECT ROW_COUNT()");
    EXPECT(script.answer() == "data | data | data | EOF");
    EXPECT(unfilled(script) == Seqno{});
  }

  TEST_CASE("CreateSelect: no rows, no write") {
    SessionScript script;
    collect(script, 0);
    create(script);
    clean(script);
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("CreateSelect: the server's own words where it refuses") {
    SessionScript rights;
    rights.query("CREATE TABLE t SELECT 1 AS a");
    rights.backend_error(Channel::kHome, 1142);
    EXPECT(rights.answer() == "ERR 1142");
    EXPECT(rights.core.idle());

    SessionScript taken;
    taken.query("CREATE TABLE t SELECT 1 AS a");
    answer_prepare(taken, Channel::kHome, 7);
    taken.backend_error(Channel::kHome, 1050);
    EXPECT(taken.answer() == "ERR 1050");
    EXPECT(taken.statements.empty());

    SessionScript query;
    check(query);
    query.backend_error(Channel::kHome, 1062);
    EXPECT(query.answer() == "ERR 1062");
    EXPECT(query.core.pins().empty());
    EXPECT(query.posted.empty());
  }

  TEST_CASE("CreateSelect: IF NOT EXISTS of what exists selects nothing") {
    SessionScript script;
    script.query("CREATE TABLE IF NOT EXISTS t SELECT 1 AS a");
    home_got(script);
    answer_prepare(script, Channel::kHome, 7);
    EXPECT(home_got_one(script) == "CREATE TABLE IF NOT EXISTS `t`");
    protocol::OkPacket ok = plain_ok();
    ok.warnings = 1;
    script.backend_ok(Channel::kHome, ok);
    EXPECT(script.answer() == "OK");
    script.query("SHOW WARNINGS");
    EXPECT(home_got_one(script) == "SHOW WARNINGS");
  }

  TEST_CASE("CreateSelect: OR REPLACE asks nobody whether the name is free") {
    SessionScript script;
    script.query("CREATE OR REPLACE TABLE t CHARSET=utf8mb4 SELECT 1 AS a");
    home_got(script);
    answer_prepare(script, Channel::kHome, 7);
    EXPECT(
        home_got_one(script) ==
        "CREATE OR REPLACE TEMPORARY TABLE `d`.`consort_create_select`  CHARSET=utf8mb4 SELECT 1 "
        "AS a");
  }

  TEST_CASE("CreateSelect: an open transaction is committed first, and its end may be the answer") {
    SessionScript script;
    change_rows(script);
    script.query("CREATE TABLE t SELECT 1 AS a");
    home_got(script);
    answer_prepare(script, Channel::kHome, 7);  // of its text, whose tables are the next step's
    EXPECT((home_got(script) == Texts{"XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kConflict);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.core.idle());
  }

  TEST_CASE("CreateSelect: what the server cannot read commits nothing") {
    SessionScript script;
    change_rows(script);
    script.query("CREATE TABLE t SELECT FROM");
    script.backend_error(Channel::kHome, 1064);
    EXPECT(script.answer() == "ERR 1064");
    EXPECT(script.core.idle());
    EXPECT(script.core.in_transaction());
    script.query("CREATE TABLE t SELECT nosuch FROM t");
    home_got(script);
    script.backend_error(Channel::kHome, 1054);
    EXPECT((home_got(script) == Texts{"XA END", "XA PREPARE"}));
  }

  TEST_CASE("CreateSelect: rows that lose are tried again") {
    SessionScript script;
    collect(script);
    create(script);
    fill(script);
    script.outcome(BranchVerdict::kConflict);
    EXPECT(script.answer().empty());
    fill(script);
    script.outcome(BranchVerdict::kCommitted, 12);
    script.applied_seqno = Seqno{12};
    script.core.on_applied();
    script.pump();
    clean(script);
    EXPECT(script.answer() == "OK 2");
  }

  TEST_CASE("CreateSelect: without its rows the table goes again") {
    SessionScript script;
    collect(script);
    create(script);
    fill(script);
    script.outcome(BranchVerdict::kRefused);
    const auto unfilled = script.posted_back<TableUnfilled>();
    EXPECT(unfilled.made_by == Seqno{11});
    EXPECT(unfilled.drop.sql == "DROP TABLE IF EXISTS `t`");
    REQUIRE(unfilled.drop.targets.size() == 1);
    EXPECT(unfilled.drop.targets[0].schema == "d");
    EXPECT(home_got(script).empty());
    script.applied_seqno = Seqno{13};
    script.core.on_ddl_outcome({{}, Seqno{13}});
    script.pump();
    clean(script);
    EXPECT(script.answer() == "ERR 1105");
  }

  TEST_CASE("CreateSelect: the client goes, the home goes: the table goes") {
    SessionScript client;
    collect(client);
    create(client);
    client.core.on_client_gone();
    EXPECT(unfilled(client) == Seqno{11});

    SessionScript home;
    collect(home);
    create(home);
    home.lose(Channel::kHome);
    EXPECT(home.answer() == "ERR 1053");
    EXPECT(home.closed);
    EXPECT(unfilled(home) == Seqno{11});
  }

  TEST_CASE("CreateSelect: a home that is lost while it selects is replaced") {
    SessionScript script;
    check(script);
    home_got(script);
    script.lose(Channel::kHome);
    EXPECT(script.retries == 1);
    script.core.on_retry_due();
    EXPECT(home_got_one(script).starts_with("CREATE OR REPLACE TEMPORARY TABLE"));
  }

  TEST_CASE("CreateSelect: a table that came meanwhile") {
    SessionScript script;
    collect(script);
    const auto request = script.posted_back<DdlRequest>();
    script.core.on_ddl_turn({request.session, Seqno{11}, request.home});
    script.backend_ok(Channel::kHome, plain_ok());
    script.backend_error(Channel::kHome, 1050);
    script.backend_ok(Channel::kHome, plain_ok());
    script.backend_ok(Channel::kHome, plain_ok());
    script.applied_seqno = Seqno{11};
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    home_got(script);
    script.pump();
    EXPECT(script.posted_back<TableUnfilled>().made_by == Seqno{11});  // its result: not created
    script.core.on_ddl_outcome({request.session, Seqno{}});
    script.pump();
    clean(script);
    EXPECT(script.answer() == "ERR 1050");
  }

  TEST_CASE("CreateSelect: its warnings are shown, whatever the steps have done since") {
    SessionScript script;
    check(script);
    protocol::OkPacket ok = plain_ok(0);
    ok.warnings = 1;
    script.backend_ok(Channel::kHome, ok);
    home_got(script);
    script.backend_row(Channel::kHome, {"Warning", "1264", "Out of range"});
    script.backend_ok(Channel::kHome, plain_ok());
    tell_definition(script);
    tell_columns(script);
    create(script);
    script.backend_ok(Channel::kHome, plain_ok());
    script.backend_ok(Channel::kHome, plain_ok());
    EXPECT(script.answer() == "OK");
    home_got(script);
    for (int i = 0; i < 2; ++i) {
      script.query("show warnings;");
      EXPECT(script.answer() == "data | data | data | data | data | EOF");
      EXPECT(as_text(script.to_client).find("Out of range") != std::string_view::npos);
      EXPECT(script.last_sequence() == 6);
    }
    EXPECT(home_got(script).empty());
    script.query("SELECT 1 FROM t");
    script.sent(Channel::kRead);
    script.backend_rows(Channel::kRead);
    script.query("SHOW WARNINGS");
    EXPECT(as_text(script.to_client).empty());
  }

  TEST_CASE("CreateSelect: where functions may write it runs in a branch that keeps the rows") {
    for (const std::uint64_t capabilities :
         {SessionScript::kClient, SessionScript::kClient & ~protocol::capability::kDeprecateEof}) {
      SessionScript script({0xC1, 3, 16, {}}, capabilities);
      script.functions = true;
      script.query("CREATE TABLE t CHARSET=latin1 SELECT f() AS a");
      home_got(script);
      answer_prepare(script, Channel::kHome, 7);
      home_got(script);
      script.backend_error(Channel::kHome, 1113);
      const std::string collect =
          "CREATE OR REPLACE TEMPORARY TABLE `d`.`consort_create_select`  CHARSET=latin1 SELECT "
          "f() "
          "AS "
          "a";
      EXPECT((home_got(script) == Texts{"XA START", collect, "SHOW WARNINGS",
                                        "CALL consort.mark_branch()", "XA END", "XA PREPARE"}));
      script.backend_ok(Channel::kHome, plain_ok());
      protocol::OkPacket ok = plain_ok(1);
      ok.warnings = 1;
      script.backend_ok(Channel::kHome, ok);
      script.backend_row(Channel::kHome, {"Warning", "1264", "Out of range"});
      script.backend_ok(Channel::kHome, plain_ok());
      script.backend_ok(Channel::kHome, plain_ok());
      script.backend_ok_gtid();
      auto prepared = script.posted_back<BranchPrepared>();
      EXPECT(prepared.session_ends_it);
      script.core.on_outcome({prepared.session, prepared.branch, BranchVerdict::kCommitted, Seqno{},
                              "", BackendId{0}});
      EXPECT(home_got_one(script) == "XA COMMIT");
      script.backend_ok(Channel::kHome, plain_ok());
      EXPECT(home_got_one(script).starts_with("SET SESSION sql_mode="));  // warnings are known
    }
    OwnResult result;
    result.begin(1);
    Buffer wire;
    protocol::append_packet(wire, as_bytes("definition"), 9);
    protocol::append_packet(wire, as_bytes("row"), 10);
    result.add(wire);
    EXPECT(packets_of(rows_reply(result, 0, 2)) == "1:1 2:10 3:5 4:3 5:5 ");
    OwnResult none;  // without a row the columns end all the same
    none.begin(1);
    Buffer column;
    protocol::append_packet(column, as_bytes("definition"), 9);
    none.add(column);
    EXPECT(packets_of(rows_reply(none, 0, 2)) == "1:1 2:10 3:5 4:5 ");
    EXPECT(packets_of(rows_reply(none, protocol::capability::kDeprecateEof, 2)) == "1:1 2:10 3:7 ");
  }

  TEST_CASE("CreateSelect: the parameters of an execution are those of the query") {
    SessionScript script;
    prepare_at_home(script, "CREATE TABLE t SELECT ? AS a", 7, 1);
    Buffer argument;
    append_le<4>(argument, 1);
    append_le<1>(argument, 1);  // a cursor, which it does not get
    append_le<4>(argument, 1);
    append_le<1>(argument, 0);  // no NULLs
    append_le<1>(argument, 1);  // with types
    append_le<2>(argument, 8);
    append_le<8>(argument, 5);
    script.command(protocol::Command::kStmtExecute, argument);
    EXPECT(home_got_one(script) == "CREATE TABLE t SELECT ? AS a");
    answer_prepare(script, Channel::kHome, 8, 1);
    home_got(script);
    script.backend_error(Channel::kHome, 1113);
    EXPECT(home_got_one(script) ==
           "CREATE OR REPLACE TEMPORARY TABLE `d`.`consort_create_select`  SELECT ? AS a");
    answer_prepare(script, Channel::kHome, 9, 1);
    EXPECT(home_got_one(script) == "EXECUTE 9");
    script.backend_error(Channel::kHome, 1062);
    EXPECT(script.answer() == "ERR 1062");
    EXPECT(script.core.idle());
    EXPECT(script.statements.size() == 1);  // the client's; the home closes the steps' own
    script.command(protocol::Command::kStmtExecute, argument);
    EXPECT(home_got_one(script) == "CREATE TABLE t SELECT ? AS a");
  }

  TEST_CASE("CreateSelect: the parameters of an EXECUTE are those of the query") {
    SessionScript script;
    const std::string sql = "CREATE TABLE t SELECT ? AS a, 'it''s' AS b";
    script.query("EXECUTE IMMEDIATE @a USING 5, @b");
    REQUIRE(home_got_one(script) == "SELECT @a");
    script.backend_row(Channel::kHome, {sql});
    EXPECT(home_got_one(script) == sql);
    answer_prepare(script, Channel::kHome, 7, 1);
    home_got(script);
    script.backend_error(Channel::kHome, 1113);
    EXPECT(
        home_got_one(script) ==
        "EXECUTE IMMEDIATE 'CREATE OR REPLACE TEMPORARY TABLE `d`.`consort_create_select`  SELECT "
        "? AS a, ''it''''s'' AS b' USING 5, @b");
    script.backend_error(Channel::kHome, 1210);  // one too many
    EXPECT(script.answer() == "ERR 1210");
    EXPECT(script.core.idle());
    EXPECT(script.posted.empty());
  }

  TEST_CASE("CreateSelect: who may make no temporary tables there collects in Consort's schema") {
    SessionScript script;
    check(script);
    home_got(script);
    const std::string denied = "Access denied for user 'few'@'%' to database ";
    script.backend_error(Channel::kHome, 1044, denied + "'d'");
    REQUIRE(home_got_one(script) == "SHOW CREATE DATABASE `d`");
    script.backend_row(Channel::kHome,
                       {"d",
                        "CREATE DATABASE `d` /*!40100 DEFAULT CHARACTER SET latin1 COLLATE "
                        "latin1_bin */"});
    const std::string collect =
        "CREATE OR REPLACE TEMPORARY TABLE `consort`.`consort_create_select`  DEFAULT CHARACTER "
        "SET "
        "latin1 COLLATE latin1_bin  SELECT 1 AS a";
    EXPECT(home_got_one(script) == collect);
    script.backend_error(Channel::kHome, 1044, denied + "'consort'");
    EXPECT(home_got_one(script) == certifier::kLetCollectSql);
    script.backend_ok(Channel::kHome, plain_ok());
    EXPECT(home_got_one(script) == collect);
    script.backend_error(Channel::kHome, 1044, denied + "'consort'");
    EXPECT(script.answer() == "ERR 1235");
    EXPECT(script.core.idle());
    EXPECT(script.posted.empty());
  }

  TEST_CASE("CreateSelect: a query that may not read a schema says so itself") {
    SessionScript script;
    check(script);
    home_got(script);
    script.backend_error(Channel::kHome, 1044,
                         "Access denied for user 'few'@'%' to database 'other'");
    EXPECT(script.answer() == "ERR 1044");
  }

  TEST_CASE("CreateSelect: a temporary table of the name stands aside while the rows come") {
    SessionScript script;
    script.query("CREATE TEMPORARY TABLE t (a INT)");
    home_got(script);
    script.backend_ok(Channel::kHome, plain_ok());
    const auto tell = [&](bool temporary) {
      temporary ? script.backend_row(Channel::kHome, {"t", "CREATE TEMPORARY TABLE `t` (..)"})
                : script.backend_error(Channel::kHome, 1146);
    };
    script.query("CREATE OR REPLACE TABLE t SELECT * FROM t");
    EXPECT(home_got_one(script) == "SHOW CREATE TABLE `t`");
    tell(true);
    home_got(script);
    answer_prepare(script, Channel::kHome, 7);
    EXPECT(home_got_one(script) ==
           "CREATE OR REPLACE TEMPORARY TABLE `d`.`consort_create_select`  SELECT * FROM t");
    script.backend_ok(Channel::kHome, plain_ok(2));
    home_got(script);
    script.backend_ok(Channel::kHome, plain_ok());
    home_got(script);
    tell_definition(script);
    home_got(script);
    tell_columns(script);
    const auto request = script.posted_back<DdlRequest>();
    EXPECT(request.sql == "CREATE OR REPLACE TABLE `t` (\n  `a` int(1) NOT NULL\n) ENGINE=InnoDB");
    script.core.on_ddl_turn({request.session, Seqno{11}, request.home});
    for (int i = 0; i < 4; ++i) {
      script.backend_ok(Channel::kHome, plain_ok());
    }
    script.applied_seqno = Seqno{11};
    script.core.on_ddl_outcome({request.session, Seqno{11}});
    home_got(script);
    script.pump();
    EXPECT((home_got(script) ==
            Texts{"SHOW CREATE TABLE `t`", "SHOW CREATE TABLE `d`.`consort_set_aside`"}));
    tell(true);
    tell(false);
    EXPECT(home_got_one(script) == "RENAME TABLE `t` TO `d`.`consort_set_aside`");
    script.backend_ok(Channel::kHome, plain_ok());
    fill(script);
    script.outcome(BranchVerdict::kRefused);  // and comes back when they do not
    EXPECT(script.posted_back<TableUnfilled>().made_by == Seqno{11});
    home_got(script);
    script.applied_seqno = Seqno{13};
    script.core.on_ddl_outcome({{}, Seqno{13}});
    script.pump();
    EXPECT((home_got(script) ==
            Texts{"SHOW CREATE TABLE `d`.`consort_set_aside`", "SHOW CREATE TABLE `t`"}));
    tell(true);
    tell(false);
    EXPECT(home_got_one(script) == "RENAME TABLE `d`.`consort_set_aside` TO `t`");
    script.backend_ok(Channel::kHome, plain_ok());
    EXPECT(home_got_one(script) == kDrop);
    script.backend_ok(Channel::kHome, plain_ok());
    home_got(script);
    script.backend_ok(Channel::kHome, plain_ok());
    EXPECT(script.answer() == "ERR 1105");
    EXPECT(script.core.pins().has(router::PinReason::kTemporaryTable));
  }

  TEST_CASE("CreateSelect: one of several statements") {
    SessionScript script({0xC1, 3, 16, {}},
                         SessionScript::kClient | protocol::capability::kMultiStatements);
    script.query("CREATE TABLE t SELECT 1 AS a; SELECT ROW_COUNT()");
    home_got(script);
    answer_prepare(script, Channel::kHome, 7);
    script.backend_error(Channel::kHome, 1113);
    script.backend_ok(Channel::kHome, plain_ok(0));
    script.backend_ok(Channel::kHome, plain_ok());
    tell_definition(script);
    tell_columns(script);
    create(script);
    script.backend_ok(Channel::kHome, plain_ok());
    EXPECT(script.answer().empty());
    script.backend_ok(Channel::kHome, plain_ok());
    EXPECT(script.answer() == "OK more | data | data | data | EOF");
    EXPECT(script.last_sequence() == 5);
  }

  TEST_CASE("CreateSelect: forms that are not taken apart are refused") {
    for (const char* sql : {"CREATE TABLE /*! t */ SELECT 1"}) {
      CAPTURE(sql);
      SessionScript script;
      script.query(sql);
      EXPECT(script.answer() == "ERR 1235");
      EXPECT(home_got(script).empty());
    }
  }

  TEST_CASE("CreateSelect: texts") {
    CreateSelectJob job;
    job.schema = "d";
    job.table = "a`b";
    collect_in(job, "d");
    EXPECT(with_target("Duplicate entry for `d`.`consort_create_select`", job) ==
           "Duplicate entry for `d`.`a``b`");
    EXPECT(
        with_target("CONSTRAINT `consort_create_select.c` failed for `d`.`consort_create_select`",
                    job) == "CONSTRAINT `a`b.c` failed for `d`.`a``b`");
    EXPECT(character_set_option(
               "CREATE DATABASE `CHARACTER` /*!40100 DEFAULT CHARACTER SET utf8mb4 "
               "COLLATE utf8mb4_bin */") == " DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ");
    EXPECT(character_set_option("CREATE DATABASE `x`").empty());
    EXPECT(definition_in("CREATE TABLE `consort_create_select` (a)").empty());
    EXPECT(definition_in("CREATE TEMPORARY TABLE `consort_create_select` (a)") == " (a)");
    const auto statements = [&](std::string_view sql) {
      job.parts = *router::read_create_select(sql, {});
      job.target = "`t`";
      job.definition = " (\n  `a` int\n) ENGINE=InnoDB";
      return collect_sql(job) + "|" + create_sql(job);
    };
    const std::string head = "CREATE OR REPLACE TEMPORARY TABLE `d`.`consort_create_select` ";
    EXPECT(statements("CREATE TABLE t (FULLTEXT KEY (a), a INT , FOREIGN KEY (a) REFERENCES u (a)) "
                      "SELECT 1 AS a") ==
           head +
               "( a INT ) SELECT 1 AS a|CREATE TABLE `t` (\n  `a` int,\n  FULLTEXT KEY (a),\n  "
               "FOREIGN KEY (a) REFERENCES u (a)\n) ENGINE=InnoDB");
    EXPECT(
        statements("CREATE OR REPLACE TABLE t (FULLTEXT (a)) COMMENT='c', WITH SYSTEM VERSIONING "
                   "PARTITION BY HASH (a) SELECT 1 AS a") ==
        head +
            " COMMENT='c'  SELECT 1 AS a|CREATE OR REPLACE TABLE `t` (\n  `a` int,\n  FULLTEXT "
            "(a)\n) ENGINE=InnoDB WITH SYSTEM VERSIONING PARTITION BY HASH (a)");
    std::vector<OwnResult::Row> rows;
    rows.push_back({"a`", "int", "NO", "", "", "auto_increment"});
    rows.push_back({"b", "int", "YES", "", "", "VIRTUAL GENERATED"});
    rows.push_back({"c", "int", "YES", "", "", "INVISIBLE"});
    EXPECT(columns_in(rows) == "`a```,`c`");
  }
}

}  // namespace
}  // namespace consort::proxy
