#include "proxy/session/found_rows.h"

#include "router/token.h"
#include "router/token_reader.h"

namespace consort::proxy {

using router::contains_ignoring_case;
using router::Flag;
using router::Statement;
using router::StatementKind;

namespace {

/// Nobody asks for the number of rows behind a longer one.
constexpr std::size_t kFindingBytesMax = 4096;

/// Rows that a LIMIT has skipped count, too, and of a UNION all of them; of VALUES and TABLE the
/// server counts one.
bool tells_what_it_sends(std::string_view sql) {
  const router::TokenReader reader(sql, {});
  const bool selects =
      reader.token().is(router::Keyword::kSelect) || reader.token().is(router::Keyword::kWith);
  return selects && !contains_ignoring_case(sql, "offset") &&
         !contains_ignoring_case(sql, "procedure") && !contains_ignoring_case(sql, "union") &&
         !contains_ignoring_case(sql, "except") && !contains_ignoring_case(sql, "intersect") &&
         !(contains_ignoring_case(sql, "limit") && sql.find(',') != std::string_view::npos);
}

bool show_keeps(std::string_view sql) {
  router::TokenReader reader(sql, {});
  reader.advance();
  return reader.token().is(router::Keyword::kCreate) || reader.token().is("WARNINGS") ||
         reader.token().is("ERRORS");
}

/// What was found before is what FOUND_ROWS() says behind it, too.
bool finds_nothing(const Statement& statement, std::string_view sql, bool programs) {
  switch (statement.kind) {
    case StatementKind::kDdl:
      return !statement.has(Flag::kCreateSelect);
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kReplace:
      return !programs && !statement.flags.has_any({Flag::kInnerQuery, Flag::kReturnsRows});
    case StatementKind::kSetSession:
    case StatementKind::kSetUserVariable:
      return !contains_ignoring_case(sql, "select");
    case StatementKind::kShow:
      return show_keeps(sql);
    case StatementKind::kBegin:
    case StatementKind::kCommit:
    case StatementKind::kRollback:
    case StatementKind::kSavepoint:
    case StatementKind::kReleaseSavepoint:
    case StatementKind::kRollbackToSavepoint:
    case StatementKind::kSetAutocommit:
    case StatementKind::kSetTransaction:
    case StatementKind::kSetNames:
    case StatementKind::kAccount:
    case StatementKind::kUse:
      return true;
    default:
      return false;
  }
}

}  // namespace

void FoundRows::begin(const Statement& statement, std::string_view sql, bool programs) {
  const bool plain =
      !statement.flags.has_any({Flag::kUncertain, Flag::kMultiStatement, Flag::kUnknownFunction,
                                Flag::kExecutesInner, Flag::kSetStatement});
  counts_ = plain && statement.kind == StatementKind::kSelect && sql.size() <= kFindingBytesMax &&
            !statement.flags.has_any(
                {Flag::kCalcFoundRows, Flag::kIntoVariable, Flag::kIntoOutfile, Flag::kSequence});
  if (counts_) {
    rows_.reset();
    text_.assign(sql);
  } else if (!plain || !finds_nothing(statement, sql, programs)) {
    rows_.reset();
  }
}

void FoundRows::end(std::uint64_t rows) {
  if (counts_) {
    rows_ = rows;
  }
}

void FoundRows::end_stored(const Statement& statement, std::string_view sql, std::uint64_t rows) {
  rows_.reset();
  if (!contains_ignoring_case(sql, "select") || contains_ignoring_case(sql, "ignore") ||
      contains_ignoring_case(sql, "replace")) {
    return;
  }
  const std::size_t query = router::lower_case(sql).find("select");
  text_.assign(sql.substr(query));
  // One row of no table is stored without having been found.
  const bool of_no_table = statement.tables.size() == 1 && !contains_ignoring_case(sql, "from");
  rows_ = of_no_table ? 0 : rows;
}

void FoundRows::reset() {
  rows_.reset();
  counts_ = false;
}

std::optional<std::uint64_t> FoundRows::value() const {
  return rows_ && tells_what_it_sends(text_) ? rows_ : std::nullopt;
}

}  // namespace consort::proxy
