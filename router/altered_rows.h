// AlteredRows: what an ALTER TABLE does to the rows that are there and that servers would not do
// alike, though each executes the same text: number them in an order that only it knows, give them
// values that only it has.
// Spec: MariaDB KB "ALTER TABLE", "CREATE TABLE", section "DEFAULT". Threads: none; pure.
#pragma once

#include <string>
#include <string_view>

#include "router/lexer_options.h"

namespace consort::router {

struct AlteredRows {
  /// AUTO_INCREMENT in a column's definition: rows are numbered as they are read.
  bool numbered = false;
  /// ALTER IGNORE TABLE: of rows with one key it keeps the one that it reads first.
  bool thinned_out = false;
  /// The function or variable in the default of a column that is added, whose value is another one
  /// on each server, or for each row; empty: none.
  std::string own_value;

  [[nodiscard]] bool any() const { return numbered || thinned_out || !own_value.empty(); }
};

/// `sql`: an ALTER TABLE.
[[nodiscard]] AlteredRows altered_rows(std::string_view sql, const LexerOptions& options);

}  // namespace consort::router
