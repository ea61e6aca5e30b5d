#include "proxy/event_catalogue.h"

#include <cstdlib>

#include "base/sql_identifier.h"
#include "router/token.h"

namespace consort::proxy {
namespace {

using healthcheck::sql_literal;
using healthcheck::SqlRows;
using Cell = std::optional<std::string>;

std::string where(const EventName& event) {
  return " WHERE db=" + sql_literal(event.schema) + " AND name=" + sql_literal(event.name);
}

std::string unchanged(const EventRow& row) {
  return where(row.event) + " AND UNIX_TIMESTAMP(modified)=" + std::to_string(row.modified);
}

/// What the catalogue spells a moment as, whatever the session's time zone.
std::string utc(EventTime time) {
  return "(TIMESTAMP'1970-01-01 00:00:00'+INTERVAL " + std::to_string(time) + " SECOND)";
}

std::optional<EventTime> time_of(const Cell& cell) {
  return cell ? std::optional<EventTime>(std::strtoll(cell->c_str(), nullptr, 10)) : std::nullopt;
}

std::string_view host_of(std::string_view account) {
  return account.substr(account.rfind('@') + 1);
}

std::string_view user_of(std::string_view account) {
  return account.substr(0, account.rfind('@'));
}

std::string converted(std::string_view time, std::string_view from, std::string_view to) {
  return "SELECT TIMESTAMPDIFF(SECOND,TIMESTAMP'1970-01-01 00:00:00',CONVERT_TZ(" +
         std::string(time) + "," + sql_literal(from) + "," + sql_literal(to) + "))";
}

constexpr std::string_view kUtc = "+00:00";
constexpr std::string_view kProgramPrefix = "consort event run ";

}  // namespace

std::vector<EventRow> event_rows(const SqlRows& rows) {
  constexpr std::size_t kColumns = 11;
  std::vector<EventRow> events;
  for (const auto& row : rows.rows) {
    if (row.size() != kColumns) {
      continue;
    }
    EventRow event{{row[0].value_or(""), row[1].value_or("")},
                   row[2].value_or("SYSTEM"),
                   time_of(row[3]).value_or(0),
                   row[4] == "1",
                   {}};
    EventSchedule& schedule = event.schedule;
    schedule.at = time_of(row[5]);
    schedule.starts = time_of(row[6]).value_or(0);
    schedule.ends = time_of(row[7]);
    schedule.every =
        event_interval(row[8].value_or(""), time_of(row[9]).value_or(0)).value_or(EventInterval{});
    schedule.last_executed = time_of(row[10]);
    events.push_back(std::move(event));
  }
  return events;
}

std::string local_time_sql(std::string_view time_zone, EventTime time) {
  return converted(utc(time), kUtc, time_zone);
}

std::string utc_time_sql(std::string_view time_zone, LocalTime time) {
  return converted(utc(time), time_zone, kUtc);
}

std::string mark_run_sql(const DueEvent& event, EventTime now) {
  // `created` would become the present moment otherwise.
  return "UPDATE mysql.event SET created=created,last_executed=" + utc(now) +
         (event.is_last && !event.row.drops ? ",status='DISABLED'" : "") + unchanged(event.row);
}

std::string end_event_sql(const DueEvent& event) {
  if (!event.is_last) {
    return {};
  }
  if (event.row.drops) {
    // An event of this name that was made or altered meanwhile stays.
    return "BEGIN NOT ATOMIC IF (SELECT COUNT(*) FROM mysql.event" + unchanged(event.row) +
           ")>0 THEN DROP EVENT IF EXISTS " + sql_identifier(event.row.event.schema) + "." +
           sql_identifier(event.row.event.name) + "; END IF; END";
  }
  return event.runs
             ? std::string()  // mark_run_sql() has done it
             : "UPDATE mysql.event SET created=created,status='DISABLED'" + unchanged(event.row);
}

std::string EventToRun::name_for_people() const {
  return "[" + definer + "].[" + event.schema + "." + event.name + "]";
}

std::string event_to_run_sql(const EventName& event, EventTime marked) {
  return "SELECT db,name,definer,sql_mode,time_zone,character_set_client,collation_connection,body "
         "FROM mysql.event" +
         where(event) + " AND last_executed=" + utc(marked);
}

std::optional<EventToRun> event_to_run(const SqlRows& rows) {
  constexpr std::size_t kColumns = 8;
  if (rows.rows.size() != 1 || rows.rows.front().size() != kColumns) {
    return std::nullopt;
  }
  const auto text = [&row = rows.rows.front()](std::size_t column) {
    return row[column].value_or("");
  };
  return EventToRun{{text(0), text(1)}, text(2), text(3), text(4), text(5), text(6), text(7)};
}

std::string definers_rights_sql(const EventToRun& event) {
  const std::string account = "CONCAT(QUOTE(" + sql_literal(user_of(event.definer)) +
                              "),'@',QUOTE(" + sql_literal(host_of(event.definer)) + "))";
  return "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE IN "
         "('EVENT','READ_ONLY ADMIN','READ ONLY ADMIN') AND GRANTEE=" +
         account +
         " UNION SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE "
         "PRIVILEGE_TYPE='EVENT' AND GRANTEE=" +
         account + " AND " + sql_literal(event.event.schema) + " LIKE TABLE_SCHEMA";
}

std::vector<std::string> program_setup(const EventToRun& event) {
  return {"USE " + sql_identifier(event.event.schema),
          "SET SESSION sql_mode=" + sql_literal(event.sql_mode) +
              ",SESSION time_zone=" + sql_literal(event.time_zone),
          "SET SESSION character_set_client=" + event.character_set_client +
              ",SESSION collation_connection=" + event.collation_connection};
}

std::string definer_bytes_sql(const EventToRun& event) {
  return "SELECT CAST(CONVERT(CONCAT(" + sql_literal(sql_identifier(user_of(event.definer))) +
         ",'@'," + sql_literal(sql_identifier(host_of(event.definer))) + ") USING " +
         event.character_set_client + ") AS BINARY)";
}

std::string program_sql(const EventToRun& event,
                        std::string_view program,
                        std::string_view definer) {
  const bool oracle = router::contains_ignoring_case(event.sql_mode, "oracle");
  std::string sql = "CREATE OR REPLACE DEFINER=";
  sql.append(definer).append(" PROCEDURE ").append(sql_identifier(program));
  sql += oracle ? " SQL SECURITY DEFINER AS BEGIN " : "() SQL SECURITY DEFINER ";
  sql += event.body;
  sql += oracle ? "; END" : "";
  return sql;
}

std::string program_name(std::uint32_t epoch, std::uint64_t number) {
  return std::string(kProgramPrefix) + std::to_string(epoch) + "." + std::to_string(number);
}

bool is_program_of(std::string_view program, std::uint32_t epoch) {
  return program.starts_with(std::string(kProgramPrefix) + std::to_string(epoch) + ".");
}

}  // namespace consort::proxy
