#include "tests/sim/ddl_desk.h"

#include <utility>
#include <variant>

#include "base/check.h"

namespace consort::sim {

using certifier::DdlExecutor;
using certifier::DdlOutcome;

DdlDesk::~DdlDesk() {
  for (auto& [seqno, ddl] : undecided_) {
    if (ddl.conn && ddl.executor) {
      cluster_.backends[ddl.executor->value].drop(*ddl.conn);
    }
  }
}

void DdlDesk::note(const certifier::LogEntry& entry) {
  if (const certifier::Ddl* ddl = entry.ddl()) {
    undecided_[entry.seqno].ddl = *ddl;
  } else if (const auto* result = std::get_if<certifier::DdlResult>(&entry.body)) {
    undecided_.erase(result->ddl);
    decided_[result->ddl] = result->outcome;
    if (const auto session = session_of(result->ddl)) {
      host_.tell(proxy::DdlOutcome{*session, result->ddl});
    }
  }
}

void DdlDesk::on_turn(BackendId backend, const certifier::LaneTurn& turn) {
  if (const auto* reached = std::get_if<certifier::DdlReached>(&turn)) {
    const auto known = decided_.find(reached->seqno);
    if (known != decided_.end()) {
      host_.lane_of(backend).on_ddl_result({known->first, known->second});
    } else if (!undecided_.contains(reached->seqno)) {
      host_.fail("a lane is at a DDL that is not in the log");
    } else {
      Undecided& ddl = undecided_.at(reached->seqno);
      ddl.reached[backend] = reached->may_have_run;
      if (ddl.executor == backend && !ddl.offered && !ddl.result_appended) {
        ddl.executor.reset();  // its own try did not end in a result
      }
    }
  } else if (const auto* offer = std::get_if<certifier::DdlOffer>(&turn)) {
    Undecided& ddl = undecided_.at(offer->seqno);
    if (session_of(offer->seqno)) {
      this->offer(offer->seqno, ddl);
      return;
    }
    ddl.conn = cluster_.backends[backend.value].connect();
    ddl.sent = false;
  } else if (const auto* decided = std::get_if<certifier::DdlDecided>(&turn)) {
    decide(decided->seqno, undecided_.at(decided->seqno), decided->outcome);
  }
}

void DdlDesk::on_interrupted(BackendId backend, bool lost) {
  for (auto& [seqno, ddl] : undecided_) {
    ddl.reached.erase(backend);
    if (ddl.executor == backend && !ddl.result_appended && !ddl.offered) {
      if (ddl.conn) {
        cluster_.backends[backend.value].kill(*ddl.conn);  // it must not run behind our back
      }
      CHECK(lost || !ddl.conn);
      ddl.may_have_run = ddl.may_have_run || ddl.by_lane || ddl.sent;
      ddl.conn.reset();
      ddl.executor.reset();
    }
  }
}

void DdlDesk::step() {
  if (undecided_.empty()) {
    return;
  }
  auto& [seqno, ddl] = *undecided_.begin();
  if (ddl.result_appended) {
    return;
  }
  if (!ddl.executor) {
    choose(seqno, ddl);
  } else if (ddl.offered && cluster_.percent(20)) {
    abort_users(ddl);
  } else if (ddl.conn) {
    execute(seqno, ddl);
  }
}

void DdlDesk::choose(Seqno seqno, Undecided& ddl) {
  std::optional<BackendId> chosen;
  for (const auto& [backend, may_have_run] : ddl.reached) {
    const certifier::LaneState state = host_.lane_of(backend).state();
    if (state != certifier::LaneState::kDdlReached && state != certifier::LaneState::kDdlOffered) {
      continue;
    }
    const bool better = may_have_run || backend == ddl.ddl.home;
    chosen = !chosen || better ? backend : *chosen;
  }
  if (!chosen) {
    return;
  }
  const bool fresh = !ddl.reached.at(*chosen);
  const bool by_session =
      fresh && !ddl.may_have_run && *chosen == ddl.ddl.home && sessions_.contains(seqno);
  ddl.executor = chosen;
  ddl.reached.erase(*chosen);
  ddl.by_lane = !by_session;
  const DdlExecutor executor = by_session ? DdlExecutor::kSession : DdlExecutor::kLane;
  host_.lane_of(*chosen).execute_ddl(seqno, executor);
}

std::optional<SessionId> DdlDesk::session_of(Seqno seqno) const {
  const auto found = sessions_.find(seqno);
  return found == sessions_.end() ? std::nullopt : found->second;
}

void DdlDesk::offer(Seqno seqno, Undecided& ddl) {
  ddl.offered = true;
  host_.tell(proxy::DdlTurn{*session_of(seqno), seqno, *ddl.executor});
  abort_users(ddl);
}

void DdlDesk::abort_users(const Undecided& ddl) {
  if (const auto table = truncated_table(ddl.ddl.sql)) {
    host_.tell(proxy::AbortTableUsers{*ddl.executor, {{"s", "t" + std::to_string(*table)}}});
  }
}

void DdlDesk::on_executed(const proxy::DdlExecuted& executed) {
  const auto found = undecided_.find(executed.seqno);
  if (found == undecided_.end() || found->second.result_appended || !found->second.offered ||
      found->second.executor != executed.backend) {
    return;
  }
  Undecided& ddl = found->second;
  ddl.offered = false;
  if (executed.unknown) {
    ddl.executor.reset();
    ddl.may_have_run = true;
    ddl.reached[executed.backend] = true;
    return;
  }
  host_.lane_of(executed.backend).on_ddl_executed(executed.seqno);
  decide(executed.seqno, ddl, executed.succeeded ? DdlOutcome::kRun : DdlOutcome::kSkip);
}

void DdlDesk::execute(Seqno seqno, Undecided& ddl) {
  ModelBackend& backend = cluster_.backends[ddl.executor->value];
  if (!backend.is_open(*ddl.conn)) {
    return;  // the lane will notice, too
  }
  if (cluster_.percent(2)) {
    session_dies(seqno, ddl);
    return;
  }
  if (!std::exchange(ddl.sent, true)) {
    backend.send(*ddl.conn, ddl.ddl.sql);
    return;
  }
  backend.step(*ddl.conn);
  const auto reply = backend.take_reply(*ddl.conn);
  if (!reply) {
    return;
  }
  const auto outcome = certifier::ddl_outcome(reply->error);
  if (!outcome) {
    ddl.sent = false;  // a lock: once more
    return;
  }
  backend.drop(*ddl.conn);
  ddl.conn.reset();
  host_.lane_of(*ddl.executor).on_ddl_executed(seqno);
  decide(seqno, ddl, *outcome);
}

void DdlDesk::session_dies(Seqno seqno, Undecided& ddl) {
  cluster_.backends[ddl.executor->value].kill(*ddl.conn);
  ddl.conn.reset();
  sessions_.erase(seqno);
  host_.lane_of(*ddl.executor).execute_ddl(seqno, DdlExecutor::kLane);
}

void DdlDesk::decide(Seqno seqno, Undecided& ddl, DdlOutcome outcome) {
  CHECK(!ddl.result_appended);
  ddl.result_appended = true;
  host_.append_result({seqno, outcome});
}

std::optional<ConnId> DdlDesk::connection(BackendId backend) const {
  for (const auto& [seqno, ddl] : undecided_) {
    if (ddl.executor == backend && ddl.conn) {
      return ddl.conn;
    }
  }
  return std::nullopt;
}

}  // namespace consort::sim
