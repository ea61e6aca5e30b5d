#include "certifier/apply_lane.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "certifier/ddl_fence.h"

namespace consort::certifier {
namespace {

/// The SET of a DDL's own session, which stands right before the statement; else empty.
std::string settings_of(const LaneBatch& batch) {
  if (!batch.ddl_statement || *batch.ddl_statement == 0) {
    return {};
  }
  const std::string& before = batch.statements[*batch.ddl_statement - 1];
  return before.starts_with("SET ") ? before : std::string();
}

using S = LaneState;

constexpr std::uint16_t kUnknownSchemaErrno = 1049;

constexpr std::array<Transition<LaneState>, 54> kMoves{{
    {S::kOffline, S::kIdle},
    {S::kUnsure, S::kIdle},
    {S::kIdle, S::kApplying},
    {S::kApplying, S::kIdle},
    {S::kIdle, S::kDdlReached},
    {S::kDdlReached, S::kDdlTurn},
    {S::kDdlTurn, S::kDdlMarking},
    {S::kDdlTurn, S::kDdlMarked},
    {S::kDdlTurn, S::kDdlDeciding},
    {S::kDdlMarking, S::kDdlMarked},
    {S::kDdlMarked, S::kDdlOffered},
    {S::kDdlOffered, S::kDdlWaiting},
    {S::kDdlOffered, S::kDdlTurn},
    {S::kDdlDeciding, S::kDdlDecided},
    {S::kDdlDecided, S::kDdlWaiting},
    // did it run?
    {S::kDdlTurn, S::kDdlLooking},
    {S::kIdle, S::kDdlLooking},
    {S::kDdlLooking, S::kDdlLooked},
    {S::kDdlLooked, S::kDdlAsked},
    {S::kDdlAsked, S::kDdlReached},
    {S::kDdlAsked, S::kStopped},
    {S::kIdle, S::kStopped},  // of a program it has what nobody else has, or less
    // the result is in the log
    {S::kDdlReached, S::kIdle},
    {S::kDdlTurn, S::kIdle},
    {S::kDdlMarking, S::kIdle},
    {S::kDdlMarked, S::kIdle},
    {S::kDdlOffered, S::kIdle},
    {S::kDdlDeciding, S::kIdle},
    {S::kDdlDecided, S::kIdle},
    {S::kDdlWaiting, S::kIdle},
    {S::kDdlLooked, S::kIdle},
    {S::kDdlAsked, S::kIdle},
    // a turn failed
    {S::kApplying, S::kUnsure},
    {S::kDdlMarking, S::kUnsure},
    {S::kDdlDeciding, S::kUnsure},
    {S::kDdlLooking, S::kUnsure},
    {S::kApplying, S::kStopped},
    {S::kDdlMarking, S::kStopped},
    {S::kDdlDeciding, S::kStopped},
    {S::kDdlLooking, S::kStopped},
    // the connection is lost
    {S::kIdle, S::kOffline},
    {S::kApplying, S::kOffline},
    {S::kUnsure, S::kOffline},
    {S::kDdlReached, S::kOffline},
    {S::kDdlTurn, S::kOffline},
    {S::kDdlMarking, S::kOffline},
    {S::kDdlMarked, S::kOffline},
    {S::kDdlOffered, S::kOffline},
    {S::kDdlDeciding, S::kOffline},
    {S::kDdlDecided, S::kOffline},
    {S::kDdlWaiting, S::kOffline},
    {S::kDdlLooking, S::kOffline},
    {S::kDdlLooked, S::kOffline},
    {S::kDdlAsked, S::kOffline},
}};

/// DDL results kept for entries that the queue does not hold yet.
constexpr std::size_t kDdlResultsMax = 4096;

/// Of what clients make as long as they like; keys are as many as these allow.
std::size_t own_bytes(const LogEntry& entry) {
  const Writeset* writeset = entry.writeset();
  const Ddl* ddl = entry.ddl();
  return writeset != nullptr ? writeset->payload.size()
         : ddl != nullptr    ? ddl->sql.size() + ddl->session_set.size()
                             : 0;
}

}  // namespace

ApplyLane::ApplyLane(BackendId backend, std::uint32_t cluster, LaneLimits limits)
    : backend_(backend), cluster_(cluster), limits_(limits), machine_(S::kOffline, kMoves) {}

// ---- the log ----

void ApplyLane::push(const std::shared_ptr<const LogEntry>& entry) {
  if (const auto* result = std::get_if<DdlResult>(&entry->body)) {
    on_ddl_result(*result);
  } else if (const auto* replayed = std::get_if<Replay>(&entry->body)) {
    if (replayed->backend == backend_) {
      (void)replay(replayed->seqno);
    }
  } else if (entry->takes_seqno()) {
    take(entry);
  }
}

void ApplyLane::take(const std::shared_ptr<const LogEntry>& entry) {
  offered_ = std::max(offered_, entry->seqno);
  const std::size_t bytes = own_bytes(*entry);
  if (entry->seqno != next_ || machine_.is(S::kStopped) || !has_room(bytes)) {
    return;
  }
  if (entry->ddl() != nullptr && entry->part() != nullptr) {
    ddl_results_[entry->seqno] = {entry->seqno, DdlOutcome::kRun, {}};  // its home has executed it
  }
  queue_.push_back(item_of(entry));
  queued_bytes_ += bytes;
  queued_ddl_ += entry->ddl() != nullptr ? 1 : 0;
  next_ = next_.next();
}

bool ApplyLane::has_room(std::size_t bytes) const {
  return queue_.empty() || (queue_.size() < limits_.queue_entries_max &&
                            queued_bytes_ + bytes <= limits_.queue_bytes_max);  // I8
}

std::shared_ptr<const LogEntry> ApplyLane::queued(Seqno seqno) const {
  const bool there = !queue_.empty() && seqno >= front_seqno() && seqno < next_;
  return there ? queue_[seqno.value - front_seqno().value].entry : nullptr;
}

std::optional<Seqno> ApplyLane::wants_from() const {
  const bool knows_where = next_ > Seqno{0} && !machine_.is(S::kStopped);
  const bool half_empty = queue_.size() <= limits_.queue_entries_max / 2 &&
                          queued_bytes_ <= limits_.queue_bytes_max / 2;
  return knows_where && half_empty && next_ <= offered_ ? std::optional(next_) : std::nullopt;
}

void ApplyLane::on_ddl_result(const DdlResult& result) {
  const bool queued = result.ddl > applied_ && result.ddl < next_;
  if (result.ddl <= applied_ || (!queued && ddl_results_.size() >= kDdlResultsMax)) {
    return;
  }
  ddl_results_[result.ddl] = result;
  const bool turn_under_way = under_way_.has_value();
  const bool at_it = !queue_.empty() && front_seqno() == result.ddl;
  if (at_it && !turn_under_way && machine_.can_move(S::kIdle) && !machine_.is(S::kOffline) &&
      !machine_.is(S::kUnsure)) {
    machine_.move(S::kIdle);
    decided_.reset();
  }
}

const DdlResult* ApplyLane::ddl_result(Seqno seqno) const {
  const auto found = ddl_results_.find(seqno);
  return found == ddl_results_.end() ? nullptr : &found->second;
}

bool ApplyLane::branch_is_held(const LogEntry& entry) const {
  const Writeset* writeset = entry.writeset();
  if (writeset == nullptr || writeset->home != backend_ || writeset->part.any() ||
      replayed_.contains(entry.seqno)) {
    return false;
  }
  // Later than the list: its branch was prepared on this backend as it is now.
  return entry.seqno > listed_up_to_ || held_.contains(writeset->branch);
}

ApplyLane::Item ApplyLane::item_of(const std::shared_ptr<const LogEntry>& entry) const {
  return Item{entry, branch_is_held(*entry), part_is_here(*entry)};
}

namespace {

/// Null: `entry` is no part of a program that ran on `backend`.
const ProgramPart* part_of(const LogEntry& entry, BackendId backend) {
  const ProgramPart* part = entry.part();
  const Writeset* writeset = entry.writeset();
  const bool ran_there =
      part != nullptr && (writeset != nullptr ? writeset->home : entry.ddl()->home) == backend;
  return ran_there ? part : nullptr;
}

}  // namespace

/// What was logged since this server was asked what its binlog has was read from it since. Else:
/// its data are those on which the program ran, and its binlog has the part.
bool ApplyLane::part_is_here(const LogEntry& entry) const {
  const ProgramPart* part = part_of(entry, backend_);
  return part != nullptr &&
         (entry.seqno > binlog_of_ || (ddl_mark_ == part->program && binlog_.contains(part->gtid)));
}

/// The program ran on these very data, and they have lost a part of it.
bool ApplyLane::part_is_lost(const Item& item) const {
  const ProgramPart* part = part_of(*item.entry, backend_);
  return part != nullptr && !item.here && ddl_mark_ == part->program;
}

// ---- the connection ----

void ApplyLane::on_connected(const LaneStart& start) {
  began_at_ = machine_.is(S::kOffline) ? start.listed_up_to : began_at_;
  machine_.move(S::kIdle);
  under_way_.reset();
  kind_ = start.kind;
  cluster_id_ = start.cluster_id;
  owner_ = start.owner;
  applied_ = start.position;
  offered_ = std::max({offered_, start.durable, applied_});
  ddl_mark_ = start.ddl_mark;
  listed_up_to_ = start.listed_up_to;
  held_ = std::set<BranchId>(start.held.begin(), start.held.end());
  binlog_ = start.binlog;
  binlog_of_ = start.binlog_of;
  replayed_.erase(replayed_.begin(), replayed_.upper_bound(applied_));
  ddl_results_.erase(ddl_results_.begin(), ddl_results_.upper_bound(applied_));
  restart_queue_at(applied_.next());
}

void ApplyLane::restart_queue_at(Seqno next) {
  while (!queue_.empty() && front_seqno() < next) {
    drop_front();
  }
  if (!queue_.empty() && front_seqno() != next) {  // the backend has lost its newest commits
    clear_queue();
  }
  if (queue_.empty()) {
    next_ = next;
  }
  for (Item& item : queue_) {
    item = item_of(item.entry);
  }
}

void ApplyLane::drop_front() {
  const LogEntry& front = *queue_.front().entry;
  queued_bytes_ -= own_bytes(front);
  queued_ddl_ -= front.ddl() != nullptr ? 1 : 0;
  queue_.pop_front();
}

void ApplyLane::clear_queue() {
  queue_.clear();
  queued_bytes_ = 0;
  queued_ddl_ = 0;
}

void ApplyLane::on_disconnected() {
  if (machine_.is(S::kStopped) || machine_.is(S::kOffline)) {
    return;
  }
  machine_.move(S::kOffline);
  ddl_executed_ = Seqno{0};  // by a backend that may have lost it since
  decided_.reset();
  session_dirty_ = false;  // the next session is a new one
}

// ---- turns ----

std::optional<LaneTurn> ApplyLane::next_turn(const BatchLimits& limits) {
  switch (machine_.state()) {
    case S::kIdle:
      return turn_when_idle(limits);
    case S::kDdlTurn:
      ddl_may_have_run_ = ddl_mark_ == front_seqno();
      if (executor_ == DdlExecutor::kLane) {
        return begin(ddl_batch(batch_start(), *queue_.front().entry, !ddl_may_have_run_, {},
                               schema_absent_ == front_seqno()),
                     S::kDdlDeciding);
      }
      if (queue_.front().entry->is_program() && executor_ != DdlExecutor::kSession) {
        const bool in_doubt = executor_ != DdlExecutor::kEnded;
        return begin(settle_program_batch(batch_start(), *queue_.front().entry, in_doubt),
                     S::kDdlLooking);
      }
      if (executor_ == DdlExecutor::kNobody) {
        return begin(look_batch(batch_start(), *queue_.front().entry), S::kDdlLooking);
      }
      if (!ddl_may_have_run_) {
        return begin(mark_batch(batch_start(), *queue_.front().entry), S::kDdlMarking);
      }
      machine_.move(S::kDdlMarked);
      [[fallthrough]];
    case S::kDdlMarked:
      ddl_absent_ = Seqno{};  // from now on it may
      machine_.move(S::kDdlOffered);
      return DdlOffer{front_seqno()};
    case S::kDdlLooked:
      machine_.move(S::kDdlAsked);
      return DdlLook{front_seqno(), ddl_changed_};
    case S::kDdlDecided:
      machine_.move(S::kDdlWaiting);
      return std::exchange(decided_, std::nullopt).value_or(DdlDecided{});
    default:
      return std::nullopt;
  }
}

std::optional<LaneTurn> ApplyLane::turn_when_idle(const BatchLimits& limits) {
  if (queue_.empty()) {
    return std::nullopt;
  }
  if (part_is_lost(queue_.front())) {
    stop_for_program(queue_.front().entry->part()->program,
                     "it has lost what a program had committed there");
    return std::nullopt;
  }
  if (role_of(queue_.front()) == EntryRole::kDdl) {
    ddl_may_have_run_ = ddl_mark_ == front_seqno();
    if (is_void(front_seqno()) && queue_.front().entry->is_program()) {
      stop_for_program(front_seqno(),
                       "a program ran there while it was lost: it may have committed what nobody "
                       "else has");
      return std::nullopt;
    }
    if (is_void(front_seqno())) {
      return begin(look_batch(batch_start(), *queue_.front().entry), S::kDdlLooking);
    }
    if (const DdlResult* result = ddl_result(front_seqno()); result != nullptr) {
      return begin(ddl_batch(batch_start(), *queue_.front().entry, !ddl_may_have_run_, result->sql,
                             schema_absent_ == front_seqno()),
                   S::kApplying);
    }
    machine_.move(S::kDdlReached);
    return DdlReached{front_seqno(), ddl_may_have_run_};
  }
  return begin(next_batch(limits), S::kApplying);
}

EntryRole ApplyLane::role_of(const Item& item) const {
  const LogEntry& entry = *item.entry;
  if (item.here) {
    return EntryRole::kNothing;
  }
  if (const Writeset* writeset = entry.writeset()) {
    if ((writeset->flags & kWritesetSequences) != 0) {
      if (entry.seqno <= began_at_) {
        return EntryRole::kOldNumbers;
      }
      return writeset->home == backend_ ? EntryRole::kNothing : EntryRole::kNumbers;
    }
    if ((writeset->flags & kWritesetWholeTable) != 0) {
      return EntryRole::kWholeTable;  // also there: it may have come to it from the log
    }
    const bool at_home = (writeset->flags & kWritesetAtHome) != 0 && !writeset->part.any();
    if (writeset->home == backend_ && at_home) {
      return EntryRole::kNothing;
    }
    if (item.held) {
      return EntryRole::kBranch;
    }
    return writeset->payload.empty() ? EntryRole::kNothing : EntryRole::kPayload;
  }
  const DdlResult* result = ddl_result(entry.seqno);
  const bool absent = ddl_mark_ != entry.seqno || ddl_absent_ == entry.seqno;
  const bool skipped = result != nullptr && (result->outcome == DdlOutcome::kSkip ||
                                             (result->outcome == DdlOutcome::kVoid && absent));
  const bool executed = result != nullptr && ddl_executed_ == entry.seqno &&
                        (result->sql.empty() || result_executed_ == entry.seqno);
  return skipped || executed ? EntryRole::kNothing : EntryRole::kDdl;
}

/// Nobody shall execute it; somebody may have, here.
bool ApplyLane::is_void(Seqno seqno) const {
  const DdlResult* result = ddl_result(seqno);
  return result != nullptr && result->outcome == DdlOutcome::kVoid;
}

/// As many entries as the limits allow, up to a DDL; a large one alone.
LaneBatch ApplyLane::next_batch(const BatchLimits& limits) const {
  std::vector<BatchEntry> entries;
  std::size_t bytes = 0;
  for (const Item& item : queue_) {
    const BatchEntry next{item.entry.get(), role_of(item)};
    if (part_is_lost(item)) {
      break;
    }
    if (next.role == EntryRole::kDdl || entries.size() >= limits.entries_max) {
      break;
    }
    if (next.role == EntryRole::kWholeTable) {
      if (entries.empty()) {
        return whole_table_batch(batch_start(), *next.entry, limits.statement_bytes_max);
      }
      break;
    }
    if (next.role == EntryRole::kPayload) {
      const Buffer& payload = next.entry->writeset()->payload;
      bytes += payload.size();
      const bool large = binlog_text_bytes(payload) > limits.statement_bytes_max;
      if (entries.empty() && large) {
        return large_batch(batch_start(), *next.entry, limits.statement_bytes_max);
      }
      if (large || (!entries.empty() && bytes > limits.payload_bytes_max)) {
        break;
      }
    }
    entries.push_back(next);
  }
  return writeset_batch(batch_start(), entries);
}

/// Notes that `batch` is under way. A session that a DDL has changed is set right before.
LaneBatch ApplyLane::begin(LaneBatch batch, LaneState state) {
  CHECK(batch.first == applied_.next());  // I5
  const std::string settings = settings_of(batch);
  if (session_dirty_) {
    std::vector<std::string> statements = lane_session_renewal(kind_, session_settings_);
    batch.ddl_statement = batch.ddl_statement
                              ? std::optional(*batch.ddl_statement + statements.size())
                              : std::nullopt;
    std::move(batch.statements.begin(), batch.statements.end(), std::back_inserter(statements));
    batch.statements = std::move(statements);
  }
  session_dirty_ = session_dirty_ || batch.ddl_statement.has_value();
  if (batch.ddl_statement) {
    session_settings_ = settings;
  }
  under_way_ = LaneBatch{{}, batch.first, batch.last, batch.ddl_statement, batch.branches};
  machine_.move(state);
  return batch;
}

void ApplyLane::on_turn_done() {
  CHECK(under_way_.has_value());
  const LaneBatch done = *std::exchange(under_way_, std::nullopt);
  if (machine_.is(S::kDdlLooking)) {
    ddl_changed_ = false;
    session_dirty_ = false;
    machine_.move(S::kDdlLooked);
    return;
  }
  if (done.ddl_statement || machine_.is(S::kDdlMarking)) {
    on_ddl_done();
    return;
  }
  CHECK(done.last > applied_);
  while (!queue_.empty() && front_seqno() <= done.last) {
    drop_front();
  }
  applied_ = done.last;
  replayed_.erase(replayed_.begin(), replayed_.upper_bound(applied_));
  ddl_results_.erase(ddl_results_.begin(), ddl_results_.upper_bound(applied_));
  session_dirty_ = false;
  machine_.move(S::kIdle);
}

void ApplyLane::on_ddl_done() {
  const Seqno seqno = front_seqno();
  const bool result_is_known = ddl_result(seqno) != nullptr;
  ddl_mark_ = seqno;
  if (machine_.is(S::kDdlMarking)) {
    session_dirty_ = false;
    machine_.move(result_is_known ? S::kIdle : S::kDdlMarked);
    return;
  }
  ddl_executed_ = seqno;
  if (result_is_known) {
    result_executed_ = seqno;
    machine_.move(S::kIdle);
    return;
  }
  decided_ =
      DdlDecided{seqno, ddl_may_have_run_ ? DdlOutcome::kRunTolerant : DdlOutcome::kRun, 0, {}};
  machine_.move(S::kDdlDecided);
}

LaneAction ApplyLane::on_turn_failed(std::uint16_t error,
                                     std::string_view message,
                                     std::size_t statement) {
  CHECK(under_way_.has_value());
  const LaneAction action = classify_lane_error(error);
  if (error == kDdlDoneErrno && machine_.is(S::kDdlLooking)) {
    under_way_.reset();
    ddl_changed_ = true;
    session_dirty_ = true;  // it holds the fence
    machine_.move(S::kDdlLooked);
    return LaneAction::kGoOn;
  }
  if (error == kDdlDoneErrno && under_way_->ddl_statement) {
    under_way_.reset();
    on_ddl_done();
    return LaneAction::kGoOn;
  }
  if (machine_.is(S::kDdlLooking) && queue_.front().entry->is_program()) {
    session_dirty_ = true;  // it may log what it executes
    return fail(action == LaneAction::kInconsistent ? LaneAction::kBackOff : action, error,
                message);
  }
  // USE and the session's settings count as the DDL's own: they stand behind the mark.
  const Ddl* ddl = queue_.front().entry->ddl();
  const std::size_t settings = ddl == nullptr || ddl->session_set.empty() ? 0 : 1;
  const bool enters = ddl != nullptr && !ddl->schema.empty() && schema_absent_ != front_seqno();
  const std::size_t leaves = ddl == nullptr || ddl->schema.empty() ? 0 : 1;
  const std::size_t own_statements = ddl == nullptr ? 0 : 1 + leaves + (enters ? 1 : 0) + settings;
  if (error == kUnknownSchemaErrno && enters && under_way_->ddl_statement &&
      statement + 1 + settings == *under_way_->ddl_statement) {
    // Its session was in a schema that somebody has dropped, and goes on there, as on any server.
    schema_absent_ = front_seqno();
    return fail(LaneAction::kResync, error, message);
  }
  const bool ddl_itself = under_way_->ddl_statement && statement <= *under_way_->ddl_statement &&
                          statement + own_statements > *under_way_->ddl_statement;
  if (ddl_itself && action == LaneAction::kInconsistent) {
    return on_ddl_failed(error, message);
  }
  if (error == kRowNotFoundErrno &&
      std::exchange(doubted_, under_way_->first) != under_way_->first) {
    // Perhaps the position's row: whoever reads it again learns of another owner. If it is not
    // that, the same happens again.
    return fail(LaneAction::kResync, error, message);
  }
  return fail(action, error, message);
}

LaneAction ApplyLane::on_ddl_failed(std::uint16_t error, std::string_view message) {
  const Seqno seqno = front_seqno();
  const DdlResult* result = ddl_result(seqno);
  const bool to_be_tolerated = result != nullptr && result->outcome == DdlOutcome::kRunTolerant;
  const bool already_applied = ddl_already_applied(error);
  // It failed where it was executed first, and has dropped what was to be replaced.
  const bool replaces = drops_before_creating(queue_.front().entry->ddl()->sql);
  // Of a DROP that finds no more than some of its tables the binlog tells as of any other.
  const ProgramPart* part = queue_.front().entry->part();
  const bool as_at_home = part != nullptr && (already_applied || error == part->error);
  const bool tolerated =
      (already_applied && ddl_may_have_run_) ||
      (to_be_tolerated && (already_applied || replaces || ddl_partly_applied(error))) || as_at_home;
  if (result != nullptr && result->outcome != DdlOutcome::kSkip && !tolerated) {
    return fail(LaneAction::kInconsistent, error, message);
  }
  under_way_.reset();
  ddl_mark_ = seqno;
  ddl_executed_ = seqno;
  if (result != nullptr) {
    result_executed_ = seqno;
    machine_.move(S::kIdle);
    return LaneAction::kGoOn;
  }
  const DdlOutcome outcome = tolerated || replaces
                                 ? DdlOutcome::kRunTolerant
                                 : ddl_outcome(error).value_or(DdlOutcome::kRunTolerant);
  decided_ = DdlDecided{seqno, outcome, error, std::string(message)};
  machine_.move(S::kDdlDecided);
  return LaneAction::kGoOn;
}

LaneAction ApplyLane::fail(LaneAction action, std::uint16_t error, std::string_view message) {
  if (action != LaneAction::kInconsistent && action != LaneAction::kFenced) {
    machine_.move(S::kUnsure);
    return action;
  }
  std::string reason = action == LaneAction::kFenced ? "another owner moves this backend's position"
                                                     : "this backend differs from the others";
  reason += " (seqno " + std::to_string(under_way_->first.value);
  if (under_way_->last > under_way_->first) {
    reason += " to " + std::to_string(under_way_->last.value);
  }
  reason += "): error " + std::to_string(error) + ": " + std::string(message);
  stop(std::move(reason));
  return action;
}

// ---- DDL ----

void ApplyLane::execute_ddl(Seqno seqno, DdlExecutor executor) {
  CHECK(machine_.is(S::kDdlReached) || machine_.is(S::kDdlOffered));
  CHECK(front_seqno() == seqno);
  executor_ = executor;
  machine_.move(S::kDdlTurn);
}

void ApplyLane::on_ddl_executed(Seqno seqno) {
  if (machine_.is(S::kDdlOffered) && front_seqno() == seqno) {
    ddl_executed_ = seqno;
    machine_.move(S::kDdlWaiting);
  }
}

void ApplyLane::on_ddl_looked(Seqno seqno, DdlTraces traces) {
  if (!machine_.is(S::kDdlAsked) || front_seqno() != seqno) {
    return;
  }
  if (traces == DdlTraces::kNone) {
    ddl_absent_ = seqno;
  }
  if (!is_void(seqno)) {
    machine_.move(ddl_result(seqno) == nullptr ? S::kDdlReached : S::kIdle);
    return;
  }
  if (traces == DdlTraces::kNone) {
    machine_.move(S::kIdle);
    return;
  }
  stop("this backend differs from the others (seqno " + std::to_string(seqno.value) + "): " +
       (traces == DdlTraces::kRan
            ? "it has executed a statement that nobody else has"
            : "nobody knows whether it has executed a statement that nobody else has"));
}

void ApplyLane::on_program_marked(Seqno seqno, bool again) {
  if (!machine_.is(S::kDdlAsked) || front_seqno() != seqno) {
    return;
  }
  if (ddl_result(seqno) != nullptr) {  // it came while the marker was written
    machine_.move(S::kIdle);
  } else if (again) {
    machine_.move(S::kDdlReached);
  }
}

void ApplyLane::stop_for_program(Seqno seqno, std::string_view why) {
  stop("this backend differs from the others (program at seqno " + std::to_string(seqno.value) +
       "): " + std::string(why) + "; it needs a copy");
}

void ApplyLane::stop(std::string reason) {
  stop_reason_ = std::move(reason);
  clear_queue();
  machine_.move(S::kStopped);
}

// ---- blocked lane ----

std::vector<std::shared_ptr<const LogEntry>> ApplyLane::held_entries() const {
  std::vector<std::shared_ptr<const LogEntry>> held;
  for (const Item& item : queue_) {
    const Writeset* writeset = item.entry->writeset();
    const bool at_home = writeset != nullptr && (writeset->flags & kWritesetAtHome) != 0;
    if (item.held && !at_home && !replayed_.contains(item.entry->seqno)) {
      held.push_back(item.entry);
    }
  }
  return held;
}

ReplayStep ApplyLane::replay(Seqno seqno) {
  if (seqno <= applied_) {
    return ReplayStep::kApplied;
  }
  replayed_.insert(seqno);
  if (under_way_ && seqno <= under_way_->last) {
    return ReplayStep::kInterruptFirst;
  }
  if (!queue_.empty() && seqno >= front_seqno() && seqno < next_) {
    queue_[seqno.value - front_seqno().value].held = false;
  }
  return ReplayStep::kRollBack;
}

}  // namespace consort::certifier
