// SessionCore: CREATE TABLE .. SELECT, step by step. Each step is a statement of its own on its own
// way, with all that belongs to it; what it answers stays here. Decision 0027.
#include <algorithm>
#include <utility>

#include "base/sql_identifier.h"
#include "certifier/lane_sql.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"
#include "proxy/session/ascii_text.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"
#include "router/sql_lexer.h"

namespace consort::proxy {

using protocol::Command;
using router::Flag;
using router::Statement;
using router::StatementKind;
using Step = CreateSelectStep;

namespace {

/// More than any definition needs.
constexpr std::size_t kReplyBytesMax = 8 << 20;
/// SHOW CREATE TABLE must leave nothing out, nobody else's quotes may be in it; the rows are what
/// they are: 0 in an AUTO_INCREMENT column, a date of zeros, what a check would not have let in.
constexpr std::string_view kSettle =
    "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', SESSION sql_quote_show_create=1, "
    "SESSION check_constraint_checks=0";
constexpr std::string_view kSettled[] = {"sql_mode", "sql_quote_show_create",
                                         "check_constraint_checks"};
constexpr std::string_view kInUtf8 = "SET STATEMENT character_set_results=utf8mb4 FOR ";
constexpr std::string_view kAsClient =
    "SET STATEMENT character_set_results=@@character_set_client FOR ";
constexpr std::string_view kShowWarnings = "SHOW WARNINGS";
constexpr std::string_view kShowStatus = "SHOW SESSION STATUS";
constexpr std::string_view kFeature =
    "this form of CREATE TABLE .. SELECT (create the table, then "
    "INSERT .. SELECT)";

/// Something of it means nothing for a temporary table: its text runs where kSettle holds.
bool lasts_only(const router::CreateSelect& parts) {
  return !parts.keys.empty() || !parts.versioning.empty() || !parts.partitions.empty();
}

/// It selects from the table that it makes. A view may hide that.
bool reads(const Statement& statement, const CreateSelectJob& job, const std::string& schema) {
  return std::any_of(
      statement.tables.begin(), statement.tables.end(), [&](const router::TableRef& table) {
        const bool same_schema =
            (table.schema.empty() ? schema : router::identifier_text(table.schema)) == job.schema;
        return table.role == router::TableRole::kRead && same_schema &&
               router::identifier_text(table.name) == job.table;
      });
}

}  // namespace

void SessionCore::begin_create_select(const Statement& statement, std::string_view sql) {
  if (creates_select()) {  // what a step defines has no query
    reply_error(protocol::not_supported_error(kFeature));
    return;
  }
  create_select_ = std::make_unique<CreateSelectJob>();
  CreateSelectJob& job = *create_select_;
  job.sql.assign(sql);
  job.parameters = std::move(job_.parameters);
  const auto parts = router::read_create_select(job.sql, lexer_options());
  const bool has_parameters = job_.statement_id != 0 && statement.has(Flag::kPlaceholders);
  const bool other_quotes = lexer_options().ansi_quotes || lexer_options().no_backslash_escapes;
  const bool hidden = job_.subjects == router::DdlSubjects::kTemporary;
  // MySQL lets no branch come near the temporary table in which the rows are collected.
  if (!parts || job_.bulk || effects_.mysql() || own_tables_.has_all() ||
      (job_.subjects != router::DdlSubjects::kPlain && !hidden) ||
      (other_quotes && lasts_only(*parts))) {
    reply_error(protocol::not_supported_error(kFeature));
    return;
  }
  const router::TableRef& table = parts->table;
  job.parts = *parts;
  job.table = router::identifier_text(table.name);
  job.schema = table.schema.empty() ? state_.schema() : router::identifier_text(table.schema);
  job.target = named_in_backticks(table);
  job.is_hidden = hidden;
  job.reads_itself = !hidden && reads(statement, job, state_.schema());
  collect_in(job, job.schema);
  job.reply_sequence = reply_sequence_;
  job.statement_id = job_.statement_id;
  if (has_parameters) {
    job.execution = protocol::join_payload(command_);
  }
  job.began = job_.began;
  const bool is_read = job.statement_id != 0;  // when it was prepared
  run_step(!transaction_.open() ? Step::kCheckRights
           : is_read            ? Step::kEndTransaction
                                : Step::kReadText);
}

void SessionCore::run_step(CreateSelectStep step) {
  CreateSelectJob& job = *create_select_;
  job.step = step;
  job.reply.clear();
  begin_command();
  job_.began = job.began;
  reply_sequence_ = 1;
  switch (step) {
    case Step::kNone:
      return;
    case Step::kEndTransaction:
    case Step::kKeepCollected:
    case Step::kKeepFilled:
      run_step_sql(kPlainCommit);
      return;
    case Step::kTakeBack:
      run_step_sql(kPlainRollback);
      return;
    case Step::kReadText:
    case Step::kCheckRights:
      replace_command(job.sql, Command::kStmtPrepare);
      on_prepare(job.sql);
      return;
    case Step::kCheckName:
      run_step_unseen(check_name_sql(job));  // it defines no table
      return;
    case Step::kLetCollect:
      job.let_collect = true;
      run_step_unseen(certifier::kLetCollectSql);
      return;
    case Step::kReadCharacterSet:
      run_step_at_home("SHOW CREATE DATABASE " + sql_identifier(job.schema));
      return;
    case Step::kPrepareCollect: {
      const std::string sql = collect_sql(job);
      replace_command(sql, Command::kStmtPrepare);
      on_prepare(sql);
      return;
    }
    case Step::kCollect:
      collect();
      return;
    case Step::kReadWarnings:
      counters_.note_own(kShowWarnings, false);
      run_step_sql(kShowWarnings);
      return;
    case Step::kCountFirst:
    case Step::kCountLast:
      run_step_at_home(kShowStatus);
      return;
    case Step::kSettle:
      job.state_before = state_;
      job.settled = true;
      run_step_sql(kSettle);
      return;
    case Step::kReadDefinition:
      run_step_at_home(std::string(kInUtf8) + "SHOW CREATE TABLE " + job.collected);
      return;
    case Step::kReadAgain:
      run_step_at_home(std::string(kAsClient) + "SHOW CREATE TABLE " + job.collected);
      return;
    case Step::kReadColumns:
      run_step_at_home(std::string(kAsClient) + "SHOW COLUMNS FROM " + job.collected);
      return;
    case Step::kReadLengths:
      run_step_at_home(job.lengths.question(job.collected));
      return;
    case Step::kCreate:
      run_step_sql(create_sql(job));
      return;
    case Step::kSetAside:
      run_step_sql(set_aside_sql(job));
      return;
    case Step::kPutBack:
      run_step_sql(put_back_sql(job));
      return;
    case Step::kFill:
      ++job.fills;
      run_step_sql(fill_sql(job));
      return;
    case Step::kUndo:
      post_unfilled();
      job.made_by = {};
      phase_ = SessionPhase::kOrdering;  // on_ddl_outcome() goes on
      ordered_ = {};
      watch_order();
      return;
    case Step::kDropCollected:
      run_step_sql("DROP TEMPORARY TABLE IF EXISTS " + job.collected);
      return;
    case Step::kRestore:
      run_step_sql(restoring_sql());
      return;
  }
}

void SessionCore::run_step_sql(std::string_view sql) {
  router::LexerOptions options = lexer_options();
  options.doubtful = options.doubtful && !is_ascii(sql);  // the client's part of it is certain
  replace_command(sql, Command::kQuery);
  run_statement(router::classify(sql, options), sql, JobKind::kQuery);
}

void SessionCore::collect() {
  const CreateSelectJob& job = *create_select_;
  if (job.collect_id != 0) {
    execute_collect();
  } else if (job.parameters.empty()) {
    run_step_sql(collect_sql(job));
  } else {
    const std::string sql = collect_sql(job);
    replace_command(execute_collect_sql(job, !lexer_options().no_backslash_escapes),
                    Command::kQuery);
    run_statement(router::classify(sql, lexer_options()), sql, JobKind::kQuery);
  }
}

/// With the parameters of the client's execution.
void SessionCore::execute_collect() {
  constexpr std::size_t kFlagsAt = 5;  // behind command and statement
  CreateSelectJob& job = *create_select_;
  statements_.take_over(job.statement_id, job.collect_id);
  Buffer payload = job.execution;
  protocol::patch_statement_id(payload, job.collect_id);
  payload[kFlagsAt] = 0;  // no cursor
  command_.clear();
  const std::uint8_t next = protocol::append_packet(command_, payload, 0);
  command_sequence_ = static_cast<std::uint8_t>(next - 1);
  job_.statement_id = job.collect_id;
  run_prepared();
}

/// In a branch of its own the mark behind it forgets its warnings, and some servers do at its end.
void SessionCore::append_warnings_question() {
  const bool forgets =
      !creates_select() && (branch_keeps_ || home_lease_.connection().forgets_warnings);
  if (create_select_step() != Step::kCollect && !forgets) {
    return;
  }
  expect(Channel::kHome, ReplyRole::kWarnings, Command::kQuery);
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kShowWarnings));
}

/// To the home, as it is.
void SessionCore::run_step_unseen(std::string_view sql) {
  replace_command(sql, Command::kQuery);
  Statement asks;
  asks.kind = StatementKind::kShow;
  asks.flags.set(Flag::kReadsOnly);
  job_.statement_kind = asks.kind;
  job_.names_tables = true;
  run_at_home(asks, JobKind::kQuery);
}

/// Where the collected table is, or its like.
void SessionCore::run_step_at_home(std::string_view sql) {
  replace_command(sql, Command::kQuery);
  const Statement statement = router::classify(sql, lexer_options());
  job_.statement_kind = statement.kind;
  job_.names_tables = true;
  job_.passing_settings = true;
  run_at_home(statement, JobKind::kQuery);
}

std::string SessionCore::restoring_sql() const {
  const SessionState& before = create_select_->state_before;
  std::string sql = "SET ";
  for (const std::string_view name : kSettled) {
    sql += sql.size() > 4 ? ", SESSION " : "SESSION ";
    sql += name;
    sql += '=';
    if (const auto value = before.variable(name)) {
      append_setting_value(sql, name, *value);
    } else {
      sql += "DEFAULT";
    }
  }
  return sql;
}

void SessionCore::keep_step_reply(std::initializer_list<Bytes> pieces) {
  for (const Bytes& piece : pieces) {
    if (create_select_->reply.size() + piece.size() <= kReplyBytesMax) {
      append(create_select_->reply, piece);
    }
  }
}

}  // namespace consort::proxy
