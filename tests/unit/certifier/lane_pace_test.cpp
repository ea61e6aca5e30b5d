#include "certifier/lane_pace.h"

#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::certifier;
using namespace std::chrono_literals;

/// A lane that has sent many batches of `entries`, the last one at time 0.
LanePace after_batches_of(std::size_t entries, std::chrono::milliseconds interval = 4ms) {
  LanePace pace(interval);
  for (int i = 0; i < 100; ++i) {
    pace.on_sent(TimePoint{}, entries);
  }
  return pace;
}

}  // namespace

TEST_SUITE("certifier") {
  TEST_CASE("LanePace: batches of one entry never wait") {
    EXPECT(LanePace(4ms).delay(TimePoint{}, 1) == 0ns);
    EXPECT(after_batches_of(1).delay(TimePoint{}, 1) == 0ns);
  }

  TEST_CASE("LanePace: under load a batch waits for the rest of the interval") {
    const LanePace pace = after_batches_of(3);
    EXPECT(pace.delay(TimePoint{}, 1) == 4ms);
    EXPECT(pace.delay(TimePoint{3ms}, 1) == 1ms);
    EXPECT(pace.delay(TimePoint{4ms}, 1) == 0ns);
    EXPECT(pace.delay(TimePoint{1h}, 1) == 0ns);
  }

  TEST_CASE("LanePace: enough entries do not wait, nor does anything when told so") {
    EXPECT(after_batches_of(3).delay(TimePoint{}, 64) == 0ns);
    EXPECT(after_batches_of(100, 0ms).delay(TimePoint{}, 1) == 0ns);
  }

  TEST_CASE("LanePace: waits no more when waiting brings no company") {
    LanePace pace = after_batches_of(5);
    for (int i = 0; i < 30; ++i) {
      pace.on_sent(TimePoint{}, 1);
    }
    EXPECT(pace.delay(TimePoint{}, 1) == 0ns);
  }
}
