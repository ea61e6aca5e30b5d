// Functions: what a word in front of `(` means for routing.
// Threads: any; constant data.
#pragma once

#include <cstdint>
#include <string_view>

#include "router/lexer_options.h"

namespace consort::router {

enum class FunctionClass : std::uint8_t {
  kUnknown,       ///< no built-in we know: perhaps a stored function, which may write
  kSafe,          ///< a built-in that reads nothing of the session's past and changes nothing
  kSyntax,        ///< no function: a reserved word such as IN, VALUES, AND
  kGeometry,      ///< safe unless its parentheses are empty: LINESTRING and its kind
  kLastInsertId,  ///< LAST_INSERT_ID
  kFoundRows,
  kRowCount,
  kConnectionId,
  kGetLock,   ///< GET_LOCK: the session holds a lock afterwards
  kUserLock,  ///< RELEASE_LOCK, IS_FREE_LOCK, IS_USED_LOCK
  kReleaseAllLocks,
  kSequence  ///< NEXTVAL, LASTVAL, SETVAL
};

/// Looks `word` up, in any case. `spaced`: a blank stands between it and `(`, which makes some
/// built-ins ordinary names unless sql_mode has IGNORE_SPACE.
[[nodiscard]] FunctionClass classify_function(std::string_view word,
                                              bool spaced,
                                              const LexerOptions& options);

}  // namespace consort::router
