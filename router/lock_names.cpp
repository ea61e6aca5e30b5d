#include "router/lock_names.h"

#include "router/sql_lexer.h"

namespace consort::router {

std::optional<std::vector<std::string_view>> lock_names(std::string_view sql,
                                                        const LexerOptions& options) {
  std::vector<std::string_view> names;
  SqlLexer lexer(sql, options);
  Token token = lexer.next();
  while (!token.is(TokenKind::kEnd)) {
    const bool call = token.is("GET_LOCK");
    token = lexer.next();
    if (!call || !token.is(TokenKind::kOpenParen)) {
      continue;
    }
    const Token name = lexer.next();
    token = lexer.next();
    if (!name.is(TokenKind::kString) || !token.is(TokenKind::kComma)) {
      return std::nullopt;
    }
    names.push_back(name.text);
  }
  if (lexer.saw_uncertain_text() || in_doubt(sql, options)) {
    return std::nullopt;
  }
  return names;
}

}  // namespace consort::router
