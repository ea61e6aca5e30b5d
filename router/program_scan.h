// scan_program: what a stored procedure's body does that no XA branch can hold. Words are looked
// at, not grammar (decision 0005): a body that is taken for more than it is runs alone without
// need, one that is taken for less gets the server's error 1399. Threads: any; pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/lexer_options.h"

namespace consort::router {

/// A procedure that is called. Empty `schema`: that of the calling one.
struct CalledProcedure {
  std::string schema;
  std::string name;
  friend bool operator==(const CalledProcedure&, const CalledProcedure&) = default;
};

struct ProgramScan {
  bool ends_transactions = false;  ///< START TRANSACTION, COMMIT, ROLLBACK, autocommit
  bool executes_ddl = false;       ///< what commits by itself
  bool dynamic = false;            ///< EXECUTE, PREPARE: of whatever
  /// What no other server can be told of (XA, a guarded setting, CREATE SERVER, INSTALL, ..), or
  /// what would keep the lanes from going on (locks of the whole server).
  bool unfit = false;
  bool renames = false;  ///< RENAME, which the binlog shows of temporary tables, too
  bool makes_temporary = false;
  bool uncertain = false;  ///< the text cannot be cut with certainty
  std::vector<CalledProcedure> calls;

  /// No branch can hold it, as far as its own words tell.
  [[nodiscard]] bool commits() const { return ends_transactions || executes_ddl; }
};

/// `body` as the server shows it; `options` of the sql_mode that it was made with. Where it
/// executes text, string literals that are statements count as what they say.
[[nodiscard]] ProgramScan scan_program(std::string_view body, const LexerOptions& options);

/// The same of the string literals in `sql`, a CALL of a procedure that executes text.
[[nodiscard]] ProgramScan scan_literals(std::string_view sql, const LexerOptions& options);

/// What a CALL calls. nullopt: `sql` is none, or cannot be read with certainty.
[[nodiscard]] std::optional<CalledProcedure> called_procedure(std::string_view sql,
                                                              const LexerOptions& options);

}  // namespace consort::router
