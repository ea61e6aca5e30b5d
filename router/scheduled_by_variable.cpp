#include "router/scheduled_by_variable.h"

#include "router/sql_lexer.h"

namespace consort::router {

bool scheduled_by_variable(std::string_view sql,
                           const Statement& statement,
                           const LexerOptions& options) {
  if (statement.kind != StatementKind::kDdl || statement.ddl.object != DdlObject::kEvent ||
      sql.find('@') == sql.npos) {
    return false;
  }
  SqlLexer lexer(sql, options);
  bool in_schedule = false;  // before it stands DEFINER = user@host
  for (Token token = lexer.next(); !token.is(TokenKind::kEnd); token = lexer.next()) {
    if (token.is("DO") || (in_schedule && token.is(TokenKind::kUserVariable))) {
      return !token.is("DO");
    }
    in_schedule = in_schedule || token.is("SCHEDULE");
  }
  return false;
}

}  // namespace consort::router
