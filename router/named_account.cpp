#include "router/named_account.h"

#include <cstddef>

#include "base/sql_identifier.h"
#include "router/sql_lexer.h"

namespace consort::router {
namespace {

std::optional<std::string> spelt(std::string_view account) {
  const std::size_t at = account.rfind('@');
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  return sql_identifier(account.substr(0, at)) + "@" + sql_identifier(account.substr(at + 1));
}

/// What a statement without an account in it lacks.
struct Missing {
  bool behind_password = false;  ///< SET PASSWORD: there, else at the end
  std::string_view words;        ///< that stand before the account; empty: nothing is missing
};

}  // namespace

std::optional<std::string> with_account_named(std::string_view sql,
                                              const Statement& statement,
                                              const LexerOptions& options,
                                              std::string_view account) {
  const std::optional<std::string> name = spelt(account);
  if (!name || !statement.flags.has_any({Flag::kCurrentUser, Flag::kCreatorsRole}) ||
      statement.has(Flag::kUncertain) || statement.has(Flag::kMultiStatement) ||
      in_doubt(sql, options) || sql.find("/*!") != sql.npos || sql.find("/*M!") != sql.npos) {
    return std::nullopt;
  }
  SqlLexer lexer(sql, options);
  std::string out;
  std::size_t copied = 0;
  std::size_t end = 0;
  Missing missing;
  const auto end_of = [&sql](const Token& token) {
    return static_cast<std::size_t>(token.text.data() - sql.data()) + token.text.size();
  };
  const Token verb = lexer.next();
  Token token = lexer.next();
  end = end_of(verb);
  if (verb.is(Keyword::kSet)) {
    missing = {token.is("PASSWORD"), "FOR"};
  } else if (verb.is(Keyword::kCreate)) {
    missing.words = "WITH ADMIN";  // of a role: nothing else is flagged without a CURRENT_USER
  }
  bool is_role = false;
  bool password_seen = false;
  while (!token.is(TokenKind::kEnd) && !token.is(TokenKind::kSemicolon)) {
    if (token.is(TokenKind::kInvalid) || token.is("CURRENT_ROLE")) {
      return std::nullopt;
    }
    is_role = is_role || token.is("ROLE");
    if (token.is(Keyword::kFor) || token.is("ADMIN")) {
      missing.words = {};
    }
    const Token current = token;
    end = end_of(current);
    token = lexer.next();
    if (current.is("CURRENT_USER")) {
      out +=
          sql.substr(copied, static_cast<std::size_t>(current.text.data() - sql.data()) - copied);
      out += *name;
      copied = end;
      if (token.is(TokenKind::kOpenParen)) {
        const Token close = lexer.next();
        if (!close.is(TokenKind::kCloseParen)) {
          return std::nullopt;
        }
        copied = end = end_of(close);
        token = lexer.next();
      }
    } else if (missing.behind_password && !password_seen && current.is("PASSWORD") &&
               !token.is(Keyword::kFor)) {
      out += sql.substr(copied, end - copied);
      out += " FOR " + *name;
      copied = end;
    }
    password_seen = password_seen || current.is("PASSWORD");
  }
  if (lexer.saw_uncertain_text()) {
    return std::nullopt;
  }
  out += sql.substr(copied, end - copied);
  const bool appends =
      !missing.words.empty() && !missing.behind_password && (verb.is(Keyword::kSet) || is_role);
  if (appends) {
    out += ' ';
    out += missing.words;
    out += ' ' + *name;
  }
  return out;
}

}  // namespace consort::router
