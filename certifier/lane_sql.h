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

/// Error number and SQLSTATE that the compare-and-set signals when the position or its owner is not
/// what the lane believes: another owner is at work.
inline constexpr std::uint16_t kFencedErrno = 30451;
inline constexpr std::string_view kFencedSqlState = "45C51";

/// Appends base64 of `bytes` (RFC 4648, padded) to `out`.
void append_base64(std::string& out, Bytes bytes);

[[nodiscard]] std::string base64(Bytes bytes);

/// An SQL string literal with its quotes, safe under the lane's sql_mode. REQUIRES: the session's
/// character set is utf8mb4 or binary.
[[nodiscard]] std::string sql_literal(std::string_view text);

/// An SQL identifier with its back-ticks.
[[nodiscard]] std::string sql_identifier(std::string_view name);

/// SET statements that make a fresh connection a lane's. The shell then sends the format
/// description event (`BINLOG '..'`), claim_position_sql() and read_position_sql(), and XA RECOVER.
[[nodiscard]] std::vector<std::string> lane_session_setup();

/// Creates schema, table and row of the position where they lack. By the account that sets a
/// backend up, with sql_log_bin=0. A new row says "nothing applied, of `cluster_id`".
[[nodiscard]] std::vector<std::string> create_position_sql(std::string_view cluster_id);

/// Adds to a position's table what an earlier version did not have. Nothing, when nothing lacks.
[[nodiscard]] std::string upgrade_position_sql();

/// Makes `owner` the position's owner if no newer one is. Then read and compare.
[[nodiscard]] std::string claim_position_sql(const LaneOwner& owner);

/// Stands in place of the cluster id where a certified branch was gone when its turn came. The
/// position had moved over it by then, so that a later look would take it for committed.
inline constexpr std::string_view kDisownedCluster = "differs";

/// Makes no log fit the position any more: only a copy helps the backend.
[[nodiscard]] std::string disown_position_sql(const LaneOwner& owner);

/// One row: cluster id, owner, seqno, ddl (see BackendPosition).
[[nodiscard]] std::string read_position_sql();

/// The consort.position row of a backend.
struct BackendPosition {
  std::string cluster_id;
  std::uint64_t owner = 0;
  Seqno seqno;  ///< everything up to here is committed, or prepared and to be committed at once
  Seqno ddl;    ///< the last DDL entry whose execution was begun here
};

/// Moves the position from `from` to `to`, or signals kFencedErrno. Statements for a compound body.
[[nodiscard]] std::string move_position_sql(const LaneOwner& owner, Seqno from, Seqno to);

/// Notes that DDL `ddl` begins, while the position is ddl-1, and what its tables are now (the SQL
/// of ddl_fingerprint_sql()). Statements for a compound body.
[[nodiscard]] std::string mark_ddl_sql(const LaneOwner& owner,
                                       Seqno ddl,
                                       const std::optional<std::string>& fingerprint);

/// `body` as one compound statement that stops, rolls back and reports at the first error.
/// `handlers`: for errors of their own.
[[nodiscard]] std::string compound_sql(std::string_view body, std::string_view handlers = {});

/// A handler for compound_sql(): disowns the position where a branch that is to be committed is
/// gone, and reports 1397. On the server, because the position has moved by then: should the
/// connection or the proxy end before somebody disowned it, a new start would take the branch for
/// committed.
[[nodiscard]] std::string vanished_branch_handler_sql(const LaneOwner& owner);

}  // namespace consort::certifier
