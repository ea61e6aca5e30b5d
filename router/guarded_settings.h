// Guarded settings: session variables that Consort owns, because commits depend on them.
// Threads: any; constant data.
#pragma once

#include <string_view>

namespace consort::router {

/// May no client set variable `name` (in any case)?
[[nodiscard]] bool is_guarded_setting(std::string_view name);

}  // namespace consort::router
