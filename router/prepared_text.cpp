#include "router/prepared_text.h"

#include <cstddef>
#include <vector>

#include "router/process_table.h"
#include "router/sql_lexer.h"

namespace consort::router {
namespace {

bool is_value(const Token& token) {
  return token.is(TokenKind::kUserVariable) ||
         (token.is(TokenKind::kString) && (token.text[0] == '\'' || token.text[0] == '"'));
}

/// What is left of the text, if it is one value.
std::optional<std::string_view> lone_value(SqlLexer& lexer, bool may_have_parameters) {
  const Token value = lexer.next();
  const Token next = lexer.next();
  const bool ends = next.is(TokenKind::kEnd) || (may_have_parameters && next.is(Keyword::kUsing));
  if (!is_value(value) || !ends || lexer.saw_uncertain_text()) {
    return std::nullopt;
  }
  return value.text;
}

/// The expressions behind USING, separated by commas. nullopt: there is something else.
std::optional<std::vector<std::string_view>> parameters_of(std::string_view sql,
                                                           const LexerOptions& options) {
  std::vector<std::string_view> parameters;
  SqlLexer lexer(sql, options);
  (void)lexer.next();  // EXECUTE
  if (lexer.next().is("IMMEDIATE")) {
    (void)lexer.next();
  }
  Token token = lexer.next();
  if (!token.is(Keyword::kUsing)) {
    return token.is(TokenKind::kEnd) ? std::optional(parameters) : std::nullopt;
  }
  int depth = 0;
  const char* begin = nullptr;
  const char* end = nullptr;
  while (true) {
    token = lexer.next();
    const bool over = token.is(TokenKind::kEnd) || (depth == 0 && token.is(TokenKind::kComma));
    if (over && begin == nullptr) {
      return std::nullopt;
    }
    if (over) {
      parameters.emplace_back(begin, static_cast<std::size_t>(end - begin));
      begin = nullptr;
    }
    if (token.is(TokenKind::kEnd)) {
      break;
    }
    depth += token.is(TokenKind::kOpenParen) ? 1 : token.is(TokenKind::kCloseParen) ? -1 : 0;
    if (depth < 0 || token.is(TokenKind::kInvalid) || token.is(TokenKind::kSemicolon)) {
      return std::nullopt;
    }
    if (!over) {
      begin = begin == nullptr ? token.text.data() : begin;
      end = token.text.data() + token.text.size();
    }
  }
  return depth == 0 && !lexer.saw_uncertain_text() ? std::optional(parameters) : std::nullopt;
}

bool speaks_of_sessions(const Statement& statement, std::string_view schema) {
  switch (statement.kind) {
    case StatementKind::kKill:
      return true;
    case StatementKind::kSelect:
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kReplace:
    case StatementKind::kDo:
    case StatementKind::kSetUserVariable:
      return statement.has(Flag::kConnectionId) || reads_process_table(statement, schema);
    default:
      return false;
  }
}

}  // namespace

std::optional<std::string_view> prepared_text_source(std::string_view sql,
                                                     const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  if (options.doubtful || !lexer.next().is(Keyword::kPrepare) || !lexer.next().is_name() ||
      !lexer.next().is(Keyword::kFrom)) {
    return std::nullopt;
  }
  return lone_value(lexer, false);
}

std::optional<std::string_view> immediate_text_source(std::string_view sql,
                                                      const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  if (options.doubtful || !lexer.next().is(Keyword::kExecute) || !lexer.next().is("IMMEDIATE")) {
    return std::nullopt;
  }
  return lone_value(lexer, true);
}

std::optional<std::string> executed_text(std::string_view sql,
                                         std::string_view prepared,
                                         const LexerOptions& options) {
  const auto parameters = parameters_of(sql, options);
  if (!parameters) {
    return std::nullopt;
  }
  std::string out;
  std::size_t used = 0;
  std::size_t copied = 0;
  bool in_limit = false;
  SqlLexer lexer(prepared, options);
  for (Token token = lexer.next(); !token.is(TokenKind::kEnd); token = lexer.next()) {
    if (token.is(TokenKind::kInvalid)) {
      return std::nullopt;
    }
    const bool goes_on = token.is(TokenKind::kNumber) || token.is(TokenKind::kComma) ||
                         token.is("OFFSET") || token.is(TokenKind::kPlaceholder);
    in_limit = token.is(Keyword::kLimit) || (in_limit && goes_on);
    if (!token.is(TokenKind::kPlaceholder)) {
      continue;
    }
    if (in_limit || used == parameters->size()) {
      return std::nullopt;
    }
    const auto at = static_cast<std::size_t>(token.text.data() - prepared.data());
    out += prepared.substr(copied, at - copied);
    out += '(';
    out += (*parameters)[used++];
    out += ')';
    copied = at + token.text.size();
  }
  if (used != parameters->size() || lexer.saw_uncertain_text()) {
    return std::nullopt;
  }
  out += prepared.substr(copied);
  return out;
}

std::optional<std::string_view> executed_name(std::string_view sql, const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  if (options.doubtful || !lexer.next().is(Keyword::kExecute)) {
    return std::nullopt;
  }
  const Token name = lexer.next();
  const Token next = lexer.next();
  const bool is_immediate = name.is("IMMEDIATE") && is_value(next);
  if (!name.is_name() || is_immediate || (!next.is(TokenKind::kEnd) && !next.is(Keyword::kUsing))) {
    return std::nullopt;
  }
  return name.name();
}

bool runs_outside_execute(const Statement& statement, std::string_view schema) {
  if (statement.flags.has_any({Flag::kUncertain, Flag::kMultiStatement})) {
    return false;
  }
  if (speaks_of_sessions(statement, schema)) {
    return true;
  }
  if (statement.has(Flag::kPlaceholders)) {
    return false;
  }
  switch (statement.kind) {
    case StatementKind::kDdl:
    case StatementKind::kAccount:
    case StatementKind::kSetPassword:
    case StatementKind::kBegin:
    case StatementKind::kCommit:
    case StatementKind::kRollback:
    case StatementKind::kSetAutocommit:
    case StatementKind::kSetTransaction:
    case StatementKind::kXa:
    case StatementKind::kUnlockTables:
      return true;
    default:
      return statement.flags.has_any(
          {Flag::kImplicitCommit, Flag::kSetsAutocommit, Flag::kGuardedSetting, Flag::kSetsGlobal});
  }
}

}  // namespace consort::router
