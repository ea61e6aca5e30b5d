// SessionCore: the bytes that come from a backend, and the reply to the client's own statement,
// which passes packet by packet.
#include "proxy/session/session_relay.h"

#include <utility>

#include "base/check.h"
#include "protocol/decode.h"
#include "protocol/encode.h"
#include "protocol/packet_writer.h"
#include "proxy/session/client_ok.h"
#include "proxy/session/rebuilt_partitions.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"
#include "proxy/session/told_as_one.h"
#include "router/session_scope.h"

namespace consort::proxy {
namespace {

using protocol::ControlKind;
using protocol::ResponseTracker;

constexpr std::uint16_t kCheckRead = 1020;
constexpr std::uint16_t kReadOnlyTransaction = 1792;

/// After these the server has rolled the whole branch back (measured: 1213 and 1020; the XA_RB
/// family and 1399 say that it was so already).
bool rolled_back(const protocol::SqlError& error) {
  switch (error.code) {
    case kCheckRead:  // under innodb_snapshot_isolation
    case protocol::sql_code::kDeadlock:
    case 1402:  // XA_RBROLLBACK
    case 1613:  // XA_RBTIMEOUT
    case 1614:  // XA_RBDEADLOCK
      return true;
    case 1399:  // XAER_RMFAIL: also what a procedure gets that says COMMIT in a branch that goes on
      return error.message.find("ROLLBACK ONLY") != std::string::npos;
    default:
      return false;
  }
}

}  // namespace

std::size_t SessionCore::on_backend_read(Channel channel, MutableBytes bytes) {
  ChannelLease& lease = lease_of(channel);
  Relay relay(bytes);
  std::size_t used = 0;
  while (used < bytes.size() && lease.held()) {
    if (!lease.owes_reply()) {
      // The server speaks unasked: it is going away (1053, 1927). Its EOF follows.
      return bytes.size();
    }
    const ReplyRole role = lease.reply().role;
    const Result<ResponseTracker::Step> step = lease.step(bytes.subspan(used));
    if (!step.ok()) {
      lose(channel);
      return bytes.size();
    }
    if (step->kind == ResponseTracker::StepKind::kNeedMore) {
      break;
    }
    if (step->last) {
      lease.finish_reply();
    }
    const std::size_t at = used;
    used += step->bytes;
    const bool control = step->kind == ResponseTracker::StepKind::kControl;
    if (role == ReplyRole::kClient && control) {
      relay.look_at(at, step->bytes);
      on_client_control(channel, *step, relay);
    } else if (role == ReplyRole::kClient) {
      if (step->kind == ResponseTracker::StepKind::kDropped) {
        continue;
      }
      relay.pass(at, step->bytes);
      if (step->last) {
        on_client_done(channel, relay, true);
      }
    } else if (tells_rows(role)) {
      take_own_rows(channel, role, *step, Bytes(bytes).subspan(at, step->bytes));
    } else if (role == ReplyRole::kReadable) {
      on_readable(*step);
    } else if (control && (step->last || role == ReplyRole::kReprepare)) {
      on_internal_reply(channel, role, *step);
    } else if (step->last && role == ReplyRole::kReprepare) {
      send_job();
    }
  }
  flush(relay);
  return used;
}

/// A part of the answer to one of the session's own questions.
void SessionCore::take_own_rows(Channel channel,
                                ReplyRole role,
                                const ResponseTracker::Step& step,
                                Bytes part) {
  if (step.kind != ResponseTracker::StepKind::kControl) {
    own_rows_.add(part);
  } else if (step.control == ControlKind::kColumnCount) {
    own_rows_.begin(static_cast<std::size_t>(step.columns));
  } else if (step.last) {
    on_internal_reply(channel, role, step);
    own_rows_.clear();
  }
}

void SessionCore::flush(Relay& relay, Bytes behind) {
  if (relay.empty() && behind.empty()) {
    return;
  }
  reply_started_ = true;
  tell_client({relay.first(), relay.span(), behind});
  relay.clear();
}

void SessionCore::on_client_control(Channel channel,
                                    const ResponseTracker::Step& step,
                                    Relay& relay) {
  if (file_.wanted && step.control != ControlKind::kProgress) {
    lose(channel);  // it does not read on: what the client still sends would be commands to it
    return;
  }
  note_cursor(step);
  switch (step.control) {
    case ControlKind::kErr:
      on_client_error(channel, protocol::sql_error_of(step.payload), step.sequence, relay);
      return;
    case ControlKind::kOk:
    case ControlKind::kEof:
      on_client_ok(channel, step, relay);
      return;
    case ControlKind::kLocalInfile:
      if (job_.sends_file && channel == Channel::kHome) {
        ask_for_file(step, relay);
        return;
      }
      // What stands behind the statement in the pipeline would be taken for the file.
      job_.kind = JobKind::kNone;  // not to be tried again
      lose(channel);
      return;
    case ControlKind::kProgress:
      if (ordered_.reply_from == 0) {
        relay.pass_packet();
      }
      return;
    case ControlKind::kPrepareOk:
      on_prepare_reply(step, relay.packet());
      break;
    case ControlKind::kColumnsEof: {
      const bool changed = says_eof_changed(channel, step);
      const auto status =
          static_cast<std::uint16_t>(client_eof_status(client_status(step.status)) |
                                     (changed ? protocol::status_flag::kSessionStateChanged : 0));
      (void)protocol::patch_eof_status(relay.packet(), status);
      break;
    }
    case ControlKind::kColumnCount:
      if (job_.kind == JobKind::kExecute && !creates_select()) {
        note_columns(step.columns);
      }
      if (keeps_metadata()) {
        tell_column_count(channel, step, relay);
        return;
      }
      break;
    case ControlKind::kText:
    case ControlKind::kAuth:
      break;
  }
  if (step.last && holds_reply()) {  // no rows behind the columns, but a cursor
    held_.hold(relay.packet(), false);
  } else {
    relay.pass_packet();
  }
  if (step.last) {
    on_client_done(channel, relay, true);
  }
}

void SessionCore::on_client_ok(Channel channel, const ResponseTracker::Step& step, Relay& relay) {
  const Result<protocol::OkPacket> ok =
      protocol::decode_ok(step.payload, lease_of(channel).connection().capabilities);
  Bytes packet = relay.packet();
  if (ok.ok()) {
    learn(ok->changes);
    track_transaction(channel, step, *ok);
    if (ordered_.program && ok->changes.transaction_state) {
      ordered_.transaction_state = *ok->changes.transaction_state;
    }
    // A server may answer a statement that KILL QUERY has hit with success, although it did not do
    // its work: MariaDB 10.11 a DELETE that it was still planning, with 0 rows.
    if (step.last && abort_requested_ && channel == Channel::kHome) {
      on_client_error(channel, protocol::query_interrupted_error(), step.sequence, relay);
      return;
    }
    if (protocol::SqlError error; step.last && left_open(ok->status, error)) {
      on_client_error(channel, std::move(error), step.sequence, relay);
      return;
    }
    if (step.last && job_.flushes_privileges) {
      effects_.note_privileges_flushed();  // before its client can log in again
    }
    if (step.last && tracking_change_) {
      tracking_ = tracking_change_->after;
    }
    const bool untrue = step.last && warns_of_scheduler(*ok);
    packet = client_ok(
        step, relay.packet(), *ok,
        {client_status(ok->status), owner_.capabilities, tracking_, transaction_tracker_,
         tracking_change_ ? &*tracking_change_ : nullptr, says_eof_changed(channel, step), untrue},
        scratch_);
    if (step.last) {
      note_summary(*ok, step.control == ControlKind::kEof);
      job_.left_open = lease_of(channel).connection().kind == ServerKind::kMysql &&
                       (ok->status & protocol::status_flag::kInTransaction) != 0 &&
                       !transaction_.on_backend() && !job_.read_only;
    }
    if (untrue) {
      warnings_ = 0;
      diagnostics_.on_home_asked();
    }
    if (channel == Channel::kHome && ok->last_insert_id != 0) {
      insert_id_.on_changed_at_home();  // not to this: a row may have brought its own number
    }
  }
  const bool in_place = packet.data() == relay.packet().data();
  transaction_tracker_.on_untold();
  if (step.last && holds_reply()) {
    held_.hold(packet, false);
    number_held();
  } else if (in_place) {
    relay.pass_packet();
  } else {
    flush(relay, packet);
  }
  if (step.last) {
    on_client_done(channel, relay, true);
  }
}

/// CREATE and ALTER EVENT: that the event scheduler is off. The home's is, Consort's is not.
bool SessionCore::warns_of_scheduler(const protocol::OkPacket& ok) {
  const DdlRequest& request = ordered_.request;
  return ok.warnings == 1 && job_.kind == JobKind::kOrdered && !ordered_.drops &&
         !request.sets_globals && request.targets.size() == 1 &&
         request.targets[0].schema == "consort" && request.targets[0].table == "events" &&
         effects_.runs_events();
}

/// A statement that was executed once more: the client has had progress reports before.
void SessionCore::number_held() {
  if (ordered_.reply_from != 0) {
    held_.number(ordered_.reply_from);
  }
}

bool SessionCore::holds_reply() const {
  return job_.wrapped || job_.kind == JobKind::kOrdered;
}

void SessionCore::note_diagnostics(bool any) {
  if (job_.channel == Channel::kRead) {
    diagnostics_.on_ended_elsewhere(any, job_.names_tables);
  } else {
    diagnostics_.on_ended_at_home(any, job_.names_tables);
  }
}

void SessionCore::note_summary(const protocol::OkPacket& ok, bool rows) {
  warnings_ = ok.warnings;
  note_diagnostics(ok.warnings > 0);
  const auto affected = static_cast<std::int64_t>(ok.affected_rows);
  diagnostics_.set_home_row_count(rows ? -1 : affected);
  if (job_.wrapped || (job_.kind == JobKind::kOrdered && ordered_.program)) {
    diagnostics_.set_row_count(rows ? -1 : affected);
  } else if (job_.reader || job_.read_only) {
    const bool changes = job_.query_kind == QueryKind::kWrite && !rows;
    diagnostics_.set_row_count(changes ? affected : -1);
  } else if (job_.mode.any() || (job_.uses_locks && !rows)) {
    diagnostics_.set_row_count(affected);
  }
}

void SessionCore::learn(const protocol::SessionChanges& changes) {
  note_untold_collation(changes);
  if (changes.schema) {
    state_.set_schema(*changes.schema, effects_.schemas_changed());
  }
  for (const auto& [name, value] : changes.system_variables) {
    if (job_.passing_settings) {
      break;  // the server reports them as they are amid the statement
    }
    if (name == kClockVariable && stopped_clock()) {
      continue;
    }
    if (name == "autocommit") {
      autocommit_ = value == "ON" || value == "1";
    }
    if (name == "session_track_transaction_info") {
      transaction_tracker_.set_level(value);
    }
    const bool amid = transaction_.on_backend() && router::is_transaction_setting(name);
    home_transaction_settings_stale_ = home_transaction_settings_stale_ || amid;
    if (!amid && !job_.one_shot && router::is_transaction_setting(name)) {
      next_transaction_.set_for_session(name.ends_with("_isolation"));
    }
    home_has_traces_ = home_has_traces_ || amid || SessionState::leaves_traces(name);
    if (name == kClockVariable && job_.restarts_clock) {
      continue;  // what the clock shows just now
    }
    // A collation says more than its character set, in whichever order they are told.
    const bool said_by_collation =
        (name == "character_set_connection" && changes.find_variable("collation_connection")) ||
        (name == "character_set_database" && changes.find_variable("collation_database"));
    if (!said_by_collation) {
      state_.set_variable(name, value);
    }
    if (name == "character_set_connection" && !job_.names_collation.empty()) {
      state_.set_variable("collation_connection", whole_collation(job_.names_collation, value));
    }
  }
  learn_untold(changes);
}

/// For DDL, which has one time on all servers.
bool SessionCore::stopped_clock() const {
  return job_.kind == JobKind::kOrdered && !ordered_.timestamp.empty();
}

/// Of several variables that are told as one the text alone says what the others are.
void SessionCore::learn_untold(const protocol::SessionChanges& changes) {
  if (job_.restarts_clock) {
    state_.forget_variable(kClockVariable);
  }
  home_has_traces_ = home_has_traces_ || (job_.told_as_one && job_.sets_several);
  for (const auto& [name, number] : job_.numbers) {
    if (!changes.find_variable(name) && !(name == kClockVariable && job_.restarts_clock)) {
      state_.set_variable(name, number);
    }
  }
}

void SessionCore::on_prepare_reply(const ResponseTracker::Step& step, MutableBytes packet) {
  const Result<protocol::StmtPrepareOk> prepared = protocol::decode_prepare_ok(step.payload);
  if (!prepared.ok()) {
    return;
  }
  const protocol::ClientStatement& statement = statements_.add(
      preparing_sql_, {state_.schema(), state_.settings(), lexer_options()}, *prepared);
  effects_.add_backend_statement(job_.channel, statements_.backend_key(statement.client_id),
                                 prepared->statement_id);
  (void)protocol::patch_prepare_ok_id(packet, statement.client_id);
  if (keeps_metadata()) {
    statements_.told().note(statement.client_id, step.definitions);
  }
}

bool SessionCore::interrupted_for_lane(const protocol::SqlError& error) const {
  return error.code == protocol::sql_code::kQueryInterrupted && abort_requested_;
}

void SessionCore::on_client_error(Channel channel,
                                  protocol::SqlError error,
                                  std::uint8_t sequence,
                                  Relay& relay) {
  if (ends_transaction_first(error)) {
    relay.clear();
    return;
  }
  const bool interrupted = interrupted_for_lane(error);
  const bool conflict = rolled_back(error) && transaction_.on_backend();
  if (job_.read_only && error.code == kReadOnlyTransaction && !reply_started_ &&
      !next_reads_only()) {
    job_.refused = true;
    relay.clear();
    return;
  }
  const bool opened = job_.uses_engine && job_.statement_kind != router::StatementKind::kCall &&
                      !fails_before_tables(error.code);
  note_one_shot(channel, opened || (job_.commits_by_itself && !is_parser_error(error.code)));
  diagnostics_.set_row_count(-1);
  note_diagnostics(true);
  if (channel == Channel::kHome && draws_numbers(job_.statement_kind)) {
    insert_id_.on_changed_at_home();  // rows that were taken back have drawn some
  }
  if (interrupted || (conflict && error.code == kCheckRead)) {
    error = interrupted ? abort_error() : protocol::deadlock_error();
  }
  job_.lost = (interrupted && !transaction_too_long_) || conflict;
  if (!runs_again()) {
    effects_.metrics().count_client_error(error.code == protocol::sql_code::kDeadlock
                                              ? ClientErrorClass::kConflict
                                              : ClientErrorClass::kBackend);
  }
  constexpr std::uint16_t kNoSuchTable = 1146;
  constexpr std::uint16_t kPartitionedTemporary = 1506;
  const std::uint16_t code = error.code;
  if (job_.kind == JobKind::kOrdered && ordered_.truncates && code == kNoSuchTable &&
      !own_tables_.empty()) {
    error = truncates_no_table_error(ordered_.request.targets.front().table);
  }
  if (code == kPartitionedTemporary && job_.copies_temporary) {
    error = no_partitioned_copy_error();
  }
  scratch_.clear();
  protocol::append_err(scratch_, error, sequence);
  if (holds_reply()) {
    ordered_.error = code;
    held_.hold(scratch_, true);
    number_held();
    on_client_done(channel, relay, false);
    return;
  }
  drop_rest();
  flush(relay, scratch_);
  if (conflict) {
    clean_rollback_only(false);
  } else if (interrupted) {
    end_interrupted();
  }
  transaction_tracker_.on_untold();
  on_client_done(channel, relay, false);
}

// A statement that failed may have assigned variables before, and the server does not say which.
void SessionCore::note_partial_effect(router::PinSet& pins) const {
  if (job_.pins.added.has(router::PinReason::kUserVariables)) {
    pins.add(router::PinReason::kUserVariables);
  }
  if (job_.sets_several) {
    pins.add(router::PinReason::kUnknownState);
  }
}

void SessionCore::on_client_done(Channel channel, Relay& relay, bool succeeded) {
  flush(relay);
  note_told();
  note_call_done();
  router::PinSet pins = pins_;
  if (succeeded) {
    pins.remove(job_.pins.ended);
    pins.add(job_.pins.added);
  } else {
    note_partial_effect(pins);
  }
  if (job_.pins.added.has(router::PinReason::kUserVariables)) {
    variables_stay_ = false;  // the values are others now
  }
  note_named(succeeded, pins);
  if (succeeded && !job_.wants_cursor) {
    found_rows_.end(lease_of(channel).rows());
  }
  if (succeeded) {
    if (temporary_after_) {
      temporary_ = *std::exchange(temporary_after_, std::nullopt);
    }
    if (!has_temporary()) {
      pins.remove(router::PinReason::kTemporaryTable);
    }
    if (job_.sets_insert_id) {
      insert_id_.on_changed_at_home();
    }
    note_text_statement();
    if (job_.status_use == StatusUse::kFlush) {
      counters_.begin();
    }
    if (job_.kind == JobKind::kOrdered) {
      forget_sequences();
    }
    if (job_.kind == JobKind::kOrdered && owner_.password_expired) {
      pins.add(router::PinReason::kUnknownState);  // its password opens no other connection now
    }
    if (job_.one_shot) {
      next_transaction_.set(job_.next_isolation, job_.sets_access, job_.next_read_only);
    }
    note_one_shot(channel, job_.reaches_tables || job_.commits_by_itself);
  }
  set_pins(pins);
  if (job_.wrapped) {
    phase_ = SessionPhase::kPreparing;  // XA END and XA PREPARE answer next
    if (job_.sends_file) {
      end_wrapped_file();
    }
    return;
  }
  if (job_.kind == JobKind::kOrdered) {
    owner_.password_expired = owner_.password_expired && !succeeded;
    if (!ends_open_transaction(succeeded) && !asks_new_globals(succeeded)) {
      finish_ordered(succeeded);
    }
    return;
  }
  job_.succeeded = succeeded;
  if (succeeded) {
    keep_cursor();
  }
  if (job_.read_only) {
    job_.answered = true;  // the end of its transaction answers next
    return;
  }
  finish_statement(channel);
}

}  // namespace consort::proxy
