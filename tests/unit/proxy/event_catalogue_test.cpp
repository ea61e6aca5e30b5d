#include "proxy/event_catalogue.h"

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using healthcheck::sql_literal;

DueEvent due(bool runs, bool is_last, bool drops) {
  DueEvent event;
  event.row.event = {"d`b", "e"};
  event.row.modified = 77;
  event.row.drops = drops;
  event.runs = runs;
  event.is_last = is_last;
  return event;
}

EventToRun to_run(std::string sql_mode) {
  return {{"d`b", "e"}, "u@h%", std::move(sql_mode), "+02:00", "latin1", "latin1_bin", "SELECT 1"};
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_SUITE("events") {
  TEST_CASE("EventCatalogue: reads the rows of events, and only such") {
    healthcheck::SqlRows rows;
    rows.rows.push_back(
        {"d", "e", "+01:00", "100", "1", std::nullopt, "50", "60", "WEEK", "14", std::nullopt});
    rows.rows.push_back({"d", "o", "SYSTEM", "100", "0", "200", std::nullopt, std::nullopt,
                         std::nullopt, std::nullopt, "201"});
    rows.rows.push_back({"too", "short"});
    const std::vector<EventRow> events = event_rows(rows);
    REQUIRE(events.size() == 2);
    EXPECT(events[0].event == EventName{"d", "e"});
    EXPECT(events[0].time_zone == "+01:00");
    EXPECT(events[0].modified == 100);
    EXPECT(events[0].drops);
    EXPECT(events[0].schedule.starts == 50);
    EXPECT(events[0].schedule.ends == 60);
    EXPECT(events[0].schedule.every == EventInterval{14 * 86400, 0});
    EXPECT_FALSE(events[0].schedule.at);
    EXPECT_FALSE(events[0].schedule.last_executed);
    EXPECT(events[1].schedule.at == 200);
    EXPECT(events[1].schedule.last_executed == 201);
    EXPECT_FALSE(events[1].drops);
  }

  TEST_CASE("EventCatalogue: a mark touches only the event that was read") {
    const std::string mark = mark_run_sql(due(true, false, false), 7);
    EXPECT(has(mark, "last_executed=(TIMESTAMP'1970-01-01 00:00:00'+INTERVAL 7 SECOND)"));
    EXPECT(has(mark, "created=created"));
    EXPECT(has(mark, "WHERE db=" + sql_literal("d`b") + " AND name=" + sql_literal("e") +
                         " AND UNIX_TIMESTAMP(modified)=77"));
    EXPECT(has(event_to_run_sql({"d", "e"}, 7), "+INTERVAL 7 SECOND)"));
  }

  TEST_CASE(
      "EventCatalogue: the last run ends an event: dropped behind it, or disabled before it") {
    EXPECT_FALSE(has(mark_run_sql(due(true, false, true), 7), "DISABLED"));
    EXPECT_FALSE(has(mark_run_sql(due(true, true, true), 7), "DISABLED"));
    EXPECT(has(mark_run_sql(due(true, true, false), 7), ",status='DISABLED' WHERE db="));
    EXPECT(end_event_sql(due(true, false, true)).empty());
    EXPECT(end_event_sql(due(true, true, false)).empty());
    EXPECT(has(end_event_sql(due(true, true, true)), "DROP EVENT IF EXISTS `d``b`.`e`"));
    EXPECT(has(end_event_sql(due(false, true, true)), "UNIX_TIMESTAMP(modified)=77"));
    EXPECT(has(end_event_sql(due(false, true, false)), "status='DISABLED' WHERE db="));
  }

  TEST_CASE("EventCatalogue: what is to run") {
    healthcheck::SqlRows rows;
    EXPECT_FALSE(event_to_run(rows));
    rows.rows.push_back({"d", "e", "u@h", "", "SYSTEM", "utf8mb4", "utf8mb4_bin", "DO 1"});
    const auto event = event_to_run(rows);
    REQUIRE(event);
    EXPECT(event->body == "DO 1");
    EXPECT(event->name_for_people() == "[u@h].[d.e]");
    EXPECT(has(definers_rights_sql(*event),
               "CONCAT(QUOTE(" + sql_literal("u") + "),'@',QUOTE(" + sql_literal("h") + "))"));
  }

  TEST_CASE("EventCatalogue: the program of a run has the event's settings") {
    const std::vector<std::string> setup = program_setup(to_run("ANSI_QUOTES"));
    REQUIRE(setup.size() == 3);
    EXPECT(setup[0] == "USE `d``b`");
    EXPECT(setup[1] == "SET SESSION sql_mode=" + sql_literal("ANSI_QUOTES") +
                           ",SESSION time_zone=" + sql_literal("+02:00"));
    EXPECT(setup[2] ==
           "SET SESSION character_set_client=latin1,SESSION "
           "collation_connection=latin1_bin");
    EXPECT(program_sql(to_run("ORACLE,ANSI_QUOTES"), program_name(1, 3), "`u`@`h%`") ==
           "CREATE OR REPLACE DEFINER=`u`@`h%` PROCEDURE `consort event run 1.3` SQL SECURITY "
           "DEFINER AS BEGIN SELECT 1; END");
    EXPECT(program_sql(to_run("ANSI_QUOTES"), program_name(1, 3), "`u`@`h%`") ==
           "CREATE OR REPLACE DEFINER=`u`@`h%` PROCEDURE `consort event run 1.3`() SQL SECURITY "
           "DEFINER SELECT 1");
    EXPECT(is_program_of(program_name(1, 3), 1));
    EXPECT_FALSE(is_program_of(program_name(11, 3), 1));
  }
}

}  // namespace
}  // namespace consort::proxy
