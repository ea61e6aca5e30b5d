// Builds the statements of a lane's batches from log entries. Pure; see lane_sql.h for the pieces.
// Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/server_kind.h"
#include "certifier/lane_sql.h"
#include "certifier/writeset.h"

namespace consort::certifier {

struct BatchLimits {
  std::size_t entries_max = 256;
  std::size_t payload_bytes_max = std::size_t{1} << 20;    ///< several entries only below this
  std::size_t statement_bytes_max = std::size_t{4} << 20;  ///< a larger BINLOG goes in pieces
};

/// Statements to send one after the other, each as a packet of its own, stopping at the first error
/// (ApplyLane::on_turn_failed). All succeeded: on_turn_done().
struct LaneBatch {
  std::vector<std::string> statements;
  Seqno first;  ///< entries it commits; first > last for one that commits none (DDL)
  Seqno last;
  /// Index of the client's own DDL text in `statements`, to which the shell may add the definer.
  std::optional<std::size_t> ddl_statement;
  std::size_t branches = 0;  ///< entries that it commits by XA COMMIT
  /// A statement that fails may leave a transaction open (MySQL): ROLLBACK before anything else.
  bool rolls_back = false;
};

/// What an entry asks of a backend.
enum class EntryRole : std::uint8_t {
  kNothing,     ///< only the position moves
  kPayload,     ///< its row events are applied
  kBranch,      ///< its branch waits there, prepared
  kDdl,         ///< it is executed
  kNumbers,     ///< a server has reserved numbers of sequences
  kOldNumbers,  ///< one has, perhaps this one, before the lane began anew
  kWholeTable   ///< its rows take the place of a table's
};

struct BatchEntry {
  const LogEntry* entry = nullptr;
  EntryRole role = EntryRole::kNothing;
};

/// Where a batch begins.
struct BatchStart {
  std::uint32_t cluster = 0;    ///< as spelled in branch names
  std::string_view cluster_id;  ///< as spelled in consort.position
  LaneOwner owner;
  Seqno position;
  ServerKind kind = ServerKind::kMariadb;  ///< of the backend
};

/// Commits `entries`, which follow `start.position`, in one statement. Payloads that follow each
/// other share a transaction; the position moves with them, over the branches behind them too,
/// whose XA COMMITs come last. That order is what recovery relies on. A transaction is one BINLOG
/// of one group (EventGroups) wherever the payloads' flags allow that: the server undoes it as a
/// whole. Sequences are raised before all that, by a statement of its own: that cannot be undone,
/// and need not be. REQUIRES: no kDdl and no kWholeTable among them; not
/// empty.
[[nodiscard]] LaneBatch writeset_batch(const BatchStart& start,
                                       std::span<const BatchEntry> entries);

/// Bytes of `payload` in a BINLOG statement.
[[nodiscard]] std::size_t binlog_text_bytes(Bytes payload);

/// Applies one writeset whose BINLOG would be longer than `statement_bytes_max`: its text is built
/// in two user variables, piece by piece. REQUIRES: `entry` holds a writeset.
[[nodiscard]] LaneBatch large_batch(const BatchStart& start,
                                    const LogEntry& entry,
                                    std::size_t statement_bytes_max);

/// Applies one writeset that is all rows of a table: those that are there are deleted first, in the
/// same transaction. REQUIRES: `entry` holds a writeset with kWritesetWholeTable.
[[nodiscard]] LaneBatch whole_table_batch(const BatchStart& start,
                                          const LogEntry& entry,
                                          std::size_t statement_bytes_max);

/// Notes on the backend that the DDL `entry` begins.
[[nodiscard]] LaneBatch mark_batch(const BatchStart& start, const LogEntry& entry);

/// Behind it, whatever a lost connection has begun of the DDL `entry` has had its effect, or will
/// have none; kDdlDoneErrno when its tables are no longer as its mark says.
[[nodiscard]] LaneBatch look_batch(const BatchStart& start, const LogEntry& entry);

/// Behind it nothing that the program `entry` commits can follow in the binlog any more: its last
/// group there is Consort's own. `in_doubt`: whoever may still run the program is ended first, and
/// waited for. Then `SELECT @@last_gtid` names that group.
[[nodiscard]] LaneBatch settle_program_batch(const BatchStart& start,
                                             const LogEntry& entry,
                                             bool in_doubt);

/// Executes the DDL `entry` in the way its session would have, behind the fence, the mark before it
/// when `mark`; else kDdlDoneErrno ends it where it had its effect when it was begun before. Leaves
/// the session's settings changed and the position where it was.
/// `instead`: of its own text, unless that is empty (DdlResult::sql). `schema_absent`: its session
/// was in a schema that somebody had dropped.
[[nodiscard]] LaneBatch ddl_batch(const BatchStart& start,
                                  const LogEntry& entry,
                                  bool mark,
                                  std::string_view instead = {},
                                  bool schema_absent = false);

}  // namespace consort::certifier
