// BinlogGroupReader: turns the events of a binlog dump into whole event groups.
// One group is what one commit, XA PREPARE or DDL statement wrote. Row events are kept as raw bytes
// without checksum, ready for a BINLOG statement of MariaDB; nothing in them is decoded here.
// MySQL's rows events (version 2) are kept as version 1, which is the same without "extra data".
// Spec: MariaDB KB "Replication Protocol", "2-Binlog Event Header", "Gtid_event", "Rows_event".
// Threads: none; one dump connection owns a reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/server_kind.h"

namespace consort::protocol {

/// Codes of errors that the binlog and row decoders return.
enum class BinlogError : int {
  kMalformed = 1,    ///< bytes that no server writes: drop the connection
  kBadChecksum,      ///< an event's CRC32 does not match: drop the connection
  kUnsupported,      ///< an event type or column type that Consort does not know
  kCompressed,       ///< log_bin_compress=ON on the backend: it must be OFF
  kStatementFormat,  ///< a write logged as SQL text (binlog_format is not ROW)
  kGroupTooLarge,    ///< more row bytes than Limits::group_bytes_max
  kUnknownTable      ///< a rows event without its TABLE_MAP
};

/// The event types that are told apart. Others are skipped when that is harmless.
enum class BinlogEventType : std::uint8_t {
  kQuery = 2,
  kStop = 3,
  kRotate = 4,
  kIntvar = 5,
  kRand = 13,
  kUserVar = 14,
  kFormatDescription = 15,
  kXid = 16,
  kBeginLoadQuery = 17,
  kExecuteLoadQuery = 18,
  kTableMap = 19,
  kWriteRowsV1 = 23,
  kUpdateRowsV1 = 24,
  kDeleteRowsV1 = 25,
  kIncident = 26,
  kHeartbeat = 27,
  kIgnorable = 28,
  kRowsQuery = 29,
  kWriteRowsV2 = 30,
  kUpdateRowsV2 = 31,
  kDeleteRowsV2 = 32,
  kMysqlGtid = 33,
  kMysqlAnonymousGtid = 34,
  kMysqlPreviousGtids = 35,
  kXaPrepare = 38,
  kMysqlPartialUpdateRows = 39,
  kMysqlTransactionPayload = 40,
  kMysqlHeartbeatV2 = 41,
  kMysqlGtidTagged = 42,
  kAnnotateRows = 160,
  kBinlogCheckpoint = 161,
  kGtid = 162,
  kGtidList = 163,
  kStartEncryption = 164,
  kQueryCompressed = 165,
  kWriteRowsCompressedV1 = 166,
  kDeleteRowsCompressed = 171
};

/// Bytes before the body of every event.
inline constexpr std::size_t kBinlogHeaderBytes = 19;

/// Place in a backend's binlog, to ask a dump from.
struct BinlogPosition {
  std::string file;
  std::uint64_t offset = 4;
};

/// MariaDB's domain-server-sequence. All zero when the server is MySQL.
struct BinlogGtid {
  std::uint32_t domain = 0;
  std::uint32_t server = 0;
  std::uint64_t sequence = 0;

  friend bool operator==(const BinlogGtid&, const BinlogGtid&) = default;
};

/// As @@last_gtid and session tracking spell it: "0-1-42".
[[nodiscard]] std::string to_string(const BinlogGtid& gtid);

/// The reverse of to_string; nullopt for another form.
[[nodiscard]] std::optional<BinlogGtid> parse_gtid(std::string_view text);

/// Name of an XA transaction.
struct XaId {
  std::uint32_t format_id = 0;
  std::string gtrid;
  std::string bqual;

  friend bool operator==(const XaId&, const XaId&) = default;
};

enum class BinlogGroupKind : std::uint8_t {
  kTransaction,   ///< a plain commit; also rows of sequences and of non-transactional tables
  kXaPrepared,    ///< XA PREPARE: rows of a branch that is not decided yet
  kXaCommitted,   ///< XA COMMIT of an earlier branch; no rows
  kXaRolledBack,  ///< XA ROLLBACK of an earlier branch; no rows
  kStandalone     ///< one statement that commits by itself: DDL, accounts
};

/// One TABLE_MAP or rows event inside BinlogGroup::events.
struct EventSpan {
  std::size_t offset = 0;
  std::size_t bytes = 0;
  BinlogEventType type = BinlogEventType::kTableMap;
  std::uint64_t table_id = 0;
  std::uint16_t flags = 0;  ///< of the event's own body: kRowsStatementEnd and so on
};

/// A table that the group's TABLE_MAPs name.
struct BinlogTable {
  std::string schema;
  std::string table;
  bool has_rows = false;
  /// A statement of the group mapped it without changing rows: a foreign key's cascade may have.
  bool mapped_without_rows = false;
};

/// What one commit, XA PREPARE or standalone statement wrote.
struct BinlogGroup {
  BinlogGroupKind kind = BinlogGroupKind::kTransaction;
  BinlogGtid gtid;
  std::optional<XaId> xid;          ///< for the three XA kinds
  Buffer events;                    ///< TABLE_MAP and rows events back to back, without CRC
  std::vector<EventSpan> spans;     ///< where each of them lies in `events`
  std::vector<BinlogTable> tables;  ///< each once, in order of first use
  bool has_rows = false;
  /// It ends in ROLLBACK: a transaction that made or dropped a temporary table, or changed a table
  /// that is not transactional, and was rolled back. Rows of transactional tables did not stay.
  bool rolled_back = false;
  /// The SQL text of kStandalone; in front of the rows of a kTransaction: the CREATE TABLE of what
  /// was a CREATE TABLE .. SELECT.
  std::string statement;
  std::string schema;        ///< its default database
  std::string settings;      ///< a SET statement with what it ran with; may be empty
  std::uint16_t error = 0;   ///< of the statement: it had a part of its effect
  std::uint32_t thread = 0;  ///< the server's number of the connection that executed it
  /// Temporary tables of that connection were used by the statement, or before in the same program.
  bool thread_specific = false;
  BinlogPosition end;  ///< where the next group begins
  /// Set when the group is complete but must not be replicated: kGroupTooLarge, kCompressed,
  /// kStatementFormat or kUnsupported. `events` is empty then. The stream itself stays good.
  std::optional<Error> unfit;

  [[nodiscard]] Bytes event(const EventSpan& span) const {
    return Bytes(events).subspan(span.offset, span.bytes);
  }

  [[nodiscard]] MutableBytes event(const EventSpan& span) {
    return MutableBytes(events).subspan(span.offset, span.bytes);
  }
};

/// The stream goes on in another file.
struct BinlogRotate {
  BinlogPosition next;
};

/// Nothing was written for a heartbeat period; the stream has delivered everything before `at`.
struct BinlogHeartbeat {
  BinlogPosition at;
};

/// A new binlog file began; BinlogGroupReader::format_description() changed.
struct BinlogFormatChanged {
  std::string server_version;
};

using BinlogOutput = std::variant<BinlogGroup, BinlogRotate, BinlogHeartbeat, BinlogFormatChanged>;

struct EventHeader;
struct QueryBody;

/// Reads one dump stream. After an error the reader is spent: reconnect at position().
class BinlogGroupReader {
 public:
  struct Limits {
    std::size_t group_bytes_max = std::size_t{512} << 20;  ///< row bytes kept for one group
  };

  explicit BinlogGroupReader(Limits limits) : limits_(limits) {}

  BinlogGroupReader() : BinlogGroupReader(Limits{}) {}

  /// Takes one event: a dump packet's payload without its leading 0x00. Returns what the event
  /// completed, if anything. Errors (BinlogError): kMalformed, kBadChecksum, kUnsupported; the
  /// connection must be dropped. Whatever concerns only one group is in BinlogGroup::unfit.
  [[nodiscard]] Result<std::optional<BinlogOutput>> feed(Bytes event);

  /// The server has said that it cannot send the next event, since it is too long (1 GiB): the
  /// group that it belongs to, unfit (kGroupTooLarge), as far as it came; nullopt where none was
  /// begun. Then the reader is spent.
  [[nodiscard]] std::optional<BinlogGroup> give_up_group();

  /// The FORMAT_DESCRIPTION event that `BINLOG ''` needs before any group's events, with checksum
  /// algorithm 0 (its own four checksum bytes stay, as zeros). Empty before the stream's first one.
  /// Lives as long as the reader.
  [[nodiscard]] Bytes format_description() const { return format_description_; }

  /// When and by which server the file of format_description() was begun: what tells two files of
  /// one name apart. 0 before the stream's first one.
  [[nodiscard]] std::uint64_t file_identity() const { return file_identity_; }

  /// Where to ask a new dump from: behind the last completed group.
  [[nodiscard]] const BinlogPosition& position() const { return position_; }

  /// Row bytes held for the unfinished group: for metrics.
  [[nodiscard]] std::size_t waiting_bytes() const { return group_.events.size(); }

 private:
  struct Savepoint {
    std::string name;
    std::size_t events_bytes = 0;
    std::size_t spans = 0;
  };

  struct MappedTable {
    std::uint64_t id = 0;
    std::size_t index = 0;  ///< in group_.tables
    bool changed = false;   ///< rows in the present statement
  };

  using Output = Result<std::optional<BinlogOutput>>;

  Output dispatch(Bytes event, const EventHeader& header);
  Output on_group_event(Bytes event, const EventHeader& header);
  Output on_unknown_event(const EventHeader& header);
  Output on_stray_event(const EventHeader& header);
  Output on_format_description(Bytes event, std::uint32_t next_position);
  Output on_rotate(Bytes body);
  Output on_gtid(Bytes body, std::uint32_t server_id);
  Output on_mysql_gtid();
  Output on_query(Bytes body, std::uint32_t timestamp, std::uint16_t flags);
  Output on_statement(const QueryBody& query);
  Output on_xa_completed(std::string_view sql);
  Output on_xa_prepare(Bytes body);
  Output on_table_map(Bytes event);
  Output on_rows(Bytes event, BinlogEventType type);
  Output take_xid(std::string_view sql);
  Output finish_group();
  void begin_group();
  void end_statement();
  void keep_event(Bytes head, Bytes rest, EventSpan span);
  void remember_savepoint(std::string_view name);
  void roll_back_to(std::string_view savepoint);
  void mark_unfit(BinlogError code, std::string message);
  void mark_too_large();

  Limits limits_;
  Buffer format_description_;
  std::uint64_t file_identity_ = 0;
  BinlogPosition position_;
  std::uint64_t next_offset_ = 0;  ///< of the event being read
  bool has_checksum_ = false;
  bool in_group_ = false;
  bool standalone_ = false;
  ServerKind server_ = ServerKind::kMariadb;  ///< what wrote the group
  BinlogGroup group_;
  std::vector<MappedTable> mapped_;
  std::vector<Savepoint> savepoints_;
};

/// What to ask a dump for.
struct BinlogDumpRequest {
  BinlogPosition from;
  std::uint32_t server_id = 0;  ///< unique among the backend's readers: a second one ends the first
  bool stop_at_end = false;     ///< answer EOF at the end instead of waiting for more
};

/// Payload of COM_BINLOG_DUMP, with its command byte.
[[nodiscard]] Buffer encode_binlog_dump(const BinlogDumpRequest& request);

/// Statements to run on the connection before the dump, one COM_QUERY each; the same for MariaDB
/// and MySQL.
[[nodiscard]] std::vector<std::string> binlog_dump_settings(std::uint32_t heartbeat_ms);

}  // namespace consort::protocol
