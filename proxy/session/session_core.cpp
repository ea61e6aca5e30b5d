#include "proxy/session/session_core.h"

#include "protocol/packet_writer.h"

namespace consort::proxy {

std::string_view to_text(SessionPhase phase) {
  switch (phase) {
    case SessionPhase::kIdle:
      return "idle";
    case SessionPhase::kAwaitingBackend:
      return "awaiting_backend";
    case SessionPhase::kAwaitingTables:
      return "awaiting_tables";
    case SessionPhase::kRelaying:
      return "relaying";
    case SessionPhase::kPreparing:
      return "committing";
    case SessionPhase::kCertifying:
      return "certifying";
    case SessionPhase::kRollingBack:
      return "rolling_back";
    case SessionPhase::kOrdering:
      return "ordering";
    case SessionPhase::kAskingOthers:
      return "asking_others";
    case SessionPhase::kDraining:
      return "draining";
    case SessionPhase::kClosing:
      return "closing";
  }
  return "closing";
}

SessionCore::SessionCore(SessionEffects& effects, const Options& options)
    : effects_(effects),
      options_(options),
      statements_({options.statements_max, options.long_data_bytes_max}) {}

void SessionCore::begin(SessionOwner owner) {
  owner_ = std::move(owner);
  if (!authenticated_) {  // COM_CHANGE_USER leaves what COM_SET_OPTION said
    authenticated_ = true;
    multi_statements_ = (owner_.capabilities & protocol::capability::kMultiStatements) != 0;
    note_first_settings(owner_.capabilities);
  }
  state_.set_schema(owner_.schema, effects_.schemas_changed());
  diagnostics_.set_row_count(
      0);  // as on a fresh connection: its home's may have been another's before
  commits_.on_other(effects_.globals_changed_at());
  phase_ = SessionPhase::kIdle;
}

void SessionCore::begin_checked(SessionOwner owner, std::uint8_t sequence) {
  if (authenticated_) {
    prior_owner_ = std::pair(owner_, state_.schema());
  }
  begin(std::move(owner));
  job_ = {};
  job_.kind = JobKind::kLogin;
  job_.began = std::chrono::steady_clock::now();
  reply_sequence_ = sequence;
  reply_started_ = false;
  advance_job();
}

/// The account may not use the database, or a plugin's password was wrong.
void SessionCore::refuse_login(const protocol::SqlError& error) {
  if (!prior_owner_) {
    close_with(error);
    return;
  }
  job_ = {};
  owner_ = std::move(prior_owner_->first);
  state_.set_schema(prior_owner_->second, {});
  prior_owner_.reset();
  phase_ = SessionPhase::kIdle;
  effects_.deny_change(error, reply_sequence_);
}

/// What it has from its beginning on as if it had set it. As on a server, what a client's login
/// says of it holds only until it resets its session.
void SessionCore::note_first_settings(std::uint64_t capabilities) {
  for (const auto& [name, value] : effects_.first_settings(capabilities)) {
    if (!tracking_.set_first(name, value)) {
      state_.set_variable(name, value);
    }
  }
}

void SessionCore::reset() {
  abandon_branch();
  release_tables();
  const bool clean = pins_.empty() && !transaction_.on_backend();
  transaction_.end();
  for (const Channel channel : {Channel::kHome, Channel::kRead}) {
    if (lent(channel)) {
      give_back(channel, clean);
    }
  }
  insert_id_.reset();
  taken_numbers_.reset();
  read_lingers_ = false;
  diagnostics_.reset();
  counters_.end();
  warnings_ = 0;
  job_ = {};
  multi_.end();
  set_pins({});
  autocommit_ = true;
  next_transaction_.reset();
  abort_requested_ = false;
  kill_requested_ = false;
  chain_ = false;
  release_ = false;
  const std::string schema = state_.schema();
  const Seqno schema_as_of = state_.schema_as_of();
  state_.reset();
  state_.set_schema(schema, schema_as_of);
  tracking_ = {};
  note_first_settings(0);
  statements_.clear();
  text_statements_.clear();
  branch_tables_.clear();
  branch_keeps_ = false;
  kept_commit_ = {};
  temporary_.clear();
  temporary_after_.reset();
  found_rows_.reset();
  prepared_names_.clear();
  handler_names_.clear();
  prepared_calls_.clear();
  lost_transaction_ = false;
  carried_variables_.reset();
  variables_stay_ = false;
  user_locks_.reset();
  commits_.on_other(effects_.globals_changed_at());
  tracking_change_.reset();
  transaction_tracker_.reset();
}

void SessionCore::on_client_gone(bool aborted) {
  abandon_create_select();
  abandon_branch();
  release_tables();
  const bool on_backend = transaction_.on_backend();
  phase_ = SessionPhase::kClosing;
  multi_.end();
  file_.wanted = false;
  transaction_.end();
  for (const Channel channel : {Channel::kHome, Channel::kRead}) {
    if (lent(channel)) {
      const bool clean = !lease_of(channel).owes_reply() && pins_.empty() && !on_backend;
      give_back(channel, clean && !aborted);
    }
  }
  set_pins({});
}

}  // namespace consort::proxy
