// SessionCore: SET GLOBAL. Its turn comes in the log's order, like DDL's. The session executes the
// client's own text on its home, so that privileges, errors and warnings are the server's, and asks
// before and after what the variables are: these values go to all servers. Decision 0028.
#include <algorithm>

#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"
#include "router/lock_list.h"
#include "router/own_tracking.h"
#include "router/shown_variable.h"

namespace consort::proxy {

using protocol::Command;

namespace {

constexpr unsigned kQuestionsMax = 3;

}  // namespace

/// What Consort obeys in the servers' place, where a statement may name it.
void SessionCore::note_own_globals(std::string_view sql, router::SessionValues& values) const {
  if (effects_.read_only() && router::contains_ignoring_case(sql, "read_only")) {
    values.read_only = "1";
  }
  if (effects_.runs_events() && router::contains_ignoring_case(sql, "event_scheduler")) {
    values.event_scheduler = "'ON'";
  }
  const std::string_view init = effects_.init_connect();
  if (!init.empty() && router::contains_ignoring_case(sql, "init_connect")) {
    values.init_connect = "IF(1," + sql_text_literal(init) + ",@@global.init_connect)";
  }
}

/// The same of SHOW VARIABLES.
std::optional<std::string> SessionCore::with_own_global_shown(std::string_view sql) const {
  std::optional<std::string> shown;
  if (effects_.runs_events() && router::contains_ignoring_case(sql, "event_")) {
    shown =
        router::with_shown_variable(sql, lexer_options(), {"event_scheduler", "event_", "'ON'"});
  }
  const std::string_view init = effects_.init_connect();
  if (!shown && !init.empty() && router::contains_ignoring_case(sql, "init_c")) {
    const std::string value = sql_text_literal(init);
    shown = router::with_shown_variable(sql, lexer_options(), {"init_connect", "init_c", value});
  }
  return shown;
}

void SessionCore::plan_globals(const router::Statement& statement) {
  ordered_.request.sql = certifier::kNoGlobalsSql;
  ordered_.request.sets_globals = true;
  ordered_.request.schema.clear();
  ordered_.request.targets.assign(1, DdlTarget{"consort", std::string(certifier::kGlobalsTable)});
  ordered_.globals = globals_of(statement, effects_.mysql());
  if (auto own = own_global_set(statement, options_.server_connections_min)) {
    ordered_.command.clear();
    protocol::append_command(ordered_.command, Command::kQuery, as_bytes(own->sql));
    ordered_.globals = std::move(own->globals);
  }
  job_.pins = router::pin_change(statement);
  job_.sets_insert_id = statement.has(router::Flag::kSetsLastInsertId);
  job_.names_collation = names_collation(statement);
}

/// Before the client's statement, in its turn.
bool SessionCore::asks_globals() {
  if (job_.kind != JobKind::kOrdered || ordered_.globals.empty() || ordered_.globals_known) {
    return false;
  }
  ask_home(question_of(ordered_.globals, home_lease_.connection().kind), ReplyRole::kGlobals);
  return true;
}

void SessionCore::on_globals_known(const protocol::SqlError* error) {
  const auto rows = own_rows_.rows();
  if (error != nullptr || !rows) {
    // A KILL QUERY, a time limit: meant for the statement.
    held_.clear();
    hold_error(error != nullptr ? *error : protocol::query_interrupted_error(), reply_sequence_);
    finish_ordered(false);
    return;
  }
  note_globals(ordered_.globals, *rows);
  ordered_.globals_known = true;
  send_job();
}

/// Behind the client's statement, whose reply is held. One that failed may have set the first of
/// several.
bool SessionCore::asks_new_globals(bool succeeded) {
  ordered_.succeeded = succeeded;
  const std::string question = new_question_of(ordered_.globals);
  if (question.empty() || (!succeeded && !job_.sets_several)) {
    return false;
  }
  ++ordered_.globals_asked;
  ask_home(question, ReplyRole::kNewGlobals);
  return true;
}

void SessionCore::on_new_globals(const protocol::SqlError* error) {
  const auto rows = own_rows_.rows();
  if (error == nullptr && rows && rows->size() == 1) {
    note_new_globals(ordered_.globals, rows->front());
    if (!ordered_.globals.front().expression.empty()) {
      if (const auto refused = settle_own_value(ordered_.globals.front())) {
        hold_error(*refused, held_.sequence());
        ordered_.globals.clear();  // nothing changes
        finish_ordered(false);
        return;
      }
    }
  } else if (ordered_.globals_asked < kQuestionsMax) {
    (void)asks_new_globals(ordered_.succeeded);  // a KILL QUERY that came late
    return;
  } else {
    hold_error(error != nullptr ? *error : protocol::query_interrupted_error(), held_.sequence());
  }
  finish_ordered(ordered_.succeeded);
}

// What the server refuses under read_only. Programs are met at their commit.
bool SessionCore::writes_against_read_only(const router::Statement& statement,
                                           std::string_view sql) const {
  if (statement.kind == router::StatementKind::kLockTables) {
    const auto list = router::lock_list(sql, lexer_options());
    return list && std::any_of(list->items.begin(), list->items.end(), [this](const auto& item) {
             const router::TableRef table{item.schema, item.table, router::TableRole::kWrite};
             return item.write && !temporary_.contains(table, state_.schema());
           });
  }
  if (statement.kind == router::StatementKind::kBegin) {
    return statement.transaction.access == router::AccessMode::kReadWrite;
  }
  return conflicts_with_reading(statement) &&
         std::none_of(statement.tables.begin(), statement.tables.end(), [this](const auto& table) {
           return temporary_.contains(table, state_.schema());
         });
}

// A session that runs keeps its values, also on connections that come to have others. What it has
// is known from now on as if it had set it.
void SessionCore::on_globals_changed(const GlobalsChanged& changed) {
  if (!authenticated_ || changed.changes.empty()) {
    return;
  }
  commits_.on_other(changed.seqno);
  for (const GlobalChange& change : changed.changes) {
    const std::string& name = change.variable.name;
    if (name == router::kTrackedVariables && change.old_value) {
      tracking_.keep_list(*change.old_value);
    }
    if (change.per_session && change.old_value && !state_.variable(name)) {
      state_.set_variable(name, *change.old_value);
      home_settings_doubtful_ = home_settings_doubtful_ || home_lease_.held();
    }
  }
}

void SessionCore::append_kept_settings() {
  if (!home_settings_doubtful_ || job_.channel != Channel::kHome || transaction_.on_backend()) {
    return;
  }
  home_settings_doubtful_ = false;
  expect(Channel::kHome, ReplyRole::kInsertId, Command::kQuery);
  protocol::append_command(xa_buffer_, Command::kQuery,
                           as_bytes(state_.set_statement(home_lease_.connection().kind)));
}

}  // namespace consort::proxy
