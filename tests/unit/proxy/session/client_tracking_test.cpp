#include "proxy/session/client_tracking.h"

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

TEST_SUITE("session") {
  TEST_CASE("ClientTracking: by default what MariaDB tells by default") {
    const ClientTracking tracking;
    for (const std::string_view name :
         {"autocommit", "character_set_client", "character_set_connection", "character_set_results",
          "time_zone", "redirect_url"}) {
      CAPTURE(name);
      EXPECT(tracking.wants(name));
    }
    for (const std::string_view name : {"sql_mode", "last_gtid", "session_track_schema", ""}) {
      CAPTURE(name);
      EXPECT_FALSE(tracking.wants(name));
    }
  }

  TEST_CASE("ClientTracking: a list of names, all, none") {
    ClientTracking tracking;
    tracking.set_list("sql_mode,time_zone,last_gtid");
    EXPECT(tracking.wants("sql_mode"));
    EXPECT(tracking.wants("time_zone"));
    EXPECT_FALSE(tracking.wants("autocommit"));
    EXPECT_FALSE(tracking.wants("time"));
    EXPECT_FALSE(tracking.wants("last_gtid"));  // of one backend
    tracking.set_list("*");
    EXPECT(tracking.wants("max_join_size"));
    EXPECT_FALSE(tracking.wants("pseudo_slave_mode"));
    EXPECT_FALSE(tracking.wants("last_gtid"));
    tracking.set_list("");
    EXPECT_FALSE(tracking.wants("autocommit"));
    EXPECT_FALSE(tracking.wants(""));
  }

  TEST_CASE("ClientTracking: its own variables have the client's values") {
    ClientTracking tracking;
    tracking.set_schema(false);
    tracking.set_list("session_track_schema,session_track_system_variables");
    protocol::SessionChanges changes;
    changes.schema = "d";
    changes.system_variables = {{"session_track_system_variables", "*"},
                                {"autocommit", "ON"},
                                {"session_track_schema", "ON"}};
    tracking.filter(changes);
    EXPECT_FALSE(changes.schema.has_value());
    REQUIRE(changes.system_variables.size() == 2);
    EXPECT(changes.system_variables[0].second ==
           "session_track_schema,session_track_system_variables");
    EXPECT(changes.system_variables[1].second == "OFF");
  }

  TEST_CASE("ClientTracking: as SQL") {
    ClientTracking tracking;
    EXPECT(tracking.set_statement() ==
           "SET SESSION session_track_schema=1, SESSION session_track_system_variables=DEFAULT");
    EXPECT(tracking.list_sql() == "@@global.session_track_system_variables");
    tracking.set_list("a");
    tracking.set_schema(false);
    EXPECT(tracking.set_statement() ==
           "SET SESSION session_track_schema=0, SESSION session_track_system_variables="
           "_utf8mb4 X'61'");
    EXPECT(tracking.list_sql() == "IF(1,_utf8mb4 X'61',@@session.session_track_system_variables)");
    EXPECT(tracking.schema_sql() == "@@session.skip_replication");
  }

  TEST_CASE("ClientTracking: the global values that a session begins with") {
    ClientTracking tracking;
    EXPECT_FALSE(tracking.set_first("sql_mode", "ANSI"));
    EXPECT(tracking.set_first("session_track_system_variables",
                              "autocommit,character_set_client,character_set_connection,"
                              "character_set_results,time_zone"));
    EXPECT(tracking.list().empty());  // what every server has by itself
    EXPECT(tracking.wants("time_zone"));
    tracking.keep_list("sql_mode");  // the global one is another now
    EXPECT(tracking.list() == "sql_mode");
    tracking.keep_list("time_zone");
    EXPECT(tracking.list() == "sql_mode");
    EXPECT(tracking.set_first("session_track_system_variables", ""));
    EXPECT_FALSE(tracking.wants("time_zone"));
    EXPECT(tracking.set_first("session_track_schema", "OFF"));
    EXPECT(tracking.schema_sql() == "@@session.skip_replication");
    EXPECT(tracking.set_first("session_track_schema", "1"));
    EXPECT(tracking.schema_sql() == "@@session.session_track_schema");
  }
}

}  // namespace
}  // namespace consort::proxy
