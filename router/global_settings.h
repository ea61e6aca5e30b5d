// Global settings: which variables no client may SET GLOBAL through Consort, and why.
// Threads: any; constant data.
#pragma once

#include <cstdint>
#include <string_view>

namespace consort::router {

/// Why `name` (in any case) keeps its global value, as the end of a sentence; empty: a client with
/// the server's privilege may change it, on all servers.
[[nodiscard]] std::string_view why_global_is_kept(std::string_view name);

/// Which clients may SET GLOBAL, but which Consort obeys in the servers' place (decisions 0033,
/// 0037).
enum class OwnGlobal : std::uint8_t { kNone, kMaxConnections, kReadOnly, kEventScheduler };

[[nodiscard]] OwnGlobal own_global(std::string_view name);

}  // namespace consort::router
