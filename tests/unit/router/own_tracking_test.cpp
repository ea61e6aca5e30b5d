#include "router/own_tracking.h"

#include "router/classify.h"
#include "router/router.h"
#include "tests/support/test.h"

namespace consort::router {
namespace {

std::string tracked(std::string_view sql) {
  return with_own_tracking(sql, classify(sql, {})).value_or("-");
}

TEST_SUITE("router") {
  TEST_CASE("session_track_* is assigned to itself, the rest stays") {
    struct Row {
      std::string_view sql;
      std::string_view expected;
    };

    const Row table[] = {
        {"set autocommit=1, session_track_schema=0, sql_mode = concat(@@sql_mode,',ANSI')",
         "set autocommit=1, session_track_schema=@@session.session_track_schema, "
         "sql_mode = concat(@@sql_mode,',ANSI')"},
        {"SET SESSION session_track_system_variables = 'a,b' ",
         "SET SESSION session_track_system_variables = "
         "@@session.session_track_system_variables "},
        {"SET @@session.Session_Track_State_Change := ON",
         "SET @@session.Session_Track_State_Change := @@session.Session_Track_State_Change"},
    };
    for (const Row& row : table) {
      CAPTURE(row.sql);
      EXPECT(classify(row.sql, {}).has(Flag::kGuardedSetting));
      EXPECT(tracked(row.sql) == row.expected);
      EXPECT_FALSE(classify(row.expected, {}).has(Flag::kGuardedSetting));
    }
  }

  TEST_CASE("session_track_*: what else is guarded stays refused, other texts stay") {
    const std::string both = tracked("SET session_track_schema=0, sql_log_bin=0");
    EXPECT(both == "SET session_track_schema=@@session.session_track_schema, sql_log_bin=0");
    EXPECT(classify(both, {}).has(Flag::kGuardedSetting));
    for (const std::string_view sql :
         {"SET sql_log_bin=0", "SET autocommit=1", "SET GLOBAL session_track_schema=1", "SELECT 1",
          "SET STATEMENT session_track_schema=0 FOR SELECT 1",
          "SET session_track_schema=0; SELECT 1",
          "SET session_track_schema=@@session.session_track_schema"}) {
      CAPTURE(sql);
      EXPECT(tracked(sql) == "-");
    }
    EXPECT(classify("SET sql_log_bin=@@session.sql_log_bin", {}).has(Flag::kGuardedSetting));
  }
}

}  // namespace
}  // namespace consort::router
