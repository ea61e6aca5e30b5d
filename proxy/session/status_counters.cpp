#include "proxy/session/status_counters.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <utility>

#include "certifier/lane_sql.h"
#include "router/sql_lexer.h"

namespace consort::proxy {
namespace {

using router::StatementKind;

struct Delta {
  std::string_view name;
  std::int64_t by = 1;
};

struct Known {
  std::string_view text;  ///< the statement begins so
  std::array<Delta, 10> deltas;
};

constexpr std::string_view kQuestions = "Questions";
constexpr std::string_view kHandlerPrepare = "Handler_prepare";
constexpr std::string_view kHandlerCommit = "Handler_commit";
constexpr std::string_view kXaPrepare = "XA PREPARE ";
/// The engines that a transaction with changes commits in: InnoDB and the binlog.
constexpr std::int64_t kEngines = 2;

/// Besides Questions; the first that fits.
constexpr std::array kKnown = {
    Known{"XA START ", {{{"Com_xa_start"}}}},
    Known{"XA END ", {{{"Com_xa_end"}}}},
    Known{kXaPrepare, {{{"Com_xa_prepare"}}}},
    Known{"XA ROLLBACK ", {{{"Com_xa_rollback"}}}},
    Known{"START TRANSACTION", {{{"Com_begin"}}}},
    Known{"COMMIT", {{{"Com_commit"}, {kHandlerCommit}}}},
    Known{"ROLLBACK", {{{"Com_rollback"}}}},
    // The fence in front of DDL (certifier/ddl_fence.h).
    Known{"SET STATEMENT max_statement_time=0,sql_big_selects=1,",
          {{{"Com_compound_sql"},
            {"Com_commit"},
            {"Com_set_option"},
            {"Feature_subquery"},
            {kHandlerCommit},
            {"Handler_read_key"},
            {"Handler_read_rnd_next"},
            {"Optimizer_join_prefixes_check_calls"},
            {"Rows_read", 2},
            {"Select_scan"}}}},
    Known{"SET STATEMENT max_statement_time=0 FOR DO ", {{{"Com_do"}}}},
    Known{"SET ", {{{"Com_set_option"}}}},
    Known{"USE ", {{{"Com_change_db"}}}},
    Known{"SHOW WARNINGS", {{{"Com_show_warnings"}}}},
    Known{"SELECT 1 FROM (SELECT 1) ",
          {{{"Com_select"}, {"Created_tmp_tables"}, {"Empty_queries"}, {"Handler_tmp_write"}}}},
    Known{"SELECT ", {{{"Com_select"}}}},
    Known{certifier::kMarkBranchSql,
          {{{"Com_call_procedure"},
            {"Com_insert"},
            {"Feature_subquery"},
            {kHandlerCommit, 2},
            {"Handler_read_key"},
            {"Handler_write"},
            {"Rows_read"}}}},
    Known{"CALL ", {{{"Com_call_procedure"}}}},
};

/// One of the session's that only grows. Others are the server's, or are no counters.
bool grows(std::string_view name) {
  for (const std::string_view family : {"Com_", "Created_tmp_", "Feature_", "Handler_",
                                        "Optimizer_", "Rows_", "Select_", "Sort_"}) {
    if (name.starts_with(family)) {
      return true;
    }
  }
  return name == kQuestions || name == "Empty_queries" || name == "Opened_tables" ||
         name == "Opened_table_definitions";
}

std::optional<std::int64_t> number_of(std::string_view value) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool whole = error == std::errc() && end == value.data() + value.size();
  return whole ? std::optional(number) : std::nullopt;
}

std::map<std::string, std::int64_t, std::less<>> counters_in(
    const std::vector<OwnResult::Row>& rows) {
  std::map<std::string, std::int64_t, std::less<>> counters;
  for (const OwnResult::Row& row : rows) {
    if (row.size() == 2 && row[0] && row[1] && grows(*row[0])) {
      if (const auto number = number_of(*row[1])) {
        counters.insert_or_assign(std::string(*row[0]), *number);
      }
    }
  }
  return counters;
}

}  // namespace

StatusUse status_use(std::string_view sql,
                     const router::Statement& statement,
                     const router::LexerOptions& options) {
  const bool shows = statement.kind == StatementKind::kShow;
  if (!shows && statement.kind != StatementKind::kFlush) {
    return StatusUse::kNone;
  }
  router::SqlLexer lexer(sql, options);
  (void)lexer.next();  // SHOW, FLUSH
  router::Token token = lexer.next();
  if (shows) {
    if (token.is("SESSION") || token.is("LOCAL")) {
      token = lexer.next();
    }
    return token.is("STATUS") ? StatusUse::kShow : StatusUse::kNone;
  }
  for (; !token.is(router::TokenKind::kEnd); token = lexer.next()) {
    if (token.is("STATUS")) {
      return StatusUse::kFlush;
    }
  }
  return StatusUse::kNone;
}

void StatusCounters::begin() {
  counts_ = true;
  own_.clear();
}

void StatusCounters::end() {
  counts_ = false;
  in_steps_ = false;
  own_.clear();
}

// Measured (10.11): a temporary table and what is asked in front of it, against the statement
// itself, which commits in two engines, and prepares in them when it has rows.
void StatusCounters::begin_steps(const std::vector<OwnResult::Row>& rows,
                                 CreateSelectCounted counted) {
  add("Com_create_temporary_table", 1);
  add("Com_create_table", counted.or_replace ? -1 : 0);
  add("Com_stmt_prepare", 1);
  add("Com_stmt_close", 1);
  add("Com_show_status", 1);
  add(kQuestions, counted.or_replace ? 1 : 2);
  add(kHandlerCommit, 1 - kEngines);
  add(kHandlerPrepare, counted.any_rows ? -kEngines : 0);
  before_steps_ = counters_in(rows);
  in_steps_ = true;
}

void StatusCounters::end_steps(const std::vector<OwnResult::Row>& rows) {
  in_steps_ = false;
  for (const auto& [name, now] : counters_in(rows)) {
    if (const auto before = before_steps_.find(name); before != before_steps_.end()) {
      add(name, now - before->second);
    }
  }
  add("Rows_tmp_read", static_cast<std::int64_t>(rows.size()));  // it is counted behind the answer
  before_steps_.clear();
}

void StatusCounters::note_own(std::string_view sql, bool wrapped) {
  add(kQuestions, 1);
  for (const Known& known : kKnown) {
    if (!sql.starts_with(known.text)) {
      continue;
    }
    for (const Delta& delta : known.deltas) {
      if (!delta.name.empty()) {
        add(delta.name, delta.by);
      }
    }
    break;
  }
  if (!sql.starts_with(kXaPrepare)) {
    return;
  }
  if (wrapped) {
    add(kHandlerPrepare, kEngines);
  } else {
    add(kHandlerCommit, -kEngines);  // of the client's COMMIT; a lane's connection has them
  }
}

void StatusCounters::note_unchanged() {
  add(kHandlerPrepare, 1 - kEngines);  // InnoDB alone
}

void StatusCounters::note_answered(StatementKind kind) {
  switch (kind) {
    case StatementKind::kBegin:
      add("Com_begin", -1);
      break;
    case StatementKind::kCommit:
      add("Com_commit", -1);
      break;
    case StatementKind::kRollback:
      add("Com_rollback", -1);
      break;
    default:
      return;
  }
  add(kQuestions, -1);
}

std::string StatusCounters::shown(std::string_view name, std::string_view value) const {
  const auto found = own_.find(name);
  const auto number = number_of(value);
  if (found == own_.end() || !number) {
    return std::string(value);
  }
  return std::to_string(*number > found->second ? *number - found->second : 0);
}

}  // namespace consort::proxy
