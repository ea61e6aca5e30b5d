#include "router/session_scope.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "router/token.h"

namespace consort::router {
namespace {

constexpr std::string_view kSession = "session.";

/// Where a scope belongs: behind the @@ of a name that has none. nullopt: there is no such place.
std::optional<std::size_t> scope_place(std::string_view sql, const SetItem& item) {
  if (item.scope != SetScope::kUnscoped) {
    return std::nullopt;
  }
  auto at = static_cast<std::size_t>(item.name.data() - sql.data());
  if (at > 0 && sql[at - 1] == '`') {
    --at;
  }
  const bool bare = at < 2 || sql.substr(at - 2, 2) != "@@";
  return bare ? std::nullopt : std::optional(at);
}

bool is_set(const Statement& statement) {
  return (statement.kind == StatementKind::kSetSession ||
          statement.kind == StatementKind::kSetAutocommit) &&
         !statement.has(Flag::kSetStatement);
}

}  // namespace

bool is_transaction_setting(std::string_view name) {
  constexpr std::array<std::string_view, 4> kNames = {
      "tx_isolation", "tx_read_only", "transaction_isolation", "transaction_read_only"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view known) { return equals_ignoring_case(known, name); });
}

std::optional<std::string> with_session_scope(std::string_view sql, const Statement& statement) {
  if (!is_set(statement) || sets_unknown(statement) || statement.has(Flag::kMultiStatement)) {
    return std::nullopt;
  }
  std::string out;
  std::size_t copied = 0;
  for (const SetItem& item : statement.settings) {
    const std::optional<std::size_t> place = scope_place(sql, item);
    if (place && !is_transaction_setting(item.name)) {
      out += sql.substr(copied, *place - copied);
      out += kSession;
      copied = *place;
    }
  }
  if (copied == 0) {
    return std::nullopt;
  }
  out += sql.substr(copied);
  return out;
}

bool sets_next_transaction(std::string_view sql, const Statement& statement) {
  return is_set(statement) && std::any_of(statement.settings.begin(), statement.settings.end(),
                                          [&](const SetItem& item) {
                                            return is_transaction_setting(item.name) &&
                                                   scope_place(sql, item).has_value();
                                          });
}

bool sets_unknown(const Statement& statement) {
  return is_set(statement) && (statement.settings.overflowed() || statement.has(Flag::kUncertain));
}

bool sets_session_state(const Statement& statement) {
  const auto of_session = [](const SetItem& item) {
    return item.scope != SetScope::kGlobal && item.scope != SetScope::kUser;
  };
  return statement.kind == StatementKind::kUse || statement.kind == StatementKind::kSetNames ||
         (is_set(statement) && !statement.has(Flag::kRowCount) &&
          std::any_of(statement.settings.begin(), statement.settings.end(), of_session));
}

}  // namespace consort::router
