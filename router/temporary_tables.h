// TemporaryTables: the names of a session's temporary tables, as far as its statements told.
// DROP TABLE, ALTER TABLE and TRUNCATE of one of them are the session's own business, not DDL.
// Threads: none; its session's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "router/statement.h"

namespace consort::router {

class TemporaryTables {
 public:
  /// More names than this are not kept; contains() is then true for every table.
  static constexpr std::size_t kNamesMax = 256;

  /// Takes note of a statement that succeeded. `schema`: the session's current database.
  void note(const Statement& statement, std::string_view schema);

  /// Is `table` a temporary table? Names compare without regard to ASCII case: with
  /// lower_case_table_names=0 that may take a real table for a temporary one of another case.
  [[nodiscard]] bool contains(const TableRef& table, std::string_view schema) const;

  /// Does every table the statement defines (role kDdl) bear a temporary table's name?
  [[nodiscard]] bool owns_all_targets(const Statement& statement, std::string_view schema) const;

  [[nodiscard]] bool empty() const { return names_.empty() && !overflowed_; }

  void clear();

 private:
  std::vector<std::string> names_;  ///< "schema\0table" in lower case
  bool overflowed_ = false;
};

}  // namespace consort::router
