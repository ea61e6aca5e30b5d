#include "router/statement.h"

namespace consort::router {

bool changes_rows(StatementKind kind) {
  switch (kind) {
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kReplace:
    case StatementKind::kLoadData:
      return true;
    default:
      return false;
  }
}

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
