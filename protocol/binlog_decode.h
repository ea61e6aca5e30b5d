// Decoders of single binlog events: header, checksum, and the bodies a group is framed by.
// Used by BinlogGroupReader only. Spec: MariaDB KB "2-Binlog Event Header", "Gtid_event",
// "Query_event", "XA_prepare_event". Threads: none. Views live as long as the event's bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "protocol/binlog_events.h"

namespace consort::protocol {

inline constexpr std::size_t kChecksumBytes = 4;

/// Header flags.
inline constexpr std::uint16_t kEventThreadSpecific = 0x04;
inline constexpr std::uint16_t kEventArtificial = 0x20;
inline constexpr std::uint16_t kEventIgnorable = 0x80;

/// Flags of MariaDB's GTID event.
inline constexpr std::uint8_t kGtidStandalone = 0x01;
inline constexpr std::uint8_t kGtidHasCommitId = 0x02;
inline constexpr std::uint8_t kGtidPreparedXa = 0x40;
inline constexpr std::uint8_t kGtidCompletedXa = 0x80;

struct EventHeader {
  BinlogEventType type = BinlogEventType::kIgnorable;
  std::uint32_t server_id = 0;
  std::uint32_t event_bytes = 0;    ///< with header and checksum
  std::uint32_t next_position = 0;  ///< 0 in artificial events
  std::uint16_t flags = 0;
};

/// Nullopt when `event` is shorter than a header or not as long as its header says.
[[nodiscard]] std::optional<EventHeader> decode_event_header(Bytes event);

/// The last four bytes are the CRC32 of all before them.
[[nodiscard]] bool checksum_matches(Bytes event);

/// Rewrites header field "event size".
void set_event_bytes(MutableBytes event, std::size_t bytes);

/// Rewrites header field "type".
void set_event_type(MutableBytes event, BinlogEventType type);

struct FormatDescription {
  std::string_view server_version;
  std::uint8_t checksum_algorithm = 0;  ///< 0 none, 1 CRC32
};

/// Decodes a FORMAT_DESCRIPTION event (with header; its CRC bytes are always there).
[[nodiscard]] std::optional<FormatDescription> decode_format_description(Bytes event);

struct GtidBody {
  BinlogGtid gtid;
  std::uint8_t flags = 0;
  std::optional<XaId> xid;
};

[[nodiscard]] std::optional<GtidBody> decode_gtid(Bytes body, std::uint32_t server_id);

struct QueryBody {
  std::uint32_t thread = 0;
  std::uint32_t timestamp = 0;   ///< in the event's header: seconds since 1970
  bool thread_specific = false;  ///< in the event's header
  std::uint16_t error = 0;       ///< how it ended
  Bytes status;                  ///< variables: query_settings.h
  std::string_view schema;
  std::string_view sql;
};

[[nodiscard]] std::optional<QueryBody> decode_query(Bytes body);

/// Where MySQL's second form of the heartbeat says that the stream has come to.
[[nodiscard]] std::optional<BinlogPosition> decode_heartbeat_v2(Bytes body);

/// The type of the first version's event for a rows event of the second (or of that itself).
[[nodiscard]] BinlogEventType rows_type_v1(BinlogEventType type);

struct XaPrepareBody {
  bool one_phase = false;
  XaId xid;
};

[[nodiscard]] std::optional<XaPrepareBody> decode_xa_prepare(Bytes body);

/// How a TABLE_MAP event begins.
struct TableMapHead {
  std::uint64_t table_id = 0;
  std::uint16_t flags = 0;
  std::string_view schema;
  std::string_view table;
};

/// `event` with its header.
[[nodiscard]] std::optional<TableMapHead> decode_table_map_head(Bytes event);

/// What the text of a QUERY event does to the group it stands in.
enum class QueryRole : std::uint8_t {
  kBegin,
  kCommit,  ///< COMMIT, or ROLLBACK of a group whose rows cannot be undone
  kSavepoint,
  kRollbackToSavepoint,
  kReleaseSavepoint,
  kXaStart,
  kXaEnd,
  kXaCommit,
  kXaRollback,
  kStatement  ///< anything else
};

[[nodiscard]] QueryRole query_role(std::string_view sql);

/// The name behind SAVEPOINT or ROLLBACK TO, as written, and equal for equal names.
[[nodiscard]] std::string_view savepoint_name(std::string_view sql);

/// The XID behind XA START and so on, as servers log it: X'6162',X'71',7.
[[nodiscard]] std::optional<XaId> parse_logged_xid(std::string_view sql);

}  // namespace consort::protocol
