// Consort's sessions as a table expression that stands for information_schema.PROCESSLIST: a server
// that executes the statement then sees them, not its own connections.
// Spec: MariaDB KB "Information Schema PROCESSLIST Table"; names and types as 10.11 and 11.8
// describe them. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/session/process_list.h"

namespace consort::proxy {

/// Of all statements' texts together. What comes behind is cut to kProcessInfoBytesShort each.
inline constexpr std::size_t kProcessTableInfoBytesMax = 4 << 20;

/// `JSON_TABLE(..)` without an alias, in ASCII whatever the rows hold: newest session first, as a
/// server lists its connections. `server_version`: MMmmpp, of the oldest that may execute it; the
/// columns are its table's. The columns may be NULL; nothing else tells them from the server's own.
[[nodiscard]] std::string process_table_sql(std::vector<ProcessRow> rows,
                                            std::uint32_t server_version);

}  // namespace consort::proxy
