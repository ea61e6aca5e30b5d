#include "proxy/event_run.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <utility>

#include <mysql.h>

#include "base/branch_name.h"
#include "base/sql_identifier.h"
#include "certifier/ddl_fence.h"
#include "router/token.h"

namespace consort::proxy {
namespace {

using healthcheck::ServerLink;
using healthcheck::SqlRows;
using std::chrono::steady_clock;

constexpr unsigned kConflictsMax = 100;
constexpr std::chrono::milliseconds kPause{20};       // and longer each time, up to
constexpr std::chrono::milliseconds kPauseMax{500};   // this
constexpr std::chrono::milliseconds kLockPause{250};  // while somebody holds LOCK TABLES
constexpr std::chrono::hours kLongest{24};            // of a body
constexpr int kRoutineDenied = 1370;
constexpr std::string_view kReadOnlyServer =
    "The MariaDB server is running with the --read-only option so it cannot execute this "
    "statement";
/// Numbers of branches: those of one run stand together.
constexpr std::uint64_t kBranchesPerRun = std::uint64_t{1} << 20;

/// Somebody else was first, or wanted what the branch held.
bool is_conflict(int error) {
  switch (error) {
    case 1020:  // record has changed since last read
    case 1205:  // lock wait timeout
    case 1213:  // deadlock
    case 1402:  // XA_RBROLLBACK
    case 1614:  // XA_RBDEADLOCK
      return true;
    default:
      return false;
  }
}

}  // namespace

EventRun::EventRun(EventRunParts parts, EventToRun event)
    : parts_(std::move(parts)),
      event_(std::move(event)),
      program_(program_name(parts_.identity.epoch, parts_.number)),
      turn_(parts_.post_commit, parts_.session, parts_.positions) {}

EventRun::End EventRun::run() {
  unsigned conflicts = 0;
  Step step = attempt();
  while ((step == Step::kConflict || step == Step::kLocked) && !stopping() &&
         conflicts < kConflictsMax && branches_ < kBranchesPerRun) {
    conflicts += step == Step::kConflict ? 1 : 0;
    pause(step == Step::kLocked ? kLockPause : std::min(kPause * conflicts, kPauseMax));
    step = attempt();
  }
  drop_program();
  if (step == Step::kDone || step == Step::kFailed) {
    return step == Step::kDone ? End::kDone : End::kFailed;
  }
  if (stopping()) {
    const std::lock_guard lock(mutex_);
    (void)fail(killed_ ? "Query execution was interrupted" : "was cut off: Consort ends");
    return killed_ ? End::kFailed : End::kCut;
  }
  (void)fail("it met conflicts, or lost its server, each time that it was tried");
  return End::kFailed;
}

// ---- from other threads ----

bool EventRun::on_event(const CommitEvent& event) {
  if (turn_.on_event(event)) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  if (const auto* outcome = std::get_if<BranchOutcome>(&event)) {
    if (outcome->session.slot != parts_.session.slot) {
      return false;
    }
    outcome_ = *outcome;
    changed_.notify_all();
    return true;
  }
  if (!yields_) {
    return false;
  }
  if (const auto* abort = std::get_if<AbortBranch>(&event)) {
    if (cuttable_.at() == abort->home && cuttable_.thread() == abort->thread_id) {
      cuttable_.cut(parts_.kill);
    }
  } else if (const auto* users = std::get_if<AbortTableUsers>(&event)) {
    if (cuttable_.at() == users->home && is_in_the_way(*users)) {
      cuttable_.cut(parts_.kill);
    }
  } else if (const auto* locked = std::get_if<TablesLocked>(&event)) {
    if (names(locked->tables)) {
      cuttable_.cut(parts_.kill);
    }
  }
  return false;
}

void EventRun::stop() {
  turn_.stop(true);
  give_up(ends_);
}

ProcessRow EventRun::process() {
  ProcessRow row;
  row.user = user();
  row.host = "localhost";
  row.schema = event_.event.schema;
  row.command = "Connect";
  row.time = steady_clock::now() - began_;
  row.info = event_.body.substr(0, kProcessInfoBytesMax);
  const std::lock_guard lock(mutex_);
  if (cuttable_.may_be_cut()) {
    row.place = {cuttable_.at(), cuttable_.thread()};
  }
  return row;
}

void EventRun::kill() {
  turn_.stop(false);
  give_up(killed_);
}

void EventRun::give_up(bool& why) {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  why = true;
  cuttable_.cut(parts_.kill);
  changed_.notify_all();
}

std::string EventRun::user() const {
  return event_.definer.substr(0, event_.definer.rfind('@'));
}

/// In doubt it is, when DDL goes on waiting: views, foreign keys and programs hide tables.
bool EventRun::is_in_the_way(const AbortTableUsers& asked) {
  constexpr std::uint32_t kPatience = 3;
  constexpr std::uint32_t kMorePatience = 30;
  constexpr std::chrono::seconds kOneWait{1};
  const auto now = steady_clock::now();
  asks_ = now - std::exchange(asked_at_, now) > kOneWait ? 1 : asks_ + 1;
  const bool ours = std::all_of(asked.targets.begin(), asked.targets.end(),
                                [](const DdlTarget& target) { return target.schema == "consort"; });
  return asked.targets.empty() || asks_ >= (ours ? kMorePatience : kPatience) ||
         (!ours && names(asked.targets));
}

/// As words of its body; that may be too many.
bool EventRun::names(const std::vector<DdlTarget>& targets) const {
  return std::any_of(targets.begin(), targets.end(), [this](const DdlTarget& target) {
    return target.table.empty()
               ? target.schema == event_.event.schema
               : router::contains_ignoring_case(event_.body, router::lower_case(target.table));
  });
}

bool EventRun::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void EventRun::pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] { return stopping_; });
}

void EventRun::forget_link() {
  const std::lock_guard lock(mutex_);
  cuttable_.forget();
}

// ---- its own thread ----

EventRun::Step EventRun::fail(std::string_view why) {
  spdlog::error("Event Scheduler: {} {}", event_.name_for_people(), why);
  return Step::kFailed;
}

Status EventRun::statement(std::string_view sql) {
  const Result<SqlRows> done = link_->query(sql);
  if (!link_->connected()) {
    forget_link();  // the number may be another's soon
  }
  return done.ok() ? Status(Ok{}) : Status(done.error());
}

EventRun::Step EventRun::attempt() {
  if (!link_ || !link_->connected()) {
    if (const Step step = settle_home(); step != Step::kDone) {
      return step;
    }
  }
  const bool alone = runs_alone();
  return stopping() ? Step::kConflict : alone ? execute_alone() : execute();
}

/// A connection to a home, with the program there.
EventRun::Step EventRun::settle_home() {
  drop_program();  // of a home that was lost
  home_ = parts_.choose_home();
  if (!home_) {
    return Step::kConflict;
  }
  healthcheck::LinkTimeouts timeouts;
  timeouts.read = kLongest;
  link_.emplace(home_->target, timeouts);
  if (!link_->connect().ok()) {
    return Step::kConflict;
  }
  {
    const std::lock_guard lock(mutex_);
    cuttable_.set(home_->backend, *link_);
    if (stopping_) {
      cuttable_.forget();
    }
  }
  ++connections_;
  granted_ = false;
  const Result<SqlRows> rights = link_->query(definers_rights_sql(event_));
  if (rights.ok()) {
    const auto has = [&rights](std::string_view right) {
      return std::any_of(rights->rows.begin(), rights->rows.end(), [right](const auto& row) {
        return router::equals_ignoring_case(row.front().value_or(""), right);
      });
    };
    if (!has("EVENT")) {
      return fail("execution failed, user no longer has EVENT privilege.");
    }
    writes_ = has("READ_ONLY ADMIN") || has("READ ONLY ADMIN");
  }
  if (const Status made = make_program(); !made.ok()) {
    return link_->connected() ? fail(made.error().message) : Step::kConflict;
  }
  return Step::kDone;
}

Status EventRun::make_program() {
  const Result<SqlRows> definer = link_->query(definer_bytes_sql(event_));
  if (!definer.ok()) {
    return definer.error();
  }
  for (const std::string& sql : program_setup(event_)) {
    if (Status done = statement(sql); !done.ok()) {
      return done;
    }
  }
  if (Status made = statement(program_sql(event_, program_, definer->first())); !made.ok()) {
    return made;
  }
  for (const std::string& sql :
       {std::string("SET NAMES utf8mb4"), home_->setup,
        std::string("SET SESSION sql_log_bin=1,sql_mode=DEFAULT,lock_wait_timeout=DEFAULT,"
                    "innodb_lock_wait_timeout=DEFAULT,max_statement_time=DEFAULT")}) {
    if (Status done = statement(sql); !done.ok()) {
      return done;
    }
  }
  return Ok{};
}

void EventRun::drop_program() {
  forget_link();  // what follows is quick, and is to be done
  if (!home_ || !link_) {
    return;
  }
  link_.emplace(home_->target, healthcheck::LinkTimeouts{});
  if (link_->connect().ok()) {
    (void)statement("DROP PROCEDURE IF EXISTS " + sql_identifier(event_.event.schema) + "." +
                    sql_identifier(program_));
  }
  link_.reset();
}

EventRun::Step EventRun::execute() {
  branch_ = {parts_.identity.epoch, parts_.session.worker,
             parts_.number * kBranchesPerRun + branches_++};
  const std::size_t home = home_->backend.value;
  prepared_ = {};
  prepared_.session = parts_.session;
  prepared_.branch = branch_;
  prepared_.home = home_->backend;
  prepared_.lane_generation = parts_.positions.lane_generations[home].load();
  prepared_.last_seen_at_start = Seqno{parts_.positions.applied[home].load()};
  const std::string name = branch_xid_sql(parts_.identity.cluster, branch_);
  {
    const std::lock_guard lock(mutex_);
    outcome_.reset();
  }
  if (const Status begun = statement("XA START " + name); !begun.ok()) {
    return link_->connected() ? fail(begun.error().message) : Step::kConflict;
  }
  if (const Status called = call(); !called.ok()) {
    return on_call_failed(called.error());
  }
  prepared_.last_seen_at_prepare = Seqno{parts_.positions.applied[home].load()};
  return commit();
}

std::string EventRun::call_sql() const {
  return "CALL " + sql_identifier(event_.event.schema) + "." + sql_identifier(program_) + "()";
}

/// With all that the body's statements return.
Status EventRun::call() {
  if (Status done = statement(call_sql()); !done.ok()) {
    return done;
  }
  st_mysql* const handle = link_->handle();
  while (mysql_more_results(handle) != 0) {
    if (mysql_next_result(handle) > 0) {
      const Error error{static_cast<int>(mysql_errno(handle)), mysql_error(handle)};
      if (healthcheck::is_link_error(error.code)) {
        forget_link();
        link_->close();
      }
      return error;
    }
    mysql_free_result(mysql_store_result(handle));
  }
  return Ok{};
}

EventRun::Step EventRun::on_call_failed(const Error& error) {
  if (!link_->connected()) {
    return Step::kConflict;  // which has rolled it back
  }
  const std::string name = branch_xid_sql(parts_.identity.cluster, branch_);
  (void)statement("XA END " + name);
  if (link_->connected()) {
    (void)statement("XA ROLLBACK " + name);
  }
  if (is_conflict(error.code) || !link_->connected()) {
    return Step::kConflict;
  }
  if (error.code != kRoutineDenied || granted_) {
    return fail(error.message);
  }
  const Step granted = grant_program();
  return granted == Step::kDone ? execute() : granted;
}

/// To its definer; it goes with the program.
EventRun::Step EventRun::grant_program() {
  granted_ = true;
  const std::size_t at = event_.definer.rfind('@');
  const std::string account = sql_identifier(event_.definer.substr(0, at)) + "@" +
                              sql_identifier(event_.definer.substr(at + 1));
  for (const std::string& sql :
       {std::string("SET SESSION sql_log_bin=0"),
        "GRANT EXECUTE ON PROCEDURE " + sql_identifier(event_.event.schema) + "." +
            sql_identifier(program_) + " TO " + account,
        std::string("SET SESSION sql_log_bin=1")}) {
    if (const Status done = statement(sql); !done.ok()) {
      return link_->connected() ? fail(done.error().message) : Step::kConflict;
    }
  }
  return Step::kDone;
}

// ---- a body that commits by itself ----

bool EventRun::runs_alone() {
  if (!alone_) {
    router::LexerOptions options;
    options = router::with_sql_mode(options, event_.sql_mode).value_or(options);
    options = router::with_character_set(options, event_.character_set_client);
    alone_ = turn_.runs_alone(event_.body, event_.event.schema, options);
  }
  return *alone_;
}

EventRun::Step EventRun::execute_alone() {
  if (!writes_ && parts_.read_only()) {
    return fail(kReadOnlyServer);
  }
  // In its turn nobody could grant it any more.
  if (!granted_) {
    if (const Step granted = grant_program(); granted != Step::kDone) {
      return granted;
    }
  }
  const auto yield = [this](bool yields) {
    const std::lock_guard lock(mutex_);
    yields_ = yields;
  };
  yield(false);
  const Step step = take_turn();
  yield(true);
  return step;
}

/// Once it was sent it is not sent again: what it has committed stays.
EventRun::Step EventRun::take_turn() {
  DdlRequest request;
  request.home = home_->backend;
  request.sql = call_sql();
  request.schema = event_.event.schema;
  request.user = event_.definer;
  request.program_thread = link_->thread_id();
  request.renames_plain = turn_.renames_plain();
  const std::optional<DdlTurn> turn = turn_.ask(std::move(request));
  if (!turn) {
    return turn_.locked() ? Step::kLocked : Step::kConflict;
  }
  if (turn->backend != home_->backend ||
      !statement(certifier::ddl_turn_fence_sql(turn->seqno)).ok()) {
    (void)turn_.end({turn->seqno, turn->backend, DdlEnd::kNotExecuted});
    return Step::kConflict;
  }
  const Status called = call();
  if (link_->connected()) {
    (void)statement("ROLLBACK AND NO CHAIN NO RELEASE");  // what it has left open
  }
  if (link_->connected()) {
    (void)statement(certifier::kDdlReleaseSql);
  }
  DdlExecuted executed{turn->seqno, turn->backend, DdlEnd::kSucceeded};
  if (!link_->connected()) {
    executed.end = DdlEnd::kLost;
  } else if (!called.ok()) {
    executed.end = DdlEnd::kFailed;
    executed.error = static_cast<std::uint16_t>(called.error().code);
  }
  const std::optional<DdlOutcome> outcome = turn_.end(executed);
  if (executed.end == DdlEnd::kLost && stopping()) {
    return Step::kConflict;  // run() says why
  }
  if (executed.end == DdlEnd::kLost || (outcome && outcome->lost)) {
    return fail("lost its server: what it had committed stays, and it is not made again");
  }
  return called.ok() ? Step::kDone : fail(called.error().message);
}

EventRun::Step EventRun::commit() {
  const std::string name = branch_xid_sql(parts_.identity.cluster, branch_);
  const std::uint64_t thread = link_->thread_id();
  (void)statement("XA END " + name);
  if (!link_->connected()) {
    return Step::kConflict;
  }
  const Status prepared = statement("XA PREPARE " + name);
  if (!link_->connected()) {
    // It was perhaps prepared: decided so.
    (void)parts_.post_commit(BranchAbandoned{branch_, home_->backend, thread});
    return Step::kConflict;
  }
  if (!prepared.ok()) {
    (void)statement("XA ROLLBACK " + name);
    return is_conflict(prepared.error().code) ? Step::kConflict : fail(prepared.error().message);
  }
  const std::optional<bool> told = told_of_changes(*link_);
  if (told == false) {
    (void)statement("XA ROLLBACK " + name);
    return Step::kDone;
  }
  prepared_.surely_logged = told.has_value();
  if (!writes_ && parts_.read_only()) {
    (void)parts_.post_commit(BranchAbandoned{branch_, home_->backend});
    return fail(kReadOnlyServer);
  }
  prepared_.last_seen_at_answer = Seqno{parts_.positions.applied[home_->backend.value].load()};
  return await_outcome(prepared_);
}

EventRun::Step EventRun::await_outcome(const BranchPrepared& prepared) {
  if (!parts_.post_commit(prepared)) {
    (void)parts_.post_commit(BranchAbandoned{branch_, home_->backend});
    return Step::kConflict;
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ends_ || (outcome_ && outcome_->branch == branch_); });
  if (!outcome_ || outcome_->branch != branch_) {
    return Step::kConflict;  // Consort ends: run() says so
  }
  const BranchOutcome outcome = *outcome_;
  lock.unlock();
  switch (outcome.verdict) {
    case BranchVerdict::kCommitted:
      return Step::kDone;
    case BranchVerdict::kRefused:
      return fail(outcome.message);
    case BranchVerdict::kLocked:
    case BranchVerdict::kLockWait:
      return Step::kLocked;
    default:
      return Step::kConflict;
  }
}

}  // namespace consort::proxy
