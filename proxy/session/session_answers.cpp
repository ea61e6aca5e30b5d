// SessionCore: answers of its own to the client, and the end of a command.
#include <utility>

#include "protocol/decode.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "router/token.h"

namespace consort::proxy {

bool SessionCore::client_in_transaction() const {
  return lost_transaction_ ||
         (transaction_.open() && !(job_.wrapped && phase_ != SessionPhase::kIdle));
}

std::uint16_t SessionCore::status_bits() const {
  std::uint16_t status = multi_.more() ? protocol::status_flag::kMoreResultsExist : 0;
  if (autocommit_) {
    status |= protocol::status_flag::kAutocommit;
  }
  if (client_in_transaction()) {
    status |= protocol::status_flag::kInTransaction;
    if (transaction_.traits().read_only) {
      status |= protocol::status_flag::kInTransactionReadonly;
    }
  }
  const router::LexerOptions options = lexer_options();
  if (options.no_backslash_escapes) {
    status |= protocol::status_flag::kNoBackslashEscapes;
  }
  if (options.ansi_quotes) {
    status |= protocol::status_flag::kAnsiQuotes;
  }
  return status;
}

std::uint16_t SessionCore::client_status(std::uint16_t backend_status) const {
  // Inside a branch the server reports a transaction; whether the client has one is ours to say. We
  // ask the server for more session tracking than a client's own connection would.
  constexpr std::uint16_t kOurs = protocol::status_flag::kInTransaction |
                                  protocol::status_flag::kInTransactionReadonly |
                                  protocol::status_flag::kSessionStateChanged;
  auto status = static_cast<std::uint16_t>(backend_status & ~kOurs);
  if (job_.other_columns) {
    status &= static_cast<std::uint16_t>(~protocol::status_flag::kMetadataChanged);
    status |= *job_.other_columns ? protocol::status_flag::kMetadataChanged : 0;
  }
  if (multi_.more()) {
    status |= protocol::status_flag::kMoreResultsExist;
  }
  if (job_.kind == JobKind::kOrdered && ordered_.program) {
    constexpr std::uint16_t kItsOwn =
        protocol::status_flag::kInTransaction | protocol::status_flag::kInTransactionReadonly;
    status = static_cast<std::uint16_t>(status | (backend_status & kItsOwn));
  }
  if (client_in_transaction() && !job_.begins_unseen) {
    status |= protocol::status_flag::kInTransaction;
    if (transaction_.traits().read_only) {
      status |= protocol::status_flag::kInTransactionReadonly;
    }
  }
  return status;
}

void SessionCore::tell_client(std::initializer_list<Bytes> pieces) {
  if (creates_select()) {
    keep_step_reply(pieces);
    return;
  }
  if (!multi_.active()) {
    effects_.send_client(pieces);
    return;
  }
  Buffer numbered;
  for (const Bytes& piece : pieces) {
    append(numbered, piece);
  }
  multi_.number(numbered);
  effects_.send_client({numbered});
}

/// An error ends a query's statements; that of a step is not the client's yet.
void SessionCore::drop_rest() {
  if (!creates_select()) {
    multi_.drop_rest();
  }
}

void SessionCore::reply_ok(std::uint64_t affected_rows, std::uint16_t warnings) {
  diagnostics_.set_row_count(static_cast<std::int64_t>(affected_rows));
  protocol::OkPacket ok;
  ok.affected_rows = affected_rows;
  ok.warnings = warnings;
  ok.status = status_bits();
  transaction_tracker_.tell(ok.changes);
  scratch_.clear();
  protocol::append_ok(scratch_, ok, owner_.capabilities, reply_sequence_);
  tell_client({scratch_});
  finish_command();
}

void SessionCore::reply_error(const protocol::SqlError& error) {
  drop_rest();
  diagnostics_.on_own_error(error);
  read_lingers_ = false;
  scratch_.clear();
  protocol::append_err(scratch_, error, reply_sequence_);
  tell_client({scratch_});
  transaction_tracker_.on_untold();
  finish_command();
}

/// `scratch_` is the reply.
void SessionCore::send_reply() {
  reply_started_ = true;
  tell_client({scratch_});
  finish_command();
}

/// The reply ends with `error` in its packet `sequence`, when its time comes.
void SessionCore::hold_error(const protocol::SqlError& error, std::uint8_t sequence) {
  scratch_.clear();
  protocol::append_err(scratch_, error, sequence);
  held_.hold(scratch_, true);
}

void SessionCore::answer_held() {
  reply_started_ = true;
  if (held_.is_error()) {
    if (home_lease_.connection().forgets_warnings) {
      diagnostics_.on_home_error_forgotten(
          protocol::sql_error_of(held_.packet().subspan(protocol::kHeaderBytes)));
    }
    drop_rest();
    transaction_tracker_.on_untold();
  } else {
    keep_cursor();
  }
  tell_client({held_.packet()});
  warnings_ = 0;
  held_.clear();
  finish_command();
}

void SessionCore::on_read_only_end(Channel channel, bool failed) {
  if (failed) {
    lose(channel);
  } else if (job_.refused) {
    run_as_write();
  } else {
    finish_statement(channel);
  }
}

void SessionCore::run_as_write() {
  if (read_lease_.held()) {
    give_back(Channel::kRead, true);
  }
  job_.reader = false;
  job_.read_only = false;
  job_.channel = Channel::kHome;
  job_.wrapped = true;
  job_.keeps = has_temporary();
  job_.begun = false;
  job_.query_kind = QueryKind::kWrite;
  advance_job();
}

void SessionCore::finish_statement(Channel channel) {
  if (channel == Channel::kHome && (ask_held_locks() || ask_collation())) {
    return;  // the answer goes on
  }
  if (channel == Channel::kHome && job_.left_open && home_lease_.held()) {
    end_left_open();
  }
  if (channel == Channel::kRead) {
    // SHOW WARNINGS may ask this connection, as often as it likes.
    read_lingers_ = !job_.left_open && (read_lingers_ || warnings_ > 0 || !job_.succeeded);
  }
  warnings_ = 0;
  finish_command();
}

/// MySQL keeps what SHOW and information_schema tell in tables of InnoDB: with autocommit=0 they
/// begin a transaction there, which keeps metadata locks, and in which no branch begins (1400).
void SessionCore::end_left_open() {
  xa_buffer_.clear();
  append_plain_rollback();
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

void SessionCore::finish_command() {
  drop_table_request();
  forget_own_text();
  WorkerMetrics& metrics = effects_.metrics();
  if (job_.kind != JobKind::kNone) {
    const auto took = std::chrono::steady_clock::now() - job_.began;
    if (job_.query_kind == QueryKind::kRead) {
      metrics.read_latency.record(took);
    } else if (job_.wrapped) {
      metrics.write_latency.record(took);
    }
  }
  if (read_lease_.held() && !read_lingers_) {
    give_back(Channel::kRead, !job_.left_open);
  }
  job_.left_open = false;
  phase_ = SessionPhase::kIdle;
  job_.kind = JobKind::kNone;
  job_.wrapped = false;
  kill_requested_ = false;
  withdraw_kills();
  if (std::exchange(abort_requested_, false)) {
    // The statement has outlived its KILL QUERY.
    if (transaction_too_long_) {
      on_transaction_too_long();
    } else {
      on_abort_branch();
    }
  }
  if (command_.capacity() > kRetainedBytesMax) {
    Buffer().swap(command_);
  }
  if (job_.statement_id != 0) {
    statements_.executed(job_.statement_id);
    statements_.shrink();
  }
  if (!more_to_run()) {
    multi_.end();
    if (attributes_.types.capacity() + attributes_.values.capacity() > kRetainedBytesMax) {
      attributes_ = {};
    }
  }
  if (release_) {
    release_ = false;
    on_client_gone();
    effects_.close_client();
  }
}

void SessionCore::set_pins(router::PinSet pins) {
  if (pins == pins_) {
    return;
  }
  for (unsigned i = 0; i < router::kPinReasonsCount; ++i) {
    const auto reason = static_cast<router::PinReason>(i);
    effects_.metrics().sessions_pinned[i].add(static_cast<int>(pins.has(reason)) -
                                              static_cast<int>(pins_.has(reason)));
  }
  const bool holds = pins.has(router::PinReason::kUserLock);
  if (holds != pins_.has(router::PinReason::kUserLock)) {
    effects_.count_user_lock_holder(holds ? 1 : -1);
    lock_generation_ = job_.lock_generation;
  }
  // When they end, the next session must not find what is left of it (a program's, say).
  for (const router::PinReason reason :
       {router::PinReason::kTemporaryTable, router::PinReason::kUserLock,
        router::PinReason::kPreparedText, router::PinReason::kHandler}) {
    home_has_traces_ = home_has_traces_ || pins.has(reason);
  }
  pins_ = pins;
}

void SessionCore::add_pin(router::PinReason reason) {
  router::PinSet pins = pins_;
  pins.add(reason);
  set_pins(pins);
}

void SessionCore::remove_pin(router::PinReason reason) {
  router::PinSet pins = pins_;
  pins.remove(reason);
  set_pins(pins);
}

void SessionCore::plan_named(const router::Statement& statement) {
  const bool prepares = statement.kind == router::StatementKind::kPrepareText;
  const bool opens = statement.has(router::Flag::kOpensHandler);
  job_.ends_name = statement.kind == router::StatementKind::kDeallocateText ||
                   statement.has(router::Flag::kClosesHandler);
  if (prepares || opens || job_.ends_name) {
    job_.name = router::lower_case(router::identifier_text(statement.name));
  }
}

// Prepared statements and handlers pin until the last of their names is gone. One that the server
// does not know is gone, too.
void SessionCore::note_named(bool succeeded, router::PinSet& pins) {
  if (job_.name.empty()) {
    return;
  }
  const bool handler = job_.statement_kind == router::StatementKind::kHandler;
  NamedSet& names = handler ? handler_names_ : prepared_names_;
  if (job_.ends_name) {
    names.remove(job_.name);
  } else if (succeeded) {
    names.add(job_.name);
  }
  if (job_.ends_name && names.empty()) {
    pins.remove(handler ? router::PinReason::kHandler : router::PinReason::kPreparedText);
  }
}

void SessionCore::close_with(const protocol::SqlError& error) {
  abandon_create_select();
  scratch_.clear();
  protocol::append_err(scratch_, error, reply_sequence_);
  tell_client({scratch_});
  on_client_gone(true);
  effects_.close_client();
}

}  // namespace consort::proxy
