#include "proxy/commit/program_course.h"

#include <utility>

namespace consort::proxy {

using certifier::DdlExecutor;

// ---- what happens ----

void ProgramCourse::on_reached(BackendId backend, bool may_have_run) {
  if (backend != home_ || over()) {
    return;
  }
  standing_ = true;
  looks_ = 0;
  if (may_have_run) {
    may_run_ = true;
    session_may_ = false;  // nobody runs it twice
    // A lane that was lost says nothing about the session's connection: its own word tells.
    step_ = running_ ? Step::kRunning : Step::kUnsettled;
  } else if (session_may_) {
    step_ = Step::kStanding;
  } else if (!running_) {
    // On the data that are there now it was never begun.
    end(Outcome::kSkip);
  }
}

void ProgramCourse::on_offered() {
  if (step_ == Step::kCleared) {
    step_ = Step::kRunning;
    may_run_ = running_ = true;
    session_may_ = false;
  }
}

void ProgramCourse::on_ended(bool unknown) {
  if (!std::exchange(running_, false)) {
    return;
  }
  in_doubt_ = unknown;
  if (step_ == Step::kRunning) {
    step_ = Step::kUnsettled;
  }
}

void ProgramCourse::on_session_gone() {
  session_may_ = false;
  if (step_ == Step::kStanding || step_ == Step::kClearing || step_ == Step::kCleared) {
    end(Outcome::kSkip);
  }
}

bool ProgramCourse::on_marked(const Gtid& marker) {
  const bool before = step_ == Step::kClearing;
  if (!before && step_ != Step::kSettling) {
    return false;
  }
  marker_ = marker;
  step_ = before ? Step::kCleared : Step::kMarked;
  look_for_marker();
  return before;
}

void ProgramCourse::on_streamed(const Gtid& gtid) {
  streamed_.add(gtid);
  look_for_marker();
}

void ProgramCourse::look_for_marker() {
  const bool shown = marker_ && streamed_.contains(*marker_);
  if (shown && step_ == Step::kCleared) {
    cleared_ = true;
  } else if (shown && step_ == Step::kMarked) {
    end(Outcome::kSkip);
  }
}

void ProgramCourse::on_gap() {
  if (may_run_) {
    end(Outcome::kVoid);
  }
}

void ProgramCourse::on_lane_lost(BackendId backend) {
  if (backend != home_ || over()) {
    return;
  }
  standing_ = false;
  // The lane will be there again, and its mark tells. A marker that was seen to be written stays.
  if (step_ != Step::kMarked) {
    step_ = Step::kWaiting;
  }
  if (!may_run_) {
    // A crash may have taken the marker, and its name may come again.
    streamed_ = GtidState();
    cleared_ = false;
  }
}

void ProgramCourse::on_look() {
  const bool away = !standing_ && !over();
  looks_ = away ? looks_ + 1 : 0;
  if (looks_ >= kLooksBeforeVoid) {
    end(may_run_ ? Outcome::kVoid : Outcome::kSkip);
  }
}

// ---- what follows ----

std::optional<DdlExecutor> ProgramCourse::next(bool lane_ready) {
  if (!lane_ready) {
    return std::nullopt;
  }
  if (step_ == Step::kStanding) {
    step_ = Step::kClearing;
    return DdlExecutor::kEnded;
  }
  if (step_ == Step::kCleared && cleared_) {
    return DdlExecutor::kSession;
  }
  if (step_ == Step::kUnsettled) {
    step_ = Step::kSettling;
    in_doubt_ = in_doubt_ || ++settles_ > kSettlesBeforeKill;
    return in_doubt_ ? DdlExecutor::kNobody : DdlExecutor::kEnded;
  }
  return std::nullopt;
}

std::optional<ProgramCourse::Outcome> ProgramCourse::take_outcome() {
  return std::exchange(outcome_, std::nullopt);
}

void ProgramCourse::end(Outcome outcome) {
  if (!over()) {
    step_ = Step::kOver;
    outcome_ = outcome;
  }
}

}  // namespace consort::proxy
