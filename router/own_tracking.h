// What a client says of session_track_schema and session_track_system_variables: Consort needs its
// own values of these on every connection to a backend, so that the client's stay with its session
// (proxy/session/client_tracking.h). Pure.
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/statement.h"

namespace consort::router {

inline constexpr std::string_view kTrackedSchema = "session_track_schema";
inline constexpr std::string_view kTrackedVariables = "session_track_system_variables";
/// MySQL's, which no client may set: it tells which branches are in the binlog.
inline constexpr std::string_view kTrackedGtids = "session_track_gtids";

/// A client's SET of these variables, taken apart.
struct TrackingSet {
  std::string sql;  ///< the SET, with each of them assigned to itself
  /// Their own assignments, as a SET has them behind its first word.
  std::string assignments;
  bool sets_list = false;      ///< session_track_system_variables is among them
  bool sets_schema = false;    ///< session_track_schema is
  std::optional<bool> schema;  ///< nothing but session_track_schema, with a literal of this meaning
  /// Variables that the SET assigns before the list and not behind it: of these the server does not
  /// tell. In lower case.
  std::vector<std::string> unheard;
};

/// May a client set this variable (in any case) only for its session with Consort?
[[nodiscard]] bool is_tracking_setting(std::string_view name);

/// Classified anew, its `sql` is no longer refused for them. nullopt: the SET has none, or its text
/// cannot be cut with certainty.
[[nodiscard]] std::optional<TrackingSet> with_own_tracking(std::string_view sql,
                                                           const Statement& statement);

/// The assignment is one that with_own_tracking() leaves.
[[nodiscard]] bool keeps_tracking(const SetItem& item);

}  // namespace consort::router
