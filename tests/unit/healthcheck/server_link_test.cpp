#include "healthcheck/server_link.h"

#include "tests/support/test.h"

using namespace consort::healthcheck;

TEST_SUITE("healthcheck") {
  TEST_CASE("ServerLink: error numbers tell what to do") {
    struct Row {
      unsigned number;
      const char* text;
      ProbeFailure failure;
    };

    for (const Row& row : {
             Row{2002, "Can't connect to server on '127.0.0.1' (111)", ProbeFailure::kRefused},
             Row{2003, "Can't connect to server on 'db(1)' (111 \"Connection refused\")",
                 ProbeFailure::kRefused},
             Row{2002, "Can't connect to server on '127.0.0.1' (115)",
                 ProbeFailure::kConnectTimeout},
             Row{2002, "Can't connect to server on '10.0.0.1' (113)",
                 ProbeFailure::kConnectTimeout},
             Row{2005, "Unknown server host 'x' (-2)", ProbeFailure::kConnectTimeout},
             Row{2013, "Lost connection to server during query", ProbeFailure::kReset},
             Row{2006, "Server has gone away", ProbeFailure::kReset},
             Row{1053, "Server shutdown in progress", ProbeFailure::kReset},
             Row{1040, "Too many connections", ProbeFailure::kOverloaded},
             Row{1203, "User already has more than", ProbeFailure::kOverloaded},
             Row{1045, "Access denied", ProbeFailure::kLoginRefused},
             Row{1129, "Host is blocked", ProbeFailure::kLoginRefused},
             Row{1064, "You have an error", ProbeFailure::kServerError},
         }) {
      CAPTURE(row.text);
      EXPECT((classify_error(row.number, row.text) == row.failure));
    }
  }

  TEST_CASE("ServerLink: which errors end the connection") {
    for (const int number : {2000, 2006, 2013, 1053, 1927}) {
      CAPTURE(number);
      EXPECT(is_link_error(number));
    }
    for (const int number : {0, 1064, 1213, 1397, 1045}) {
      CAPTURE(number);
      EXPECT_FALSE(is_link_error(number));
    }
  }

  TEST_CASE("ServerLink: a literal means the same under every sql_mode") {
    EXPECT(sql_literal("") == "''");
    EXPECT(sql_literal("a'\\") == "_utf8mb4 x'61275c'");
  }
}
