// TemporaryTables: the names of a session's temporary tables, as far as its statements told.
// Where a mistake would matter, the server is asked: see ddl_subjects().
// Threads: none; its session's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "router/session_traits.h"
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

  /// It is a row change, and all tables that it changes bear names of temporary tables.
  [[nodiscard]] bool changes_only_these(const Statement& statement, std::string_view schema) const;

  /// It may change one of them: by name, or where the text does not say what it changes.
  [[nodiscard]] bool may_change(const Statement& statement, std::string_view schema) const;

  [[nodiscard]] bool empty() const { return names_.empty() && !overflowed_; }

  void clear();

 private:
  void add(std::string key);
  [[nodiscard]] bool remove(const std::string& key);

  std::vector<std::string> names_;  ///< "schema\0table" in lower case
  bool overflowed_ = false;
};

/// The tables of a DDL statement without TEMPORARY for which a temporary one of the same name would
/// be taken. Role kDdl: what it drops, alters, renames, truncates, indexes or (CREATE TABLE ..
/// SELECT) fills. kRead: names that it refers to, copies or gives. Empty: it concerns none.
[[nodiscard]] FixedList<TableRef, kTablesMax> ddl_subjects(const Statement& statement);

/// Which of ddl_subjects() are temporary: a bit for each of them.
using TemporarySubjects = std::uint32_t;

/// What they are together. `schema`: the session's current database.
[[nodiscard]] DdlSubjects kind_of_subjects(const Statement& statement,
                                           TemporarySubjects temporary,
                                           std::string_view schema);

/// REQUIRES: `statement` is a DROP TABLE, `sql` its text. The same for its plain tables alone.
[[nodiscard]] std::string drop_of_plain(std::string_view sql,
                                        const Statement& statement,
                                        TemporarySubjects temporary);

}  // namespace consort::router
