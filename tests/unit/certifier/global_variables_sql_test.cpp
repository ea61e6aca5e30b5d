#include "certifier/global_variables_sql.h"

#include "tests/support/test.h"

namespace consort::certifier {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

TEST_SUITE("certifier") {
  TEST_CASE("set_globals_sql: keeps the values, then each has a statement that may fail alone") {
    const GlobalVariable variables[] = {
        {"a", "7", false}, {"b", "it's", true}, {"c", std::nullopt, true}};
    const std::string sql = set_globals_sql(variables);
    EXPECT(contains(sql, "(name,value,is_text) VALUES ('a','7',0),('b','it\\'s',1),('c',NULL,1);"));
    EXPECT(contains(sql,
                    "EXECUTE IMMEDIATE 'SET GLOBAL `a`=7'; "
                    "EXECUTE IMMEDIATE 'SET SESSION `a`=DEFAULT'; "));
    EXPECT(contains(sql, "EXECUTE IMMEDIATE 'SET GLOBAL `b`=\\'it\\\\\\'s\\''; "));
    EXPECT(contains(sql, "EXECUTE IMMEDIATE 'SET GLOBAL `c`=NULL'; "));
    const GlobalVariable cache[] = {{"hot.key_buffer_size", "4096", false}};
    EXPECT(contains(set_globals_sql(cache),
                    "EXECUTE IMMEDIATE 'SET GLOBAL `hot`.`key_buffer_size`=4096'; "));
    // What is kept must be kept: only behind it errors are passed over.
    EXPECT(sql.find("REPLACE INTO consort.global_variables") < sql.find("CONTINUE HANDLER"));
    EXPECT(sql.find("CONTINUE HANDLER") < sql.find("SET GLOBAL"));
  }
}

}  // namespace
}  // namespace consort::certifier
