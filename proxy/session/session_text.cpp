// SessionCore: text protocol PREPARE and EXECUTE of what cannot run inside a branch, or speaks of
// Consort's sessions.
#include "protocol/constants.h"
#include "protocol/packet_writer.h"
#include "proxy/session/ascii_text.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"
#include "router/own_schema.h"

namespace consort::proxy {

using protocol::Command;
using router::Statement;
using router::StatementKind;

namespace {

/// The text of a COM_QUERY that is one packet; longer ones are nothing that is looked at here.
std::string_view query_text(const Buffer& command) {
  const bool fits = command.size() > protocol::kHeaderBytes &&
                    command.size() < protocol::kHeaderBytes + protocol::kMaxPayload;
  return fits ? as_text(Bytes(command).subspan(protocol::kHeaderBytes + 1)) : std::string_view();
}

/// A literal in the session's sql_mode. REQUIRES: `text` is ASCII.
std::string quoted(std::string_view text, const router::LexerOptions& options) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || (c == '\\' && !options.no_backslash_escapes)) {
      out += c;
    }
    out += c;
  }
  return out + '\'';
}

/// It is not the server's to execute.
bool is_ours(std::string_view text,
             const Statement& statement,
             const router::LexerOptions& options,
             std::string_view schema) {
  return router::runs_outside_execute(statement, schema) ||
         router::without_own_schema(text, statement, options).has_value() ||
         router::shows_grants(text, statement, options);
}

}  // namespace

/// Everything that may prepare, or forget, a statement of that name: forgotten before it runs,
/// since it may have done so even if it fails.
void SessionCore::forget_text_statements(const Statement& statement) {
  if (statement.kind == StatementKind::kCall) {
    job_.may_prepare = true;  // until its body is known
  } else if (job_.pins.added.has(router::PinReason::kUnknownState)) {
    if (!text_source() && !executes_known_text()) {  // else it is known soon, or now, what runs
      text_statements_.clear();
    }
  } else if (statement.kind == StatementKind::kPrepareText ||
             statement.kind == StatementKind::kDeallocateText) {
    text_statements_.erase(statement.name);
  }
}

/// A CALL that was to prepare nothing has ended: it may have been of another procedure by then.
void SessionCore::note_call_done() {
  if (job_.statement_kind != StatementKind::kCall || job_.may_prepare) {
    return;
  }
  const auto known = effects_.known_call(job_.called.schema, job_.called.name);
  if (!known || known->dynamic) {
    text_statements_.clear();
  }
}

/// It is an EXECUTE of a name under which nothing is prepared that might prepare something.
bool SessionCore::executes_known_text() const {
  if (job_.statement_kind != StatementKind::kExecuteText || job_.kind != JobKind::kQuery) {
    return false;
  }
  const auto executed = router::executed_text(query_text(command_), lexer_options());
  return executed && text_statements_.find(executed->name) != nullptr;
}

/// The reply has the text as the server would prepare it, which is in the client's character set.
bool SessionCore::texts_are_unconverted() const {
  return state_.variable("character_set_client") == state_.variable("character_set_results");
}

/// The expression whose value the command's text is, if it may be asked for. A view into
/// `command_`.
std::optional<router::TextSource> SessionCore::text_source() const {
  // FOUND_ROWS() would be this question's.
  if (job_.kind != JobKind::kQuery || job_.channel != Channel::kHome || !texts_are_unconverted() ||
      pins_.has(router::PinReason::kFoundRows)) {
    return std::nullopt;
  }
  const std::string_view sql = query_text(command_);
  const auto source = job_.statement_kind == StatementKind::kPrepareText
                          ? router::prepared_text_source(sql, lexer_options())
                      : job_.statement_kind == StatementKind::kExecuteText
                          ? router::immediate_text_source(sql, lexer_options())
                          : std::nullopt;
  // The question runs in no branch.
  return source && source->calls_unknown && effects_.stored_functions() ? std::nullopt : source;
}

/// The text that the server has told; empty: NULL, or too long to be kept.
std::string SessionCore::told_text() const {
  constexpr std::size_t kTextBytesMax = 64 << 10;
  const std::string_view text = own_rows_.value().value_or("");
  return text.size() <= kTextBytesMax ? std::string(text) : std::string();
}

/// In front of a PREPARE: what is its text?
void SessionCore::append_text_question() {
  const auto source =
      job_.statement_kind == StatementKind::kPrepareText ? text_source() : std::nullopt;
  if (!source) {
    return;
  }
  expect(Channel::kHome, ReplyRole::kPreparedText, Command::kQuery);
  protocol::append_command(xa_buffer_, Command::kQuery,
                           as_bytes(router::text_question(source->expression, lexer_options())));
}

/// The server has prepared it.
void SessionCore::note_text_statement() {
  if (job_.kind != JobKind::kQuery || job_.statement_kind != StatementKind::kPrepareText) {
    return;
  }
  std::string text = std::move(job_.text);
  const Statement statement = router::classify(text, lexer_options());
  const bool ours = is_ours(text, statement, lexer_options(), state_.schema());
  if (statement.kind == StatementKind::kCall) {
    note_prepared_call(job_.name, std::move(text));
    return;
  }
  if (text.empty() || (!ours && may_commit_inside(statement))) {
    return;
  }
  if (!ours) {
    text.clear();
  }
  const Statement prepare = router::classify(query_text(command_), lexer_options());
  text_statements_.add(
      {std::string(prepare.name), std::move(text), state_.schema(), lexer_options()});
}

bool SessionCore::run_text_statement(std::string_view sql, const Statement& statement) {
  if (statement.kind != StatementKind::kExecuteText) {
    return false;
  }
  const auto executed = router::executed_text(sql, lexer_options());
  const TextStatements::Entry* entry = executed ? text_statements_.find(executed->name) : nullptr;
  if (entry == nullptr || entry->sql.empty() || entry->schema != state_.schema() ||
      entry->lexer != lexer_options()) {
    return false;
  }
  return run_text(entry->sql, executed->parameters);
}

/// DDL with parameters whose values the server knows: CREATE TABLE as a program, whose statements
/// the home's binlog tells with the values in them (decision 0032).
void SessionCore::run_with_values(std::string_view text,
                                  std::string_view parameters,
                                  const Statement& statement) {
  const bool as_program = statement.ddl.verb == router::DdlVerb::kCreate &&
                          statement.ddl.object == router::DdlObject::kTable && is_ascii(text) &&
                          !lexer_options().doubtful && !lexer_options().oracle && !effects_.mysql();
  const std::string block = "BEGIN NOT ATOMIC EXECUTE IMMEDIATE " + quoted(text, lexer_options()) +
                            " USING " + std::string(parameters) + "; END";
  begin_command();
  if (!as_program) {
    reply_error(protocol::not_supported_error(
        "a parameter of DDL that is not a number or a text (put its value into the statement, by "
        "CONCAT(.., QUOTE(..)))"));
    return;
  }
  const TextStatements prepared = text_statements_;  // the block prepares nothing, as we know
  replace_command(block, Command::kQuery);
  run_query(block, router::classify(block, lexer_options()));
  text_statements_ = prepared;
}

/// A statement that cannot run in a branch, as if the client had sent it. False: it is the server's
/// to say what is wrong.
bool SessionCore::run_text(std::string text, std::string_view parameters) {
  const Statement statement = router::classify(text, lexer_options());
  if (!is_ours(text, statement, lexer_options(), state_.schema()) ||
      (statement.has(router::Flag::kCreateSelect) &&
       statement.has(router::Flag::kPlaceholders) != !parameters.empty())) {
    return false;
  }
  if (statement.has(router::Flag::kCreateSelect)) {
    // With parameters it will be a literal, in the connection's character set.
    if (!parameters.empty() && !is_ascii(text) &&
        state_.variable("character_set_connection") != state_.variable("character_set_client")) {
      return false;
    }
    std::string with(parameters);  // a view into the command
    begin_command();
    job_.parameters = std::move(with);
    replace_command(text, Command::kQuery);
    run_query(text, statement);
    return true;
  }
  const auto with = router::text_with_parameters(text, parameters, lexer_options());
  if (!with) {
    return false;
  }
  // `DEFAULT (@a)` would be another value at each INSERT, and where other servers compute it.
  if (statement.kind == StatementKind::kDdl && !router::are_literals(parameters, lexer_options())) {
    run_with_values(text, parameters, statement);
    return true;
  }
  begin_command();
  replace_command(*with, Command::kQuery);
  run_query(*with, router::classify(*with, lexer_options()));
  return true;
}

/// Before an EXECUTE IMMEDIATE: what is its text?
bool SessionCore::asks_immediate_text() {
  if (job_.statement_kind != StatementKind::kExecuteText || job_.text_known) {
    return false;
  }
  const auto source = text_source();
  if (!source) {
    return false;
  }
  phase_ = SessionPhase::kRelaying;
  xa_buffer_.clear();
  append_preparation();  // the text may be in a variable that travelled
  protocol::append_command(xa_buffer_, Command::kQuery,
                           as_bytes(router::text_question(source->expression, lexer_options())));
  expect(Channel::kHome, ReplyRole::kImmediateText, Command::kQuery);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
  return true;
}

void SessionCore::on_immediate_text() {
  const auto source = text_source();
  const std::string text = told_text();
  if (source && run_text(text, source->parameters)) {
    return;
  }
  job_.text_known = true;
  if (plan_call(text, state_.schema())) {
    text_statements_.clear();  // it may prepare something
    return;
  }
  const Statement statement = router::classify(text, lexer_options());
  leave_immediate_text(!text.empty() && !may_commit_inside(statement));
}

/// Of the EXECUTE IMMEDIATE nothing is known, or that the server may execute it. `harmless`: it
/// prepares nothing by name, as a CALL may.
void SessionCore::leave_immediate_text(bool harmless) {
  job_.text_known = true;
  if (!harmless) {
    text_statements_.clear();
  }
  send_job();
}

/// The question failed. A KILL QUERY and a time limit were meant for the statement; else the server
/// says again what is wrong, in its words for the statement.
void SessionCore::on_immediate_text_error(const protocol::SqlError& error) {
  constexpr std::uint16_t kQueryInterrupted = 1317;
  constexpr std::uint16_t kStatementTimeout = 1969;
  if (error.code == kQueryInterrupted || error.code == kStatementTimeout) {
    fail_question(error);
  } else {
    leave_immediate_text(false);
  }
}

}  // namespace consort::proxy
