#include "router/statement.h"

namespace consort::router {

bool is_evaluated_at_once(StatementKind kind) {
  switch (kind) {
    case StatementKind::kSelect:
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kReplace:
    case StatementKind::kCall:
    case StatementKind::kDo:
    case StatementKind::kSetUserVariable:
      return true;
    default:
      return false;
  }
}

}  // namespace consort::router
