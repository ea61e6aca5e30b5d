// SessionCore: CREATE TABLE .. LIKE, and what else takes "partition" for an engine where backends
// create InnoDB tables only (rebuilt_partitions.h): of a partitioned table the server makes one of
// InnoDB, with all its partitions, and notes that another engine took the place. Nothing did. So
// the home is asked, in the statement's turn, whether it is partitioned, and keeps that note to
// itself.
#include "protocol/packet_writer.h"
#include "proxy/session/rebuilt_partitions.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"
#include "router/token.h"

namespace consort::proxy {

using protocol::Command;

namespace {

constexpr std::string_view kNotes = "sql_notes";

std::string exists(const DdlTarget& table, std::string_view condition) {
  return "EXISTS(SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA=" +
         sql_text_literal(table.schema) + " AND TABLE_NAME=" + sql_text_literal(table.table) +
         std::string(condition) + ")";
}

}  // namespace

void SessionCore::plan_copy(const router::Statement& statement, std::string_view sql) {
  const bool copies = copies_definition(statement) && ordered_.request.targets.size() == 2;
  ordered_.copies = copies || (may_rebuild_partitions(statement, sql, lexer_options()) &&
                               ordered_.request.targets.size() == 1);
  if (ordered_.copies) {
    const auto name = static_cast<std::size_t>(statement.tables[0].name.data() - sql.data());
    const std::string_view head = sql.substr(0, copies ? name : sql.size());
    ordered_.copy_keeps_old = router::contains_ignoring_case(head, "exists");
  }
}

/// Behind the fence, before the client's statement.
bool SessionCore::asks_about_copy() {
  if (job_.kind != JobKind::kOrdered || !ordered_.copies || ordered_.copy_known) {
    return false;
  }
  const std::vector<DdlTarget>& targets = ordered_.request.targets;
  std::string question = "SELECT " + exists(targets.back(),
                                            " AND ENGINE='InnoDB' AND CREATE_OPTIONS LIKE "
                                            "'%partitioned%'");
  if (ordered_.copy_keeps_old) {  // of what is there already, or is not, a note says so
    question += " AND NOT " + exists(targets[0], "");
  }
  question += " LIMIT 1";  // whatever sql_select_limit is
  ask_home(question, ReplyRole::kCopy);
  return true;
}

void SessionCore::on_copy_known(const protocol::SqlError* error) {
  if (error != nullptr) {  // a KILL QUERY, a time limit: meant for the statement
    fail_turn(*error);
    return;
  }
  ordered_.copy_known = true;
  if (own_rows_.value() == "1") {
    ordered_.as_ever.push_back(state_.set_statement_of(kNotes));
    xa_buffer_.clear();
    append_turn_setting("SET SESSION sql_notes=0");
    effects_.send_backend(Channel::kHome, {xa_buffer_});
  }
  send_job();
}

}  // namespace consort::proxy
