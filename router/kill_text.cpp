#include "router/kill_text.h"

#include "router/account_name.h"
#include "router/sql_lexer.h"
#include "router/statement.h"

namespace consort::router {
namespace {

constexpr std::string_view kKillQuestion = "VALUES (CAST((";

bool is_one_expression(std::string_view operand, const LexerOptions& options) {
  SqlLexer lexer(operand, options);
  int depth = 0;
  for (Token token = lexer.next(); !token.is(TokenKind::kEnd); token = lexer.next()) {
    depth += token.is(TokenKind::kOpenParen) ? 1 : token.is(TokenKind::kCloseParen) ? -1 : 0;
    if (depth < 0 || token.is(TokenKind::kInvalid) || token.is(TokenKind::kSemicolon)) {
      return false;
    }
  }
  return depth == 0 && !in_doubt(operand, options) && !lexer.saw_uncertain_text();
}

}  // namespace

std::optional<std::string> kill_question(std::string_view operand, const LexerOptions& options) {
  if (!is_one_expression(operand, options)) {
    return std::nullopt;
  }
  // Not SELECT: in VALUES a server takes no aggregates, as in KILL.
  return std::string(kKillQuestion) + std::string(operand) + std::string(kKillQuestionEnd);
}

std::optional<std::string> prepared_kill_question(std::string_view operand,
                                                  const LexerOptions& options) {
  if (!is_one_expression(operand, options)) {
    return std::nullopt;
  }
  // Not VALUES: with parameters it cuts the answer short (seen with 10.11).
  return "SELECT CAST(CAST((" + std::string(operand) + ") AS SIGNED) AS CHAR)";
}

std::string_view leading_column(std::string_view question, const LexerOptions& options) {
  if (!question.starts_with(kKillQuestion)) {
    return {};
  }
  SqlLexer lexer(question.substr(kKillQuestion.size()), options);
  const Token name = lexer.next();
  const Token next = lexer.next();
  const bool is_bare =
      name.is(TokenKind::kWord) && !next.is(TokenKind::kOpenParen) && !next.is(TokenKind::kDot);
  return is_bare ? name.text : std::string_view();
}

std::optional<KilledAccount> killed_account(std::string_view operand, const LexerOptions& options) {
  SqlLexer lexer(operand, options);
  const Token first = lexer.next();
  Token next = lexer.next();
  KilledAccount account;
  if (first.is("CURRENT_USER")) {
    account.current = true;
    if (next.is(TokenKind::kOpenParen)) {
      if (!lexer.next().is(TokenKind::kCloseParen)) {
        return std::nullopt;
      }
      next = lexer.next();
    }
  } else {
    const std::optional<std::string> user = account_word(first);
    if (!user) {
      return std::nullopt;
    }
    account.user = *user;
    if (next.is(TokenKind::kUserVariable) && !next.space_before) {
      account.host = identifier_text(user_variable_name(next.text));
      next = lexer.next();
    }
  }
  if (!next.is(TokenKind::kEnd) || in_doubt(operand, options) || lexer.saw_uncertain_text() ||
      account.host.find('\\') != std::string::npos) {
    return std::nullopt;
  }
  return account;
}

}  // namespace consort::router
