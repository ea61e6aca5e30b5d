#include "proxy/session/rebuilt_partitions.h"

#include "router/token_reader.h"

namespace consort::proxy {
namespace {

/// It names an engine, and none but InnoDB.
bool names_innodb_only(std::string_view sql, const router::LexerOptions& options) {
  bool any = false;
  router::TokenReader reader(sql, options);
  while (!reader.ended()) {
    if (!reader.accept("ENGINE")) {
      reader.advance();
      continue;
    }
    if (reader.token().is_operator("=")) {
      reader.advance();
    }
    const router::Token& engine = reader.token();
    if (!engine.is("InnoDB") && !router::equals_ignoring_case(engine.text, "'InnoDB'")) {
      return false;
    }
    any = true;
  }
  return any;
}

}  // namespace

bool may_rebuild_partitions(const router::Statement& statement,
                            std::string_view sql,
                            const router::LexerOptions& options) {
  using router::DdlObject;
  using router::DdlVerb;
  if (statement.kind != router::StatementKind::kDdl) {
    return false;
  }
  if (statement.ddl.object == DdlObject::kIndex) {
    return statement.ddl.verb == DdlVerb::kCreate || statement.ddl.verb == DdlVerb::kDrop;
  }
  return statement.ddl.object == DdlObject::kTable && statement.ddl.verb == DdlVerb::kAlter &&
         router::contains_ignoring_case(sql, "engine") && names_innodb_only(sql, options);
}

protocol::SqlError no_partitioned_copy_error() {
  return {1478, "HY000",
          "Table storage engine 'partition' does not support the create option 'TEMPORARY'"};
}

}  // namespace consort::proxy
