// Digest: one number for all statements that differ only in literals, blanks, comments and case of
// words: `SELECT 1` and `select  2` are one. Lists of literals count as one whatever their length.
// Threads: none; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "router/lexer_options.h"

namespace consort::router {

/// The digest's text, at most `bytes_max` long: "SELECT a FROM t WHERE id IN (?, ...)".
/// The number itself is Statement::digest.
[[nodiscard]] std::string digest_text(std::string_view sql,
                                      const LexerOptions& options = {},
                                      std::size_t bytes_max = 1024);

}  // namespace consort::router
