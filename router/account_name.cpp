#include "router/account_name.h"

#include <utility>

#include "router/token_reader.h"

namespace consort::router {
namespace {

/// user@host, or a role, of which nobody takes notice. False: no account begins here.
bool read_account(TokenReader& reader, std::vector<AccountName>& accounts) {
  auto user = account_word(reader.token());
  if (!user) {
    return false;
  }
  AccountName account;
  account.user = std::move(*user);
  reader.advance();
  if (reader.token().is(TokenKind::kUserVariable) && !reader.token().space_before) {
    account.host = identifier_text(user_variable_name(reader.token().text));
    reader.advance();
  }
  accounts.push_back(std::move(account));
  return true;
}

/// To behind the next comma outside of parentheses. False: there is none.
bool skip_to_next(TokenReader& reader) {
  while (!reader.ended()) {
    if (reader.accept(TokenKind::kComma)) {
      return true;
    }
    if (reader.token().is(TokenKind::kOpenParen)) {
      reader.skip_parentheses();
    } else {
      reader.advance();
    }
  }
  return false;
}

/// Behind `word` outside of parentheses, or at the end. Whether `other` stands before it.
bool skip_behind(TokenReader& reader, std::string_view word, std::string_view other) {
  bool seen = false;
  while (!reader.ended() && !reader.accept(word)) {
    seen = seen || reader.token().is(other);
    if (reader.token().is(TokenKind::kOpenParen)) {
      reader.skip_parentheses();
    } else {
      reader.advance();
    }
  }
  return seen;
}

/// To the list of accounts. False: the statement renews none.
bool find_list(TokenReader& reader) {
  if (reader.accept("GRANT")) {
    return skip_behind(reader, "TO", "ON");
  }
  if (reader.accept("REVOKE")) {
    const bool all = reader.token().is("ALL");
    return skip_behind(reader, "FROM", "ON") || all;
  }
  const bool creates = reader.accept(Keyword::kCreate);
  if (!creates && !reader.accept(Keyword::kAlter)) {
    return false;
  }
  if (creates && reader.accept("OR")) {
    reader.accept(Keyword::kReplace);
  }
  if (!reader.accept("USER")) {
    return false;
  }
  if (reader.accept("IF")) {
    if (creates) {
      return false;  // NOT EXISTS: what exists stays as it is
    }
    reader.accept("EXISTS");
  }
  return true;
}

}  // namespace

std::optional<std::string> account_word(const Token& token) {
  if (token.is_name()) {
    return identifier_text(token.name());
  }
  if (!token.is(TokenKind::kString) || token.text.size() < 2) {
    return std::nullopt;
  }
  const std::string_view inside = token.text.substr(1, token.text.size() - 2);
  if ((token.text[0] != '\'' && token.text[0] != '"') ||
      inside.find_first_of("\\'\"") != std::string_view::npos) {
    return std::nullopt;
  }
  return std::string(inside);
}

std::vector<AccountName> renewed_accounts(std::string_view sql, const LexerOptions& options) {
  TokenReader reader(sql, options);
  std::vector<AccountName> accounts;
  if (!find_list(reader)) {
    return accounts;
  }
  while (read_account(reader, accounts) && skip_to_next(reader)) {
  }
  return accounts;
}

}  // namespace consort::router
