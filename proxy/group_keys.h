// Glue between binlog groups and certification keys: which definitions are wanted, which keys come
// of it, and how the rows must be flagged for applying elsewhere.
// Threads: none; the commit thread's.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/row_key.h"
#include "certifier/key_builder.h"
#include "certifier/schema_catalog.h"
#include "protocol/binlog_events.h"

namespace consort::proxy {

/// Definitions to load before group_keys() can succeed. Ask again after loading them (a table may
/// lead to others) until it is empty.
[[nodiscard]] std::vector<certifier::TableRef> group_missing_tables(
    const protocol::BinlogGroup& group, const certifier::KeyBuilder& builder);

enum class GroupKeysError : int {
  kDefinition = 1,  ///< a definition is missing or stale: invalidate the group's tables, load again
  kMalformed        ///< the rows cannot be read: the branch must be refused
};

/// The keys of all rows of `group`. Errors: GroupKeysError. REQUIRES: !group.unfit.
[[nodiscard]] Result<std::vector<RowKey>> group_keys(const protocol::BinlogGroup& group,
                                                     certifier::KeyBuilder& builder);

/// The first table of the group whose rows survive a rollback (another engine), or null. A
/// branch that holds one must be refused.
[[nodiscard]] const protocol::BinlogTable* find_non_transactional(
    const protocol::BinlogGroup& group, const certifier::SchemaCatalog& catalog);

/// The first table of the group whose changed rows a lane could not find, or null. A branch that
/// holds one must be refused.
[[nodiscard]] const protocol::BinlogTable* find_hiding_rows(
    const protocol::BinlogGroup& group, const certifier::SchemaCatalog& catalog);

/// Nothing of the group's rows survives a rollback: its tables are known, transactional and no
/// sequences.
[[nodiscard]] bool leaves_nothing_behind(const protocol::BinlogGroup& group,
                                         const certifier::SchemaCatalog& catalog);

/// Flags the rows for BINLOG on other backends: no foreign key checks (they would wait for parents'
/// locks, and the home has done them), except on tables whose cascades must run there too.
/// REQUIRES: group_missing_tables() is empty.
void flag_foreign_keys(protocol::BinlogGroup& group, const certifier::SchemaCatalog& catalog);

}  // namespace consort::proxy
