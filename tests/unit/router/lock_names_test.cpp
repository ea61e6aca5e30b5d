#include "router/lock_names.h"

#include <string>

#include "tests/support/test.h"

using namespace consort::router;

namespace {

std::string names_in(std::string_view sql, const LexerOptions& options = {}) {
  const auto names = lock_names(sql, options);
  if (!names) {
    return "?";
  }
  std::string text;
  for (const std::string_view name : *names) {
    text += std::string(name) + " ";
  }
  return text;
}

}  // namespace

TEST_SUITE("route") {
  TEST_CASE("lock_names: literals are told, anything else is not") {
    EXPECT(names_in("SELECT GET_LOCK('a', 10)") == "'a' ");
    EXPECT(names_in("select get_lock ( \"it''s\" , 0 ), GET_LOCK('b',1)") == "\"it''s\" 'b' ");
    EXPECT(names_in("SELECT RELEASE_LOCK('a')") == "");
    EXPECT(names_in("SELECT 'GET_LOCK(x, 1)', get_lock FROM t") == "");
    EXPECT(names_in("SELECT GET_LOCK(?, 10)") == "?");
    EXPECT(names_in("SELECT GET_LOCK(CONCAT('a', 1), 10)") == "?");
    EXPECT(names_in("SELECT GET_LOCK('a' 'b', 10)") == "?");
    EXPECT(names_in("SELECT GET_LOCK(@n, 10)") == "?");
    LexerOptions doubtful;
    doubtful.doubtful = true;
    EXPECT(names_in("SELECT GET_LOCK('a', 10)", doubtful) == "?");
  }
}
