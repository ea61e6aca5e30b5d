// SessionCore: how transactions end.
#include <algorithm>

#include "base/check.h"
#include "protocol/decode.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"

namespace consort::proxy {

using protocol::Command;
using protocol::ControlKind;

void SessionCore::begin_commit(AfterCommit after) {
  after_commit_ = after;
  if (after == AfterCommit::kReply) {
    effects_.metrics().count_local_query(QueryKind::kCommit);
  }
  switch (transaction_.state()) {
    case TransactionState::kNone:
    case TransactionState::kOpen:
      use_up_one_shot();
      transaction_over();
      commit_succeeded();
      return;
    case TransactionState::kReadOnly:
      phase_ = SessionPhase::kRollingBack;
      ask_home(kPlainCommit, ReplyRole::kPlainEnd);
      return;
    case TransactionState::kExecuting:
      break;
    case TransactionState::kCertifying:
    case TransactionState::kMustAbort:
      CHECK(false);
      return;
  }
  const bool reads_only = transaction_.traits().read_only && !branch_keeps_;
  if (!transaction_.may_have_written() || reads_only) {
    send_branch_rollback();  // it only read: nothing to certify
    return;
  }
  phase_ = SessionPhase::kPreparing;
  last_seen_at_prepare_ = effects_.applied(*home_);
  const BranchId branch = transaction_.branch();
  transaction_.certify();
  held_.clear();
  xa_buffer_.clear();
  append_mark();
  xa_command("XA END ", branch);
  xa_command("XA PREPARE ", branch);
  expect(Channel::kHome, ReplyRole::kXaEnd, Command::kQuery);
  expect(Channel::kHome, ReplyRole::kXaPrepare, Command::kQuery);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

void SessionCore::send_branch_rollback() {
  phase_ = SessionPhase::kRollingBack;
  const BranchId branch = transaction_.branch();
  xa_buffer_.clear();
  xa_command("XA END ", branch);
  xa_command("XA ROLLBACK ", branch);
  expect(Channel::kHome, ReplyRole::kXaEnd, Command::kQuery);
  expect(Channel::kHome, ReplyRole::kRollbackReply, Command::kQuery);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

void SessionCore::begin_rollback(AfterCommit after) {
  after_commit_ = after;
  if (after == AfterCommit::kReply) {
    effects_.metrics().count_local_query(QueryKind::kRollback);
  }
  switch (transaction_.state()) {
    case TransactionState::kNone:
    case TransactionState::kOpen:
    case TransactionState::kMustAbort:
      use_up_one_shot();
      transaction_over();
      commit_succeeded();
      return;
    case TransactionState::kReadOnly:
      phase_ = SessionPhase::kRollingBack;
      ask_home(kPlainRollback, ReplyRole::kPlainEnd);
      return;
    case TransactionState::kExecuting:
      send_branch_rollback();
      return;
    case TransactionState::kCertifying:
      CHECK(false);
      return;
  }
}

void SessionCore::on_prepared(const protocol::ResponseTracker::Step& step) {
  const BranchId branch = transaction_.branch();
  if (step.control == ControlKind::kErr) {
    const protocol::SqlError error = protocol::sql_error_of(step.payload);
    xa_buffer_.clear();
    xa_command("XA ROLLBACK ", branch);
    expect(Channel::kHome, ReplyRole::kXaRollback, Command::kQuery);
    effects_.send_backend(Channel::kHome, {xa_buffer_});
    transaction_over();
    if (missed_own_commit() || runs_again()) {
      run_again();
    } else if (job_.wrapped && held_.is_error()) {
      answer_held();  // the statement's own error says why
    } else {
      const bool aborted =
          error.code == 1399 || error.code == 1402 || error.code == 1614 ||
          (home_kill_.issued() && error.code == protocol::sql_code::kQueryInterrupted);
      commit_failed(kill_requested_ ? protocol::query_interrupted_error()
                    : aborted       ? protocol::deadlock_error()
                                    : error);
    }
    return;
  }
  const Result<protocol::OkPacket> ok =
      protocol::decode_ok(step.payload, home_lease_.connection().capabilities);
  const bool mysql = home_lease_.connection().kind == ServerKind::kMysql;
  const bool changed = ok.ok() && (mysql ? ok->changes.gtids.has_value()
                                         : ok->changes.find_variable("last_gtid").has_value());
  // MariaDB 11.8.9 tells of a variable that was set before (timestamp, rand_seed1, insert_id) in
  // the place of last_gtid, until tracking is set anew (measured). An XA PREPARE changes no other
  // one.
  const bool misled = ok.ok() && !changed && !mysql && !ok->changes.system_variables.empty();
  if (misled) {
    renew_own_tracking();
  }
  const bool unread =
      misled || !ok.ok();  // the rows in the home's binlog will tell, or none of them
  const bool surely_not = branch_keeps_ || home_tells_all_;  // the former is refused
  if (!changed && !unread && surely_not) {
    finish_unchanged(branch);
    return;
  }
  const BranchPrepared prepared{effects_.session_id(),
                                branch,
                                *home_,
                                last_seen_at_start_,
                                last_seen_at_prepare_,
                                effects_.applied(*home_),
                                lane_generation_,
                                branch_keeps_,
                                lock_wait_s(),
                                changed};
  changed || unread ? certify(prepared) : ask_whether_told(prepared);
}

void SessionCore::certify(const BranchPrepared& prepared) {
  if (missed_own_commit()) {
    (void)effects_.post_commit(BranchAbandoned{prepared.branch, *home_});
    transaction_over();
    run_again();
    return;
  }
  if (effects_.may_only_read() && !prepared.session_ends_it) {
    (void)effects_.post_commit(BranchAbandoned{prepared.branch, *home_});
    transaction_over();
    commit_failed(read_only_server_error());
    return;
  }
  phase_ = SessionPhase::kCertifying;
  if (!effects_.post_commit(prepared)) {
    (void)effects_.post_commit(BranchAbandoned{prepared.branch, *home_});
    transaction_over();
    commit_failed(protocol::deadlock_error());
  }
}

// A statement that began early counts on the branches of this session's commits. One that is
// replayed is for a moment neither held nor applied: whoever ran then, whatever came of it, may not
// have met it.
bool SessionCore::missed_own_commit() {
  return job_.wrapped && last_seen_at_start_ < commits_.newest() &&
         effects_.newest_replay(*home_) > last_seen_at_start_;
}

// An autocommit statement is the whole of its transaction: a server would have let it wait for the
// other one's row. But what it has left on its connection (user variables) it would do twice.
bool SessionCore::runs_again() const {
  return job_.lost && job_.wrapped && !reply_started_ && !job_.leaves_traces && !kill_requested_ &&
         job_.conflicts < options_.autocommit_retries;
}

void SessionCore::run_again() {
  if (reply_started_) {  // rows or reports of its progress are out
    effects_.metrics().count_client_error(ClientErrorClass::kConflict);
    commit_failed(protocol::deadlock_error());
    return;
  }
  effects_.metrics().autocommit_retries.add();
  job_.conflicts += std::exchange(job_.lost, false) ? 1U : 0U;
  held_.clear();
  retry_job();
}

void SessionCore::finish_unchanged(const BranchId& branch) {
  if (job_.wrapped) {
    counters_.note_unchanged();
  }
  if (branch_keeps_ && !branch_marked_) {
    // Without the mark the server has undone, or will, what was done to temporary tables. With it a
    // branch that is not in the binlog has come near no table (measured).
    end_left_branch({effects_.session_id(),
                     branch,
                     BranchVerdict::kRefused,
                     Seqno{},
                     "The changes of temporary tables cannot be kept (see \"Temporary tables\" in "
                     "docs/operations.md); the transaction was rolled back",
                     {}});
    return;
  }
  // Nothing was written. The branch must go, but when the client may ask for warnings or errors not
  // by this connection, whose diagnostics the XA ROLLBACK would replace.
  // With autocommit=0 the server takes no XA ROLLBACK of a detached branch from this connection.
  const bool keep_diagnostics =
      job_.wrapped ? held_.is_error() || warnings_ > 0 : diagnostics_.home_holds_some();
  if (keep_diagnostics || !autocommit_) {
    (void)effects_.post_commit(BranchAbandoned{branch, *home_});
  } else {
    xa_buffer_.clear();
    xa_command("XA ROLLBACK ", branch);
    expect(Channel::kHome, ReplyRole::kXaRollback, Command::kQuery);
    effects_.send_backend(Channel::kHome, {xa_buffer_});
  }
  transaction_over();
  if (missed_own_commit() || runs_again()) {
    run_again();
  } else if (job_.wrapped && !held_.is_error() && changed_outside_innodb()) {
    effects_.metrics().count_client_error(ClientErrorClass::kUnsupported);
    commit_failed(protocol::not_supported_error(
        "writes to tables that are not InnoDB; this one changed a single backend"));
  } else if (job_.wrapped) {
    answer_held();
  } else {
    commit_succeeded();
  }
}

bool SessionCore::changed_outside_innodb() const {
  // New rows that left nothing to replicate. With CLIENT_FOUND_ROWS an unchanged row counts, too.
  const bool counts_changes = (owner_.capabilities & protocol::capability::kFoundRows) == 0;
  // MySQL counts a row that REPLACE has left as it is.
  const bool counts_same = job_.statement_kind != router::StatementKind::kInsert &&
                           home_lease_.connection().kind == ServerKind::kMysql;
  return draws_numbers(job_.statement_kind) && counts_changes && !counts_same &&
         diagnostics_.row_count().value_or(0) > 0;
}

void SessionCore::on_outcome(const BranchOutcome& outcome) {
  if (phase_ != SessionPhase::kCertifying || outcome.branch != transaction_.branch()) {
    if (outcome.left_at) {
      (void)effects_.post_commit(BranchAbandoned{outcome.branch, *outcome.left_at});
    }
    return;  // the client went away meanwhile
  }
  if (outcome.left_at) {
    end_left_branch(outcome);
  } else {
    settle(outcome);
  }
}

void SessionCore::settle(const BranchOutcome& outcome) {
  const bool keeps = branch_keeps_;
  const bool killed = kill_requested_ || home_kill_.issued();
  transaction_over();
  switch (outcome.verdict) {
    case BranchVerdict::kCommitted:
      commits_.on_commit(outcome.seqno, *home_, lane_generation_);
      kept_commit_ = keeps ? outcome.seqno : kept_commit_;
      if (job_.wrapped) {
        answer_held();
      } else {
        effects_.metrics().commit_latency.record(std::chrono::steady_clock::now() - job_.began);
        commit_succeeded();
      }
      return;
    case BranchVerdict::kHomeLost:
      if (job_.wrapped && !reply_started_) {
        effects_.metrics().autocommit_retries.add();
        drop_home();
        retry_job();
        return;
      }
      break;
    case BranchVerdict::kRefused:
      if (killed) {  // it may have hit the mark
        commit_failed(protocol::query_interrupted_error());
        return;
      }
      effects_.metrics().count_client_error(ClientErrorClass::kUnsupported);
      commit_failed(protocol::SqlError{1105, "HY000", outcome.message});
      return;
    case BranchVerdict::kLockWait:
      effects_.metrics().count_client_error(ClientErrorClass::kConflict);
      commit_failed(protocol::lock_wait_timeout_error());
      return;
    case BranchVerdict::kLocked:
      if (job_.wrapped && !reply_started_ && own_tables_.empty()) {
        await_lock(outcome);
        return;
      }
      break;
    case BranchVerdict::kTooOld:  // perhaps nobody has changed its rows
      if (job_.wrapped) {
        run_again();
        return;
      }
      break;
    case BranchVerdict::kConflict:
      job_.lost = true;
      if (runs_again()) {
        commits_.on_other(outcome.seqno);  // where that is applied it does not lose to it again
        run_again();
        return;
      }
      break;
  }
  effects_.metrics().count_client_error(ClientErrorClass::kConflict);
  commit_failed(protocol::deadlock_error());
}

void SessionCore::commit_succeeded() {
  if (after_commit_ == AfterCommit::kJob) {
    if (job_.kind != JobKind::kSnapshot) {
      transaction_tracker_.use_up_next();
    }
    keep_one_shot();
    advance_job();
    return;
  }
  if (chain_) {
    chain_ = false;
    transaction_.begin(chain_traits_);
    transaction_tracker_.begin(router::AccessMode::kUnset, false);
  } else {
    transaction_tracker_.use_up_next();
  }
  reply_ok();
}

void SessionCore::commit_failed(const protocol::SqlError& error) {
  chain_ = false;
  if (job_.wrapped && !held_.empty() && reply_started_) {
    // Rows are out already: the error takes the place of their last packet.
    reply_sequence_ = held_.sequence();
  }
  job_.kind = JobKind::kNone;
  reply_error(error);
}

void SessionCore::transaction_over() {
  chain_traits_ = {transaction_.open() ? transaction_.traits().read_only : next_reads_only(),
                   false};
  transaction_.end();
  transaction_tracker_.end();
  branch_tables_.clear();
  branch_keeps_ = false;
  abort_asks_ = 0;
  transaction_too_long_ = false;
}

void SessionCore::append_plain_rollback() {
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kPlainRollback));
  expect(Channel::kHome, ReplyRole::kXaRollback, Command::kQuery);
}

void SessionCore::abandon_branch() {
  if (transaction_.is(TransactionState::kCertifying) && phase_ != SessionPhase::kCertifying &&
      home_) {
    (void)effects_.post_commit(
        BranchAbandoned{transaction_.branch(), *home_, home_lease_.connection().thread_id});
  }
}

void SessionCore::clean_rollback_only(bool still_active) {
  // The branch is dead but its name is not; the connection is clean after one XA ROLLBACK.
  const BranchId branch = transaction_.branch();
  const bool plain = transaction_.is(TransactionState::kReadOnly);
  transaction_over();
  xa_buffer_.clear();
  if (plain) {
    if (still_active) {  // else the server has ended it
      append_plain_rollback();
      effects_.send_backend(Channel::kHome, {xa_buffer_});
    }
    return;
  }
  if (still_active) {
    xa_command("XA END ", branch);
    expect(Channel::kHome, ReplyRole::kIgnored, Command::kQuery);
  }
  xa_command("XA ROLLBACK ", branch);
  expect(Channel::kHome, ReplyRole::kXaRollback, Command::kQuery);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

/// A KILL QUERY of ours has ended a statement: its transaction ends with it.
void SessionCore::end_interrupted() {
  if (transaction_.is(TransactionState::kExecuting) ||
      transaction_.is(TransactionState::kReadOnly)) {
    clean_rollback_only(true);
  }
}

void SessionCore::drop_home() {
  if (home_lease_.held()) {
    give_back(Channel::kHome, false);
  }
}

}  // namespace consort::proxy
