// A CALL that commits by itself: it runs alone, in its turn.
#include <algorithm>

#include "certifier/ddl_fence.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

protocol::OkPacket autocommit_ok() {
  protocol::OkPacket ok;
  ok.status = protocol::status_flag::kAutocommit;
  return ok;
}

/// The session has its turn, and the fence: the CALL is sent.
void give_turn(SessionScript& script) {
  script.core.on_ddl_turn({script.posted_back<DdlRequest>().session, Seqno{7}, script.home});
  script.pump();
  REQUIRE((script.sent(Channel::kHome) == Texts{certifier::ddl_turn_fence_sql(Seqno{7})}));
  script.backend_ok(Channel::kHome, autocommit_ok());
}

void end_program(SessionScript& script, bool lost = false) {
  DdlOutcome outcome{{}, Seqno{9}};
  outcome.lost = lost;
  script.core.on_ddl_outcome(outcome);
  script.pump();
}

void without_autocommit(SessionScript& script) {
  script.query("SET autocommit=0");
  (void)script.sent(Channel::kHome);
  protocol::OkPacket ok;
  ok.changes.system_variables.emplace_back("autocommit", "OFF");
  script.backend_ok(Channel::kHome, ok);
  (void)script.answer();
}

/// In a transaction, and the server has refused it there. `later`: what is known of it then.
void begin_program(SessionScript& script,
                   CallOpening opening,
                   const char* sql = "CALL p()",
                   std::optional<CallVerdict> later = CallVerdict::kAlone,
                   std::uint16_t error = 1399) {
  script.query("BEGIN");
  (void)script.answer();
  script.call_verdict = CallVerdict::kAlone;
  script.call_opening = opening;
  script.query(sql);
  REQUIRE((script.sent(Channel::kHome) == Texts{"XA START", sql}));
  script.call_verdict = later;
  script.backend_ok(Channel::kHome);
  script.backend_error(Channel::kHome, error, "ACTIVE");
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a CALL runs in a branch when it can") {
    SessionScript script;
    script.query("CALL p()");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "CALL p()", "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: a CALL that commits by itself runs in its turn, on its connection") {
    SessionScript script;
    script.call_verdict = CallVerdict::kAlone;
    script.query("CALL p()");
    const auto request = script.posted_back<DdlRequest>();
    EXPECT(request.sql == "CALL p()");
    EXPECT(request.program_thread == 100U + script.home.value);
    EXPECT(script.sent(Channel::kHome).empty());
    give_turn(script);
    EXPECT((script.sent(Channel::kHome) == Texts{"CALL p()"}));
    script.backend_ok(Channel::kHome, autocommit_ok());
    EXPECT(script.answer().empty());
    const auto executed = script.posted_back<DdlExecuted>();
    EXPECT((executed.end == DdlEnd::kSucceeded));
    EXPECT((executed.seqno == Seqno{7}));
    end_program(script);
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: under read_only nobody else would refuse what a program commits") {
    SessionScript script;
    script.call_verdict = CallVerdict::kAlone;
    script.reads_only = true;
    script.query("CALL p()");
    EXPECT(script.answer() == "ERR 1290");
    EXPECT(script.posted.empty());
    script.query("BEGIN NOT ATOMIC COMMIT; END");
    EXPECT(script.answer() == "ERR 1290");
  }

  TEST_CASE("SessionCore: a block that copies a table may copy a sequence, if there are any") {
    SessionScript script;
    script.query("BEGIN NOT ATOMIC CREATE TABLE a LIKE b; END");
    EXPECT(script.posted_back<DdlRequest>().program_thread.has_value());
    SessionScript with_sequences;
    with_sequences.sequences().add("d", "s");
    with_sequences.query("BEGIN NOT ATOMIC CREATE TABLE a LIKE b; END");
    EXPECT((with_sequences.sent(Channel::kHome).front() == "XA START"));
  }

  TEST_CASE("SessionCore: a CALL of which nothing is known is asked about") {
    for (const CallVerdict verdict : {CallVerdict::kAlone, CallVerdict::kBranch}) {
      SessionScript script;
      script.call_verdict = std::nullopt;
      script.query("CALL a.P(1)");
      const auto question = script.posted_back<CallQuestion>();
      EXPECT(question.schema == "a");
      EXPECT(question.name == "P");
      EXPECT(script.sent(Channel::kHome).empty());
      CallAnswer answer{question.session, question.number + 1, "a", "P", {verdict}};
      script.core.on_call_answer(answer);
      EXPECT(std::holds_alternative<CallQuestion>(script.posted.back()));  // to another question
      answer.number = question.number;
      script.core.on_call_answer(answer);
      script.pump();
      const bool alone = std::holds_alternative<DdlRequest>(script.posted.back());
      EXPECT(alone == (verdict == CallVerdict::kAlone));
      EXPECT(script.sent(Channel::kHome).empty() == alone);
    }
  }

  TEST_CASE("SessionCore: a procedure that executes text runs alone when the CALL's text commits") {
    SessionScript script;
    script.call_verdict = CallVerdict::kByText;
    script.query("CALL p('UPDATE t SET v=1')");
    EXPECT((script.sent(Channel::kHome).front() == "XA START"));
    SessionScript other;
    other.call_verdict = CallVerdict::kByText;
    other.query("CALL p('DROP TABLE t')");
    EXPECT(other.posted_back<DdlRequest>().program_thread.has_value());
  }

  TEST_CASE("SessionCore: inside a transaction and the like a CALL runs as it did") {
    for (const char* before : {"BEGIN", "SET autocommit=0"}) {
      SessionScript script;
      script.call_verdict = CallVerdict::kAlone;
      if (std::string_view(before) == "BEGIN") {
        script.query(before);
        (void)script.answer();
      } else {
        without_autocommit(script);
      }
      script.query("CALL p()");
      CAPTURE(before);
      EXPECT((script.sent(Channel::kHome).front() == "XA START"));
    }
  }

  TEST_CASE(
      "SessionCore: a program that begins with a commit ends the client's transaction first") {
    SessionScript script;
    begin_program(script, CallOpening::kCommits);
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    EXPECT(std::holds_alternative<BranchPrepared>(script.posted.back()));
    EXPECT(script.answer().empty());
    script.outcome(BranchVerdict::kCommitted, 5);
    script.pump();
    EXPECT(script.posted_back<DdlRequest>().sql == "CALL p()");
    EXPECT_FALSE(script.core.in_transaction());
    give_turn(script);
    EXPECT((script.sent(Channel::kHome) == Texts{"CALL p()"}));
    script.backend_ok(Channel::kHome, autocommit_ok());
    end_program(script);
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: a home that is lost while a CALL is asked about takes the transaction") {
    SessionScript script;
    script.query("BEGIN");
    script.query("UPDATE t SET a=1");
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    (void)script.answer();
    (void)script.sent(Channel::kHome);
    script.call_verdict = std::nullopt;
    script.query("CALL p()");
    const auto question = script.posted_back<CallQuestion>();
    script.lose(Channel::kHome);
    EXPECT(script.answer().empty());
    script.core.on_call_answer(
        {question.session, question.number, "d", "p", {CallVerdict::kAlone}});
    script.pump();
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(script.sent(Channel::kHome).empty());
    EXPECT_FALSE(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: a program does not run when the transaction before it cannot commit") {
    SessionScript script;
    begin_program(script, CallOpening::kCommits);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    script.outcome(BranchVerdict::kConflict);
    script.pump();
    EXPECT(script.answer() == "ERR 1213");
    EXPECT(std::holds_alternative<BranchPrepared>(script.posted.back()));
    EXPECT_FALSE(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: a program that begins with a rollback rolls back the transaction first") {
    SessionScript script;
    begin_program(script, CallOpening::kRollsBack);
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.pump();
    EXPECT(script.posted_back<DdlRequest>().sql == "CALL p()");
  }

  TEST_CASE("SessionCore: what a program does first inside a transaction must be certain") {
    SessionScript uncertain;
    begin_program(uncertain, CallOpening::kUncertain);
    EXPECT(uncertain.answer() == "ERR 1399");
    SessionScript reading;
    begin_program(reading, CallOpening::kCommits, "CALL p((SELECT a FROM t))");
    EXPECT(reading.answer() == "ERR 1399");
    EXPECT(reading.core.in_transaction());
    SessionScript changed;  // by DDL, while it ran
    begin_program(changed, CallOpening::kCommits, "CALL p()", std::nullopt);
    EXPECT(changed.answer() == "ERR 1399");
    SessionScript denied;
    begin_program(denied, CallOpening::kCommits, "CALL p()", CallVerdict::kAlone, 1370);
    EXPECT(denied.answer() == "ERR 1370");
    EXPECT(denied.core.in_transaction());
  }

  TEST_CASE("SessionCore: where a handler would catch the error the home is asked before") {
    for (const std::uint16_t error : {1318, 1370}) {
      SessionScript script;
      script.query("BEGIN");
      (void)script.answer();
      script.call_verdict = CallVerdict::kAlone;
      script.call_opening = CallOpening::kCommits;
      script.call_is_handled = true;
      script.query("CALL p()");
      CAPTURE(error);
      EXPECT((script.sent(Channel::kHome) == Texts{"BEGIN NOT ATOMIC CALL p(NULL); END"}));
      script.backend_error(Channel::kHome, error);
      script.pump();
      if (error == 1318) {
        EXPECT(script.sent(Channel::kHome).empty());
        EXPECT(script.posted_back<DdlRequest>().sql == "CALL p()");
      } else {
        EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "CALL p()"}));
        EXPECT(script.posted.empty());
      }
    }
  }

  TEST_CASE("SessionCore: where something may go wrong in front of it nobody is asked") {
    SessionScript script;
    script.call_is_handled = true;
    script.call_parameters.reset();
    begin_program(script, CallOpening::kCommits);
    EXPECT(script.answer() == "ERR 1399");
  }

  TEST_CASE("SessionCore: a block that begins with a commit ends the client's transaction first") {
    SessionScript script;
    begin_program(script, CallOpening::kUncertain, "BEGIN NOT ATOMIC COMMIT; SELECT 1; END");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA PREPARE"}));
    SessionScript other;
    begin_program(other, CallOpening::kUncertain, "BEGIN NOT ATOMIC SELECT 1; COMMIT; END");
    EXPECT(other.answer() == "ERR 1399");
  }

  TEST_CASE("SessionCore: with autocommit=0 a program that has only read leaves a transaction") {
    for (const char* state : {"I_R___S_", "I_R_W_S_", ""}) {
      SessionScript script;
      without_autocommit(script);
      script.call_verdict = CallVerdict::kAlone;
      script.call_opening = CallOpening::kCommits;
      script.query("CALL p()");
      script.core.on_ddl_turn({script.posted_back<DdlRequest>().session, Seqno{7}, script.home});
      script.pump();
      EXPECT(
          (script.sent(Channel::kHome) == Texts{"SET SESSION session_track_transaction_info=STATE",
                                                certifier::ddl_turn_fence_sql(Seqno{7})}));
      script.backend_ok(Channel::kHome);
      script.backend_ok(Channel::kHome);
      (void)script.sent(Channel::kHome);
      protocol::OkPacket ok;
      ok.status = protocol::status_flag::kInTransaction;
      if (*state != 0) {
        ok.changes.transaction_state = state;
      }
      script.backend_ok(Channel::kHome, ok);
      const Texts sent = script.sent(Channel::kHome);
      const bool rolls_back = std::any_of(sent.begin(), sent.end(), [](const std::string& text) {
        return text == "ROLLBACK AND NO CHAIN NO RELEASE";
      });
      CAPTURE(state);
      EXPECT(rolls_back);
      const bool reads = std::string_view(state) == "I_R___S_";
      if (!reads) {
        script.backend_row(Channel::kHome, {"1", "0"});
      }
      end_program(script);
      EXPECT(script.answer() == (reads ? "OK trx" : "ERR 1105"));
      EXPECT(script.core.in_transaction() == reads);
    }
  }

  TEST_CASE("SessionCore: what a procedure leaves open is rolled back, and told") {
    SessionScript script;
    script.call_verdict = CallVerdict::kAlone;
    script.query("CALL p()");
    give_turn(script);
    (void)script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);  // in a transaction
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"SELECT @@in_transaction,@@autocommit", "ROLLBACK AND NO CHAIN NO RELEASE"}));
    script.backend_row(Channel::kHome, {"1", "1"});
    EXPECT((script.posted_back<DdlExecuted>().end != DdlEnd::kSucceeded));
    end_program(script);
    EXPECT(script.answer() == "ERR 1105");
    EXPECT_FALSE(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: a transaction that an error leaves open is lost, and the next one told") {
    for (const bool open : {true, false}) {
      SessionScript script;
      script.call_verdict = CallVerdict::kAlone;
      script.query("CALL p()");
      give_turn(script);
      script.backend_error(Channel::kHome, 1062);
      script.backend_row(Channel::kHome, {open ? "1" : "0", "1"});
      script.backend_ok(Channel::kHome, autocommit_ok());
      end_program(script);
      EXPECT(script.answer() == "ERR 1062");
      EXPECT(script.core.in_transaction() == open);
      if (open) {
        script.query("COMMIT");
        EXPECT(script.answer() == "ERR 1213");
        EXPECT_FALSE(script.core.in_transaction());
      }
    }
  }

  TEST_CASE(
      "SessionCore: whose home is lost amid a program does not know, and does not repeat it") {
    SessionScript script;
    script.call_verdict = CallVerdict::kAlone;
    script.query("CALL p()");
    give_turn(script);
    script.lose(Channel::kHome);
    EXPECT((script.posted_back<DdlExecuted>().end == DdlEnd::kLost));
    end_program(script);
    EXPECT(script.answer() == "ERR 1158");
    EXPECT((script.sent(Channel::kHome) == Texts{"CALL p()"}));  // once
  }

  TEST_CASE("SessionCore: a turn on another connection than the log names is not taken") {
    SessionScript script;
    script.call_verdict = CallVerdict::kAlone;
    script.query("CALL p()");
    script.core.on_ddl_turn({{}, Seqno{7}, BackendId{3}});
    script.pump();
    EXPECT(script.sent(Channel::kHome).empty());
    const auto executed = script.posted_back<DdlExecuted>();
    EXPECT((executed.end == DdlEnd::kNotExecuted));
    end_program(script);
    EXPECT(script.answer().empty());
    script.core.on_retry_due();
    script.pump();
    give_turn(script);
    script.backend_ok(Channel::kHome, autocommit_ok());
    end_program(script);
    EXPECT(script.answer() == "OK");
  }

  TEST_CASE("SessionCore: what a program renames may be a temporary table, if there are any") {
    for (const CallVerdict verdict :
         {CallVerdict::kAlone, CallVerdict::kAloneTemporary, CallVerdict::kAloneRenames}) {
      SessionScript script;
      script.call_verdict = verdict;
      script.query("CALL p()");
      EXPECT(script.posted_back<DdlRequest>().renames_plain ==
             (verdict != CallVerdict::kAloneTemporary));
      give_turn(script);
      script.backend_ok(Channel::kHome, autocommit_ok());
      end_program(script);
      (void)script.answer();
      (void)script.sent(Channel::kHome);
      script.query("CALL p('RENAME TABLE a TO b')");  // the one before may have left some
      EXPECT((script.sent(Channel::kHome).front() == "XA START"));
    }
    for (const CallVerdict verdict : {CallVerdict::kAlone, CallVerdict::kAloneRenames}) {
      SessionScript script;
      script.call_verdict = verdict;
      script.query("CALL p()");
      give_turn(script);
      script.backend_ok(Channel::kHome, autocommit_ok());
      end_program(script);
      (void)script.answer();
      (void)script.sent(Channel::kHome);
      script.query("CALL p()");
      const bool alone = script.sent(Channel::kHome).empty();
      EXPECT(alone == (verdict != CallVerdict::kAloneRenames));
      if (alone) {
        EXPECT_FALSE(script.posted_back<DdlRequest>().renames_plain);
      }
    }
  }

  TEST_CASE("SessionCore: KILL QUERY reaches a program that runs") {
    SessionScript script;
    script.call_verdict = CallVerdict::kAlone;
    script.query("CALL p()");
    script.core.on_kill_query();  // not yet
    EXPECT(script.killed == 0);
    give_turn(script);
    script.core.on_kill_query();
    EXPECT(script.killed == 100U + script.home.value);
    EXPECT(script.ended_connection == 0);
    script.core.on_kill_connection();  // whatever became of the KILL QUERY
    EXPECT(script.ended_connection == 100U + script.home.value);
  }

  TEST_CASE("SessionCore: a block of the client's own that commits runs alone, too") {
    SessionScript script;
    script.query("BEGIN NOT ATOMIC START TRANSACTION; COMMIT; END");
    EXPECT(script.posted_back<DdlRequest>().program_thread.has_value());
    SessionScript other;
    other.query("BEGIN NOT ATOMIC UPDATE t SET v=1; END");
    EXPECT((other.sent(Channel::kHome).front() == "XA START"));
  }
}

}  // namespace
}  // namespace consort::proxy
