// Guarded settings: session variables that Consort owns, because commits depend on them.
// Threads: any; constant data.
#pragma once

#include <string_view>

namespace consort::router {

/// May no client set variable `name` (in any case)?
[[nodiscard]] bool is_guarded_setting(std::string_view name);

/// Does a client that sets guarded variable `name` to `value` (as it is spelt) leave it as Consort
/// has it? MariaDB's Java client sets session_track_schema=1 whenever it connects.
[[nodiscard]] bool keeps_guarded_setting(std::string_view name, std::string_view value);

}  // namespace consort::router
