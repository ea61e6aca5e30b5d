// Backends create InnoDB tables only, and where a statement names the engine, or an index, the
// server takes "partition" for another one: CREATE INDEX, DROP INDEX and ALTER TABLE ..
// ENGINE=InnoDB of a partitioned table are refused under NO_ENGINE_SUBSTITUTION (measured,
// MariaDB 10.11). Threads: any.
#pragma once

#include <string_view>

#include "protocol/sql_error.h"
#include "router/statement.h"

namespace consort::proxy {

/// Is it one of those? They need a sql_mode without NO_ENGINE_SUBSTITUTION: see DefinitionMode.
[[nodiscard]] bool may_rebuild_partitions(const router::Statement& statement,
                                          std::string_view sql,
                                          const router::LexerOptions& options);

/// What a server without that rule says of CREATE TEMPORARY TABLE .. LIKE a partitioned table: with
/// it the copy is an InnoDB table with partitions, and refused as such (1506).
[[nodiscard]] protocol::SqlError no_partitioned_copy_error();

}  // namespace consort::proxy
