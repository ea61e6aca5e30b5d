#include "tests/sim/ddl_desk.h"

#include <utility>
#include <variant>

#include "base/check.h"
#include "certifier/ddl_fence.h"
#include "certifier/lane_errors.h"

namespace consort::sim {

using certifier::DdlOutcome;
using certifier::DdlTraces;

DdlDesk::~DdlDesk() {
  for (auto& [seqno, ddl] : undecided_) {
    end_turn(ddl, false);
  }
}

void DdlDesk::note(const certifier::LogEntry& entry) {
  if (const certifier::Ddl* ddl = entry.ddl()) {
    const bool has_session = sessions_.contains(entry.seqno);
    undecided_.insert_or_assign(
        entry.seqno, Undecided{*ddl,
                               proxy::DdlCourse({ddl->home, ddl->own, has_session, !has_session,
                                                 Cluster::kBackends}),
                               {}});
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
      undecided_.at(reached->seqno).course.on_reached(backend, reached->may_have_run);
    }
  } else if (const auto* offer = std::get_if<certifier::DdlOffer>(&turn)) {
    this->offer(offer->seqno, backend, undecided_.at(offer->seqno));
  } else if (const auto* looks = std::get_if<certifier::DdlLook>(&turn)) {
    look(backend, *looks);
  } else if (std::holds_alternative<certifier::DdlDecided>(turn)) {
    host_.fail("a lane has executed a client's DDL that nobody had accepted");
  }
}

void DdlDesk::look(BackendId backend, const certifier::DdlLook& look) {
  const bool ran = (look.changed || cluster_.backends[backend.value].logged_ddl_since_mark()) &&
                   !cluster_.bugs.forget_binlog;
  const DdlTraces traces = ran ? DdlTraces::kRan : DdlTraces::kNone;
  host_.lane_of(backend).on_ddl_looked(look.seqno, traces);
  if (host_.lane_of(backend).state() == certifier::LaneState::kStopped) {
    host_.fail("a void DDL ran: " + host_.lane_of(backend).stop_reason());
    return;
  }
  const auto found = undecided_.find(look.seqno);
  if (found == undecided_.end() || found->second.result_appended) {
    return;
  }
  if (const auto outcome = found->second.course.on_looked(backend, traces)) {
    decide(look.seqno, found->second, *outcome);
  }
}

void DdlDesk::on_interrupted(BackendId backend, bool /*lost*/) {
  for (auto& [seqno, ddl] : undecided_) {
    ddl.course.on_lane_lost(backend);
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
  if (!ddl.course.executor()) {
    go_on(seqno, ddl);
  } else if (ddl.course.offered() && cluster_.percent(20)) {
    abort_users(ddl);
  } else if (ddl.conn) {
    execute(seqno, ddl);
  }
}

void DdlDesk::go_on(Seqno seqno, Undecided& ddl) {
  const auto next =
      ddl.course.next({[this](BackendId id) {
                         const certifier::LaneState state = host_.lane_of(id).state();
                         return state == certifier::LaneState::kDdlReached ||
                                state == certifier::LaneState::kDdlOffered;
                       },
                       [this](BackendId id) {
                         return host_.lane_of(id).state() != certifier::LaneState::kOffline;
                       }});
  if (next) {
    host_.lane_of(next->backend).execute_ddl(seqno, next->who);
  } else if (const auto outcome = ddl.course.outcome()) {
    decide(seqno, ddl, *outcome);
  }
}

std::optional<SessionId> DdlDesk::session_of(Seqno seqno) const {
  const auto found = sessions_.find(seqno);
  return found == sessions_.end() ? std::nullopt : found->second;
}

void DdlDesk::offer(Seqno seqno, BackendId backend, Undecided& ddl) {
  ddl.course.on_offered(backend);
  if (const auto session = session_of(seqno)) {
    host_.tell(proxy::DdlTurn{*session, seqno, backend});
    abort_users(ddl);
  } else if (sessions_.contains(seqno) && cluster_.backends[backend.value].up()) {
    ddl.conn = cluster_.backends[backend.value].connect();
    ddl.fenced = ddl.sent = false;
  } else {
    take({seqno, backend,
          sessions_.contains(seqno) ? proxy::DdlEnd::kLost : proxy::DdlEnd::kNotExecuted},
         ddl);  // gone, or its server is
  }
}

void DdlDesk::abort_users(const Undecided& ddl) {
  if (const auto table = truncated_table(ddl.ddl.sql)) {
    host_.tell(
        proxy::AbortTableUsers{*ddl.course.executor(), {{"s", "t" + std::to_string(*table)}}});
  }
}

void DdlDesk::on_executed(const proxy::DdlExecuted& executed) {
  const auto found = undecided_.find(executed.seqno);
  if (found == undecided_.end() || found->second.result_appended ||
      !found->second.course.offered() || found->second.course.executor() != executed.backend) {
    return;
  }
  take(executed, found->second);
}

void DdlDesk::take(const proxy::DdlExecuted& executed, Undecided& ddl) {
  if (const auto outcome = ddl.course.on_executed(executed, false)) {
    host_.lane_of(executed.backend).on_ddl_executed(executed.seqno);
    decide(executed.seqno, ddl, *outcome);
  }
}

/// Plays the session: the fence, then the statement.
void DdlDesk::execute(Seqno seqno, Undecided& ddl) {
  const BackendId id = *ddl.course.executor();
  ModelBackend& backend = cluster_.backends[id.value];
  const bool dies = cluster_.percent(2);
  if (dies || !backend.is_open(*ddl.conn)) {
    // What was sent may still run.
    end_turn(ddl, dies && cluster_.percent(50));
    if (dies && cluster_.percent(50)) {
      sessions_.erase(seqno);
    }
    take({seqno, id, proxy::DdlEnd::kLost}, ddl);
    return;
  }
  if (!std::exchange(ddl.sent, true)) {
    backend.send(*ddl.conn, ddl.fenced ? ddl.ddl.sql : certifier::ddl_turn_fence_sql(seqno));
    return;
  }
  backend.step(*ddl.conn);
  const auto reply = backend.take_reply(*ddl.conn);
  if (!reply) {
    return;
  }
  if (!ddl.fenced && reply->error == 0) {
    ddl.fenced = true;
    ddl.sent = false;
    return;
  }
  end_turn(ddl, false);
  const auto outcome = certifier::ddl_outcome(reply->error);
  const proxy::DdlEnd end = reply->error == 0                     ? proxy::DdlEnd::kSucceeded
                            : !outcome                            ? proxy::DdlEnd::kLost
                            : outcome == DdlOutcome::kRunTolerant ? proxy::DdlEnd::kPartly
                                                                  : proxy::DdlEnd::kFailed;
  take({seqno, id, end, {}, reply->error}, ddl);
}

/// `server_side`: the server ends the connection, and with it what it was sent.
void DdlDesk::end_turn(Undecided& ddl, bool server_side) {
  if (ddl.conn && ddl.course.executor()) {
    ModelBackend& backend = cluster_.backends[ddl.course.executor()->value];
    if (server_side) {
      backend.kill(*ddl.conn);
    } else {
      backend.drop(*ddl.conn);
    }
  }
  ddl.conn.reset();
}

void DdlDesk::decide(Seqno seqno, Undecided& ddl, DdlOutcome outcome) {
  CHECK(!ddl.result_appended);
  ddl.result_appended = true;
  host_.append_result({seqno, outcome});
}

std::optional<ConnId> DdlDesk::connection(BackendId backend) const {
  for (const auto& [seqno, ddl] : undecided_) {
    if (ddl.course.executor() == backend && ddl.conn) {
      return ddl.conn;
    }
  }
  return std::nullopt;
}

}  // namespace consort::sim
