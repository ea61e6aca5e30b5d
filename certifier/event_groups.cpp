#include "certifier/event_groups.h"

#include <algorithm>

#include "certifier/lane_sql.h"

namespace consort::certifier {
namespace {

// The head of every event: when, type, server id, length, place in the binlog, flags.
constexpr std::size_t kHeaderBytes = 19;
constexpr std::size_t kTypeAt = 4;
constexpr std::size_t kLengthAt = 9;
// Behind it, in TABLE_MAP and rows events alike: table id, flags.
constexpr std::size_t kTableIdAt = kHeaderBytes;
constexpr std::size_t kTableIdBytes = 6;
constexpr std::size_t kFlagsAt = kTableIdAt + kTableIdBytes;
constexpr std::size_t kFlagsBytes = 2;
constexpr std::size_t kBodyAt = kFlagsAt + kFlagsBytes;

// In version 2 of rows events behind the flags: how long the data is that follows.
constexpr std::size_t kExtraBytes = 2;
constexpr std::uint8_t kToVersion2 = 7;  // what it adds to the type

constexpr std::uint16_t kEndsStatement = 0x01;
constexpr std::uint16_t kNoForeignKeyChecks = 0x02;
/// MySQL's, since the server itself follows foreign keys: the rows of a cascade are in the log too,
/// each event says whether keys are checked. Without it a group's first rows event says that for
/// all, as in MariaDB.
constexpr std::uint16_t kFlagsOfTheirOwn = 0x10;

bool is_table_map(std::uint8_t type) {
  return type == 19;
}

bool is_rows(std::uint8_t type) {
  return (type >= 23 && type <= 25) || (type >= 30 && type <= 32) || (type >= 166 && type <= 171);
}

bool is_rows_v1(std::uint8_t type) {
  return type >= 23 && type <= 25;
}

/// Rows events with these flags can stand in one group and mean the same.
bool may_share_group(std::uint16_t a, std::uint16_t b) {
  return (a & b & kFlagsOfTheirOwn) != 0 || ((a ^ b) & ~kEndsStatement) == 0;
}

/// Flags of a rows event that mean on `server` what `flags` mean where it was written.
std::uint16_t flags_for(ServerKind server, std::uint16_t flags) {
  if (server == ServerKind::kMysql) {
    // MySQL looks at each event's flags when the group's first has this one, as all have that it
    // writes itself. Of MariaDB's it follows foreign keys where they say so: no event has what
    // their cascades changed.
    return flags | kFlagsOfTheirOwn;
  }
  if ((flags & kFlagsOfTheirOwn) == 0) {
    return flags;
  }
  return static_cast<std::uint16_t>((flags & ~kFlagsOfTheirOwn) | kNoForeignKeyChecks);
}

/// Schema and table as a TABLE_MAP spells them, lengths included; empty where it is cut.
std::string_view name_of(Bytes table_map) {
  const Bytes body = table_map.subspan(kBodyAt);
  std::size_t end = 0;
  for (int part = 0; part < 2; ++part) {
    if (end >= body.size()) {
      return {};
    }
    end += std::size_t{1} + body[end] + 1;  // a length, the text, a zero
  }
  return end <= body.size() ? as_text(body.first(end)) : std::string_view();
}

/// What a TABLE_MAP says but for the table's id.
Bytes definition_of(Bytes table_map) {
  return table_map.subspan(kFlagsAt);
}

bool equal(Bytes left, Bytes right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

}  // namespace

bool maps_table_without_rows(Bytes events) {
  std::vector<std::uint64_t> rowless;  // tables of the statement
  while (!events.empty()) {
    const std::size_t length =
        events.size() < kBodyAt ? 0 : std::size_t{load_le<4>(events.data() + kLengthAt)};
    const std::uint8_t type = length < kBodyAt ? std::uint8_t{0} : events[kTypeAt];
    if (length > events.size() || (!is_table_map(type) && !is_rows(type))) {
      return true;
    }
    const std::uint64_t table = load_le<kTableIdBytes>(events.data() + kTableIdAt);
    if (is_table_map(type)) {
      rowless.push_back(table);
    } else {
      std::erase(rowless, table);
      const std::uint64_t flags = load_le<kFlagsBytes>(events.data() + kFlagsAt);
      if ((flags & kEndsStatement) != 0 && !rowless.empty()) {
        return true;
      }
    }
    events = events.subspan(length);
  }
  return !rowless.empty();
}

std::optional<TableRef> mapped_table(Bytes events) {
  const std::size_t length =
      events.size() < kBodyAt ? 0 : std::size_t{load_le<4>(events.data() + kLengthAt)};
  if (length < kBodyAt || length > events.size() || !is_table_map(events[kTypeAt])) {
    return std::nullopt;
  }
  const std::string_view name = name_of(events.first(length));
  if (name.empty()) {
    return std::nullopt;
  }
  const std::size_t schema_bytes = static_cast<std::uint8_t>(name[0]);
  const std::size_t table_at = schema_bytes + 2;  // a length before it, a zero behind it
  return TableRef{std::string(name.substr(1, schema_bytes)),
                  std::string(name.substr(table_at + 1, name.size() - table_at - 2))};
}

Buffer to_mysql_events(Bytes events) {
  Buffer out;
  out.reserve(events.size() + events.size() / kHeaderBytes);
  while (events.size() >= kBodyAt) {
    const auto length = static_cast<std::size_t>(load_le<4>(events.data() + kLengthAt));
    if (length < kBodyAt || length > events.size()) {
      break;
    }
    const std::size_t at = out.size();
    append(out, events.first(kBodyAt));
    if (is_rows_v1(events[kTypeAt])) {
      append_le<kExtraBytes>(out, kExtraBytes);  // it counts itself: there is none
      out[at + kTypeAt] = static_cast<std::uint8_t>(events[kTypeAt] + kToVersion2);
      store_le<4>(out.data() + at + kLengthAt, length + kExtraBytes);
    }
    append(out, events.subspan(kBodyAt, length - kBodyAt));
    events = events.subspan(length);
  }
  append(out, events);
  return out;
}

Buffer to_mariadb_events(Bytes events) {
  Buffer out(events.begin(), events.end());
  for (std::size_t at = 0; at + kBodyAt <= out.size();) {
    const std::size_t length = load_le<4>(out.data() + at + kLengthAt);
    if (length < kBodyAt || length > out.size() - at) {
      break;
    }
    if (is_rows(out[at + kTypeAt])) {
      std::uint8_t* flags = out.data() + at + kFlagsAt;
      store_le<kFlagsBytes>(
          flags,
          flags_for(ServerKind::kMariadb, static_cast<std::uint16_t>(load_le<kFlagsBytes>(flags))));
    }
    at += length;
  }
  return out;
}

std::vector<Buffer> split_groups(Bytes events, std::size_t bytes_max) {
  std::vector<EventGroups::Event> parsed;
  if (!EventGroups::parse(events, parsed)) {
    return {Buffer(events.begin(), events.end())};
  }
  std::vector<Buffer> pieces;
  EventGroups::Group open;
  std::size_t rows_events = 0;
  auto first = parsed.begin();
  for (auto at = parsed.begin(); at != parsed.end(); ++at) {
    if (at->is_map) {
      continue;
    }
    const bool ends = (at->flags & kEndsStatement) != 0;
    const auto last = std::find_if(at, parsed.end(), [](const EventGroups::Event& event) {
      return !event.is_map && (event.flags & kEndsStatement) != 0;
    });
    const EventGroups::Statement statement(first, last + 1);
    const auto flags = static_cast<std::uint16_t>(at->flags & ~kEndsStatement);
    const std::size_t bytes = open.maps.size() + open.rows.size() +
                              (rows_events + 1) * kExtraBytes + at->bytes.size() +
                              open.new_map_bytes(statement);
    if (!open.rows.empty() && (bytes > bytes_max || !open.takes(statement, flags))) {
      open.close(pieces.emplace_back());
      rows_events = 0;
    }
    open.take_maps(statement);
    open.take_rows(statement, *at, flags);
    ++rows_events;
    first = ends ? at + 1 : first;
  }
  if (!open.rows.empty()) {
    open.close(pieces.emplace_back());
  }
  return pieces;
}

void EventGroups::add(Bytes events) {
  std::vector<Event> parsed;
  if (!parse(events, parsed)) {
    open_.close(done_);
    append(done_, server_ == ServerKind::kMysql ? Buffer(events.begin(), events.end())
                                                : to_mariadb_events(events));
    count_ += 2;
    return;
  }
  auto first = parsed.begin();
  for (auto at = parsed.begin(); at != parsed.end(); ++at) {
    if (!at->is_map && (at->flags & kEndsStatement) != 0) {
      add_statement({first, at + 1});
      first = at + 1;
    }
  }
}

/// Whole statements of flags that may share a group, every rows event behind its table's map.
bool EventGroups::parse(Bytes events, std::vector<Event>& out) {
  bool in_rows = false;
  std::size_t first_of_statement = 0;
  while (!events.empty()) {
    if (events.size() < kBodyAt) {
      return false;
    }
    const std::uint8_t type = events[kTypeAt];
    const auto length = static_cast<std::size_t>(load_le<4>(events.data() + kLengthAt));
    if (length < kBodyAt || length > events.size() || (!is_table_map(type) && !is_rows(type))) {
      return false;
    }
    Event event;
    event.bytes = events.first(length);
    event.is_map = is_table_map(type);
    event.table_id = load_le<kTableIdBytes>(events.data() + kTableIdAt);
    event.flags = static_cast<std::uint16_t>(load_le<kFlagsBytes>(events.data() + kFlagsAt));
    const auto statement = out.begin() + static_cast<std::ptrdiff_t>(first_of_statement);
    if (event.is_map) {
      const std::string_view name = name_of(event.bytes);
      const bool differs = std::any_of(statement, out.end(), [&](const Event& map) {
        return name_of(map.bytes) == name &&
               !equal(definition_of(map.bytes), definition_of(event.bytes));
      });
      if (in_rows || name.empty() || differs) {
        return false;
      }
    } else {
      const bool mapped = std::any_of(statement, out.end(), [&](const Event& map) {
        return map.is_map && map.table_id == event.table_id;
      });
      const bool fitting_flags = !in_rows || may_share_group(out.back().flags, event.flags);
      if (!mapped || !fitting_flags) {
        return false;
      }
      in_rows = (event.flags & kEndsStatement) == 0;
    }
    const bool ends = !event.is_map && !in_rows;
    out.push_back(event);
    first_of_statement = ends ? out.size() : first_of_statement;
    events = events.subspan(length);
  }
  return !in_rows && (out.empty() || !out.back().is_map);
}

void EventGroups::add_statement(Statement statement) {
  const auto flags =
      static_cast<std::uint16_t>(flags_for(server_, statement.back().flags) & ~kEndsStatement);
  if (open_.rows.empty() || !open_.takes(statement, flags)) {
    open_.close(done_);
    ++count_;
  }
  open_.take_maps(statement);
  for (const Event& event : statement) {
    if (!event.is_map) {
      open_.take_rows(statement, event, flags_for(server_, event.flags));
    }
  }
}

bool EventGroups::Group::takes(Statement statement, std::uint16_t with_flags) const {
  return may_share_group(flags, with_flags) &&
         std::all_of(statement.begin(), statement.end(), [this](const Event& event) {
           if (!event.is_map) {
             return true;
           }
           const auto known = tables.find(name_of(event.bytes));
           return known == tables.end() ||
                  equal(definition_of(event.bytes), known->second.definition);
         });
}

std::size_t EventGroups::Group::new_map_bytes(Statement statement) const {
  std::size_t bytes = 0;
  for (const Event& event : statement) {
    if (event.is_map && !tables.contains(name_of(event.bytes))) {
      bytes += event.bytes.size();
    }
  }
  return bytes;
}

void EventGroups::Group::take_maps(Statement statement) {
  for (const Event& event : statement) {
    if (!event.is_map) {
      continue;
    }
    const auto [table, is_new] = tables.try_emplace(name_of(event.bytes));
    if (is_new) {
      table->second = {definition_of(event.bytes), tables.size()};
      const std::size_t at = maps.size();
      append(maps, event.bytes);
      store_le<kTableIdBytes>(maps.data() + at + kTableIdAt, table->second.id);
    }
  }
}

void EventGroups::Group::take_rows(Statement statement,
                                   const Event& event,
                                   std::uint16_t with_flags) {
  with_flags &= static_cast<std::uint16_t>(~kEndsStatement);
  if (rows.empty()) {
    flags = with_flags;
  }
  const auto map = std::find_if(statement.begin(), statement.end(), [&](const Event& other) {
    return other.is_map && other.table_id == event.table_id;
  });
  const std::size_t at = rows.size();
  append(rows, event.bytes);
  store_le<kTableIdBytes>(rows.data() + at + kTableIdAt, tables.at(name_of(map->bytes)).id);
  last_flags_at = at + kFlagsAt;
  store_le<kFlagsBytes>(rows.data() + last_flags_at, with_flags);
}

void EventGroups::Group::close(Buffer& out) {
  if (!rows.empty()) {
    rows[last_flags_at] |= kEndsStatement;
    append(out, maps);
    append(out, rows);
  }
  *this = {};
}

void EventGroups::append_base64_to(std::string& out) {
  open_.close(done_);
  if (server_ == ServerKind::kMysql) {
    append_base64(out, to_mysql_events(done_));
  } else {
    append_base64(out, done_);
  }
}

}  // namespace consort::certifier
