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
  kill_question_.clear();
  if (order.connection_id == owner_.connection_id) {
    if (order.command.value_or(command_number_) != command_number_) {
      kill_ = order;
      reply_error(no_such_victim());
    } else if (order.query_only) {
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
    reply_error(no_such_victim());
  }
}

protocol::SqlError SessionCore::no_such_victim() const {
  return kill_.command ? protocol::no_such_query_error(kill_.connection_id << 32 | *kill_.command)
                       : protocol::no_such_thread_error(kill_.connection_id);
}

void SessionCore::on_kill_answer(KillVerdict verdict) {
  if (phase_ != SessionPhase::kAskingOthers) {
    return;  // the client is gone
  }
  if (job_.kills_user) {
    on_user_kill_answer(verdict);
    return;
  }
  switch (verdict) {
    case KillVerdict::kDone:
      reply_ok();
      return;
    case KillVerdict::kUnknown:
      reply_error(no_such_victim());
      return;
    case KillVerdict::kNotOwner:
      job_.kind = JobKind::kKill;
      job_.channel = Channel::kHome;
      advance_job();
      return;
  }
}

void SessionCore::send_kill_check() {
  if (!kill_question_.empty()) {
    send_kill_question();
    return;
  }
  phase_ = SessionPhase::kAskingOthers;
  ask_home(kKillRightProbe, ReplyRole::kKillRight);
}

void SessionCore::on_kill_right(const protocol::SqlError* refusal) {
  job_.kind = JobKind::kNone;
  if (refusal == nullptr || refusal->code != kWrongTypeForVariable) {
    reply_error(job_.kills_user ? protocol::kill_user_denied_error(user_kill_.user, user_kill_.host)
                : kill_.command
                    ? protocol::not_query_owner_error(kill_.connection_id << 32 | *kill_.command)
                    : protocol::not_thread_owner_error(kill_.connection_id));
    return;
  }
  kill_.any_owner = true;
  if (job_.kills_user) {
    kill_next_of_user();
    return;
  }
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
    case SessionPhase::kAwaitingTables:
      release_tables();
      reply_error(protocol::query_interrupted_error());
      return;
    case SessionPhase::kRelaying:
      kill_statement();
      return;
    case SessionPhase::kIdle:
    case SessionPhase::kPreparing:
    case SessionPhase::kCertifying:
    case SessionPhase::kRollingBack:
    case SessionPhase::kAskingOthers:
    case SessionPhase::kDraining:
    case SessionPhase::kClosing:
      return;
    case SessionPhase::kOrdering:
      kill_program();
      return;
  }
}

bool SessionCore::program_runs() const {
  return ordered_.program && ordered_.running && !ordered_.finished && held_.empty() &&
         home_lease_.held();
}

/// Nobody else commits while it runs. It fails then, and what it had committed stays.
void SessionCore::kill_program() {
  if (program_runs()) {
    kill_statement();
  }
}

/// A program of many short statements may miss a KILL QUERY, and would keep everybody from
/// committing for ever: its connection is ended.
void SessionCore::on_kill_connection() {
  if (phase_ == SessionPhase::kRelaying) {
    kill_statement();
  } else if (phase_ == SessionPhase::kOrdering && program_runs()) {
    const LeasedConnection& connection = home_lease_.connection();
    effects_.kill_connection(connection.backend, connection.thread_id);
  }
}

void SessionCore::kill_statement() {
  const ChannelLease& lease = lease_of(job_.channel);
  if (job_.answered || !lease.owes_reply()) {
    return;
  }
  kill_requested_ = true;  // a server may have missed the one before: kill_query() knows
  kill_query(job_.channel);
}

void SessionCore::kill_query(Channel channel) {
  KillTicket& kill = channel == Channel::kHome ? home_kill_ : read_kill_;
  if (kill.pending()) {
    return;  // one is as good as two
  }
  kill = KillTicket::issue();
  const LeasedConnection& connection = lease_of(channel).connection();
  effects_.kill_query(connection.backend, connection.thread_id, kill);
}

/// The client's command is over, and so is what KILL QUERYs were meant for.
void SessionCore::withdraw_kills() {
  for (KillTicket* kill : {&home_kill_, &read_kill_}) {
    kill->withdraw();
    if (!kill->pending()) {
      *kill = {};
    }
  }
}

/// One may still come: it must hit nothing that is sent from now on. A server may even answer a
/// DELETE that it hits with success, and delete nothing (decision 0025). True: the home is not to
/// be used yet, or the client's connection ends.
bool SessionCore::waits_for_kill() {
  constexpr std::chrono::milliseconds kLook{5};
  constexpr std::uint32_t kLooksMax = 400;
  if (!home_lease_.held() || !home_kill_.pending()) {
    return false;
  }
  if (pins_.empty()) {
    drop_home();
    return false;
  }
  if (++job_.looks_for_kill > kLooksMax) {
    give_back(Channel::kHome, false);
    close_with(protocol::server_shutdown_error());
    return true;
  }
  effects_.retry_after(kLook);
  return true;
}

}  // namespace consort::proxy
