// OwnTableLocks: what a session has locked by LOCK TABLES, and what the server would refuse it
// meanwhile. Only what a statement's text says for certain: what it does not name, or may name by
// an alias, passes.
// Threads: none; its session's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/sql_error.h"
#include "proxy/commit/commit_messages.h"
#include "router/statement.h"

namespace consort::proxy {

class OwnTableLocks {
 public:
  void take(std::vector<TableLock> tables) { tables_ = std::move(tables); }

  void clear() { tables_.clear(); }

  [[nodiscard]] bool empty() const { return tables_.empty(); }

  /// 1099, 1100 or 1192 for a statement that the locks do not allow. `sql` is its text, `schema`
  /// the session's current database.
  [[nodiscard]] std::optional<protocol::SqlError> refusal(const router::Statement& statement,
                                                          std::string_view sql,
                                                          std::string_view schema) const;

 private:
  enum class Held : std::uint8_t { kNot, kRead, kWrite };

  [[nodiscard]] Held held(const router::TableRef& table, std::string_view schema) const;

  std::vector<TableLock> tables_;  ///< a table may be there several times, by its aliases
};

/// The tables of a statement that wait for other sessions' locks: those it names as its own, as
/// the server would lock them. Empty for statements that look at no rows.
[[nodiscard]] std::vector<TableLock> tables_used(const router::Statement& statement,
                                                 std::string_view schema);

}  // namespace consort::proxy
