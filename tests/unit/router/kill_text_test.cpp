#include "router/kill_text.h"

#include "tests/support/test.h"

namespace consort::router {
namespace {

std::string killed_name(std::string_view operand) {
  const auto found = killed_account(operand, {});
  if (!found) {
    return "-";
  }
  return found->current ? "current" : found->user + " at " + found->host;
}

TEST_SUITE("router") {
  TEST_CASE("KillText: a question for the number") {
    EXPECT(kill_question("@id + (1)", {}) == "VALUES (CAST((@id + (1)) AS SIGNED))");
    EXPECT(kill_question("", {}) == "VALUES (CAST(() AS SIGNED))");
    EXPECT(kill_question("5 6", {})->ends_with(std::string("5 6") + std::string(kKillQuestionEnd)));
    EXPECT(prepared_kill_question("?", {}) == "SELECT CAST(CAST((?) AS SIGNED) AS CHAR)");
    for (const std::string_view operand : {"1) + (2", "(1", "'1", "1; 2", "1 /* 2"}) {
      CAPTURE(operand);
      EXPECT_FALSE(kill_question(operand, {}).has_value());
      EXPECT_FALSE(prepared_kill_question(operand, {}).has_value());
    }
    LexerOptions doubtful;
    doubtful.doubtful = true;
    EXPECT_FALSE(kill_question("@id", doubtful).has_value());
  }

  TEST_CASE("KillText: whose sessions KILL USER ends") {
    EXPECT(killed_name("bob") == "bob at %");
    EXPECT(killed_name("bob@localhost") == "bob at localhost");
    EXPECT(killed_name("'bob'@'%'") == "bob at %");
    EXPECT(killed_name("`b``b`@\"10.0.0.1\"") == "b`b at 10.0.0.1");
    EXPECT(killed_name("\"bob\"") == "bob at %");
    EXPECT(killed_name("CURRENT_USER") == "current");
    EXPECT(killed_name("current_user ( )") == "current");
    for (const std::string_view operand :
         {"", "bob alice", "'b''b'", "'b\\'b'", "5", "bob@'a' x", "CURRENT_USER(1)", "'bob"}) {
      CAPTURE(operand);
      EXPECT(killed_name(operand) == "-");
    }
  }
}

}  // namespace
}  // namespace consort::router
