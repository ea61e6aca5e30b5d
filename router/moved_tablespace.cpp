#include "router/moved_tablespace.h"

#include "router/sql_lexer.h"

namespace consort::router {

bool moves_tablespace(std::string_view sql,
                      const Statement& statement,
                      const LexerOptions& options) {
  if (statement.kind != StatementKind::kDdl || statement.ddl.verb != DdlVerb::kAlter ||
      statement.ddl.object != DdlObject::kTable || !contains_ignoring_case(sql, "tablespace")) {
    return false;
  }
  SqlLexer lexer(sql, options);
  bool moves = false;  // the token before says so
  for (Token token = lexer.next(); !token.is(TokenKind::kEnd); token = lexer.next()) {
    if (moves && (token.is("TABLESPACE") || token.is("PARTITION"))) {
      return true;
    }
    moves = token.is("DISCARD") || token.is("IMPORT");
  }
  return false;
}

}  // namespace consort::router
