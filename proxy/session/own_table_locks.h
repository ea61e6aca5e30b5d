// OwnTableLocks: what a session has locked by LOCK TABLES, or by FLUSH TABLES WITH READ LOCK (all
// tables there are), and what the server would refuse it meanwhile. Only what a statement's text
// says for certain: what it does not name, or may name by an alias, passes. Threads: none; its
// session's.
#pragma once

#include <functional>
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
  using IsTemporary = std::function<bool(const TableLock&)>;

  /// What is a temporary table at that moment stays one here.
  void take(std::vector<TableLock> tables, const IsTemporary& is_temporary = {});

  /// Somebody has dropped it; a temporary one of that name is another table.
  void forget(std::string_view schema, std::string_view table);

  /// Temporary tables that are none any more have no lock. On their own they do not end LOCK TABLES
  /// (a server looks when a plain one is dropped).
  void forget_dropped_temporary(const IsTemporary& is_temporary);

  /// All tables, to be read.
  void take_all() { all_ = true; }

  void clear() {
    tables_.clear();
    all_ = false;
  }

  [[nodiscard]] bool empty() const { return tables_.empty() && !all_; }

  [[nodiscard]] bool has_all() const { return all_; }

  /// None that it may only read.
  [[nodiscard]] bool only_writes() const;

  /// 1099, 1100, 1192, or 1223 when it has all, for a statement that the locks do not allow. `sql`
  /// is its text, `schema` the session's current database. REQUIRES: it names no temporary table.
  [[nodiscard]] std::optional<protocol::SqlError> refusal(const router::Statement& statement,
                                                          std::string_view sql,
                                                          std::string_view schema) const;

 private:
  enum class Held : std::uint8_t { kNot, kRead, kWrite };

  struct Locked {
    TableLock lock;
    bool temporary;
  };

  [[nodiscard]] Held held(const router::TableRef& table, std::string_view schema) const;

  std::vector<Locked> tables_;  ///< a table may be there several times, by its aliases
  bool all_ = false;
};

/// CHECK, ANALYZE, OPTIMIZE and REPAIR TABLE: they answer with rows even when they have waited for
/// a table in vain. The word in those rows; empty: it is no such statement.
[[nodiscard]] std::string_view maintenance_word(router::StatementKind kind);

/// Does it change plain tables, or keep others from reading them?
[[nodiscard]] bool conflicts_with_reading(const router::Statement& statement);

/// A FLUSH or ANALYZE that a server writes to its binlog: it waits for others' FLUSH TABLES WITH
/// READ LOCK, whatever its tables are (measured, 10.11).
[[nodiscard]] bool awaits_global_lock(const router::Statement& statement, std::string_view sql);

/// What the server says of a TRUNCATE of something locked that is no table, a view.
[[nodiscard]] protocol::SqlError truncates_no_table_error(std::string_view name);

/// What the server says where all tables may only be read.
[[nodiscard]] protocol::SqlError conflicting_read_lock_error();

/// What it says of a write under read_only.
[[nodiscard]] protocol::SqlError read_only_server_error();

/// The tables of a statement that wait for other sessions' locks: those it names as its own, as
/// the server would lock them. Empty for statements that look at no rows.
[[nodiscard]] std::vector<TableLock> tables_used(const router::Statement& statement,
                                                 std::string_view schema);

}  // namespace consort::proxy
