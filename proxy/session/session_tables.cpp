// SessionCore: LOCK TABLES, and statements that meet other sessions' locks. The locks are kept by
// the commit thread, for all sessions; no server holds any. A server is asked only whether the
// client may lock the tables, and whether they are there. Decision 0026.
//
// FLUSH TABLES t WITH READ LOCK locks as LOCK TABLES t READ does. FLUSH TABLES WITH READ LOCK is
// the same of all tables, and waits until every server has what was committed before: whoever reads
// then reads the same. FOR EXPORT is the home's own, and no branch begins under it.
//
//   LOCK TABLES: commit, give back what was locked -> the home says that it may -> the commit
//   thread grants -> the home has applied everything up to there -> OK
#include <algorithm>
#include <charconv>
#include <utility>

#include "certifier/key_builder.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"
#include "router/lock_list.h"
#include "router/token.h"

namespace consort::proxy {

using protocol::Command;
using router::Flag;
using router::PinReason;
using router::Statement;
using router::StatementKind;

namespace {

constexpr std::uint32_t kLocksMetMax = 3;
/// The largest lock_wait_timeout: a year.
constexpr std::uint32_t kLockWaitMaxS = 31'536'000;
constexpr std::string_view kUnlock = "UNLOCK TABLES";
/// Consort's own: its lanes write there.
constexpr std::string_view kOwnSchema = "consort";

std::vector<TableLock> wanted_locks(std::vector<router::LockListItem> items,
                                    std::string_view schema) {
  std::vector<TableLock> wanted;
  for (router::LockListItem& item : items) {
    std::string in = item.schema.empty() ? std::string(schema) : std::move(item.schema);
    if (!in.empty() && !router::equals_ignoring_case(in, kOwnSchema)) {
      wanted.push_back({std::move(in), std::move(item.table), item.write});
    }
  }
  return wanted;
}

/// A read of no row that opens all tables.
std::string look_at(const std::vector<router::LockListItem>& items) {
  std::string sql = "SELECT 1 FROM (SELECT 1) AS t WHERE 0";
  for (const router::LockListItem& item : items) {
    sql += " AND EXISTS (SELECT 1 FROM " + item.spelled + ")";
  }
  return sql;
}

/// SET STATEMENT lock_wait_timeout=n FOR it. nullopt: it has no such number.
std::optional<std::uint32_t> wait_of_statement(const Statement& statement) {
  for (const router::SetItem& item : statement.settings) {
    std::uint32_t seconds = 0;
    const char* const end = item.value.data() + item.value.size();
    const auto read = std::from_chars(item.value.data(), end, seconds);
    if (statement.has(Flag::kSetStatement) && read.ec == std::errc{} && read.ptr == end &&
        router::equals_ignoring_case(item.name, "lock_wait_timeout")) {
      return seconds;
    }
  }
  return std::nullopt;
}

/// max_statement_time, up to the next second; nullopt: no limit.
std::optional<std::uint32_t> statement_limit_s(const SessionState& state) {
  const std::string_view value = state.variable("max_statement_time").value_or("");
  const auto whole = state.seconds("max_statement_time");
  const std::string_view fraction = value.substr(std::min(value.find('.'), value.size()));
  const bool more = fraction.find_first_of("123456789") != fraction.npos;
  if (!whole || (whole->count() == 0 && !more)) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(whole->count()) + (more ? 1 : 0);
}

}  // namespace

/// LOCK TABLES, UNLOCK TABLES of what it locked, and what the locks do not allow. False: the
/// statement is any other.
bool SessionCore::run_table_lock(const Statement& statement, std::string_view sql) {
  switch (statement.kind) {
    case StatementKind::kLockTables:
      if (options_.policy.ignore_lock_tables ||
          statement.flags.has_any({Flag::kUncertain, Flag::kMultiStatement})) {
        return false;  // the router knows
      }
      lock_tables(statement, sql);
      return true;
    case StatementKind::kUnlockTables:
      if (own_tables_.empty()) {
        return false;
      }
      job_.kind = JobKind::kLockTables;
      job_.lock_step = LockStep::kUnlock;
      job_.commit_first = transaction_.open() && !own_tables_.has_all();
      advance_job();
      return true;
    case StatementKind::kFlush:
      if (!statement.has(Flag::kLocksTables) || (!own_tables_.empty() && !own_tables_.has_all())) {
        break;
      }
      if (router::locks_all_tables(sql, lexer_options())) {
        lock_all_tables();
        return true;
      }
      if (auto list = router::flush_lock_list(sql, lexer_options()); list && !home_locks_tables()) {
        job_.locks_by_flush = true;
        lock_listed(std::move(*list));
        return true;
      }
      break;
    default:
      break;
  }
  if (own_tables_.empty()) {
    note_tables(statement, sql);
    return false;
  }
  const bool names_temporary = std::any_of(
      statement.tables.begin(), statement.tables.end(),
      [this](const auto& table) { return temporary_.contains(table, state_.schema()); });
  // Temporary tables need no lock.
  const auto refused = own_tables_.refusal(statement, sql, state_.schema());
  if (refused && !names_temporary) {
    job_.text_read = job_.statement_id != 0;  // when it was prepared
    job_.commit_first = commits_first(statement, autocommit_) && transaction_.open();
    refuse(*refused, !job_.text_read || job_.commit_first);
    return true;
  }
  return false;
}

void SessionCore::lock_tables(const Statement& statement, std::string_view sql) {
  auto list = router::lock_list(sql, lexer_options());
  if (own_tables_.has_all() && list &&
      std::any_of(list->items.begin(), list->items.end(),
                  [](const router::LockListItem& item) { return item.write; })) {
    reply_error(conflicting_read_lock_error());
    return;
  }
  if (own_tables_.has_all() || home_locks_tables()) {
    reply_error(protocol::not_supported_error("LOCK TABLES after FLUSH TABLES .. WITH READ LOCK"));
    return;
  }
  if (!list) {
    job_.kind = JobKind::kLockTables;
    job_.lock_step = LockStep::kCheck;  // the server says what is wrong with it
    job_.lock_sql = sql;
    advance_job();
    return;
  }
  job_.lock_wait_s = list->wait_s ? list->wait_s : wait_of_statement(statement);
  lock_listed(std::move(*list));
}

void SessionCore::lock_listed(router::LockList list) {
  job_.kind = JobKind::kLockTables;
  job_.lock_step = LockStep::kBegin;
  job_.commit_first = transaction_.open();
  job_.lock_sql = std::move(list.sql);
  job_.lock_at_once = true;
  job_.look_sql = look_at(list.items);
  job_.tables = wanted_locks(std::move(list.items), state_.schema());
  advance_job();
}

void SessionCore::lock_all_tables() {
  job_.kind = JobKind::kLockTables;
  job_.locks_all = true;
  job_.lock_step = LockStep::kBegin;
  job_.commit_first = transaction_.open();
  advance_job();
}

/// The open transaction is committed. True when the client has its answer.
bool SessionCore::begin_table_lock() {
  if (job_.lock_step == LockStep::kUnlock) {
    release_tables();
    reply_ok();
    return true;
  }
  if (job_.lock_step == LockStep::kBegin && job_.locks_all && own_tables_.has_all()) {
    reply_ok();
    return true;
  }
  if (job_.lock_step == LockStep::kBegin) {
    release_tables();
    job_.lock_step = LockStep::kCheck;
  }
  return false;
}

/// The home is there, and fresh enough.
void SessionCore::send_table_lock() {
  if (job_.lock_step == LockStep::kGranted) {
    const auto behind = job_.locks_all ? effects_.behind(job_.at_least) : std::nullopt;
    if (behind) {
      effects_.wait_applied(*behind, false, job_.at_least);
      return;
    }
    add_pin(PinReason::kLockedTables);
    if (!autocommit_ && !job_.locks_all && !job_.locks_by_flush) {
      transaction_.begin({});  // as on a server
    }
    reply_ok(0, job_.lock_wait_s > kLockWaitMaxS ? 1 : 0);
    return;
  }
  phase_ = SessionPhase::kRelaying;
  table_check_error_.reset();
  xa_buffer_.clear();
  append_preparation();
  if (job_.lock_wait_s > kLockWaitMaxS) {
    append_wait_warning(*job_.lock_wait_s);
  }
  const bool looks = job_.lock_step == LockStep::kLook;
  const bool mysql = home_lease_.connection().kind == ServerKind::kMysql;
  const bool at_once = job_.lock_at_once && !looks;
  const auto set_wait = [this](std::string_view sql) {
    expect(Channel::kHome, ReplyRole::kTableCheck, Command::kQuery);
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(sql));
  };
  if (at_once && mysql) {  // which knows no NOWAIT here, and waits for a second at least
    set_wait("SET SESSION lock_wait_timeout=1");
  }
  std::string lock(job_.locks_all ? dialect(Channel::kHome).flush_right_probe : job_.lock_sql);
  if (at_once && !mysql) {
    lock = job_.locks_by_flush ? "SET STATEMENT lock_wait_timeout=0 FOR " + lock : lock + " NOWAIT";
  }
  for (const std::string& text :
       {looks ? job_.look_sql : lock, std::string(looks ? kPlainRollback : kUnlock)}) {
    expect(Channel::kHome, ReplyRole::kTableCheck, Command::kQuery);
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(text));
  }
  if (at_once && mysql) {
    set_wait(state_.set_statement_of("lock_wait_timeout"));
  }
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

/// The server's warning of a WAIT longer than it can be, without the waiting.
void SessionCore::append_wait_warning(std::uint32_t seconds) {
  if (home_lease_.connection().kind == ServerKind::kMysql) {
    return;  // it has no WAIT
  }
  const std::string cut =
      "SET STATEMENT lock_wait_timeout=" + std::to_string(seconds) + " FOR DO 0";
  expect(Channel::kHome, ReplyRole::kIgnored, Command::kQuery);
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(cut));
  expect(Channel::kHome, ReplyRole::kWarnings, Command::kQuery);
  protocol::append_command(xa_buffer_, Command::kQuery,
                           as_bytes(std::string_view("SHOW WARNINGS")));
}

/// The home has locked the tables for a moment, or says why not. Where others use them just now it
/// does not say whether all of them are there: a read does.
void SessionCore::on_table_check(const protocol::SqlError* error) {
  if (error != nullptr && !table_check_error_) {
    table_check_error_ = *error;
  }
  if (home_lease_.owes_reply()) {
    return;
  }
  const bool busy = table_check_error_ && job_.lock_step == LockStep::kCheck &&
                    table_check_error_->code == protocol::sql_code::kLockWaitTimeout;
  if (busy && !job_.look_sql.empty()) {
    job_.lock_step = LockStep::kLook;
    send_table_lock();
  } else if (table_check_error_) {
    reply_error(*std::exchange(table_check_error_, std::nullopt));
  } else if (job_.tables.empty() && !job_.locks_all) {
    reply_error(protocol::not_supported_error("LOCK TABLES of nothing but Consort's own tables"));
  } else {
    job_.lock_step = LockStep::kAsk;
    ask_for_tables(true);
  }
}

// ---- statements on tables that others may have locked ----

void SessionCore::note_tables(const Statement& statement, std::string_view sql) {
  if (effects_.locked_tables().all_read() && awaits_global_lock(statement, sql)) {
    job_.tables.assign(1, {{}, {}, true});  // nobody's: only a lock of all tables is in its way
    return;
  }
  if (effects_.locked_tables().any() && !statement.tables.overflowed() && !has_temporary()) {
    job_.tables = tables_used(statement, state_.schema());
    if (statement.kind == StatementKind::kDdl || !maintenance_word(statement.kind).empty()) {
      job_.lock_wait_s = router::wait_clause(sql, lexer_options());
      if (!job_.lock_wait_s) {
        job_.lock_wait_s = wait_of_statement(statement);
      }
    }
  }
}

/// True when the statement waits for another session's lock. Who has locked tables waits for none.
bool SessionCore::awaits_tables() {
  if (job_.tables.empty() || job_.tables_free || job_.kind == JobKind::kLockTables ||
      !own_tables_.empty()) {
    return false;
  }
  const LockedTableFilter& locked = effects_.locked_tables();
  for (const TableLock& table : job_.tables) {
    if (locked.may_block(certifier::object_key(table.schema, table.table), table.write)) {
      // One that met a lock at its commit again and again takes one itself, in line with the rest.
      ask_for_tables(job_.locks_met >= kLocksMetMax);
      return true;
    }
  }
  return false;
}

void SessionCore::ask_for_tables(bool keep) {
  phase_ = SessionPhase::kAwaitingTables;
  tables_asked_ = true;
  TableRequest request{effects_.session_id(), ++table_requests_,    job_.tables,   keep,
                       holds_rows(),          table_wait().seconds, job_.locks_all};
  if (!effects_.post_commit(std::move(request))) {
    reply_error(protocol::no_backend_error("the commit thread is overloaded"));
  }
}

void SessionCore::on_table_answer(const TableAnswer& answer) {
  if (phase_ != SessionPhase::kAwaitingTables || answer.number != table_requests_) {
    return;  // it does not wait any more, and has said so
  }
  if (answer.in_the_way) {
    abort_transaction();
    return;
  }
  if (!answer.granted) {
    on_tables_too_late();
    return;
  }
  // Whoever had the tables before has committed before.
  commits_.on_other(answer.head);
  job_.at_least = std::max(job_.at_least, answer.head);
  if (job_.kind == JobKind::kLockTables) {
    if (job_.locks_all) {
      own_tables_.take_all();
    } else {
      own_tables_.take(std::move(job_.tables),
                       [this](const TableLock& table) { return is_temporary(table); });
    }
    job_.lock_step = LockStep::kGranted;
  } else {
    tables_asked_ = job_.locks_met >= kLocksMetMax;  // until the end of the command
    job_.tables_free = true;
  }
  advance_job();
}

/// It has waited for tables as long as it may.
void SessionCore::on_tables_too_late() {
  const protocol::SqlError error = table_wait().of_statement ? protocol::statement_timeout_error()
                                                             : protocol::lock_wait_timeout_error();
  const std::string_view word = maintenance_word(job_.statement_kind);
  // FLUSH TABLES WITH READ LOCK stops such a statement before it comes to its table.
  if (word.empty() || job_.tables.size() != 1 || effects_.locked_tables().all_read()) {
    reply_error(error);
    return;
  }
  const TableLock& table = job_.tables.front();
  const ProcessListFormat format = list_format(job_.statement_id != 0);
  scratch_.clear();
  append_failed_maintenance(scratch_, {table.schema + "." + table.table, word, error.message},
                            format);
  tell_client({scratch_});
  transaction_tracker_.on_rows();
  diagnostics_.set_row_count(-1);
  finish_command();
}

/// The autocommit write has met a lock at its commit: it runs again behind it.
void SessionCore::await_lock(const BranchOutcome& outcome) {
  if (outcome.locked) {
    job_.tables.push_back(*outcome.locked);
  }
  ++job_.locks_met;
  job_.tables_free = false;
  run_again();
}

/// Another session holds these tables by WRITE locks now.
void SessionCore::on_tables_locked(const TablesLocked& locked) {
  bool uses = false;
  for (const DdlTarget& table : locked.tables) {
    uses = uses || branch_tables_.uses(table);
  }
  if (!uses) {
    return;
  }
  if (phase_ == SessionPhase::kAwaitingBackend) {
    for (const DdlTarget& table : locked.tables) {
      job_.tables.push_back({table.schema, table.table, true});
    }
    job_.tables_free = false;
  }
  if (holds_rows()) {
    on_abort_branch();
  }
}

/// The open transaction has locked rows.
bool SessionCore::holds_rows() const {
  return transaction_.is(TransactionState::kExecuting) &&
         (transaction_.may_have_written() || branch_tables_.locks_rows());
}

/// Nothing is locked any more, and nothing waited for.
void SessionCore::release_tables() {
  if (!tables_asked_) {
    return;
  }
  tables_asked_ = false;
  ++table_requests_;  // an answer under way is not for what comes next
  (void)effects_.post_commit(TablesReleased{effects_.session_id()});
  if (!own_tables_.empty()) {
    own_tables_.clear();
    remove_pin(PinReason::kLockedTables);
  }
}

bool SessionCore::is_temporary(const TableLock& table) const {
  return temporary_.contains({table.schema, table.table, router::TableRole::kRead}, {});
}

/// With the last table that was locked LOCK TABLES is over.
void SessionCore::own_tables_dropped(const std::vector<DdlTarget>& tables) {
  if (own_tables_.empty()) {
    return;
  }
  for (const DdlTarget& dropped : tables) {
    own_tables_.forget(dropped.schema, dropped.table);
  }
  own_tables_.forget_dropped_temporary(
      [this](const TableLock& table) { return is_temporary(table); });
  if (own_tables_.empty()) {
    remove_pin(PinReason::kLockedTables);
    release_tables();
  }
}

/// At the end of a command: what it has asked for and not got is given back.
void SessionCore::drop_table_request() {
  const bool unlocks = job_.lock_step == LockStep::kUnlock;  // also when its commit has failed
  if (tables_asked_ && (unlocks || !pins_.has(PinReason::kLockedTables))) {
    release_tables();
  }
}

/// How long the statement at hand waits for tables.
SessionCore::TableWait SessionCore::table_wait() const {
  const std::uint32_t for_lock = std::min(job_.lock_wait_s.value_or(lock_wait_s()), kLockWaitMaxS);
  const std::uint32_t in_all = statement_limit_s(state_).value_or(for_lock);
  return {std::min(for_lock, in_all), in_all < for_lock};
}

/// How long its statements wait for tables: lock_wait_timeout.
std::uint32_t SessionCore::lock_wait_s() const {
  const auto seconds = state_.seconds("lock_wait_timeout");
  return seconds ? static_cast<std::uint32_t>(seconds->count()) : kLockWaitDefaultS;
}

}  // namespace consort::proxy
