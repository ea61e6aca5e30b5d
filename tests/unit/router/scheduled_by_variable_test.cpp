#include "router/scheduled_by_variable.h"

#include "tests/support/test.h"

using namespace consort::router;

namespace {

bool scheduled(std::string_view sql) {
  return scheduled_by_variable(sql, classify(sql), {});
}

}  // namespace

TEST_SUITE("route") {
  TEST_CASE("scheduled_by_variable: a schedule that the session alone can compute") {
    for (const char* sql :
         {"CREATE EVENT e ON SCHEDULE AT @t DO SELECT 1",
          "CREATE DEFINER=root@localhost EVENT IF NOT EXISTS d.e ON SCHEDULE EVERY @n HOUR DO DO 1",
          "create or replace event e on schedule every 1 day starts now() + interval @n day do set "
          "@x = 1",
          "ALTER EVENT e ON SCHEDULE EVERY 1 DAY ENDS (@t) COMMENT 'x'",
          "CREATE EVENT e ON SCHEDULE EVERY @@server_id HOUR DO SELECT 1",
          "CREATE EVENT e ON SCHEDULE AT NOW() + INTERVAL rand() * 60 SECOND DO SELECT 1",
          "CREATE EVENT e ON SCHEDULE EVERY CONNECTION_ID() HOUR DO SELECT 1",
          "ALTER EVENT e /*!50100 ON SCHEDULE AT @t */ RENAME TO f"}) {
      CAPTURE(sql);
      EXPECT(scheduled(sql));
    }
  }

  TEST_CASE("scheduled_by_variable: everything else") {
    for (const char* sql :
         {"CREATE DEFINER=root@localhost EVENT e ON SCHEDULE EVERY 1 DAY DO SET @x = RAND()",
          "CREATE EVENT rand ON SCHEDULE EVERY 1 DAY STARTS NOW() DO SELECT @@server_id",
          "CREATE EVENT e ON SCHEDULE AT '2030-01-01 00:00:00' COMMENT '@t' DO SELECT @t",
          "ALTER DEFINER=a@b EVENT e ENABLE", "ALTER EVENT e DO SELECT @t", "DROP EVENT e",
          "CREATE TABLE schedule (a INT DEFAULT (@t))"}) {
      CAPTURE(sql);
      EXPECT_FALSE(scheduled(sql));
    }
  }
}
