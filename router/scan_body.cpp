// StatementScan: the bodies of queries and row changes. No grammar is parsed: each level of
// parentheses remembers whether a table's name may come next.
#include "router/own_tracking.h"
#include "router/statement_scan.h"

namespace consort::router {
namespace {

/// Variables whose value is left behind by the last statement, or belongs to one connection.
struct SessionVariable {
  std::string_view name;
  Flag flag;
};

constexpr SessionVariable kSessionVariables[] = {
    {"last_insert_id", Flag::kLastInsertId}, {"identity", Flag::kLastInsertId},
    {"insert_id", Flag::kSessionState},      {"warning_count", Flag::kDiagnostics},
    {"error_count", Flag::kDiagnostics},     {"pseudo_thread_id", Flag::kConnectionId},
    {"rand_seed1", Flag::kSessionState},     {"rand_seed2", Flag::kSessionState},
    {"in_transaction", Flag::kSessionState}, {"last_gtid", Flag::kSessionState},
    {"gtid_seq_no", Flag::kSessionState},    {"gtid_domain_id", Flag::kSessionState},
    {"timestamp", Flag::kSessionState},      {"proxy_user", Flag::kSessionState},
    {kTrackedSchema, Flag::kTracking},       {kTrackedVariables, Flag::kTracking},
};

}  // namespace

void StatementScan::scan_body(Body body) {
  start_body(body);
  while (!ended()) {
    inspect();
    advance();
  }
}

void StatementScan::scan_expression(std::string_view word) {
  start_body(Body::kQuery);
  while (!ended()) {
    if (depth_ == 0 && (token_.is(TokenKind::kComma) || (!word.empty() && token_.is(word)))) {
      return;
    }
    inspect();
    advance();
  }
}

void StatementScan::start_body(Body body) {
  depth_ = 0;
  in_table_name_ = false;
  into_ = false;
  in_row_change_ = body != Body::kQuery;
  level() = Level{};
  if (body == Body::kQuery) {
    return;
  }
  level().role = TableRole::kWrite;
  level().expects_table = true;
  level().in_from = body != Body::kWriteTable;
  level().has_from = body == Body::kDelete;
}

void StatementScan::inspect() {
  const bool after_table = in_table_name_;
  in_table_name_ = in_table_name_ && (token_.is(TokenKind::kDot) ||
                                      (previous_.is(TokenKind::kDot) && token_.is_name()));
  if (into_) {
    inspect_into();
  }
  const bool was_write_word = (previous_.is(Keyword::kInsert) || previous_.is(Keyword::kReplace) ||
                               previous_.is(Keyword::kDelete)) &&
                              !before_previous_.is(TokenKind::kDot);
  if (was_write_word && !token_.is(TokenKind::kOpenParen)) {
    saw_write_word_ = true;
  }
  switch (token_.kind) {
    case TokenKind::kWord:
      inspect_word();
      break;
    case TokenKind::kQuotedIdentifier:
      inspect_name();
      break;
    case TokenKind::kOpenParen:
      open_parenthesis(after_table);
      break;
    case TokenKind::kCloseParen:
      close_parenthesis();
      break;
    case TokenKind::kComma:
      level().expects_table = level().in_from;
      break;
    case TokenKind::kUserVariable:
      out_.flags.set(Flag::kReadsUserVariable);
      break;
    case TokenKind::kAssign:
      out_.flags.set(Flag::kAssignsUserVariable);
      break;
    case TokenKind::kSystemVariable:
      inspect_system_variable();
      break;
    case TokenKind::kPlaceholder:
      out_.flags.set(Flag::kPlaceholders);
      break;
    default:
      break;
  }
}

// SELECT .. INTO: a file, variables, or (in a stored program) local variables.
void StatementScan::inspect_into() {
  into_ = false;
  if (token_.is(Keyword::kOutfile) || token_.is(Keyword::kDumpfile)) {
    out_.flags.set(Flag::kIntoOutfile);
    return;
  }
  out_.flags.set(Flag::kIntoVariable);
  out_.flags.set(Flag::kAssignsUserVariable);
}

void StatementScan::inspect_word() {
  const bool is_part_of_name = previous_.is(TokenKind::kDot) && !token_.space_before;
  if (is_part_of_name || token_.keyword == Keyword::kNone || !inspect_keyword()) {
    inspect_name();
  }
}

// False for a keyword that means nothing here and may be a name.
bool StatementScan::inspect_keyword() {
  switch (token_.keyword) {
    case Keyword::kSelect:
      if (in_row_change_) {
        out_.flags.set(Flag::kInnerQuery);
      }
      level() = Level{};
      level().has_from = true;
      return true;
    case Keyword::kFrom:
      if (level().has_from) {
        begin_table_list();
      }
      return true;
    case Keyword::kJoin:
    case Keyword::kStraightJoin:
      level().expects_table = level().in_from;
      return true;
    case Keyword::kUsing:  // DELETE FROM a USING b; JOIN b USING (c) is told apart at `(`
      level().expects_table = level().in_from && level().role == TableRole::kWrite;
      return true;
    case Keyword::kSet:
    case Keyword::kValues:
      level().role = TableRole::kRead;
      end_table_list();
      return true;
    case Keyword::kReturning:
      out_.flags.set(Flag::kReturnsRows);
      end_table_list();
      return true;
    case Keyword::kUnion:
    case Keyword::kExcept:
    case Keyword::kIntersect:
    case Keyword::kWhere:
    case Keyword::kGroup:
    case Keyword::kHaving:
    case Keyword::kOrder:
    case Keyword::kLimit:
    case Keyword::kWindow:
      end_table_list();
      return true;
    case Keyword::kInto:
      if (!(level().expects_table && level().role == TableRole::kWrite)) {
        end_table_list();
        into_ = true;
      }
      return true;
    case Keyword::kWith:
      level().in_with = previous_.is(TokenKind::kOpenParen) || previous_.is(TokenKind::kEnd) ||
                        previous_.is(Keyword::kAs) || previous_.is(Keyword::kExplain);
      return true;
    case Keyword::kFor:
      if (previous_.is(Keyword::kValue) &&
          (before_previous_.is("NEXT") || before_previous_.is("PREVIOUS"))) {
        out_.flags.set(Flag::kSequence);
        out_.flags.set(Flag::kTouchesTables);
      }
      return true;
    case Keyword::kUpdate:
      if (previous_.is(Keyword::kFor)) {
        out_.flags.set(Flag::kLockingRead);
      } else {
        saw_write_word_ = true;
      }
      return true;
    case Keyword::kShare:
      if (!previous_.is(Keyword::kFor)) {
        return false;
      }
      out_.flags.set(Flag::kLockingRead);
      return true;
    case Keyword::kLock:
      out_.flags.set(Flag::kLockingRead);
      end_table_list();
      return true;
    case Keyword::kSqlCalcFoundRows:
      out_.flags.set(Flag::kCalcFoundRows);
      return true;
    case Keyword::kAs:
    case Keyword::kInsert:
    case Keyword::kReplace:
    case Keyword::kDelete:
      return true;
    default:
      return false;
  }
}

void StatementScan::begin_table_list() {
  level().in_from = true;
  level().expects_table = true;
  out_.flags.set(Flag::kTouchesTables);
}

void StatementScan::end_table_list() {
  level().in_from = false;
  level().expects_table = false;
}

void StatementScan::inspect_name() {
  if (in_row_change_ && token_.is("MATCH")) {
    out_.flags.set(Flag::kInnerQuery);
  }
  if (previous_.is(TokenKind::kDot)) {
    if (in_table_name_ && out_.tables.size() > 0 && !out_.tables.overflowed()) {
      TableRef& table = out_.tables.back();
      table.schema = table.name;
      table.name = token_.name();
    }
    if (token_.is("NEXTVAL") || token_.is("CURRVAL")) {
      out_.flags.set(Flag::kSequence);  // ORACLE mode: sequence.nextval
      out_.flags.set(Flag::kTouchesTables);
    }
    return;
  }
  if (!level().expects_table) {
    return;
  }
  const bool skipped = token_.is("LOW_PRIORITY") || token_.is("HIGH_PRIORITY") ||
                       token_.is("DELAYED") || token_.is("IGNORE") || token_.is("QUICK") ||
                       token_.is("LATERAL") ||
                       (token_.is("HISTORY") && previous_.is(Keyword::kDelete));
  if (skipped) {
    return;
  }
  level().expects_table = false;
  if (!token_.is("DUAL") && !token_.is("JSON_TABLE")) {
    add_table(token_.name(), level().role);
    in_table_name_ = true;
  }
}

void StatementScan::add_table(std::string_view name, TableRole role) {
  out_.tables.push_back(TableRef{{}, name, role});
  out_.flags.set(Flag::kTouchesTables);
}

void StatementScan::inspect_system_variable() {
  const SystemVariableName variable = system_variable_name(token_.text);
  if (equals_ignoring_case(variable.scope, "global")) {
    return;
  }
  for (const SessionVariable& known : kSessionVariables) {
    if (equals_ignoring_case(variable.name, known.name)) {
      out_.flags.set(known.flag);
      return;
    }
  }
}

void StatementScan::open_parenthesis(bool after_table) {
  Level inner;
  const bool joins_or_subquery = level().expects_table && !previous_.is(Keyword::kUsing);
  const bool column_list = after_table && level().role != TableRole::kRead;
  if (joins_or_subquery) {
    inner.expects_table = true;
    inner.in_from = true;
    inner.role = level().role;
  } else if (!column_list && previous_.is_name()) {
    inner.call = called_function();
    note_call(inner.call);
  }
  level().expects_table = false;
  if (depth_ + 1 == kLevelsMax) {
    ++depth_beyond_;
    return;
  }
  ++depth_;
  if (depth_ >= kLevelsHere) {
    deeper_.resize(depth_ - kLevelsHere + 1);
  }
  level() = inner;
}

// What the word in front of `(` is.
FunctionClass StatementScan::called_function() {
  const bool names_expression =
      level().in_with && (before_previous_.is(Keyword::kWith) || before_previous_.is("RECURSIVE") ||
                          before_previous_.is(TokenKind::kComma));
  if (names_expression || before_previous_.is(Keyword::kAs)) {
    return FunctionClass::kSyntax;  // WITH name (columns); CAST(x AS type(length))
  }
  if (previous_.is(TokenKind::kQuotedIdentifier) || before_previous_.is(TokenKind::kDot)) {
    return FunctionClass::kUnknown;
  }
  if ((previous_.is("AGAINST") && before_previous_.is(TokenKind::kCloseParen)) ||
      (previous_.is("COLUMNS") && before_previous_.is(TokenKind::kString)) ||
      (previous_.is("JSON_TABLE") && level().in_from)) {
    return FunctionClass::kSyntax;
  }
  return classify_function(previous_.text, token_.space_before, options_);
}

void StatementScan::note_call(FunctionClass function) {
  Flags& flags = out_.flags;
  switch (function) {
    case FunctionClass::kSafe:
    case FunctionClass::kSyntax:
    case FunctionClass::kGeometry:
      break;
    case FunctionClass::kUnknown:
      flags.set(Flag::kUnknownFunction);
      flags.set(Flag::kTouchesTables);
      break;
    case FunctionClass::kLastInsertId:
      flags.set(Flag::kLastInsertId);
      break;
    case FunctionClass::kFoundRows:
      flags.set(Flag::kFoundRows);
      break;
    case FunctionClass::kRowCount:
      flags.set(Flag::kRowCount);
      break;
    case FunctionClass::kConnectionId:
      flags.set(Flag::kConnectionId);
      break;
    case FunctionClass::kGetLock:
      flags.set(Flag::kUserLock);
      flags.set(Flag::kTakesUserLock);
      break;
    case FunctionClass::kUserLock:
      flags.set(Flag::kUserLock);
      break;
    case FunctionClass::kReleaseAllLocks:
      flags.set(Flag::kUserLock);
      flags.set(Flag::kReleasesUserLocks);
      break;
    case FunctionClass::kSequence:
      flags.set(Flag::kSequence);
      flags.set(Flag::kTouchesTables);
      break;
  }
}

void StatementScan::close_parenthesis() {
  if (depth_beyond_ > 0 || depth_ == 0) {
    return;  // too deep to follow (then the statement is uncertain), or one too many
  }
  const bool empty = previous_.is(TokenKind::kOpenParen);
  if (level().call == FunctionClass::kGeometry && empty) {
    note_call(FunctionClass::kUnknown);
  } else if (level().call == FunctionClass::kLastInsertId && !empty) {
    out_.flags.set(Flag::kSetsLastInsertId);
  }
  --depth_;
}

}  // namespace consort::router
