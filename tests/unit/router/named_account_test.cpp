#include "router/named_account.h"

#include "tests/support/test.h"

namespace consort::router {
namespace {

std::string named(std::string_view sql, std::string_view account = "u@10.%") {
  return with_account_named(sql, classify(sql), {}, account).value_or("-");
}

TEST_SUITE("router") {
  TEST_CASE("with_account_named: every form that means whoever runs it") {
    struct Row {
      std::string_view sql;
      std::string_view expected;
    };

    const Row rows[] = {
        {"SET PASSWORD = PASSWORD('x')", "SET PASSWORD FOR `u`@`10.%` = PASSWORD('x')"},
        {"set password='*AB';", "set password FOR `u`@`10.%`='*AB'"},
        {"SET DEFAULT ROLE r ; ", "SET DEFAULT ROLE r FOR `u`@`10.%`"},
        {"SET DEFAULT ROLE NONE -- mine", "SET DEFAULT ROLE NONE FOR `u`@`10.%`"},
        {"CREATE OR REPLACE ROLE r", "CREATE OR REPLACE ROLE r WITH ADMIN `u`@`10.%`"},
        {"CREATE ROLE r WITH ADMIN CURRENT_USER()", "CREATE ROLE r WITH ADMIN `u`@`10.%`"},
        {"GRANT r TO CURRENT_USER ( ), v", "GRANT r TO `u`@`10.%`, v"},
        {"ALTER USER CURRENT_USER IDENTIFIED BY 'CURRENT_USER'",
         "ALTER USER `u`@`10.%` IDENTIFIED BY 'CURRENT_USER'"},
        {"SET PASSWORD FOR current_user = ''", "SET PASSWORD FOR `u`@`10.%` = ''"},
        {"DROP USER CURRENT_USER(), v", "DROP USER `u`@`10.%`, v"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.sql);
      const std::string text = named(row.sql);
      EXPECT(text == row.expected);
      const Statement again = classify(text);
      EXPECT_FALSE(again.has(Flag::kCurrentUser));
      EXPECT(changes_accounts(again.kind));
    }
    EXPECT(named("SET PASSWORD = ''", "a`b@c@%") == "SET PASSWORD FOR `a``b@c`@`%` = ''");
  }

  TEST_CASE(
      "with_account_named: not where nobody is meant, or a role, or the text hides something") {
    for (const std::string_view sql :
         {"SET PASSWORD FOR u = ''", "CREATE USER u", "GRANT r TO CURRENT_ROLE",
          "SELECT CURRENT_USER()", "/*!50000 SET PASSWORD = '' */", "SET PASSWORD = ''; SELECT 1",
          "CREATE ROLE r WITH ADMIN CURRENT_ROLE"}) {
      CAPTURE(sql);
      EXPECT(named(sql) == "-");
    }
  }
}

}  // namespace
}  // namespace consort::router
