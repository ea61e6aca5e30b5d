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

constexpr std::uint16_t kEndsStatement = 0x01;

bool is_table_map(std::uint8_t type) {
  return type == 19;
}

bool is_rows(std::uint8_t type) {
  return (type >= 23 && type <= 25) || (type >= 30 && type <= 32) || (type >= 166 && type <= 171);
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

void EventGroups::add(Bytes events) {
  std::vector<Event> parsed;
  if (!parse(events, parsed)) {
    close();
    append(done_, events);
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

/// Whole statements of one set of flags each, every rows event behind its table's map.
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
      const bool same_flags = !in_rows || ((out.back().flags ^ event.flags) & ~kEndsStatement) == 0;
      if (!mapped || !same_flags) {
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

void EventGroups::add_statement(std::span<const Event> statement) {
  // The server takes what the flags say about foreign keys from a group's first rows event.
  const auto flags = static_cast<std::uint16_t>(statement.back().flags & ~kEndsStatement);
  if (!joins(statement, flags)) {
    close();
    open_.flags = flags;
    ++count_;
  }
  for (const Event& event : statement) {
    if (event.is_map) {
      const auto [table, is_new] = open_.tables.try_emplace(name_of(event.bytes));
      if (is_new) {
        table->second = {definition_of(event.bytes), open_.tables.size()};
        const std::size_t at = open_.maps.size();
        append(open_.maps, event.bytes);
        store_le<kTableIdBytes>(open_.maps.data() + at + kTableIdAt, table->second.id);
      }
      continue;
    }
    const auto map = std::find_if(statement.begin(), statement.end(), [&](const Event& other) {
      return other.is_map && other.table_id == event.table_id;
    });
    const std::size_t at = open_.rows.size();
    append(open_.rows, event.bytes);
    store_le<kTableIdBytes>(open_.rows.data() + at + kTableIdAt,
                            open_.tables.at(name_of(map->bytes)).id);
    open_.last_flags_at = at + kFlagsAt;
    open_.rows[open_.last_flags_at] &= static_cast<std::uint8_t>(~kEndsStatement);
  }
}

bool EventGroups::joins(std::span<const Event> statement, std::uint16_t flags) const {
  if (open_.rows.empty() || open_.flags != flags) {
    return false;
  }
  return std::all_of(statement.begin(), statement.end(), [this](const Event& event) {
    if (!event.is_map) {
      return true;
    }
    const auto known = open_.tables.find(name_of(event.bytes));
    return known == open_.tables.end() ||
           equal(definition_of(event.bytes), known->second.definition);
  });
}

void EventGroups::close() {
  if (!open_.rows.empty()) {
    open_.rows[open_.last_flags_at] |= kEndsStatement;
    append(done_, open_.maps);
    append(done_, open_.rows);
  }
  open_ = {};
}

void EventGroups::append_base64_to(std::string& out) {
  close();
  append_base64(out, done_);
}

}  // namespace consort::certifier
