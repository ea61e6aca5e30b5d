// LockList: what LOCK TABLES and FLUSH TABLES statements name, however many tables that are.
// Spec: MariaDB KB "LOCK TABLES", "FLUSH". Threads: none; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/lexer_options.h"

namespace consort::router {

/// One table of the list. Names are their real texts, quotes undone.
struct LockListItem {
  std::string schema;  ///< empty: the session's current one
  std::string table;
  std::string alias;  ///< empty: none
  bool write = false;
  std::string spelled;  ///< schema and table, with their quotes
};

struct LockList {
  std::vector<LockListItem> items;
  /// The statement without its WAIT or NOWAIT, with its SET STATEMENT .. FOR; every name is spelled
  /// as it was.
  std::string sql;
  std::optional<std::uint32_t> wait_s;  ///< of WAIT n; NOWAIT is 0
};

/// nullopt: it is no such statement, or cannot be read with certainty.
[[nodiscard]] std::optional<LockList> lock_list(std::string_view sql, const LexerOptions& options);

/// FLUSH TABLES t .. WITH READ LOCK, whose locks are READ. nullopt as above, and where it names no
/// table.
[[nodiscard]] std::optional<LockList> flush_lock_list(std::string_view sql,
                                                      const LexerOptions& options);

/// Is it FLUSH TABLES WITH READ LOCK, which names no table? False in doubt.
[[nodiscard]] bool locks_all_tables(std::string_view sql, const LexerOptions& options);

/// How long DDL, OPTIMIZE and their like say themselves that they wait for their tables: WAIT n, or
/// NOWAIT, which is 0. nullopt: they do not say.
[[nodiscard]] std::optional<std::uint32_t> wait_clause(std::string_view sql,
                                                       const LexerOptions& options);

/// The tables of FLUSH TABLES, none of `FLUSH TABLES` alone: only `schema` and `table` are set.
/// nullopt as of lock_list(); also with READ LOCK or FOR EXPORT.
[[nodiscard]] std::optional<std::vector<LockListItem>> flush_list(std::string_view sql,
                                                                  const LexerOptions& options);

}  // namespace consort::router
