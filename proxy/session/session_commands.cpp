// SessionCore: the client's commands, and what each becomes.
#include <algorithm>

#include "base/check.h"
#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"
#include "protocol/single_value.h"
#include "proxy/session/rebuilt_partitions.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"
#include "proxy/session/told_as_one.h"
#include "router/named_account.h"
#include "router/own_schema.h"
#include "router/session_scope.h"
#include "router/session_values.h"
#include "router/token.h"

namespace consort::proxy {

using protocol::Command;
using router::Flag;
using router::Statement;
using router::StatementKind;

void SessionCore::begin_command() {
  ++command_number_;
  reply_started_ = false;
  lease_error_.reset();
  held_.clear();
  job_ = {};
  ordered_.reply_from = 0;
  tracking_change_.reset();
  job_.began = std::chrono::steady_clock::now();
}

void SessionCore::on_command(const ClientCommand& command) {
  CHECK(idle());
  command_.assign(command.wire.begin(), command.wire.end());
  command_sequence_ = command.sequence;
  reply_sequence_ = static_cast<std::uint8_t>(command.sequence + 1);
  begin_command();
  if (command.payload.empty()) {
    close_with(protocol::malformed_packet_error());
    return;
  }
  if (!protocol::sends_attributes(owner_.capabilities)) {
    run_command(command.payload);
    return;
  }
  Buffer plain;
  if (const auto error = take_attributes(command.payload, plain)) {
    reply_error(*error);
    return;
  }
  command_.clear();
  protocol::append_packet(command_, plain, 0);
  run_command(plain);
}

void SessionCore::run_command(Bytes payload) {
  const auto kind = static_cast<Command>(payload[0]);
  const Bytes argument = payload.subspan(1);
  switch (kind) {
    case Command::kQuery:
      on_query(as_text(argument));
      return;
    case Command::kStmtBulkExecute:
    case Command::kStmtExecute:
      on_execute(payload);
      return;
    case Command::kStmtPrepare:
      on_prepare(as_text(argument));
      return;
    case Command::kStmtFetch:
      on_fetch(payload);
      return;
    case Command::kStmtClose:
      on_statement_close(payload);
      return;
    case Command::kStmtReset:
      on_statement_reset(payload);
      return;
    case Command::kStmtSendLongData:
      statements_.add_long_data(payload);  // no reply belongs to it
      finish_command();
      return;
    case Command::kInitDb: {
      std::string sql = "USE `";
      for (const char c : as_text(argument)) {
        sql += c;
        if (c == '`') {
          sql += '`';
        }
      }
      sql += '`';
      const Statement statement = router::classify(sql, lexer_options());
      job_.statement_kind = StatementKind::kUse;
      job_.sets_state = true;
      run_at_home(statement, JobKind::kQuery);
      return;
    }
    case Command::kPing:
      reply_ok();
      return;
    case Command::kProcessKill: {
      protocol::Reader reader(argument);
      const std::uint32_t id = reader.u32();
      if (reader.failed()) {
        reply_error(protocol::malformed_packet_error());
      } else {
        kill({id});
      }
      return;
    }
    case Command::kSetOption:
      set_option(argument);
      return;
    case Command::kResetConnection:
      reset();
      owner_.collation = effects_.reset_collation(owner_.collation);
      state_.stay_in_schema();
      reply_ok();
      return;
    case Command::kQuit:
      on_client_gone();
      effects_.close_client();
      return;
    default:
      on_server_command(kind, argument);
      return;
  }
}

void SessionCore::on_query(std::string_view sql) {
  const Statement statement = router::classify(sql, lexer_options());
  if (multi_statements_ && another_follows(statement)) {
    multi_.begin(sql, reply_sequence_);
    run_next_statement();
  } else if (statement.has(Flag::kMultiStatement)) {
    run_unseparated(sql, statement, JobKind::kQuery);
  } else {
    run_query(sql, statement);
  }
}

void SessionCore::run_query(std::string_view sql, const Statement& statement) {
  if (run_text_statement(sql, statement)) {
    return;
  }
  if (const auto own = with_own_values(sql, statement, Command::kQuery)) {
    run_statement(router::classify(*own, lexer_options()), *own, JobKind::kQuery);
    return;
  }
  run_statement(statement, sql, JobKind::kQuery);
}

/// The text with this session's values for CONNECTION_ID(), ROW_COUNT() and @@session_track_*, with
/// ours where it sets session_track_*, its account where one is meant, a scope for every variable
/// that it sets, and without our schema in a list of all, then also in `command_`.
std::optional<std::string> SessionCore::with_own_values(std::string_view sql,
                                                        const Statement& statement,
                                                        Command kind) {
  if (auto shared = with_shared_sequence(sql, statement, kind)) {
    return shared;
  }
  if (const auto scoped = router::with_session_scope(sql, statement)) {
    if (auto own = with_own_values(*scoped, router::classify(*scoped, lexer_options()), kind)) {
      return own;
    }
    show_as(sql);
    replace_command(*scoped, kind);
    return scoped;
  }
  router::SessionValues values;
  if (statement.has(Flag::kConnectionId)) {
    values.connection_id = owner_.connection_id;
  }
  // The home's own count is of our XA statements. Inside a branch none of them come in between.
  if (statement.has(Flag::kRowCount) && kind == Command::kQuery && !transaction_.on_backend() &&
      lone_row_count(sql).empty()) {
    values.row_count = diagnostics_.row_count();
  }
  if (statement.has(Flag::kFoundRows) && kind == Command::kQuery) {
    values.found_rows = found_rows_.value();
  }
  if (kind == Command::kQuery && statement.kind != StatementKind::kShow) {
    note_own_globals(sql, values);
  }
  if (statement.has(Flag::kTracking)) {
    values.track_schema = tracking_.schema_sql();
    values.track_variables = tracking_.list_sql();
  }
  std::optional<std::string> own;
  if (statement.has(Flag::kGuardedSetting) && kind == Command::kQuery) {
    if (auto set = router::with_own_tracking(sql, statement)) {
      plan_tracking(*set);
      own = std::move(set->sql);
    }
  } else if (values.connection_id || values.row_count || values.found_rows ||
             statement.has(Flag::kTracking) || !values.read_only.empty() ||
             !values.event_scheduler.empty() || !values.init_connect.empty()) {
    own = router::with_session_values(sql, statement, lexer_options(), values);
  } else if (statement.kind == StatementKind::kShow) {
    own = kind == Command::kQuery ? with_own_global_shown(sql) : std::nullopt;
    if (!own) {
      own = router::without_own_schema(sql, statement, lexer_options());
    }
  } else if (statement.has(Flag::kCurrentUser) ||
             (statement.has(Flag::kCreatorsRole) && !effects_.mysql())) {
    own = router::with_account_named(sql, statement, lexer_options(), owner_.definer);
  }
  if (own) {
    show_as(sql);
    replace_command(*own, kind);
  }
  return own;
}

void SessionCore::replace_command(std::string_view sql, Command kind) {
  command_.clear();
  const std::uint8_t next = protocol::append_command(command_, kind, as_bytes(sql));
  command_sequence_ = static_cast<std::uint8_t>(next - 1);
}

/// What others see instead of the command that is sent, unless they see something older already.
void SessionCore::show_as(std::string_view sql) {
  if (job_.shown_sql.empty()) {
    job_.shown_sql = sql.substr(0, kProcessInfoBytesMax);
  }
}

void SessionCore::on_prepare(std::string_view sql) {
  statements_.begin_prepare();
  if (!statements_.has_room()) {
    reply_error(protocol::too_many_statements_error(statements_.statements_max()));
    return;
  }
  const Statement statement = router::classify(sql, lexer_options());
  // Of several statements in one text the server has its own opinion: it prepares no such thing.
  if (const std::string_view what = unsupported_feature(statement, state_.schema());
      !what.empty()) {
    reply_error(protocol::not_supported_error(what));
    return;
  }
  if (const std::string what = definition_refusal(statement, sql, true); !what.empty()) {
    reply_error(protocol::not_supported_error(what));
    return;
  }
  preparing_sql_ =
      with_own_values(sql, statement, Command::kStmtPrepare).value_or(std::string(sql));
  job_.kind = JobKind::kPrepare;
  job_.statement_kind = statement.kind;
  job_.digest = statement.digest;
  job_.query_kind = QueryKind::kPrepare;
  job_.leaves_traces = makes_variables(statement);
  if (job_.leaves_traces) {
    job_.channel = Channel::kHome;
    job_.pins.added.add(router::PinReason::kUserVariables);
  }
  job_.needs_branch = transaction_.on_backend() || begins_against_default();
  advance_job();
}

/// The statement that is to be executed, with its parameters' types; nullptr: answered.
protocol::ClientStatement* SessionCore::bind_execution(Bytes payload) {
  const bool able = (owner_.capabilities & protocol::capability::kMariadbStmtBulk) != 0;
  const auto id = protocol::statement_id_of(payload);
  if (!id.ok()) {
    reply_error(protocol::malformed_packet_error());
    return nullptr;
  }
  if (job_.bulk && !able) {
    reply_error(protocol::unsupported_prepared_error());
    return nullptr;
  }
  protocol::ClientStatement* statement = statements_.find(*id);
  if (statement == nullptr) {
    reply_error(protocol::unknown_statement_error(*id, "execute"));
    return nullptr;
  }
  const Status bound = job_.bulk ? protocol::bind_bulk_types(payload, *statement)
                                 : protocol::bind_types(payload, *statement);
  if (!bound.ok()) {
    reply_error(protocol::malformed_packet_error());
    return nullptr;
  }
  if (const auto error = statements_.long_data_error(statement->client_id)) {
    reply_error(*error);
    return nullptr;
  }
  return statement;
}

void SessionCore::on_execute(Bytes payload) {
  job_.bulk = payload[0] == static_cast<std::uint8_t>(Command::kStmtBulkExecute);
  const protocol::ClientStatement* statement = bind_execution(payload);
  if (statement == nullptr) {
    return;
  }
  if (statements_.has_cursor(statement->client_id)) {
    close_cursor(statement->client_id);
  }
  job_.wants_cursor = !job_.bulk && protocol::execute_wants_cursor(payload);
  job_.statement_id = statement->client_id;
  run_prepared();
}

void SessionCore::run_prepared() {
  const std::string& sql = statements_.find(job_.statement_id)->sql;
  router::LexerOptions options = lexer_options();
  const router::LexerOptions& prepared = statements_.context(job_.statement_id).lexer;
  options.oracle = prepared.oracle;  // what BEGIN means was settled then
  if (options != prepared) {
    options.doubtful = true;  // read one way here, perhaps the other way there
    options.ascii_is_certain = false;
  }
  const Statement& classified =
      statements_.classified(job_.statement_id, options, effects_.classifications());
  if (classified.has(Flag::kMultiStatement)) {
    run_unseparated(sql, classified, JobKind::kExecute);
  } else if (classified.has(Flag::kGuardedSetting) && !classified.has(Flag::kPlaceholders)) {
    const std::string text = sql;
    job_.statement_id = 0;  // a SET of session_track_* runs as text: its OK is the same
    replace_command(text, Command::kQuery);
    run_query(text, router::classify(text, lexer_options()));
  } else {
    run_statement(classified, sql, JobKind::kExecute);
  }
}

void SessionCore::run_statement(const Statement& statement, std::string_view sql, JobKind kind) {
  job_.statement_kind = statement.kind;
  job_.digest = statement.digest;
  job_.query_kind = query_kind(statement, kind == JobKind::kExecute);
  job_.asks_diagnostics = statement.has(Flag::kDiagnostics);
  job_.sets_state = router::sets_session_state(statement);
  job_.sets_several = statement.settings.size() > 1;
  job_.sets_collation = sets_collation(statement);
  job_.restarts_clock = restarts_clock(statement);
  job_.told_as_one = sets_told_as_one(statement);
  job_.numbers = job_.told_as_one ? numbers_told_as_one(statement) : decltype(job_.numbers){};
  job_.sets_next = router::sets_next_transaction(sql, statement);
  job_.passing_settings = statement.has(Flag::kSetStatement);
  job_.uses_engine = uses_engine(statement, state_.schema());
  job_.reaches_tables = job_.uses_engine || runs_program(statement);
  job_.commits_by_itself = statement.has(Flag::kImplicitCommit);
  job_.touches_tables = statement.has(Flag::kTouchesTables);
  job_.calls_unknown = statement.has(Flag::kUnknownFunction);
  // MySQL forgets them with every statement.
  const bool forgets =
      statement.kind == StatementKind::kShow || home_lease_.connection().kind == ServerKind::kMysql;
  job_.names_tables = statement.has(Flag::kTouchesTables) || (forgets && !job_.asks_diagnostics);
  temporary_after_.reset();
  diagnostics_.on_statement(job_.asks_diagnostics, job_.names_tables);
  found_rows_.begin(statement, sql, effects_.triggers());
  if (job_.asks_diagnostics && kind == JobKind::kQuery && answer_own_diagnostics(sql)) {
    return;
  }
  // A SELECT without a table leaves to the server's diagnostics what they are.
  const bool keeps_diagnostics = statement.kind == StatementKind::kSelect && !job_.reaches_tables &&
                                 !job_.names_tables && !transaction_.open() &&
                                 !statement.has(Flag::kExecutesInner) &&
                                 statement.hints.backend.empty();
  if (read_lingers_ && !statement.has(Flag::kDiagnostics) && !keeps_diagnostics) {
    read_lingers_ = false;
    give_back(Channel::kRead, true);
  }
  if (insert_id_.lost() && statement.has(Flag::kLastInsertId)) {
    close_with(protocol::server_shutdown_error());  // a wrong one would be stored somewhere
    return;
  }
  if (transaction_.is(TransactionState::kMustAbort)) {
    finish_aborted(statement);
    return;
  }
  if (lost_transaction_ && meets_lost_transaction(statement)) {
    return;
  }
  if (const std::string_view what = unsupported_feature(statement, state_.schema());
      !what.empty()) {
    reply_error(protocol::not_supported_error(what));
    return;
  }
  if (const std::string what = definition_refusal(statement, sql, kind == JobKind::kExecute);
      !what.empty()) {
    reply_error(protocol::not_supported_error(what));
    return;
  }
  if (statement.kind == StatementKind::kSetTransaction && transaction_.open() && autocommit_ &&
      statement.transaction.scope == router::SetScope::kUnscoped) {
    reply_error(protocol::transaction_in_progress_error());  // it may be open here only
    return;
  }
  if (user_locks_lost()) {
    close_with(protocol::server_shutdown_error());
    return;
  }
  note_lock_names(statement, sql);
  if (statement.has(Flag::kRowCount) && answer_row_count(statement, sql)) {
    return;
  }
  if (statement.kind == StatementKind::kShow && !owner_.password_expired &&
      answer_about_sessions(sql, kind == JobKind::kExecute)) {
    return;
  }
  job_.status_use =
      job_.wants_cursor ? StatusUse::kNone : status_use(sql, statement, lexer_options());
  job_.flushes_privileges = flushes_privileges(statement, sql);
  job_.shows_grants = !job_.wants_cursor && router::shows_grants(sql, statement, lexer_options());
  if (asks_process_table(statement, sql, kind)) {
    return;  // the answer goes on
  }
  if (ask_about_tables(statement)) {
    return;  // their answers go on
  }
  if (effects_.may_only_read() && writes_against_read_only(statement, sql)) {
    reply_error(read_only_server_error());
    return;
  }
  if (run_table_lock(statement, sql)) {
    return;
  }
  job_.mode.substitutes_engine =
      (statement.has(Flag::kTemporary) && names_engine(sql) && !creates_select()) ||
      copies_definition(statement) || may_rebuild_partitions(statement, sql, lexer_options());
  job_.copies_temporary = statement.has(Flag::kTemporary) && copies_definition(statement);
  job_.mode.ignores_directories = names_directory(statement, sql);
  const router::Route route = router::decide(statement, traits(), options_.policy);
  if (statement.has(Flag::kCreateSelect) && !statement.has(Flag::kTemporary) &&
      create_select_step() != CreateSelectStep::kCreate &&  // which selects nothing
      route.target != router::Target::kRefuse) {
    begin_create_select(statement, sql);
    return;
  }
  switch (route.target) {
    case router::Target::kAnyFresh:
      if (job_.wants_cursor) {  // its rows are to be had where it was opened
        run_at_home(statement, kind);
      } else {
        run_anywhere(statement, route, kind);
      }
      return;
    case router::Target::kHome:
      run_at_home(statement, kind);
      return;
    case router::Target::kProxy:
      if (statement.kind == StatementKind::kEmpty && has_comment(sql)) {
        reply_ok();  // the server takes a comment for a statement, but not blanks
        return;
      }
      run_in_session(statement);
      return;
    case router::Target::kOrdered:
      run_ordered(statement, sql);
      return;
    case router::Target::kRefuse:
      refuse({route.refusal.code, std::string(route.refusal.sqlstate), route.refusal.message},
             kind == JobKind::kQuery && statement.has(Flag::kUncertain));
      return;
  }
}

/// The client's statement once more, from its beginning.
void SessionCore::run_statement_again() {
  if (job_.statement_id != 0) {
    run_prepared();
    return;
  }
  const Buffer payload = protocol::join_payload(command_);
  const std::string_view sql = as_text(Bytes(payload).subspan(1));
  run_statement(router::classify(sql, lexer_options()), sql, JobKind::kQuery);
}

bool SessionCore::answer_row_count(const Statement& statement, std::string_view sql) {
  // The home's own answer counts our XA statements. Inside a branch none of them come in between.
  if (!diagnostics_.row_count() || transaction_.on_backend() ||
      statement.kind != StatementKind::kSelect || job_.statement_id != 0) {
    return false;
  }
  const std::string_view call = lone_row_count(sql);
  if (call.empty()) {
    return false;
  }
  scratch_.clear();
  protocol::append_single_value(scratch_, {call, *diagnostics_.row_count()}, owner_.capabilities,
                                status_bits(), reply_sequence_);
  tell_client({scratch_});
  transaction_tracker_.on_rows();
  diagnostics_.set_row_count(-1);
  finish_command();
  return true;
}

void SessionCore::finish_aborted(const Statement& statement) {
  // The cluster rolled the transaction back while the client was thinking. A ROLLBACK finds what it
  // wants; everything else hears of it now.
  const protocol::SqlError error = abort_error();
  transaction_over();
  if (statement.kind == StatementKind::kRollback) {
    run_in_session(statement);
    return;
  }
  effects_.metrics().count_client_error(error.code == protocol::sql_code::kDeadlock
                                            ? ClientErrorClass::kConflict
                                            : ClientErrorClass::kBackend);
  reply_error(error);
}

}  // namespace consort::proxy
