// EventGroups: joins the row events of several writesets into as few groups as possible. A server
// executes a group, TABLE_MAPs, rows and the flag that ends it, as one statement: it opens the
// tables once, and what fails is undone as a whole. Table ids are given out anew, because each home
// has its own. Nothing in the rows is looked at. Events that come in are of version 1, MySQL's too.
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
#include "base/server_kind.h"
#include "certifier/schema_catalog.h"

namespace consort::certifier {

/// Some statement among these row events names a table in a TABLE_MAP and has no row of it:
/// cascades of foreign keys may have changed it, which no event tells. True in doubt.
[[nodiscard]] bool maps_table_without_rows(Bytes events);

/// The table that these row events name in their first TABLE_MAP; nullopt where none stands there.
[[nodiscard]] std::optional<TableRef> mapped_table(Bytes events);

/// The same events as MySQL takes them in BINLOG: its rows events are of version 2, with two bytes
/// more. What cannot be read stays as it is.
[[nodiscard]] Buffer to_mysql_events(Bytes events);

/// The same events as MariaDB takes them: MySQL has written the rows of its cascades, too, and says
/// so in its events' flags; without them as they are. MariaDB is told not to follow foreign keys
/// there: it would change those rows once more.
[[nodiscard]] Buffer to_mariadb_events(Bytes events);

/// Cuts the row events of one writeset into groups of at most `bytes_max` bytes as MySQL takes them
/// (and not much less where events allow it), in order: a server that does not join literals gets
/// them one by one, in a transaction. The events stay of version 1. An event that is longer, with
/// its TABLE_MAPs, is alone in its group. What cannot be read stays whole.
[[nodiscard]] std::vector<Buffer> split_groups(Bytes events, std::size_t bytes_max);

class EventGroups {
 public:
  /// `server`: what the groups are for. They come from servers of whatever kind, and are made fit.
  explicit EventGroups(ServerKind server = ServerKind::kMariadb) : server_(server) {}

  /// Takes the row events of one writeset, in order. `events` must live as long as this object.
  /// What is no TABLE_MAP or rows event as a server writes them stays as it is, in a group (or
  /// more) of its own.
  void add(Bytes events);

  /// At least this many statements of the server; 1 means exactly one.
  [[nodiscard]] std::size_t count() const { return count_; }

  /// Appends all groups to `out` in base64, as BINLOG takes them. The last call.
  void append_base64_to(std::string& out);

 private:
  friend std::vector<Buffer> split_groups(Bytes events, std::size_t bytes_max);

  struct Event {
    Bytes bytes;
    bool is_map = false;
    std::uint64_t table_id = 0;
    std::uint16_t flags = 0;  ///< of a rows event
  };

  using Statement = std::span<const Event>;

  struct Table {
    Bytes definition;      ///< the TABLE_MAP behind its id
    std::uint64_t id = 0;  ///< in the group
  };

  struct Group {
    Buffer maps;
    Buffer rows;
    std::uint16_t flags = 0;                   ///< of its first rows event, but for the end
    std::size_t last_flags_at = 0;             ///< in `rows`
    std::map<std::string_view, Table> tables;  ///< by schema and table as the event spells them

    /// No table of the statement is another one here, and the flags may stand in one group.
    [[nodiscard]] bool takes(Statement statement, std::uint16_t with_flags) const;
    /// Bytes that take_maps() would add.
    [[nodiscard]] std::size_t new_map_bytes(Statement statement) const;
    void take_maps(Statement statement);
    /// REQUIRES: take_maps(statement).
    void take_rows(Statement statement, const Event& event, std::uint16_t with_flags);
    /// Appends the group to `out`, if there is one, and begins anew.
    void close(Buffer& out);
  };

  [[nodiscard]] static bool parse(Bytes events, std::vector<Event>& out);
  void add_statement(Statement statement);

  ServerKind server_;
  Group open_;   ///< joined so far; empty: none
  Buffer done_;  ///< groups before it
  std::size_t count_ = 0;
};

}  // namespace consort::certifier
