// program_opening: what a stored procedure's body does first, if that is certain from its words.
// One that begins by ending the transaction may be called inside one: the transaction is ended for
// it, then it runs alone (decision 0044). Threads: any; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "router/lexer_options.h"
#include "router/program_ddl.h"

namespace consort::router {

enum class FirstDeed : std::uint8_t {
  kUnknown,    ///< it reads or changes data, or nobody knows
  kCommits,    ///< COMMIT, START TRANSACTION, or DDL
  kRollsBack,  ///< ROLLBACK
  kCalls       ///< `called` tells
};

struct ProgramOpening {
  FirstDeed deed = FirstDeed::kUnknown;
  ObjectName called;
  bool handled = false;  ///< a handler may catch an error of it
  /// What stands before it depends on no parameter or variable: it fails always, or never.
  bool constant = true;
};

/// `body` as the server shows it, or a compound statement; `parameters` as in CREATE PROCEDURE;
/// `options` of the sql_mode that it was made with. Before the first deed nothing stands but
/// declarations and assignments that a second try repeats, which look at no data.
[[nodiscard]] ProgramOpening program_opening(std::string_view body,
                                             std::string_view parameters,
                                             const LexerOptions& options);

/// The arguments of the CALL look at no data, and may be evaluated twice.
[[nodiscard]] bool has_plain_arguments(std::string_view call, const LexerOptions& options);

/// A statement that fails with 1318 (wrong number of arguments) if the CALL would come as far as
/// its body, and otherwise with what a server says of the CALL, whose arguments fit no parameter or
/// whose client may not. It has no effect. nullopt: there is none for this CALL. `parameters`: of
/// the procedure. REQUIRES: has_plain_arguments(call).
[[nodiscard]] std::optional<std::string> call_question(std::string_view call,
                                                       std::string_view parameters,
                                                       const LexerOptions& options);

}  // namespace consort::router
