// SessionCore: a classified statement on its way: to the home, to any reader, into the log's order,
// or answered by the session itself.
#include <algorithm>

#include "certifier/ddl_definer.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"
#include "router/session_scope.h"

namespace consort::proxy {

namespace {

/// What DDL about events is about: no table, and no transaction stands in its way.
const DdlTarget kAllEvents{"consort", "events"};

/// It has a definer, or in doubt may have one.
bool makes_program(const router::Statement& statement) {
  using router::DdlObject;
  if (statement.kind != router::StatementKind::kDdl) {
    return false;
  }
  switch (statement.ddl.object) {
    case DdlObject::kTable:
    case DdlObject::kIndex:
    case DdlObject::kDatabase:
    case DdlObject::kSequence:
    case DdlObject::kServer:
      return false;
    default:
      return statement.ddl.verb == router::DdlVerb::kCreate ||
             statement.ddl.verb == router::DdlVerb::kAlter;
  }
}

}  // namespace

using router::Flag;
using router::Statement;
using router::StatementKind;

router::SessionTraits SessionCore::traits() const {
  router::SessionTraits traits;
  traits.autocommit = autocommit_;
  traits.in_transaction = transaction_.open() || next_transaction_.pending();
  traits.read_only_transaction = transaction_.open() && transaction_.traits().read_only;
  traits.pins = pins_;
  if (carried_variables_ && !carried_variables_->empty()) {
    traits.pins.add(router::PinReason::kUserVariables);
  }
  traits.user_variables =
      traits.pins.has(router::PinReason::kUserVariables) || may_have_variables_at_home();
  traits.home = home_;
  traits.ddl_subjects = job_.subjects;
  traits.mysql = effects_.mysql();
  return traits;
}

router::LexerOptions SessionCore::lexer_options() const {
  router::LexerOptions options = effects_.default_lexer_options();
  if (const auto mode = state_.variable("sql_mode")) {
    options.doubtful = false;
    const auto with_mode = router::with_sql_mode(options, *mode);
    options = with_mode.value_or(options);
    options.doubtful = !with_mode;
  }
  const bool doubtful_mode = options.doubtful;
  const auto character_set = state_.variable("character_set_client");
  options = character_set ? router::with_character_set(options, *character_set)
                          : router::with_collation(options, owner_.collation);
  options.doubtful = options.doubtful || doubtful_mode;
  options.ascii_is_certain = options.ascii_is_certain && !doubtful_mode;
  return options;
}

void SessionCore::run_at_home(const Statement& statement, JobKind kind) {
  job_.kind = kind;
  if (read_lingers_ && !job_.asks_diagnostics) {
    // COM_INIT_DB and the like: only what asks about a read may go where that ran.
    read_lingers_ = false;
    give_back(Channel::kRead, true);
  }
  if (read_lingers_ &&
      (statement.may_write() ||
       statement.flags.has_any({Flag::kAssignsUserVariable, Flag::kIntoVariable}))) {
    // There it would leave a variable to somebody else, or change rows outside a branch.
    reply_error(protocol::not_supported_error(
        "storing what a read on another server has left as diagnostics (ask with SHOW WARNINGS or "
        "SELECT @@warning_count, or read inside a transaction)"));
    return;
  }
  if (may_commit_inside(statement) && reads_only_plainly()) {
    reply_error(protocol::not_supported_error(
        "CALL, EXECUTE and the like in a READ ONLY transaction beside temporary tables"));
    return;
  }
  job_.channel = read_lingers_ ? Channel::kRead : Channel::kHome;  // SHOW WARNINGS of a read
  job_.may_write = statement.may_write();
  job_.pins = router::pin_change(statement);
  if (job_.status_use == StatusUse::kFlush) {
    job_.pins.added.add(router::PinReason::kStatusCounters);
  }
  forget_text_statements(statement);
  forget_prepared_call(statement);
  job_.sets_insert_id = statement.has(Flag::kSetsLastInsertId);
  job_.sends_file = statement.has(Flag::kLocalInfile);
  job_.names_collation = names_collation(statement);
  job_.leaves_traces = leaves_traces(statement, effects_.triggers());
  job_.names_sequence = statement.has(Flag::kSequence);
  const bool open = transaction_.open();
  const bool changes = may_change_rows(statement);
  const bool reads = statement.has(Flag::kTouchesTables) || reads_handler(statement);
  if (commits_first(statement, autocommit_)) {
    job_.commit_first = open;
    job_.ends_by_setting = open && !statement.has(Flag::kImplicitCommit);
  } else if (open) {
    // @@in_transaction is among what kSessionState means.
    job_.needs_branch = transaction_.on_backend() || reads || changes ||
                        is_savepoint(statement.kind) ||
                        statement.has(Flag::kSessionState) ||                // @@in_transaction
                        statement.kind == StatementKind::kSetTransaction ||  // of the next one
                        job_.sets_next || begins_against_default();          // PREPARE of a write
  } else if (!autocommit_) {
    // What comes behind a savepoint may be rolled back to it, so both are in one branch.
    job_.begins_unseen = statement.kind == StatementKind::kSavepoint;
    job_.needs_branch = reads || changes || job_.begins_unseen;
  } else {
    job_.wrapped = changes;
    job_.reads_under_locks = changes && reads_under_locks(statement);
  }
  plan_temporary(statement);
  plan_named(statement);
  if (reads_relations(statement) && job_.uses_engine && effects_.stored_functions()) {
    job_.may_write = true;  // as part of a transaction
    job_.read_only = !job_.needs_branch && !job_.wrapped && !job_.commit_first;
  }
  const bool next_only = statement.kind == StatementKind::kSetTransaction &&
                         statement.transaction.scope == router::SetScope::kUnscoped;
  job_.one_shot = (next_only || job_.sets_next) && !open;
  job_.next_isolation = next_isolation(statement);
  job_.sets_access = sets_access(statement);
  job_.next_read_only = next_read_only(statement);
  job_.access = statement.transaction.access;
  if (router::sets_unknown(statement)) {
    job_.pins.added.add(router::PinReason::kUnknownState);
  }
  if ((job_.needs_branch || job_.wrapped) && home_locks_tables()) {
    reply_error(protocol::not_supported_error(
        "changes, or reads without autocommit, under FLUSH TABLES .. FOR EXPORT"));
    return;
  }
  if (job_.needs_branch || job_.wrapped) {
    branch_tables_.note(statement, state_.schema());
  }
  if (plan_program(statement)) {
    return;  // it runs alone, or the answer goes on
  }
  advance_job();
}

void SessionCore::run_anywhere(const Statement& statement,
                               const router::Route& route,
                               JobKind kind) {
  job_.kind = kind;
  job_.channel = Channel::kRead;
  job_.reader = true;
  job_.read_only = reads_relations(statement) && job_.uses_engine && effects_.stored_functions();
  job_.pins = router::pin_change(statement);
  ReadConsistency consistency = effects_.read_consistency();
  if (route.freshness == router::ReadFreshness::kEventual) {
    consistency = ReadConsistency::kEventual;
  } else if (route.freshness == router::ReadFreshness::kSession) {
    consistency = ReadConsistency::kSession;
  } else if (route.freshness == router::ReadFreshness::kStrong) {
    consistency = ReadConsistency::kStrong;
  }
  if (consistency == ReadConsistency::kSession) {
    job_.at_least = commits_.newest();
  } else if (consistency == ReadConsistency::kStrong) {
    job_.at_least = std::max(commits_.newest(), effects_.head());
  }
  if (!route.backend.empty()) {
    const SessionEffects::Choice named = effects_.choose_named(route.backend);
    if (!named.found) {
      reply_error(protocol::no_backend_error(named.reason));
      return;
    }
    job_.any_backend = false;
    job_.backend = named.backend;
  }
  advance_job();
}

void SessionCore::run_ordered(const Statement& statement, std::string_view sql) {
  const bool changes_accounts = router::changes_accounts(statement.kind);
  if (owner_.password_expired && statement.kind != StatementKind::kSetPassword) {
    reply_error(protocol::must_set_password_error());
    return;
  }
  if (home_locks_tables()) {
    reply_error(protocol::not_supported_error("DDL under FLUSH TABLES .. FOR EXPORT"));
    return;
  }
  const bool globals = statement.has(Flag::kSetsGlobal);
  if (globals && transaction_.on_backend()) {
    reply_error(protocol::not_supported_error(
        "SET GLOBAL inside a transaction (COMMIT or ROLLBACK it before)"));
    return;
  }
  if (makes_program(statement) && !certifier::with_definer(sql, owner_.definer)) {
    reply_error(protocol::not_supported_error(
        "a definer that is CURRENT_ROLE, or behind a comment that only some servers execute"));
    return;
  }
  job_.kind = JobKind::kOrdered;
  job_.commit_first = transaction_.open() && !globals;
  if (defines_function(statement)) {
    effects_.note_stored_function();
  }
  if (defines_trigger(statement)) {
    effects_.note_trigger();
  }
  ordered_ = {};
  ordered_.drops = statement.ddl.verb == router::DdlVerb::kDrop;
  ordered_.truncates = statement.ddl.verb == router::DdlVerb::kTruncate;
  protocol::append_command(ordered_.command, protocol::Command::kQuery, as_bytes(sql));
  DdlRequest& request = ordered_.request;
  request.sql.assign(sql);
  request.schema = state_.schema();
  request.user = owner_.definer;
  for (const router::TableRef& table : statement.tables) {
    request.targets.push_back(
        {table.schema.empty() ? state_.schema() : router::identifier_text(table.schema),
         router::identifier_text(table.name)});
  }
  if (statement.tables.overflowed() ||
      (statement.kind == StatementKind::kDdl && statement.tables.empty())) {
    request.targets.clear();
    request.targets.push_back({state_.schema(), ""});
  }
  if (statement.ddl.object == router::DdlObject::kEvent) {
    request.targets.assign(1, kAllEvents);
  }
  if (job_.subjects == router::DdlSubjects::kSeparable) {
    separate_temporary(statement, sql);
  }
  plan_altered_rows(statement, sql);
  ordered_.drops_tables = statement.ddl.verb == router::DdlVerb::kDrop &&
                          statement.ddl.object == router::DdlObject::kTable;
  plan_copy(statement, sql);
  ordered_.changes_accounts = changes_accounts;
  if (changes_accounts) {
    request.targets.assign(1, DdlTarget{});
  }
  if (globals) {
    plan_globals(statement);
  }
  note_sequences(statement);
  advance_job();
}

void SessionCore::run_in_session(const Statement& statement) {
  counters_.note_answered(statement.kind);
  switch (statement.kind) {
    case StatementKind::kEmpty:
      reply_error(protocol::SqlError{1065, "42000", "Query was empty"});
      return;
    case StatementKind::kBegin:
      begin_transaction(statement.transaction);
      return;
    case StatementKind::kCommit:
    case StatementKind::kRollback:
      note_completion(statement.transaction);
      if (statement.kind == StatementKind::kCommit) {
        begin_commit(AfterCommit::kReply);
      } else {
        begin_rollback(AfterCommit::kReply);
      }
      return;
    case StatementKind::kLockTables:  // ignored, but it ends a transaction
      begin_commit(AfterCommit::kReply);
      return;
    case StatementKind::kUnlockTables:
      reply_ok();
      return;
    case StatementKind::kKill:
      run_kill(statement);
      return;
    default:
      reply_error(protocol::not_supported_error(router::to_text(statement.kind)));
      return;
  }
}

/// What follows the end of the transaction: as the statement says, else as completion_type does.
void SessionCore::note_completion(const router::TransactionOptions& options) {
  const std::string_view usual = state_.variable("completion_type").value_or("NO_CHAIN");
  const auto chosen = [&](router::Choice choice, std::string_view name) {
    return choice == router::Choice::kUnset ? usual == name : choice == router::Choice::kYes;
  };
  chain_ = chosen(options.chain, "CHAIN");
  release_ = chosen(options.release, "RELEASE");
}

bool SessionCore::session_reads_only() const {
  const std::string_view value =
      state_.variable("tx_read_only")
          .value_or(state_.variable("transaction_read_only").value_or("OFF"));
  return value == "ON" || value == "1";
}

/// Is the open transaction, or will it be, a plain one on the home and no branch? What a program
/// writes there behind a COMMIT of its own would be on one server only.
bool SessionCore::reads_only_plainly() const {
  return transaction_.is(TransactionState::kReadOnly) ||
         (transaction_.is(TransactionState::kOpen) && transaction_.traits().read_only &&
          has_temporary());
}

/// Is the next transaction READ ONLY that does not say what it is?
bool SessionCore::next_reads_only() const {
  return next_transaction_.read_only().value_or(session_reads_only());
}

/// Is the transaction READ WRITE, as it was when it began, where the server would make it READ
/// ONLY? It may not be there yet.
bool SessionCore::begins_against_default() const {
  return transaction_.open() && !transaction_.traits().read_only &&
         (session_reads_only() || next_transaction_.access_unsure());
}

void SessionCore::begin_transaction(const router::TransactionOptions& options) {
  const bool read_only = options.access == router::AccessMode::kUnset
                             ? next_reads_only()
                             : options.access == router::AccessMode::kReadOnly;
  const TransactionTraits traits{read_only, options.consistent_snapshot};
  job_.access = options.access;
  job_.kind = JobKind::kSnapshot;
  snapshot_traits_ = traits;
  job_.commit_first = transaction_.open();
  advance_job();
}

void SessionCore::advance_job() {
  if (job_.commit_first && transaction_.open()) {
    if (asks_whether_readable()) {
      return;  // its answer goes on
    }
    begin_commit(AfterCommit::kJob);
    return;
  }
  job_.commit_first = false;
  if (job_.kind == JobKind::kLockTables && begin_table_lock()) {
    return;
  }
  if (job_.kind == JobKind::kSnapshot && !transaction_.open()) {
    if (!own_tables_.has_all()) {  // FLUSH TABLES WITH READ LOCK outlasts transactions
      release_tables();
    }
    effects_.metrics().count_local_query(QueryKind::kBegin);
    transaction_.begin(snapshot_traits_);
    transaction_tracker_.begin(job_.access, snapshot_traits_.consistent_snapshot);
    if (!snapshot_traits_.consistent_snapshot) {
      reply_ok();
      return;
    }
    job_.needs_branch = true;
  }
  if (awaits_tables()) {
    return;
  }
  phase_ = SessionPhase::kAwaitingBackend;
  const bool ready = job_.channel == Channel::kHome ? acquire_home() : acquire_reader();
  if (ready && job_.kind == JobKind::kLogin) {
    give_back(Channel::kHome, true);
    job_.kind = JobKind::kNone;
    prior_owner_.reset();
    reply_ok();
  } else if (ready) {
    send_job();
  }
}

}  // namespace consort::proxy
