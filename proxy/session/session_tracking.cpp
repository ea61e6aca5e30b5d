// SessionCore: session tracking as the client asked for it. What it says of its list of variables
// and of the schema stays with the session, since every connection to a backend tells Consort of
// everything; the server says what its SET means. Decision 0029.
#include <utility>

#include "protocol/decode.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

using protocol::Command;
using protocol::ControlKind;

namespace {

/// Binary: as it is, whatever the client's character_set_results.
constexpr std::string_view kAskTracking =
    "SELECT CAST(@@session.session_track_schema+0 AS BINARY), "
    "CAST(@@session.session_track_system_variables AS BINARY)";
constexpr std::uint16_t kWrongValue = 1231;
/// Answers to a question: the client's values set, its SET tried, the result, ours set again.
constexpr unsigned kTried = 2;
constexpr unsigned kShown = 3;
constexpr unsigned kRestored = 4;

}  // namespace

void SessionCore::plan_tracking(const router::TrackingSet& set) {
  tracking_change_ =
      TrackingChange{tracking_, tracking_, set.unheard, set.sets_list, set.sets_schema};
  if (set.schema) {
    tracking_change_->after.set_schema(*set.schema);
  } else {
    job_.tracking = set.assignments;
  }
}

/// Before a SET of the client's: what will its values be? True: the answers go on.
bool SessionCore::asks_tracking() {
  if (job_.tracking.empty()) {
    return false;
  }
  phase_ = SessionPhase::kRelaying;
  tracking_answers_ = 0;
  tracking_error_.reset();
  xa_buffer_.clear();
  append_preparation();  // the SET may name a variable that travelled
  for (const std::string& sql :
       {tracking_.set_statement(), "SET " + job_.tracking, std::string(kAskTracking),
        std::string(dialect(Channel::kHome).tell_everything)}) {
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(sql));
    expect(Channel::kHome, ReplyRole::kTracking, Command::kQuery);
  }
  effects_.send_backend(Channel::kHome, {xa_buffer_});
  return true;
}

void SessionCore::on_tracking(const protocol::SqlError* error) {
  ++tracking_answers_;
  if (tracking_answers_ == kTried && error != nullptr) {
    tracking_error_ = *error;
    return;
  }
  if (error != nullptr) {
    // A KILL QUERY, say. What the connection tells from now on is not certain.
    on_setup_failed(Channel::kHome, *error);
    return;
  }
  if (tracking_answers_ == kShown) {
    const auto rows = own_rows_.rows();
    if (rows && rows->size() == 1 && rows->front().size() == 2 && tracking_change_) {
      tracking_change_->after.set_schema(rows->front()[0] == "1");
      tracking_change_->after.set_list(rows->front()[1].value_or(""));
    }
  }
  if (tracking_answers_ < kRestored) {
    return;
  }
  job_.tracking.clear();
  if (tracking_error_) {
    reply_error(*std::exchange(tracking_error_, std::nullopt));
  } else {
    send_job();
  }
}

/// On this connection, at any time before.
bool SessionCore::a_program_may_have_run() const {
  return pins_.has(router::PinReason::kUnknownState) || effects_.stored_functions() ||
         effects_.triggers();
}

/// The server may take a variable that the client's SET names for another, or this one for others
/// from then on.
bool SessionCore::tracking_mistakes() {
  return job_.told_as_one && lease_of(job_.channel).connection().kind == ServerKind::kMariadb;
}

/// From here on the connection tells of everything, whatever a program has set on it.
void SessionCore::append_own_tracking(Channel channel, ReplyRole role) {
  expect(channel, role, Command::kQuery);
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(dialect(channel).tell_everything));
}

void SessionCore::renew_own_tracking() {
  xa_buffer_.clear();
  append_own_tracking(Channel::kHome, ReplyRole::kIgnored);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

// XA PREPARE's OK has no last_gtid. Was nothing written, or has a stored program (a trigger, say)
// seen to it that this is not told? Without the question the branch would be undone and the client
// have its OK.
void SessionCore::ask_whether_told(const BranchPrepared& prepared) {
  told_of_none_ = prepared;
  ask_home(dialect(Channel::kHome).ask_told, ReplyRole::kAskedTold);
}

void SessionCore::on_asked_told(const protocol::SqlError* error) {
  const BranchPrepared prepared = *std::exchange(told_of_none_, std::nullopt);
  if (error == nullptr) {
    finish_unchanged(prepared.branch);
    return;
  }
  if (error->code != kWrongValue) {  // a KILL QUERY, say: nobody knows
    (void)effects_.post_commit(BranchAbandoned{prepared.branch, prepared.home});
    transaction_over();
    if (job_.wrapped && held_.is_error()) {
      answer_held();
    } else {
      commit_failed(kill_requested_ ? protocol::query_interrupted_error()
                                    : protocol::deadlock_error());
    }
    return;
  }
  // Whatever else the program has set may have gone unheard, too.
  home_has_traces_ = true;
  add_pin(router::PinReason::kUnknownState);
  renew_own_tracking();
  certify(prepared);  // its rows in the home's binlog will tell, or none of them
}

/// The client's statement has an OK.
void SessionCore::track_transaction(Channel channel,
                                    const ResponseStep& step,
                                    const protocol::OkPacket& ok) {
  if (!transaction_tracker_.on()) {
    return;
  }
  const bool at_home = channel == Channel::kHome;
  if (client_in_transaction()) {
    if (at_home && transaction_.on_backend() && ok.changes.transaction_state) {
      transaction_tracker_.on_state(*ok.changes.transaction_state, autocommit_);
    }
  } else if (job_.wrapped || job_.kind == JobKind::kOrdered || job_.touches_tables) {
    transaction_tracker_.use_up_next();  // it was a transaction of its own
  } else if (job_.statement_kind == router::StatementKind::kSetTransaction) {
    // Not by the home's word: what it has told, or has not, of another session it does not repeat.
    job_.one_shot ? transaction_tracker_.set_next(job_.access, job_.next_isolation)
                  : transaction_tracker_.unset_next(job_.access, job_.next_isolation);
  } else if (at_home && job_.statement_kind == router::StatementKind::kSetSession) {
    const bool reported = (step.status & protocol::status_flag::kSessionStateChanged) != 0;
    if (ok.changes.transaction_characteristics) {
      transaction_tracker_.on_next(*ok.changes.transaction_characteristics);
    } else if (job_.sets_next && reported && ok.changes.empty()) {
      transaction_tracker_.on_next_changed();
    }
  }
  if (step.control == ControlKind::kEof) {
    transaction_tracker_.on_rows();
  }
}

/// Does an EOF packet of the old form say that something has changed? There is no room for what.
bool SessionCore::says_eof_changed(Channel channel, const ResponseStep& step) const {
  const bool of_transaction = transaction_tracker_.on() && client_in_transaction() &&
                              channel == Channel::kHome && transaction_.on_backend();
  const bool reported = (step.status & protocol::status_flag::kSessionStateChanged) != 0;
  return transaction_tracker_.due() || (of_transaction && reported);
}

/// One of our own statements has told what the client's did before, or what it did itself.
void SessionCore::track_own_reply(Channel channel, const ResponseStep& step) {
  const bool inside =
      transaction_.is(TransactionState::kExecuting) || transaction_.is(TransactionState::kReadOnly);
  if (!transaction_tracker_.on() || channel != Channel::kHome || !inside ||
      !client_in_transaction() ||
      (step.control != ControlKind::kOk && step.control != ControlKind::kEof)) {
    return;
  }
  const auto ok = protocol::decode_ok(step.payload, home_lease_.connection().capabilities);
  if (ok.ok() && ok->changes.transaction_state) {
    transaction_tracker_.on_state(*ok->changes.transaction_state, autocommit_);
  }
}

}  // namespace consort::proxy
