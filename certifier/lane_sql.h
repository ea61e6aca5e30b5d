// The SQL that a lane sends to its backend. Texts only; each was tried on MariaDB 10.11.
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/server_kind.h"

namespace consort::certifier {

/// Who may move a backend's position: the run and the connection attempt within it. A newer owner
/// fences an older one, even a statement of its own lost connection that still runs.
struct LaneOwner {
  std::uint32_t epoch = 0;
  std::uint32_t generation = 0;  ///< of the lane's connection within the epoch, from 1

  [[nodiscard]] std::uint64_t value() const {
    return (static_cast<std::uint64_t>(epoch) << 32) | generation;
  }
};

/// Error number and SQLSTATE that the mark of a DDL signals when the position or its owner is not
/// what the lane believes: another owner is at work.
inline constexpr std::uint16_t kFencedErrno = 30451;
inline constexpr std::string_view kFencedSqlState = "45C51";

/// Appends base64 of `bytes` (RFC 4648, padded) to `out`.
void append_base64(std::string& out, Bytes bytes);

[[nodiscard]] std::string base64(Bytes bytes);

/// An SQL string literal with its quotes, safe under the lane's sql_mode. REQUIRES: the session's
/// character set is utf8mb4 or binary.
[[nodiscard]] std::string sql_literal(std::string_view text);

/// SET statements that make a fresh connection a lane's. The shell then sends the format
/// description event (`BINLOG '..'`), claim_position_sql() and read_position_sql(), and XA RECOVER.
[[nodiscard]] std::vector<std::string> lane_session_setup();

/// The names of the session variables that `session_set` (Ddl::session_set) sets; views into it.
[[nodiscard]] std::vector<std::string_view> variables_set_by(std::string_view session_set);

/// Takes back what `session_set` (Ddl::session_set) has set on a lane's connection; then
/// lane_session_setup(). Empty when it has set nothing. Variables without a default stay.
[[nodiscard]] std::string lane_session_reset(std::string_view session_set);

/// Statements that make the connection of a lane to a server of `kind` a lane's again behind a DDL
/// that had `session_set` (may be empty).
[[nodiscard]] std::vector<std::string> lane_session_renewal(ServerKind kind,
                                                            std::string_view session_set);

/// Creates schema, tables and rows of the position where they lack. By the account that sets a
/// backend up, with sql_log_bin=0. New rows say "nothing applied, of `cluster_id`".
[[nodiscard]] std::vector<std::string> create_position_sql(std::string_view cluster_id);

/// Creates what a client's branch calls before its XA PREPARE when it changed temporary tables (the
/// procedure kMarkBranchSql names), for every account. Servers before MariaDB 10.11 refuse the last
/// one, the GRANT TO PUBLIC.
[[nodiscard]] std::vector<std::string> create_branch_mark_sql();

/// Leaves no row, no lock and no event behind, but a branch in which nothing but temporary tables
/// was changed would be undone by XA PREPARE without it (decision 0013).
inline constexpr std::string_view kMarkBranchSql = "CALL consort.mark_branch()";

/// Creates what kLetCollectSql calls, for every account. Servers before MariaDB 10.11 refuse a
/// part of it.
[[nodiscard]] std::vector<std::string> create_let_collect_sql();

/// Lets every account make temporary tables in Consort's schema: CREATE TABLE .. SELECT collects
/// its rows in one where the account may make none beside the new table, and must not need more
/// rights than on a single server (decision 0027). Not before somebody needs it: a row of mysql.db
/// says so.
inline constexpr std::string_view kLetCollectSql = "CALL consort.let_collect()";

/// Brings the tables of earlier versions up to this one's. Nothing, when nothing lacks. May be
/// repeated from the start after a crash at any step.
[[nodiscard]] std::string upgrade_position_sql();

/// Makes `owner` the position's owner if no newer one is. Then read and compare.
[[nodiscard]] std::string claim_position_sql(const LaneOwner& owner);

/// Stands in place of the cluster id where a certified branch was gone when its turn came. The
/// position had moved over it by then, so that a later look would take it for committed.
inline constexpr std::string_view kDisownedCluster = "differs";

/// Makes the account that asks an administrator of every role there is: the client that granted one
/// is, the lane's account need not be, and the server asks for that, whatever else it may do.
inline constexpr std::string_view kAdministerRolesSql =
    "BEGIN NOT ATOMIC "
    "INSERT IGNORE INTO mysql.roles_mapping (Host, User, Role, Admin_option) "
    "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', -1), SUBSTRING_INDEX(CURRENT_USER(), '@', 1), "
    "User, 'Y' "
    "FROM mysql.global_priv WHERE JSON_VALUE(Priv, '$.is_role'); "
    "UPDATE mysql.roles_mapping SET Admin_option = 'Y' "
    "WHERE CONCAT(User, '@', Host) = CURRENT_USER(); "
    "FLUSH LOCAL PRIVILEGES; END";

/// Makes no log fit the position any more: only a copy helps the backend.
[[nodiscard]] std::string disown_position_sql(const LaneOwner& owner);

/// One row: cluster id, owner, seqno, ddl (see BackendPosition).
[[nodiscard]] std::string read_position_sql();

/// One row, one column: "file:position" of the backend's binlog when the last DDL was marked as
/// begun; NULL where an earlier version has marked it.
inline constexpr std::string_view kReadMarkedBinlogSql =
    "SELECT binlog_before FROM consort.ddl_mark WHERE id=1";

/// The rows of consort.position and consort.ddl_mark of a backend.
struct BackendPosition {
  std::string cluster_id;
  std::uint64_t owner = 0;
  Seqno seqno;  ///< everything up to here is committed, or prepared and to be committed at once
  Seqno ddl;    ///< the last DDL entry whose execution was begun here
};

/// One move of a backend's position.
struct PositionMove {
  std::string_view cluster_id;
  LaneOwner owner;
  Seqno from;
  Seqno to;
};

/// The row events that make `move`, for BINLOG: the cheapest compare-and-set there is. They name
/// the whole row as it was and consort.position has no key, so the server compares every column;
/// where one differs it finds no such row (kRowNotFoundErrno) and undoes the group.
[[nodiscard]] Buffer position_events(const PositionMove& move);

/// What a rows event gives whose row is not there: the position is not as believed, or the backend
/// differs. The first is found out by reading the position again.
inline constexpr std::uint16_t kRowNotFoundErrno = 1032;

/// Notes that DDL `ddl` begins, while the position is ddl-1, what its tables are now (the SQL of
/// ddl_fingerprint_sql()), and where the binlog ends. Statements for a compound body.
[[nodiscard]] std::string mark_ddl_sql(const LaneOwner& owner,
                                       Seqno ddl,
                                       const std::optional<std::string>& fingerprint);

/// What a compound statement does at its first error, besides reporting it.
enum class OnError : std::uint8_t {
  kRollBack,  ///< rolls back: its body begins transactions
  kStop,      ///< nothing: each statement of its body is a transaction
};

/// `body` as one compound statement that ends at the first error. `handlers`: for errors of their
/// own.
[[nodiscard]] std::string compound_sql(std::string_view body,
                                       OnError on_error = OnError::kRollBack,
                                       std::string_view handlers = {});

/// A handler for compound_sql(): disowns the position where a branch that is to be committed is
/// gone, and reports 1397. On the server, because the position has moved by then: should the
/// connection or the proxy end before somebody disowned it, a new start would take the branch for
/// committed.
[[nodiscard]] std::string vanished_branch_handler_sql(const LaneOwner& owner);

}  // namespace consort::certifier
