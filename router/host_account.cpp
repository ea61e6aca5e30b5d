#include "router/host_account.h"

#include "router/token.h"
#include "router/token_reader.h"

namespace consort::router {
namespace {

/// With its escapes, if any: is_host_name() looks for no sign that one makes or takes away.
std::string_view host_of(const Token& token) {
  return user_variable_name(token.text);
}

}  // namespace

// As hostname_requires_resolving() of MariaDB 10.11.
bool is_host_name(std::string_view host) {
  return !equals_ignoring_case(host, "localhost") &&
         host.find_first_of(":%_/") == std::string_view::npos &&
         host.find_first_not_of("0123456789.") != std::string_view::npos;
}

// No grammar: in such a statement an @x is a host, but for a variable that SET names or reads.
std::optional<std::string> account_by_host_name(std::string_view sql, const LexerOptions& options) {
  TokenReader reader(sql, options);
  Token before = reader.token();
  reader.advance();
  if (before.is(Keyword::kDrop) && reader.token().is("USER")) {
    return std::nullopt;
  }
  bool first = true;  // `before` is the verb: SET @x = 1, ..
  for (; !reader.ended(); reader.advance()) {
    const Token& token = reader.token();
    const bool variable = first || before.is(TokenKind::kOperator) ||
                          before.is(TokenKind::kAssign) || before.is(TokenKind::kComma);
    if (token.is(TokenKind::kUserVariable) && !variable && is_host_name(host_of(token))) {
      return std::string(before.text) + std::string(token.text);
    }
    before = token;
    first = false;
  }
  return std::nullopt;
}

}  // namespace consort::router
