// User variables (@a) that travel with their session: what to ask the connection where they live,
// and the one SET that makes the same on another, with type, character set and collation. What
// cannot be told exactly is not told at all. Decision 0019.
// Spec: information_schema.USER_VARIABLES (MariaDB's plugin user_variables, built in). Threads:
// none; pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session/own_result.h"

namespace consort::proxy {

/// One of them, as the server names it.
struct UserVariable {
  std::string name;           ///< ASCII
  std::string type;           ///< INT, INT UNSIGNED, DOUBLE, DECIMAL or VARCHAR
  std::string character_set;  ///< of VARCHAR
};

inline constexpr std::size_t kUserVariablesMax = 256;

/// Asks which there are, also those that a trigger or a procedure has made.
inline constexpr std::string_view kUserVariablesSql =
    "SELECT HEX(VARIABLE_NAME),VARIABLE_TYPE,CHARACTER_SET_NAME"
    " FROM information_schema.USER_VARIABLES LIMIT 257";

/// The answer to kUserVariablesSql. nullopt: too many, a name that is not ASCII (its bytes would
/// depend on the character set), an unknown type, or no such answer.
[[nodiscard]] std::optional<std::vector<UserVariable>> user_variables_in(const OwnResult& answer);

/// Asks what they are. REQUIRES: !variables.empty().
[[nodiscard]] std::string user_variable_values_sql(const std::vector<UserVariable>& variables);

/// The SET that makes them, from the answer to user_variable_values_sql(). nullopt: too long, or no
/// such answer.
[[nodiscard]] std::optional<std::string> set_user_variables_sql(
    const std::vector<UserVariable>& variables, const OwnResult& answer);

}  // namespace consort::proxy
