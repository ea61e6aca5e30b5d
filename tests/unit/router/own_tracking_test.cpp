#include "router/own_tracking.h"

#include "router/classify.h"
#include "router/router.h"
#include "tests/support/test.h"

namespace consort::router {
namespace {

std::optional<TrackingSet> tracked(std::string_view sql) {
  return with_own_tracking(sql, classify(sql, {}));
}

using Names = std::vector<std::string>;

TEST_SUITE("router") {
  TEST_CASE("session_track_* is assigned to itself, the rest stays") {
    struct Row {
      std::string_view sql;
      std::string_view kept;
      std::string_view assignments;
    };

    const Row table[] = {
        {"set autocommit=1, session_track_schema=a(0,1), sql_mode = concat(@@sql_mode,',ANSI')",
         "set autocommit=1, session_track_schema=@@session.session_track_schema, "
         "sql_mode = concat(@@sql_mode,',ANSI')",
         "SESSION session_track_schema=a(0,1)"},
        {"SET SESSION session_track_system_variables = 'a,b' ",
         "SET SESSION session_track_schema = @@session.session_track_schema ",
         "SESSION session_track_system_variables='a,b'"},
        {"SET @@session.Session_Track_Schema := 1, session_track_system_variables=DEFAULT",
         "SET @@session.session_track_schema := @@session.session_track_schema, "
         "session_track_schema=@@session.session_track_schema",
         "SESSION Session_Track_Schema=1, SESSION session_track_system_variables=DEFAULT"},
    };
    for (const Row& row : table) {
      CAPTURE(row.sql);
      EXPECT(classify(row.sql, {}).has(Flag::kGuardedSetting));
      const auto set = tracked(row.sql);
      REQUIRE(set.has_value());
      EXPECT(set->sql == row.kept);
      EXPECT(set->assignments == row.assignments);
      EXPECT_FALSE(set->schema.has_value());
      EXPECT_FALSE(classify(set->sql, {}).has(Flag::kGuardedSetting));
    }
  }

  TEST_CASE("session_track_schema: a literal needs no server to be understood") {
    for (const std::string_view on : {"1", "ON", "'on'", "TRUE"}) {
      CAPTURE(on);
      EXPECT(tracked("SET session_track_schema=" + std::string(on)).value().schema == true);
    }
    for (const std::string_view off : {"0", "Off", "'OFF'", "false"}) {
      CAPTURE(off);
      EXPECT(tracked("SET session_track_schema=" + std::string(off)).value().schema == false);
    }
    for (const std::string_view other : {"'1'", "'true'", "1-1", "DEFAULT", "2", "@a", "NULL"}) {
      CAPTURE(other);
      EXPECT_FALSE(tracked("SET session_track_schema=" + std::string(other)).value().schema);
    }
    EXPECT(tracked("SET session_track_schema=0, session_track_schema=1").value().schema == true);
    EXPECT_FALSE(tracked("SET session_track_schema=@a, session_track_schema=1").value().schema);
  }

  TEST_CASE("session_track_system_variables: what is set before it is not told") {
    const auto unheard = [](std::string_view sql) { return tracked(sql).value().unheard; };
    EXPECT((unheard("SET autocommit=1, SQL_MODE='', @x=1, session_track_system_variables='*', "
                    "sql_mode='', time_zone='SYSTEM'") == Names{"autocommit"}));
    EXPECT(unheard("SET session_track_system_variables='*', autocommit=1").empty());
    EXPECT((unheard("SET NAMES utf8, session_track_system_variables='*', collation_connection=x") ==
            Names{"character_set_client", "character_set_connection", "character_set_results"}));
    EXPECT(unheard("SET autocommit=1, session_track_schema=0").empty());
    EXPECT((unheard("SET a=1, session_track_system_variables='a', b=1, "
                    "session_track_system_variables='*', c=1") == Names{"a", "b"}));
  }

  TEST_CASE("session_track_*: which of them a SET assigns") {
    for (const bool list : {true, false}) {
      for (const bool schema : {true, false}) {
        if (list || schema) {
          const auto set =
              tracked("SET a=1" + std::string(list ? ", session_track_system_variables=''" : "") +
                      (schema ? ", session_track_schema=1" : ""));
          REQUIRE(set.has_value());
          EXPECT(set->sets_list == list);
          EXPECT(set->sets_schema == schema);
        }
      }
    }
  }

  TEST_CASE("session_track_*: no text with executable comments is taken apart") {
    for (const std::string_view sql :
         {"SET session_track_schema=0 /*!+1*/", "SET session_track_schema=/*M!0 */ +1"}) {
      CAPTURE(sql);
      EXPECT(classify(sql, {}).has(Flag::kGuardedSetting));  // and so it is refused
      EXPECT_FALSE(tracked(sql).has_value());
    }
  }

  TEST_CASE("session_track_*: what else is guarded stays refused, other texts stay") {
    const auto both = tracked("SET session_track_schema=0, sql_log_bin=0");
    REQUIRE(both.has_value());
    EXPECT(both->sql == "SET session_track_schema=@@session.session_track_schema, sql_log_bin=0");
    EXPECT(classify(both->sql, {}).has(Flag::kGuardedSetting));
    for (const std::string_view sql :
         {"SET sql_log_bin=0", "SET autocommit=1", "SET GLOBAL session_track_schema=1", "SELECT 1",
          "SET STATEMENT session_track_schema=0 FOR SELECT 1",
          "SET session_track_schema=0; SELECT 1", "SET session_track_state_change=1",
          "SET session_track_schema=@@session.session_track_schema"}) {
      CAPTURE(sql);
      EXPECT_FALSE(tracked(sql).has_value());
    }
    EXPECT(classify("SET sql_log_bin=@@session.sql_log_bin", {}).has(Flag::kGuardedSetting));
  }
}

}  // namespace
}  // namespace consort::router
