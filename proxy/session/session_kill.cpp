// SessionCore: KILL, as the one who kills and as the one who is killed.
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

using protocol::Command;

namespace {

/// Changes nothing, whoever runs it: 1227 without the right to end other users' connections (SUPER,
/// CONNECTION ADMIN, by a role, too), 1232 with it, as the value has the wrong type (measured).
constexpr std::string_view kKillRightProbe = "SET GLOBAL slow_launch_time = 'x'";
constexpr std::uint16_t kWrongTypeForVariable = 1232;

}  // namespace

// ---- the killer -------------------------------------------------------------------------------

void SessionCore::kill(const KillOrder& order) {
  if (order.connection_id == owner_.connection_id) {
    if (order.query_only) {
      reply_error(protocol::query_interrupted_error());
    } else {
      close_with(protocol::connection_killed_error());
    }
    return;
  }
  kill_ = order;
  ask_kill();
}

void SessionCore::ask_kill() {
  phase_ = SessionPhase::kAskingOthers;
  if (!effects_.post_kill(kill_)) {
    reply_error(protocol::no_such_thread_error(kill_.connection_id));
  }
}

void SessionCore::on_kill_answer(KillVerdict verdict) {
  if (phase_ != SessionPhase::kAskingOthers) {
    return;  // the client is gone
  }
  switch (verdict) {
    case KillVerdict::kDone:
      reply_ok();
      return;
    case KillVerdict::kUnknown:
      reply_error(protocol::no_such_thread_error(kill_.connection_id));
      return;
    case KillVerdict::kNotOwner:
      job_.kind = JobKind::kKill;
      job_.channel = Channel::kHome;
      advance_job();
      return;
  }
}

void SessionCore::send_kill_check() {
  phase_ = SessionPhase::kAskingOthers;
  xa_buffer_.clear();
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kKillRightProbe));
  expect(Channel::kHome, ReplyRole::kKillRight, Command::kQuery);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

void SessionCore::on_kill_right(const protocol::SqlError* refusal) {
  job_.kind = JobKind::kNone;
  if (refusal == nullptr || refusal->code != kWrongTypeForVariable) {
    reply_error(protocol::not_thread_owner_error(kill_.connection_id));
    return;
  }
  kill_.any_owner = true;
  ask_kill();
}

// ---- the killed -------------------------------------------------------------------------------

void SessionCore::on_kill_query() {
  switch (phase_) {
    case SessionPhase::kAwaitingBackend:
      if (job_.kind != JobKind::kLogin) {
        effects_.stop_waiting();
        fail_job(protocol::query_interrupted_error());
      }
      return;
    case SessionPhase::kRelaying:
      kill_statement();
      return;
    case SessionPhase::kIdle:
    case SessionPhase::kPreparing:
    case SessionPhase::kCertifying:
    case SessionPhase::kRollingBack:
    case SessionPhase::kOrdering:
    case SessionPhase::kAskingOthers:
    case SessionPhase::kDraining:
    case SessionPhase::kClosing:
      return;
  }
}

void SessionCore::on_kill_connection() {
  if (phase_ == SessionPhase::kRelaying) {
    kill_statement();
  }
}

void SessionCore::kill_statement() {
  const ChannelLease& lease = lease_of(job_.channel);
  if (job_.answered || kill_requested_ || !lease.owes_reply()) {
    return;
  }
  // The connection goes to no other session any more: the KILL may come late.
  kill_requested_ = true;
  (job_.channel == Channel::kHome ? home_tainted_ : read_tainted_) = true;
  effects_.kill_query(lease.connection().backend, lease.connection().thread_id);
}

}  // namespace consort::proxy
