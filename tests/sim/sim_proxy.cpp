#include "tests/sim/sim_proxy.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"

namespace consort::sim {

using certifier::BranchFate;
using certifier::LogEntry;
using certifier::ReplayStep;
using proxy::BranchVerdict;

SimProxy::SimProxy(Cluster& cluster, ProxyCallbacks callbacks)
    : cluster_(cluster),
      callbacks_(std::move(callbacks)),
      sequencer_(cluster.profile.sequencer_limits),
      assembler_(cluster.profile.entry_limits),
      reaper_(Cluster::kBackends),
      replays_open_(Cluster::kBackends),
      generations_(Cluster::kBackends, 0),
      ddl_(cluster, *this),
      programs_(cluster, *this) {
  for (std::uint8_t i = 0; i < Cluster::kBackends; ++i) {
    shells_.push_back(std::make_unique<LaneShell>(cluster, *this, BackendId{i}));
  }
  cluster_.log.start(*this);
}

SimProxy::~SimProxy() {
  for (auto& shell : shells_) {
    if (const auto conn = shell->connection()) {
      cluster_.backends[shell->lane().backend().value].drop(*conn);
    }
  }
}

// ---- the log ----

void SimProxy::on_committed(const certifier::CommittedRecord& record) {
  auto fed = assembler_.feed(record.record);
  if (!fed.ok()) {
    fail("log: " + fed.error().message);
    return;
  }
  if (!*fed) {
    return;
  }
  auto decoded = certifier::decode_entry(**fed);
  if (!decoded.ok()) {
    fail("log: " + decoded.error().message);
    return;
  }
  const auto entry = std::make_shared<const LogEntry>(std::move(decoded).value());
  note(entry);
  if (replaying_) {
    const Status restored = sequencer_.restore(*entry);
    if (!restored.ok()) {
      fail(restored.error().message);
    }
  } else {
    deliver(entry);
  }
}

/// What both a restart and a running proxy remember of an entry.
void SimProxy::note(const EntryPtr& entry) {
  if (entry->takes_seqno()) {
    archive_at_[entry->seqno] = archive_.size();
    durable_head_ = entry->seqno;
  }
  archive_.push_back(entry);
  programs_.note(*entry, replaying_);
  if (!entry->is_program() && entry->part() == nullptr) {
    ddl_.note(*entry);
  }
  const bool part = entry->part() != nullptr;
  if (part && entry->writeset() != nullptr) {
    parts_[entry->seqno] = entry->writeset()->home;
  } else if (const certifier::Writeset* writeset = entry->writeset()) {
    logged_[writeset->branch] = {entry->seqno, writeset->home};
  } else if (const auto* replay = std::get_if<certifier::Replay>(&entry->body)) {
    replayed_.insert(replay->seqno);
  }
  if (replaying_) {
    const certifier::Writeset* writeset = entry->writeset();
    if (entry->takes_seqno()) {
      oracle_.insert(writeset != nullptr ? writeset->keys : entry->ddl()->keys, entry->seqno,
                     writeset != nullptr ? certifier::ExemptHome(writeset->home) : std::nullopt);
    } else if (const auto* replay = std::get_if<certifier::Replay>(&entry->body)) {
      oracle_.withdraw(replay->seqno);
    }
  }
}

void SimProxy::deliver(const EntryPtr& entry) {
  if (std::holds_alternative<certifier::EpochStart>(entry->body)) {
    ready_ = true;
    return;
  }
  for (auto& shell : shells_) {
    shell->push(entry);
  }
  const certifier::Writeset* writeset = entry->writeset();
  if (writeset != nullptr && !writeset->part.any()) {
    if (!cluster_.profile.relaxed && !cluster_.bugs.answer_before_log) {
      tell(writeset->branch, BranchVerdict::kCommitted, entry->seqno);  // I4
    }
  } else if (const auto* replay = std::get_if<certifier::Replay>(&entry->body)) {
    if (!cluster_.bugs.keep_exemption) {
      withdraw_exemption(replay->seqno);
    }
    replays_open_[replay->backend.value].insert(replay->seqno);
    continue_replays(replay->backend);
  }
}

void SimProxy::on_replayed() {
  replaying_ = false;
  epoch_ = assembler_.epoch() + 1;
  splitter_.emplace(epoch_, cluster_.profile.entry_limits);
  append(certifier::EpochStart{Cluster::kUuid, sequencer_.head()});
}

void SimProxy::on_failed(const Error& error) {
  fail(error.message);
}

void SimProxy::append(certifier::EntryBody body, Seqno seqno) {
  LogEntry entry{epoch_, seqno, std::move(body)};
  for (Buffer& record : splitter_->split(certifier::encode_entry(entry))) {
    cluster_.log.append(std::move(record), ++tokens_);
  }
  if (cluster_.bugs.lanes_before_log && entry.takes_seqno()) {
    for (auto& shell : shells_) {
      shell->push(std::make_shared<const LogEntry>(entry));
    }
  }
}

// ---- sessions ----

bool SimProxy::serves(BackendId backend) const {
  return ready_ && shells_[backend.value]->running();
}

Seqno SimProxy::applied(BackendId backend) const {
  return shells_[backend.value]->lane().applied();
}

std::uint64_t SimProxy::generation(BackendId backend) const {
  return generations_[backend.value];
}

void SimProxy::on_prepared(Prepared prepared) {
  const bool same_lane = prepared.captured && serves(prepared.home) &&
                         prepared.generation == generation(prepared.home);
  if (!same_lane || given_up_.contains(prepared.branch)) {
    lose(prepared.branch, prepared.home, BranchVerdict::kHomeLost);
    return;
  }
  pending_.push_back(std::move(prepared));
}

void SimProxy::on_group(BackendId backend, const BranchId& branch, const std::vector<RowOp>& ops) {
  if (shell(backend).captures() && branch.epoch == epoch_) {
    groups_[branch] = ops;
  }
}

void SimProxy::post(const proxy::CommitRequest& request) {
  mailbox_.push_back(request);
}

void SimProxy::take_request() {
  if (mailbox_.empty()) {
    return;
  }
  const proxy::CommitRequest request = std::move(mailbox_.front());
  mailbox_.pop_front();
  if (const auto* prepared = std::get_if<proxy::BranchPrepared>(&request)) {
    take_prepared(*prepared);
  } else if (const auto* abandoned = std::get_if<proxy::BranchAbandoned>(&request)) {
    std::erase_if(pending_, [&](const Prepared& p) { return p.branch == abandoned->branch; });
    abandon(abandoned->home, abandoned->branch, abandoned->owner_thread);
  } else if (const auto* ddl = std::get_if<proxy::DdlRequest>(&request)) {
    request_ddl(ddl->home, ddl->sql, ddl->session);
  } else if (const auto* executed = std::get_if<proxy::DdlExecuted>(&request)) {
    ddl_.on_executed(*executed);
  }
}

/// As BranchDesk: what was sampled at different times, at most what was sampled later.
void SimProxy::take_prepared(const proxy::BranchPrepared& prepared) {
  const Seqno at_prepare = std::min(prepared.last_seen_at_prepare, prepared.last_seen_at_answer);
  const Seqno at_start = std::min(prepared.last_seen_at_start, at_prepare);
  auto group = groups_.extract(prepared.branch);
  const bool captured = !group.empty();
  if (!captured && !prepared.surely_logged) {
    lose(prepared.branch, prepared.home, BranchVerdict::kConflict);
    return;
  }
  on_prepared({prepared.branch, prepared.home, at_start, at_prepare, prepared.last_seen_at_answer,
               prepared.lane_generation, captured,
               captured ? std::move(group.mapped()) : std::vector<RowOp>{}});
}

void SimProxy::abandon(BackendId home, const BranchId& branch, ConnId owner) {
  given_up_.insert(branch);
  reaper_[home.value].push_back({branch, owner});
}

void SimProxy::lose(const BranchId& branch, BackendId home, BranchVerdict verdict) {
  std::erase_if(pending_, [&branch](const Prepared& p) { return p.branch == branch; });
  abandon(home, branch);
  tell(branch, verdict);
}

void SimProxy::tell(const BranchId& branch, BranchVerdict verdict, Seqno seqno) {
  callbacks_.tell(proxy::BranchOutcome{{}, branch, verdict, seqno, {}, {}});
}

void SimProxy::request_ddl(BackendId home, std::string sql, std::optional<SessionId> session) {
  if (programs_.under_way()) {
    deferred_ddl_.push_back({home, std::move(sql), session});
    return;
  }
  certifier::Ddl ddl;
  ddl.home = home;
  ddl.schema = "s";
  ddl.session_set = "SET sql_mode='ANSI'";
  if (const auto table = truncated_table(sql)) {
    ddl.keys.push_back(table_key(*table, KeyHold::kExclusive));
  }
  ddl.sql = std::move(sql);
  const Seqno seqno = sequencer_.order(ddl.keys, std::nullopt);
  oracle_.insert(ddl.keys, seqno, std::nullopt);
  ddl_.add_session(seqno, session);
  append(std::move(ddl), seqno);
}

// ---- certification ----

void SimProxy::step_ddl() {
  ddl_.step();
  programs_.step();
  if (!deferred_ddl_.empty() && !programs_.under_way()) {
    DeferredDdl ddl = std::move(deferred_ddl_.front());
    deferred_ddl_.pop_front();
    request_ddl(ddl.home, std::move(ddl.sql), ddl.session);
  }
}

void SimProxy::certify_one() {
  if (pending_.empty() || programs_.under_way()) {
    return;
  }
  const std::size_t at = cluster_.below(pending_.size());
  const Prepared prepared = std::move(pending_[at]);
  pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(at));
  certify(prepared);
}

void SimProxy::certify(const Prepared& prepared) {
  const std::vector<RowKey> keys = keys_of(prepared.ops);
  const Bugs& bugs = cluster_.bugs;
  certifier::LastSeen seen{bugs.late_references ? prepared.at_answer : prepared.at_prepare,
                           prepared.at_answer, std::nullopt};
  if (removes_parents(prepared.ops) && !bugs.forget_start) {
    seen.at_start = prepared.at_start;
  }
  const Seqno horizon = sequencer_.horizon();
  const certifier::Verdict verdict = sequencer_.certify(
      {prepared.branch, prepared.home, seen.at_prepare, seen.at_answer, keys, seen.at_start});
  oracle_.forget_until(horizon);
  const bool too_old = seen.at_start.value_or(seen.at_prepare) < horizon;  // I7
  const bool conflict = oracle_.conflicts(keys, prepared.home, seen);
  const certifier::VerdictKind expected = too_old    ? certifier::VerdictKind::kTooOld
                                          : conflict ? certifier::VerdictKind::kConflict
                                                     : certifier::VerdictKind::kPass;
  cluster_.trace("home " + std::to_string(prepared.home.value) + " seen " +
                 std::to_string(seen.at_prepare.value) + ".." +
                 std::to_string(seen.at_answer.value) + " verdict " +
                 std::to_string(static_cast<int>(verdict.kind)) + " seqno " +
                 std::to_string(verdict.seqno.value) + describe_rows(prepared.ops));
  if (verdict.kind != expected) {
    fail("the index and the oracle disagree");
  }
  if (verdict.kind != certifier::VerdictKind::kPass) {
    const bool old = verdict.kind == certifier::VerdictKind::kTooOld;
    lose(prepared.branch, prepared.home, old ? BranchVerdict::kTooOld : BranchVerdict::kConflict);
    return;
  }
  oracle_.insert(keys, verdict.seqno, prepared.home);
  logged_[prepared.branch] = {verdict.seqno, prepared.home};
  certifier::Writeset writeset;
  writeset.branch = prepared.branch;
  writeset.home = prepared.home;
  writeset.last_seen = prepared.at_prepare;
  writeset.keys = keys;
  writeset.payload = encode_rows(prepared.ops);
  append(std::move(writeset), verdict.seqno);
  if (cluster_.profile.relaxed || bugs.answer_before_log) {
    tell(prepared.branch, BranchVerdict::kCommitted, verdict.seqno);
  }
}

void SimProxy::collect() {
  Seqno applied_everywhere = sequencer_.head();
  for (const auto& shell : shells_) {
    applied_everywhere = std::min(applied_everywhere, shell->lane().applied());
  }
  sequencer_.on_applied_everywhere(applied_everywhere);
}

void SimProxy::withdraw_exemption(Seqno seqno) {
  cluster_.trace("seqno " + std::to_string(seqno.value) + " loses its exemption");
  sequencer_.withdraw_exemption(seqno);
  oracle_.withdraw(seqno);
}

// ---- lanes ----

void SimProxy::step_lane(BackendId backend) {
  if (ready_) {
    shell(backend).step();
    continue_replays(backend);
  }
}

BranchFate SimProxy::fate_of(const BranchId& branch) const {
  const auto logged = logged_.find(branch);
  if (logged != logged_.end()) {
    const bool replayed = replayed_.contains(logged->second.seqno);
    return {BranchFate::Kind::kLogged, logged->second.seqno, logged->second.home, replayed};
  }
  const bool undecided = branch.epoch == epoch_ && !given_up_.contains(branch);
  return {undecided ? BranchFate::Kind::kPending : BranchFate::Kind::kUnknown, {}, {}, false};
}

std::vector<certifier::OwnEntry> SimProxy::own_entries_after(BackendId home, Seqno seqno) const {
  std::vector<certifier::OwnEntry> own;
  for (const auto& [branch, logged] : logged_) {
    if (logged.home == home && logged.seqno > seqno) {
      own.push_back({logged.seqno, branch});
    }
  }
  return own;
}

void SimProxy::feed(certifier::ApplyLane& lane, Seqno from) {
  const auto at = archive_at_.find(from);
  if (at != archive_at_.end()) {
    for (std::size_t i = at->second; i < archive_.size(); ++i) {
      lane.push(archive_[i]);
    }
  }
}

void SimProxy::on_lane_running(BackendId backend, bool connected_anew) {
  generations_[backend.value] += connected_anew ? 1 : 0;
}

void SimProxy::on_lane_interrupted(BackendId backend, bool lost) {
  ddl_.on_interrupted(backend, lost);
  programs_.on_lane_lost(backend);
  if (!lost) {
    return;
  }
  ++generations_[backend.value];  // nothing prepared until now is certified any more
  for (const auto& [seqno, home] : parts_) {
    if (home == backend && seqno > shell(backend).lane().applied()) {
      withdraw_exemption(seqno);  // a copy may take its place, which has not executed it
    }
  }
  std::vector<BranchId> lost_branches;
  for (const Prepared& prepared : pending_) {
    if (prepared.home == backend) {
      lost_branches.push_back(prepared.branch);
    }
  }
  for (const BranchId& branch : lost_branches) {
    lose(branch, backend, BranchVerdict::kHomeLost);
  }
}

void SimProxy::reap(BackendId backend) {
  std::deque<Abandoned>& branches = reaper_[backend.value];
  if (branches.empty()) {
    for (const BranchId& orphan : orphans(backend)) {
      abandon(backend, orphan);
    }
  } else if (cluster_.backends[backend.value].up()) {
    callbacks_.kill(backend, branches.front().owner);
    cluster_.backends[backend.value].roll_back_branch(branches.front().branch);
    branches.pop_front();
  }
}

/// Of sessions that ended without a word, or of an earlier run, whose last statements came through
/// after this one had listed its branches.
std::vector<BranchId> SimProxy::orphans(BackendId backend) const {
  std::vector<BranchId> found = cluster_.backends[backend.value].prepared_branches();
  std::erase_if(found, [this](const BranchId& branch) {
    return (branch.epoch >= epoch_ && !unasked_.contains(branch)) ||
           fate_of(branch).kind == BranchFate::Kind::kLogged;
  });
  return serves(backend) ? found : std::vector<BranchId>{};
}

// ---- blocked lanes ----

void SimProxy::look_for_holder(BackendId id) {
  ModelBackend& backend = cluster_.backends[id.value];
  for (const auto conn : {shell(id).connection(), ddl_.connection(id), programs_.connection(id)}) {
    const auto holder = conn ? backend.holder_for(*conn) : std::nullopt;
    if (!holder) {
      continue;
    }
    if (holder->active_branch) {
      callbacks_.abort_active(id, *holder->active_branch);
    } else if (holder->prepared_branch) {
      resolve_prepared(id, *holder->prepared_branch);
    } else if (holder->connection && holder->connection != shell(id).connection()) {
      backend.kill(*holder->connection);  // of an earlier run
    }
  }
}

void SimProxy::resolve_prepared(BackendId id, const BranchId& branch) {
  const BranchFate fate = fate_of(branch);
  if (fate.kind != BranchFate::Kind::kLogged) {
    lose(branch, id, BranchVerdict::kConflict);
    return;
  }
  const bool certified_later = fate.home == id && fate.seqno > shell(id).lane().applied();
  if (certified_later && replays_asked_.insert(fate.seqno).second) {
    newest_replay_[id.value] = std::max(newest_replay_[id.value], fate.seqno);
    append(certifier::Replay{fate.seqno, id});
  }
}

void SimProxy::continue_replays(BackendId id) {
  ModelBackend& backend = cluster_.backends[id.value];
  std::set<Seqno>& open = replays_open_[id.value];
  for (auto it = open.begin(); it != open.end();) {
    ReplayStep step = shell(id).lane().replay(*it);
    if (cluster_.bugs.roll_back_in_flight && step == ReplayStep::kInterruptFirst) {
      step = ReplayStep::kRollBack;
    }
    if (step == ReplayStep::kInterruptFirst) {
      if (shell(id).lane().state() == certifier::LaneState::kApplying) {
        backend.kill_query(*shell(id).connection());
      }
      ++it;
      continue;
    }
    cluster_.trace("replay of seqno " + std::to_string(it->value) + ": step " +
                   std::to_string(static_cast<int>(step)));
    if (step == ReplayStep::kRollBack) {
      for (const auto& [branch, logged] : logged_) {
        if (logged.seqno == *it) {
          backend.roll_back_branch(branch);
        }
      }
    }
    it = open.erase(it);
  }
}

// ---- DDL ----

void SimProxy::on_ddl_turn(BackendId backend, const certifier::LaneTurn& turn) {
  if (!programs_.on_turn(backend, turn)) {
    ddl_.on_turn(backend, turn);
  }
}

// ---- programs ----

Seqno SimProxy::append_program(certifier::Ddl program) {
  const Seqno seqno = sequencer_.order({}, std::nullopt);
  oracle_.insert({}, seqno, std::nullopt);
  append(std::move(program), seqno);
  return seqno;
}

void SimProxy::append_part(BackendId home, const LoggedGroup& group, Seqno program) {
  const certifier::ProgramPart part{program, group.gtid, true};
  if (!group.ddl.empty()) {
    certifier::Ddl ddl;
    ddl.home = home;
    ddl.sql = group.ddl;
    ddl.part = part;
    if (const auto table = truncated_table(ddl.sql)) {
      ddl.keys.push_back(table_key(*table, KeyHold::kExclusive));
    }
    const Seqno seqno = sequencer_.order(ddl.keys, std::nullopt);
    oracle_.insert(ddl.keys, seqno, std::nullopt);
    append(std::move(ddl), seqno);
    return;
  }
  certifier::Writeset writeset;
  writeset.home = home;
  writeset.last_seen = program;
  writeset.flags = certifier::kWritesetAtHome;
  writeset.part = part;
  writeset.keys = keys_of(group.ops);
  writeset.payload = encode_rows(group.ops);
  const Seqno seqno = sequencer_.order(writeset.keys, home);
  oracle_.insert(writeset.keys, seqno, home);
  parts_[seqno] = home;
  append(std::move(writeset), seqno);
}

/// Its client hears that it is done: all that it has committed must be in the log.
void SimProxy::on_program_done(Seqno program, std::size_t parts) {
  ++programs_done_;
  for (const ModelBackend& backend : cluster_.backends) {
    if (backend.position().ddl != program) {
      continue;
    }
    std::size_t committed = 0;
    for (std::size_t at = backend.binlog_at_mark(); at < backend.binlog().size(); ++at) {
      const LoggedGroup& group = backend.binlog()[at];
      committed += group.ops.empty() && group.ddl.empty() ? 0 : 1;
    }
    if (committed != parts) {
      fail("a program is acknowledged with " + std::to_string(parts) + " of its " +
           std::to_string(committed) + " commits");
    }
  }
}

void SimProxy::on_program_marked(BackendId backend, Seqno program, const Gtid& marker) {
  programs_.on_marked(backend, program, marker);
}

bool SimProxy::is_program(Seqno seqno) const {
  const auto found = archive_at_.find(seqno);
  return found != archive_at_.end() && archive_[found->second]->is_program();
}

/// An operator sees to a server that was refused because of a program.
bool SimProxy::on_lane_stopped(BackendId id, const std::string& reason) {
  if (reason.find("program at seqno") == std::string::npos) {
    fail("lane of backend " + std::to_string(id.value) + ": " + reason);
    return false;
  }
  for (std::uint8_t other = 0; other < Cluster::kBackends; ++other) {
    const ModelBackend& donor = cluster_.backends[other];
    const bool sound = donor.up() && shell(BackendId{other}).running();
    if (BackendId{other} != id && sound && cluster_.backends[id.value].up()) {
      cluster_.trace("backend " + std::to_string(id.value) + " becomes a copy of " +
                     std::to_string(other));
      cluster_.backends[id.value].become_copy_of(donor);
      ++copies_made_;
      return true;
    }
  }
  return true;  // it is refused again, later
}

certifier::ApplyLane& SimProxy::lane_of(BackendId backend) {
  return shell(backend).lane();
}

void SimProxy::append_result(const certifier::DdlResult& result) {
  append(result);
}

// ---- ends ----

void SimProxy::fail(std::string reason) {
  callbacks_.fail(std::move(reason));
}

bool SimProxy::settled() const {
  const auto idle = [this](const auto& shell) {
    return shell->running() && orphans(shell->lane().backend()).empty() &&
           shell->lane().applied() == sequencer_.head();
  };
  const auto empty = [](const auto& container) { return container.empty(); };
  return ready_ && mailbox_.empty() && pending_.empty() && ddl_.settled() && programs_.settled() &&
         deferred_ddl_.empty() && durable_head_ == sequencer_.head() &&
         std::all_of(shells_.begin(), shells_.end(), idle) &&
         std::all_of(reaper_.begin(), reaper_.end(), empty) &&
         std::all_of(replays_open_.begin(), replays_open_.end(), empty);
}

std::string SimProxy::describe() const {
  std::string out = "head " + std::to_string(sequencer_.head().value) + ", durable " +
                    std::to_string(durable_head_.value) + ", pending " +
                    std::to_string(pending_.size()) + (ddl_.settled() ? "" : ", DDL undecided") +
                    (programs_.settled() ? "" : ", a program under way");
  for (const auto& shell : shells_) {
    const certifier::ApplyLane& lane = shell->lane();
    const std::size_t at = lane.backend().value;
    out += "\n lane " + std::to_string(at) + (shell->running() ? " runs" : " does not run") +
           ", state " + std::to_string(static_cast<int>(lane.state())) + ", applied " +
           std::to_string(lane.applied().value) + ", queued " +
           std::to_string(lane.queued_entries()) + ", to reap " +
           std::to_string(reaper_[at].size()) + ", replays " +
           std::to_string(replays_open_[at].size());
  }
  return out;
}

}  // namespace consort::sim
