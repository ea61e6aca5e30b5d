#include "certifier/key_builder.h"
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

using router::PinReason;

constexpr const char* kUnlock = "UNLOCK TABLES";

/// The commit thread's part in it.
class TablesScript : public SessionScript {
 public:
  using SessionScript::SessionScript;

  /// The home says that the client may lock what it names.
  void check_ok() {
    backend_ok(Channel::kHome);
    backend_ok(Channel::kHome);
  }

  /// The client sets a variable, and the home tells what it is now.
  void set(const char* sql, const char* name, const char* value) {
    query(sql);
    protocol::OkPacket ok;
    ok.changes.system_variables.emplace_back(name, value);
    backend_ok(Channel::kHome, ok);
  }

  void grant(std::uint64_t head = 10) { answer_tables(true, head); }

  void answer_tables(bool granted, std::uint64_t head = 10, bool in_the_way = false) {
    const auto request = posted_back<TableRequest>();
    core.on_table_answer({request.session, request.number, granted, in_the_way, Seqno{head}});
    pump();
  }

  void lock(const char* sql) {
    query(sql);
    sent(Channel::kHome);
    check_ok();
    grant();
    EXPECT(answer() == "OK");
    EXPECT(core.idle());
  }

  /// Another session has locked d.`table`.
  void others_lock(const char* table, bool write) {
    const LockedTableFilter::Key key{certifier::table_key("d", table), write};
    locked.publish({&key, 1});
  }

  bool released() const {
    return !posted.empty() && std::holds_alternative<TablesReleased>(posted.back());
  }

  bool pinned() const { return core.pins().has(PinReason::kLockedTables); }
};

void open_write(SessionScript& script, const char* sql) {
  script.query("BEGIN");
  script.query(sql);
  script.backend_ok(Channel::kHome);
  script.backend_ok(Channel::kHome);
  script.sent(Channel::kHome);
  EXPECT(script.core.in_transaction());
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: LOCK TABLES asks the home, then the commit thread, then is answered") {
    TablesScript script;
    script.query("LOCK TABLES t WRITE, `e`.`u` AS x READ /*!32311 LOCAL */ WAIT 7");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"LOCK TABLES t WRITE, `e`.`u` AS x READ LOCAL NOWAIT", kUnlock}));
    script.check_ok();
    const auto request = script.posted_back<TableRequest>();
    EXPECT(request.keep);
    EXPECT(request.wait_s == 7);
    EXPECT(request.tables.size() == 2);
    EXPECT(request.tables[0].schema == "d");
    EXPECT(request.tables[0].write);
    EXPECT(request.tables[1].schema == "e");
    EXPECT(request.tables[1].table == "u");
    EXPECT_FALSE(request.tables[1].write);
    EXPECT(script.core.phase() == SessionPhase::kAwaitingTables);
    EXPECT(script.answer().empty());
    SUBCASE("when the home has applied what was committed before") {
      script.grant(12);
      EXPECT(script.answer().empty());
      EXPECT(script.waits == std::vector<Seqno>{Seqno{12}});
      script.applied_seqno = Seqno{12};
      script.core.on_applied();
    }
    SUBCASE("at once when it has") {
      script.grant();
    }
    EXPECT(script.answer() == "OK");
    EXPECT(script.pinned());
    script.query(kUnlock);
    EXPECT(script.answer() == "OK");
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT(script.released());
    EXPECT_FALSE(script.pinned());
  }

  TEST_CASE("SessionCore: FLUSH TABLES WITH READ LOCK waits until all servers are as far") {
    TablesScript script;
    script.query("FLUSH TABLES WITH READ LOCK");
    EXPECT((script.sent(Channel::kHome) == Texts{"FLUSH LOCAL QUERY CACHE", kUnlock}));
    script.check_ok();
    const auto request = script.posted_back<TableRequest>();
    EXPECT(request.keep);
    EXPECT(request.all);
    EXPECT(request.tables.empty());
    script.all_applied = Seqno{9};
    script.grant(10);
    EXPECT(script.answer().empty());
    EXPECT(script.waits == std::vector<Seqno>{Seqno{10}});
    script.all_applied = Seqno{10};
    script.core.on_applied();
    EXPECT(script.answer() == "OK");
    EXPECT(script.pinned());
    for (const char* sql : {"INSERT INTO t VALUES (1)", "CREATE TABLE u (a INT)", "DROP USER v",
                            "SELECT a FROM t FOR UPDATE", "ANALYZE TABLE t"}) {
      script.query(sql);
      script.backend_error(Channel::kHome, 1146);  // the text is one, whatever it names
      EXPECT(script.answer() == "ERR 1223");
    }
    script.query("LOCK TABLES t WRITE");
    EXPECT(script.answer() == "ERR 1223");
    script.query("INSERT INTO t NONSENSE");
    script.backend_error(Channel::kHome, 1064);
    EXPECT(script.answer() == "ERR 1064");
    script.sent(Channel::kHome);
    script.query("FLUSH TABLES WITH READ LOCK");
    EXPECT(script.answer() == "OK");
    script.query("BEGIN");  // does not end it
    EXPECT(script.answer() == "OK trx");
    EXPECT_FALSE(script.released());
    script.query(kUnlock);  // nor this the transaction
    EXPECT(script.answer() == "OK trx");
    EXPECT(script.released());
    EXPECT_FALSE(script.pinned());
    EXPECT(script.sent(Channel::kHome).empty());
  }

  TEST_CASE("SessionCore: FLUSH TABLES WITH READ LOCK needs its right") {
    TablesScript script;
    script.query("FLUSH TABLES WITH READ LOCK");
    script.backend_error(Channel::kHome, 1227);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "ERR 1227");
    EXPECT(script.posted.empty());
    EXPECT_FALSE(script.pinned());
  }

  TEST_CASE("SessionCore: CHECK TABLE of a table that stays locked answers with rows") {
    TablesScript script;
    script.others_lock("t", true);
    script.query("CHECK TABLE t");
    EXPECT_FALSE(script.posted_back<TableRequest>().tables.at(0).write);
    script.answer_tables(false);
    const std::string rows(as_text(script.to_client));
    EXPECT(rows.find("d.t\x05"
                     "check\x05"
                     "Error\x36Lock wait timeout exceeded") != rows.npos);
    EXPECT(rows.find("Operation failed") != rows.npos);
    EXPECT(script.core.idle());
    script.others_lock("t", false);
    script.query("ANALYZE TABLE t");
    EXPECT(script.sent(Channel::kHome) == Texts{"ANALYZE TABLE t"});
    script.backend_rows(Channel::kHome);
    script.query("OPTIMIZE TABLE t NOWAIT");
    EXPECT(script.posted_back<TableRequest>().tables.at(0).write);
    EXPECT(script.posted_back<TableRequest>().wait_s == 0);
  }

  TEST_CASE("SessionCore: LOCK TABLES that the home refuses locks nothing") {
    TablesScript script;
    script.query("LOCK TABLES nosuch READ");
    script.backend_error(Channel::kHome, 1146);
    EXPECT(script.answer().empty());
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "ERR 1146");
    EXPECT(script.posted.empty());
    EXPECT(script.core.pins().empty());
    script.sent(Channel::kHome);
    script.query("LOCK TABLES t READ,");  // a syntax error: the server's own words
    EXPECT(script.sent(Channel::kHome).at(0) == "LOCK TABLES t READ,");
    script.backend_error(Channel::kHome, 1064);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "ERR 1064");
  }

  TEST_CASE("SessionCore: tables that are in use at the home are asked for nevertheless") {
    TablesScript script;
    script.query("LOCK TABLES t WRITE, d.`u` AS x READ");
    script.sent(Channel::kHome);
    script.backend_error(Channel::kHome, 1205);
    script.backend_ok(Channel::kHome);
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SELECT 1 FROM (SELECT 1) AS t WHERE 0 AND EXISTS (SELECT 1 FROM t) AND EXISTS "
                  "(SELECT 1 FROM d.`u`)",
                  "ROLLBACK AND NO CHAIN NO RELEASE"}));
    SUBCASE("and are there") {
      script.backend_rows(Channel::kHome);
      script.backend_ok(Channel::kHome);
      EXPECT(script.core.phase() == SessionPhase::kAwaitingTables);
      script.grant();
      EXPECT(script.answer() == "OK");
    }
    SUBCASE("or are not") {
      script.backend_error(Channel::kHome, 1146);
      script.backend_ok(Channel::kHome);
      EXPECT(script.answer() == "ERR 1146");
    }
  }

  TEST_CASE("SessionCore: max_statement_time counts while tables are waited for") {
    for (const auto& [limit, wait_s, error] : {std::tuple{"0.200000", 1U, "ERR 1969"},
                                               {"2.000000", 2U, "ERR 1969"},
                                               {"0.000000", 3U, "ERR 1205"},
                                               {"9.500000", 3U, "ERR 1205"}}) {
      TablesScript script;
      script.set("SET lock_wait_timeout=3", "lock_wait_timeout", "3");
      script.set("SET max_statement_time=..", "max_statement_time", limit);
      script.query("LOCK TABLES t WRITE");
      script.check_ok();
      EXPECT(script.posted_back<TableRequest>().wait_s == wait_s);
      script.answer_tables(false);
      EXPECT(script.answer() == error);
    }
  }

  TEST_CASE("SessionCore: LOCK TABLES that waits too long, is killed, or has no room") {
    TablesScript script;
    script.query("LOCK TABLES t WRITE");
    SUBCASE("too long") {
      script.check_ok();
      script.answer_tables(false);
      EXPECT(script.answer() == "ERR 1205");
      EXPECT(script.released());
    }
    SUBCASE("killed") {
      script.check_ok();
      const auto request = script.posted_back<TableRequest>();
      script.core.on_kill_query();
      EXPECT(script.answer() == "ERR 1317");
      EXPECT(script.released());
      script.core.on_table_answer({request.session, request.number, true, false, Seqno{10}});
      EXPECT_FALSE(script.pinned());
    }
    SUBCASE("no room") {
      script.commit_mailbox_full = true;
      script.check_ok();
      EXPECT(script.answer() == "ERR 1105");
    }
    EXPECT(script.core.idle());
    EXPECT_FALSE(script.pinned());
  }

  TEST_CASE("SessionCore: what gives the tables back") {
    TablesScript script;
    script.lock("LOCK TABLES t READ");
    SUBCASE("another LOCK TABLES, before it asks") {
      script.query("LOCK TABLES u READ");
      EXPECT(script.released());
      EXPECT_FALSE(script.pinned());
      return;
    }
    SUBCASE("BEGIN") {
      script.query("BEGIN");
      EXPECT(script.answer() == "OK trx");
    }
    SUBCASE("COM_RESET_CONNECTION") {
      script.command(protocol::Command::kResetConnection, {});
    }
    SUBCASE("the client is gone") {
      script.core.on_client_gone();
    }
    SUBCASE("the home is lost") {
      script.lose(Channel::kHome);
      EXPECT(script.closed);
    }
    EXPECT(script.released());
    EXPECT_FALSE(script.pinned());
  }

  TEST_CASE("SessionCore: COMMIT and ROLLBACK keep the tables, UNLOCK TABLES commits first") {
    TablesScript script;
    script.set("SET autocommit=0", "autocommit", "OFF");
    script.query("LOCK TABLES t WRITE");
    script.sent(Channel::kHome);
    script.check_ok();
    script.grant();
    EXPECT(script.answer() == "OK trx");
    script.query("COMMIT");
    EXPECT(script.pinned());
    script.query("UPDATE t SET v=1");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    script.query(kUnlock);
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    EXPECT(script.pinned());  // its own commit is certified under them
    SUBCASE("which succeeds") {
      script.outcome(BranchVerdict::kCommitted, 11);
      EXPECT(script.answer() == "OK");
    }
    SUBCASE("or fails") {
      script.outcome(BranchVerdict::kConflict);
      EXPECT(script.answer() == "ERR 1213");
    }
    EXPECT(script.released());
    EXPECT_FALSE(script.pinned());
  }

  TEST_CASE("SessionCore: LOCK TABLES commits what is open") {
    TablesScript script;
    open_write(script, "UPDATE t SET v=1");
    script.query("LOCK TABLES t WRITE");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 10);
    EXPECT((script.sent(Channel::kHome) == Texts{"LOCK TABLES t WRITE NOWAIT", kUnlock}));
    script.check_ok();
    script.grant();
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: with tables locked, others are refused and its own go home") {
    TablesScript script;
    script.lock("LOCK TABLES t READ");
    script.query("SELECT * FROM u");
    script.backend_error(Channel::kHome, 1146);  // of its text, which the home prepares
    EXPECT(script.answer() == "ERR 1100");
    script.query("UPDATE t SET v=1");
    script.backend_error(Channel::kHome, 1054);
    EXPECT(script.answer() == "ERR 1099");
    script.query("UPDATE t SET NONSENSE");
    script.backend_error(Channel::kHome, 1064);
    EXPECT(script.answer() == "ERR 1064");
    script.sent(Channel::kHome);
    script.query("SELECT * FROM t");
    EXPECT(script.sent(Channel::kHome) == Texts{"SELECT * FROM t"});
    script.backend_rows(Channel::kHome);
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: a statement waits for another session's lock before it begins") {
    TablesScript script;
    script.others_lock("t", true);
    SUBCASE("a read") {
      script.query("SELECT * FROM t");
      EXPECT_FALSE(script.posted_back<TableRequest>().tables[0].write);
      EXPECT_FALSE(script.posted_back<TableRequest>().keep);
      EXPECT(script.leases == 0);
      script.applied_seqno = Seqno{9};
      script.grant(12);
      EXPECT(script.waits == std::vector<Seqno>{Seqno{12}});  // sees what was committed under it
      script.applied_seqno = Seqno{12};
      script.core.on_applied();
      EXPECT(script.sent(Channel::kRead) == Texts{"SELECT * FROM t"});
    }
    SUBCASE("a write") {
      script.query("UPDATE t SET v=1");
      EXPECT(script.posted_back<TableRequest>().tables[0].write);
      script.grant();
      EXPECT(script.sent(Channel::kHome).size() == 4);
    }
    SUBCASE("DDL") {
      script.query("ALTER TABLE t ADD c INT");
      EXPECT(std::holds_alternative<TableRequest>(script.posted.back()));
      script.grant();
      EXPECT(std::holds_alternative<DdlRequest>(script.posted.back()));
    }
    SUBCASE("in vain") {
      script.query("UPDATE t SET v=1");
      script.answer_tables(false);
      EXPECT(script.answer() == "ERR 1205");
      EXPECT(script.sent(Channel::kHome).empty());
    }
  }

  TEST_CASE("SessionCore: what no lock concerns waits for nobody") {
    TablesScript script;
    script.others_lock("t", false);
    script.query("SELECT * FROM t");
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT * FROM t"});
    script.backend_rows(Channel::kRead);
    script.query("UPDATE u SET v=1");
    EXPECT(script.sent(Channel::kHome).size() == 4);
    EXPECT(script.posted.empty());
  }

  TEST_CASE("SessionCore: a transaction that waits for a lock and is in the way") {
    TablesScript script;
    open_write(script, "UPDATE u SET v=1");
    script.others_lock("t", true);
    script.query("UPDATE t SET v=1");
    EXPECT(script.core.phase() == SessionPhase::kAwaitingTables);
    SUBCASE("is rolled back") {
      script.core.on_abort_branch();
      EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    }
    SUBCASE("as the commit thread says") {
      EXPECT(script.posted_back<TableRequest>().holds_rows);
      script.answer_tables(false, 10, true);
      EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    }
    SUBCASE("is lost with its home") {
      script.lose(Channel::kHome);
    }
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.released());
    EXPECT_FALSE(script.core.in_transaction());
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: KILL QUERY of a statement that waits leaves the transaction open") {
    TablesScript script;
    open_write(script, "UPDATE u SET v=1");
    script.others_lock("t", true);
    script.query("UPDATE t SET v=1");
    script.core.on_kill_query();
    EXPECT(script.answer() == "ERR 1317");
    EXPECT(script.released());
    EXPECT(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: a WRITE lock ends open transactions that hold rows of the table") {
    TablesScript script;
    const TablesLocked event{{9, 9, 9}, {{"d", "t"}}};
    SUBCASE("which wrote") {
      open_write(script, "UPDATE t SET v=1");
      script.core.on_tables_locked(event);
      script.query("SELECT 1");
      EXPECT(script.answer() == "ERR 1213");
    }
    SUBCASE("not those that wrote another") {
      open_write(script, "UPDATE u SET v=1");
      script.core.on_tables_locked(event);
      EXPECT(script.sent(Channel::kHome).empty());
    }
    SUBCASE("not those that only read") {
      script.query("BEGIN");
      script.query("SELECT * FROM t");
      script.backend_ok(Channel::kHome);
      script.backend_rows(Channel::kHome);
      script.sent(Channel::kHome);
      script.core.on_tables_locked(event);
      EXPECT(script.sent(Channel::kHome).empty());
    }
    SUBCASE("but those that locked what they read") {
      script.query("BEGIN");
      script.query("SELECT * FROM t FOR UPDATE");
      script.backend_ok(Channel::kHome);
      script.backend_rows(Channel::kHome);
      script.sent(Channel::kHome);
      script.core.on_tables_locked(event);
      EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    }
  }

  TEST_CASE("SessionCore: an autocommit write that meets a lock at its commit runs again") {
    TablesScript script;
    script.query("UPDATE v SET a=1");  // a view, say
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.others_lock("t", true);
    const auto prepared = script.posted_back<BranchPrepared>();
    BranchOutcome outcome{prepared.session, prepared.branch, BranchVerdict::kLocked, Seqno{}, {},
                          std::nullopt};
    outcome.locked = TableLock{"d", "t", true};
    script.core.on_outcome(outcome);
    EXPECT(script.answer().empty());
    EXPECT(script.retries == 1);
    script.core.on_retry_due();
    EXPECT(script.posted_back<TableRequest>().tables.size() == 1);
    EXPECT(script.posted_back<TableRequest>().tables[0].table == "t");
    script.grant();
    EXPECT(script.sent(Channel::kHome).size() == 4);
  }

  TEST_CASE("SessionCore: who has locked tables waits for none") {
    TablesScript script;
    script.lock("LOCK TABLES t WRITE");
    script.others_lock("u", true);
    script.query("UPDATE t SET v=1");  // a trigger writes u
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kLocked);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.pinned());
    EXPECT_FALSE(script.released());
  }

  TEST_CASE("SessionCore: one that meets locks again and again stands in line for its own") {
    TablesScript script;
    script.query("UPDATE t SET v=1");
    for (int i = 0; i < 3; ++i) {
      script.sent(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      script.backend_ok_gtid();
      const auto prepared = script.posted_back<BranchPrepared>();
      script.others_lock("t", true);
      BranchOutcome outcome{prepared.session, prepared.branch, BranchVerdict::kLocked, Seqno{}, {},
                            std::nullopt};
      outcome.locked = TableLock{"d", "t", true};
      script.core.on_outcome(outcome);
      script.core.on_retry_due();
      EXPECT(script.posted_back<TableRequest>().keep == (i == 2));
      script.grant();
    }
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kCommitted, 11);
    EXPECT(script.answer() == "OK");
    EXPECT(script.released());
    EXPECT_FALSE(script.pinned());
  }

  TEST_CASE("SessionCore: a COMMIT that meets a lock") {
    TablesScript script;
    script.set("SET lock_wait_timeout=3", "lock_wait_timeout", "3");
    open_write(script, "UPDATE t SET v=1");
    script.query("COMMIT");
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    EXPECT(script.posted_back<BranchPrepared>().lock_wait_s == 3);
    SUBCASE("a WRITE lock") {
      script.outcome(BranchVerdict::kLocked);
      EXPECT(script.answer() == "ERR 1213");
    }
    SUBCASE("a READ lock, for too long") {
      script.outcome(BranchVerdict::kLockWait);
      EXPECT(script.answer() == "ERR 1205");
    }
    EXPECT_FALSE(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: FLUSH TABLES WITH READ LOCK and LOCK TABLES exclude each other") {
    TablesScript script;
    script.lock("FLUSH TABLES WITH READ LOCK");
    EXPECT(script.pinned());
    script.query("LOCK TABLES t READ");
    EXPECT(script.answer() == "ERR 1235");
    script.query(kUnlock);
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT_FALSE(script.pinned());
    script.query("FLUSH TABLES t FOR EXPORT");  // the home's alone
    script.backend_ok(Channel::kHome);
    EXPECT(script.pinned());
    script.query("LOCK TABLES t READ");
    EXPECT(script.answer() == "ERR 1235");
    script.query("INSERT INTO t VALUES (1)");  // no branch begins under it
    EXPECT(script.answer() == "ERR 1235");
    script.query("CREATE TABLE u (a INT)");
    EXPECT(script.answer() == "ERR 1235");
    script.sent(Channel::kHome);
    script.query(kUnlock);
    EXPECT(script.sent(Channel::kHome) == Texts{kUnlock});  // the server's own
    script.backend_ok(Channel::kHome);
    EXPECT_FALSE(script.pinned());
    script.lock("LOCK TABLES t READ");
    script.query("FLUSH TABLES WITH READ LOCK");
    script.backend_error(Channel::kHome, 1192);  // of the PREPARE: a text it is
    EXPECT(script.answer() == "ERR 1192");
    EXPECT(script.pinned());
  }

  TEST_CASE("SessionCore: FLUSH TABLES t WITH READ LOCK locks as LOCK TABLES does") {
    TablesScript script;
    script.query("FLUSH TABLES t WITH READ LOCK");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SET STATEMENT lock_wait_timeout=0 FOR FLUSH LOCAL TABLES t WITH READ LOCK",
                  kUnlock}));
    script.check_ok();
    const auto request = script.posted_back<TableRequest>();
    EXPECT(request.keep);
    EXPECT_FALSE(request.all);
    REQUIRE(request.tables.size() == 1);
    EXPECT(request.tables[0].table == "t");
    EXPECT_FALSE(request.tables[0].write);
    script.grant();
    EXPECT(script.answer() == "OK");
    EXPECT(script.pinned());
    script.query(kUnlock);
    EXPECT(script.answer() == "OK");
    EXPECT(script.released());
    EXPECT(script.sent(Channel::kHome).empty());
  }
}

}  // namespace
}  // namespace consort::proxy
