// SessionCore: giving the home connection to others while the session lives, and what has to travel
// with it to the next one: LAST_INSERT_ID(), user variables (session_user_variables.cpp). Decision
// 0016.
#include <charconv>
#include <string>
#include <utility>

#include "protocol/decode.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"

namespace consort::proxy {

using protocol::Command;

bool SessionCore::can_spare_home() const {
  // A read elsewhere may wait for the connection of somebody who waits for this one.
  const bool unused = idle() || phase_ == SessionPhase::kAwaitingTables ||
                      (phase_ == SessionPhase::kAwaitingBackend && job_.channel == Channel::kRead);
  return unused && home_lease_.held() && !home_lease_.owes_reply() && !is_bound() &&
         !has_temporary() && !transaction_.open() && !next_transaction_.pending();
}

bool SessionCore::yield(Channel channel, bool keeps_diagnostics) {
  if (channel == Channel::kRead) {
    if (!read_lingers_ || !idle() || keeps_diagnostics || !read_lease_.held()) {
      return false;
    }
    read_lingers_ = false;
    give_back(Channel::kRead, true);
    return true;
  }
  if (!can_spare_home() || (diagnostics_.home_holds_some() && keeps_diagnostics)) {
    return false;
  }
  diagnostics_.keep_row_count();
  yielding_ = ask_belongings();
  if (!yielding_) {
    give_back(Channel::kHome, true);
  }
  return true;
}

void SessionCore::leave_home() {
  if (!home_ || !idle() || transaction_.open() || is_bound() || next_transaction_.pending()) {
    return;
  }
  if (home_lease_.held()) {
    (void)yield(Channel::kHome, false);
  }
  if (!home_lease_.held()) {
    home_.reset();
  }
}

void SessionCore::ask_insert_id() {
  ask_home(kAskInsertId, ReplyRole::kInsertIdAsked);
}

void SessionCore::on_insert_id(const protocol::ResponseTracker::Step& step) {
  const Result<protocol::OkPacket> ok =
      protocol::decode_ok(step.payload, home_lease_.connection().capabilities);
  const auto value = ok.ok() ? ok->changes.find_variable("last_insert_id") : std::nullopt;
  std::uint64_t number = 0;
  const bool known =
      value &&
      std::from_chars(value->data(), value->data() + value->size(), number).ec == std::errc{};
  if (known) {
    insert_id_.on_answer(number);
  } else if (ok.ok() && (moving_ || can_spare_home()) &&
             !std::exchange(asks_insert_id_again_, true)) {
    xa_buffer_.clear();  // another variable was told in its place: told_as_one.h
    append_own_tracking(Channel::kHome, ReplyRole::kIgnored);
    expect(Channel::kHome, ReplyRole::kInsertIdAsked, Command::kQuery);
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kAskInsertId));
    effects_.send_backend(Channel::kHome, {xa_buffer_});
    return;
  }
  asks_insert_id_again_ = false;
  leave_or_stay(known);
}

/// A transaction that has seen no server ends: the server must forget what SET TRANSACTION said of
/// it.
void SessionCore::use_up_one_shot() {
  if (chain_) {
    return;
  }
  const bool said = next_transaction_.pending();
  next_transaction_.begin();
  if (said && home_lease_.held()) {
    home_transaction_settings_stale_ = true;
    home_has_traces_ = true;
  }
}

/// SET autocommit has ended a transaction. A server gives the next one what SET TRANSACTION and
/// START TRANSACTION have said of this, as if it had been said again (measured).
void SessionCore::keep_one_shot() {
  if (std::exchange(job_.ends_by_setting, false)) {
    next_transaction_.keep(chain_traits_.read_only, session_reads_only());
    home_transaction_settings_stale_ =
        home_transaction_settings_stale_ || (next_transaction_.pending() && home_lease_.held());
  }
}

/// The client's statement has run outside a transaction of the client's. `reached`: it has opened a
/// table, or committed whatever there was, by which the server forgets what SET TRANSACTION said
/// (measured); otherwise that is still to come, but what we have put around the statement has made
/// the server forget it.
void SessionCore::note_one_shot(Channel channel, bool reached) {
  if (!next_transaction_.pending() || job_.one_shot || channel != Channel::kHome ||
      (transaction_.open() && !job_.wrapped)) {
    return;
  }
  if (reached) {
    // Whether it has is known from its text only: the connection is told so, too, lest the next
    // statement, or the next session that has it, finds what was said still there.
    next_transaction_.use_up();
    home_transaction_settings_stale_ = true;
    home_has_traces_ = true;
  } else if (job_.wrapped || job_.read_only) {
    home_transaction_settings_stale_ = true;
  }
}

/// What SET TRANSACTION said of the next transaction, said again.
void SessionCore::append_one_shot() {
  if (const std::string sql = next_transaction_.sql(); !sql.empty()) {
    expect(Channel::kHome, ReplyRole::kInsertId, Command::kQuery);
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(sql));
  }
}

/// All that travels is `known`, or cannot be known.
void SessionCore::leave_or_stay(bool known) {
  const bool yielding = std::exchange(yielding_, false);
  if (std::exchange(moving_, false)) {
    insert_id_.on_home_left();
    taken_numbers_.on_home_left();
    advance_job();
    return;
  }
  // The client may have sent its next statement meanwhile: then the connection stays.
  if (yielding && known && can_spare_home()) {
    give_back(Channel::kHome, true);
    if (idle() && !effects_.serves(*home_)) {
      home_.reset();
    }
  }
}

/// The statement finds the session's LAST_INSERT_ID(), whosever the connection was before. A read
/// that asks for it is none that may run anywhere.
void SessionCore::append_insert_id() {
  append_transaction_settings();
  const auto lacked = insert_id_.lacked_at_home();
  if (job_.channel != Channel::kHome || job_.reader || job_.kind == JobKind::kOrdered || !lacked) {
    return;
  }
  const std::string sql = "SET last_insert_id=" + std::to_string(*lacked);
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(sql));
  expect(Channel::kHome, ReplyRole::kInsertId, Command::kQuery);
  insert_id_.on_home_told();
}

}  // namespace consort::proxy
