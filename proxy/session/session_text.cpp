// SessionCore: text protocol PREPARE and EXECUTE of what cannot run inside a branch, or speaks of
// Consort's sessions.
#include "protocol/constants.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "router/prepared_text.h"

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

}  // namespace

/// Everything that may prepare, or forget, a statement of that name: forgotten before it runs,
/// since it may have done so even if it fails.
void SessionCore::forget_text_statements(const Statement& statement) {
  if (job_.pins.added.has(router::PinReason::kUnknownState)) {
    if (!text_source()) {  // else it is known soon what runs
      text_statements_.clear();
    }
  } else if (statement.kind == StatementKind::kPrepareText ||
             statement.kind == StatementKind::kDeallocateText) {
    text_statements_.erase(statement.name);
  }
}

/// Character sets in which a text is the same for the server, the statement and the reply.
bool SessionCore::texts_are_unconverted() const {
  const auto client = state_.variable("character_set_client");
  return client == state_.variable("character_set_results") &&
         client == state_.variable("character_set_connection");
}

/// The expression whose value the command's text is, if it may be asked for. A view into
/// `command_`.
std::optional<std::string_view> SessionCore::text_source() const {
  // FOUND_ROWS() would be this question's.
  if (job_.kind != JobKind::kQuery || job_.channel != Channel::kHome || !texts_are_unconverted() ||
      pins_.has(router::PinReason::kFoundRows)) {
    return std::nullopt;
  }
  const std::string_view sql = query_text(command_);
  switch (job_.statement_kind) {
    case StatementKind::kPrepareText:
      return router::prepared_text_source(sql, lexer_options());
    case StatementKind::kExecuteText:
      return router::immediate_text_source(sql, lexer_options());
    default:
      return std::nullopt;
  }
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
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes("SELECT " + std::string(*source)));
}

/// The server has prepared it.
void SessionCore::note_text_statement() {
  if (job_.kind != JobKind::kQuery || job_.statement_kind != StatementKind::kPrepareText) {
    return;
  }
  const std::string& text = job_.text;
  if (text.empty() ||
      !router::runs_outside_execute(router::classify(text, lexer_options()), state_.schema())) {
    return;
  }
  const Statement prepare = router::classify(query_text(command_), lexer_options());
  text_statements_.add({std::string(prepare.name), text, state_.schema(), lexer_options()});
}

bool SessionCore::run_text_statement(std::string_view sql, const Statement& statement) {
  if (statement.kind != StatementKind::kExecuteText) {
    return false;
  }
  const auto name = router::executed_name(sql, lexer_options());
  const TextStatements::Entry* entry = name ? text_statements_.find(*name) : nullptr;
  if (entry == nullptr || entry->schema != state_.schema() || entry->lexer != lexer_options()) {
    return false;
  }
  const auto text = router::executed_text(sql, entry->sql, lexer_options());
  if (!text) {
    return false;
  }
  replace_command(*text, Command::kQuery);
  run_query(*text, router::classify(*text, lexer_options()));
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
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes("SELECT " + std::string(*source)));
  expect(Channel::kHome, ReplyRole::kImmediateText, Command::kQuery);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
  return true;
}

void SessionCore::on_immediate_text() {
  const std::string told = told_text();
  const bool outside =
      !told.empty() &&
      router::runs_outside_execute(router::classify(told, lexer_options()), state_.schema());
  const auto text =
      outside ? router::executed_text(query_text(command_), told, lexer_options()) : std::nullopt;
  if (!text) {
    job_.text_known = true;
    text_statements_.clear();  // it may be a CALL
    send_job();
    return;
  }
  begin_command();
  replace_command(*text, Command::kQuery);
  run_query(*text, router::classify(*text, lexer_options()));
}

}  // namespace consort::proxy
