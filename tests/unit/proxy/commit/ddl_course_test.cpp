#include "proxy/commit/ddl_course.h"

#include <set>

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using certifier::DdlExecutor;
using Outcome = DdlCourse::Outcome;
using certifier::DdlTraces;

constexpr BackendId kHome{1};
constexpr BackendId kOther{0};
constexpr BackendId kThird{2};
constexpr std::size_t kBackends = 3;

/// A course among three backends whose lanes run and take orders, unless they are `away`.
struct Rig {
  explicit Rig(bool restored = false, bool own = false)
      : course({kHome, own, !own && !restored, restored, kBackends}) {}

  void reached(BackendId backend, bool may_have_run = false) {
    away.erase(backend);
    course.on_reached(backend, may_have_run);
  }

  void lost(BackendId backend) {
    away.insert(backend);
    course.on_lane_lost(backend);
  }

  /// Who is told what; "" while nobody is.
  std::string next() {
    const auto step = course.next({[this](BackendId id) { return !away.contains(id); },
                                   [this](BackendId id) { return !away.contains(id); }});
    if (!step) {
      return "";
    }
    const std::string who = step->who == DdlExecutor::kSession ? "session "
                            : step->who == DdlExecutor::kLane  ? "lane "
                                                               : "look ";
    return who + std::to_string(step->backend.value);
  }

  /// The session's turn on `backend`, up to its word.
  void turn(BackendId backend) {
    REQUIRE(next() == "session " + std::to_string(backend.value));
    course.on_offered(backend);
  }

  auto unknown(BackendId backend) {
    return course.on_executed({Seqno{7}, backend, DdlEnd::kLost}, false);
  }

  auto failed(BackendId backend, std::uint16_t error, DdlEnd end = DdlEnd::kFailed) {
    return course.on_executed({Seqno{7}, backend, end, {}, error}, false);
  }

  void wait() {
    for (unsigned i = 0; i < DdlCourse::kLooksBeforeVoid; ++i) {
      EXPECT_FALSE(course.outcome().has_value());
      course.on_look();
    }
  }

  DdlCourse course;
  std::set<BackendId> away;
};

}  // namespace

TEST_SUITE("commit") {
  TEST_CASE("DdlCourse: the session executes it on its home, and its result decides") {
    for (const auto& [error, outcome] :
         {std::pair{0, Outcome::kRun}, {1142, Outcome::kSkip}, {1205, Outcome::kSkip}}) {
      Rig rig;
      rig.reached(kOther);
      EXPECT(rig.next().empty());  // the home will get there
      rig.reached(kHome);
      rig.turn(kHome);
      EXPECT(rig.next().empty());
      EXPECT_FALSE(rig.course.outcome().has_value());
      if (error == 0) {
        EXPECT(rig.course.on_executed({Seqno{7}, kHome, DdlEnd::kSucceeded}, false) == outcome);
      } else {
        EXPECT(rig.failed(kHome, static_cast<std::uint16_t>(error)) == outcome);
      }
    }
    Rig rig;
    rig.reached(kHome);
    rig.turn(kHome);
    EXPECT(rig.failed(kHome, 1051, DdlEnd::kPartly) == Outcome::kRunTolerant);
  }

  TEST_CASE("DdlCourse: what was interrupted amid a list: the binlog knows whether it began") {
    for (const bool began : {false, true}) {
      Rig rig;
      rig.reached(kHome);
      rig.reached(kOther);
      rig.turn(kHome);
      EXPECT_FALSE(rig.failed(kHome, 1205, DdlEnd::kUnclear).has_value());
      EXPECT_FALSE(rig.course.outcome().has_value());
      EXPECT(rig.next() == "look 1");
      const auto looked = rig.course.on_looked(kHome, began ? DdlTraces::kRan : DdlTraces::kNone);
      EXPECT(looked == (began ? std::optional(Outcome::kRunTolerant) : std::nullopt));
      if (!began) {
        EXPECT(rig.next().empty());  // its client has got the error
        EXPECT(rig.course.outcome() == Outcome::kSkip);
      }
    }
  }

  TEST_CASE("DdlCourse: nobody executes a client's statement but its session") {
    for (const bool begun : {false, true}) {
      Rig rig(true);  // no session is left
      for (const BackendId backend : {kOther, kHome, kThird}) {
        rig.reached(backend, begun && backend == kHome);
      }
      if (begun) {
        EXPECT(rig.next() == "look 1");
        EXPECT_FALSE(rig.course.on_looked(kHome, DdlTraces::kNone).has_value());
      }
      EXPECT(rig.next().empty());
      EXPECT(rig.course.outcome() == Outcome::kSkip);
    }
  }

  TEST_CASE("DdlCourse: what a server has accepted runs everywhere, without its session, too") {
    Rig rig(true);
    rig.reached(kHome, true);
    EXPECT(rig.next() == "look 1");
    EXPECT(rig.course.on_looked(kHome, DdlTraces::kRan) == Outcome::kRunTolerant);
  }

  TEST_CASE("DdlCourse: a connection lost amid it: its backend is asked, then it runs there") {
    Rig rig;
    rig.reached(kHome);
    rig.turn(kHome);
    EXPECT_FALSE(rig.unknown(kHome).has_value());
    EXPECT(rig.next() == "look 1");
    rig.course.on_reached(kHome, true);  // a statement is still under way there: again
    EXPECT(rig.next() == "look 1");
    EXPECT_FALSE(rig.course.on_looked(kHome, DdlTraces::kNone).has_value());
    rig.turn(kHome);
    EXPECT(rig.failed(kHome, 1142) == Outcome::kSkip);  // it surely ran nowhere
  }

  TEST_CASE("DdlCourse: a lost home: its session executes it on another backend") {
    struct Row {
      std::uint16_t error;
      std::optional<Outcome> outcome;
    };

    for (const Row& row : {Row{1142, Outcome::kVoid}, Row{1050, Outcome::kVoid},
                           Row{1021, std::nullopt}, Row{1205, std::nullopt}}) {
      Rig rig;
      rig.reached(kHome);
      rig.turn(kHome);
      rig.lost(kHome);
      EXPECT_FALSE(rig.unknown(kHome).has_value());
      EXPECT(rig.next().empty());
      rig.reached(kOther);
      rig.turn(kOther);
      EXPECT(rig.failed(kOther, row.error) == row.outcome);
      if (!row.outcome) {  // this backend's own trouble: again
        rig.turn(kOther);
        EXPECT(rig.course.on_executed({Seqno{7}, kOther, DdlEnd::kSucceeded}, false) ==
               Outcome::kRun);
      }
    }
  }

  TEST_CASE("DdlCourse: an error that does not end leaves it to the backend that is away") {
    Rig rig;
    rig.reached(kHome);
    rig.turn(kHome);
    rig.lost(kHome);
    (void)rig.unknown(kHome);
    rig.reached(kOther);
    for (unsigned i = 1; i < DdlCourse::kTurnsMax; ++i) {
      rig.turn(kOther);
      EXPECT_FALSE(rig.failed(kOther, 1205).has_value());
    }
    EXPECT(rig.next().empty());
    rig.wait();
    EXPECT(rig.course.outcome() == Outcome::kVoid);
  }

  TEST_CASE("DdlCourse: without its session it waits for the backend where it may have run") {
    for (const auto traces : {DdlTraces::kRan, DdlTraces::kNone, DdlTraces::kUnknown}) {
      CAPTURE(static_cast<int>(traces));
      Rig rig;
      rig.reached(kHome);
      rig.reached(kOther);
      rig.turn(kHome);
      rig.lost(kHome);
      (void)rig.unknown(kHome);
      rig.turn(kOther);
      EXPECT_FALSE(rig.failed(kOther, 0, DdlEnd::kNotExecuted).has_value());  // it is gone
      EXPECT(rig.next().empty());
      EXPECT_FALSE(rig.course.outcome().has_value());
      rig.reached(kHome, true);
      EXPECT(rig.next() == "look 1");
      const auto outcome = rig.course.on_looked(kHome, traces);
      if (traces == DdlTraces::kRan) {
        EXPECT(outcome == Outcome::kRunTolerant);
      } else if (traces == DdlTraces::kNone) {
        EXPECT_FALSE(outcome.has_value());
        EXPECT(rig.course.outcome() == Outcome::kSkip);
      } else {
        EXPECT(rig.next().empty());  // asked once
        rig.wait();
        EXPECT(rig.course.outcome() == Outcome::kVoid);
      }
    }
  }

  TEST_CASE("DdlCourse: after a restart any backend that is away may have run it") {
    Rig rig(true);
    rig.reached(kHome);
    rig.reached(kOther);
    EXPECT(rig.next().empty());
    rig.wait();
    EXPECT(rig.course.outcome() == Outcome::kVoid);
  }

  TEST_CASE("DdlCourse: the time of a session's turn does not count") {
    Rig rig;
    rig.reached(kHome);
    rig.turn(kHome);
    for (unsigned i = 0; i <= DdlCourse::kLooksBeforeVoid; ++i) {
      rig.course.on_look();
    }
    rig.lost(kHome);
    EXPECT_FALSE(rig.failed(kHome, 0, DdlEnd::kNotExecuted).has_value());
    EXPECT(rig.course.outcome() == Outcome::kSkip);
    Rig lost;
    lost.reached(kHome);
    lost.reached(kOther);
    lost.turn(kHome);
    lost.lost(kHome);
    (void)lost.unknown(kHome);
    lost.turn(kOther);
    for (unsigned i = 0; i <= DdlCourse::kLooksBeforeVoid; ++i) {
      lost.course.on_look();
    }
    (void)lost.failed(kOther, 0, DdlEnd::kNotExecuted);
    EXPECT_FALSE(lost.course.outcome().has_value());
  }

  TEST_CASE("DdlCourse: a SET GLOBAL whose values are lost is nobody's") {
    Rig rig;
    rig.reached(kHome);
    rig.turn(kHome);
    EXPECT(rig.course.on_executed({Seqno{7}, kHome, DdlEnd::kLost}, true) == Outcome::kSkip);
  }

  TEST_CASE("DdlCourse: Consort's own statement is executed by lanes, first where it was begun") {
    Rig rig(true, true);
    rig.reached(kOther);
    EXPECT(rig.next() == "lane 0");
    rig.lost(kOther);
    rig.reached(kThird, true);
    rig.reached(kHome);
    EXPECT(rig.next() == "lane 2");
    EXPECT_FALSE(rig.course.outcome().has_value());
  }
}

}  // namespace consort::proxy
