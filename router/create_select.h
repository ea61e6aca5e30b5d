// CREATE TABLE .. SELECT taken apart: what stands where in its text. Pure.
// Threads: any.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::router {

/// Views into the statement's text, which is `prefix`, CREATE .. TABLE .. and the name, `list`,
/// blanks, `rest`.
struct CreateSelect {
  std::string_view prefix;  ///< SET STATEMENT .. FOR; comments
  TableRef table{{}, {}, TableRole::kDdl};
  std::string_view list;  ///< columns and keys in parentheses; empty: none
  std::string_view rest;  ///< behind them: options and the query
  /// What temporary tables cannot have, in the order of the text: parts of `list` (foreign keys,
  /// full-text keys, each without its comma) ..
  std::vector<std::string_view> keys;
  /// .. and of `rest`: WITH SYSTEM VERSIONING; PARTITION BY and what belongs to it. Empty: none.
  std::string_view versioning;
  std::string_view partitions;
  bool lists_nothing_else = false;  ///< `list` has nothing but `keys`
  bool or_replace = false;
  bool if_not_exists = false;
  bool names_character_set = false;  ///< an option gives the table's character set or collation
};

/// nullopt: not such a statement (or one of a temporary table), or it cannot be cut with certainty.
/// REQUIRES: classify() found nothing uncertain in it.
[[nodiscard]] std::optional<CreateSelect> read_create_select(std::string_view sql,
                                                             const LexerOptions& options);

}  // namespace consort::router
