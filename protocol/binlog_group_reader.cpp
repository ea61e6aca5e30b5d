// BinlogGroupReader: see binlog_events.h.

#include <algorithm>
#include <utility>

#include "protocol/binlog_decode.h"
#include "protocol/binlog_events.h"
#include "protocol/lenenc.h"
#include "protocol/query_settings.h"

namespace consort::protocol {
namespace {

using Output = Result<std::optional<BinlogOutput>>;

/// In a message: enough of a statement to find it.
constexpr std::size_t kQuotedBytesMax = 120;
constexpr std::size_t kSavepointsMax = 4096;
constexpr std::uint16_t kStatementEnd = 0x01;
/// In MySQL's log behind the CREATE TABLE of a CREATE TABLE .. SELECT.
constexpr std::string_view kWithRowsBehind = " START TRANSACTION";

Output nothing() {
  return std::optional<BinlogOutput>();
}

Output malformed_event(const char* what) {
  return make_error(BinlogError::kMalformed, std::string("binlog: malformed_event ") + what);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<signed char>(c) >= 0; });
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

Output BinlogGroupReader::feed(Bytes event) {
  const std::optional<EventHeader> header = decode_event_header(event);
  if (!header) {
    return malformed_event("event header");
  }
  if (header->type == BinlogEventType::kFormatDescription) {
    return on_format_description(event, header->next_position);
  }
  const bool made_on_the_fly = header->next_position == 0 ||
                               (header->flags & kEventArtificial) != 0 ||
                               header->type == BinlogEventType::kHeartbeat ||
                               header->type == BinlogEventType::kMysqlHeartbeatV2;
  // The server writes such events with the checksum the connection asked for, not the file's.
  const bool has_checksum = made_on_the_fly ? checksum_matches(event) : has_checksum_;
  if (has_checksum) {
    if (!made_on_the_fly && !checksum_matches(event)) {
      return make_error(BinlogError::kBadChecksum, "binlog: wrong checksum before " +
                                                       position_.file + ":" +
                                                       std::to_string(header->next_position));
    }
    event = event.first(event.size() - kChecksumBytes);
  }
  if (!made_on_the_fly) {
    next_offset_ = header->next_position;
  }
  Output output = dispatch(event, *header);
  if (output.ok() && !in_group_ && !made_on_the_fly && header->type != BinlogEventType::kRotate) {
    position_.offset = next_offset_;
  }
  return output;
}

Output BinlogGroupReader::dispatch(Bytes event, const EventHeader& header) {
  const Bytes body = event.subspan(kBinlogHeaderBytes);
  switch (header.type) {
    case BinlogEventType::kRotate:
      return on_rotate(body);
    case BinlogEventType::kHeartbeat:
      return std::optional<BinlogOutput>(
          BinlogHeartbeat{{std::string(as_text(body)), header.next_position}});
    case BinlogEventType::kMysqlHeartbeatV2: {
      std::optional<BinlogPosition> at = decode_heartbeat_v2(body);
      return at ? Output(std::optional<BinlogOutput>(BinlogHeartbeat{*std::move(at)}))
                : malformed_event("heartbeat");
    }
    case BinlogEventType::kGtid:
      return on_gtid(body, header.server_id);
    case BinlogEventType::kMysqlGtid:
    case BinlogEventType::kMysqlAnonymousGtid:
    case BinlogEventType::kMysqlGtidTagged:
      return on_mysql_gtid();
    case BinlogEventType::kStop:
    case BinlogEventType::kGtidList:
    case BinlogEventType::kBinlogCheckpoint:
    case BinlogEventType::kMysqlPreviousGtids:
    case BinlogEventType::kStartEncryption:
    case BinlogEventType::kAnnotateRows:
    case BinlogEventType::kRowsQuery:
    case BinlogEventType::kIgnorable:
      return nothing();
    default:
      return in_group_ ? on_group_event(event, header) : on_stray_event(header);
  }
}

Output BinlogGroupReader::on_group_event(Bytes event, const EventHeader& header) {
  const Bytes body = event.subspan(kBinlogHeaderBytes);
  switch (header.type) {
    case BinlogEventType::kQuery:
      return on_query(body, load_le<4>(event.data()), header.flags);
    case BinlogEventType::kXid:
      return finish_group();
    case BinlogEventType::kXaPrepare:
      return on_xa_prepare(body);
    case BinlogEventType::kTableMap:
      return on_table_map(event);
    case BinlogEventType::kWriteRowsV1:
    case BinlogEventType::kUpdateRowsV1:
    case BinlogEventType::kDeleteRowsV1:
    case BinlogEventType::kWriteRowsV2:
    case BinlogEventType::kUpdateRowsV2:
    case BinlogEventType::kDeleteRowsV2:
      return on_rows(event, header.type);
    case BinlogEventType::kIntvar:
    case BinlogEventType::kRand:
    case BinlogEventType::kUserVar:
      return nothing();  // they belong to a statement that follows and decides
    case BinlogEventType::kQueryCompressed:
    case BinlogEventType::kMysqlTransactionPayload:
      mark_unfit(BinlogError::kCompressed, "the binlog is compressed: turn that off");
      return standalone_ || header.type == BinlogEventType::kMysqlTransactionPayload
                 ? finish_group()
                 : nothing();
    default:
      return on_unknown_event(header);
  }
}

Output BinlogGroupReader::on_unknown_event(const EventHeader& header) {
  const std::string number = std::to_string(static_cast<unsigned>(header.type));
  if (header.type >= BinlogEventType::kWriteRowsCompressedV1 &&
      header.type <= BinlogEventType::kDeleteRowsCompressed) {
    mark_unfit(BinlogError::kCompressed, "rows are compressed: set log_bin_compress=OFF");
  } else if (header.type == BinlogEventType::kBeginLoadQuery ||
             header.type == BinlogEventType::kExecuteLoadQuery) {
    mark_unfit(BinlogError::kStatementFormat, "LOAD DATA was logged as a statement");
  } else if (header.type == BinlogEventType::kMysqlPartialUpdateRows) {
    mark_unfit(BinlogError::kUnsupported,
               "a part of a JSON value was logged: set binlog_row_value_options=''");
  } else if ((header.flags & kEventIgnorable) == 0) {
    mark_unfit(BinlogError::kUnsupported, "binlog event of unknown type " + number);
  }
  return nothing();
}

Output BinlogGroupReader::on_stray_event(const EventHeader& header) {
  switch (header.type) {
    case BinlogEventType::kQuery:
    case BinlogEventType::kXid:
    case BinlogEventType::kXaPrepare:
    case BinlogEventType::kTableMap:
    case BinlogEventType::kWriteRowsV1:
    case BinlogEventType::kUpdateRowsV1:
    case BinlogEventType::kDeleteRowsV1:
    case BinlogEventType::kWriteRowsV2:
    case BinlogEventType::kUpdateRowsV2:
    case BinlogEventType::kDeleteRowsV2:
      return malformed_event("group: it has no GTID event");
    default:
      return nothing();
  }
}

Output BinlogGroupReader::on_format_description(Bytes event, std::uint32_t next_position) {
  const std::optional<FormatDescription> format = decode_format_description(event);
  if (!format || format->checksum_algorithm > 1) {
    return malformed_event("format description");
  }
  if (format->checksum_algorithm == 1 && !checksum_matches(event)) {
    return make_error(BinlogError::kBadChecksum, "binlog: wrong checksum of a format description");
  }
  in_group_ = false;  // a crashed server leaves a group without end behind
  has_checksum_ = format->checksum_algorithm == 1;
  if (next_position != 0) {
    next_offset_ = next_position;
  }
  // This event keeps its (ignored) checksum bytes even when the algorithm before them says "none".
  format_description_.assign(event.begin(), event.end());
  std::fill(format_description_.end() - kChecksumBytes - 1, format_description_.end(), 0);
  // Whether the file's start is sent or its copy before a place in its middle: the header's time
  // and server are those of the file.
  Reader header(event);
  const std::uint64_t began = header.u32();
  static_cast<void>(header.u8());  // the type
  file_identity_ = began << 32 | header.u32();
  return std::optional<BinlogOutput>(BinlogFormatChanged{std::string(format->server_version)});
}

Output BinlogGroupReader::on_rotate(Bytes body) {
  Reader reader(body);
  BinlogPosition next;
  next.offset = reader.u64();
  next.file = std::string(as_text(reader.rest()));
  if (reader.failed() || next.file.empty()) {
    return malformed_event("rotate event");
  }
  in_group_ = false;
  position_ = next;
  return std::optional<BinlogOutput>(BinlogRotate{std::move(next)});
}

void BinlogGroupReader::begin_group() {
  group_ = BinlogGroup{};
  mapped_.clear();
  savepoints_.clear();
  in_group_ = true;
  standalone_ = false;
  server_ = ServerKind::kMariadb;
}

Output BinlogGroupReader::on_gtid(Bytes body, std::uint32_t server_id) {
  std::optional<GtidBody> gtid = decode_gtid(body, server_id);
  if (!gtid || in_group_) {
    return malformed_event("GTID event");
  }
  begin_group();
  group_.gtid = gtid->gtid;
  group_.xid = std::move(gtid->xid);
  standalone_ = (gtid->flags & kGtidStandalone) != 0;
  if ((gtid->flags & kGtidPreparedXa) != 0) {
    group_.kind = BinlogGroupKind::kXaPrepared;
  } else if ((gtid->flags & kGtidCompletedXa) != 0) {
    group_.kind = BinlogGroupKind::kXaCommitted;  // or rolled back: its query tells
  } else if (standalone_) {
    group_.kind = BinlogGroupKind::kStandalone;
  }
  return nothing();
}

Output BinlogGroupReader::on_mysql_gtid() {
  if (in_group_) {
    return malformed_event("GTID event");
  }
  begin_group();
  // Its first query tells what the group is; until then a statement ends it.
  group_.kind = BinlogGroupKind::kStandalone;
  standalone_ = true;
  server_ = ServerKind::kMysql;
  return nothing();
}

Output BinlogGroupReader::on_query(Bytes body, std::uint32_t timestamp, std::uint16_t flags) {
  std::optional<QueryBody> query = decode_query(body);
  if (!query) {
    return malformed_event("query event");
  }
  query->timestamp = timestamp;
  query->thread_specific = (flags & kEventThreadSpecific) != 0;
  switch (query_role(query->sql)) {
    case QueryRole::kBegin:
      group_.kind = BinlogGroupKind::kTransaction;
      standalone_ = false;
      return nothing();
    case QueryRole::kCommit:
      if (query->sql == "ROLLBACK") {
        group_.rolled_back = true;
        mark_unfit(BinlogError::kUnsupported, "a rolled back group: which rows stayed is unknown");
      }
      return finish_group();
    case QueryRole::kXaStart:
      group_.kind = BinlogGroupKind::kXaPrepared;
      standalone_ = false;
      return take_xid(query->sql);
    case QueryRole::kXaEnd:
    case QueryRole::kReleaseSavepoint:
      return nothing();
    case QueryRole::kXaCommit:
    case QueryRole::kXaRollback:
      return on_xa_completed(query->sql);
    case QueryRole::kSavepoint:
      remember_savepoint(savepoint_name(query->sql));
      return nothing();
    case QueryRole::kRollbackToSavepoint:
      roll_back_to(savepoint_name(query->sql));
      return nothing();
    case QueryRole::kStatement:
      return on_statement(*query);
  }
  return nothing();
}

Output BinlogGroupReader::take_xid(std::string_view sql) {
  group_.xid = parse_logged_xid(sql);
  return group_.xid ? nothing() : malformed_event("XA statement");
}

Output BinlogGroupReader::on_xa_completed(std::string_view sql) {
  if (!group_.xid && !take_xid(sql).ok()) {
    return malformed_event("XA statement");
  }
  group_.kind = query_role(sql) == QueryRole::kXaCommit ? BinlogGroupKind::kXaCommitted
                                                        : BinlogGroupKind::kXaRolledBack;
  return finish_group();
}

Output BinlogGroupReader::on_statement(const QueryBody& query) {
  const std::string_view sql = query.sql;
  const bool creates = group_.kind == BinlogGroupKind::kTransaction && group_.events.empty() &&
                       group_.statement.empty() && sql.starts_with("CREATE ");
  if (standalone_ || creates) {
    std::optional<std::string> settings =
        query_settings_sql(query.status, query.timestamp, server_);
    if (!settings) {
      return malformed_event("query event");
    }
    group_.statement = std::string(sql);
    if (creates && server_ == ServerKind::kMysql && sql.ends_with(kWithRowsBehind)) {
      group_.statement.resize(sql.size() - kWithRowsBehind.size());
    }
    group_.schema = std::string(query.schema);
    group_.settings = *std::move(settings);
    group_.thread = query.thread;
    group_.thread_specific = query.thread_specific;
    group_.error = query.error;
    return standalone_ ? finish_group() : nothing();
  }
  mark_unfit(BinlogError::kStatementFormat,
             "a statement was logged as text: " + std::string(sql.substr(0, kQuotedBytesMax)));
  return nothing();
}

Output BinlogGroupReader::on_xa_prepare(Bytes body) {
  std::optional<XaPrepareBody> prepare = decode_xa_prepare(body);
  if (!prepare) {
    return malformed_event("XA PREPARE event");
  }
  if (prepare->one_phase) {
    group_.kind = BinlogGroupKind::kTransaction;
    group_.xid.reset();
    return finish_group();
  }
  if (group_.xid && !(*group_.xid == prepare->xid)) {
    return malformed_event("XA group: two names");
  }
  group_.kind = BinlogGroupKind::kXaPrepared;
  group_.xid = std::move(prepare->xid);
  return finish_group();
}

Output BinlogGroupReader::on_table_map(Bytes event) {
  const std::optional<TableMapHead> names = decode_table_map_head(event);
  if (!names) {
    return malformed_event("table map");
  }
  const auto same = [&](const BinlogTable& known) {
    return known.table == names->table && known.schema == names->schema;
  };
  const auto found = std::find_if(group_.tables.begin(), group_.tables.end(), same);
  const auto index = static_cast<std::size_t>(found - group_.tables.begin());
  if (found == group_.tables.end()) {
    group_.tables.push_back({std::string(names->schema), std::string(names->table), false, false});
  }
  mapped_.push_back({names->table_id, index, false});
  keep_event(event, {}, {0, 0, BinlogEventType::kTableMap, names->table_id, names->flags});
  return nothing();
}

Output BinlogGroupReader::on_rows(Bytes event, BinlogEventType type) {
  Reader reader(event.subspan(kBinlogHeaderBytes));
  EventSpan span;
  span.type = rows_type_v1(type);
  span.table_id = reader.le<6>();
  span.flags = reader.u16();
  const Bytes head = event.first(event.size() - reader.remaining());
  if (span.type != type) {
    const std::uint16_t extra_bytes = reader.u16();  // counts itself
    if (extra_bytes < 2) {
      return malformed_event("rows event");
    }
    reader.skip(extra_bytes - 2U);
  }
  if (reader.failed()) {
    return malformed_event("rows event");
  }
  for (MappedTable& mapped : mapped_) {
    if (mapped.id == span.table_id) {
      mapped.changed = true;
      group_.tables[mapped.index].has_rows = true;
    }
  }
  keep_event(head, reader.rest(), span);
  if ((span.flags & kStatementEnd) != 0) {
    end_statement();
  }
  return nothing();
}

void BinlogGroupReader::end_statement() {
  for (const MappedTable& mapped : mapped_) {
    if (!mapped.changed) {
      group_.tables[mapped.index].mapped_without_rows = true;
    }
  }
  mapped_.clear();
}

void BinlogGroupReader::keep_event(Bytes head, Bytes rest, EventSpan span) {
  if (group_.unfit) {
    return;
  }
  span.bytes = head.size() + rest.size();
  const std::size_t total = group_.events.size() + span.bytes;
  if (total > limits_.group_bytes_max) {
    mark_too_large();
    return;
  }
  span.offset = group_.events.size();
  append(group_.events, head);
  append(group_.events, rest);
  // The stored header must fit what was kept: no checksum, version 1.
  const MutableBytes kept = MutableBytes(group_.events).subspan(span.offset);
  set_event_bytes(kept, span.bytes);
  set_event_type(kept, span.type);
  group_.spans.push_back(span);
}

void BinlogGroupReader::remember_savepoint(std::string_view name) {
  if (savepoints_.size() >= kSavepointsMax) {
    mark_unfit(BinlogError::kUnsupported, "too many savepoints in one transaction");
    return;
  }
  savepoints_.push_back({std::string(name), group_.events.size(), group_.spans.size()});
}

// The server leaves undone rows in the log, followed by ROLLBACK TO, when the transaction also
// made a temporary table. Its names are compared by a collation: with accents we cannot tell.
void BinlogGroupReader::roll_back_to(std::string_view savepoint) {
  const bool certain = is_ascii(savepoint) &&
                       std::all_of(savepoints_.begin(), savepoints_.end(),
                                   [](const Savepoint& known) { return is_ascii(known.name); });
  const auto found = std::find_if(
      savepoints_.rbegin(), savepoints_.rend(),
      [&](const Savepoint& known) { return equal_ignoring_case(known.name, savepoint); });
  if (!certain || found == savepoints_.rend()) {
    mark_unfit(BinlogError::kUnsupported, "a rollback to a savepoint that cannot be told apart");
    return;
  }
  if (!group_.unfit) {
    group_.events.resize(found->events_bytes);
    group_.spans.resize(found->spans);
  }
  savepoints_.erase(found.base(), savepoints_.end());
}

void BinlogGroupReader::mark_unfit(BinlogError code, std::string message) {
  if (group_.unfit) {
    return;
  }
  group_.unfit = make_error(code, std::move(message));
  Buffer().swap(group_.events);
  std::vector<EventSpan>().swap(group_.spans);
}

void BinlogGroupReader::mark_too_large() {
  mark_unfit(BinlogError::kGroupTooLarge,
             "the transaction's rows exceed " + std::to_string(limits_.group_bytes_max) + " bytes");
}

std::optional<BinlogGroup> BinlogGroupReader::give_up_group() {
  if (!in_group_) {
    return std::nullopt;
  }
  mark_too_large();
  in_group_ = false;
  return std::exchange(group_, BinlogGroup{});
}

Output BinlogGroupReader::finish_group() {
  end_statement();
  in_group_ = false;
  group_.end = {position_.file, next_offset_};
  group_.has_rows =
      std::any_of(group_.spans.begin(), group_.spans.end(),
                  [](const EventSpan& span) { return span.type != BinlogEventType::kTableMap; });
  return std::optional<BinlogOutput>(std::exchange(group_, BinlogGroup{}));
}

}  // namespace consort::protocol
