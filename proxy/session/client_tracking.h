// ClientTracking: of which changes a client wants to be told with its OK packets, as it set
// session_track_schema and session_track_system_variables. Every connection to a backend tells
// Consort of all. Spec: MariaDB KB "session_track_system_variables".
// Threads: none; its session's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/messages.h"

namespace consort::proxy {

class ClientTracking {
 public:
  void set_schema(bool on) { schema_ = on; }

  /// `list`: as the server spells it: names with commas between them, or "*".
  void set_list(std::string_view list) { list_ = list; }

  /// What the global `variable` was when the session began; false: it is none of the two. What a
  /// server has by itself needs no mention.
  bool set_first(std::string_view variable, std::string_view value);

  /// The global list is another one now: who has set none keeps the one from before.
  void keep_list(std::string_view before);

  /// Does the client want to be told of this variable? Of what speaks of one backend only
  /// (last_gtid, say) it is never told.
  [[nodiscard]] bool wants(std::string_view variable) const;

  /// What it set; empty: nothing.
  [[nodiscard]] std::string_view list() const { return list_ ? *list_ : std::string_view(); }

  /// Leaves of what a backend tells what the client asked for, with the client's own values of what
  /// it asked for. Views into this object.
  void filter(protocol::SessionChanges& changes) const;

  /// Expressions of SQL for what the client has set: @@session_track_schema and
  /// @@session_track_system_variables.
  [[nodiscard]] std::string schema_sql() const;
  [[nodiscard]] std::string list_sql() const;

  /// The SET that lets a connection have the client's values, so that a SET of the client's may be
  /// tried on it; ServerDialect::tell_everything takes it back.
  [[nodiscard]] std::string set_statement() const;

 private:
  bool schema_ = true;
  std::optional<std::string> list_;  ///< nullopt: the server's default, which is global
};

/// A SET by a client, between its question and its OK.
struct TrackingChange {
  ClientTracking before;
  ClientTracking after;
  std::vector<std::string> unheard = {};  ///< router::TrackingSet
  bool sets_list = false;                 ///< likewise
  bool sets_schema = false;               ///< likewise
};

}  // namespace consort::proxy
