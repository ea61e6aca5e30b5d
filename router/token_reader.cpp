#include "router/token_reader.h"

namespace consort::router {

bool read_table_name(TokenReader& reader, TableRef& table) {
  if (!reader.token().is_name()) {
    return false;
  }
  table.name = reader.token().name();
  reader.advance();
  if (reader.accept(TokenKind::kDot)) {
    if (!reader.token().is_name()) {
      return false;
    }
    table.schema = table.name;
    table.name = reader.token().name();
    reader.advance();
  }
  return true;
}

}  // namespace consort::router
