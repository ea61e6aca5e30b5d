#include "router/shown_variable.h"

#include "router/sql_lexer.h"

namespace consort::router {
namespace {

/// `pattern` with its quotes.
bool is_like_name_only(std::string_view pattern, const ShownVariable& variable) {
  if (pattern.size() < 2) {
    return false;
  }
  pattern = pattern.substr(1, pattern.size() - 2);
  if (equals_ignoring_case(pattern, variable.name)) {
    return true;
  }
  const std::string_view begin = pattern.substr(0, pattern.find('%'));
  return begin.size() + 1 == pattern.size() && begin.size() >= variable.unmistakable.size() &&
         begin.size() <= variable.name.size() &&
         equals_ignoring_case(begin, variable.name.substr(0, begin.size()));
}

}  // namespace

std::optional<std::string> with_shown_variable(std::string_view sql,
                                               const LexerOptions& options,
                                               const ShownVariable& variable) {
  SqlLexer lexer(sql, options);
  if (options.doubtful || !lexer.next().is(Keyword::kShow)) {
    return std::nullopt;
  }
  Token token = lexer.next();
  if (token.is("GLOBAL") || token.is("SESSION") || token.is("LOCAL")) {
    token = lexer.next();
  }
  if (!token.is("VARIABLES")) {
    return std::nullopt;
  }
  token = lexer.next();
  bool exact = false;
  if (token.is(Keyword::kWhere)) {
    if (!lexer.next().is("VARIABLE_NAME") || lexer.next().text != "=") {
      return std::nullopt;
    }
    exact = true;
  } else if (!token.is("LIKE")) {
    return std::nullopt;
  }
  token = lexer.next();
  if (!token.is(TokenKind::kString) || !is_like_name_only(token.text, variable) ||
      (exact && token.text.find('%') != std::string_view::npos)) {
    return std::nullopt;
  }
  do {
    token = lexer.next();
  } while (token.is(TokenKind::kSemicolon));
  if (!token.is(TokenKind::kEnd) || lexer.saw_uncertain_text()) {
    return std::nullopt;
  }
  return "SELECT '" + std::string(variable.name) + "' AS Variable_name," +
         std::string(variable.value) + " AS Value";
}

}  // namespace consort::router
