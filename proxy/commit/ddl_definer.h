// with_definer: makes a stored object's definer explicit, so that a lane, which runs as another
// account, creates it as the client did.
// Threads: any.
#pragma once

#include <string>
#include <string_view>

namespace consort::proxy {

/// `sql` with `DEFINER=` put in where it creates (or alters) a view, trigger, routine or event and
/// names no definer; else `sql`. `definer` is "user@host" as CURRENT_USER() spells it; empty:
/// `sql`. Statements inside executable comments are left alone.
[[nodiscard]] std::string with_definer(std::string_view sql, std::string_view definer);

}  // namespace consort::proxy
