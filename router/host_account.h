// Accounts whose host is a name ('a'@'web1'): servers with skip_name_resolve=ON forget them when
// they start and at FLUSH PRIVILEGES. Pure. Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"

namespace consort::router {

/// Such a server takes `host`, as an account has it, for a name that it would have to look up: not
/// localhost, no IPv4 address, nothing with a sign of patterns, netmasks or IPv6 in it.
[[nodiscard]] bool is_host_name(std::string_view host);

/// The first account in `sql` that is named by a host's name, as the text has it. nullopt: there is
/// none, or it is a DROP USER, which does the same whether or not the server has forgotten it
/// (decision 0048). REQUIRES: changes_accounts(classify(sql, options).kind).
[[nodiscard]] std::optional<std::string> account_by_host_name(std::string_view sql,
                                                              const LexerOptions& options);

}  // namespace consort::router
