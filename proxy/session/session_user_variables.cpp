// SessionCore: user variables travel with the session when it gives its home connection away or
// moves to the place of user locks. They live on the home until then. Decision 0019.
#include <utility>

#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/user_variables.h"

namespace consort::proxy {

using protocol::Command;
using router::PinReason;

/// Whether something binds the session to its home's connection that cannot travel.
bool SessionCore::is_bound() const {
  router::PinSet binding = pins_;
  if (!variables_stay_) {
    binding.remove(PinReason::kUserVariables);
  }
  return !binding.empty();
}

/// A function or a trigger may have made some that no statement's text has named.
bool SessionCore::may_have_variables_at_home() const {
  return !carried_variables_ &&
         (pins_.has(PinReason::kUserVariables) ||
          (home_has_traces_ && (effects_.stored_functions() || effects_.triggers())));
}

/// Before the home is left: asks for what must travel. False: all is known.
bool SessionCore::ask_belongings() {
  if (may_have_variables_at_home()) {
    diagnostics_.on_home_asked();
    variables_.clear();
    ask_variables(kUserVariablesSql);
    return true;
  }
  if (insert_id_.newest_at_home()) {
    ask_insert_id();
    return true;
  }
  return false;
}

void SessionCore::ask_variables(std::string_view sql) {
  ask_home(sql, ReplyRole::kVariablesAsked);
}

void SessionCore::on_variables(const protocol::SqlError* error) {
  if (!moving_ && !can_spare_home()) {
    yielding_ = false;  // the client's next statement has come: the connection stays
    return;
  }
  if (error != nullptr && error->code == protocol::sql_code::kQueryInterrupted && moving_) {
    moving_ = false;
    yielding_ = false;
    reply_error(*error);
    return;
  }
  if (error == nullptr && variables_.empty()) {
    auto known = user_variables_in(own_rows_);
    if (known && !known->empty()) {
      variables_ = std::move(*known);
      ask_variables(user_variable_values_sql(variables_));
      return;
    }
    carried_variables_ = known ? std::optional<std::string>("") : std::nullopt;
  } else if (error == nullptr) {
    carried_variables_ = set_user_variables_sql(variables_, own_rows_);
  }
  router::PinSet pins = pins_;
  if (carried_variables_) {
    pins.remove(PinReason::kUserVariables);
    home_has_traces_ = home_has_traces_ || !carried_variables_->empty();
  } else if (pins.has(PinReason::kUserVariables)) {
    variables_stay_ = true;
  } else {
    carried_variables_ = "";  // there is no word of any
  }
  set_pins(pins);
  if (variables_stay_) {
    yielding_ = false;
    if (std::exchange(moving_, false)) {
      advance_job();  // the client is told that it cannot
    }
  } else if (!ask_belongings()) {
    leave_or_stay(true);
  }
}

/// The session's first statement on another connection finds its variables.
void SessionCore::append_user_variables() {
  if (!carried_variables_ || job_.channel != Channel::kHome || job_.reader ||
      job_.kind == JobKind::kOrdered) {
    return;
  }
  if (carried_variables_->empty()) {
    carried_variables_.reset();
    return;
  }
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(*carried_variables_));
  expect(Channel::kHome, ReplyRole::kVariables, Command::kQuery);
  home_has_traces_ = true;
}

void SessionCore::on_variables_set() {
  carried_variables_.reset();
  add_pin(PinReason::kUserVariables);
}

}  // namespace consort::proxy
