// Global settings: which variables no client may SET GLOBAL through Consort, and why.
// Threads: any; constant data.
#pragma once

#include <cstdint>
#include <string_view>

namespace consort::router {

/// OFF, as a client may write it, for what has to be OFF (innodb_read_only_compressed): that may be
/// SET GLOBAL.
[[nodiscard]] bool leaves_it_off(std::string_view name, std::string_view value);

/// Why `name` (in any case) keeps its global value, as the end of a sentence; empty: a client with
/// the server's privilege may change it, on all servers.
[[nodiscard]] std::string_view why_global_is_kept(std::string_view name);

/// Which clients may SET GLOBAL, but which Consort obeys in the servers' place (decisions 0033,
/// 0037, 0041).
enum class OwnGlobal : std::uint8_t {
  kNone,
  kMaxConnections,
  kReadOnly,
  kEventScheduler,
  kInitConnect
};

[[nodiscard]] OwnGlobal own_global(std::string_view name);

/// A variable of a named key cache: hot.key_buffer_size. All servers have the same caches, though
/// no table of InnoDB is in one.
struct CacheVariable {
  std::string_view name;    ///< behind the cache's name; empty: it is no such variable
  bool of_default = false;  ///< default.key_buffer_size is key_buffer_size itself
};

/// `name`: as SetItem has it. Names of caches with other characters than letters, digits and
/// underscores, or too long to be kept, are none.
[[nodiscard]] CacheVariable cache_variable(std::string_view name);

}  // namespace consort::router
