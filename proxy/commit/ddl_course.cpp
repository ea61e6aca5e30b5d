#include "proxy/commit/ddl_course.h"

#include <algorithm>

#include "certifier/lane_errors.h"

namespace consort::proxy {

using certifier::DdlExecutor;
using Outcome = DdlCourse::Outcome;
using certifier::DdlTraces;

// ---- what happens ----

void DdlCourse::on_reached(BackendId backend, bool may_have_run) {
  Site& site = sites_[backend];
  site.reached = true;
  site.may_have_run = site.may_have_run || may_have_run;
  looks_ = site.may_have_run ? 0 : looks_;  // as long as it takes where it may be under way
  if (executor_ == backend && !offered_) {
    executor_.reset();  // its own try did not end in a result, a lock stood in the way perhaps
  }
}

void DdlCourse::on_offered(BackendId backend) {
  offered_ = true;
  sites_[backend].may_have_run = true;
  sites_[backend].absent = false;
}

std::optional<Outcome> DdlCourse::on_executed(const DdlExecuted& executed, bool sets_globals) {
  end_turn();
  Site& site = sites_[executed.backend];
  switch (executed.end) {
    case DdlEnd::kSucceeded:
      return Outcome::kRun;
    case DdlEnd::kPartly:
      return Outcome::kRunTolerant;
    case DdlEnd::kLost:
      if (sets_globals) {
        return Outcome::kSkip;  // the values are gone with its session's connection
      }
      session_may_ = session_may_ && ++turns_in_vain_ < kTurnsMax;
      return std::nullopt;
    case DdlEnd::kUnclear:
      session_may_ = false;
      return std::nullopt;
    case DdlEnd::kNotExecuted:
      site.absent = true;
      session_may_ = false;
      return std::nullopt;
    case DdlEnd::kFailed:
      site.absent = true;
      break;
  }
  if (!may_have_run_elsewhere(executed.backend)) {
    return Outcome::kSkip;
  }
  // Where it may have run before, the server had the same accounts and tables: what is wrong with
  // the statement was wrong there, too. What was wrong with this server only says nothing.
  if (certifier::ddl_outcome(executed.error)) {
    return Outcome::kVoid;
  }
  session_may_ = ++turns_in_vain_ < kTurnsMax;
  return std::nullopt;
}

std::optional<Outcome> DdlCourse::on_looked(BackendId backend, DdlTraces traces) {
  if (executor_ == backend && !offered_) {
    executor_.reset();
  }
  if (traces == DdlTraces::kRan) {
    return Outcome::kRunTolerant;
  }
  Site& site = sites_[backend];
  site.absent = traces == DdlTraces::kNone;
  site.silent = !site.absent;
  return std::nullopt;
}

void DdlCourse::on_lane_lost(BackendId backend) {
  sites_[backend].reached = false;
  // While the session executes it, its own word tells what became of it.
  if (executor_ == backend && !offered_) {
    executor_.reset();
  }
}

// ---- what follows ----

std::optional<Outcome> DdlCourse::outcome() {
  if (begin_.own || session_may_ || executor_) {
    return std::nullopt;
  }
  bool anywhere = false;
  for (std::size_t id = 0; id < begin_.backends_count; ++id) {
    anywhere = anywhere || may_have_run(BackendId{static_cast<std::uint8_t>(id)});
  }
  if (!anywhere) {
    return Outcome::kSkip;
  }
  return looks_ >= kLooksBeforeVoid ? std::optional(Outcome::kVoid) : std::nullopt;
}

// Where it may have run, that is found out first, or, of Consort's own, it is executed there. Else
// home executes it, or when that is away any other.
std::optional<DdlCourse::Step> DdlCourse::next(const Lanes& lanes) {
  if (executor_) {
    return std::nullopt;
  }
  std::optional<BackendId> chosen;
  bool begun = false;
  for (const auto& [backend, site] : sites_) {
    const bool begun_here = site.may_have_run && !site.absent;
    if (!site.reached || site.silent || !lanes.can_execute(backend)) {
      continue;
    }
    if (!chosen || (begun_here && !begun) || (!begun && backend == begin_.home)) {
      chosen = backend;
      begun = begun_here;
    }
  }
  if (!chosen || (!begun && !begin_.own && !session_may_)) {
    return std::nullopt;
  }
  const DdlExecutor who = begin_.own ? DdlExecutor::kLane
                          : begun    ? DdlExecutor::kNobody
                                     : DdlExecutor::kSession;
  if (who == DdlExecutor::kSession && *chosen != begin_.home && lanes.running(begin_.home) &&
      !sites_[begin_.home].silent) {
    return std::nullopt;  // the home will get there
  }
  executor_ = chosen;
  return Step{*chosen, who};
}

bool DdlCourse::stands_somewhere() const {
  return std::any_of(sites_.begin(), sites_.end(),
                     [](const auto& site) { return site.second.reached; });
}

/// An offer of an earlier run shows only when the lane gets there.
bool DdlCourse::may_have_run(BackendId backend) const {
  const auto found = sites_.find(backend);
  if (found == sites_.end() || (!found->second.reached && !found->second.may_have_run)) {
    return begin_.restored;
  }
  return found->second.may_have_run && !found->second.absent;
}

bool DdlCourse::may_have_run_elsewhere(BackendId than) const {
  for (std::uint8_t id = 0; id < begin_.backends_count; ++id) {
    if (BackendId{id} != than && may_have_run(BackendId{id})) {
      return true;
    }
  }
  return false;
}

void DdlCourse::end_turn() {
  offered_ = false;
  executor_.reset();
}

}  // namespace consort::proxy
