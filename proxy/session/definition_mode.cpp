#include "proxy/session/definition_mode.h"

#include "router/token.h"

namespace consort::proxy {

std::string DefinitionMode::expression(std::string_view session_mode) const {
  std::string mode(session_mode);
  if (substitutes_engine) {
    mode = "REPLACE(" + mode + ",'NO_ENGINE_SUBSTITUTION','')";
  }
  if (ignores_directories) {
    mode = "CONCAT(" + mode + ",',NO_DIR_IN_CREATE')";
  }
  return mode;
}

bool names_directory(const router::Statement& statement, std::string_view sql) {
  using router::DdlVerb;
  return statement.kind == router::StatementKind::kDdl &&
         statement.ddl.object == router::DdlObject::kTable &&
         (statement.ddl.verb == DdlVerb::kCreate || statement.ddl.verb == DdlVerb::kAlter) &&
         router::contains_ignoring_case(sql, "directory");
}

}  // namespace consort::proxy
