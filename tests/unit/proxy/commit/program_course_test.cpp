#include "proxy/commit/program_course.h"

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using certifier::DdlExecutor;
using Ended = ProgramCourse::Outcome;

constexpr BackendId kAtHome{1};
constexpr BackendId kElsewhere{0};
constexpr Gtid kMarker{0, 2, 20};

/// As its session has it, or as a new run finds it in the log.
ProgramCourse begun_course() {
  return ProgramCourse({kAtHome, true, false});
}

ProgramCourse restored_course() {
  return ProgramCourse({kAtHome, false, true});
}

/// Whose home's lane stands at it, and nothing before it is missing.
ProgramCourse cleared_course() {
  ProgramCourse course = begun_course();
  course.on_reached(kAtHome, false);
  EXPECT((course.next(true) == DdlExecutor::kEnded));
  EXPECT(course.on_marked({0, 2, 10}));
  course.on_streamed({0, 2, 10});
  EXPECT(course.cleared());
  return course;
}

/// The session has its turn.
ProgramCourse running_course() {
  ProgramCourse course = cleared_course();
  EXPECT((course.next(true) == DdlExecutor::kSession));
  course.on_offered();
  return course;
}

/// Nothing comes of it yet.
void expect_open(ProgramCourse& course) {
  EXPECT_FALSE(course.take_outcome().has_value());
  EXPECT_FALSE(course.over());
}

void look(ProgramCourse& course, unsigned times) {
  for (unsigned i = 0; i < times; ++i) {
    course.on_look();
  }
}

TEST_SUITE("commit") {
  TEST_CASE("ProgramCourse: ends when the stream has shown what the lane wrote behind it") {
    ProgramCourse course = running_course();
    EXPECT(course.offered());
    EXPECT_FALSE(course.next(true).has_value());
    course.on_streamed({0, 2, 18});
    course.on_ended(false);
    EXPECT((course.next(true) == DdlExecutor::kEnded));
    EXPECT_FALSE(course.next(true).has_value());
    EXPECT_FALSE(course.on_marked(kMarker));
    expect_open(course);
    course.on_streamed({0, 2, 19});
    expect_open(course);
    course.on_streamed(kMarker);
    EXPECT((course.take_outcome() == Ended::kSkip));
    EXPECT_FALSE(course.take_outcome().has_value());
    EXPECT(course.over());
  }

  TEST_CASE("ProgramCourse: the stream may be faster than the lane's answer") {
    ProgramCourse course = running_course();
    course.on_ended(false);
    (void)course.next(true);
    course.on_streamed(kMarker);
    expect_open(course);
    EXPECT_FALSE(course.on_marked(kMarker));
    EXPECT((course.take_outcome() == Ended::kSkip));
  }

  TEST_CASE("ProgramCourse: who cannot tell whether it ended has it ended") {
    ProgramCourse course = running_course();
    course.on_ended(true);
    EXPECT((course.next(true) == DdlExecutor::kNobody));
  }

  TEST_CASE("ProgramCourse: waits until the lane takes orders, and for its home's only") {
    ProgramCourse course = begun_course();
    course.on_reached(kElsewhere, false);
    EXPECT_FALSE(course.next(true).has_value());
    course.on_reached(kAtHome, false);
    EXPECT_FALSE(course.next(false).has_value());
    EXPECT((course.next(true) == DdlExecutor::kEnded));
  }

  TEST_CASE("ProgramCourse: has no turn before the stream has shown what was there before") {
    ProgramCourse course = begun_course();
    course.on_reached(kAtHome, false);
    (void)course.next(true);
    EXPECT_FALSE(course.next(true).has_value());
    EXPECT(course.on_marked({0, 2, 10}));
    EXPECT_FALSE(course.next(true).has_value());
    EXPECT_FALSE(course.cleared());
    course.on_streamed({0, 2, 9});
    EXPECT_FALSE(course.next(true).has_value());
    course.on_streamed({0, 2, 10});
    EXPECT((course.next(true) == DdlExecutor::kSession));
    course.on_lane_lost(kAtHome);
    course.on_reached(kAtHome, false);
    EXPECT((course.next(true) == DdlExecutor::kEnded));  // again
    EXPECT(restored_course().cleared());
  }

  TEST_CASE("ProgramCourse: a lane that was lost does not end a session's program") {
    ProgramCourse course = running_course();
    course.on_lane_lost(kAtHome);
    course.on_reached(kAtHome, true);
    EXPECT_FALSE(course.next(true).has_value());
    expect_open(course);
    course.on_ended(false);
    EXPECT((course.next(true) == DdlExecutor::kEnded));
  }

  TEST_CASE("ProgramCourse: the session's word counts while the lane is away") {
    ProgramCourse course = running_course();
    course.on_lane_lost(kAtHome);
    course.on_ended(true);
    EXPECT_FALSE(course.next(true).has_value());
    course.on_reached(kAtHome, true);
    EXPECT((course.next(true) == DdlExecutor::kNobody));
  }

  TEST_CASE("ProgramCourse: nobody runs it twice") {
    ProgramCourse course = cleared_course();
    (void)course.next(true);
    course.on_lane_lost(kAtHome);  // amid the mark
    course.on_reached(kAtHome, true);
    EXPECT((course.next(true) == DdlExecutor::kNobody));
  }

  TEST_CASE("ProgramCourse: a new run settles what may run, and leaves what was not begun") {
    ProgramCourse marked = restored_course();
    marked.on_reached(kAtHome, true);
    EXPECT((marked.next(true) == DdlExecutor::kNobody));
    ProgramCourse unmarked = restored_course();
    unmarked.on_reached(kAtHome, false);
    EXPECT((unmarked.take_outcome() == Ended::kSkip));
  }

  TEST_CASE("ProgramCourse: a lost marker is written again, one that was seen stays") {
    ProgramCourse course = running_course();
    course.on_ended(false);
    (void)course.next(true);
    course.on_lane_lost(kAtHome);  // no answer to the marker
    course.on_reached(kAtHome, true);
    EXPECT((course.next(true) == DdlExecutor::kEnded));
    EXPECT_FALSE(course.on_marked(kMarker));
    course.on_lane_lost(kAtHome);
    course.on_streamed(kMarker);
    EXPECT((course.take_outcome() == Ended::kSkip));
  }

  TEST_CASE("ProgramCourse: a home that stays away is given up") {
    ProgramCourse course = running_course();
    course.on_lane_lost(kAtHome);
    look(course, ProgramCourse::kLooksBeforeVoid - 1);
    expect_open(course);
    course.on_look();
    EXPECT((course.take_outcome() == Ended::kVoid));
    ProgramCourse old = restored_course();
    look(old, ProgramCourse::kLooksBeforeVoid);
    EXPECT((old.take_outcome() == Ended::kVoid));
  }

  TEST_CASE("ProgramCourse: a home that is there is not, however long it takes") {
    ProgramCourse course = running_course();
    look(course, 10 * ProgramCourse::kLooksBeforeVoid);
    expect_open(course);
    course.on_lane_lost(kAtHome);
    look(course, ProgramCourse::kLooksBeforeVoid - 1);
    course.on_reached(kAtHome, true);
    look(course, ProgramCourse::kLooksBeforeVoid);
    expect_open(course);
  }

  TEST_CASE(
      "ProgramCourse: one that was never begun ends with its session, or its home's absence") {
    ProgramCourse gone = cleared_course();
    gone.on_session_gone();
    EXPECT((gone.take_outcome() == Ended::kSkip));
    ProgramCourse away = begun_course();
    look(away, ProgramCourse::kLooksBeforeVoid);
    EXPECT((away.take_outcome() == Ended::kSkip));
  }

  TEST_CASE("ProgramCourse: with a gap in the binlog nobody knows what it has committed") {
    ProgramCourse course = running_course();
    course.on_gap();
    EXPECT((course.take_outcome() == Ended::kVoid));
    ProgramCourse waiting = begun_course();
    waiting.on_gap();  // it has committed nothing
    expect_open(waiting);
  }

  TEST_CASE("ProgramCourse: nothing matters when it is over") {
    ProgramCourse course = running_course();
    course.on_gap();
    (void)course.take_outcome();
    course.on_reached(kAtHome, true);
    course.on_ended(false);
    EXPECT_FALSE(course.on_marked(kMarker));
    course.on_streamed(kMarker);
    look(course, ProgramCourse::kLooksBeforeVoid);
    EXPECT_FALSE(course.next(true).has_value());
    EXPECT_FALSE(course.take_outcome().has_value());
  }
}

}  // namespace
}  // namespace consort::proxy
