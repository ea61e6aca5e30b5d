// Where the words of a statement begin, whose comments mean nothing. For statements of which no
// more is to be known; router/sql_lexer.h reads all of one. Pure. Threads: any.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace consort::certifier {

/// From `at` on, the first byte that is neither space nor in a comment; the end at most. Executable
/// comments are none.
[[nodiscard]] std::size_t past_space(std::string_view sql, std::size_t at);

/// The first word of a statement, in capitals, comments left out; empty where it begins with an
/// executable one.
[[nodiscard]] std::string first_word(std::string_view sql);

}  // namespace consort::certifier
