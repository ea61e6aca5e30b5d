// EventCatalogue: what the scheduler asks a server about events, and the statements that a run of
// one consists of. Texts and rows only; each text was tried on MariaDB 10.11. Decision 0033.
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "healthcheck/server_link.h"
#include "proxy/event_queue.h"

namespace consort::proxy {

/// Asks whether clients have SET GLOBAL event_scheduler=ON: one row, or none.
inline constexpr std::string_view kSchedulerSwitchSql =
    "SELECT value FROM consort.global_variables WHERE name='consort_event_scheduler'";

/// Asks for the enabled events.
inline constexpr std::string_view kEventsSql =
    "SET STATEMENT time_zone='+00:00',sql_mode='' FOR "
    "SELECT db,name,time_zone,UNIX_TIMESTAMP(modified),on_completion='DROP',"
    "UNIX_TIMESTAMP(execute_at),UNIX_TIMESTAMP(starts),UNIX_TIMESTAMP(ends),interval_field,"
    "interval_value,UNIX_TIMESTAMP(last_executed) FROM mysql.event WHERE status='ENABLED'";

/// The rows of kEventsSql.
[[nodiscard]] std::vector<EventRow> event_rows(const healthcheck::SqlRows& rows);

/// What a time is on a zone's calendar, and the other way round; for any session.
[[nodiscard]] std::string local_time_sql(std::string_view time_zone, EventTime time);
[[nodiscard]] std::string utc_time_sql(std::string_view time_zone, LocalTime time);

/// For all servers, before the run. Does nothing to an event that was changed since.
[[nodiscard]] std::string mark_run_sql(const DueEvent& event, EventTime now);

/// For all servers, when it is over; empty: nothing is to be done.
[[nodiscard]] std::string end_event_sql(const DueEvent& event);

/// An event as it is to be run.
struct EventToRun {
  EventName event;
  std::string definer;  ///< user@host
  std::string sql_mode;
  std::string time_zone;
  std::string character_set_client;
  std::string collation_connection;
  std::string body;  ///< in character_set_client

  [[nodiscard]] std::string name_for_people() const;
};

/// Asks for it, if mark_run_sql() of that moment stands: one row, or none.
[[nodiscard]] std::string event_to_run_sql(const EventName& event, EventTime marked);

[[nodiscard]] std::optional<EventToRun> event_to_run(const healthcheck::SqlRows& rows);

/// Whether the definer has the EVENT privilege in the schema, and READ_ONLY ADMIN: a row for each.
[[nodiscard]] std::string definers_rights_sql(const EventToRun& event);

/// The statements in front of program_sql(), on a connection that speaks utf8mb4; the last makes it
/// speak the event's character set.
[[nodiscard]] std::vector<std::string> program_setup(const EventToRun& event);

/// Asks for the definer's name in the event's character set.
[[nodiscard]] std::string definer_bytes_sql(const EventToRun& event);

/// Makes the program of a run, in the event's character set. `definer`: that answer.
[[nodiscard]] std::string program_sql(const EventToRun& event,
                                      std::string_view program,
                                      std::string_view definer);

/// Of a run, the `number`th since Consort's start `epoch`: no client's program has such a name by
/// chance.
[[nodiscard]] std::string program_name(std::uint32_t epoch, std::uint64_t number);

/// A run of the start `epoch` has this program.
[[nodiscard]] bool is_program_of(std::string_view program, std::uint32_t epoch);

/// Asks for the programs of all runs: rows of schema, name, when it was made, and of whom.
inline constexpr std::string_view kProgramsSql =
    "SELECT db,name,created,definer FROM mysql.proc WHERE type='PROCEDURE' AND "
    "name LIKE 'consort event run %'";

}  // namespace consort::proxy
