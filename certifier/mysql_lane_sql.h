// What a lane sends to a MySQL server where that is not what MariaDB gets (lane_sql.h,
// ddl_fence.h). MySQL has compound statements in stored programs only: a lane sends one statement
// after the other, and where it has to stop by itself it calls a procedure of Consort's that fails.
// Texts only; each was tried on MySQL 9.7. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "certifier/lane_sql.h"

namespace consort::certifier::mysql {

/// lane_session_setup() of a MySQL server.
[[nodiscard]] std::vector<std::string> lane_session_setup();

/// lane_session_reset() of a MySQL server: a statement for each variable.
[[nodiscard]] std::vector<std::string> lane_session_reset(std::string_view session_set);

/// Behind the format description event: without it every rows event would have to follow a GTID.
inline constexpr std::string_view kNoGtidsSql = "SET SESSION gtid_next='AUTOMATIC'";

/// Creates the procedures that the other statements here call. By the account that sets a backend
/// up, with sql_log_bin=0; behind create_position_sql(). May be repeated.
[[nodiscard]] std::vector<std::string> create_procedures_sql();

/// Fails with error `number` and the text `why` unless `condition` holds. REQUIRES: `why` has no
/// quotes.
[[nodiscard]] std::string stop_unless_sql(std::string_view condition,
                                          std::uint16_t number,
                                          std::string_view why);

/// kDdlFenceSql.
[[nodiscard]] std::string ddl_fence_sql();

/// kDdlReleaseSql for a lane, which holds no lock of anybody else, and for a session. No DO: under
/// sql_select_limit=0 MySQL does nothing of it.
inline constexpr std::string_view kLaneReleaseSql = "SELECT RELEASE_ALL_LOCKS() LIMIT 1";
inline constexpr std::string_view kSessionReleaseSql = "SELECT RELEASE_LOCK('consort_ddl') LIMIT 1";

/// ddl_turn_fence_sql() for a session whose account has no rights on Consort's schema. That the
/// mark of `seqno` stands is told by a lock which the lane's connection has held since it made the
/// mark, until it sees to the statement itself: a crash takes it, too. Fails with
/// kTurnRefusedErrno where the turn is gone, or where another DDL statement still runs.
[[nodiscard]] std::string ddl_turn_fence_sql(Seqno seqno, std::string_view timestamp = {});
inline constexpr std::uint16_t kTurnRefusedErrno = 1690;

/// mark_ddl_sql() as statements. Behind them the lane's connection holds the lock that
/// ddl_turn_fence_sql() looks for, and none of an earlier turn.
[[nodiscard]] std::vector<std::string> mark_ddl_sql(const LaneOwner& owner,
                                                    Seqno ddl,
                                                    const std::optional<std::string>& fingerprint);

/// ddl_done_check_sql() as a statement.
[[nodiscard]] std::string ddl_done_check_sql(std::string_view fingerprint);

/// set_globals_sql() as statements; nullopt: `sql` is something else.
[[nodiscard]] std::optional<std::vector<std::string>> set_globals_steps(std::string_view sql);

/// kTakeAnyPacketSql and kRestoreGlobalsSql (global_variables_sql.h).
inline constexpr std::string_view kTakeAnyPacketSql = "CALL consort.take_any_packet()";
inline constexpr std::string_view kRestoreGlobalsSql = "CALL consort.restore_globals()";

}  // namespace consort::certifier::mysql
