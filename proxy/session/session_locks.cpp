// SessionCore: user locks (GET_LOCK). All sessions take them on one backend (user_lock_home.h), so
// a session moves its home there first. It is pinned while it holds one: the server is asked.
// Decision 0013.
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "router/lock_names.h"

namespace consort::proxy {

using protocol::Command;
using router::Flag;
using router::PinReason;
using router::Statement;

void SessionCore::note_lock_names(const Statement& statement, std::string_view sql) {
  job_.uses_locks = statement.flags.has_any({Flag::kUserLock, Flag::kTakesUserLock});
  if (statement.has(Flag::kTakesUserLock)) {
    user_locks_.on_taken(router::lock_names(sql, lexer_options()));
  }
}

/// The place where locks are taken has moved since this session took its own.
bool SessionCore::user_locks_lost() {
  if (!pins_.has(PinReason::kUserLock)) {
    return false;
  }
  const auto place = effects_.user_lock_home();
  return !place || place->generation != lock_generation_;
}

/// The home is where user locks are taken. False: not yet, or never: the client knows.
bool SessionCore::at_lock_home() {
  const auto place = effects_.user_lock_home();
  if (!place) {
    home_.reset();
    retry_job();
    return false;
  }
  job_.lock_generation = place->generation;
  if (home_ == place->backend || !home_lease_.held()) {
    home_ = place->backend;
    return true;
  }
  router::PinSet staying = pins_;
  staying.remove(PinReason::kFoundRows);  // of an earlier statement
  if (!variables_stay_) {
    staying.remove(PinReason::kUserVariables);  // they move along
  }
  const bool binds = transaction_.on_backend() || next_transaction_.pending();
  if (binds || !staying.empty()) {
    const std::string why =
        binds ? "a transaction that began on another server: take the lock before it begins"
              : "a session that is bound to another server by " +
                    std::string(router::to_text(staying.first()));
    reply_error(protocol::not_supported_error("GET_LOCK and its like in " + why));
    return false;
  }
  if (yielding_ || ask_belongings()) {
    phase_ = SessionPhase::kRelaying;
    moving_ = true;  // leave_or_stay() goes on
    return false;
  }
  diagnostics_.keep_row_count();
  give_back(Channel::kHome, true);
  home_ = place->backend;
  return true;
}

/// After a statement about user locks: which does the session hold? True when the server was asked.
bool SessionCore::ask_held_locks() {
  if (!job_.uses_locks || job_.locks_asked) {
    return false;
  }
  if (job_.succeeded && job_.pins.ended.has(PinReason::kUserLock)) {
    user_locks_.on_all_released();
  }
  if (user_locks_.unnamed() || !home_lease_.held()) {
    commits_.on_other(effects_.head());  // see on_held_locks()
    return false;                        // it ends by RELEASE_ALL_LOCKS() or with the connection
  }
  job_.locks_asked = true;
  job_.answered = true;
  ask_home(user_locks_.question(), ReplyRole::kHeldLocks);
  return true;
}

void SessionCore::on_held_locks(bool failed) {
  const bool none = !failed && own_rows_.value() == "0";
  router::PinSet pins = pins_;
  if (none) {
    user_locks_.on_none_held();
    pins.remove(PinReason::kUserLock);
  } else {
    pins.add(PinReason::kUserLock);
    // Whoever had the lock before has committed before: that is what a lock is taken for. Lanes may
    // not have it yet.
    commits_.on_other(effects_.head());
  }
  set_pins(pins);
  finish_statement(Channel::kHome);
}

}  // namespace consort::proxy
