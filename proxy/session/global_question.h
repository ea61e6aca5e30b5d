// GlobalQuestion: what a session asks the server about the variables of a client's SET GLOBAL,
// before and after, so that every other server gets the values and not their spelling (decision
// 0028). Pure. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/server_kind.h"
#include "protocol/sql_error.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/session/own_result.h"
#include "router/statement.h"

namespace consort::proxy {

/// A variable that is SET GLOBAL, and what the server said of it.
struct GlobalQuestion {
  std::string name;                      ///< in lower case
  bool known = false;                    ///< the server has it
  bool is_text = true;                   ///< else a number
  bool per_session = false;              ///< GlobalChange::per_session
  std::optional<std::string> old_value;  ///< as SHOW VARIABLES has it
  std::optional<std::string> value;      ///< as @@ has it, after
  bool answered = false;                 ///< `value` is
  std::string expression;                ///< of which `value` is; empty: @@global
};

/// The variables that `statement` sets globally, each once. Names that no variable can have are
/// left out: the server will say so. `mysql`: some server is MySQL, whose names of the variables of
/// SET TRANSACTION MariaDB knows from 11.1.
[[nodiscard]] std::vector<GlobalQuestion> globals_of(const router::Statement& statement,
                                                     bool mysql);

/// The client's SET GLOBAL of what Consort obeys itself, for the home: its rights and its errors,
/// and a value that is good for a server. `connections_min`: that a server must allow.
struct OwnGlobalSet {
  std::string sql;
  std::vector<GlobalQuestion> globals;  ///< of which the first is what Consort obeys
};

/// nullopt: it sets nothing of the kind.
[[nodiscard]] std::optional<OwnGlobalSet> own_global_set(const router::Statement& statement,
                                                         std::uint32_t connections_min);

/// What the server would say of the value of such a SET; else the value becomes what is kept.
[[nodiscard]] std::optional<protocol::SqlError> settle_own_value(GlobalQuestion& own);

/// A SELECT for on_globals(), on a server of `kind`. REQUIRES: not empty.
[[nodiscard]] std::string question_of(const std::vector<GlobalQuestion>& globals, ServerKind kind);

/// Notes the rows of question_of().
void note_globals(std::vector<GlobalQuestion>& globals, const std::vector<OwnResult::Row>& rows);

/// A SELECT without a table, so that the server keeps its warnings, of those it knows; empty: of
/// none.
[[nodiscard]] std::string new_question_of(const std::vector<GlobalQuestion>& globals);

/// Notes the row of new_question_of().
void note_new_globals(std::vector<GlobalQuestion>& globals, const OwnResult::Row& row);

/// What the other servers must do: all that the statement names when it `succeeded`, else what it
/// has changed all the same.
[[nodiscard]] std::vector<GlobalChange> changed_globals(const std::vector<GlobalQuestion>& globals,
                                                        bool succeeded);

}  // namespace consort::proxy
