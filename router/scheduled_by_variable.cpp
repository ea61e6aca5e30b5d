#include "router/scheduled_by_variable.h"

#include <algorithm>
#include <array>

#include "router/sql_lexer.h"

namespace consort::router {

namespace {

/// Another value on each server, or none. NOW() and its like are not: DDL has one time everywhere.
bool is_own(const Token& token) {
  constexpr std::array<std::string_view, 10> kFunctions{
      "CONNECTION_ID", "FOUND_ROWS", "IS_FREE_LOCK", "IS_USED_LOCK", "LAST_INSERT_ID",
      "RAND",          "ROW_COUNT",  "SYSDATE",      "UUID",         "UUID_SHORT"};
  return token.is(TokenKind::kUserVariable) || token.is(TokenKind::kSystemVariable) ||
         std::any_of(kFunctions.begin(), kFunctions.end(),
                     [&](std::string_view name) { return token.is(name); });
}

}  // namespace

bool scheduled_by_variable(std::string_view sql,
                           const Statement& statement,
                           const LexerOptions& options) {
  if (statement.kind != StatementKind::kDdl || statement.ddl.object != DdlObject::kEvent) {
    return false;
  }
  SqlLexer lexer(sql, options);
  bool in_schedule = false;  // before it stands DEFINER = user@host
  for (Token token = lexer.next(); !token.is(TokenKind::kEnd); token = lexer.next()) {
    if (token.is("DO")) {
      return false;
    }
    if (in_schedule && is_own(token)) {
      return true;
    }
    in_schedule = in_schedule || token.is("SCHEDULE");
  }
  return false;
}

}  // namespace consort::router
