#include "tests/sim/program_desk.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"
#include "certifier/ddl_fence.h"
#include "tests/sim/sim_client.h"

namespace consort::sim {

using certifier::DdlOutcome;

ProgramDesk::~ProgramDesk() {
  if (program_ && program_->conn != 0 && home(*program_).is_open(program_->conn)) {
    home(*program_).drop(program_->conn);
  }
}

void ProgramDesk::request(BackendId home, std::string body) {
  waiting_.emplace_back(home, "CALL p('" + std::move(body) + "')");
}

void ProgramDesk::begin() {
  const auto [id, sql] = waiting_.front();
  waiting_.pop_front();
  if (!cluster_.backends[id.value].up()) {
    return;  // it got no connection there
  }
  certifier::Ddl ddl;
  ddl.home = id;
  ddl.sql = sql;
  ddl.program_thread = cluster_.backends[id.value].connect();
  const ConnId conn = *ddl.program_thread;
  const Seqno seqno = host_.append_program(std::move(ddl));
  programs_.insert(seqno);
  program_.emplace(Program{seqno, proxy::ProgramCourse({id, true, false}), conn, sql, true});
  note_under_way(true);
  // The stream follows the binlog since the lane runs, but may be late.
  const std::size_t written = cluster_.backends[id.value].binlog().size();
  program_->read = written - std::min(written, cluster_.below(4));
  program_->incarnation = cluster_.backends[id.value].incarnation();
}

void ProgramDesk::note(const certifier::LogEntry& entry, bool replaying) {
  if (entry.is_program()) {
    programs_.insert(entry.seqno);
    if (replaying && !cluster_.bugs.forget_program) {
      program_.emplace(
          Program{entry.seqno, proxy::ProgramCourse({entry.ddl()->home, false, true}), 0, {}});
      note_under_way(true);
    }
    return;
  }
  const certifier::ProgramPart* part = entry.part();
  if (part != nullptr && replaying && program_ && part->program == program_->seqno) {
    program_->logged.add(part->gtid);
    ++program_->parts;
    return;
  }
  const auto* result = std::get_if<certifier::DdlResult>(&entry.body);
  if (result == nullptr || !programs_.contains(result->ddl)) {
    return;
  }
  decided_[result->ddl] = result->outcome;
  if (!program_ || program_->seqno != result->ddl) {
    return;
  }
  if (program_->answered && result->outcome == DdlOutcome::kSkip) {
    host_.on_program_done(program_->seqno, program_->parts);
  }
  if (program_->conn != 0 && home(*program_).is_open(program_->conn)) {
    home(*program_).drop(program_->conn);
  }
  program_.reset();
  note_under_way(false);
}

/// A program of an earlier run is under way until this one has settled it.
void ProgramDesk::note_under_way(bool under_way) {
  cluster_.program_ends += (cluster_.program_ends % 2 == 1) == under_way ? 0 : 1;
}

bool ProgramDesk::on_turn(BackendId backend, const certifier::LaneTurn& turn) {
  if (const auto* reached = std::get_if<certifier::DdlReached>(&turn)) {
    if (!programs_.contains(reached->seqno)) {
      return false;
    }
    if (const auto known = decided_.find(reached->seqno); known != decided_.end()) {
      host_.program_lane(backend).on_ddl_result({known->first, known->second});
    } else if (program_ && program_->seqno == reached->seqno) {
      program_->course.on_reached(backend, reached->may_have_run);
    } else if (cluster_.bugs.forget_program) {
      host_.append_program_result({reached->seqno, DdlOutcome::kSkip});
      decided_[reached->seqno] = DdlOutcome::kSkip;
    }
    return true;
  }
  if (const auto* offer = std::get_if<certifier::DdlOffer>(&turn)) {
    if (!programs_.contains(offer->seqno)) {
      return false;
    }
    if (program_ && program_->has_session) {
      program_->course.on_offered();
      program_->turn = true;
    }
    return true;
  }
  return false;
}

void ProgramDesk::on_marked(BackendId backend, Seqno program, const Gtid& marker) {
  const bool its = program_ && program_->seqno == program && program_->course.home() == backend;
  const bool again = its && program_->course.on_marked(marker);
  host_.program_lane(backend).on_program_marked(program, again);
}

void ProgramDesk::on_lane_lost(BackendId backend) {
  if (program_) {
    program_->course.on_lane_lost(backend);
  }
}

void ProgramDesk::step() {
  if (!program_) {
    if (!waiting_.empty()) {
      begin();
    }
    return;
  }
  Program& program = *program_;
  if (program.decided) {
    return;
  }
  switch (cluster_.below(4)) {
    case 0:
      step_session(program);
      break;
    case 1:
      step_stream(program);
      break;
    case 2:
      for (int looks = cluster_.percent(20) ? 40 : 0; looks > 0; --looks) {
        program.course.on_look();  // time goes faster than everything else
      }
      break;
    default:
      break;
  }
  go_on();
}

/// The fence, then the CALL, on the connection that the entry names.
void ProgramDesk::step_session(Program& program) {
  if (!program.has_session || program.answered) {
    return;
  }
  ModelBackend& backend = home(program);
  const bool dies = cluster_.percent(2);
  if (dies || !backend.is_open(program.conn)) {
    if (backend.is_open(program.conn)) {
      backend.drop(program.conn);  // what was sent may still run
    }
    program.has_session = false;
    if (program.turn) {
      program.course.on_ended(program.sent && program.fenced);
    }
    program.course.on_session_gone();
    return;
  }
  if (!program.turn) {
    return;
  }
  if (!std::exchange(program.sent, true)) {
    backend.send(program.conn,
                 program.fenced ? program.sql : certifier::ddl_turn_fence_sql(program.seqno));
    return;
  }
  backend.step(program.conn);
  const auto reply = backend.take_reply(program.conn);
  if (!reply) {
    return;
  }
  if (!program.fenced && reply->error == 0) {
    program.fenced = true;
    program.sent = false;
    return;
  }
  program.answered = program.fenced;
  program.has_session = program.fenced;
  program.course.on_ended(false);
}

/// It begins where it was left, or, in a new run, where the binlog ended when the program was
/// marked.
void ProgramDesk::step_stream(Program& program) {
  ModelBackend& backend = home(program);
  if (!backend.up()) {
    return;
  }
  const bool marked = backend.position().ddl == program.seqno;
  if (program.read && program.incarnation != backend.incarnation()) {
    program.incarnation = backend.incarnation();
    if (*program.read > backend.binlog().size()) {
      program.read.reset();  // that place is gone
    }
  }
  if (!program.read) {
    program.read = marked ? backend.binlog_at_mark() : backend.binlog().size();
    program.incarnation = backend.incarnation();
    return;
  }
  if (*program.read == backend.binlog().size()) {
    return;
  }
  const LoggedGroup& group = backend.binlog()[(*program.read)++];
  const bool is_marker = group.ops.empty() && group.ddl.empty();
  const bool is_its = program.course.cleared() || cluster_.bugs.forget_clearing;
  if (!is_marker && is_its &&
      (!program.logged.contains(group.gtid) || cluster_.bugs.forget_parts)) {
    host_.append_part(program.course.home(), group, program.seqno);
    program.logged.add(group.gtid);
    ++program.parts;
  }
  program.course.on_streamed(group.gtid);
}

void ProgramDesk::go_on() {
  Program& program = *program_;
  certifier::ApplyLane& lane = host_.program_lane(program.course.home());
  const bool ready = lane.state() == certifier::LaneState::kDdlReached ||
                     lane.state() == certifier::LaneState::kDdlOffered;
  if (auto who = program.course.next(ready)) {
    if (cluster_.bugs.forget_zombie && *who == certifier::DdlExecutor::kNobody) {
      who = certifier::DdlExecutor::kEnded;
    }
    lane.execute_ddl(program.seqno, *who);
  }
  if (const auto outcome = program.course.take_outcome()) {
    program.decided = true;
    host_.append_program_result({program.seqno, *outcome});
  }
}

std::optional<ConnId> ProgramDesk::connection(BackendId backend) const {
  return program_ && program_->course.home() == backend && program_->turn
             ? std::optional(program_->conn)
             : std::nullopt;
}

std::string random_program(Cluster& cluster) {
  std::string body;
  for (std::size_t pieces = 1 + cluster.below(4); pieces > 0; --pieces) {
    if (cluster.percent(15)) {
      body += random_ddl(cluster) + ";";
      continue;
    }
    for (std::size_t changes = 1 + cluster.below(3); changes > 0; --changes) {
      const auto table = static_cast<std::uint8_t>(cluster.below(2));
      const auto id = static_cast<std::uint32_t>(cluster.below(8));
      const bool removes = cluster.percent(15);
      const bool inserts = cluster.percent(20);
      const ClientOp::Kind kind = removes   ? ClientOp::Kind::kDelete
                                  : inserts ? ClientOp::Kind::kInsert
                                            : ClientOp::Kind::kAdd;
      body +=
          to_sql({false, {kind, {table, id}, 1 + static_cast<std::int64_t>(cluster.below(9))}}) +
          ";";
    }
    body += cluster.percent(85) ? "COMMIT;" : "ROLLBACK;";
  }
  body += "ROLLBACK";
  return body;
}

}  // namespace consort::sim
