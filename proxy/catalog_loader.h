// CatalogLoader: reads a table's definition from a backend's information_schema.
// Blocking, over libmariadb. Threads: the one that owns the connection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mysql.h>

#include "base/result.h"
#include "certifier/collation_weights.h"
#include "certifier/schema_catalog.h"

namespace consort::proxy {

enum class CatalogError : int {
  kTableMissing = 1,  ///< the backend has no such table: put certifier::absent_table() instead
  kQueryFailed        ///< the connection or a query failed; the message says how
};

/// The definition of one table, with its foreign keys in both directions. `connection` must be open
/// and may have any session settings. Errors: CatalogError.
[[nodiscard]] Result<certifier::TableDefinition> load_table_definition(
    MYSQL* connection, const certifier::TableRef& name);

/// Reads character weights of the common collations, so that accents take exact keys.
/// Takes part of a second; do it once at start, off the commit thread. Collations the server does
/// not have are left out. Error: kQueryFailed when the connection is lost.
/// The weights must stay the same while entries whose keys were made with them can still conflict:
/// after a start with other weights (or none), serve only from backends that have caught up.
[[nodiscard]] Result<std::shared_ptr<const certifier::CollationWeights>> load_collation_weights(
    MYSQL* connection);

}  // namespace consort::proxy
