// LogEntry: what one entry of the commit log says, and its bytes.
// Format: docs/formats/log_entry.md. Payloads are opaque here (raw binlog row events).
// Threads: none; values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/gtid.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/row_key.h"

namespace consort::certifier {

/// Bits of Writeset::flags.
enum WritesetFlag : std::uint8_t {
  /// The home committed these rows by itself before they were logged (a sequence's refill, a
  /// non-transactional table): there is no branch, and the home's lane only moves the position.
  kWritesetAtHome = 0x01,
  /// With kWritesetAtHome: the payload is no rows but numbers of sequences that the home has
  /// reserved (SequenceReserve).
  kWritesetSequences = 0x02,
  /// With kWritesetAtHome, since there is no branch: the payload is all rows of one table, in the
  /// order in which the home has them. Everywhere, the home included, they take the place of those
  /// that are there, in that order (decision 0046).
  kWritesetWholeTable = 0x08,
};

/// Of an entry that a program has made which commits by itself (decision 0032): its home had
/// executed it when it was logged. No program: it is no such entry.
struct ProgramPart {
  Seqno program;  ///< of the program's own entry
  Gtid gtid;      ///< in the home's binlog
  /// The last entry of its group: CREATE TABLE .. SELECT makes two.
  bool whole = true;
  /// Of a statement that has had a part of its effect: the error with which it failed then, as it
  /// does elsewhere.
  std::uint16_t error = 0;

  [[nodiscard]] bool any() const { return program != Seqno{}; }

  friend bool operator==(const ProgramPart&, const ProgramPart&) = default;
};

/// The row changes of one transaction that passed certification. Takes a seqno.
struct Writeset {
  BranchId branch;
  BackendId home;
  Seqno last_seen;           ///< applied(home) when XA PREPARE was sent; for people and checks
  std::vector<RowKey> keys;  ///< what certification compares
  Buffer payload;            ///< row events without checksums, ready for BINLOG
  std::uint8_t flags = 0;    ///< WritesetFlag
  ProgramPart part = {};     ///< only with kWritesetAtHome
};

/// What a DDL statement is about. Empty `table`: the whole schema. Both empty: accounts, grants.
struct DdlObject {
  std::string schema;
  std::string table;
  friend bool operator==(const DdlObject&, const DdlObject&) = default;
};

/// A statement that every backend executes at this place of the order. Takes a seqno.
struct Ddl {
  BackendId home;           ///< preferred to execute it first; its result decides (DdlResult)
  std::string sql;          ///< the client's text, unchanged
  std::string schema;       ///< its current database; may be empty
  std::string definer;      ///< "user@host" as CURRENT_USER() says; may be empty
  std::string session_set;  ///< a SET statement that recreates its session; may be empty
  std::vector<DdlObject> targets;
  std::vector<RowKey> keys;
  /// A statement of Consort's own, for lanes to execute. A client's is executed by lanes only after
  /// a server has accepted it from that client's account (decision 0024).
  bool own = false;
  /// Of a program's own entry: the number that its home gives to the connection which runs it. Its
  /// `sql` is a CALL that commits by itself; what it commits follows as entries of its parts.
  std::optional<std::uint64_t> program_thread = {};
  ProgramPart part = {};  ///< of DDL that a program has executed; then there is no program_thread
};

/// What the backends that have not executed a DDL entry do with it.
enum class DdlOutcome : std::uint8_t {
  kSkip = 0,  ///< it failed without an effect: nobody else executes it
  kRun = 1,   ///< it succeeded: everybody executes it and must succeed
  kRunTolerant =
      2,      ///< it may have had its effect (in part): errors that say so are fine (lane_errors.h)
  kVoid = 3,  ///< nobody is known to have executed it, and nobody shall: a backend where it may
              ///< have run finds out, and is out if it did
};

/// Do backends that have not executed it do so?
[[nodiscard]] constexpr bool runs(DdlOutcome outcome) {
  return outcome == DdlOutcome::kRun || outcome == DdlOutcome::kRunTolerant;
}

struct DdlResult {
  Seqno ddl;
  DdlOutcome outcome = DdlOutcome::kSkip;
  /// What every backend executes in place of the DDL's own text, also where that was executed;
  /// empty: nothing.
  std::string sql = {};
};

/// The branch of `seqno` on its home `backend` is rolled back; the lane there applies the payload.
struct Replay {
  Seqno seqno;
  BackendId backend;
};

/// First entry of each run of the proxy. The run's number is LogEntry::epoch.
struct EpochStart {
  std::string cluster_id;  ///< UUID text, the same for the life of the log
  Seqno head;              ///< newest seqno in the log before it: known even when that was released
};

enum class EntryKind : std::uint8_t {
  kWriteset = 1,
  kDdl = 2,
  kDdlResult = 3,
  kReplay = 4,
  kEpochStart = 5,
};

using EntryBody = std::variant<Writeset, Ddl, DdlResult, Replay, EpochStart>;

/// One entry of the commit log.
struct LogEntry {
  std::uint32_t epoch = 0;  ///< the run that wrote it
  Seqno seqno;              ///< of a writeset or DDL; 0 for the other kinds
  EntryBody body;

  [[nodiscard]] EntryKind kind() const { return static_cast<EntryKind>(body.index() + 1); }

  [[nodiscard]] bool takes_seqno() const { return body.index() <= 1; }

  [[nodiscard]] const Writeset* writeset() const { return std::get_if<Writeset>(&body); }

  [[nodiscard]] const Ddl* ddl() const { return std::get_if<Ddl>(&body); }

  /// The entry of a program.
  [[nodiscard]] bool is_program() const {
    const Ddl* statement = ddl();
    return statement != nullptr && statement->program_thread.has_value();
  }

  /// Null: no program has made it.
  [[nodiscard]] const ProgramPart* part() const;
};

/// Why bytes are no entry.
enum class DecodeError : int {
  kTruncated = 1,   ///< fewer bytes than the format needs
  kBadMagic,        ///< not an entry or record at all
  kUnknownVersion,  ///< written by a newer program
  kBadChecksum,     ///< damaged
  kMalformed,       ///< the checksum is right but the content breaks the format's rules
  kTooLarge,        ///< more than EntryLimits allow
  kOutOfOrder,      ///< a record does not continue the one before
};

/// The bytes of `entry`. REQUIRES: takes_seqno() == (seqno != 0).
[[nodiscard]] Buffer encode_entry(const LogEntry& entry);

/// Reads what encode_entry() wrote, all of `bytes`. Trusts nothing. Errors: DecodeError.
[[nodiscard]] Result<LogEntry> decode_entry(Bytes bytes);

}  // namespace consort::certifier
