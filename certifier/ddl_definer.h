// with_definer: makes a stored object's definer explicit, so that a lane, which runs as another
// account, creates it as the client did.
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace consort::certifier {

/// `sql` with `DEFINER=` put in where it creates (or alters) a view, trigger, routine or event and
/// names no definer or CURRENT_USER; else `sql`. `definer` is "user@host" as CURRENT_USER() spells
/// it; empty: `sql`. nullopt: it cannot be told who that is: CURRENT_ROLE, an executable comment
/// that not every server executes.
[[nodiscard]] std::optional<std::string> with_definer(std::string_view sql,
                                                      std::string_view definer);

}  // namespace consort::certifier
