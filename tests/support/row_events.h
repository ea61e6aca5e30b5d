// Row events in a server's frame, for tests: built, taken apart, and put in words.
// Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace consort::test {

inline constexpr std::uint8_t kTableMapEvent = 19;
inline constexpr std::uint8_t kWriteRowsEvent = 23;
inline constexpr std::uint8_t kUpdateRowsEvent = 24;
inline constexpr std::uint8_t kWriteRowsEvent2 = 30;  ///< MySQL's; the others of its version follow
inline constexpr std::uint16_t kEndsStatement = 1;

/// What a TABLE_MAP and a rows event have in common. `body`: behind the flags; dies with the bytes.
struct RowEvent {
  std::uint8_t type = 0;
  std::uint64_t table_id = 0;
  std::uint16_t flags = 0;
  Bytes body;
};

inline void append_event(Buffer& out, const RowEvent& event) {
  constexpr std::size_t kHeaderBytes = 19;
  append_le<4>(out, 0);
  append_le<1>(out, event.type);
  append_le<4>(out, 1);
  append_le<4>(out, kHeaderBytes + 8 + event.body.size());
  append_le<6>(out, 0);
  append_le<6>(out, event.table_id);
  append_le<2>(out, event.flags);
  append(out, event.body);
}

/// `columns`: stands for the rest of the definition.
inline void append_table_map(Buffer& out,
                             std::uint64_t table_id,
                             std::string_view schema,
                             std::string_view table,
                             std::string_view columns = {}) {
  Buffer body;
  for (const std::string_view name : {schema, table}) {
    append_le<1>(body, name.size());
    append(body, name);
    append_le<1>(body, 0);
  }
  append(body, columns);
  append_event(out, {kTableMapEvent, table_id, 1, body});
}

/// One statement that inserts `rows`, whatever they mean, into s.t.
inline Buffer insert_events(std::string_view rows,
                            std::uint64_t table_id = 77,
                            std::uint16_t flags = 0,
                            std::string_view table = "t") {
  Buffer out;
  append_table_map(out, table_id, "s", table);
  append_event(out, {kWriteRowsEvent, table_id, static_cast<std::uint16_t>(flags | kEndsStatement),
                     as_bytes(rows)});
  return out;
}

inline std::vector<RowEvent> parse_events(Bytes bytes) {
  std::vector<RowEvent> events;
  while (!bytes.empty()) {
    CHECK(bytes.size() >= 27);
    const auto length = static_cast<std::size_t>(load_le<4>(bytes.data() + 9));
    CHECK(length >= 27);
    CHECK(length <= bytes.size());
    events.push_back({bytes[4], load_le<6>(bytes.data() + 19),
                      static_cast<std::uint16_t>(load_le<2>(bytes.data() + 25)),
                      bytes.first(length).subspan(27)});
    bytes = bytes.subspan(length);
  }
  return events;
}

/// The columns, bitmaps and rows of a rows event of either version.
inline Bytes rows_of(const RowEvent& event) {
  if (event.type < kWriteRowsEvent2) {
    return event.body;
  }
  CHECK(load_le<2>(event.body.data()) == 2);  // nothing extra, but the length of that
  return event.body.subspan(2);
}

/// "schema.table" of a TABLE_MAP.
inline std::string table_of(const RowEvent& map) {
  const std::size_t schema = map.body[0];
  const std::size_t table = map.body[schema + 2];
  return std::string(as_text(map.body.subspan(1, schema))) + "." +
         std::string(as_text(map.body.subspan(schema + 3, table)));
}

/// The two images of certifier::position_events().
struct PositionImage {
  std::string cluster_id;
  std::uint64_t owner = 0;
  std::uint64_t seqno = 0;
};

inline std::pair<PositionImage, PositionImage> position_images(Bytes body) {
  std::pair<PositionImage, PositionImage> images;
  const std::uint8_t* from = body.data() + 3;  // columns, which of them before and after
  for (PositionImage* image : {&images.first, &images.second}) {
    from += 2;  // NULLs, id
    const std::size_t bytes = *from++;
    image->cluster_id.assign(reinterpret_cast<const char*>(from), bytes);
    image->owner = load_le<8>(from + bytes);
    image->seqno = load_le<8>(from + bytes + 8);
    from += bytes + 16;
  }
  CHECK(from == body.data() + body.size());
  return images;
}

inline Buffer decode_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  CHECK(text.size() % 4 == 0);
  Buffer out;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const int bytes = text[i + 2] == '=' ? 1 : (text[i + 3] == '=' ? 2 : 3);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::size_t digit = text[i + k] == '=' ? 0 : kDigits.find(text[i + k]);
      CHECK(digit != kDigits.npos);
      bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    }
    for (int k = 0; k < bytes; ++k) {
      out.push_back(static_cast<std::uint8_t>(bits >> (16 - 8 * k)));
    }
  }
  return out;
}

/// Events in words, a group in brackets: "[10>12 s.t:rows s.u:more]".
inline std::string describe_events(Bytes bytes) {
  std::string out = "[";
  std::vector<std::pair<std::uint64_t, std::string>> tables;
  for (const RowEvent& event : parse_events(bytes)) {
    if (event.type == kTableMapEvent) {
      tables.emplace_back(event.table_id, table_of(event));
      continue;
    }
    std::string table = "?";
    for (const auto& [id, name] : tables) {
      table = id == event.table_id ? name : table;
    }
    out += out.back() == '[' ? "" : " ";
    if (table == "consort.position") {
      const auto [before, after] = position_images(rows_of(event));
      out += std::to_string(before.seqno) + ">" + std::to_string(after.seqno);
    } else {
      out += table + ":" + std::string(as_text(rows_of(event)));
    }
    if ((event.flags & kEndsStatement) != 0) {
      out += "][";
      tables.clear();
    }
  }
  CHECK(out.ends_with("]["));
  out.pop_back();
  return out;
}

/// `sql` with every BINLOG text in words.
inline std::string describe_binlog(std::string_view sql) {
  constexpr std::string_view kBinlog = "BINLOG '";
  std::string out;
  for (std::size_t at = 0; at < sql.size();) {
    const std::size_t found = std::min(sql.find(kBinlog, at), sql.size());
    out += sql.substr(at, found - at);
    if (found == sql.size()) {
      break;
    }
    const std::size_t text = found + kBinlog.size();
    const std::size_t end = sql.find('\'', text);
    out += "BINLOG " + describe_events(decode_base64(sql.substr(text, end - text)));
    at = end + 1;
  }
  return out;
}

}  // namespace consort::test
