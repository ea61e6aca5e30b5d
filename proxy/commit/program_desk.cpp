#include "proxy/commit/program_desk.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <utility>

#include "base/check.h"

namespace consort::proxy {
namespace {

using protocol::BinlogGroup;
using protocol::BinlogGroupKind;

/// How long one waits for others' LOCK TABLES that holds tables itself.
constexpr std::uint32_t kHoldersWaitMaxS = 5;

bool is_everything(const std::vector<RowKey>& keys) {
  return keys.size() == 1 && keys[0].hash == certifier::kEverythingKey;
}

}  // namespace

std::optional<Seqno> ProgramDesk::under_way_at(BackendId home) const {
  return program_ && program_->course.home() == home ? std::optional(program_->seqno)
                                                     : std::nullopt;
}

Seqno ProgramDesk::reachable(Seqno head) const {
  return program_ ? std::min(head, Seqno{program_->seqno.value - 1}) : head;
}

// ---- from sessions ----

void ProgramDesk::on_request(DdlRequest request) {
  CHECK(request.program_thread.has_value());
  // Others who hold tables may wait for a turn of their own, until those of this one are free.
  const std::uint32_t wait_s = parts_.locks.holds(request.session)
                                   ? std::min(request.lock_wait_s, kHoldersWaitMaxS)
                                   : request.lock_wait_s;
  const TimePoint deadline = clock_.now() + std::chrono::seconds(wait_s);
  waiting_.push_back({std::move(request), deadline});
}

/// One at a time, and while nobody else holds tables by LOCK TABLES: what it will write is not
/// known.
void ProgramDesk::process() {
  if (program_) {
    go_on();
    return;
  }
  for (std::size_t left = waiting_.size(); left > 0 && !program_; --left) {
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    if (parts_.locks.empty_but_for(first.request.session) &&
        !parts_.branches.has_foreign_of(first.request.home)) {
      begin(first.request);
    } else if (clock_.now() < first.deadline) {
      waiting_.push_back(std::move(first));
    } else {
      parts_.stats.table_lock_timeouts.add();
      parts_.tell(first.request.session, DdlOutcome{first.request.session, Seqno{}, true});
    }
  }
}

void ProgramDesk::begin(const DdlRequest& request) {
  if (!parts_.log.accepts(request.sql.size())) {
    parts_.stats.log_refusals.add();
    parts_.tell(request.session, DdlOutcome{request.session, Seqno{}});
    return;
  }
  if (!parts_.lane(request.home).running()) {
    parts_.tell(request.session, DdlOutcome{request.session, Seqno{}, false, true});
    return;  // nobody shall wait for it
  }
  certifier::Ddl ddl;
  ddl.home = request.home;
  ddl.sql = request.sql;
  ddl.schema = request.schema;
  ddl.definer = request.user;
  ddl.program_thread = request.program_thread;
  certifier::LogEntry entry;
  entry.seqno = parts_.sequencer.order({}, std::nullopt);
  entry.body = std::move(ddl);
  program_.emplace(Program{entry.seqno, ProgramCourse({request.home, true, false}),
                           *request.program_thread, request.session, GtidState{}});
  program_->renames_plain = request.renames_plain;
  parts_.stats.program_running.set(1);
  parts_.log.append(std::move(entry));
}

bool ProgramDesk::on_executed(const DdlExecuted& executed) {
  if (!program_ || executed.seqno != program_->seqno) {
    return false;
  }
  if (executed.end == DdlEnd::kNotExecuted && !program_->course.offered()) {
    program_->course.on_session_gone();
  } else {
    program_->course.on_ended(executed.end == DdlEnd::kLost);
  }
  go_on();
  return true;
}

// ---- from lanes ----

bool ProgramDesk::on_reached(BackendId backend, const certifier::DdlReached& reached) {
  if (!program_ || reached.seqno != program_->seqno) {
    return false;
  }
  program_->course.on_reached(backend, reached.may_have_run);
  go_on();
  return true;
}

bool ProgramDesk::on_offer(BackendId backend, Seqno seqno) {
  if (!program_ || seqno != program_->seqno) {
    return false;
  }
  if (program_->session) {
    program_->course.on_offered();
    parts_.tell(*program_->session, DdlTurn{*program_->session, seqno, backend});
  }
  return true;
}

void ProgramDesk::on_marked(BackendId backend, Seqno seqno, const Gtid& marker) {
  const bool its = program_ && seqno == program_->seqno && backend == program_->course.home();
  const bool again = its && program_->course.on_marked(marker);
  parts_.lane(backend).lane().on_program_marked(seqno, again);
  if (its) {
    go_on();
  }
}

void ProgramDesk::on_lane_lost(BackendId backend) {
  if (program_) {
    program_->course.on_lane_lost(backend);
  }
}

// ---- from binlogs ----

bool ProgramDesk::on_group(BackendId home, BinlogGroup& group) {
  if (!under_way_at(home) || program_->decided) {
    return false;
  }
  if (is_our_branch(group)) {
    // Of others; its rows wait for certification. It may be what the marker is compared with.
    BinlogGroup passed;
    passed.kind = group.kind;
    passed.gtid = group.gtid;
    passed.xid = group.xid;
    program_->groups.push_back(std::move(passed));
    go_on();
    return false;
  }
  program_->groups.push_back(std::move(group));
  go_on();
  return true;
}

void ProgramDesk::on_stream_gap(BackendId home) {
  if (under_way_at(home)) {
    program_->course.on_gap();
    go_on();
  }
}

// ---- how it goes on ----

void ProgramDesk::go_on() {
  Program& program = *program_;
  if (program.decided) {
    return;
  }
  while (!program.groups.empty()) {
    BinlogGroup& group = program.groups.front();
    const Step step = take(group);
    if (step == Step::kHeld) {
      break;
    }
    if (step == Step::kGap && !program.course.cleared()) {
      program.course.on_streamed(gtid_of(group));  // somebody else's, from before
      program.groups.pop_front();
      continue;
    }
    if (step == Step::kGap) {
      spdlog::error("program at seqno {}: it has committed what cannot be replicated (gtid {}): {}",
                    program.seqno.value, protocol::to_string(group.gtid),
                    group.unfit ? group.unfit->message
                    : group.kind == BinlogGroupKind::kStandalone
                        ? group.statement
                        : "a transaction of its own by XA");
      program.course.on_gap();
      program.groups.clear();
      break;
    }
    program.looks = 0;
    program.course.on_streamed(gtid_of(group));
    program.groups.pop_front();
  }
  LaneConnection& lane = parts_.lane(program.course.home());
  const certifier::LaneState state = lane.lane().state();
  const bool ready = lane.running() && (state == certifier::LaneState::kDdlReached ||
                                        state == certifier::LaneState::kDdlOffered);
  if (const auto who = program.course.next(ready)) {
    lane.lane().execute_ddl(program.seqno, *who);
    lane.pump();
  }
  if (const auto outcome = program.course.take_outcome()) {
    program.decided = true;
    program.lost = *outcome == certifier::DdlOutcome::kVoid;
    if (program.lost) {
      spdlog::error(
          "program at seqno {}: nobody knows what it has committed: closed without its home",
          program.seqno.value);
    }
    certifier::LogEntry entry;
    entry.body = certifier::DdlResult{program.seqno, *outcome, {}};
    parts_.log.append(std::move(entry));
  }
}

// ---- from the log ----

void ProgramDesk::on_restored(const certifier::LogEntry& entry) {
  if (entry.is_program()) {
    const certifier::Ddl& ddl = *entry.ddl();
    program_.emplace(Program{entry.seqno, ProgramCourse({ddl.home, false, true}),
                             *ddl.program_thread, std::nullopt, GtidState{}});
    program_->names_moved = true;  // which tables are sequences is not known yet
    parts_.stats.program_running.set(1);
    return;
  }
  if (const certifier::ProgramPart* part = entry.part()) {
    if (program_ && part->program == program_->seqno) {
      if (part->whole) {
        program_->logged.add(part->gtid);
      } else {
        program_->half = part->gtid;
      }
      program_->coarse = program_->coarse || entry.ddl() != nullptr;
      program_->accounts = program_->coarse;  // perhaps
    }
    const certifier::Writeset* writeset = entry.writeset();
    if (writeset != nullptr && is_everything(writeset->keys)) {
      parts_.branches.on_everything(entry.seqno);
    } else if (entry.ddl() != nullptr) {
      parts_.branches.on_ddl(*entry.ddl(), entry.seqno);
    }
    return;
  }
  const auto* result = std::get_if<certifier::DdlResult>(&entry.body);
  if (result != nullptr && program_ && result->ddl == program_->seqno) {
    over();
  }
}

void ProgramDesk::over() {
  program_.reset();
  parts_.stats.program_running.set(0);
}

void ProgramDesk::on_durable(const certifier::LogEntry& entry) {
  const auto* result = std::get_if<certifier::DdlResult>(&entry.body);
  if (result == nullptr || !program_ || result->ddl != program_->seqno) {
    return;
  }
  if (program_->session) {
    DdlOutcome outcome{*program_->session, parts_.sequencer.head()};
    outcome.lost = program_->lost;
    outcome.accounts = program_->accounts;
    parts_.tell(*program_->session, outcome);
  }
  if (program_->accounts) {
    parts_.accounts_changed();
  }
  (program_->lost ? parts_.stats.programs_lost : parts_.stats.programs).add();
  over();
}

// ---- time ----

void ProgramDesk::look_after() {
  if (!program_) {
    return;
  }
  Program& program = *program_;
  program.looks += program.groups.empty() ? 0 : 1;
  program.course.on_look();
  if (program.course.offered()) {
    parts_.unblock(program.course.home(), program.thread);
  }
  go_on();
}

}  // namespace consort::proxy
