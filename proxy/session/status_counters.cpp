#include "proxy/session/status_counters.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <initializer_list>
#include <utility>

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
    Known{"CALL ", {{{"Com_call_procedure"}}}},
};

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
  own_.clear();
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
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (found == own_.end() || error != std::errc() || end != value.data() + value.size()) {
    return std::string(value);
  }
  return std::to_string(number > found->second ? number - found->second : 0);
}

}  // namespace consort::proxy
