// Names of accounts in statements: 'user'@'host'. Pure. Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/lexer_options.h"
#include "router/token.h"

namespace consort::router {

struct AccountName {
  std::string user;
  std::string host = "%";
  friend bool operator==(const AccountName&, const AccountName&) = default;
};

/// A name as accounts have it: a word, or in quotes of any kind. nullopt: with escapes in it.
[[nodiscard]] std::optional<std::string> account_word(const Token& token);

/// The accounts to which `sql` gives or from which it takes rights, or that it makes or alters: a
/// server that succeeds with it has them anew (measured), so that their wrong passwords are
/// forgotten. None: of roles, of an account's role or password alone, or of what cannot be read.
[[nodiscard]] std::vector<AccountName> renewed_accounts(std::string_view sql,
                                                        const LexerOptions& options);

}  // namespace consort::router
