// scan_program: what a stored procedure's body does that no XA branch can hold. Words are looked
// at, not grammar (decision 0005): a body that is taken for more than it is runs alone without
// need, one that is taken for less gets the server's error 1399. Threads: any; pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/lexer_options.h"
#include "router/program_ddl.h"

namespace consort::router {

struct ProgramScan {
  bool ends_transactions = false;   ///< START TRANSACTION, COMMIT, ROLLBACK, autocommit
  bool begins_transaction = false;  ///< START TRANSACTION, which ends LOCK TABLES, too
  bool executes_ddl = false;        ///< what commits by itself
  bool dynamic = false;             ///< EXECUTE, PREPARE: of whatever
  /// What no other server can be told of (XA, a guarded setting, CREATE SERVER, INSTALL, ..), what
  /// servers would not do alike (ProgramDdl::differs), or what would keep the lanes from going on
  /// (locks of the whole server).
  bool unfit = false;
  bool renames = false;  ///< RENAME, which the binlog shows of temporary tables, too
  bool makes_temporary = false;
  bool makes_function = false;  ///< as ProgramDdl
  bool makes_trigger = false;
  bool names_host = false;
  bool uncertain = false;  ///< the text cannot be cut with certainty
  std::vector<ObjectName> calls;
  std::vector<ObjectName> copied;  ///< tables whose definition new ones may be copied from

  /// No branch can hold it, as far as its own words tell.
  [[nodiscard]] bool commits() const { return ends_transactions || executes_ddl; }
};

/// `body` as the server shows it; `options` of the sql_mode that it was made with. Where it
/// executes text, string literals that are statements count as what they say.
[[nodiscard]] ProgramScan scan_program(std::string_view body, const LexerOptions& options);

/// The same of the string literals in `sql`, a CALL of a procedure that executes text.
[[nodiscard]] ProgramScan scan_literals(std::string_view sql, const LexerOptions& options);

/// What a CALL calls. nullopt: `sql` is none, or cannot be read with certainty.
[[nodiscard]] std::optional<ObjectName> called_procedure(std::string_view sql,
                                                         const LexerOptions& options);

}  // namespace consort::router
