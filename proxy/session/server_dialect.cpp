#include "proxy/session/server_dialect.h"

#include "certifier/ddl_fence.h"
#include "certifier/mysql_lane_sql.h"

namespace consort::proxy {
namespace {

constexpr ServerDialect kMariadb{
    "SET SESSION tx_isolation=@@session.tx_isolation, "
    "SESSION tx_read_only=@@session.tx_read_only",
    "SELECT seqno FROM consort.`position`",
    "SET SESSION session_track_schema=IF(@@session.session_track_system_variables='*',1,2)",
    "SET SESSION session_track_system_variables=_utf8mb4 X'2A', SESSION session_track_schema=1",
    certifier::kDdlReleaseSql,
    certifier::kDdlClockSql,
    "FLUSH LOCAL QUERY CACHE",
};

constexpr ServerDialect kMysql{
    "SET SESSION transaction_isolation=@@session.transaction_isolation, "
    "SESSION transaction_read_only=@@session.transaction_read_only",
    // Tables of the data dictionary are InnoDB's, and everybody may read this view of them.
    "SELECT 1 FROM information_schema.SCHEMATA LIMIT 1",
    "SET SESSION session_track_schema=IF(@@session.session_track_system_variables='*' AND "
    "@@session.session_track_gtids='OWN_GTID',1,2)",
    "SET SESSION session_track_system_variables=_utf8mb4 X'2A', SESSION session_track_schema=1, "
    "SESSION session_track_gtids=OWN_GTID",
    certifier::mysql::kSessionReleaseSql,
    "SET SESSION timestamp=DEFAULT",
    "FLUSH LOCAL TABLES consort.nothing",
};

}  // namespace

const ServerDialect& dialect_of(ServerKind kind) {
  return kind == ServerKind::kMysql ? kMysql : kMariadb;
}

std::string ddl_turn_fence(ServerKind kind, Seqno seqno, std::string_view timestamp) {
  return kind == ServerKind::kMysql ? certifier::mysql::ddl_turn_fence_sql(seqno, timestamp)
                                    : certifier::ddl_turn_fence_sql(seqno, timestamp);
}

}  // namespace consort::proxy
