// SessionCore: statements that read information_schema.PROCESSLIST. They get Consort's sessions in
// its place, as rows in their text: the server that executes them would list its own connections.
#include "protocol/packet_reader.h"
#include "proxy/session/process_table.h"
#include "proxy/session/session_core.h"
#include "router/process_table.h"

namespace consort::proxy {

using protocol::Command;
using router::Statement;

/// True when the sessions were asked for. With them it runs once more, and then answers false.
bool SessionCore::asks_process_table(const Statement& statement,
                                     std::string_view sql,
                                     JobKind kind) {
  if (job_.process_table || !router::names_process_table(statement)) {
    return false;
  }
  const bool prepared = kind == JobKind::kExecute;
  const std::string& schema =
      prepared ? statements_.context(job_.statement_id).schema : state_.schema();
  const bool in_steps =
      creates_select() || (prepared && statement.has(router::Flag::kCreateSelect));
  // Wide literals: the server takes no path of JSON_TABLE then.
  if (job_.bulk || in_steps || owner_.password_expired ||
      !router::reads_process_table(statement, schema) || state_.literals_are_wide()) {
    return false;
  }
  job_.process_table = true;
  job_.binary_list = prepared;
  show_as(sql);
  phase_ = SessionPhase::kAskingOthers;
  effects_.list_sessions(true);
  return true;
}

void SessionCore::run_with_process_table() {
  const router::LexerOptions options = lexer_options();
  const std::string table = process_table_sql(std::move(processes_), options.server_version);
  processes_.clear();
  Buffer payload;
  std::string_view sql;
  if (job_.binary_list) {
    sql = statements_.find(job_.statement_id)->sql;
  } else {
    payload = protocol::join_payload(command_);
    sql = as_text(Bytes(payload).subspan(1));
  }
  const std::string& schema =
      job_.binary_list ? statements_.context(job_.statement_id).schema : state_.schema();
  const auto own =
      router::with_process_table(sql, router::classify(sql, options), schema, options, table);
  const std::string text = own.value_or(std::string(sql));
  if (job_.binary_list) {
    if (own) {
      execute_instead(*own);
    }
    run_statement(router::classify(text, options), text, JobKind::kExecute);
    return;
  }
  if (own) {
    replace_command(text, Command::kQuery);
  }
  run_statement(router::classify(text, options), text, JobKind::kQuery);
}

/// The execution under way is one of `sql`, which no other has use for.
void SessionCore::execute_instead(std::string_view sql) {
  job_.own_text = sql;
  job_.own_key =
      "consort " + std::to_string(process_query_id(owner_.connection_id, command_number_));
  job_.wants_cursor = false;  // its rows come at once: the statement is gone then
}

/// Under which the backend connection knows what is executed there.
const std::string& SessionCore::execution_key() {
  return job_.own_text.empty() ? statements_.backend_key(job_.statement_id, passes_cursor())
                               : job_.own_key;
}

void SessionCore::forget_own_text() {
  if (job_.own_text.empty()) {
    return;
  }
  if (lease_of(job_.channel).held()) {
    effects_.close_backend_statement(job_.channel, job_.own_key);
  }
  job_.own_text.clear();
}

}  // namespace consort::proxy
