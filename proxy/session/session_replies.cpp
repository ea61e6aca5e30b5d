// SessionCore: replies to the commands it sent on its own account, and connections that break.
#include "protocol/decode.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

using protocol::ControlKind;
using protocol::ResponseTracker;

namespace {

/// Of a failed XA ROLLBACK: nothing of the branch is left. Otherwise (a KILL QUERY that came late
/// hit the XA END before, say) it still holds its locks; closing the connection ends it.
bool branch_is_gone(Bytes error_payload) {
  switch (protocol::sql_error_of(error_payload).code) {
    case 1397:  // XAER_NOTA
    case 1402:  // XA_RBROLLBACK
    case 1613:  // XA_RBTIMEOUT
    case 1614:  // XA_RBDEADLOCK
      return true;
    default:
      return false;
  }
}

}  // namespace

void SessionCore::lose(Channel channel) {
  effects_.release(channel, false);
  on_backend_lost(channel);
}

void SessionCore::on_internal_reply(Channel channel,
                                    ReplyRole role,
                                    const ResponseTracker::Step& step) {
  const bool failed = step.control == ControlKind::kErr;
  track_own_reply(channel, step);
  if (failed && channel == Channel::kHome) {
    diagnostics_.on_home_used();
  }
  // A question's answer goes to `heard` with the server's error; null: there is none.
  const auto answer = [&](void (SessionCore::*heard)(const protocol::SqlError*)) {
    const protocol::SqlError error =
        failed ? protocol::sql_error_of(step.payload) : protocol::SqlError{};
    (this->*heard)(failed ? &error : nullptr);
  };
  switch (role) {
    case ReplyRole::kXaRollback:
      if (failed && !branch_is_gone(step.payload)) {
        lose(channel);
        return;
      }
      [[fallthrough]];
    case ReplyRole::kClient:
    case ReplyRole::kReadable:  // has its own way: on_readable()
    case ReplyRole::kIgnored:
      if (phase_ == SessionPhase::kRollingBack && !lease_of(channel).owes_reply()) {
        transaction_over();
        commit_succeeded();
      }
      return;
    case ReplyRole::kSetup:
      if (failed) {
        on_setup_failed(channel, protocol::sql_error_of(step.payload));
      } else if (job_.begins_alone && !lease_of(channel).owes_reply()) {
        on_begun_alone();
      } else if (job_.kind == JobKind::kSnapshot && !lease_of(channel).owes_reply()) {
        reply_ok();
      }
      return;
    case ReplyRole::kVariables:
      if (!failed) {
        on_variables_set();
        return;
      }
      [[fallthrough]];
    case ReplyRole::kInsertId:
      if (failed) {
        on_setup_failed(channel, protocol::sql_error_of(step.payload));
      }
      return;
    case ReplyRole::kVariablesAsked:
      answer(&SessionCore::on_variables);
      return;
    case ReplyRole::kInsertIdAsked:
      on_insert_id(step);
      return;
    case ReplyRole::kReadOnlyEnd:
      on_read_only_end(channel, failed);
      return;
    case ReplyRole::kDdlFence:
      if (failed &&
          protocol::sql_error_of(step.payload).code == protocol::sql_code::kMustSetPassword) {
        on_password_expired();
        return;
      }
      if (failed) {
        // Another connection still executes one. The lane has more patience.
        (void)effects_.post_commit(DdlExecuted{ordered_.seqno, *home_, DdlEnd::kLost});
        return;
      }
      ordered_.fenced = true;
      send_job();
      return;
    case ReplyRole::kSchemaLook:
      ordered_.schema = failed ? OwnSchema::kGone : OwnSchema::kThere;
      send_job();
      return;
    case ReplyRole::kSchemaAgain:
      home_left_schema_ = home_left_schema_ || failed;  // somebody has dropped it: the DDL tells
      return;
    case ReplyRole::kTurnSetting:
      if (failed) {
        lose(channel);  // nobody shall have a connection with a clock or count of its own
      }
      return;
    case ReplyRole::kGrants:
      on_grants(channel, step);
      return;
    case ReplyRole::kStatus:
      on_status(channel, step);
      return;
    case ReplyRole::kKillRight:
      answer(&SessionCore::on_kill_right);
      return;
    case ReplyRole::kKillValue:
      answer(&SessionCore::on_kill_value);
      return;
    case ReplyRole::kProcessRight:
      on_process_right(!failed);
      return;
    case ReplyRole::kTableCheck:
      answer(&SessionCore::on_table_check);
      return;
    case ReplyRole::kReprepare:
      on_reprepared(channel, step);
      return;
    case ReplyRole::kPreparedText:
      job_.text = failed ? std::string() : told_text();  // failed: the PREPARE fails likewise
      return;
    case ReplyRole::kImmediateText:
      if (failed) {
        on_immediate_text_error(protocol::sql_error_of(step.payload));
      } else {
        on_immediate_text();
      }
      return;
    case ReplyRole::kSubject:
      answer(&SessionCore::on_subject);
      return;
    case ReplyRole::kRows:
      answer(&SessionCore::on_rows_known);
      return;
    case ReplyRole::kCopy:
      answer(&SessionCore::on_copy_known);
      return;
    case ReplyRole::kGlobals:
      answer(&SessionCore::on_globals_known);
      return;
    case ReplyRole::kNewGlobals:
      answer(&SessionCore::on_new_globals);
      return;
    case ReplyRole::kCallQuestion:
      answer(&SessionCore::on_call_question);
      return;
    case ReplyRole::kLeftOpen:
      answer(&SessionCore::on_left_open);
      return;
    case ReplyRole::kHeldLocks:
      on_held_locks(failed);
      return;
    case ReplyRole::kCollation:
      on_collation(failed);
      return;
    case ReplyRole::kDdlCollation:
      answer(&SessionCore::on_ddl_collation);
      return;
    case ReplyRole::kWarnings:
      if (!failed) {
        Buffer rows = rows_reply(own_rows_, owner_.capabilities, status_bits());
        if (creates_select()) {
          create_select_->warning_rows = std::move(rows);
        } else if (!job_.wrapped || warnings_ > 0 || held_.is_error()) {  // else of our guard
          diagnostics_.set_own(
              {std::move(rows), told_count(), home_lease_.connection().kind == ServerKind::kMysql});
        }
      }
      end_ordered_warnings();
      return;
    case ReplyRole::kTracking:
      answer(&SessionCore::on_tracking);
      return;
    case ReplyRole::kMarked:
      branch_marked_ = !failed;
      return;
    case ReplyRole::kTellsAll:
      home_tells_all_ = !failed;
      return;
    case ReplyRole::kAskedTold:
      answer(&SessionCore::on_asked_told);
      return;
    case ReplyRole::kLeftEnd:
      answer(&SessionCore::on_left_end);
      return;
    case ReplyRole::kXaEnd:
      return;  // XA PREPARE's answer tells all
    case ReplyRole::kXaPrepare:
      on_prepared(step);
      return;
    case ReplyRole::kRollbackReply:
      if (failed && !branch_is_gone(step.payload)) {
        lose(channel);
        return;
      }
      transaction_over();
      commit_succeeded();
      return;
    case ReplyRole::kPlainEnd:
      transaction_over();
      if (failed) {
        reply_error(protocol::sql_error_of(step.payload));
      } else {
        commit_succeeded();
      }
      return;
  }
}

void SessionCore::on_setup_failed(Channel channel, const protocol::SqlError& setup_error) {
  // XA START was refused, so what was pipelined behind it runs in some older state of the
  // connection and must leave no trace: closing it rolls that back. Or it took place nevertheless
  // (a KILL QUERY came between the deed and the answer): then the XA PREPARE may, too.
  const protocol::SqlError error =
      interrupted_for_lane(setup_error) ? protocol::deadlock_error() : setup_error;
  if (channel == Channel::kRead) {
    give_back(Channel::kRead, false);
    reply_error(error);
    return;
  }
  abandon_branch();
  // 1213 is the one error that tells a client in a transaction that this is over.
  const bool in_transaction = client_in_transaction() && job_.kind != JobKind::kSnapshot;
  drop_home();
  transaction_over();
  if (!pins_.empty()) {
    close_with(error);
    return;
  }
  reply_error(in_transaction ? protocol::deadlock_error() : error);
}

/// What the session had to ask before the client's statement could run has no answer: that is the
/// statement's error. A KILL QUERY for a lane's sake was meant for the transaction.
void SessionCore::fail_question(const protocol::SqlError& error) {
  const bool interrupted = interrupted_for_lane(error);
  const protocol::SqlError told = interrupted ? abort_error() : error;
  if (interrupted) {
    end_interrupted();
  }
  reply_error(told);
}

void SessionCore::on_reprepared(Channel channel, const ResponseTracker::Step& step) {
  if (step.control == ControlKind::kErr) {
    const protocol::SqlError error = protocol::sql_error_of(step.payload);
    if (channel == Channel::kRead) {
      give_back(Channel::kRead, true);
    }
    if (phase_ == SessionPhase::kOrdering) {
      refuse_turn(error);
    } else {
      fail_question(error);
    }
    return;
  }
  if (step.control == ControlKind::kPrepareOk) {
    if (const auto prepared = protocol::decode_prepare_ok(step.payload); prepared.ok()) {
      effects_.add_backend_statement(channel, execution_key(), prepared->statement_id);
    }
  }
  if (step.last) {
    send_job();
  }
}

void SessionCore::on_backend_lost(Channel channel) {
  ChannelLease& lease = lease_of(channel);
  const bool inside_packet = lease.inside_packet();
  const bool awaited = lease.owes_reply();
  const std::uint8_t next_sequence = sequence_after(lease);
  lease.forget();
  if (channel == Channel::kHome && phase_ == SessionPhase::kOrdering && awaited && !pins_.empty()) {
    on_home_lost(awaited);  // the session ends below, but the lanes wait for its word
  }
  if (channel == Channel::kRead) {
    read_lingers_ = false;
  } else {
    insert_id_.on_home_left();
    taken_numbers_.on_home_left();
  }
  if (phase_ == SessionPhase::kClosing) {
    return;
  }
  if (channel == Channel::kHome && !pins_.empty()) {
    // Its variables, locks or handlers are gone: going on would be a lie.
    const bool has_its_reply = phase_ == SessionPhase::kIdle || job_.answered;
    reply_sequence_ = has_its_reply ? std::uint8_t{0} : next_sequence;
    close_with(protocol::server_shutdown_error());
    return;
  }
  if (reply_started_ && inside_packet) {
    on_client_gone();
    effects_.close_client();
    return;
  }
  reply_sequence_ = phase_ == SessionPhase::kIdle ? reply_sequence_ : next_sequence;
  if (channel == Channel::kHome) {
    on_home_lost(awaited);
  } else if (phase_ == SessionPhase::kRelaying && job_.channel == Channel::kRead) {
    on_read_lost();
  }
}

/// Of the packet that would follow what the client has of its reply, were it to come over `lease`.
std::uint8_t SessionCore::sequence_after(const ChannelLease& lease) const {
  if (!reply_started_) {
    return reply_sequence_;
  }
  if (!held_.empty()) {
    return held_.sequence();  // rows are out, their last packet is not
  }
  return lease.in_reply() ? lease.next_sequence() : reply_sequence_;
}

void SessionCore::on_read_lost() {
  if (job_.answered) {
    finish_command();
    return;
  }
  if (reply_started_) {
    effects_.metrics().count_client_error(ClientErrorClass::kUnavailable);
    reply_error(protocol::deadlock_error());
    return;
  }
  effects_.metrics().autocommit_retries.add();
  job_.channel = Channel::kRead;
  retry_job();
}

void SessionCore::on_home_lost(bool awaited) {
  switch (phase_) {
    case SessionPhase::kIdle:
      if (transaction_.on_backend()) {
        transaction_.must_abort();
      }
      return;
    case SessionPhase::kCertifying:
    case SessionPhase::kClosing:
      return;  // the commit thread decides
    case SessionPhase::kAskingOthers:
      if (awaited) {
        break;
      }
      if (transaction_.on_backend()) {
        transaction_.must_abort();
      }
      return;
    case SessionPhase::kAwaitingBackend:
      return;
    case SessionPhase::kAwaitingTables:
      if (!transaction_.on_backend()) {
        return;  // it needs no connection yet
      }
      break;
    case SessionPhase::kOrdering:
      if (awaited) {
        if (!ordered_.globals.empty() && !ordered_.finished) {
          held_.clear();  // what it has set cannot be told to the others
        }
        (void)effects_.post_commit(DdlExecuted{ordered_.seqno, *home_, DdlEnd::kLost});
      }
      end_ordered_warnings();
      return;
    case SessionPhase::kRollingBack:
      // A lost connection has rolled back as well as any ROLLBACK.
      transaction_over();
      commit_succeeded();
      return;
    case SessionPhase::kDraining:
      return;
    case SessionPhase::kRelaying:
      if (job_.channel == Channel::kRead) {
        return;  // what is under way does not need it
      }
      if (job_.answered) {
        finish_command();
        return;
      }
      break;
    case SessionPhase::kPreparing:
      break;
  }
  const bool again =
      !reply_started_ && (job_.wrapped || !transaction_.open()) && job_.kind != JobKind::kNone;
  abandon_branch();
  transaction_over();
  if (file_.wanted) {
    give_up_file(abort_error());
    return;
  }
  if (again) {
    effects_.metrics().autocommit_retries.add();
    retry_job();
    return;
  }
  effects_.metrics().count_client_error(ClientErrorClass::kConflict);
  reply_error(protocol::deadlock_error());
}

}  // namespace consort::proxy
