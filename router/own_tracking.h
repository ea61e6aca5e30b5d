// Lets a client SET session_track_*, which Consort needs for itself on every connection to a
// backend: each such assignment becomes one of the variable to itself. Pure.
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/statement.h"

namespace consort::router {

/// The SET with the values of session_track_* replaced; classified anew it is no longer refused for
/// them. nullopt: it has none, or its text cannot be cut with certainty.
[[nodiscard]] std::optional<std::string> with_own_tracking(std::string_view sql,
                                                           const Statement& statement);

/// The assignment is one that with_own_tracking() leaves.
[[nodiscard]] bool keeps_tracking(const SetItem& item);

}  // namespace consort::router
