// ServerKind: which brand of server a backend is. What they are told differs where only one of them
// knows a statement, a variable or a table; what a client sends goes to both as it is.
// Threads: any.
#pragma once

#include <cstdint>
#include <string_view>

namespace consort {

enum class ServerKind : std::uint8_t {
  kMariadb,
  kMysql,
};

/// The kind of a server that calls itself `version`, in its greeting or as @@version does:
/// MariaDB's name stands in it, also behind the "5.5.5-" of its greeting.
[[nodiscard]] constexpr ServerKind server_kind_of(std::string_view version) {
  return version.find("MariaDB") != std::string_view::npos ? ServerKind::kMariadb
                                                           : ServerKind::kMysql;
}

}  // namespace consort
