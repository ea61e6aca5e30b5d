// DefinitionMode: what of the sql_mode a statement that defines a table has other than its session,
// at its home and on all servers alike. Backends create InnoDB tables only: of another engine the
// server makes one of InnoDB, as if it had been built without that engine. Where a server keeps its
// files is its own business: DATA DIRECTORY and INDEX DIRECTORY are ignored, as on a replica with
// NO_DIR_IN_CREATE; two servers on one machine would meet in such a directory, others may have
// none. Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "router/statement.h"

namespace consort::proxy {

struct DefinitionMode {
  bool substitutes_engine = false;   ///< without NO_ENGINE_SUBSTITUTION
  bool ignores_directories = false;  ///< with NO_DIR_IN_CREATE

  [[nodiscard]] bool any() const { return substitutes_engine || ignores_directories; }

  /// An SQL expression for the sql_mode; `session_mode`: one for the session's.
  [[nodiscard]] std::string expression(std::string_view session_mode) const;
};

/// CREATE or ALTER TABLE, perhaps with a directory in its options or partitions: its text has the
/// word.
[[nodiscard]] bool names_directory(const router::Statement& statement, std::string_view sql);

}  // namespace consort::proxy
