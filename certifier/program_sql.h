// The SQL with which a lane watches over a program that commits by itself (decision 0032). Texts
// only; each was tried on MariaDB 10.11. Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace consort::certifier {

/// From now on what a crash leaves of the server's data is what it leaves of its binlog.
inline constexpr std::string_view kBinlogIsExactSql =
    "SET @consort_sync=@@GLOBAL.sync_binlog,@consort_flush=@@GLOBAL.innodb_flush_log_at_trx_commit,"
    "GLOBAL sync_binlog=1,GLOBAL innodb_flush_log_at_trx_commit=1";

/// Takes kBinlogIsExactSql back, when this connection has said it. Else nobody knows what was
/// there: it stays as it is.
inline constexpr std::string_view kBinlogAsBeforeSql =
    "SET GLOBAL sync_binlog=CAST(IFNULL(@consort_sync,@@GLOBAL.sync_binlog) AS SIGNED),"
    "GLOBAL innodb_flush_log_at_trx_commit="
    "CAST(IFNULL(@consort_flush,@@GLOBAL.innodb_flush_log_at_trx_commit) AS SIGNED),"
    "@consort_sync=NULL,@consort_flush=NULL";

/// Ends the connection with the server's number `thread`, and waits until it is gone: it can commit
/// nothing then. No lock would prove that, for a program may release whatever its connection holds.
/// Error 1205: it is still there after two seconds.
[[nodiscard]] std::string end_program_sql(std::uint64_t thread);

/// Writes a group of ours into the binlog, and leaves nothing else behind. On a connection with
/// sql_log_bin=0, which stays so; where it fails, set that again.
[[nodiscard]] std::string mark_program_end_sql(Seqno program);

/// One row, one column: "file:position" of the binlog's end when `program` was marked as begun; no
/// row when it was not, on the data that are there now.
[[nodiscard]] std::string read_marked_binlog_sql(Seqno program);

/// One row, one column: the name of the group that this connection wrote last.
inline constexpr std::string_view kLastGtidSql = "SELECT @@last_gtid";

/// One row, one column: what GtidState::parse() reads.
inline constexpr std::string_view kBinlogStateSql = "SELECT @@gtid_binlog_state";

}  // namespace consort::certifier
