// SimStatement: the few statements that simulated clients send, as text and as what they mean.
// Threads: none; values.
#pragma once

#include <optional>
#include <string>

#include "tests/sim/model_backend.h"

namespace consort::sim {

struct SimStatement {
  bool reads_table = false;  ///< a consistent read of all rows of op.row.table
  ClientOp op;               ///< else
};

[[nodiscard]] std::string to_sql(const SimStatement& statement);

/// nullopt: none of them.
[[nodiscard]] std::optional<SimStatement> parse_statement(const std::string& sql);

}  // namespace consort::sim
