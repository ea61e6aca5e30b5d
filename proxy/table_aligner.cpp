#include "proxy/table_aligner.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <utility>

#include "base/branch_name.h"
#include "base/sql_identifier.h"
#include "proxy/signals_blocked.h"
#include "router/token.h"

namespace consort::proxy {
namespace {

using healthcheck::SqlRows;

constexpr unsigned kTriesMax = 200;
constexpr std::chrono::milliseconds kTryPause{10};      // and longer each time, up to
constexpr std::chrono::milliseconds kTryPauseMax{300};  // this
constexpr std::chrono::hours kLongestDelete{24};
/// What the server says of a table's size counts free space, and how rows lie in pages.
constexpr std::uint64_t kPagesPerRows = 4;

/// Foreign keys are let be: what refers to a row refers to it still. Rows that come while it reads
/// would be missing in it: REPEATABLE READ keeps them away, certification finds the rest.
constexpr std::string_view kOwnSettings =
    "SET SESSION sql_log_bin=1,sql_mode=DEFAULT,foreign_key_checks=0,max_statement_time=0,"
    "lock_wait_timeout=DEFAULT,innodb_lock_wait_timeout=DEFAULT,tx_isolation='REPEATABLE-READ'";

constexpr std::string_view kOwnSettingsOnMysql =
    "SET SESSION sql_log_bin=1,sql_mode=DEFAULT,foreign_key_checks=0,max_execution_time=0,"
    "lock_wait_timeout=DEFAULT,innodb_lock_wait_timeout=DEFAULT,"
    "transaction_isolation='REPEATABLE-READ'";

std::string name_of_table(const DdlTarget& table) {
  return sql_identifier(table.schema) + "." + sql_identifier(table.table);
}

/// One row where there is such a table: its type, its bytes, how many triggers it has.
std::string look_sql(const DdlTarget& table) {
  const std::string schema = healthcheck::sql_literal(table.schema);
  const std::string name = healthcheck::sql_literal(table.table);
  return "SELECT TABLE_TYPE, DATA_LENGTH, (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE "
         "EVENT_OBJECT_SCHEMA=" +
         schema + " AND EVENT_OBJECT_TABLE=" + name +
         ") FROM information_schema.TABLES WHERE TABLE_SCHEMA=" + schema +
         " AND TABLE_NAME=" + name;
}

bool is_about(const std::vector<DdlTarget>& targets, const DdlTarget& table) {
  return targets.empty() ||
         std::any_of(targets.begin(), targets.end(), [&](const DdlTarget& target) {
           return router::equals_ignoring_case(target.schema, table.schema) &&
                  (target.table.empty() || router::equals_ignoring_case(target.table, table.table));
         });
}

}  // namespace

TableAligner::TableAligner(TableAlignerParts parts) : parts_(std::move(parts)) {}

TableAligner::~TableAligner() {
  stop();
}

void TableAligner::start() {
  const SignalsBlocked blocked;
  worker_ = std::thread([this] { work(); });
}

void TableAligner::stop() {
  if (!worker_.joinable()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    cuttable_.cut(parts_.kill);
    changed_.notify_all();
  }
  worker_.join();
}

// ---- from the commit thread ----

void TableAligner::on_commit_event(const CommitEvent& event) {
  const std::lock_guard lock(mutex_);
  if (const auto* wanted = std::get_if<AlignTable>(&event)) {
    if (waiting_.size() < kWaitingMax) {
      waiting_.push_back(*wanted);
      changed_.notify_all();
    } else {
      const SessionId session = wanted->ddl.session;
      parts_.tell(session, DdlOutcome{session, Seqno{}, false, true});
    }
    return;
  }
  if (const auto* outcome = std::get_if<BranchOutcome>(&event)) {
    outcome_ = *outcome;
    changed_.notify_all();
    return;
  }
  if (!under_way_) {
    return;
  }
  const DdlTarget& table = under_way_->ddl.targets.front();
  if (const auto* abort = std::get_if<AbortBranch>(&event)) {
    if (abort->home == under_way_->ddl.home && abort->thread_id == cuttable_.thread()) {
      cuttable_.cut(parts_.kill);
    }
  } else if (const auto* users = std::get_if<AbortTableUsers>(&event)) {
    if (users->home == under_way_->ddl.home && is_about(users->targets, table)) {
      cuttable_.cut(parts_.kill);
    }
  } else if (const auto* locked = std::get_if<TablesLocked>(&event)) {
    if (locked->owner != under_way_->ddl.session && is_about(locked->tables, table)) {
      cuttable_.cut(parts_.kill);
    }
  }
}

// ---- its thread ----

void TableAligner::work() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) {
      return;
    }
    under_way_ = std::move(waiting_.front());
    waiting_.pop_front();
    const AlignTable wanted = *under_way_;
    lock.unlock();
    align(wanted);
    forget_link();
    link_.reset();
    lock.lock();
    under_way_.reset();
  }
}

void TableAligner::align(const AlignTable& wanted) {
  Step step = attempt(wanted);
  for (unsigned tries = 1; step == Step::kConflict && tries < kTriesMax && !stopping(); ++tries) {
    pause(std::min(kTryPause * tries, kTryPauseMax));
    step = attempt(wanted);
  }
  DdlOutcome outcome{wanted.ddl.session, Seqno{}};
  switch (step) {
    case Step::kDone:
      return;  // the session hears of its turn
    case Step::kAgain:
      outcome.again = true;
      break;
    case Step::kConflict:
    case Step::kLocked:
      outcome.lock_wait = true;
      break;
    case Step::kRefused:
      outcome.unalignable = why_;
      break;
  }
  parts_.tell(wanted.ddl.session, std::move(outcome));
}

TableAligner::Step TableAligner::attempt(const AlignTable& wanted) {
  Step step = connect(parts_.homes[wanted.ddl.home.value]);
  if (stopping()) {
    return Step::kConflict;
  }
  if (step == Step::kDone) {
    step = look(wanted.ddl.targets.front());
  }
  return step == Step::kDone ? show_rows(wanted) : step;
}

/// A home that is lost is the session's affair: it has another one, and then begins anew.
TableAligner::Step TableAligner::connect(const EventHome& home) {
  if (link_ && link_->connected()) {
    return Step::kDone;
  }
  healthcheck::LinkTimeouts timeouts;
  timeouts.read = kLongestDelete;
  link_.emplace(home.target, timeouts);
  if (!link_->connect().ok()) {
    return Step::kAgain;
  }
  {
    const std::lock_guard lock(mutex_);
    cuttable_.set(home.backend, *link_);
    if (stopping_) {
      cuttable_.forget();
    }
  }
  const bool mysql = link_->kind() == ServerKind::kMysql;
  for (const std::string_view sql : {std::string_view("SET NAMES utf8mb4"),
                                     std::string_view(mysql ? home.mysql_setup : home.setup),
                                     mysql ? kOwnSettingsOnMysql : kOwnSettings}) {
    if (const Status done = statement(sql); !done.ok()) {
      return link_->connected() ? Step::kAgain : Step::kConflict;
    }
  }
  return Step::kDone;
}

TableAligner::Step TableAligner::look(const DdlTarget& table) {
  const Result<SqlRows> found = link_->query(look_sql(table));
  if (!found.ok()) {
    return Step::kConflict;
  }
  if (found->rows.size() != 1) {
    return Step::kAgain;
  }
  const auto& row = found->rows.front();
  const std::uint64_t bytes = healthcheck::cell_number(row[1]);
  if (row[0] != "BASE TABLE") {
    why_ = "that is no plain table";
  } else if (row[2] != "0") {
    why_ = "that has triggers";
  } else if (bytes / kPagesPerRows > parts_.rows_bytes_max) {
    why_ = "that is larger than limits.writeset_bytes_max";
  } else {
    return Step::kDone;
  }
  return Step::kRefused;
}

TableAligner::Step TableAligner::show_rows(const AlignTable& wanted) {
  const BackendId home = wanted.ddl.home;
  BranchPrepared prepared;
  prepared.session = {parts_.worker, 0, 0};
  prepared.branch = {parts_.identity.epoch, parts_.worker, ++branches_};
  prepared.home = home;
  prepared.lock_wait_s = wanted.ddl.lock_wait_s;
  prepared.aligns_for = std::make_shared<const DdlRequest>(wanted.ddl);
  prepared.lane_generation = parts_.positions.lane_generations[home.value].load();
  prepared.last_seen_at_start = Seqno{parts_.positions.applied[home.value].load()};
  prepared.last_seen_at_prepare = prepared.last_seen_at_start;
  prepared.last_seen_at_answer = prepared.last_seen_at_start;
  {
    const std::lock_guard lock(mutex_);
    outcome_.reset();
  }
  const std::string name = branch_xid_sql(parts_.identity.cluster, prepared.branch);
  for (const std::string& sql :
       {"XA START " + name, "DELETE FROM " + name_of_table(wanted.ddl.targets.front()),
        "XA END " + name}) {
    if (const Status done = statement(sql); !done.ok()) {
      spdlog::info("rows of {} cannot be read for now: {}",
                   name_of_table(wanted.ddl.targets.front()), done.error().message);
      link_->close();  // which rolls back
      return Step::kConflict;
    }
  }
  const std::uint64_t thread = link_->thread_id();
  const Status done = statement("XA PREPARE " + name);
  if (!link_->connected()) {
    // It was perhaps prepared: decided so.
    (void)parts_.post_commit(BranchAbandoned{prepared.branch, home, thread});
    return Step::kConflict;
  }
  if (!done.ok()) {
    link_->close();
    return Step::kConflict;
  }
  if (told_of_changes(*link_) == false) {
    (void)statement("XA ROLLBACK " + name);
    return Step::kAgain;  // it has no rows
  }
  return await_outcome(prepared);
}

TableAligner::Step TableAligner::await_outcome(const BranchPrepared& prepared) {
  if (!parts_.post_commit(prepared)) {
    (void)parts_.post_commit(BranchAbandoned{prepared.branch, prepared.home});
    return Step::kConflict;
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock,
                [&] { return stopping_ || (outcome_ && outcome_->branch == prepared.branch); });
  if (!outcome_ || outcome_->branch != prepared.branch) {
    return Step::kConflict;  // Consort ends
  }
  switch (outcome_->verdict) {
    case BranchVerdict::kCommitted:
      return Step::kDone;
    case BranchVerdict::kRefused:
      why_ = outcome_->message;
      return Step::kRefused;
    case BranchVerdict::kLockWait:
      return Step::kLocked;
    case BranchVerdict::kHomeLost:
      return Step::kAgain;
    default:
      return Step::kConflict;
  }
}

Status TableAligner::statement(std::string_view sql) {
  if (!link_->connected()) {
    return make_error("the connection was lost");
  }
  const Result<SqlRows> done = link_->query(sql);
  if (!link_->connected()) {
    forget_link();  // the number may be another's soon
  }
  return done.ok() ? Status(Ok{}) : Status(done.error());
}

bool TableAligner::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void TableAligner::pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] { return stopping_; });
}

void TableAligner::forget_link() {
  const std::lock_guard lock(mutex_);
  cuttable_.forget();
}

}  // namespace consort::proxy
