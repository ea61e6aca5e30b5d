#include "healthcheck/probe_schedule.h"

#include "tests/support/test.h"

using consort::Duration;
using consort::ManualClock;
using consort::healthcheck::ProbeIntervals;
using consort::healthcheck::ProbeSchedule;
using std::chrono::milliseconds;

TEST_SUITE("healthcheck") {
  TEST_CASE("ProbeSchedule: the first probe is due at once") {
    const ManualClock clock;
    const ProbeSchedule schedule(ProbeIntervals{}, clock.now());
    EXPECT((schedule.next() == clock.now()));
  }

  TEST_CASE("ProbeSchedule: backs off up to the cap and starts over when well") {
    const ManualClock clock;
    ProbeIntervals intervals;
    intervals.backoff_first = milliseconds(100);
    intervals.backoff_max = milliseconds(500);
    ProbeSchedule schedule(intervals, clock.now());
    for (const int wait_ms : {100, 200, 400, 500, 500}) {
      CAPTURE(wait_ms);
      schedule.back_off(clock.now());
      EXPECT((schedule.next() - clock.now() == milliseconds(wait_ms)));
    }
    schedule.steady(clock.now());
    EXPECT((schedule.next() - clock.now() == intervals.steady));
    schedule.back_off(clock.now());
    EXPECT((schedule.next() - clock.now() == milliseconds(100)));
  }

  TEST_CASE("ProbeSchedule: at once keeps a gap to the last probe and never delays one") {
    ManualClock clock;
    ProbeIntervals intervals;
    ProbeSchedule schedule(intervals, clock.now());
    schedule.on_started(clock.now());
    schedule.steady(clock.now());
    schedule.at_once(clock.now());
    EXPECT((schedule.next() - clock.now() == intervals.extra_gap));
    clock.advance(milliseconds(60));
    schedule.steady(clock.now());
    schedule.at_once(clock.now());
    EXPECT((schedule.next() == clock.now()));
    clock.advance(milliseconds(1));
    schedule.at_once(clock.now());
    EXPECT((schedule.next() < clock.now()));
  }
}
