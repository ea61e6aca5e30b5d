// ALTER TABLE .. DISCARD or IMPORT TABLESPACE: rows come and go with a file of one server, which
// the others do not have. Spec: MariaDB KB "ALTER TABLE". Threads: none; pure.
#pragma once

#include <string_view>

#include "router/statement.h"

namespace consort::router {

/// `statement`: what `sql` was classified as. Also of some partitions' (DISCARD PARTITION ..).
[[nodiscard]] bool moves_tablespace(std::string_view sql,
                                    const Statement& statement,
                                    const LexerOptions& options);

}  // namespace consort::router
