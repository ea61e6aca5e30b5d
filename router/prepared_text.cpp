#include "router/prepared_text.h"

#include "router/sql_lexer.h"

namespace consort::router {
namespace {

bool is_value(const Token& token) {
  return token.is(TokenKind::kUserVariable) ||
         (token.is(TokenKind::kString) && (token.text[0] == '\'' || token.text[0] == '"'));
}

/// What is left of the text, if it is one value.
std::optional<std::string_view> lone_value(SqlLexer& lexer) {
  const Token value = lexer.next();
  if (!is_value(value) || !lexer.next().is(TokenKind::kEnd) || lexer.saw_uncertain_text()) {
    return std::nullopt;
  }
  return value.text;
}

}  // namespace

std::optional<std::string_view> prepared_text_source(std::string_view sql,
                                                     const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  if (options.doubtful || !lexer.next().is(Keyword::kPrepare) || !lexer.next().is_name() ||
      !lexer.next().is(Keyword::kFrom)) {
    return std::nullopt;
  }
  return lone_value(lexer);
}

std::optional<std::string_view> immediate_text_source(std::string_view sql,
                                                      const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  if (options.doubtful || !lexer.next().is(Keyword::kExecute) || !lexer.next().is("IMMEDIATE")) {
    return std::nullopt;
  }
  return lone_value(lexer);
}

std::optional<std::string_view> executed_name(std::string_view sql, const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  if (options.doubtful || !lexer.next().is(Keyword::kExecute)) {
    return std::nullopt;
  }
  const Token name = lexer.next();
  if (!name.is_name() || !lexer.next().is(TokenKind::kEnd)) {
    return std::nullopt;
  }
  return name.name();
}

bool runs_outside_execute(const Statement& statement) {
  if (statement.flags.has_any({Flag::kUncertain, Flag::kMultiStatement, Flag::kPlaceholders})) {
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
