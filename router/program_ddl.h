// program_ddl: DDL that a program executes (decision 0032). Other servers execute it as its home's
// binlog has it, without what a session sees to before it has DDL ordered. Threads: any; pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "router/lexer_options.h"

namespace consort::router {

/// A table or routine that a program names. Empty `schema`: the program's own.
struct ObjectName {
  std::string schema;
  std::string name;
  friend bool operator==(const ObjectName&, const ObjectName&) = default;
};

struct ProgramDdl {
  /// Servers would not come out of it alike: rows that ALTER TABLE treats in each one's own way
  /// (decision 0038), sequences (0034), whoever runs it for an account or a definer.
  bool differs = false;
  bool makes_function = false;  ///< perhaps; a package counts
  bool makes_trigger = false;   ///< perhaps
  bool accounts = false;        ///< it changes accounts or rights
  bool names_host = false;      ///< account_by_host_name()
  bool renames = false;         ///< RENAME TABLE, or an ALTER TABLE that may rename
  /// RENAME TABLE, or perhaps: a binlog shows it of temporary tables, too. Of no other statement.
  bool renames_any = false;
  bool drops = false;         ///< names may stand for other tables behind it
  bool whole_schema = false;  ///< it is about a schema, or about more than its text tells
  std::vector<ObjectName> tables;
  /// Of `tables`: whose definition a new table may be copied from.
  std::vector<ObjectName> copied;
};

/// `sql`: one statement, as written or as a binlog has it.
[[nodiscard]] ProgramDdl program_ddl(std::string_view sql, const LexerOptions& options);

}  // namespace consort::router
