#include "proxy/failed_logins.h"

#include "tests/support/test.h"

using namespace consort;
using namespace consort::proxy;
using std::chrono::seconds;

TEST_SUITE("proxy") {
  TEST_CASE("FailedLogins: blocks an address after so many in a row, for a while") {
    FailedLogins failures({3, seconds(60), 100});
    const TimePoint now{seconds(1000)};
    EXPECT_FALSE(failures.blocked_for("a", now));
    EXPECT_FALSE(failures.note_failure("a", now));
    EXPECT_FALSE(failures.note_failure("a", now));
    EXPECT_FALSE(failures.blocked_for("a", now));
    EXPECT(failures.note_failure("a", now + seconds(10)));
    EXPECT(failures.blocked_for("a", now + seconds(10)) == seconds(60));
    EXPECT(failures.blocked_for("a", now + seconds(69)) == seconds(1));
    EXPECT_FALSE(failures.blocked_for("a", now + seconds(70)));
    EXPECT_FALSE(failures.blocked_for("b", now + seconds(10)));
    // Then it begins anew.
    EXPECT_FALSE(failures.note_failure("a", now + seconds(70)));
    EXPECT_FALSE(failures.blocked_for("a", now + seconds(70)));
  }

  TEST_CASE("FailedLogins: those already under way do not say it again, but lengthen the block") {
    FailedLogins failures({1, seconds(60), 100});
    const TimePoint now{seconds(1000)};
    EXPECT(failures.note_failure("a", now));
    EXPECT_FALSE(failures.note_failure("a", now + seconds(30)));
    EXPECT(failures.blocked_for("a", now + seconds(80)) == seconds(10));
  }

  TEST_CASE("FailedLogins: a success and a pause forget") {
    FailedLogins failures({2, seconds(60), 100});
    const TimePoint now{seconds(1000)};
    EXPECT_FALSE(failures.note_failure("a", now));
    failures.note_success("a");
    EXPECT(failures.size() == 0);
    EXPECT_FALSE(failures.note_failure("a", now));
    EXPECT_FALSE(failures.note_failure("a", now + seconds(60)));
    EXPECT(failures.note_failure("a", now + seconds(61)));
  }

  TEST_CASE("FailedLogins: off, and bounded") {
    FailedLogins off({0, seconds(60), 100});
    const TimePoint now{seconds(1000)};
    for (int i = 0; i < 10; ++i) {
      EXPECT_FALSE(off.note_failure("a", now));
    }
    EXPECT_FALSE(off.blocked_for("a", now));
    FailedLogins small({1, seconds(60), 3});
    for (int i = 0; i < 10; ++i) {
      EXPECT(small.note_failure(std::to_string(i), now + seconds(i)));
    }
    EXPECT(small.size() == 3);
    EXPECT(small.blocked_for("9", now + seconds(9)));
    EXPECT_FALSE(small.blocked_for("0", now + seconds(9)));
  }
}
