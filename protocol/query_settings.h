// query_settings_sql: the settings of its session that a statement in the binlog has run with, as a
// SET statement: what `mysqlbinlog` prints before the statement.
// Spec: MariaDB KB "QUERY_EVENT", status variables; MySQL's
// Query_event::Query_event_status_vars. Threads: any.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/server_kind.h"

namespace consort::protocol {

/// `status`: the status variables of a QUERY event; `timestamp`: in its header; `server`: what
/// wrote it. Names are written as `SESSION name=value`; empty when there are none. nullopt: bytes
/// that no server writes.
[[nodiscard]] std::optional<std::string> query_settings_sql(Bytes status,
                                                            std::uint32_t timestamp,
                                                            ServerKind server);

}  // namespace consort::protocol
