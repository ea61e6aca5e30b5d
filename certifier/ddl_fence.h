// DdlFence: what keeps a DDL statement from taking effect twice on one backend. Whoever executes
// one holds a lock of the server on that connection, so a statement of a lost connection, or of an
// earlier run, is waited for; and before it is executed again, the tables are compared with what
// they were when it was marked as begun. Texts only; each was tried on MariaDB 10.11, those for
// MySQL on 9.7.
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/server_kind.h"
#include "certifier/writeset.h"

namespace consort::certifier {

/// The lane's statement signals it: the tables are no longer as they were when the DDL was marked,
/// so it had its effect then.
inline constexpr std::uint16_t kDdlDoneErrno = 30452;

/// One statement that takes the lock, or fails with 1205 while another connection has it. Its OK
/// must be there before the DDL itself is sent: then that cannot be overtaken.
inline constexpr std::string_view kDdlFenceSql =
    "BEGIN NOT ATOMIC IF NOT(GET_LOCK(_latin1'consort_ddl',2)<=>1) THEN SIGNAL SQLSTATE 'HY000' "
    "SET MYSQL_ERRNO=1205,MESSAGE_TEXT='consort: an earlier DDL statement still runs here'; "
    "END IF; END";

/// The same for the session whose turn it is to execute the DDL of `seqno`. It fails with 1205,
/// too, when the lane's mark does not stand: a crash took it, perhaps with entries before it, and
/// the turn with it. Of a connection that passes, a crash is the end. The limits of the client's
/// statements (time, rows examined, memory) are not for it. `timestamp`: what the session's clock
/// shows from then on, in seconds; empty: as it was.
[[nodiscard]] inline std::string ddl_turn_fence_sql(Seqno seqno, std::string_view timestamp = {}) {
  constexpr std::string_view kHead = "BEGIN NOT ATOMIC ";
  constexpr std::string_view kEnd = "END";
  const std::string number = std::to_string(seqno.value);
  const std::string clock =
      timestamp.empty() ? "" : "SET SESSION timestamp=" + std::string(timestamp) + "; ";
  return "SET STATEMENT max_statement_time=0,sql_big_selects=1,max_session_mem_used=DEFAULT FOR " +
         std::string(kHead) +
         "IF NOT EXISTS(SELECT 1 FROM consort.`position` p JOIN consort.ddl_mark m ON m.id=p.id "
         "WHERE p.id=1 AND m.ddl=" +
         number + " AND p.seqno<" + number +
         ") THEN COMMIT; SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO=1205,"
         "MESSAGE_TEXT='consort: a crash took the turn of this statement'; END IF; COMMIT; " +
         std::string(
             kDdlFenceSql.substr(kHead.size(), kDdlFenceSql.size() - kHead.size() - kEnd.size())) +
         clock + std::string(kEnd);
}

/// Lets the session's clock run again. Leaves the DDL's warnings alone. Session tracking is set
/// anew: MariaDB 11.8.9 would tell of the clock at whatever is committed from then on.
inline constexpr std::string_view kDdlClockSql =
    "SET SESSION timestamp=DEFAULT, SESSION session_track_system_variables=_utf8mb4 X'2A', "
    "SESSION session_track_schema=1";

/// Lets the lock go, however short the client's time limit is; the end of the connection does, too.
/// Leaves the DDL's warnings alone.
inline constexpr std::string_view kDdlReleaseSql =
    "SET STATEMENT max_statement_time=0 FOR DO RELEASE_LOCK(_latin1'consort_ddl')";

/// An SQL expression that tells the tables of `ddl` from what they are before it, or nullopt: where
/// nothing is to be told, or where a part of the statement may have had its effect. It sees what
/// cannot be repeated with impunity: names that are exchanged (RENAME, CHANGE, EXCHANGE PARTITION),
/// indexes and constraints without a name, partitions added by number. Only InnoDB's tables; of
/// others, and of what it does not see (a comment, a default), a repetition does no harm.
[[nodiscard]] std::optional<std::string> ddl_fingerprint_sql(const Ddl& ddl, ServerKind kind);

/// A lane's kDdlFenceSql and kDdlReleaseSql for a server of `kind`.
[[nodiscard]] std::string ddl_fence_sql(ServerKind kind);
[[nodiscard]] std::string_view ddl_release_sql(ServerKind kind);

/// For a compound body: signals kDdlDoneErrno when `fingerprint` is not what the mark has kept.
[[nodiscard]] std::string ddl_done_check_sql(std::string_view fingerprint);

}  // namespace consort::certifier
