// EventGroups: joins the row events of several writesets into as few groups as possible. A server
// executes a group, TABLE_MAPs, rows and the flag that ends it, as one statement: it opens the
// tables once, and what fails is undone as a whole. Table ids are given out anew, because each home
// has its own. Nothing in the rows is looked at.
// Spec: MariaDB KB "Table_map_event", "Rows_event_v1". Threads: none; values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "certifier/schema_catalog.h"

namespace consort::certifier {

/// Some statement among these row events names a table in a TABLE_MAP and has no row of it:
/// cascades of foreign keys may have changed it, which no event tells. True in doubt.
[[nodiscard]] bool maps_table_without_rows(Bytes events);

/// The table that these row events name in their first TABLE_MAP; nullopt where none stands there.
[[nodiscard]] std::optional<TableRef> mapped_table(Bytes events);

class EventGroups {
 public:
  /// Takes the row events of one writeset, in order. `events` must live as long as this object.
  /// What is no TABLE_MAP or rows event as a server writes them stays as it is, in a group (or
  /// more) of its own.
  void add(Bytes events);

  /// At least this many statements of the server; 1 means exactly one.
  [[nodiscard]] std::size_t count() const { return count_; }

  /// Appends all groups to `out` in base64, as BINLOG takes them. The last call.
  void append_base64_to(std::string& out);

 private:
  struct Event {
    Bytes bytes;
    bool is_map = false;
    std::uint64_t table_id = 0;
    std::uint16_t flags = 0;  ///< of a rows event
  };

  struct Table {
    Bytes definition;      ///< the TABLE_MAP behind its id
    std::uint64_t id = 0;  ///< in the group
  };

  struct Group {
    Buffer maps;
    Buffer rows;
    std::uint16_t flags = 0;                   ///< of all its rows events, but for the last's end
    std::size_t last_flags_at = 0;             ///< in `rows`
    std::map<std::string_view, Table> tables;  ///< by schema and table as the event spells them
  };

  [[nodiscard]] static bool parse(Bytes events, std::vector<Event>& out);
  void add_statement(std::span<const Event> statement);
  [[nodiscard]] bool joins(std::span<const Event> statement, std::uint16_t flags) const;
  void close();

  Group open_;   ///< joined so far; empty: none
  Buffer done_;  ///< groups before it
  std::size_t count_ = 0;
};

}  // namespace consort::certifier
