#include "healthcheck/probe_schedule.h"

#include <algorithm>

#include "base/check.h"

namespace consort::healthcheck {

ProbeSchedule::ProbeSchedule(const ProbeIntervals& intervals, TimePoint now)
    : intervals_(intervals), backoff_(intervals.backoff_first), next_(now) {
  CHECK(intervals.backoff_first > Duration::zero());
  CHECK(intervals.backoff_first <= intervals.backoff_max);
  CHECK(intervals.steady > Duration::zero());
  CHECK(intervals.quick > Duration::zero());
}

void ProbeSchedule::on_started(TimePoint now) {
  last_started_ = now;
}

void ProbeSchedule::steady(TimePoint now) {
  backoff_ = intervals_.backoff_first;
  next_ = now + intervals_.steady;
}

void ProbeSchedule::quick(TimePoint now) {
  backoff_ = intervals_.backoff_first;
  next_ = now + intervals_.quick;
}

void ProbeSchedule::back_off(TimePoint now) {
  next_ = now + backoff_;
  backoff_ = std::min(backoff_ * 2, intervals_.backoff_max);
}

void ProbeSchedule::at_once(TimePoint now) {
  const TimePoint allowed =
      last_started_ ? std::max(now, *last_started_ + intervals_.extra_gap) : now;
  next_ = std::min(next_, allowed);
}

}  // namespace consort::healthcheck
