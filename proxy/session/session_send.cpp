// SessionCore: sending a command to its backend, with what must go before and behind it.
#include "base/branch_name.h"
#include "base/check.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/state_change.h"
#include "proxy/session/statement_rules.h"

namespace consort::proxy {

using protocol::Command;

namespace {

constexpr std::string_view kBeginReadOnly = "START TRANSACTION READ ONLY";
constexpr std::string_view kNextLocksNothing = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
constexpr std::string_view kNextWrites = "SET TRANSACTION READ WRITE";
constexpr std::string_view kNextReads = "SET TRANSACTION READ ONLY";
/// 1399 inside a branch. Outside, it begins a transaction that nobody commits.
constexpr std::string_view kBranchGuard = "START TRANSACTION";
/// 1568 inside a transaction. Outside, the next statement may only read.
constexpr std::string_view kReadOnlyGuard = "SET TRANSACTION READ ONLY";
constexpr std::string_view kNarrowLiterals = "SET collation_connection=latin1_bin";
/// The server forgets warnings and errors when a statement names a table (measured; not for DO, SET
/// or a SELECT without one).
constexpr std::string_view kClearDiagnostics = "SELECT 1 FROM (SELECT 1) AS t LIMIT 0";
constexpr std::string_view kSqlMode = "sql_mode";

}  // namespace

const ServerDialect& SessionCore::dialect(Channel channel) {
  return dialect_of(lease_of(channel).connection().kind);
}

/// MySQL lets no branch come near a temporary table (4091).
bool SessionCore::keeps_temporary_rows() const {
  return job_.keeps && home_lease_.connection().kind == ServerKind::kMariadb;
}

void SessionCore::expect(Channel channel, ReplyRole role, Command command) {
  const bool clients = role == ReplyRole::kClient;
  const bool describes = command == Command::kStmtExecute || command == Command::kStmtPrepare ||
                         command == Command::kStmtBulkExecute;
  lease_of(channel).expect({role, command, clients ? command_sequence_ : std::uint8_t{0},
                            clients && describes && keeps_metadata()});
}

Bytes SessionCore::xa_command(std::string_view verb, const BranchId& branch) {
  const std::size_t at = xa_buffer_.size();
  const std::size_t place = protocol::begin_packet(xa_buffer_);
  xa_buffer_.push_back(static_cast<std::uint8_t>(Command::kQuery));
  append(xa_buffer_, verb);
  // What the statement in front of an XA END does to the connection shows in its reply only.
  const bool may_be_wide =
      state_.literals_are_wide() || may_change_settings(job_.statement_kind) || job_.calls_unknown;
  append(xa_buffer_, may_be_wide ? branch_xid_hex_sql(options_.cluster, branch)
                                 : branch_xid_sql(options_.cluster, branch));
  protocol::finish_packet(xa_buffer_, place, 0);
  return Bytes(xa_buffer_).subspan(at);
}

/// Who leaves a schema that somebody has dropped does not come back: names without one would mean
/// another's. Who enters it once more stays in it when that fails.
bool SessionCore::looks_at_schema() {
  if (state_.schema().empty() || ordered_.schema != OwnSchema::kUnknown ||
      home_lease_.connection().schema_as_of >= effects_.schemas_changed()) {
    return false;
  }
  xa_buffer_.clear();
  protocol::append_command(xa_buffer_, Command::kInitDb, as_bytes(state_.schema()));
  expect(Channel::kHome, ReplyRole::kSchemaLook, Command::kInitDb);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
  return true;
}

/// A connection that stays in its schema creates tables with the default collation that this had
/// when it was entered (so does a server's own session); the lanes do with the present one.
void SessionCore::append_schema_again() {
  const auto add = [this](Command command, std::string_view argument) {
    protocol::append_command(xa_buffer_, command, as_bytes(argument));
    expect(Channel::kHome, ReplyRole::kSchemaAgain, command);
  };
  add(Command::kInitDb, kNeutralSchema);
  add(Command::kInitDb, state_.schema());
  if (const std::string sql = state_.schema_set_statement(); !sql.empty()) {
    add(Command::kQuery, sql);
  }
}

void SessionCore::send_job() {
  if (job_.kind == JobKind::kOrdered && phase_ != SessionPhase::kOrdering) {
    if (program_is_ready() && !asks_ddl_collation()) {
      request_order();
    }
    return;  // an answer goes on
  }
  // Who has to set a password may do nothing else there. To set it twice does no harm.
  if (owner_.password_expired) {
    ordered_.fenced = true;
    ordered_.timestamp.clear();
  }
  if (job_.kind == JobKind::kOrdered && !ordered_.fenced) {
    if (looks_at_schema()) {
      return;  // its answer goes on
    }
    xa_buffer_.clear();
    if (ordered_.schema == OwnSchema::kThere) {
      append_schema_again();
    }
    if (ordered_.program) {
      watch_program();
    }
    const bool wide = state_.literals_are_wide();  // the server takes no such SQLSTATE '..'
    if (wide) {
      protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kNarrowLiterals));
      expect(Channel::kHome, ReplyRole::kSetup, Command::kQuery);
    }
    protocol::append_command(xa_buffer_, Command::kQuery,
                             as_bytes(ddl_turn_fence(home_lease_.connection().kind, ordered_.seqno,
                                                     ordered_.timestamp)));
    expect(Channel::kHome, ReplyRole::kDdlFence, Command::kQuery);
    if (wide) {
      protocol::append_command(xa_buffer_, Command::kQuery,
                               as_bytes(state_.set_statement(home_lease_.connection().kind)));
      expect(Channel::kHome, ReplyRole::kSetup, Command::kQuery);
    }
    effects_.send_backend(Channel::kHome, {xa_buffer_});
    return;  // its answer goes on
  }
  if (job_.kind == JobKind::kLockTables) {
    send_table_lock();
    return;
  }
  if (job_.kind == JobKind::kRefused && job_.text_read) {
    reply_error(job_.refusal);
    return;
  }
  if (job_.kind == JobKind::kRefused) {
    ask_to_read(text_to_read());
    return;
  }
  if (asks_globals() || asks_about_rows() || asks_about_copy()) {
    return;  // its answer goes on
  }
  if (job_.kind == JobKind::kKill) {
    send_kill_check();
    return;
  }
  if (asks_immediate_text() || asks_tracking() || asks_call_question()) {
    return;  // its answer goes on
  }
  if (job_.kind == JobKind::kProcesses) {
    send_process_check();
    return;
  }
  if (must_begin_alone()) {
    begin_alone();
    return;  // its OK goes on
  }
  Bytes command = command_;
  Command kind = Command::kQuery;
  if (job_.kind == JobKind::kOrdered && !ordered_.program) {
    command = ordered_.command;
  } else if (job_.kind == JobKind::kExecute || ordered_prepared()) {
    if (!prepare_execute(command)) {
      return;
    }
    kind = job_.bulk ? Command::kStmtBulkExecute : Command::kStmtExecute;
  } else if (job_.kind != JobKind::kSnapshot) {
    kind = static_cast<Command>(command_[protocol::kHeaderBytes]);
  }
  if (job_.may_prepare) {
    text_statements_.clear();
  }
  sent_command_ = kind;
  job_.told_columns = false;
  job_.telling.clear();
  job_.columns = 0;
  job_.other_columns.reset();
  ordered_.running = job_.kind == JobKind::kOrdered;
  home_has_traces_ = home_has_traces_ || job_.leaves_traces;
  if (job_.names_sequence) {
    taken_numbers_.on_sent();
  }
  phase_ = job_.kind == JobKind::kOrdered ? SessionPhase::kOrdering : SessionPhase::kRelaying;
  effects_.metrics().count_query(
      job_.query_kind, job_.channel == Channel::kHome ? *home_ : read_lease_.connection().backend);
  if (job_.wrapped) {
    send_wrapped(command);
  } else if (job_.needs_branch && !transaction_.on_backend()) {
    send_in_transaction(command);
  } else if (job_.read_only) {
    send_read_only(command);
  } else {
    if (transaction_.on_backend() && job_.may_write) {
      transaction_.note_write();
    }
    xa_buffer_.clear();
    append_preparation();
    if (job_.channel == Channel::kHome && job_.asks_diagnostics && diagnostics_.home_stale()) {
      diagnostics_.on_home_renewed();
      append_diagnostics();
    }
    append_text_question();
    branch_keeps_ = branch_keeps_ || (keeps_temporary_rows() && transaction_.on_backend());
    expect(job_.channel, client_role(), kind);
    effects_.send_backend(job_.channel, {xa_buffer_, command, restoration()});
  }
}

/// Of the reply that the client hears.
ReplyRole SessionCore::client_role() const {
  if (job_.shows_grants) {
    return ReplyRole::kGrants;
  }
  return job_.status_use == StatusUse::kShow && counters_.count() ? ReplyRole::kStatus
                                                                  : ReplyRole::kClient;
}

bool SessionCore::begins_on_backend() const {
  return job_.wrapped || (job_.needs_branch && !transaction_.on_backend()) ||
         (job_.read_only && !transaction_.on_backend());
}

bool SessionCore::must_begin_alone() const {
  if (job_.begun || !begins_on_backend() || job_.kind == JobKind::kSnapshot) {
    return false;
  }
  const auto limit = state_.variable("max_statement_time");
  return options_.statements_time_out ||
         (limit && limit->find_first_of("123456789") != limit->npos);
}

void SessionCore::begin_alone() {
  phase_ = SessionPhase::kRelaying;
  job_.begun = true;
  job_.begins_alone = true;
  xa_buffer_.clear();
  append_insert_id();
  append_user_variables();
  append_begin();
  effects_.send_backend(job_.channel, {xa_buffer_});
}

void SessionCore::on_begun_alone() {
  job_.begins_alone = false;
  send_job();
}

// What the client's statement runs in: its branch, or a read-only transaction.
void SessionCore::append_begin() {
  const bool alone = job_.read_only && !job_.needs_branch && !job_.wrapped;
  if (alone && next_is_serializable(job_.channel)) {
    // The client's read is in no transaction: there a server takes no locks for it at any level.
    expect(job_.channel, ReplyRole::kIgnored, Command::kQuery);
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kNextLocksNothing));
  }
  const bool read_write = !alone && begins_against_default();
  const bool reads_only = !alone && begins_read_only();
  const bool plain = reads_only && has_temporary();  // its COMMIT keeps their rows
  if (read_write || (reads_only && !plain)) {        // XA START cannot say so
    expect(job_.channel, ReplyRole::kSetup, Command::kQuery);
    protocol::append_command(xa_buffer_, Command::kQuery,
                             as_bytes(read_write ? kNextWrites : kNextReads));
  }
  expect(job_.channel, ReplyRole::kSetup, Command::kQuery);
  if (alone) {
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kBeginReadOnly));
    return;
  }
  const BranchId branch = effects_.next_branch();
  note_branch_start();
  transaction_.start(branch, plain);
  if (next_transaction_.pending() || read_write) {  // a READ ONLY one is never detached
    home_transaction_settings_stale_ = true;
    home_has_traces_ = true;
  }
  transaction_began_ = job_.began;
  if (!job_.wrapped) {
    next_transaction_.begin();
  }
  if (!plain) {
    xa_command("XA START ", branch);
  } else if (transaction_.traits().consistent_snapshot) {
    protocol::append_command(xa_buffer_, Command::kQuery,
                             as_bytes("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"));
  } else {
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kBeginReadOnly));
  }
}

bool SessionCore::next_is_serializable(Channel channel) {
  if (next_transaction_.isolation() != router::IsolationLevel::kUnset) {
    return next_transaction_.isolation() == router::IsolationLevel::kSerializable;
  }
  return isolation_on(channel) == "SERIALIZABLE";
}

// In front of whatever comes behind such a branch: the next transaction, a SET TRANSACTION for it.
void SessionCore::append_transaction_settings() {
  if (!home_transaction_settings_stale_ || job_.channel != Channel::kHome ||
      transaction_.on_backend()) {
    return;
  }
  home_transaction_settings_stale_ = false;
  expect(Channel::kHome, ReplyRole::kInsertId, Command::kQuery);
  protocol::append_command(xa_buffer_, Command::kQuery,
                           as_bytes(dialect(Channel::kHome).renew_transaction_settings));
  append_one_shot();
}

// The client's statement is on its way before the beginning has its OK. Should that alone fail (a
// KILL QUERY, a time limit), the statement would be committed by itself, on one backend. So
// something stands between them that the server refuses inside, and that outside sees to it that
// the statement changes nothing that lasts: closing the connection rolls a plain transaction back.
// A second failure in a row gets past it: where that is likely, the beginning is sent alone.
// Decision 0008.
void SessionCore::append_guard() {
  const bool plain = job_.read_only && !job_.needs_branch && !job_.wrapped;
  const bool read_only = plain || transaction_.is(TransactionState::kReadOnly);
  expect(job_.channel, ReplyRole::kIgnored, Command::kQuery);
  protocol::append_command(xa_buffer_, Command::kQuery,
                           as_bytes(read_only ? kReadOnlyGuard : kBranchGuard));
}

// What the client asks about is no statement of this connection.
void SessionCore::append_diagnostics() {
  expect(Channel::kHome, ReplyRole::kIgnored, Command::kQuery);
  const auto& error = diagnostics_.own_error();
  if (!error || state_.literals_are_wide()) {
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kClearDiagnostics));
    return;
  }
  const std::string signal = "SIGNAL SQLSTATE '" + error->state +
                             "' SET MYSQL_ERRNO=" + std::to_string(error->code) +
                             ",MESSAGE_TEXT=" + sql_text_literal(error->message);
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(signal));
}

/// Is what begins on the home READ ONLY? With autocommit=0 it begins here for the client, too.
bool SessionCore::begins_read_only() {
  if (!job_.wrapped && !transaction_.open() && next_reads_only()) {
    transaction_.begin({true, false});
  }
  return transaction_.open() && transaction_.traits().read_only;
}

void SessionCore::ask_home(std::string_view sql, ReplyRole role) {
  xa_buffer_.clear();
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(sql));
  expect(Channel::kHome, role, Command::kQuery);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

// What stands before the client's statement and whatever it is to run in.
void SessionCore::append_preparation() {
  append_kept_settings();
  append_insert_id();
  append_user_variables();
  append_statement_reset();
  if ((job_.sets_state && a_program_may_have_run()) || tracking_mistakes()) {
    append_own_tracking(job_.channel, ReplyRole::kIgnored);
  }
  if (job_.mode.any()) {
    const std::string sql = "SET SESSION sql_mode=" + job_.mode.expression("@@sql_mode");
    expect(job_.channel, ReplyRole::kIgnored, Command::kQuery);
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(sql));
  }
}

// What stands behind the client's statement to undo append_preparation().
Bytes SessionCore::restoration() {
  scratch_.clear();
  if (tracking_mistakes()) {
    expect(job_.channel, ReplyRole::kIgnored, Command::kQuery);
    protocol::append_command(scratch_, Command::kQuery,
                             as_bytes(dialect(job_.channel).tell_everything));
  }
  if (!job_.mode.any()) {
    return scratch_;
  }
  expect(job_.channel, ReplyRole::kIgnored, Command::kQuery);
  protocol::append_command(scratch_, Command::kQuery, as_bytes(state_.set_statement_of(kSqlMode)));
  return scratch_;
}

// Whoever executed the statement on this connection before may have left long data behind, or the
// error of such, which the server keeps until this.
void SessionCore::append_statement_reset() {
  if (job_.reset_first == 0) {
    return;
  }
  expect(job_.channel, ReplyRole::kIgnored, Command::kStmtReset);
  const std::size_t place = protocol::begin_packet(xa_buffer_);
  xa_buffer_.push_back(static_cast<std::uint8_t>(Command::kStmtReset));
  append_le<4>(xa_buffer_, job_.reset_first);
  protocol::finish_packet(xa_buffer_, place, 0);
}

void SessionCore::send_wrapped(Bytes command) {
  xa_buffer_.clear();
  append_preparation();
  if (!job_.begun) {
    append_begin();
    append_guard();
  }
  const std::size_t start_bytes = xa_buffer_.size();
  transaction_.note_write();
  branch_keeps_ = keeps_temporary_rows();
  expect(Channel::kHome, ReplyRole::kClient, sent_command_);
  const Bytes restore = restoration();
  if (!job_.sends_file) {
    last_seen_at_prepare_ = last_seen_at_start_;
    append_wrapped_end();
  }
  const Bytes xa(xa_buffer_);
  effects_.send_backend(Channel::kHome,
                        {xa.first(start_bytes), command, restore, xa.subspan(start_bytes)});
}

void SessionCore::append_wrapped_end() {
  const BranchId branch = transaction_.branch();
  transaction_.certify();
  append_warnings_question();
  append_mark();
  xa_command("XA END ", branch);
  xa_command("XA PREPARE ", branch);
  expect(Channel::kHome, ReplyRole::kXaEnd, Command::kQuery);
  expect(Channel::kHome, ReplyRole::kXaPrepare, Command::kQuery);
}

/// The server would have taken these for a part of the file.
void SessionCore::end_wrapped_file() {
  xa_buffer_.clear();
  last_seen_at_prepare_ = effects_.applied(*home_);
  append_wrapped_end();
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

// As early as this, because who deletes a parent looks for children when the statement runs, and
// the lane applies a child without asking the parent's lock.
void SessionCore::note_branch_start() {
  lane_generation_ = effects_.lane_generation(*home_);
  last_seen_at_start_ = effects_.applied(*home_);
}

void SessionCore::send_read_only(Bytes command) {
  // A view may call a function that writes. Here the server refuses that, before the first row.
  job_.refused = false;
  xa_buffer_.clear();
  append_preparation();
  if (!job_.begun) {
    append_begin();
    append_guard();
  }
  const std::size_t start_bytes = xa_buffer_.size();
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kPlainCommit));
  expect(job_.channel, ReplyRole::kClient, sent_command_);
  expect(job_.channel, ReplyRole::kReadOnlyEnd, Command::kQuery);
  const Bytes ours(xa_buffer_);
  effects_.send_backend(job_.channel,
                        {ours.first(start_bytes), command, ours.subspan(start_bytes)});
}

void SessionCore::send_in_transaction(Bytes command) {
  // There a server takes no snapshot, and ours would lock the row that the lane moves.
  const bool takes_none = next_is_serializable(Channel::kHome);
  xa_buffer_.clear();
  append_preparation();
  append_begin();
  if (job_.may_write) {
    transaction_.note_write();
  }
  if (job_.kind == JobKind::kSnapshot) {
    if (!transaction_.is(TransactionState::kReadOnly) && !takes_none) {
      // A branch cannot be told to take its snapshot at once; its first read does.
      expect(Channel::kHome, ReplyRole::kSetup, Command::kQuery);
      protocol::append_command(xa_buffer_, Command::kQuery,
                               as_bytes(dialect(Channel::kHome).open_snapshot));
    }
    effects_.send_backend(Channel::kHome, {xa_buffer_});
    return;  // the last setup reply answers the client
  }
  append_guard();
  if (job_.asks_diagnostics) {
    diagnostics_.on_home_renewed();
    append_diagnostics();  // else it would show the guard's refusal
  }
  branch_keeps_ = keeps_temporary_rows();
  expect(Channel::kHome, client_role(), sent_command_);
  effects_.send_backend(Channel::kHome, {xa_buffer_, command, restoration()});
}

bool SessionCore::prepare_execute(Bytes& command) {
  const bool with_cursor = passes_cursor();
  const std::string& key = execution_key();
  BackendStatement* known = effects_.backend_statement(job_.channel, key);
  const bool mysql = lease_of(job_.channel).connection().kind == ServerKind::kMysql;
  const bool spoiled = known != nullptr && !job_.bulk &&
                       (statements_.long_data_spoils(job_.statement_id, *known) ||
                        (mysql && statements_.types_spoil(job_.statement_id, *known)));
  if (known == nullptr || spoiled) {
    reprepare();  // in the place of one that is known
    return false;
  }
  job_.reset_first = known->has_long_data ? known->id : 0;
  const auto execution = statements_.execution(
      {effects_.session_id(), job_.statement_id, job_.bulk, with_cursor,
       protocol::sends_attributes(lease_of(job_.channel).connection().capabilities) ? &attributes_
                                                                                    : nullptr},
      command_, *known);
  if (const auto* error = std::get_if<protocol::SqlError>(&execution)) {
    if (phase_ == SessionPhase::kOrdering) {
      refuse_turn(*error);
    } else {
      reply_error(*error);
    }
    return false;
  }
  command = std::get<Bytes>(execution);
  return true;
}

void SessionCore::reprepare() {
  phase_ = phase_ == SessionPhase::kOrdering ? phase_ : SessionPhase::kRelaying;
  scratch_.clear();
  const auto append = [this](Command command, std::string_view argument, ReplyRole role) {
    protocol::append_command(scratch_, command, as_bytes(argument));
    expect(job_.channel, role, command);
  };
  const PreparedStatements::Context& then = statements_.context(job_.statement_id);
  // Its names mean tables of the schema in which the client prepared it, its quotes and literals
  // what they meant then.
  const std::string& schema = then.schema;
  const bool elsewhere = !schema.empty() && !state_.schema().empty() && schema != state_.schema();
  std::string reading;
  std::string reading_now;
  if (then.settings != state_.settings()) {
    reading = SessionState::reading_set_statement(then.settings, owner_.collation);
    reading_now = SessionState::reading_set_statement(state_.settings(), owner_.collation);
  }
  const bool reads_otherwise = reading != reading_now;
  if (elsewhere) {
    append(Command::kInitDb, schema, ReplyRole::kSetup);
  }
  if (reads_otherwise) {
    append(Command::kQuery, reading, ReplyRole::kSetup);
  }
  append(Command::kStmtPrepare,
         job_.own_text.empty() ? statements_.find(job_.statement_id)->sql : job_.own_text,
         ReplyRole::kReprepare);
  if (reads_otherwise) {
    append(Command::kQuery, reading_now, ReplyRole::kSetup);
  }
  if (elsewhere) {
    append(Command::kInitDb, state_.schema(), ReplyRole::kSetup);
  }
  effects_.send_backend(job_.channel, {scratch_});
}

}  // namespace consort::proxy
