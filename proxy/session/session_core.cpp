#include "proxy/session/session_core.h"

#include <algorithm>
#include <xxhash.h>

#include "base/branch_name.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"
#include "protocol/single_value.h"

namespace consort::proxy {
namespace {

using protocol::Command;
using router::Flag;
using router::Statement;
using router::StatementKind;

constexpr std::size_t kRetainedBytesMax = 4096;
constexpr std::chrono::milliseconds kRetryDelay{50};

/// Statements whose row changes need a branch of their own under autocommit.
bool may_change_rows(const Statement& statement) {
  if (!statement.may_write()) {
    return false;
  }
  switch (statement.kind) {
    case StatementKind::kSelect:
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kReplace:
    case StatementKind::kLoadData:
    case StatementKind::kCall:
    case StatementKind::kDo:
    case StatementKind::kExecuteText:
    case StatementKind::kCompound:
    case StatementKind::kUnknown:
      return true;
    default:
      return statement.has(Flag::kExecutesInner);
  }
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; };
    return upper(x) == upper(y);
  });
}

/// Of a statement without tokens: something other than blanks and semicolons is in it.
bool has_comment(std::string_view sql) {
  return sql.find_first_not_of(" \t\r\n;") != std::string_view::npos;
}

bool is_savepoint(StatementKind kind) {
  return kind == StatementKind::kSavepoint || kind == StatementKind::kReleaseSavepoint ||
         kind == StatementKind::kRollbackToSavepoint;
}

QueryKind query_kind(const Statement& statement, bool execute) {
  if (execute) {
    return QueryKind::kExecute;
  }
  switch (statement.kind) {
    case StatementKind::kBegin:
      return QueryKind::kBegin;
    case StatementKind::kCommit:
      return QueryKind::kCommit;
    case StatementKind::kRollback:
      return QueryKind::kRollback;
    case StatementKind::kDdl:
    case StatementKind::kAccount:
      return QueryKind::kDdl;
    case StatementKind::kSetAutocommit:
    case StatementKind::kSetTransaction:
    case StatementKind::kSetSession:
    case StatementKind::kSetUserVariable:
    case StatementKind::kSetNames:
    case StatementKind::kUse:
      return QueryKind::kSet;
    case StatementKind::kSelect:
      return statement.may_write() ? QueryKind::kWrite : QueryKind::kRead;
    default:
      return may_change_rows(statement) ? QueryKind::kWrite : QueryKind::kOther;
  }
}

/// What this version refuses although the server could do it; empty: nothing.
std::string_view not_yet(const Statement& statement) {
  if (statement.has(Flag::kMultiStatement)) {
    return "several statements in one query";
  }
  if (statement.has(Flag::kSequence) || statement.ddl.object == router::DdlObject::kSequence) {
    return "sequences (use AUTO_INCREMENT)";
  }
  if (statement.has(Flag::kTemporary)) {
    return "temporary tables";
  }
  if (statement.has(Flag::kCreateSelect)) {
    return "CREATE TABLE .. SELECT (create the table, then INSERT .. SELECT)";
  }
  if (statement.kind == StatementKind::kDdl && statement.ddl.object == router::DdlObject::kEvent) {
    return "events (they would run once on every backend)";
  }
  if (statement.has(Flag::kLocalInfile)) {
    return "LOAD DATA LOCAL";
  }
  if (statement.kind == StatementKind::kKill) {
    return "KILL";
  }
  return {};
}

std::uint64_t name_hash(std::string_view schema, std::string_view table) {
  std::string lower(schema);
  lower += '\0';
  lower += table;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  return XXH3_64bits(lower.data(), lower.size());
}

}  // namespace

std::string_view to_text(SessionPhase phase) {
  switch (phase) {
    case SessionPhase::kIdle:
      return "idle";
    case SessionPhase::kAwaitingBackend:
      return "awaiting_backend";
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
    case SessionPhase::kClosing:
      return "closing";
  }
  return "closing";
}

void BranchTables::note(const Statement& statement, std::string_view schema) {
  if (statement.tables.overflowed() ||
      statement.flags.has_any({Flag::kUnknownFunction, Flag::kUncertain}) ||
      statement.kind == StatementKind::kCall || statement.kind == StatementKind::kUnknown ||
      statement.kind == StatementKind::kCompound || statement.kind == StatementKind::kExecuteText) {
    any_ = true;
    return;
  }
  for (const router::TableRef& table : statement.tables) {
    const std::string_view in = table.schema.empty() ? schema : table.schema;
    const std::uint64_t hash = name_hash(in, table.name);
    if (std::find(hashes_.begin(), hashes_.begin() + count_, hash) != hashes_.begin() + count_) {
      continue;
    }
    if (count_ == kTablesMax) {
      any_ = true;
      return;
    }
    hashes_[count_] = hash;
    schemas_[count_] = name_hash(in, {});
    ++count_;
  }
}

bool BranchTables::uses(const DdlTarget& target) const {
  if (any_ || target.schema.empty()) {
    return true;
  }
  const bool whole_schema = target.table.empty();
  const auto& hashes = whole_schema ? schemas_ : hashes_;
  const std::uint64_t hash = name_hash(target.schema, target.table);
  return std::find(hashes.begin(), hashes.begin() + count_, hash) != hashes.begin() + count_;
}

void BranchTables::clear() {
  count_ = 0;
  any_ = false;
}

SessionCore::SessionCore(SessionEffects& effects, const Options& options)
    : effects_(effects), options_(options), statements_(options.statements_max) {}

void SessionCore::begin(SessionOwner owner) {
  owner_ = std::move(owner);
  state_.set_schema(owner_.schema);
  phase_ = SessionPhase::kIdle;
}

void SessionCore::begin_checked(SessionOwner owner, std::uint8_t sequence) {
  begin(std::move(owner));
  job_ = {};
  job_.kind = JobKind::kLogin;
  job_.began = std::chrono::steady_clock::now();
  reply_sequence_ = sequence;
  reply_started_ = false;
  advance_job();
}

bool SessionCore::release_idle_home() {
  if (!idle() || !home_held_ || !pins_.empty() || transaction_.open() ||
      !replies_[static_cast<int>(Channel::kHome)].empty()) {
    return false;
  }
  home_held_ = false;
  effects_.release(Channel::kHome, true);
  return true;
}

void SessionCore::reset() {
  abandon_branch();
  transaction_.end();
  for (const Channel channel : {Channel::kHome, Channel::kRead}) {
    bool& held = channel == Channel::kHome ? home_held_ : read_held_;
    if (held) {
      held = false;
      effects_.release(channel, false);
    }
    replies_[static_cast<int>(channel)].clear();
    tracking_[static_cast<int>(channel)] = false;
  }
  read_lingers_ = false;
  job_ = {};
  pins_.clear();
  autocommit_ = true;
  one_shot_transaction_ = false;
  abort_requested_ = false;
  chain_ = false;
  release_ = false;
  const std::string schema = state_.schema();
  state_.reset();
  state_.set_schema(schema);
  statements_.clear();
  statement_schemas_.clear();
  branch_tables_.clear();
}

// ---- commands ---------------------------------------------------------------------------------

void SessionCore::on_command(const ClientCommand& command) {
  CHECK(idle());
  command_.assign(command.wire.begin(), command.wire.end());
  command_sequence_ = command.sequence;
  reply_sequence_ = static_cast<std::uint8_t>(command.sequence + 1);
  reply_started_ = false;
  job_ = {};
  job_.began = std::chrono::steady_clock::now();
  if (command.payload.empty()) {
    close_with(protocol::malformed_packet_error());
    return;
  }
  const auto kind = static_cast<Command>(command.payload[0]);
  const Bytes argument = command.payload.subspan(1);
  switch (kind) {
    case Command::kQuery:
      on_query(as_text(argument));
      return;
    case Command::kStmtExecute:
      on_execute(command.payload);
      return;
    case Command::kStmtPrepare:
      on_prepare(as_text(argument));
      return;
    case Command::kStmtClose:
      if (const auto id = protocol::statement_id_of(command.payload); id.ok()) {
        statements_.erase(*id);
        statement_schemas_.erase(*id);
      }
      finish_command();
      return;
    case Command::kStmtReset: {
      const auto id = protocol::statement_id_of(command.payload);
      if (!id.ok() || statements_.find(*id) == nullptr) {
        reply_error(protocol::unknown_statement_error(id.ok() ? *id : 0));
      } else {
        reply_ok();
      }
      return;
    }
    case Command::kStmtSendLongData:
      // No reply belongs to it; the execution that needs the data is refused by name.
      if (const auto id = protocol::statement_id_of(command.payload); id.ok()) {
        if (auto* statement = statements_.find(*id); statement != nullptr) {
          statement->caller_index = 1;
        }
      }
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
      run_at_home(statement, JobKind::kQuery);
      return;
    }
    case Command::kPing:
      reply_ok();
      return;
    case Command::kFieldList: {
      Statement statement;
      statement.kind = StatementKind::kDescribe;
      statement.flags.set(Flag::kReadsOnly);
      run_at_home(statement, JobKind::kQuery);
      return;
    }
    case Command::kResetConnection:
      reset();
      reply_ok();
      return;
    case Command::kStatistics: {
      static constexpr std::string_view kText = "Consort";
      scratch_.clear();
      protocol::append_packet(scratch_, as_bytes(kText), reply_sequence_);
      effects_.send_client({scratch_});
      finish_command();
      return;
    }
    case Command::kQuit:
      on_client_gone();
      effects_.close_client();
      return;
    default:
      reply_error(protocol::unknown_command_error());
      return;
  }
}

void SessionCore::on_query(std::string_view sql) {
  run_statement(router::classify(sql, lexer_options()), sql, JobKind::kQuery);
}

void SessionCore::on_prepare(std::string_view sql) {
  if (!statements_.has_room()) {
    reply_error(protocol::too_many_statements_error(statements_.statements_max()));
    return;
  }
  const Statement statement = router::classify(sql, lexer_options());
  if (const std::string_view what = not_yet(statement); !what.empty()) {
    reply_error(protocol::not_supported_error(what));
    return;
  }
  preparing_sql_.assign(sql);
  job_.kind = JobKind::kPrepare;
  job_.statement_kind = statement.kind;
  job_.digest = statement.digest;
  job_.query_kind = QueryKind::kPrepare;
  job_.needs_branch = transaction_.on_backend();
  advance_job();
}

void SessionCore::on_execute(Bytes payload) {
  const auto id = protocol::statement_id_of(payload);
  protocol::ClientStatement* statement = id.ok() ? statements_.find(*id) : nullptr;
  if (statement == nullptr) {
    reply_error(protocol::unknown_statement_error(id.ok() ? *id : 0));
    return;
  }
  if (statement->caller_index != 0) {
    statement->caller_index = 0;
    reply_error(protocol::not_supported_error("COM_STMT_SEND_LONG_DATA"));
    return;
  }
  job_.statement_id = statement->client_id;
  run_statement(router::classify(statement->sql, lexer_options()), statement->sql,
                JobKind::kExecute);
}

router::SessionTraits SessionCore::traits() const {
  router::SessionTraits traits;
  traits.autocommit = autocommit_;
  traits.in_transaction = transaction_.open() || one_shot_transaction_;
  traits.read_only_transaction = transaction_.open() && transaction_.traits().read_only;
  traits.pins = pins_;
  traits.home = home_;
  traits.schema = state_.schema();
  return traits;
}

router::LexerOptions SessionCore::lexer_options() const {
  router::LexerOptions options;
  if (!state_.has_variables()) {
    return options;
  }
  if (const std::string_view mode = state_.variable("sql_mode"); !mode.empty()) {
    if (const auto with = router::with_sql_mode(options, mode)) {
      options = *with;
    } else {
      options.doubtful = true;
    }
  }
  if (const std::string_view set = state_.variable("character_set_client"); !set.empty()) {
    const bool doubtful = options.doubtful;
    options = router::with_character_set(options, set);
    options.doubtful = options.doubtful || doubtful;
  }
  return options;
}

void SessionCore::run_statement(const Statement& statement, std::string_view sql, JobKind kind) {
  job_.statement_kind = statement.kind;
  job_.digest = statement.digest;
  job_.query_kind = query_kind(statement, kind == JobKind::kExecute);
  if (read_lingers_ && !statement.has(Flag::kDiagnostics)) {
    read_lingers_ = false;
    read_held_ = false;
    effects_.release(Channel::kRead, true);
  }
  if (transaction_.is(TransactionState::kMustAbort)) {
    finish_aborted(statement);
    return;
  }
  if (const std::string_view what = not_yet(statement); !what.empty()) {
    reply_error(protocol::not_supported_error(what));
    return;
  }
  if (statement.has(Flag::kRowCount) && answer_row_count(statement, sql)) {
    return;
  }
  const router::Route route = router::decide(statement, traits());
  switch (route.target) {
    case router::Target::kAnyFresh:
      run_anywhere(statement, route, kind);
      return;
    case router::Target::kHome:
      run_at_home(statement, kind);
      return;
    case router::Target::kProxy:
      if (statement.kind == StatementKind::kEmpty && has_comment(sql)) {
        reply_ok();  // the server takes a comment for a statement, but not blanks
        return;
      }
      run_transaction_control(statement);
      return;
    case router::Target::kOrdered:
      run_ordered(statement, sql);
      return;
    case router::Target::kRefuse:
      reply_error(protocol::SqlError{route.refusal.code, std::string(route.refusal.sqlstate),
                                     route.refusal.message});
      return;
  }
}

bool SessionCore::answer_row_count(const Statement& statement, std::string_view sql) {
  // The home's own answer counts our XA statements. Inside a branch none of them come in between.
  if (!row_count_ || transaction_.on_backend() || statement.kind != StatementKind::kSelect ||
      job_.statement_id != 0) {
    return false;
  }
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!sql.empty() && (is_space(sql.back()) || sql.back() == ';')) {
    sql.remove_suffix(1);
  }
  while (!sql.empty() && is_space(sql.front())) {
    sql.remove_prefix(1);
  }
  constexpr std::string_view kSelect = "SELECT ";
  constexpr std::string_view kFunction = "ROW_COUNT()";
  if (sql.size() != kSelect.size() + kFunction.size() ||
      !same_ignoring_case(sql.substr(0, kSelect.size()), kSelect) ||
      !same_ignoring_case(sql.substr(kSelect.size()), kFunction)) {
    return false;
  }
  scratch_.clear();
  protocol::append_single_value(scratch_, {sql.substr(kSelect.size()), *row_count_},
                                owner_.capabilities, status_bits(), reply_sequence_);
  effects_.send_client({scratch_});
  row_count_ = -1;
  finish_command();
  return true;
}

void SessionCore::finish_aborted(const Statement& statement) {
  // The cluster rolled the transaction back while the client was thinking. A ROLLBACK finds what it
  // wants; everything else hears of it now.
  transaction_over();
  if (statement.kind == StatementKind::kRollback) {
    run_transaction_control(statement);
    return;
  }
  effects_.metrics().count_client_error(ClientErrorClass::kConflict);
  reply_error(protocol::deadlock_error());
}

void SessionCore::run_at_home(const Statement& statement, JobKind kind) {
  job_.kind = kind;
  job_.channel = read_lingers_ ? Channel::kRead : Channel::kHome;  // SHOW WARNINGS of a read
  job_.may_write = statement.may_write();
  job_.pins = router::pin_change(statement);
  const bool open = transaction_.open();
  const bool changes = may_change_rows(statement);
  if (statement.has(Flag::kImplicitCommit) ||
      (statement.kind == StatementKind::kSetAutocommit && statement.autocommit_value &&
       !autocommit_) ||
      (statement.has(Flag::kSetsAutocommit) && !autocommit_)) {
    job_.commit_first = open;
  } else if (open) {
    job_.needs_branch = transaction_.on_backend() || statement.has(Flag::kTouchesTables) ||
                        changes || is_savepoint(statement.kind);
  } else if (!autocommit_) {
    job_.needs_branch = statement.has(Flag::kTouchesTables) || changes;
  } else {
    job_.wrapped = changes;
  }
  job_.one_shot = statement.kind == StatementKind::kSetTransaction &&
                  statement.transaction.scope == router::SetScope::kUnscoped && !open;
  if (job_.needs_branch || job_.wrapped) {
    branch_tables_.note(statement, state_.schema());
  }
  advance_job();
}

void SessionCore::run_anywhere(const Statement& statement,
                               const router::Route& route,
                               JobKind kind) {
  job_.kind = kind;
  job_.channel = Channel::kRead;
  job_.reader = true;
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
    job_.at_least = last_seqno_;
  } else if (consistency == ReadConsistency::kStrong) {
    job_.at_least = std::max(last_seqno_, effects_.head());
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
  job_.kind = JobKind::kOrdered;
  job_.commit_first = transaction_.open();
  text_command_.clear();
  protocol::append_command(text_command_, Command::kQuery, as_bytes(sql));
  ordered_ = DdlRequest{};
  ordered_.sql.assign(sql);
  ordered_.schema = state_.schema();
  ordered_.user = owner_.definer;
  ordered_.session_set = state_.set_statement();
  for (const router::TableRef& table : statement.tables) {
    ordered_.targets.push_back(
        {table.schema.empty() ? state_.schema() : router::identifier_text(table.schema),
         router::identifier_text(table.name)});
  }
  if (statement.tables.overflowed() ||
      (statement.kind == StatementKind::kDdl && statement.tables.empty())) {
    ordered_.targets.clear();
    ordered_.targets.push_back({state_.schema(), ""});
  }
  if (statement.kind == StatementKind::kAccount) {
    ordered_.targets.assign(1, DdlTarget{});
  }
  advance_job();
}

void SessionCore::run_transaction_control(const Statement& statement) {
  switch (statement.kind) {
    case StatementKind::kEmpty:
      reply_error(protocol::SqlError{1065, "42000", "Query was empty"});
      return;
    case StatementKind::kBegin:
      begin_transaction(statement.transaction);
      return;
    case StatementKind::kCommit:
    case StatementKind::kRollback:
      chain_ = statement.transaction.chain == router::Choice::kYes;
      release_ = statement.transaction.release == router::Choice::kYes;
      if (statement.kind == StatementKind::kCommit) {
        begin_commit(AfterCommit::kReply);
      } else {
        begin_rollback();
      }
      return;
    default:
      reply_error(protocol::not_supported_error(router::to_text(statement.kind)));
      return;
  }
}

void SessionCore::begin_transaction(const router::TransactionOptions& options) {
  const TransactionTraits traits{options.access == router::AccessMode::kReadOnly,
                                 options.consistent_snapshot};
  job_.kind = JobKind::kSnapshot;
  snapshot_traits_ = traits;
  job_.commit_first = transaction_.open();
  advance_job();
}

// ---- getting a connection ---------------------------------------------------------------------

void SessionCore::advance_job() {
  if (job_.commit_first && transaction_.open()) {
    begin_commit(AfterCommit::kJob);
    return;
  }
  job_.commit_first = false;
  if (job_.kind == JobKind::kSnapshot && !transaction_.open()) {
    effects_.metrics().count_local_query(QueryKind::kBegin);
    transaction_.begin(snapshot_traits_);
    if (!snapshot_traits_.consistent_snapshot) {
      reply_ok();
      return;
    }
    job_.needs_branch = true;
  }
  phase_ = SessionPhase::kAwaitingBackend;
  const bool ready = job_.channel == Channel::kHome ? acquire_home() : acquire_reader();
  if (ready && job_.kind == JobKind::kLogin) {
    home_held_ = false;
    effects_.release(Channel::kHome, true);
    job_.kind = JobKind::kNone;
    reply_ok();
  } else if (ready) {
    send_job();
  }
}

bool SessionCore::home_usable() {
  return home_ && (effects_.serves(*home_) ||
                   ((home_held_ && !pins_.empty()) && effects_.tolerates(*home_)));
}

bool SessionCore::acquire_home() {
  if (transaction_.on_backend()) {
    CHECK(home_held_);
    return true;
  }
  if (home_held_ && home_tainted_ && pins_.empty()) {
    drop_home();  // a late KILL QUERY must not hit an XA START
  }
  if (!home_usable()) {
    choose_new_home();
    if (!home_) {
      return false;
    }
  }
  if (job_.kind == JobKind::kOrdered) {
    return true;  // its turn may come on another backend: leased then
  }
  Seqno needed = last_seqno_;
  if (effects_.read_consistency() == ReadConsistency::kStrong) {
    needed = std::max(needed, effects_.head());
  }
  if (effects_.applied(*home_) < needed) {
    effects_.metrics().freshness_waits.add();
    effects_.wait_applied(*home_, false, needed);
    return false;
  }
  if (!home_held_) {
    effects_.lease(Channel::kHome, *home_);
    return false;
  }
  return true;
}

void SessionCore::choose_new_home() {
  if (home_held_) {
    if (!pins_.empty()) {
      home_held_ = false;
      effects_.release(Channel::kHome, false);
      close_with(protocol::server_shutdown_error());
      home_.reset();
      return;
    }
    home_held_ = false;
    effects_.release(Channel::kHome, true);
  }
  const SessionEffects::Choice choice = effects_.choose_home();
  if (choice.found) {
    home_ = choice.backend;
    return;
  }
  home_.reset();
  retry_job();
}

bool SessionCore::acquire_reader() {
  if (read_held_) {
    return true;
  }
  if (job_.any_backend) {
    const SessionEffects::Choice choice = effects_.choose_reader(job_.at_least);
    if (!choice.found) {
      if (!job_.waited && job_.at_least.value > 0) {
        effects_.metrics().freshness_waits.add();
        effects_.wait_applied(BackendId{}, true, job_.at_least);
      } else {
        retry_job();
      }
      return false;
    }
    job_.backend = choice.backend;
  } else if (effects_.applied(job_.backend) < job_.at_least) {
    effects_.wait_applied(job_.backend, false, job_.at_least);
    return false;
  }
  if (home_held_ && home_ == job_.backend) {
    job_.channel = Channel::kHome;  // one connection less
    return true;
  }
  effects_.lease(Channel::kRead, job_.backend);
  return false;
}

void SessionCore::retry_job() {
  // Nothing of the command has happened; another backend, or the same a little later, may do.
  if (++job_.attempts > options_.attempts_max) {
    effects_.metrics().count_client_error(ClientErrorClass::kUnavailable);
    if (transaction_.is(TransactionState::kOpen)) {
      transaction_over();
    }
    reply_error(protocol::no_backend_error("no backend is online and fresh enough"));
    return;
  }
  if (job_.reader) {
    job_.channel = Channel::kRead;
  }
  phase_ = SessionPhase::kAwaitingBackend;
  effects_.retry_after(kRetryDelay);
}

void SessionCore::on_retry_due() {
  if (phase_ == SessionPhase::kAwaitingBackend) {
    if (job_.channel == Channel::kHome && job_.kind != JobKind::kNone && !home_held_ &&
        !pins_.empty()) {
      close_with(protocol::server_shutdown_error());
      return;
    }
    job_.waited = false;
    advance_job();
  }
}

void SessionCore::on_applied() {
  if (phase_ == SessionPhase::kAwaitingBackend) {
    advance_job();
  }
}

void SessionCore::on_applied_timeout() {
  if (phase_ != SessionPhase::kAwaitingBackend) {
    return;
  }
  job_.waited = true;
  if (job_.channel == Channel::kHome && !home_held_) {
    home_.reset();  // its lane stands still: another home may be further
  }
  retry_job();
}

void SessionCore::on_leased(Channel channel, const LeasedConnection& connection) {
  if (channel == Channel::kHome) {
    home_held_ = true;
    home_tainted_ = false;
    home_lease_ = connection;
  } else {
    read_held_ = true;
    read_lease_ = connection;
  }
  replies_[static_cast<int>(channel)].clear();
  tracking_[static_cast<int>(channel)] = false;
  if (phase_ == SessionPhase::kOrdering) {
    send_job();
  } else if (phase_ == SessionPhase::kAwaitingBackend) {
    advance_job();
  }
}

void SessionCore::on_lease_failed(Channel channel, const LeaseFailure& failure) {
  if (phase_ != SessionPhase::kAwaitingBackend && phase_ != SessionPhase::kOrdering) {
    return;
  }
  if (phase_ == SessionPhase::kOrdering) {
    (void)effects_.post_commit(DdlExecuted{ddl_seqno_, *home_, false, true});
    return;  // the commit thread gives another turn, or decides
  }
  if (!failure.retryable && job_.kind == JobKind::kLogin) {
    close_with(failure.error);
    return;
  }
  if (!failure.retryable) {
    if (transaction_.is(TransactionState::kOpen)) {
      transaction_over();
    }
    reply_error(failure.error);
    return;
  }
  if (channel == Channel::kHome) {
    home_.reset();
  }
  retry_job();
}

// ---- sending ----------------------------------------------------------------------------------

void SessionCore::expect(Channel channel, ReplyRole role, Command command) {
  const std::uint8_t sequence = role == ReplyRole::kClient ? command_sequence_ : 0;
  replies_[static_cast<int>(channel)].push({role, command, sequence});
}

Bytes SessionCore::xa_command(std::string_view verb, const BranchId& branch) {
  const std::size_t at = xa_buffer_.size();
  const std::size_t place = protocol::begin_packet(xa_buffer_);
  xa_buffer_.push_back(static_cast<std::uint8_t>(Command::kQuery));
  append(xa_buffer_, verb);
  append(xa_buffer_, branch_xid_sql(options_.cluster, branch));
  protocol::finish_packet(xa_buffer_, place, 0);
  return Bytes(xa_buffer_).subspan(at);
}

void SessionCore::send_job() {
  if (job_.kind == JobKind::kOrdered && phase_ != SessionPhase::kOrdering) {
    request_order();
    return;
  }
  Bytes command = command_;
  Command kind = Command::kQuery;
  if (job_.kind == JobKind::kOrdered) {
    command = text_command_;
  } else if (job_.kind == JobKind::kExecute) {
    if (!prepare_execute(command)) {
      return;
    }
    kind = Command::kStmtExecute;
  } else if (job_.kind != JobKind::kSnapshot) {
    kind = static_cast<Command>(command_[protocol::kHeaderBytes]);
  }
  sent_command_ = kind;
  phase_ = job_.kind == JobKind::kOrdered ? SessionPhase::kOrdering : SessionPhase::kRelaying;
  effects_.metrics().count_query(job_.query_kind,
                                 job_.channel == Channel::kHome ? *home_ : read_lease_.backend);
  if (job_.wrapped) {
    send_wrapped(command);
  } else if (job_.needs_branch && !transaction_.on_backend()) {
    send_in_transaction(command);
  } else {
    if (transaction_.on_backend() && job_.may_write) {
      transaction_.note_write();
    }
    expect(job_.channel, ReplyRole::kClient, kind);
    effects_.send_backend(job_.channel, {command});
  }
}

void SessionCore::send_wrapped(Bytes command) {
  const BranchId branch = effects_.next_branch();
  transaction_.start(branch);
  transaction_.note_write();
  transaction_.certify();
  last_seen_at_prepare_ = effects_.applied(*home_);
  xa_buffer_.clear();
  const std::size_t start_bytes = xa_command("XA START ", branch).size();
  xa_command("XA END ", branch);
  xa_command("XA PREPARE ", branch);
  expect(Channel::kHome, ReplyRole::kSetup, Command::kQuery);
  expect(Channel::kHome, ReplyRole::kClient, sent_command_);
  expect(Channel::kHome, ReplyRole::kXaEnd, Command::kQuery);
  expect(Channel::kHome, ReplyRole::kXaPrepare, Command::kQuery);
  const Bytes xa(xa_buffer_);
  effects_.send_backend(Channel::kHome, {xa.first(start_bytes), command, xa.subspan(start_bytes)});
}

void SessionCore::send_in_transaction(Bytes command) {
  const BranchId branch = effects_.next_branch();
  // As early as this, because who deletes a parent looks for children when the statement runs, and
  // the lane applies a child without asking the parent's lock.
  last_seen_at_prepare_ = effects_.applied(*home_);
  transaction_.start(branch);
  if (job_.may_write) {
    transaction_.note_write();
  }
  one_shot_transaction_ = false;
  xa_buffer_.clear();
  expect(Channel::kHome, ReplyRole::kSetup, Command::kQuery);
  const TransactionTraits& traits = transaction_.traits();
  if (traits.read_only) {
    protocol::append_command(xa_buffer_, Command::kQuery,
                             as_bytes(traits.consistent_snapshot
                                          ? "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
                                          : "START TRANSACTION READ ONLY"));
  } else {
    xa_command("XA START ", branch);
    if (traits.consistent_snapshot) {
      // A branch cannot be told to take its snapshot at once; its first read does.
      expect(Channel::kHome, ReplyRole::kSetup, Command::kQuery);
      protocol::append_command(xa_buffer_, Command::kQuery,
                               as_bytes("SELECT seqno FROM consort.`position`"));
    }
  }
  if (job_.kind == JobKind::kSnapshot) {
    effects_.send_backend(Channel::kHome, {xa_buffer_});
    return;  // the last setup reply answers the client
  }
  expect(Channel::kHome, ReplyRole::kClient, sent_command_);
  effects_.send_backend(Channel::kHome, {xa_buffer_, command});
}

std::string SessionCore::statement_key(std::string_view schema, std::string_view sql) const {
  std::string key(schema);
  key += '\0';
  key += sql;
  return key;
}

bool SessionCore::prepare_execute(Bytes& command) {
  protocol::ClientStatement* statement = statements_.find(job_.statement_id);
  CHECK(statement != nullptr);
  const std::string& schema = statement_schemas_[job_.statement_id];
  statement_key_ = statement_key(schema, statement->sql);
  BackendStatement* known = effects_.backend_statement(job_.channel, statement_key_);
  if (known == nullptr) {
    phase_ = SessionPhase::kRelaying;
    scratch_.clear();
    protocol::append_command(scratch_, Command::kStmtPrepare, as_bytes(statement->sql));
    expect(job_.channel, ReplyRole::kReprepare, Command::kStmtPrepare);
    effects_.send_backend(job_.channel, {scratch_});
    return false;
  }
  // The map's own copy stays as the client sent it: it may have to be run on another connection.
  const Bytes payload = Bytes(command_).subspan(protocol::kHeaderBytes);
  execute_payload_.assign(payload.begin(), payload.end());
  if (command_.size() > protocol::kMaxPayload) {
    execute_payload_ = protocol::join_payload(command_);
  }
  const std::uint64_t me = (static_cast<std::uint64_t>(effects_.session_id().worker) << 48) ^
                           (static_cast<std::uint64_t>(effects_.session_id().slot) << 24) ^
                           (static_cast<std::uint64_t>(effects_.session_id().generation) << 8) ^
                           (static_cast<std::uint64_t>(job_.statement_id) << 56) ^
                           job_.statement_id;
  const protocol::ExecuteTarget target{known->id,
                                       known->types_owner == me ? known->types_version : 0};
  const auto rewritten = protocol::rewrite_execute(execute_payload_, *statement, target, spliced_);
  if (!rewritten.ok()) {
    reply_error(rewritten.error().code == static_cast<int>(protocol::StatementError::kNeverBound)
                    ? protocol::SqlError{1210, "HY000", "Incorrect arguments to EXECUTE"}
                    : protocol::malformed_packet_error());
    return false;
  }
  known->types_owner = me;
  known->types_version = statement->types_version;
  execute_.clear();
  protocol::append_packet(
      execute_,
      *rewritten == protocol::ExecuteRewrite::kSpliced ? Bytes(spliced_) : Bytes(execute_payload_),
      0);
  command = execute_;
  return true;
}

// ---- answering --------------------------------------------------------------------------------

bool SessionCore::client_in_transaction() const {
  return transaction_.open() && !(job_.wrapped && phase_ != SessionPhase::kIdle);
}

std::uint16_t SessionCore::status_bits() const {
  std::uint16_t status = 0;
  if (autocommit_) {
    status |= protocol::status_flag::kAutocommit;
  }
  if (client_in_transaction()) {
    status |= protocol::status_flag::kInTransaction;
    if (transaction_.traits().read_only) {
      status |= protocol::status_flag::kInTransactionReadonly;
    }
  }
  if (lexer_options().no_backslash_escapes) {
    status |= protocol::status_flag::kNoBackslashEscapes;
  }
  return status;
}

std::uint16_t SessionCore::client_status(std::uint16_t backend_status) const {
  // Inside a branch the server reports a transaction; whether the client has one is ours to say.
  constexpr std::uint16_t kOurs =
      protocol::status_flag::kInTransaction | protocol::status_flag::kInTransactionReadonly;
  auto status = static_cast<std::uint16_t>(backend_status & ~kOurs);
  if (client_in_transaction()) {
    status |= protocol::status_flag::kInTransaction;
    if (transaction_.traits().read_only) {
      status |= protocol::status_flag::kInTransactionReadonly;
    }
  }
  return status;
}

void SessionCore::reply_ok() {
  row_count_ = 0;
  protocol::OkPacket ok;
  ok.status = status_bits();
  scratch_.clear();
  protocol::append_ok(scratch_, ok, owner_.capabilities, reply_sequence_);
  effects_.send_client({scratch_});
  finish_command();
}

void SessionCore::reply_error(const protocol::SqlError& error) {
  scratch_.clear();
  protocol::append_err(scratch_, error, reply_sequence_);
  effects_.send_client({scratch_});
  finish_command();
}

void SessionCore::finish_command() {
  WorkerMetrics& metrics = effects_.metrics();
  if (job_.kind != JobKind::kNone) {
    const auto took = std::chrono::steady_clock::now() - job_.began;
    if (job_.query_kind == QueryKind::kRead) {
      metrics.read_latency.record(took);
    } else if (job_.wrapped) {
      metrics.write_latency.record(took);
    }
  }
  phase_ = SessionPhase::kIdle;
  job_.kind = JobKind::kNone;
  job_.wrapped = false;
  abort_requested_ = false;
  if (command_.capacity() > kRetainedBytesMax) {
    Buffer().swap(command_);
    Buffer().swap(execute_);
    Buffer().swap(execute_payload_);
    Buffer().swap(spliced_);
  }
  if (release_) {
    release_ = false;
    on_client_gone();
    effects_.close_client();
  }
}

void SessionCore::close_with(const protocol::SqlError& error) {
  scratch_.clear();
  protocol::append_err(scratch_, error, reply_sequence_);
  effects_.send_client({scratch_});
  on_client_gone();
  effects_.close_client();
}

void SessionCore::on_client_gone() {
  abandon_branch();
  const bool on_backend = transaction_.on_backend();
  phase_ = SessionPhase::kClosing;
  transaction_.end();
  for (const Channel channel : {Channel::kHome, Channel::kRead}) {
    bool& held = channel == Channel::kHome ? home_held_ : read_held_;
    if (held) {
      held = false;
      const bool clean =
          replies_[static_cast<int>(channel)].empty() && pins_.empty() && !on_backend;
      effects_.release(channel, clean);
    }
  }
}

}  // namespace consort::proxy
