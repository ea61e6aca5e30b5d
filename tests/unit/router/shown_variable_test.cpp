#include "router/shown_variable.h"

#include "tests/support/test.h"

namespace consort::router {
namespace {

std::optional<std::string> with_scheduler_on(std::string_view sql, const LexerOptions& options) {
  return with_shown_variable(sql, options, {"event_scheduler", "event_", "'ON'"});
}

TEST_SUITE("router") {
  TEST_CASE("ShownVariable: SHOW VARIABLES of event_scheduler alone says ON") {
    for (const std::string_view sql :
         {"SHOW VARIABLES LIKE 'event_scheduler'", "show global variables like 'EVENT_SCHEDULER';",
          "SHOW SESSION VARIABLES LIKE 'event_s%'", "SHOW LOCAL VARIABLES LIKE 'event_%' /* x */",
          "SHOW VARIABLES WHERE Variable_name = 'event_scheduler'"}) {
      CAPTURE(sql);
      EXPECT(with_scheduler_on(sql, {}) ==
             "SELECT 'event_scheduler' AS Variable_name,'ON' AS Value");
    }
  }

  TEST_CASE("ShownVariable: everything else stays the server's") {
    EXPECT(with_shown_variable("SHOW VARIABLES LIKE 'init_c%'", {},
                               {"init_connect", "init_c", "'x'"}) ==
           "SELECT 'init_connect' AS Variable_name,'x' AS Value");
    EXPECT_FALSE(
        with_shown_variable("SHOW VARIABLES LIKE 'init_%'", {}, {"init_connect", "init_c", "'x'"}));
    LexerOptions doubtful;
    doubtful.doubtful = true;
    EXPECT_FALSE(with_scheduler_on("SHOW VARIABLES LIKE 'event_scheduler'", doubtful));
    for (const std::string_view sql :
         {"SHOW VARIABLES", "SHOW VARIABLES LIKE '%scheduler'", "SHOW VARIABLES LIKE 'event%'",
          "SHOW VARIABLES LIKE 'e%r'", "SHOW VARIABLES LIKE 'event_%r%'", "SHOW VARIABLES LIKE ''",
          "SHOW VARIABLES WHERE Variable_name LIKE 'event_scheduler'",
          "SHOW VARIABLES WHERE Variable_name = 'event_%'",
          "SHOW VARIABLES WHERE Value = 'event_scheduler'",
          "SHOW VARIABLES LIKE 'event_scheduler' OR 1", "SHOW STATUS LIKE 'event_scheduler'",
          "SELECT 'event_scheduler'", ""}) {
      CAPTURE(sql);
      EXPECT_FALSE(with_scheduler_on(sql, {}));
    }
  }
}

}  // namespace
}  // namespace consort::router
