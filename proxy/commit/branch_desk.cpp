#include "proxy/commit/branch_desk.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <utility>

#include "base/branch_name.h"
#include "base/check.h"
#include "protocol/deleted_rows.h"
#include "protocol/row_events.h"
#include "proxy/commit/sequence_numbers.h"
#include "proxy/group_keys.h"
#include "router/token.h"

namespace consort::proxy {
namespace {

using protocol::BinlogGroup;
using protocol::BinlogGroupKind;

constexpr std::size_t kForeignMax = 4096;
constexpr std::size_t kDdlTablesMax = 4096;
constexpr unsigned kDefinitionTries = 3;
constexpr BackendId kNoHome{kBackendsMax};
// Stands for a DDL statement that names no table.
constexpr std::uint64_t kEverything = certifier::kEverythingKey;
constexpr auto kForeignWarnEvery = std::chrono::seconds(10);
// A group whose PREPARE's OK never came: its session has given it up or will.
constexpr auto kLonelyGroupMax = std::chrono::seconds(60);
// Where nobody knows whether a branch has rows at all: its session waits for nothing, perhaps.
constexpr std::chrono::milliseconds kUnsureGroupMax{2000};
// Shares of the certification index, in eighths, beyond which commits wait for lanes. Between the
// two is room for small ones, and beyond for one large one.
constexpr std::size_t kFullForLarge = 4;
constexpr std::size_t kFullForSmall = 6;
constexpr std::size_t kSmallGroupBytes = std::size_t{1} << 14;
// What a transaction has seen that comes here next: what was applied so long ago, as a PREPARE may
// take its time.
constexpr auto kPreparing = std::chrono::milliseconds(500);
// Who waits for lanes that do not get on at all would wait for ever.
constexpr auto kLanesStandStill = std::chrono::seconds(5);

bool is_system_schema(std::string_view schema) {
  return schema == "consort" || schema == "mysql";
}

// What was sampled at different times, at most what was sampled later: applied(home) may go back.
BranchPrepared in_order(BranchPrepared prepared) {
  prepared.last_seen_at_prepare =
      std::min(prepared.last_seen_at_prepare, prepared.last_seen_at_answer);
  prepared.last_seen_at_start =
      std::min(prepared.last_seen_at_start, prepared.last_seen_at_prepare);
  return prepared;
}

/// Whose affair the end of a branch is that does not come to stand in the log.
std::optional<BackendId> left_to(const BranchPrepared& prepared) {
  return prepared.session_ends_it ? std::optional(prepared.home) : std::nullopt;
}

Seqno newest(const std::unordered_map<std::uint64_t, Seqno>& map, std::uint64_t key) {
  const auto found = map.find(key);
  return found == map.end() ? Seqno{} : found->second;
}

}  // namespace

BranchDesk::BranchDesk(BranchDeskOptions options, BranchDeskParts parts)
    : options_(std::move(options)), parts_(std::move(parts)) {}

// ---- what arrives ----

void BranchDesk::on_prepared(const BranchPrepared& prepared) {
  // A crash between its begin and the lane's new start may have taken commits that it claims to
  // have seen, and its own PREPARE, of which the OK may come late.
  const bool of_earlier_lane =
      prepared.lane_generation !=
      parts_.positions.lane_generations[prepared.home.value].load(std::memory_order_relaxed);
  if (of_earlier_lane || !parts_.home_is_up(prepared.home) || parts_.reaper.has(prepared.branch)) {
    Pending pending = std::move(pending_[prepared.branch]);
    pending_.erase(prepared.branch);
    pending.prepared = prepared;
    pending.home = prepared.home;
    pending.arrived = clock_.now();
    lose_with_home(pending);
    return;
  }
  Pending& pending = pending_[prepared.branch];
  if (pending.prepared) {
    return;
  }
  if (pending.lost) {
    Pending lost = std::move(pending);
    pending_.erase(prepared.branch);
    lost.prepared = prepared;
    lose_with_home(lost);
    return;
  }
  pending.prepared = in_order(prepared);
  pending.home = prepared.home;
  pending.arrived = clock_.now();
  if (pending.group) {
    parts_.stats.capture_latency.record(std::chrono::nanoseconds(0));
    complete_.push_back(prepared.branch);
  }
}

void BranchDesk::on_abandoned(const BranchAbandoned& abandoned) {
  parts_.stats.branches_abandoned.add();
  pending_.erase(abandoned.branch);
  parts_.reaper.roll_back(abandoned.home, abandoned.branch, abandoned.owner_thread);
}

void BranchDesk::on_group(BackendId home, BinlogGroup group) {
  if (parts_.take_part && parts_.take_part(home, group)) {
    return;
  }
  LaneStats& stats = parts_.stats.lanes[home.value];
  if (group.kind == BinlogGroupKind::kTransaction) {
    const bool ours = std::all_of(group.tables.begin(), group.tables.end(),
                                  [](const auto& table) { return is_system_schema(table.schema); });
    if (!ours || (group.unfit && !group.rolled_back)) {
      if (!group.rolled_back) {
        stats.foreign_groups.add();
      }
      if (foreign_.size() < kForeignMax) {
        foreign_.push_back({home, std::move(group)});
      }
    }
    return;
  }
  if (group.kind != BinlogGroupKind::kXaPrepared || !group.xid) {
    return;
  }
  const std::optional<ParsedBranch> branch =
      group.xid->format_id == kXaFormatId ? parse_branch_gtrid(group.xid->gtrid) : std::nullopt;
  if (!branch || branch->cluster != options_.cluster) {
    stats.foreign_groups.add();
    return;
  }
  stats.captured_groups.add();
  if (branch->branch.epoch != parts_.log.epoch() || parts_.reaper.has(branch->branch)) {
    return;
  }
  Pending& pending = pending_[branch->branch];
  if (pending.group || pending.lost) {
    return;
  }
  pending.group = std::move(group);
  pending.home = home;
  if (pending.prepared) {
    parts_.stats.capture_latency.record(clock_.now() - pending.arrived);
    complete_.push_back(branch->branch);
  } else {
    pending.arrived = clock_.now();
  }
}

void BranchDesk::on_home_lost(BackendId home) {
  for (auto at = pending_.begin(); at != pending_.end();) {
    if (at->second.home != home) {
      ++at;
      continue;
    }
    if (!at->second.prepared) {
      at->second.lost = true;  // the word on it may still come
      if (at->second.group && !at->second.group->unfit) {
        at->second.group.reset();
      }
      ++at;
      continue;
    }
    Pending pending = std::move(at->second);
    at = pending_.erase(at);
    lose_with_home(pending);
  }
}

// Who cannot be replicated anywhere is not told to begin again elsewhere: it may have been the very
// reason why the stream was lost.
void BranchDesk::lose_with_home(Pending& pending) {
  if (pending.group && pending.group->unfit) {
    lose(pending, BranchVerdict::kRefused, pending.group->unfit->message);
  } else {
    lose(pending, BranchVerdict::kHomeLost);
  }
}

void BranchDesk::on_ddl(const certifier::Ddl& ddl, Seqno seqno) {
  if (ddl_of_.size() > kDdlTablesMax) {
    ddl_of_.clear();
    ddl_of_[kEverything] = seqno;
  }
  if (ddl.targets.empty()) {
    ddl_of_[kEverything] = seqno;
    parts_.catalog.invalidate();
  }
  for (const certifier::DdlObject& target : ddl.targets) {
    if (target.schema.empty()) {
      continue;  // accounts and grants change no rows
    }
    ddl_of_[certifier::object_key(target.schema, target.table)] = seqno;
    parts_.catalog.invalidate(target.schema, target.table);
  }
  parts_.tables.on_ddl(seqno);
}

void BranchDesk::on_everything(Seqno seqno) {
  ddl_of_[kEverything] = seqno;
}

void BranchDesk::lose_undecided(BackendId home) {
  for (auto at = pending_.begin(); at != pending_.end();) {
    if (at->second.home != home || !at->second.prepared) {
      ++at;
      continue;
    }
    Pending pending = std::move(at->second);
    at = pending_.erase(at);
    lose(pending, BranchVerdict::kHomeLost);
  }
}

// ---- certification ----

void BranchDesk::process() {
  const bool paused = parts_.paused && parts_.paused();
  // Numbers that a branch has taken from a sequence were reserved before its own group. Before a
  // server that has given them begins anew they must be in the log, so they do not wait.
  while (!foreign_.empty() && (!paused || takes_numbers(foreign_.front().group)) &&
         take_foreign(foreign_.front()) == Step::kDone) {
    foreign_.pop_front();
  }
  if (paused) {
    return;
  }
  std::vector<BranchId> complete;
  complete.swap(complete_);
  sort_by_home(complete);
  for (const BranchId& branch : complete) {
    const auto found = pending_.find(branch);
    if (found == pending_.end()) {
      continue;  // given up since
    }
    if (certify(branch, found->second) == Step::kHeld) {
      held_.push_back(branch);
    } else {
      pending_.erase(found);
    }
  }
  complete.clear();
  if (complete_.empty()) {
    complete_.swap(complete);  // keeps its memory
  }
  parts_.stats.pending_branches.set(static_cast<std::int64_t>(pending_.size()));
}

// Their order is ours to choose. Neighbours of one home make longer runs of payloads and of
// branches on every lane, and each run costs a transaction there.
void BranchDesk::sort_by_home(std::vector<BranchId>& complete) {
  if (complete.size() < 2) {
    return;
  }
  const auto place = [this](const BranchId& branch) {
    const auto found = pending_.find(branch);
    const unsigned home = found == pending_.end() ? 0 : found->second.home.value;
    return (home + kBackendsMax - first_home_) % kBackendsMax;
  };
  std::stable_sort(complete.begin(), complete.end(),
                   [&](const BranchId& a, const BranchId& b) { return place(a) < place(b); });
  if (const auto last = pending_.find(complete.back()); last != pending_.end()) {
    first_home_ = last->second.home.value;  // goes on where this turn ends
  }
}

void BranchDesk::note_verdict(bool conflict) {
  constexpr double kMemory = 256;  // verdicts
  conflict_share_ += ((conflict ? 1.0 : 0.0) - conflict_share_) / kMemory;
}

void BranchDesk::on_replay(BackendId home, Seqno seqno) {
  std::atomic<std::uint64_t>& newest = parts_.positions.newest_replays[home.value];
  newest.store(std::max(newest.load(std::memory_order_relaxed), seqno.value),
               std::memory_order_seq_cst);
}

void BranchDesk::retry_held() {
  complete_.insert(complete_.end(), held_.begin(), held_.end());
  held_.clear();
}

BranchDesk::Step BranchDesk::certify(const BranchId& branch, Pending& pending) {
  BinlogGroup& group = *pending.group;
  const BranchPrepared& prepared = *pending.prepared;
  if (std::optional<std::string> reason = refusal(pending)) {
    lose(pending, BranchVerdict::kRefused, std::move(*reason));
    return Step::kDone;
  }
  if (!group.has_rows) {
    // Nothing to replicate, and nothing left to commit but rows of temporary tables.
    parts_.stats.empty_groups.add();
    if (!prepared.session_ends_it) {
      parts_.reaper.roll_back(pending.home, branch);
    }
    tell({prepared.session, branch, BranchVerdict::kCommitted, Seqno{}, {}, left_to(prepared)},
         pending.arrived);
    return Step::kDone;
  }
  if (lost_to_ddl(pending)) {
    pending.lost_to = parts_.sequencer.head();
    lose(pending, BranchVerdict::kConflict);
    return Step::kDone;
  }
  if (const std::optional<Step> step = obey_locks(pending)) {
    return *step;
  }
  if (!has_definitions(pending.home, group) || waits_for_lanes(pending)) {
    return Step::kHeld;
  }
  if (prepared.aligns_for) {
    align(pending);
    return Step::kDone;
  }
  if (const protocol::BinlogTable* table = find_non_transactional(group, parts_.catalog)) {
    lose(pending, BranchVerdict::kRefused,
         "table " + table->schema + "." + table->table +
             " is not transactional: its rows cannot be replicated");
    return Step::kDone;
  }
  if (const protocol::BinlogTable* table = find_hiding_rows(group, parts_.catalog)) {
    lose(pending, BranchVerdict::kRefused,
         "table " + table->schema + "." + table->table +
             " has a SPATIAL index and no primary key or unique key without NULL: MySQL finds no "
             "row of such a table when it applies changes");
    return Step::kDone;
  }
  Result<std::vector<RowKey>> keys = group_keys(group, parts_.keys);
  if (!keys.ok()) {
    const bool stale = keys.error().code == static_cast<int>(GroupKeysError::kDefinition);
    if (stale && ++pending.definitions_failed < kDefinitionTries) {
      for (const protocol::BinlogTable& table : group.tables) {
        parts_.catalog.invalidate(table.schema, table.table);
      }
      (void)has_definitions(pending.home, group);
      return Step::kHeld;
    }
    lose(pending, BranchVerdict::kRefused, keys.error().message);
    return Step::kDone;
  }
  certifier::CertifyRequest request;
  request.branch = branch;
  request.home = pending.home;
  request.last_seen_at_prepare = prepared.last_seen_at_prepare;
  request.last_seen_at_answer = prepared.last_seen_at_answer;
  if (may_remove_parents(group)) {
    request.last_seen_at_start = prepared.last_seen_at_start;
  }
  request.keys = *keys;
  const certifier::Verdict verdict = parts_.sequencer.certify(request);
  note_verdict(verdict.kind == certifier::VerdictKind::kConflict);
  switch (verdict.kind) {
    case certifier::VerdictKind::kPass:
      pass(pending, std::move(keys).value(), verdict.seqno);
      break;
    case certifier::VerdictKind::kConflict:
      pending.lost_to = verdict.seqno;
      lose(pending, BranchVerdict::kConflict);
      break;
    case certifier::VerdictKind::kTooOld:
      lose(pending, BranchVerdict::kTooOld);
      break;
  }
  return Step::kDone;
}

// All backends get these rows in this order, and the statement that counts on it is ordered
// behind that at once: nobody comes between them. Whoever has written the table since the branch
// began is not among the rows, whatever locks it met.
void BranchDesk::align(Pending& pending) {
  BinlogGroup& group = *pending.group;
  const BranchPrepared& prepared = *pending.prepared;
  const DdlTarget& altered = prepared.aligns_for->targets.front();
  const bool transactional = find_non_transactional(group, parts_.catalog) == nullptr;
  if (!transactional || !protocol::write_deleted_rows(group) ||
      !router::equals_ignoring_case(group.tables[0].table, altered.table)) {
    lose(pending, BranchVerdict::kRefused, "whose rows cannot be told");
    return;
  }
  const protocol::BinlogTable table = group.tables[0];
  certifier::CertifyRequest request;
  request.branch = prepared.branch;
  request.home = kNoHome;  // what any home has committed counts
  request.last_seen_at_prepare = prepared.last_seen_at_start;
  request.last_seen_at_answer = prepared.last_seen_at_start;
  std::vector<RowKey> keys = certifier::ddl_keys(table.schema, table.table);
  request.keys = keys;
  const certifier::Verdict verdict = parts_.sequencer.certify(request);
  if (verdict.kind != certifier::VerdictKind::kPass) {
    pending.lost_to = verdict.seqno;
    lose(pending, BranchVerdict::kConflict);
    return;
  }
  protocol::set_no_foreign_key_checks(group, true, [](const TableName&) { return true; });
  certifier::Writeset writeset;
  writeset.home = pending.home;
  writeset.last_seen = prepared.last_seen_at_start;
  writeset.keys = std::move(keys);
  writeset.flags = certifier::kWritesetAtHome | certifier::kWritesetWholeTable;
  writeset.payload = std::move(group.events);
  certifier::LogEntry entry;
  entry.seqno = verdict.seqno;
  entry.body = std::move(writeset);
  parts_.log.append(std::move(entry));
  parts_.reaper.roll_back(pending.home, prepared.branch);
  parts_.order(*prepared.aligns_for);
  tell({prepared.session, prepared.branch, BranchVerdict::kCommitted, verdict.seqno, {}, {}},
       pending.arrived);
}

// Rows that foreign keys refer to may be deleted or get other keys. Lanes apply child rows without
// looking at parents, so a child that came while the branch was open has been seen by nobody. Only
// then does the branch's start count: a long transaction on other tables does not become too old.
bool BranchDesk::may_remove_parents(const BinlogGroup& group) const {
  return std::any_of(group.tables.begin(), group.tables.end(), [this](const auto& table) {
    const certifier::TableDefinitionPtr known =
        parts_.catalog.find(TableName{table.schema, table.table});
    return known == nullptr || !known->referenced_by.empty();
  });
}

std::optional<std::string> BranchDesk::refusal(const Pending& pending) const {
  const BinlogGroup& group = *pending.group;
  if (group.unfit) {
    return group.unfit->message;
  }
  if (!parts_.log.accepts(group.events.size())) {
    parts_.stats.log_refusals.add();
    return "the disk of the commit log is nearly full: no commits are taken";
  }
  return std::nullopt;
}

bool BranchDesk::lost_to_ddl(const Pending& pending) const {
  if (ddl_of_.empty()) {
    return false;
  }
  const Seqno seen = pending.prepared->last_seen_at_prepare;
  if (newest(ddl_of_, kEverything) > seen) {
    return true;
  }
  return std::any_of(
      pending.group->tables.begin(), pending.group->tables.end(), [&](const auto& table) {
        return newest(ddl_of_, certifier::table_key(table.schema, table.table)) > seen ||
               newest(ddl_of_, certifier::schema_key(table.schema)) > seen;
      });
}

// LOCK TABLES of other sessions, and its own READ locks, which a trigger may have got round.
std::optional<BranchDesk::Step> BranchDesk::obey_locks(Pending& pending) {
  const BranchPrepared& prepared = *pending.prepared;
  const SessionId session = prepared.aligns_for ? prepared.aligns_for->session : prepared.session;
  TableBlock blocked = TableBlock::kNone;
  if (!parts_.locks.empty()) {
    for (const protocol::BinlogTable& table : pending.group->tables) {
      if (parts_.locks.only_reads(session, table.schema, table.table)) {
        lose(pending, BranchVerdict::kRefused,
             "Table '" + table.table + "' was locked with a READ lock and can't be updated");
        return Step::kDone;
      }
      const TableBlock block = parts_.locks.block(session, table.schema, table.table, true);
      // Who holds tables himself waits for none: two could wait for each other.
      const bool holds = parts_.locks.holds(session);
      if (block == TableBlock::kWrite || (block == TableBlock::kRead && holds)) {
        pending.locked = TableLock{table.schema, table.table, true};
        lose(pending, BranchVerdict::kLocked);
        return Step::kDone;
      }
      if (block == TableBlock::kRead && blocked == TableBlock::kNone) {
        pending.locked = TableLock{table.schema, table.table, true};
        blocked = block;
      }
    }
  }
  if (blocked == TableBlock::kRead) {
    if (!pending.lock_deadline) {
      pending.lock_deadline = clock_.now() + std::chrono::seconds(pending.prepared->lock_wait_s);
    }
    return Step::kHeld;
  }
  if (pending.lock_deadline) {
    pending.lock_deadline.reset();
    pending.arrived = clock_.now();  // what it waits for now has its own patience
  }
  return std::nullopt;
}

void BranchDesk::give_up_waiting(BackendId home, const std::function<bool(Bytes)>& wanted) {
  for (auto at = pending_.begin(); at != pending_.end();) {
    Pending& pending = at->second;
    const bool waits = pending.lock_deadline || pending.behind_lanes;
    if (pending.home != home || !waits || !wanted(pending.group->events)) {
      ++at;
      continue;
    }
    if (pending.behind_lanes) {
      pending.in_the_way = true;
      ++at;
      continue;
    }
    Pending given_up = std::move(pending);
    at = pending_.erase(at);
    lose(given_up, BranchVerdict::kLocked);
  }
  retry_held();
}

bool BranchDesk::waits_for_lanes(Pending& pending) {
  const certifier::Sequencer& sequencer = parts_.sequencer;
  const bool small = pending.group->events.size() <= kSmallGroupBytes;
  const std::size_t bound = sequencer.keys_max() / 8 * (small ? kFullForSmall : kFullForLarge);
  const bool full =
      sequencer.keys_held() > bound && sequencer.keys_after(seen_by_others(pending)) > bound;
  const bool waits = full && !pending.in_the_way && !lanes_stand_still_;
  if (pending.behind_lanes && !waits) {
    pending.arrived = clock_.now();  // what it waits for now has its own patience
  }
  pending.behind_lanes = waits;
  return waits;
}

/// What every transaction has seen that must not become too old by this one: those on their way
/// here, and those waiting here that have seen less than it. So one of them is always first.
Seqno BranchDesk::seen_by_others(const Pending& pending) const {
  Seqno seen = lanes_at_.empty() ? parts_.applied_by_homes() : lanes_at_.front().second;
  const Seqno own = pending.prepared->last_seen_at_prepare;
  for (const auto& [branch, other] : pending_) {
    if (other.prepared && other.prepared->last_seen_at_prepare < own) {
      seen = std::min(seen, other.prepared->last_seen_at_prepare);
    }
  }
  return seen;
}

void BranchDesk::watch_lanes(TimePoint now, bool anybody_waits) {
  const Seqno applied = parts_.applied_by_homes();
  if (!anybody_waits || lanes_at_.empty() || applied != lanes_at_.back().second) {
    lanes_moved_ = now;
  }
  lanes_stand_still_ = now - lanes_moved_ > kLanesStandStill;
  lanes_at_.emplace_back(now, applied);
  while (lanes_at_.size() > 1 && now - lanes_at_[1].first >= kPreparing) {
    lanes_at_.pop_front();
  }
}

bool BranchDesk::has_definitions(BackendId home, const BinlogGroup& group) {
  const std::vector<certifier::TableRef> missing = group_missing_tables(group, parts_.keys);
  for (const certifier::TableRef& table : missing) {
    parts_.tables.load(home, table);
  }
  return missing.empty();
}

void BranchDesk::pass(Pending& pending, std::vector<RowKey> keys, Seqno seqno) {
  flag_foreign_keys(*pending.group, parts_.catalog);
  const BranchPrepared& prepared = *pending.prepared;
  certifier::Writeset writeset;
  writeset.branch = prepared.branch;
  writeset.home = pending.home;
  writeset.last_seen = prepared.last_seen_at_prepare;
  writeset.keys = std::move(keys);
  writeset.payload = std::move(pending.group->events);
  certifier::LogEntry entry;
  entry.seqno = seqno;
  entry.body = std::move(writeset);
  parts_.log.append(std::move(entry));
  parts_.stats.certified_passed.add();
  BranchOutcome outcome{
      prepared.session, prepared.branch, BranchVerdict::kCommitted, seqno, {}, {}};
  if (options_.durability == Durability::kRelaxed) {
    parts_.positions.head.store(seqno.value, std::memory_order_release);
    tell(std::move(outcome), pending.arrived);
  } else {
    told_when_durable_.push_back({seqno, std::move(outcome), pending.arrived});
  }
}

void BranchDesk::lose(Pending& pending, BranchVerdict verdict, std::string message) {
  CommitStats& stats = parts_.stats;
  switch (verdict) {
    case BranchVerdict::kConflict:
      stats.certified_failed.add();
      break;
    case BranchVerdict::kTooOld:
      stats.certified_too_old.add();
      break;
    case BranchVerdict::kRefused:
      stats.refused.add();
      break;
    case BranchVerdict::kHomeLost:
      stats.home_lost.add();
      break;
    case BranchVerdict::kLocked:
    case BranchVerdict::kLockWait:
      stats.certified_locked.add();
      break;
    case BranchVerdict::kCommitted:
      break;
  }
  const BranchPrepared& prepared = *pending.prepared;
  if (verdict != BranchVerdict::kHomeLost && prepared.session_ends_it) {
    tell({prepared.session, prepared.branch, verdict, pending.lost_to, std::move(message),
          left_to(prepared), pending.locked},
         pending.arrived);
    return;
  }
  tell({prepared.session,
        prepared.branch,
        verdict,
        pending.lost_to,
        std::move(message),
        {},
        pending.locked},
       pending.arrived);
  parts_.reaper.roll_back(pending.home, prepared.branch);
}

void BranchDesk::tell(BranchOutcome outcome, TimePoint arrived) {
  parts_.stats.commit_latency.record(clock_.now() - arrived);
  parts_.tell(std::move(outcome));
}

void BranchDesk::on_durable(const certifier::LogEntry& entry) {
  if (!entry.takes_seqno()) {
    return;
  }
  parts_.positions.head.store(
      std::max(parts_.positions.head.load(std::memory_order_relaxed), entry.seqno.value),
      std::memory_order_release);
  while (!told_when_durable_.empty() && told_when_durable_.front().seqno <= entry.seqno) {
    Told told = std::move(told_when_durable_.front());
    told_when_durable_.pop_front();
    tell(std::move(told.outcome), told.arrived);  // I4
  }
}

// ---- transactions that were committed without us ----

bool BranchDesk::takes_numbers(const BinlogGroup& group) const {
  return group.has_rows && !group.unfit && has_sequences_only(group, parts_.catalog);
}

// A sequence's home has taken numbers, or rows went into a table that is not transactional: they
// are committed there, so the others take them as they are. Anything else was written past Consort:
// it is there on one backend only.
BranchDesk::Step BranchDesk::take_foreign(Foreign& foreign) {
  BinlogGroup& group = foreign.group;
  if (takes_numbers(group)) {
    (void)log_numbers(
        foreign.home,
        group);  // they are taken, whatever becomes of the transaction and of the home
    return Step::kDone;
  }
  if (group.rolled_back && parts_.home_is_up(foreign.home)) {
    if (!has_definitions(foreign.home, group)) {
      return Step::kHeld;
    }
    if (leaves_nothing_behind(group, parts_.catalog)) {
      return Step::kDone;
    }
    parts_.stats.lanes[foreign.home.value].foreign_groups.add();
  }
  const bool only_rows = !group.unfit && group.statement.empty();
  if (group.has_rows && only_rows && parts_.home_is_up(foreign.home)) {
    if (!has_definitions(foreign.home, group)) {
      return Step::kHeld;
    }
    if (has_sequences_only(group, parts_.catalog)) {
      (void)log_numbers(foreign.home, group);
      return Step::kDone;
    }
    const bool kept_by_rollback =
        std::all_of(group.tables.begin(), group.tables.end(), [this](const auto& table) {
          const certifier::TableDefinitionPtr known =
              parts_.catalog.find(TableName{table.schema, table.table});
          return known != nullptr && !known->is_transactional;
        });
    Result<std::vector<RowKey>> keys = std::vector<RowKey>();
    if (kept_by_rollback) {
      keys = group_keys(group, parts_.keys);
    }
    if (kept_by_rollback && keys.ok()) {
      log_at_home(foreign, std::move(keys).value());
      return Step::kDone;
    }
  }
  const bool gone =
      std::all_of(group.tables.begin(), group.tables.end(), [this](const auto& table) {
        const certifier::TableDefinitionPtr known =
            parts_.catalog.find(TableName{table.schema, table.table});
        return known != nullptr && !known->exists;
      });
  if (gone && !group.tables.empty()) {
    return Step::kDone;  // numbers of a sequence that was dropped since
  }
  if (clock_.now() - foreign_warned_ >= kForeignWarnEvery) {
    foreign_warned_ = clock_.now();
    const std::string table =
        group.tables.empty() ? "?" : group.tables[0].schema + "." + group.tables[0].table;
    spdlog::warn(
        "{}: rows of {} were written past Consort, or the table is not transactional: "
        "the backends differ (gtid {})",
        options_.backend_names[foreign.home.value], table, protocol::to_string(group.gtid));
  }
  return Step::kDone;
}

void BranchDesk::log_at_home(Foreign& foreign, std::vector<RowKey> keys) {
  certifier::Writeset writeset;
  writeset.home = foreign.home;
  writeset.keys = std::move(keys);
  writeset.flags = certifier::kWritesetAtHome;
  writeset.payload = std::move(foreign.group.events);
  (void)append_at_home(std::move(writeset));
}

bool BranchDesk::has_numbers(const BinlogGroup& group) const {
  return reserves_of(group, options_.sequence_step).ok();
}

bool BranchDesk::log_numbers(BackendId home, const BinlogGroup& group) {
  const auto reserves = reserves_of(group, options_.sequence_step);
  if (!reserves.ok()) {
    spdlog::error("{}: numbers of a sequence cannot be read from its binlog: {}",
                  options_.backend_names[home.value], reserves.error().message);
    return false;
  }
  (void)log_reserves(home, *reserves);
  return true;
}

Seqno BranchDesk::log_reserves(BackendId home,
                               const std::vector<certifier::SequenceReserve>& reserves) {
  certifier::Writeset writeset;
  writeset.home = home;
  writeset.flags = certifier::kWritesetAtHome | certifier::kWritesetSequences;
  writeset.payload = certifier::encode_reserves(reserves);
  return append_at_home(std::move(writeset));
}

Seqno BranchDesk::append_at_home(certifier::Writeset writeset) {
  writeset.last_seen = parts_.sequencer.head();
  const Seqno seqno = parts_.sequencer.order(writeset.keys, writeset.home);
  certifier::LogEntry entry;
  entry.seqno = seqno;
  entry.body = std::move(writeset);
  parts_.log.append(std::move(entry));
  return seqno;
}

// ---- time ----

void BranchDesk::look_after(TimePoint now) {
  std::int64_t waiting_for_tables = 0;
  if (parts_.paused && parts_.paused()) {
    for (auto& [branch, pending] : pending_) {
      pending.arrived = now;  // nobody is late while nobody may be certified
    }
    return;
  }
  std::int64_t waiting_for_lanes = 0;
  for (auto at = pending_.begin(); at != pending_.end();) {
    const Pending& pending = at->second;
    const Duration age = now - pending.arrived;
    const auto give_up = [&](BranchVerdict verdict) {
      Pending given_up = std::move(at->second);
      at = pending_.erase(at);
      lose(given_up, verdict);
    };
    if (!pending.prepared && age > kLonelyGroupMax) {
      at = pending_.erase(at);
      continue;
    }
    if (pending.lock_deadline) {
      ++waiting_for_tables;
      if (now < *pending.lock_deadline) {
        ++at;
        continue;
      }
      parts_.stats.table_lock_timeouts.add();
      give_up(BranchVerdict::kLockWait);
      continue;
    }
    if (pending.behind_lanes) {
      ++waiting_for_lanes;
      ++at;
      continue;
    }
    const bool unsure = pending.prepared && !pending.prepared->surely_logged && !pending.group;
    if (unsure && age > std::min(kUnsureGroupMax, options_.group_wait_max)) {
      spdlog::warn("{}: whether a branch changed anything was not told: it is rolled back",
                   options_.backend_names[pending.home.value]);
      give_up(BranchVerdict::kConflict);
      continue;
    }
    if (pending.prepared && age > options_.group_wait_max) {
      spdlog::warn(
          "{}: the rows of a prepared branch, or the definition of their table, did not "
          "come: it is rolled back",
          options_.backend_names[pending.home.value]);
      give_up(BranchVerdict::kHomeLost);
      continue;
    }
    ++at;
  }
  parts_.stats.branches_behind_locks.set(waiting_for_tables);
  parts_.stats.branches_behind_lanes.set(waiting_for_lanes);
  watch_lanes(now, waiting_for_lanes > 0);
  retry_held();
}

std::size_t BranchDesk::undecided_of(BackendId home) const {
  return static_cast<std::size_t>(std::count_if(
      pending_.begin(), pending_.end(),
      [home](const auto& pending) { return pending.second.home == home && !pending.second.lost; }));
}

void BranchDesk::refuse_all() {
  for (auto& [branch, pending] : pending_) {
    if (pending.prepared) {
      lose(pending, BranchVerdict::kHomeLost);
    }
  }
  pending_.clear();
  complete_.clear();
  held_.clear();
}

}  // namespace consort::proxy
