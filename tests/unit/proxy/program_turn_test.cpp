#include "proxy/program_turn.h"

#include <vector>

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

/// A run's turn, and a commit thread that does what `answer` says, at once.
struct Turn {
  ProgramTurn turn{[this](CommitRequest request) {
                     posted.push_back(request);
                     return answer(posted.back());
                   },
                   SessionId{4, 7, 0}, positions};
  AppliedPositions positions;
  std::vector<CommitRequest> posted;
  std::function<bool(const CommitRequest&)> answer = [](const CommitRequest&) { return true; };
  CallVerdict verdict = CallVerdict::kBranch;
  bool names_host = false;

  void answer_questions() {
    answer = [this](const CommitRequest& request) {
      const auto& question = std::get<CallQuestion>(request);
      CallAnswer said{question.session,
                      question.number + 1,
                      question.schema,
                      question.name,
                      {CallVerdict::kAlone}};
      EXPECT(turn.on_event(said));  // to another question
      said.number = question.number;
      said.known.verdict = verdict;
      said.known.names_host = names_host;
      return turn.on_event(said);
    };
  }
};

TEST_SUITE("events") {
  TEST_CASE("ProgramTurn: a body's own words tell whether it commits") {
    Turn turn;
    EXPECT(turn.turn.runs_alone("BEGIN COMMIT; RENAME TABLE a TO b; END", "d", {}));
    EXPECT(turn.turn.renames_plain());
    EXPECT(turn.turn.runs_alone("CREATE TABLE a (b INT)", "d", {}));
    EXPECT_FALSE(turn.positions.functions_made.load());
    EXPECT(turn.turn.runs_alone("CREATE FUNCTION f() RETURNS INT RETURN 1", "d", {}));
    EXPECT(turn.positions.functions_made.load());
    for (const char* body :
         {"INSERT INTO t VALUES (1)", "BEGIN COMMIT; XA START 'a'; END", "CREATE SEQUENCE s",
          "BEGIN CREATE TEMPORARY TABLE t (a INT); COMMIT; RENAME TABLE t TO u; END"}) {
      CAPTURE(body);
      EXPECT_FALSE(turn.turn.runs_alone(body, "d", {}));
    }
    EXPECT(turn.posted.empty());
    EXPECT(turn.turn.runs_alone("CREATE TABLE a LIKE b", "d", {}));
    turn.positions.sequences.add("d", "b");
    EXPECT_FALSE(turn.turn.runs_alone("CREATE TABLE a LIKE b", "d", {}));
  }

  TEST_CASE("ProgramTurn: and the commit thread of what it calls") {
    for (const CallVerdict verdict :
         {CallVerdict::kBranch, CallVerdict::kAlone, CallVerdict::kAloneTemporary,
          CallVerdict::kAloneRenames, CallVerdict::kByText}) {
      Turn turn;
      turn.answer_questions();
      turn.verdict = verdict;
      CAPTURE(static_cast<int>(verdict));
      EXPECT(turn.turn.runs_alone("CALL p()", "d", {}) ==
             (verdict != CallVerdict::kBranch && verdict != CallVerdict::kByText));
      EXPECT(turn.turn.renames_plain() ==
             (verdict == CallVerdict::kAlone || verdict == CallVerdict::kAloneRenames));
      EXPECT(std::get<CallQuestion>(turn.posted.back()).schema == "d");
      EXPECT(turn.turn.runs_alone("CALL e.p('DROP TABLE t')", "d", {}) ==
             (verdict != CallVerdict::kBranch));
      EXPECT(std::get<CallQuestion>(turn.posted.back()).schema == "e");
    }
  }

  TEST_CASE("ProgramTurn: no account by a host's name where servers forget it") {
    for (const bool forgotten : {true, false}) {
      Turn turn;
      turn.answer_questions();
      turn.positions.accounts_forgotten.store(forgotten);
      CAPTURE(forgotten);
      EXPECT(turn.turn.runs_alone("CREATE USER a@web1", "d", {}) != forgotten);
      EXPECT(turn.turn.runs_alone("CREATE USER a@localhost", "d", {}));
      turn.verdict = CallVerdict::kByText;
      EXPECT(turn.turn.runs_alone("CALL p('CREATE USER a@web1')", "d", {}) != forgotten);
      turn.verdict = CallVerdict::kAlone;
      EXPECT(turn.turn.runs_alone("CALL p()", "d", {}));
      turn.names_host = true;
      EXPECT(turn.turn.runs_alone("CALL p()", "d", {}) != forgotten);
    }
  }

  TEST_CASE("ProgramTurn: is waited for, and ended") {
    Turn turn;
    turn.answer = [&turn](const CommitRequest& request) {
      if (std::holds_alternative<DdlRequest>(request)) {
        EXPECT_FALSE(turn.turn.on_event(DdlTurn{SessionId{4, 8, 0}, Seqno{5}, BackendId{1}}));
        return turn.turn.on_event(DdlTurn{SessionId{4, 7, 0}, Seqno{6}, BackendId{1}});
      }
      return turn.turn.on_event(DdlOutcome{SessionId{4, 7, 0}, Seqno{9}});
    };
    const auto given = turn.turn.ask({});
    REQUIRE(given.has_value());
    EXPECT((given->seqno == Seqno{6}));
    const auto outcome = turn.turn.end({Seqno{6}, BackendId{1}, DdlEnd::kSucceeded});
    REQUIRE(outcome.has_value());
    EXPECT((outcome->seqno == Seqno{9}));
  }

  TEST_CASE("ProgramTurn: what is not ordered, or waits in vain for tables, has no turn") {
    Turn turn;
    turn.answer = [](const CommitRequest&) { return false; };
    EXPECT_FALSE(turn.turn.ask({}).has_value());
    EXPECT_FALSE(turn.turn.locked());
    turn.answer = [&turn](const CommitRequest&) {
      return turn.turn.on_event(DdlOutcome{SessionId{4, 7, 0}, Seqno{}, true});
    };
    EXPECT_FALSE(turn.turn.ask({}).has_value());
    EXPECT(turn.turn.locked());
  }

  TEST_CASE("ProgramTurn: one that comes when nobody wants it any more is given back") {
    for (const bool ends : {false, true}) {
      Turn turn;
      turn.answer = [&turn, ends](const CommitRequest& request) {
        if (std::holds_alternative<DdlRequest>(request)) {
          turn.turn.stop(ends);
        }
        return true;
      };
      EXPECT_FALSE(turn.turn.ask({}).has_value());
      EXPECT(turn.turn.on_event(DdlTurn{SessionId{4, 7, 0}, Seqno{6}, BackendId{1}}));
      const auto& back = std::get<DdlExecuted>(turn.posted.back());
      EXPECT((back.end == DdlEnd::kNotExecuted));
      EXPECT((back.seqno == Seqno{6}));
    }
  }
}

}  // namespace
}  // namespace consort::proxy
