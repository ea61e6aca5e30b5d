// SessionCore: accounts whose host is a name. A server with skip_name_resolve=ON forgets them when
// it starts; a statement about one would fail there alone, and cost the server (decision 0048).
#include <cstddef>
#include <string>
#include <string_view>

#include "proxy/session/session_core.h"
#include "router/host_account.h"

namespace consort::proxy {

/// What of the statement cannot be had because of an account's host; empty: nothing.
std::string SessionCore::account_refusal(const router::Statement& statement, std::string_view sql) {
  constexpr std::size_t kAccountBytesMax = 256;  // of the message
  if (!router::changes_accounts(statement.kind) || !effects_.forgets_accounts()) {
    return {};
  }
  const auto account = router::account_by_host_name(sql, lexer_options());
  if (!account) {
    return {};
  }
  return "statements about " + account->substr(0, kAccountBytesMax) +
         ", whose host is a name: a server has skip_name_resolve=ON, or may have it, and forgets "
         "such accounts when it starts (give the host's address, or a pattern with %; DROP USER is "
         "taken)";
}

/// `names_host`: a program does that. It is then left to a branch, which takes no such statement.
bool SessionCore::may_not_name(bool names_host) {
  return names_host && effects_.forgets_accounts();
}

}  // namespace consort::proxy
