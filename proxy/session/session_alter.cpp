// SessionCore: ALTER TABLE that does to rows what each server would do in its own way. Rows of a
// table with a key are read in the key's order everywhere, and numbered alike where all servers
// count alike. Of others the home is asked, in the statement's turn, whether there are any: then
// they are brought into one order first (decision 0046), or where values would differ it is refused
// (decision 0038).
#include "base/sql_identifier.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "router/moved_tablespace.h"
#include "router/scheduled_by_variable.h"

namespace consort::proxy {

using protocol::Command;

namespace {

std::string name_of(const DdlTarget& table) {
  return sql_identifier(table.schema) + "." + sql_identifier(table.table);
}

/// InnoDB keeps rows in the order of such an index; of a table without one in that of their coming.
std::string orders_rows(const DdlTarget& table) {
  return "EXISTS(SELECT 1 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=" +
         sql_text_literal(table.schema) + " AND TABLE_NAME=" + sql_text_literal(table.table) +
         " AND NON_UNIQUE=0 AND INDEX_TYPE='BTREE' GROUP BY INDEX_NAME HAVING "
         // MySQL knows columns that are not selected within functions only.
         "MAX(INDEX_NAME='PRIMARY') OR SUM(NULLABLE='YES')+SUM(SUB_PART IS NOT NULL)=0)";
}

/// First column 1: the servers would not do it alike. Then how the connection counts.
std::string question_of(const router::AlteredRows& rows, const DdlTarget& table, bool aligned) {
  if (aligned) {
    return "SELECT 0, @@auto_increment_increment, @@auto_increment_offset LIMIT 1";
  }
  const std::string has_rows = "EXISTS(SELECT 1 FROM " + name_of(table) + ")";
  const std::string in_doubt =
      rows.own_value.empty() ? "NOT " + orders_rows(table) + " AND " + has_rows : has_rows;
  return "SELECT " + in_doubt +
         ", @@auto_increment_increment, @@auto_increment_offset "
         "LIMIT 1";  // whatever sql_select_limit is
}

/// `why`: the rows cannot be brought into one order.
protocol::SqlError refusal_of(const router::AlteredRows& rows, const std::string& why) {
  if (!rows.own_value.empty()) {
    return protocol::not_supported_error(
        "ALTER TABLE .. ADD of a column whose default is another value on each server (" +
        rows.own_value +
        ") to a table with rows: add the column without, fill it by UPDATE, then set the default");
  }
  return protocol::not_supported_error(
      rows.numbered
          ? "AUTO_INCREMENT for the rows of a table without a primary key " + why +
                ", which each server keeps in an order of its own: add the column, number it by "
                "UPDATE, make it the primary key, then AUTO_INCREMENT"
          : "ALTER IGNORE of a table without a primary key " + why +
                ", whose rows each server keeps in an order of its own: delete the duplicates "
                "first");
}

}  // namespace

/// What of the statement cannot be had because of a table's file, an event's schedule, an account's
/// host or a sequence; empty: nothing.
std::string SessionCore::definition_refusal(const router::Statement& statement,
                                            std::string_view sql,
                                            bool prepared) {
  if (router::moves_tablespace(sql, statement, lexer_options())) {
    return "ALTER TABLE .. DISCARD or IMPORT TABLESPACE, whose file is one server's (load the rows "
           "by INSERT or LOAD DATA)";
  }
  if (std::string account = account_refusal(statement, sql); !account.empty()) {
    return account;
  }
  if (router::scheduled_by_variable(sql, statement, lexer_options())) {
    return "an event's schedule by a variable or function that is another value on each server "
           "(write the value, by EXECUTE IMMEDIATE CONCAT(..) where it is not known before)";
  }
  return sequence_refusal(statement, sql, prepared);
}

void SessionCore::plan_altered_rows(const router::Statement& statement, std::string_view sql) {
  const bool alters = statement.ddl.verb == router::DdlVerb::kAlter &&
                      statement.ddl.object == router::DdlObject::kTable;
  if (alters && !ordered_.request.targets.front().schema.empty()) {
    ordered_.rows = router::altered_rows(sql, lexer_options());
  }
}

/// Behind the fence, before the client's statement.
bool SessionCore::asks_about_rows() {
  if (job_.kind != JobKind::kOrdered || !ordered_.rows.any() || ordered_.rows_known) {
    return false;
  }
  xa_buffer_.clear();
  const std::string question = question_of(ordered_.rows, ordered_.request.targets.front(),
                                           ordered_.order == RowOrder::kOne);
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(question));
  expect(Channel::kHome, ReplyRole::kRows, Command::kQuery);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
  return true;
}

void SessionCore::on_rows_known(const protocol::SqlError* error) {
  constexpr std::uint16_t kNoSuchTable = 1146;
  const auto rows = own_rows_.rows();
  const bool absent = error != nullptr && error->code == kNoSuchTable;  // the statement tells
  const bool told = error == nullptr && rows && rows->size() == 1 && rows->front().size() == 3;
  if (absent || (told && rows->front()[0] == "0")) {
    ordered_.rows_known = true;
    if (told && ordered_.rows.numbered) {
      count_by_one(rows->front()[1].value_or("1"), rows->front()[2].value_or("1"));
    }
    send_job();
    return;
  }
  if (error == nullptr && ordered_.rows.own_value.empty()) {
    ordered_.order = RowOrder::kWanted;
  }
  fail_turn(error != nullptr ? *error : refusal_of(ordered_.rows, {}));
}

/// Its turn has shown that the servers have the rows in orders of their own, and is over: they get
/// one, and it another turn right behind that.
void SessionCore::request_aligned() {
  ordered_.order = RowOrder::kOne;
  ordered_.finished = false;
  ordered_.error = 0;
  held_.clear();
  if (!effects_.post_commit(AlignTable{ordered_.request})) {
    reply_error(protocol::no_backend_error("the commit log is overloaded"));
    return;
  }
  watch_order();
}

void SessionCore::refuse_unalignable(const std::string& why) {
  reply_error(refusal_of(ordered_.rows, why));
}

/// What was asked behind the fence says that the statement must not be executed.
void SessionCore::fail_turn(const protocol::SqlError& error) {
  ordered_.error = error.code;
  held_.clear();
  hold_error(error, reply_sequence_);
  finish_ordered(false);
}

/// `increment`, `offset`: how the connection has counted, and will behind the statement.
void SessionCore::count_by_one(std::string_view increment, std::string_view offset) {
  ordered_.as_ever.push_back("SET " + counting_settings(increment, offset));
  xa_buffer_.clear();
  append_turn_setting("SET " + counting_settings("1", "1"));
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

void SessionCore::append_turn_setting(std::string_view sql) {
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(sql));
  expect(Channel::kHome, ReplyRole::kTurnSetting, Command::kQuery);
}

}  // namespace consort::proxy
