// SessionCore: what the cluster asks of a session: to give up its branch, to execute an ordered
// statement in its turn.
#include <algorithm>
#include <utility>

#include "certifier/ddl_fence.h"
#include "certifier/lane_errors.h"
#include "protocol/limit_errors.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/told_as_one.h"

namespace consort::proxy {

using protocol::Command;

namespace {

constexpr std::chrono::milliseconds kOrderLook{1000};
constexpr unsigned kOrderLooksMax = 30;
constexpr std::string_view kOwnSchema = "consort";

/// A value for that variable.
std::string timestamp_of(std::uint64_t microseconds) {
  constexpr std::uint64_t kSecond = 1'000'000;
  const std::string fraction = std::to_string(kSecond + microseconds % kSecond);
  return std::to_string(microseconds / kSecond) + "." + fraction.substr(1);
}

}  // namespace

void SessionCore::on_abort_branch() {
  const bool there =
      transaction_.is(TransactionState::kExecuting) || transaction_.is(TransactionState::kReadOnly);
  if (!there || !home_lease_.held()) {
    return;  // not there, or prepared already: certification decides
  }
  abort_transaction();
}

void SessionCore::on_transaction_too_long() {
  const bool there =
      transaction_.is(TransactionState::kExecuting) || transaction_.is(TransactionState::kReadOnly);
  if (!there || !home_lease_.held() || abort_requested_) {
    return;
  }
  if (phase_ == SessionPhase::kIdle || phase_ == SessionPhase::kRelaying ||
      phase_ == SessionPhase::kAwaitingTables) {
    if (!transaction_too_long_) {
      transaction_too_long_ = true;
      effects_.metrics().transactions_timed_out.add();
    }
    abort_transaction();
  }
}

/// What the client hears of a transaction that was rolled back although it did nothing wrong.
protocol::SqlError SessionCore::abort_error() const {
  return transaction_too_long_ ? protocol::transaction_too_long_error()
                               : protocol::deadlock_error();
}

void SessionCore::abort_transaction() {
  if (phase_ == SessionPhase::kIdle || phase_ == SessionPhase::kAwaitingTables) {
    const BranchId branch = transaction_.branch();
    const bool plain = transaction_.is(TransactionState::kReadOnly);
    transaction_.must_abort();
    xa_buffer_.clear();
    if (plain) {
      append_plain_rollback();
    } else {
      xa_command("XA END ", branch);
      xa_command("XA ROLLBACK ", branch);
      expect(Channel::kHome, ReplyRole::kIgnored, Command::kQuery);
      expect(Channel::kHome, ReplyRole::kXaRollback, Command::kQuery);
    }
    effects_.send_backend(Channel::kHome, {xa_buffer_});
    if (phase_ == SessionPhase::kAwaitingTables) {
      const protocol::SqlError error = abort_error();
      transaction_over();
      reply_error(error);
    }
    return;
  }
  if (file_.wanted && pins_.empty()) {
    // The home waits for the file, where no KILL QUERY reaches it: closing the connection does.
    lose(Channel::kHome);
    return;
  }
  if (phase_ == SessionPhase::kRelaying && !abort_requested_) {
    abort_requested_ = true;
    kill_query(Channel::kHome);
  }
}

void SessionCore::on_abort_table_users(const std::vector<DdlTarget>& targets) {
  let_go_of_handlers();
  if (!transaction_.is(TransactionState::kExecuting) &&
      !transaction_.is(TransactionState::kReadOnly)) {
    return;
  }
  // Views and foreign keys hide tables from us: when DDL keeps waiting, every branch is suspect.
  constexpr std::uint32_t kPatience = 3;
  // Ours are SET GLOBAL's, in which a client's branch is hardly ever in the way.
  constexpr std::uint32_t kMorePatience = 30;
  const bool ours = std::all_of(targets.begin(), targets.end(), [](const DdlTarget& target) {
    return target.schema == kOwnSchema;
  });
  bool uses = targets.empty() || ++abort_asks_ >= (ours ? kMorePatience : kPatience);
  for (const DdlTarget& target : targets) {
    uses = uses || (!ours && branch_tables_.uses(target));
  }
  if (uses) {
    on_abort_branch();
  }
}

void SessionCore::request_order() {
  phase_ = SessionPhase::kOrdering;
  ordered_.order = RowOrder::kUnknown;
  ordered_.finished = false;
  ordered_.warnings_asked = ordered_.answers_behind_them = false;
  ordered_.request.session = effects_.session_id();
  ordered_.request.home = *home_;
  ordered_.request.lock_wait_s = job_.lock_wait_s.value_or(lock_wait_s());
  if (!ordered_.request.sets_globals) {  // else the lanes execute a text of ours, as they are
    ordered_.request.session_set = state_.whole_set_statement(owner_.collation);
    if (ordered_.collation && !ordered_.collation->empty()) {
      ordered_.request.session_set +=
          ", SESSION collation_connection=" + sql_text_literal(*ordered_.collation);
    }
    // It may fill columns with the time, or keep it: ALTER TABLE .. ADD .. DEFAULT NOW(), CREATE
    // EVENT, CREATE USER. A client that has stopped its clock has the variable in its state.
    // A program's statements have a time each, which its home's binlog tells.
    const bool own_clock = state_.variable(kClockVariable) || ordered_.program;
    ordered_.timestamp = own_clock ? std::string() : timestamp_of(effects_.wall_clock_us());
    if (!ordered_.timestamp.empty()) {
      ordered_.request.session_set += ", SESSION timestamp=" + ordered_.timestamp;
    }
    if (job_.mode.any()) {
      ordered_.request.session_set +=
          ", SESSION sql_mode=" + job_.mode.expression(state_.sql_mode_expression());
    }
    if (ordered_.rows.numbered) {
      ordered_.request.session_set += ", " + counting_settings("1", "1");
    }
  }
  if (ordered_.program) {
    ordered_.request.program_thread = home_lease_.connection().thread_id;
  }
  ordered_.request.globals_seen = effects_.globals_seen();
  if (!effects_.post_commit(ordered_.request)) {
    reply_error(protocol::no_backend_error("the commit log is overloaded"));
    return;
  }
  watch_order();
}

void SessionCore::watch_order() {
  watches_order_ = true;
  effects_.retry_after(kOrderLook);
}

// The log decides about the statement once a backend is there, however long that takes. The client
// does not wait as long.
void SessionCore::look_at_order() {
  const bool in_vain = held_.empty() && !home_lease_.owes_reply() && !effects_.choose_home().found;
  ordered_.looks_in_vain = in_vain ? ordered_.looks_in_vain + 1 : 0;
  if (ordered_.looks_in_vain >= kOrderLooksMax) {
    effects_.metrics().count_client_error(ClientErrorClass::kUnavailable);
    close_with(protocol::unknown_outcome_error());
    return;
  }
  watch_order();
}

/// It was executed here and has its reply: lets the lanes go on.
void SessionCore::finish_ordered(bool succeeded) {
  ordered_.finished = true;
  xa_buffer_.clear();
  const bool has_diagnostics = warnings_ > 0 || !succeeded;
  if (home_lease_.connection().kind == ServerKind::kMysql && has_diagnostics) {
    append_warnings_question();  // the release of its lock forgets them
    ordered_.warnings_asked = true;
  }
  protocol::append_command(xa_buffer_, Command::kQuery,
                           as_bytes(dialect(Channel::kHome).ddl_release));
  expect(Channel::kHome, ReplyRole::kIgnored, Command::kQuery);
  if (ordered_.left_reading) {
    append_plain_rollback();
  }
  if (!ordered_.timestamp.empty()) {
    append_turn_setting(dialect(Channel::kHome).ddl_clock);
  }
  for (const std::string& sql : ordered_.as_ever) {
    append_turn_setting(sql);
  }
  effects_.send_backend(Channel::kHome, {xa_buffer_});
  (void)effects_.post_commit(DdlExecuted{ordered_.seqno, *home_,
                                         succeeded ? DdlEnd::kSucceeded : ordered_.end_of_failure(),
                                         changed_globals(ordered_.globals, ordered_.succeeded),
                                         succeeded ? std::uint16_t{0} : ordered_.error});
}

/// It cannot be executed for the client: nobody shall.
void SessionCore::refuse_turn(const protocol::SqlError& error) {
  hold_error(error, reply_sequence_);
  (void)effects_.post_commit(DdlExecuted{ordered_.seqno, *home_, DdlEnd::kNotExecuted});
}

/// The home knows it, the accounts that were read last did not.
void SessionCore::on_password_expired() {
  owner_.password_expired = true;
  if (job_.statement_kind == router::StatementKind::kSetPassword) {
    send_job();
  } else {
    refuse_turn(protocol::must_set_password_error());
  }
}

void SessionCore::on_ddl_turn(const DdlTurn& turn) {
  if (phase_ != SessionPhase::kOrdering) {
    (void)effects_.post_commit(DdlExecuted{turn.seqno, turn.backend, DdlEnd::kNotExecuted});
    return;
  }
  ordered_.seqno = turn.seqno;
  ordered_.fenced = ordered_.rows_known = ordered_.copy_known = false;
  ordered_.as_ever.clear();
  ordered_.schema = OwnSchema::kUnknown;
  if (create_select_step() == CreateSelectStep::kCreate) {
    create_select_->made_by = turn.seqno;
  }
  ordered_.reply_from = reply_started_ ? reply_sequence_ : 0;
  held_.clear();
  if (ordered_.program && !has_program_turn(turn.backend)) {
    // The log names another connection: there, and nowhere else, it would be ended in doubt.
    ordered_.unrun = true;
    (void)effects_.post_commit(DdlExecuted{turn.seqno, turn.backend, DdlEnd::kNotExecuted});
    return;
  }
  if (home_lease_.held() && home_ != turn.backend && !pins_.empty()) {
    // Its own home cannot; elsewhere its variables are not. Without an executor it did not happen.
    (void)effects_.post_commit(DdlExecuted{turn.seqno, turn.backend, DdlEnd::kNotExecuted});
    close_with(protocol::server_shutdown_error());
    return;
  }
  if (home_lease_.held() && home_ != turn.backend) {
    give_back(Channel::kHome, true);
  }
  home_ = turn.backend;
  if (home_lease_.held()) {
    send_job();
  } else {
    effects_.lease(Channel::kHome, *home_);
  }
}

std::vector<router::AccountName> SessionCore::renewed_accounts() const {
  const bool succeeded = !held_.empty() && !held_.is_error();
  return succeeded && ordered_.changes_accounts
             ? router::renewed_accounts(ordered_.request.sql, lexer_options())
             : std::vector<router::AccountName>();
}

void SessionCore::on_ddl_outcome(const DdlOutcome& outcome) {
  if (phase_ != SessionPhase::kOrdering) {
    return;
  }
  if (outcome.again) {
    retry_job();
    return;
  }
  commits_.on_other(outcome.seqno);
  if (outcome.foreign_error != 0) {
    reply_error({outcome.foreign_error, "42000", "Consort: " + outcome.foreign});
    return;
  }
  if (ordered_.order == RowOrder::kWanted) {
    request_aligned();
    return;
  }
  if (!outcome.unalignable.empty()) {
    refuse_unalignable(outcome.unalignable);
    return;
  }
  if (std::exchange(ordered_.unrun, false)) {
    retry_job();
    return;
  }
  if (outcome.lost) {
    reply_sequence_ = held_.empty() ? reply_sequence_ : held_.sequence();
    reply_error(protocol::backend_lost_error("home"));
    return;
  }
  if (outcome.lock_wait) {
    reply_error(protocol::lock_wait_timeout_error());
    return;
  }
  if (create_select_step() == CreateSelectStep::kUndo) {
    reply_ok();
    return;
  }
  if (held_.empty()) {
    reply_error(protocol::backend_lost_error("home"));
    return;
  }
  lost_transaction_ = ordered_.program && ordered_.was_open && !ordered_.told_open;
  if (ordered_.drops_tables && !held_.is_error()) {
    own_tables_dropped(ordered_.request.targets);
  }
  if (ordered_.warnings_asked) {  // else its client could ask before the home has told
    ordered_.answers_behind_them = true;
    return;
  }
  answer_held();
}

/// The home has told its warnings, or is lost.
void SessionCore::end_ordered_warnings() {
  ordered_.warnings_asked = false;
  if (std::exchange(ordered_.answers_behind_them, false)) {
    answer_held();
  }
}

}  // namespace consort::proxy
