// When a session's write begins before its last commit is applied on its home (decision 0010).
#include "proxy/session/session_core.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

/// An autocommit write up to its certification.
void prepare_one(SessionScript& script) {
  script.query("UPDATE t SET v=1");
  script.sent(Channel::kHome);
  for (int i = 0; i < 3; ++i) {  // XA START, the statement, XA END
    script.backend_ok(Channel::kHome);
  }
  script.backend_ok_gtid();
}

/// A session whose home has applied 10 and holds its commit `seqno`.
void commit_one(SessionScript& script, std::uint64_t seqno = 11) {
  prepare_one(script);
  script.outcome(BranchVerdict::kCommitted, seqno);
  REQUIRE(script.answer() == "OK");
}

struct Repeatable : SessionScript {
  Repeatable() { isolation = "REPEATABLE-READ"; }
};

bool waits_for(SessionScript& script, const std::string& sql) {
  script.query(sql);
  return script.waits == std::vector<Seqno>{Seqno{11}};
}

void set_variable(SessionScript& script, const std::string& name, const std::string& value) {
  script.query("SET " + name + "='" + value + "'");
  script.sent(Channel::kHome);
  protocol::OkPacket ok;
  ok.changes.system_variables.emplace_back(name, value);
  script.backend_ok(Channel::kHome, ok);
  REQUIRE(script.core.idle());
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a write that reads under locks does not wait for a commit that is held") {
    for (const char* sql : {"UPDATE t SET v=v+1 WHERE id=2", "DELETE FROM t WHERE id=2",
                            "INSERT INTO t VALUES (1)", "REPLACE t VALUES (1)"}) {
      CAPTURE(sql);
      Repeatable script;
      commit_one(script);
      EXPECT_FALSE(waits_for(script, sql));
      EXPECT(script.sent(Channel::kHome).front() == "XA START");
    }
  }

  TEST_CASE("SessionCore: whatever may read without locks waits") {
    for (const char* sql :
         {"INSERT INTO t SELECT * FROM u", "UPDATE t SET v=(SELECT 1)",
          "DELETE FROM t RETURNING id", "UPDATE t SET v=1 WHERE MATCH (a) AGAINST ('x')",
          "UPDATE t SET v=f(1)", "CALL p()",
          "SET STATEMENT tx_isolation='READ-COMMITTED' FOR DELETE FROM t",
          "SELECT v FROM t FOR UPDATE", "LOAD DATA INFILE 'x' INTO TABLE t"}) {
      CAPTURE(sql);
      Repeatable script;
      commit_one(script);
      EXPECT(waits_for(script, sql));
    }
  }

  TEST_CASE("SessionCore: a write waits where something makes its reads lock-free") {
    const auto waits_when = [](void (*change)(SessionScript&)) {
      Repeatable script;
      change(script);
      commit_one(script);
      return waits_for(script, "UPDATE t SET v=2");
    };
    EXPECT_FALSE(waits_when([](SessionScript&) {}));
    EXPECT(waits_when([](SessionScript& script) { script.has_triggers = true; }));
    EXPECT(waits_when([](SessionScript& script) { script.functions = true; }));
    EXPECT(waits_when(
        [](SessionScript& script) { set_variable(script, "tx_isolation", "READ-COMMITTED"); }));
    EXPECT(waits_when([](SessionScript& script) {
      set_variable(script, "transaction_isolation", "READ-UNCOMMITTED");
    }));
    EXPECT(waits_when(
        [](SessionScript& script) { set_variable(script, "innodb_lock_wait_timeout", "1"); }));
    EXPECT(waits_when(
        [](SessionScript& script) { set_variable(script, "tx_isolation", "SERIALIZABLE"); }));
    Repeatable elsewhere;
    commit_one(elsewhere);
    elsewhere.home_lane_generation = 1;
    EXPECT(waits_for(elsewhere, "UPDATE t SET v=2"));
    SessionScript committed;
    committed.isolation = "READ-COMMITTED";
    commit_one(committed);
    EXPECT(waits_for(committed, "UPDATE t SET v=2"));
    SessionScript unknown;
    commit_one(unknown);
    EXPECT(waits_for(unknown, "UPDATE t SET v=2"));
  }

  TEST_CASE("SessionCore: a trigger that a session creates is one for all its later writes") {
    Repeatable script;
    script.query("CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW SET NEW.v=1");
    EXPECT(script.has_triggers);
    Repeatable table;
    table.query("CREATE TABLE u (a INT)");
    EXPECT_FALSE(table.has_triggers);
  }

  TEST_CASE("SessionCore: in a transaction, and for reads, its commits must be applied") {
    Repeatable script;
    commit_one(script);
    script.query("BEGIN");
    EXPECT(waits_for(script, "UPDATE t SET v=2"));
    Repeatable reader;
    commit_one(reader);
    EXPECT(waits_for(reader, "SELECT v FROM t"));
  }

  TEST_CASE("SessionCore: a home far behind is waited for until it is near") {
    Repeatable script;
    commit_one(script);
    commit_one(script, 10'000);
    script.query("UPDATE t SET v=2");
    EXPECT((script.waits == std::vector<Seqno>{Seqno{10'000 - 128}}));  // near it is enough
  }

  TEST_CASE("SessionCore: what ran while an own commit was replayed runs again, whatever it got") {
    enum class Got { kRows, kNothing, kError };
    for (const Got got : {Got::kRows, Got::kNothing, Got::kError}) {
      CAPTURE(static_cast<int>(got));
      Repeatable script;
      commit_one(script);
      script.query("UPDATE t SET v=2");
      script.sent(Channel::kHome);
      script.replayed_seqno = Seqno{11};
      script.backend_ok(Channel::kHome);
      if (got == Got::kError) {
        script.backend_error(Channel::kHome, 1452);
      } else {
        script.backend_ok(Channel::kHome);
      }
      script.backend_ok(Channel::kHome);
      if (got == Got::kRows) {
        script.backend_ok_gtid();
        EXPECT(script.posted_back<BranchAbandoned>().branch == BranchId{1, 0, 2});
      } else {
        script.backend_ok(Channel::kHome);  // PREPARE, without a gtid
      }
      EXPECT(script.answer().empty());
      EXPECT(script.retries == 1);
      script.sent(Channel::kHome);
      script.applied_seqno = Seqno{11};
      if (got == Got::kNothing) {
        script.backend_ok(Channel::kHome);  // XA ROLLBACK
      }
      script.core.on_retry_due();
      EXPECT((script.sent(Channel::kHome) ==
              Texts{"XA START", "UPDATE t SET v=2", "XA END", "XA PREPARE"}));
    }
  }

  TEST_CASE("SessionCore: a replay of what the home had applied is nobody's concern") {
    Repeatable script;
    commit_one(script);
    script.replayed_seqno = Seqno{10};
    prepare_one(script);
    EXPECT(script.posted_back<BranchPrepared>().branch == BranchId{1, 0, 2});
    EXPECT(script.retries == 0);
  }
}

}  // namespace
}  // namespace consort::proxy
