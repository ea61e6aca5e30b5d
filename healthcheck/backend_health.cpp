#include "healthcheck/backend_health.h"

#include <array>
#include <utility>

#include "base/check.h"

namespace consort::healthcheck {

namespace {

constexpr std::array kReachMoves = {
    Transition<Reach>{Reach::kUnknown, Reach::kUp},
    Transition<Reach>{Reach::kUnknown, Reach::kDown},
    Transition<Reach>{Reach::kUp, Reach::kShaky},
    Transition<Reach>{Reach::kUp, Reach::kDown},
    Transition<Reach>{Reach::kShaky, Reach::kUp},
    Transition<Reach>{Reach::kShaky, Reach::kDown},
    Transition<Reach>{Reach::kDown, Reach::kReturning},
    Transition<Reach>{Reach::kDown, Reach::kUp},
    Transition<Reach>{Reach::kReturning, Reach::kUp},
    Transition<Reach>{Reach::kReturning, Reach::kDown},
};

std::string join(std::string_view what, std::string_view detail) {
  std::string text(what);
  if (!detail.empty()) {
    text.append(": ").append(detail);
  }
  return text;
}

}  // namespace

std::string_view to_text(LaneState lane) {
  switch (lane) {
    case LaneState::kLost:
      return "lost";
    case LaneState::kCatchingUp:
      return "catching_up";
    case LaneState::kCaughtUp:
      return "caught_up";
    case LaneState::kPaused:
      return "paused";
    case LaneState::kInconsistent:
      return "inconsistent";
  }
  return "unknown";
}

std::string_view to_text(OperatorState wish) {
  switch (wish) {
    case OperatorState::kOnline:
      return "online";
    case OperatorState::kDraining:
      return "draining";
    case OperatorState::kOffline:
      return "offline";
  }
  return "unknown";
}

BackendHealth::BackendHealth(const HealthOptions& options, TimePoint now)
    : options_(options),
      schedule_(options.intervals, now),
      reach_(Reach::kUnknown, kReachMoves),
      reach_reason_("not probed yet") {
  CHECK(options.ejects_after >= 2);  // one failure alone never ejects
  CHECK(options.returns_after >= 1);
  settle();
}

void BackendHealth::on_probe_started(TimePoint now) {
  CHECK(!probing_);
  probing_ = true;
  probe_started_ = now;
  wants_fresh_connection_ = false;
  schedule_.on_started(now);
}

void BackendHealth::on_probe_ok(TimePoint started, TimePoint now, bool paused) {
  probing_ = false;
  paused_by_probe_ = paused;
  if (reach_.is(Reach::kShaky) && started < suspected_at_) {
    // It was asked before the failure was seen: it proves nothing about after. Ask again.
    schedule_.at_once(now);
    settle();
    return;
  }
  failures_ = 0;
  ++successes_;
  if (reach_.is(Reach::kDown) && options_.returns_after > 1) {
    successes_ = 1;
    reach_.move(Reach::kReturning);
  } else if (!reach_.is(Reach::kUp) &&
             (!reach_.is(Reach::kReturning) || successes_ >= options_.returns_after)) {
    reach_.move(Reach::kUp);
  }
  if (reach_.is(Reach::kUp)) {
    schedule_.steady(now);
  } else {
    schedule_.quick(now);
  }
  settle();
}

void BackendHealth::on_probe_failed(ProbeFailure failure, std::string_view message, TimePoint now) {
  probing_ = false;
  successes_ = 0;
  failures_ += failure == ProbeFailure::kOverloaded ? 0 : 1;
  const std::string why = join(to_text(failure), message);
  const bool ejects = failure == ProbeFailure::kRefused || failure == ProbeFailure::kWrongServer ||
                      (failures_ >= options_.ejects_after && failure != ProbeFailure::kOverloaded);
  if (ejects || reach_.is(Reach::kDown) || reach_.is(Reach::kReturning)) {
    go_down(why, now);
  } else {
    doubt(why, now);
    schedule_.quick(now);
  }
  settle();
}

void BackendHealth::on_path_failure(PathFailure failure, TimePoint now) {
  const std::string why = join(to_text(failure), "seen by a session or lane");
  wants_fresh_connection_ = true;
  if (reach_.is(Reach::kDown)) {
    settle();  // known already: the back-off stands
    return;
  }
  if (failure == PathFailure::kRefused) {
    go_down(why, now);
  } else {
    doubt(why, now);
  }
  schedule_.at_once(now);
  settle();
}

void BackendHealth::on_lane(LaneState lane, std::string_view reason, TimePoint now) {
  const bool lost_now = lane == LaneState::kLost && lane_ != LaneState::kLost;
  lane_ = lane;
  lane_reason_ = reason;
  if (lane == LaneState::kInconsistent) {
    inconsistent_ = true;
    difference_ = join("", reason);
  }
  if (lane != LaneState::kPaused) {
    lane_ready_ = lane == LaneState::kCaughtUp;
  }
  if (lost_now && !reach_.is(Reach::kDown)) {
    wants_fresh_connection_ = true;
    schedule_.at_once(now);
  }
  settle();
}

void BackendHealth::on_operator(OperatorState wish, TimePoint now) {
  wish_ = wish;
  if (wish == OperatorState::kOnline) {
    inconsistent_ = false;
    schedule_.at_once(now);
  }
  settle();
}

void BackendHealth::on_admission(std::string_view refusal) {
  refusal_ = refusal;
  admitted_ = refusal.empty();
  settle();
}

void BackendHealth::on_clock(TimePoint now) {
  if (probing_ && now >= probe_started_ + options_.probe_deadline) {
    on_probe_failed(ProbeFailure::kReadTimeout, "the probe did not end", now);
  }
}

bool BackendHealth::probe_due(TimePoint now) const {
  return !probing_ && now >= schedule_.next();
}

bool BackendHealth::wants_pause_look() const {
  return state_ == BackendState::kSuspect || state_ == BackendState::kCatchingUp || paused();
}

TimePoint BackendHealth::next_wake() const {
  return probing_ ? probe_started_ + options_.probe_deadline : schedule_.next();
}

bool BackendHealth::needs_admission() const {
  return !admitted_ && (reach_.is(Reach::kUp) || reach_.is(Reach::kShaky));
}

bool BackendHealth::judged() const {
  return !reach_.is(Reach::kUnknown) && (reach_.is(Reach::kDown) || admitted_ || !refusal_.empty());
}

void BackendHealth::doubt(std::string why, TimePoint now) {
  suspected_at_ = now;
  reach_reason_ = std::move(why);
  if (reach_.is(Reach::kUp)) {
    reach_.move(Reach::kShaky);
  } else if (reach_.is(Reach::kReturning)) {
    successes_ = 0;
  }
}

void BackendHealth::go_down(std::string why, TimePoint now) {
  reach_reason_ = std::move(why);
  if (!reach_.is(Reach::kDown)) {
    reach_.move(Reach::kDown);
  }
  successes_ = 0;
  admitted_ = false;
  refusal_.clear();
  paused_by_probe_ = false;
  forget_lane();
  schedule_.back_off(now);
}

void BackendHealth::forget_lane() {
  lane_ = LaneState::kLost;
  lane_ready_ = false;
  lane_reason_.clear();
}

void BackendHealth::settle() {
  const auto become = [this](BackendState state, std::string reason) {
    state_ = state;
    reason_ = std::move(reason);
  };
  if (wish_ == OperatorState::kOffline) {
    become(BackendState::kOffline, "set offline by an operator");
  } else if (inconsistent_) {
    become(BackendState::kOffline, "its data differ; mend it, then set it online" + difference_);
  } else if (reach_.is(Reach::kUnknown)) {
    become(BackendState::kUnknown, reach_reason_);
  } else if (reach_.is(Reach::kDown)) {
    become(BackendState::kOffline, reach_reason_);
  } else if (reach_.is(Reach::kReturning)) {
    become(BackendState::kOffline, join("answers again; before", reach_reason_));
  } else if (!refusal_.empty()) {
    become(BackendState::kOffline, refusal_);
  } else if (!admitted_) {
    // At start it is simply not known yet.
    become(state_ == BackendState::kUnknown ? state_ : BackendState::kOffline,
           "answers; preflight and set-up are to come");
  } else if (options_.needs_lane && !lane_ready_) {
    become(BackendState::kCatchingUp, join(lane_ == LaneState::kLost ? "its lane has no connection"
                                                                     : "its lane applies the log",
                                           lane_reason_));
  } else if (wish_ == OperatorState::kDraining) {
    become(BackendState::kDraining, "set draining by an operator");
  } else if (reach_.is(Reach::kShaky)) {
    become(BackendState::kSuspect, reach_reason_);
  } else {
    become(BackendState::kOnline, "");
  }
}

}  // namespace consort::healthcheck
