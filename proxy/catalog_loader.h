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
/// Takes a second or so; do it once at start, off the commit thread. Errors: kQueryFailed.
[[nodiscard]] Result<std::shared_ptr<const certifier::CollationWeights>> load_collation_weights(
    MYSQL* connection);

}  // namespace consort::proxy
