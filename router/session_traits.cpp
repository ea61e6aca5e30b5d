#include "router/session_traits.h"

#include "base/check.h"
#include "router/statement.h"

namespace consort::router {

PinReason PinSet::first() const {
  for (unsigned i = 0; i < kPinReasonsCount; ++i) {
    const auto reason = static_cast<PinReason>(i);
    if (has(reason)) {
      return reason;
    }
  }
  CHECK(!empty());
  return PinReason::kUnknownState;
}

PinChange pin_change(const Statement& statement) {
  PinChange change;
  if (!statement.has(Flag::kFoundRows)) {
    change.ended.add(PinReason::kFoundRows);  // whatever ran last decides what FOUND_ROWS() says
  }
  if (statement.has(Flag::kCalcFoundRows)) {
    change.added.add(PinReason::kFoundRows);
  }
  if (statement.has(Flag::kAssignsUserVariable)) {
    change.added.add(PinReason::kUserVariables);
  }
  if (statement.has(Flag::kReleasesUserLocks)) {
    change.ended.add(PinReason::kUserLock);
  }
  if (statement.has(Flag::kTakesUserLock)) {
    change.added.add(PinReason::kUserLock);
  }
  if (statement.has(Flag::kLocksTables)) {
    change.added.add(PinReason::kLockedTables);
  }
  switch (statement.kind) {
    case StatementKind::kDdl:
      if (statement.has(Flag::kTemporary) && statement.ddl.verb == DdlVerb::kCreate) {
        change.added.add(PinReason::kTemporaryTable);
      }
      break;
    case StatementKind::kLockTables:
      change.added.add(PinReason::kLockedTables);
      break;
    case StatementKind::kUnlockTables:
      change.ended.add(PinReason::kLockedTables);
      break;
    case StatementKind::kPrepareText:
      change.added.add(PinReason::kPreparedText);
      break;
    case StatementKind::kHandler:
      if (statement.has(Flag::kOpensHandler)) {
        change.added.add(PinReason::kHandler);
      }
      break;
    case StatementKind::kCall:  // each of these may leave anything behind
    case StatementKind::kCompound:
    case StatementKind::kExecuteText:
    case StatementKind::kSetRole:
    case StatementKind::kUnknown:
      change.added.add(PinReason::kUnknownState);
      break;
    default:
      break;
  }
  return change;
}

}  // namespace consort::router
