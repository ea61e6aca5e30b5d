#include "protocol/binlog_decode.h"

#include <array>
#include <charconv>
#include <zlib.h>

#include "protocol/hex.h"
#include "protocol/lenenc.h"

namespace consort::protocol {
namespace {

constexpr std::size_t kTypeOffset = 4;
constexpr std::size_t kSizeOffset = 9;
constexpr std::size_t kXidPartBytesMax = 64;

std::string text(Bytes bytes) {
  return std::string(as_text(bytes));
}

/// Takes "X'6162'" from the front of `rest`.
std::optional<std::string> take_hex_literal(std::string_view& rest) {
  if (!rest.starts_with("X'") && !rest.starts_with("x'")) {
    return std::nullopt;
  }
  rest.remove_prefix(2);
  const std::size_t end = rest.find('\'');
  if (end == std::string_view::npos || end % 2 != 0 || end > 2 * kXidPartBytesMax) {
    return std::nullopt;
  }
  std::string bytes;
  for (std::size_t i = 0; i < end; i += 2) {
    const auto high = hex_digit(rest[i]);
    const auto low = hex_digit(rest[i + 1]);
    if (!high || !low) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(*high * 16 + *low));
  }
  rest.remove_prefix(end + 1);
  return bytes;
}

bool take_char(std::string_view& rest, char c) {
  if (!rest.starts_with(c)) {
    return false;
  }
  rest.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<EventHeader> decode_event_header(Bytes event) {
  Reader reader(event);
  EventHeader header;
  reader.skip(4);  // timestamp
  header.type = static_cast<BinlogEventType>(reader.u8());
  header.server_id = reader.u32();
  header.event_bytes = reader.u32();
  header.next_position = reader.u32();
  header.flags = reader.u16();
  if (reader.failed() || header.event_bytes != event.size()) {
    return std::nullopt;
  }
  return header;
}

bool checksum_matches(Bytes event) {
  if (event.size() < kBinlogHeaderBytes + kChecksumBytes) {
    return false;
  }
  const std::size_t covered = event.size() - kChecksumBytes;
  return crc32_z(0, event.data(), covered) == load_le<4>(event.data() + covered);
}

void set_event_bytes(MutableBytes event, std::size_t bytes) {
  CHECK(event.size() >= kBinlogHeaderBytes);
  store_le<4>(event.data() + kSizeOffset, bytes);
}

void set_event_type(MutableBytes event, BinlogEventType type) {
  CHECK(event.size() >= kBinlogHeaderBytes);
  event[kTypeOffset] = static_cast<std::uint8_t>(type);
}

std::optional<FormatDescription> decode_format_description(Bytes event) {
  constexpr std::size_t kVersionBytes = 50;
  Reader reader(event);
  reader.skip(kBinlogHeaderBytes);
  const std::uint16_t binlog_version = reader.u16();
  const std::string_view version = as_text(reader.bytes(kVersionBytes));
  reader.skip(4);  // creation time
  const std::uint8_t header_bytes = reader.u8();
  if (reader.failed() || binlog_version != 4 || header_bytes != kBinlogHeaderBytes ||
      reader.remaining() < 1 + kChecksumBytes) {
    return std::nullopt;
  }
  FormatDescription format;
  format.server_version = version.substr(0, version.find('\0'));
  format.checksum_algorithm = event[event.size() - kChecksumBytes - 1];
  return format;
}

std::optional<GtidBody> decode_gtid(Bytes body, std::uint32_t server_id) {
  Reader reader(body);
  GtidBody result;
  result.gtid.server = server_id;
  result.gtid.sequence = reader.u64();
  result.gtid.domain = reader.u32();
  result.flags = reader.u8();
  if ((result.flags & kGtidHasCommitId) != 0) {
    reader.skip(8);
  }
  if ((result.flags & (kGtidPreparedXa | kGtidCompletedXa)) != 0) {
    XaId xid;
    xid.format_id = reader.u32();
    const std::uint8_t gtrid_bytes = reader.u8();
    const std::uint8_t bqual_bytes = reader.u8();
    xid.gtrid = text(reader.bytes(gtrid_bytes));
    xid.bqual = text(reader.bytes(bqual_bytes));
    result.xid = std::move(xid);
  }
  return reader.failed() ? std::nullopt : std::optional(std::move(result));
}

std::optional<QueryBody> decode_query(Bytes body) {
  Reader reader(body);
  QueryBody query;
  query.thread = reader.u32();
  reader.skip(4);  // execution time
  const std::uint8_t schema_bytes = reader.u8();
  query.error = reader.u16();
  const std::uint16_t status_bytes = reader.u16();
  query.status = reader.bytes(status_bytes);
  query.schema = as_text(reader.bytes(schema_bytes));
  reader.skip(1);
  if (reader.failed()) {
    return std::nullopt;
  }
  query.sql = as_text(reader.rest());
  return query;
}

std::optional<BinlogPosition> decode_heartbeat_v2(Bytes body) {
  constexpr std::uint8_t kEnd = 0;
  constexpr std::uint8_t kFile = 1;
  constexpr std::uint8_t kOffset = 2;
  BinlogPosition position;
  Reader reader(body);
  while (!reader.at_end()) {
    const std::uint8_t kind = reader.u8();
    if (kind == kEnd) {
      break;
    }
    Reader field(reader.lenenc_bytes());
    if (kind == kFile) {
      position.file = text(field.rest());
    } else if (kind == kOffset) {
      position.offset = field.lenenc();
    }
    if (field.failed()) {
      return std::nullopt;
    }
  }
  return reader.failed() || position.file.empty() ? std::nullopt : std::optional(position);
}

BinlogEventType rows_type_v1(BinlogEventType type) {
  switch (type) {
    case BinlogEventType::kWriteRowsV2:
      return BinlogEventType::kWriteRowsV1;
    case BinlogEventType::kUpdateRowsV2:
      return BinlogEventType::kUpdateRowsV1;
    case BinlogEventType::kDeleteRowsV2:
      return BinlogEventType::kDeleteRowsV1;
    default:
      return type;
  }
}

std::optional<XaPrepareBody> decode_xa_prepare(Bytes body) {
  Reader reader(body);
  XaPrepareBody result;
  result.one_phase = reader.u8() != 0;
  result.xid.format_id = reader.u32();
  const std::uint32_t gtrid_bytes = reader.u32();
  const std::uint32_t bqual_bytes = reader.u32();
  if (gtrid_bytes > kXidPartBytesMax || bqual_bytes > kXidPartBytesMax) {
    return std::nullopt;
  }
  result.xid.gtrid = text(reader.bytes(gtrid_bytes));
  result.xid.bqual = text(reader.bytes(bqual_bytes));
  return reader.failed() ? std::nullopt : std::optional(std::move(result));
}

std::optional<TableMapHead> decode_table_map_head(Bytes event) {
  Reader reader(event);
  reader.skip(kBinlogHeaderBytes);
  TableMapHead head;
  head.table_id = reader.le<6>();
  head.flags = reader.u16();
  head.schema = reader.lenenc_text();
  reader.skip(1);
  head.table = reader.lenenc_text();
  reader.skip(1);
  return reader.failed() ? std::nullopt : std::optional(head);
}

QueryRole query_role(std::string_view sql) {
  struct Prefix {
    std::string_view text;
    QueryRole role;
  };

  // Servers write these texts themselves, always in this form.
  static constexpr std::array<Prefix, 7> kPrefixes{
      {{"SAVEPOINT ", QueryRole::kSavepoint},
       {"ROLLBACK TO ", QueryRole::kRollbackToSavepoint},
       {"RELEASE SAVEPOINT ", QueryRole::kReleaseSavepoint},
       {"XA START ", QueryRole::kXaStart},
       {"XA END ", QueryRole::kXaEnd},
       {"XA COMMIT ", QueryRole::kXaCommit},
       {"XA ROLLBACK ", QueryRole::kXaRollback}}};
  if (sql == "BEGIN") {
    return QueryRole::kBegin;
  }
  if (sql == "COMMIT" || sql == "ROLLBACK") {
    return QueryRole::kCommit;
  }
  for (const Prefix& prefix : kPrefixes) {
    if (sql.starts_with(prefix.text)) {
      return prefix.role;
    }
  }
  return QueryRole::kStatement;
}

std::string_view savepoint_name(std::string_view sql) {
  for (const std::string_view word : {"ROLLBACK TO ", "RELEASE SAVEPOINT ", "SAVEPOINT "}) {
    if (sql.starts_with(word)) {
      sql.remove_prefix(word.size());
    }
  }
  return sql;
}

std::optional<XaId> parse_logged_xid(std::string_view sql) {
  const std::size_t start = sql.find('\'');
  if (start == std::string_view::npos || start == 0) {
    return std::nullopt;
  }
  std::string_view rest = sql.substr(start - 1);
  std::optional<std::string> gtrid = take_hex_literal(rest);
  if (!gtrid || !take_char(rest, ',')) {
    return std::nullopt;
  }
  std::optional<std::string> bqual = take_hex_literal(rest);
  if (!bqual || !take_char(rest, ',')) {
    return std::nullopt;
  }
  XaId xid{0, std::move(*gtrid), std::move(*bqual)};
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), xid.format_id);
  return parsed.ec == std::errc() ? std::optional(std::move(xid)) : std::nullopt;
}

}  // namespace consort::protocol
