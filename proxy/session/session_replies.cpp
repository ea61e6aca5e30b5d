// SessionCore, second part: what comes back from the backends.
#include <algorithm>

#include "protocol/decode.h"
#include "protocol/encode.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {
namespace {

using protocol::Command;
using protocol::ControlKind;
using protocol::ResponseTracker;

/// After these the server has rolled the whole branch back (measured: 1213 and 1020; the XA_RB
/// family and 1399 say that it was so already).
bool rolled_back(std::uint16_t code) {
  switch (code) {
    case 1020:  // ER_CHECKREAD under innodb_snapshot_isolation
    case 1213:
    case 1399:  // XAER_RMFAIL: ROLLBACK ONLY state
    case 1402:  // XA_RBROLLBACK
    case 1613:  // XA_RBTIMEOUT
    case 1614:  // XA_RBDEADLOCK
      return true;
    default:
      return false;
  }
}

constexpr std::uint16_t kCheckRead = 1020;

}  // namespace

/// What one read brings to the client: a span that passes unchanged, grown packet by packet.
struct SessionCore::Relay {
  MutableBytes bytes;
  std::size_t begin = 0;
  std::size_t end = 0;

  void take(std::size_t from, std::size_t count) {
    if (begin == end) {
      begin = from;
    }
    end = from + count;
  }

  [[nodiscard]] Bytes span() const { return Bytes(bytes).subspan(begin, end - begin); }

  void clear() { begin = end = 0; }
};

void SessionCore::start_next_reply(Channel channel) {
  const int at = static_cast<int>(channel);
  const ExpectedReply& next = replies_[at].front();
  const std::uint64_t capabilities =
      channel == Channel::kHome ? home_lease_.capabilities : read_lease_.capabilities;
  trackers_[at].begin(next.command, capabilities, next.command_sequence);
  tracking_[at] = true;
}

std::size_t SessionCore::on_backend_read(Channel channel, MutableBytes bytes) {
  const int at = static_cast<int>(channel);
  Relay relay{bytes};
  std::size_t used = 0;
  while (used < bytes.size() && lent(channel)) {
    if (replies_[at].empty()) {
      // The server speaks unasked: it is going away (1053, 1927). Its EOF follows.
      return bytes.size();
    }
    if (!tracking_[at]) {
      start_next_reply(channel);
    }
    const ReplyRole role = replies_[at].front().role;
    const Result<ResponseTracker::Step> step = trackers_[at].step(Bytes(bytes).subspan(used));
    if (!step.ok()) {
      if (channel == Channel::kHome) {
        home_held_ = false;
      } else {
        read_held_ = false;
      }
      effects_.release(channel, false);
      on_backend_lost(channel);
      return bytes.size();
    }
    if (step->kind == ResponseTracker::StepKind::kNeedMore) {
      break;
    }
    const bool last = step->last;
    if (step->kind == ResponseTracker::StepKind::kForward) {
      if (role == ReplyRole::kClient) {
        relay.take(used, step->bytes);
      }
    }
    const std::size_t packet_at = used;
    used += step->bytes;
    if (last) {
      replies_[at].pop();
      tracking_[at] = false;
    }
    if (step->kind == ResponseTracker::StepKind::kControl) {
      const MutableBytes packet = bytes.subspan(packet_at, step->bytes);
      if (role == ReplyRole::kClient) {
        relay_offset_ = packet_at;
        on_client_control(channel, *step, packet, relay);
      } else if (last || role == ReplyRole::kReprepare) {
        on_internal_reply(channel, role, *step);
      }
    } else if (last) {
      if (role == ReplyRole::kClient) {
        on_client_done(channel, relay, true);
      } else if (role == ReplyRole::kReprepare) {
        send_job();
      }
    }
  }
  if (relay.begin != relay.end) {
    reply_started_ = true;
    effects_.send_client({relay.span()});
  }
  return used;
}

// ---- the client's own reply -------------------------------------------------------------------

void SessionCore::on_client_control(Channel channel,
                                    const ResponseTracker::Step& step,
                                    MutableBytes packet,
                                    Relay& relay) {
  switch (step.control) {
    case ControlKind::kErr:
      on_client_error(channel, step, packet, relay);
      return;
    case ControlKind::kPrepareOk:
      on_prepare_reply(step, packet);
      relay.take(relay_offset_, packet.size());
      if (step.last) {
        on_client_done(channel, relay, true);
      }
      return;
    case ControlKind::kColumnsEof:
      (void)protocol::patch_eof_status(packet, client_status(step.status));
      relay.take(relay_offset_, packet.size());
      if (step.last) {
        on_client_done(channel, relay, true);
      }
      return;
    case ControlKind::kOk:
    case ControlKind::kEof:
      rewrite_ok(step, packet, channel, relay);
      return;
    case ControlKind::kLocalInfile:
      // Not announced to backends, so none asks; if one does, the connection is of no more use.
      home_held_ = false;
      effects_.release(channel, false);
      on_backend_lost(channel);
      return;
    case ControlKind::kProgress:
      return;
    case ControlKind::kColumnCount:
    case ControlKind::kText:
    case ControlKind::kAuth:
      relay.take(relay_offset_, packet.size());
      if (step.last) {
        on_client_done(channel, relay, true);
      }
      return;
  }
}

void SessionCore::rewrite_ok(const ResponseTracker::Step& step,
                             MutableBytes packet,
                             Channel channel,
                             Relay& relay) {
  const std::uint64_t capabilities =
      channel == Channel::kHome ? home_lease_.capabilities : read_lease_.capabilities;
  const std::uint16_t status = client_status(step.status);
  const bool tracked = (step.status & protocol::status_flag::kSessionStateChanged) != 0;
  const bool old_eof = step.control == ControlKind::kEof && step.payload.size() == 5;
  bool rewritten = false;
  scratch_.clear();
  if (tracked) {
    learn(step.payload, capabilities);
  }
  if (old_eof) {
    (void)protocol::patch_eof_status(packet, client_status(step.status));
  } else if (!tracked && step.payload.size() == 7) {
    (void)protocol::patch_ok_status(packet, status);  // no text: looks the same to every client
  } else {
    const Result<protocol::OkPacket> ok = protocol::decode_ok(step.payload, capabilities);
    if (ok.ok()) {
      protocol::OkPacket out = *ok;
      out.status = client_status(ok->status);
      std::erase_if(out.changes.system_variables, [](const protocol::NameValue& variable) {
        return !client_tracks(variable.first);
      });
      out.changes.others.clear();
      out.changes.transaction_characteristics.reset();
      out.changes.transaction_state.reset();
      out.changes.state_changed.reset();
      if (out.changes.empty()) {
        out.status &= static_cast<std::uint16_t>(~protocol::status_flag::kSessionStateChanged);
      }
      protocol::append_ok(
          scratch_, out, owner_.capabilities, step.sequence,
          step.control == ControlKind::kEof ? protocol::OkHeader::kEof : protocol::OkHeader::kOk);
      rewritten = true;
    }
  }
  if (!step.last) {
    if (rewritten) {
      reply_started_ = true;
      effects_.send_client({relay.span(), scratch_});
      relay.clear();
    } else {
      relay.take(relay_offset_, packet.size());
    }
    return;
  }
  note_summary(step, capabilities);
  if (job_.wrapped || job_.kind == JobKind::kOrdered) {
    held_.assign(packet.begin(), packet.end());
    if (rewritten) {
      held_ = scratch_;
    }
    held_is_error_ = false;
    on_client_done(channel, relay, true);
    return;
  }
  if (rewritten) {
    reply_started_ = true;
    effects_.send_client({relay.span(), scratch_});
    relay.clear();
  } else {
    relay.take(relay_offset_, packet.size());
  }
  on_client_done(channel, relay, true);
}

bool SessionCore::client_tracks(std::string_view variable) {
  // MariaDB's default session_track_system_variables.
  return variable == "autocommit" || variable == "character_set_client" ||
         variable == "character_set_connection" || variable == "character_set_results" ||
         variable == "time_zone" || variable == "redirect_url";
}

void SessionCore::note_summary(const ResponseTracker::Step& step, std::uint64_t capabilities) {
  const Result<protocol::OkPacket> ok = protocol::decode_ok(step.payload, capabilities);
  warnings_ = ok.ok() ? ok->warnings : 0;
  row_count_.reset();
  if (job_.wrapped) {
    const bool rows = step.control == ControlKind::kEof;
    row_count_ = ok.ok() && !rows ? static_cast<std::int64_t>(ok->affected_rows) : -1;
  } else if (job_.reader) {
    row_count_ = -1;
  }
}

void SessionCore::learn(Bytes ok_payload, std::uint64_t capabilities) {
  const Result<protocol::OkPacket> ok = protocol::decode_ok(ok_payload, capabilities);
  if (!ok.ok()) {
    return;
  }
  for (const auto& [name, value] : ok->changes.system_variables) {
    if (name == "autocommit") {
      autocommit_ = value == "ON" || value == "1";
    }
    state_.set_variable(name, value);
  }
  if (ok->changes.schema) {
    state_.set_schema(*ok->changes.schema);
  }
}

void SessionCore::on_prepare_reply(const ResponseTracker::Step& step, MutableBytes packet) {
  const Result<protocol::StmtPrepareOk> prepared = protocol::decode_prepare_ok(step.payload);
  if (!prepared.ok()) {
    return;
  }
  const auto added = statements_.add(preparing_sql_, *prepared);
  CHECK(added.ok());
  effects_.add_backend_statement(job_.channel, statement_key(state_.schema(), preparing_sql_),
                                 prepared->statement_id);
  statement_schemas_[(*added)->client_id] = state_.schema();
  (void)protocol::patch_prepare_ok_id(packet, (*added)->client_id);
}

void SessionCore::on_client_error(Channel channel,
                                  const ResponseTracker::Step& step,
                                  MutableBytes packet,
                                  Relay& relay) {
  protocol::SqlError error = protocol::sql_error_of(step.payload);
  const bool interrupted = abort_requested_ && error.code == protocol::sql_code::kQueryInterrupted;
  const bool conflict = rolled_back(error.code) && transaction_.on_backend();
  scratch_.clear();
  row_count_ = -1;
  if (conflict && error.code != protocol::sql_code::kDeadlock && error.code == kCheckRead) {
    error = protocol::deadlock_error();
  }
  if (interrupted) {
    error = protocol::deadlock_error();
  }
  effects_.metrics().count_client_error(error.code == protocol::sql_code::kDeadlock
                                            ? ClientErrorClass::kConflict
                                            : ClientErrorClass::kBackend);
  protocol::append_err(scratch_, error, step.sequence);
  if (job_.wrapped || job_.kind == JobKind::kOrdered) {
    held_ = scratch_;
    held_is_error_ = true;
    held_error_code_ = error.code;
    on_client_done(channel, relay, false);
    return;
  }
  reply_started_ = true;
  effects_.send_client({relay.span(), scratch_});
  relay.clear();
  (void)packet;
  if (conflict) {
    clean_rollback_only(false);
  } else if (interrupted && transaction_.is(TransactionState::kExecuting)) {
    clean_rollback_only(true);
  }
  on_client_done(channel, relay, false);
}

void SessionCore::clean_rollback_only(bool still_active) {
  // The branch is dead but its name is not; the connection is clean after one XA ROLLBACK.
  const BranchId branch = transaction_.branch();
  const bool plain = transaction_.is(TransactionState::kReadOnly);
  transaction_over();
  if (plain) {
    return;  // the server has ended it
  }
  xa_buffer_.clear();
  if (still_active) {
    xa_command("XA END ", branch);
    expect(Channel::kHome, ReplyRole::kIgnored, Command::kQuery);
  }
  xa_command("XA ROLLBACK ", branch);
  expect(Channel::kHome, ReplyRole::kXaRollback, Command::kQuery);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

void SessionCore::on_client_done(Channel channel, Relay& relay, bool succeeded) {
  if (relay.begin != relay.end) {
    reply_started_ = true;
    effects_.send_client({relay.span()});
    relay.clear();
  }
  if (succeeded) {
    pins_.remove(job_.pins.ended);
    pins_.add(job_.pins.added);
    if (job_.one_shot) {
      one_shot_transaction_ = true;
    } else if (channel == Channel::kHome && !transaction_.open()) {
      one_shot_transaction_ = false;
    }
  }
  if (job_.wrapped) {
    phase_ = SessionPhase::kPreparing;  // XA END and XA PREPARE answer next
    return;
  }
  if (job_.kind == JobKind::kOrdered) {
    ddl_succeeded_ = succeeded;
    (void)effects_.post_commit(DdlExecuted{ddl_seqno_, *home_, succeeded, false});
    return;
  }
  if (channel == Channel::kRead) {
    if (warnings_ > 0 && succeeded) {
      read_lingers_ = true;
    } else {
      read_held_ = false;
      effects_.release(Channel::kRead, true);
    }
  }
  warnings_ = 0;
  finish_command();
}

// ---- replies to our own commands --------------------------------------------------------------

void SessionCore::on_internal_reply(Channel channel,
                                    ReplyRole role,
                                    const ResponseTracker::Step& step) {
  const bool failed = step.control == ControlKind::kErr;
  switch (role) {
    case ReplyRole::kClient:
    case ReplyRole::kIgnored:
    case ReplyRole::kXaRollback:
      if (phase_ == SessionPhase::kRollingBack && replies_[static_cast<int>(channel)].empty()) {
        transaction_over();
        commit_succeeded();
      }
      return;
    case ReplyRole::kSetup:
      if (failed) {
        on_setup_failed(protocol::sql_error_of(step.payload));
      } else if (job_.kind == JobKind::kSnapshot && replies_[static_cast<int>(channel)].empty()) {
        reply_ok();
      }
      return;
    case ReplyRole::kReprepare:
      on_reprepared(channel, step);
      return;
    case ReplyRole::kXaEnd:
      return;  // XA PREPARE's answer tells all
    case ReplyRole::kXaPrepare:
      on_prepared(step);
      return;
    case ReplyRole::kRollbackReply:
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

void SessionCore::on_setup_failed(const protocol::SqlError& error) {
  // XA START was refused, so what was pipelined behind it runs in some older state of the
  // connection and must leave no trace: closing it rolls that back.
  drop_home();
  transaction_over();
  if (!pins_.empty()) {
    close_with(error);
    return;
  }
  reply_error(error);
}

void SessionCore::on_reprepared(Channel channel, const ResponseTracker::Step& step) {
  if (step.control == ControlKind::kErr) {
    const protocol::SqlError error = protocol::sql_error_of(step.payload);
    if (channel == Channel::kRead) {
      read_held_ = false;
      effects_.release(Channel::kRead, true);
    }
    reply_error(error);
    return;
  }
  if (step.control == ControlKind::kPrepareOk) {
    if (const auto prepared = protocol::decode_prepare_ok(step.payload); prepared.ok()) {
      effects_.add_backend_statement(channel, statement_key_, prepared->statement_id);
    }
  }
  if (step.last) {
    send_job();
  }
}

// ---- connections that break -------------------------------------------------------------------

void SessionCore::on_backend_lost(Channel channel) {
  const int at = static_cast<int>(channel);
  const bool inside_packet = tracking_[at] && trackers_[at].inside_packet();
  const bool awaited = !replies_[at].empty();
  const std::uint8_t next_sequence =
      reply_started_ && tracking_[at] ? trackers_[at].next_sequence() : reply_sequence_;
  replies_[at].clear();
  tracking_[at] = false;
  if (channel == Channel::kRead) {
    read_held_ = false;
    read_lingers_ = false;
  } else {
    home_held_ = false;
  }
  if (phase_ == SessionPhase::kClosing) {
    return;
  }
  if (channel == Channel::kHome && !pins_.empty()) {
    // Its variables, locks or handlers are gone: going on would be a lie.
    reply_sequence_ = next_sequence;
    if (phase_ == SessionPhase::kIdle) {
      reply_sequence_ = 0;
    }
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
  } else if (awaited) {
    on_read_lost();
  }
}

void SessionCore::on_read_lost() {
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
    case SessionPhase::kAwaitingBackend:
      return;
    case SessionPhase::kOrdering:
      if (awaited) {
        (void)effects_.post_commit(DdlExecuted{ddl_seqno_, *home_, false, true});
      }
      return;
    case SessionPhase::kRollingBack:
      // A lost connection has rolled back as well as any ROLLBACK.
      transaction_over();
      commit_succeeded();
      return;
    case SessionPhase::kRelaying:
    case SessionPhase::kPreparing:
      break;
  }
  const bool again =
      !reply_started_ && (job_.wrapped || !transaction_.open()) && job_.kind != JobKind::kNone;
  abandon_branch();
  transaction_over();
  if (again) {
    effects_.metrics().autocommit_retries.add();
    retry_job();
    return;
  }
  effects_.metrics().count_client_error(ClientErrorClass::kConflict);
  reply_error(protocol::deadlock_error());
}

}  // namespace consort::proxy
