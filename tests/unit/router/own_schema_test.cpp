#include "router/own_schema.h"

#include "router/classify.h"
#include "tests/support/test.h"

namespace consort::router {
namespace {

std::string without(std::string_view sql) {
  return without_own_schema(sql, classify(sql), {}).value_or("-");
}

TEST_SUITE("router") {
  TEST_CASE("OwnSchema: SHOW DATABASES leaves it out") {
    constexpr const char* kOthers = "BINARY `Database`<>'consort'";
    const std::string where = std::string(" WHERE ") + kOthers;
    EXPECT(without("SHOW DATABASES") == "SHOW DATABASES" + where);
    EXPECT(without(" show /* all */ schemas ; ") == " show /* all */ schemas" + where);
    EXPECT(without("SHOW DATABASES WHERE `Database` LIKE 'a%' OR 1 -- x") ==
           std::string("SHOW DATABASES WHERE (`Database` LIKE 'a%' OR 1) AND ") + kOthers);
    EXPECT(without("SHOW DATABASES WHERE 'a' = 'b';") ==
           std::string("SHOW DATABASES WHERE ('a' = 'b') AND ") + kOthers);
  }

  TEST_CASE("OwnSchema: what Consort has granted to PUBLIC") {
    const auto shows = [](std::string_view sql) { return shows_grants(sql, classify(sql), {}); };
    EXPECT(shows("SHOW GRANTS"));
    EXPECT(shows("show grants for current_user()"));
    EXPECT_FALSE(shows("SHOW TABLES"));
    EXPECT_FALSE(shows("SHOW GRANTS; SELECT 1"));
    EXPECT(is_own_grant("GRANT SELECT ON `consort`.`position` TO PUBLIC"));
    EXPECT(is_own_grant("GRANT EXECUTE ON PROCEDURE `consort`.`mark_branch` TO PUBLIC"));
    EXPECT(is_own_grant("GRANT CREATE TEMPORARY TABLES ON \"consort\".* TO PUBLIC"));
    EXPECT(is_own_grant("GRANT SELECT ON consort.ddl_mark TO PUBLIC"));
    EXPECT_FALSE(is_own_grant("GRANT SELECT ON `consorts`.* TO PUBLIC"));
    EXPECT_FALSE(is_own_grant("GRANT SELECT ON `d`.* TO PUBLIC"));
    EXPECT_FALSE(is_own_grant("GRANT SELECT ON `consort`.* TO `app`@`%`"));
    EXPECT_FALSE(is_own_grant(""));
  }

  TEST_CASE("OwnSchema: other statements stay what they are") {
    for (const char* sql :
         {"SHOW DATABASES LIKE 'c%'", "SHOW TABLES", "SHOW CREATE DATABASE consort",
          "SHOW DATABASES WHERE", "SHOW DATABASES x", "SELECT 1", "SHOW DATABASES WHERE 'a",
          "SHOW DATABASES; SELECT 1"}) {
      CAPTURE(sql);
      EXPECT(without(sql) == "-");
    }
  }
}

}  // namespace
}  // namespace consort::router
