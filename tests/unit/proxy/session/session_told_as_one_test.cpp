// Servers that tell of one variable in another's place: told_as_one.h.
#include "proxy/session/server_dialect.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {
namespace {

const std::string kTellEverything(dialect_of(ServerKind::kMariadb).tell_everything);

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a SET of what is told as one stands between fresh tracking") {
    for (const std::string_view sql :
         {"SET timestamp = 5", "SET @@session.rand_seed2=1", "SET @a=1, insert_id=7",
          "SET LAST_INSERT_ID=4", "SET identity=4", "SET timestamp=DEFAULT"}) {
      CAPTURE(sql);
      SessionScript script;
      script.shows_guards = true;
      script.query(sql);
      EXPECT((script.sent(Channel::kHome) ==
              Texts{kTellEverything, std::string(sql), kTellEverything}));
    }
    for (const std::string_view sql :
         {"SET sql_mode=''", "SET @timestamp=5", "SET GLOBAL timestamp=5", "SELECT @@timestamp"}) {
      CAPTURE(sql);
      SessionScript script;
      script.shows_guards = true;
      script.query(sql);
      for (const std::string& text : script.sent(Channel::kHome)) {
        EXPECT(text != kTellEverything);
      }
    }
  }

  TEST_CASE("SessionCore: of several that are told as one the text says the others") {
    SessionScript script;
    script.query("SET rand_seed1=3, rand_seed2=4, timestamp=5, sql_mode=''");
    script.home_tells({{"rand_seed1", "3"}, {"sql_mode", ""}});
    EXPECT(script.core.state().variable("rand_seed1") == "3");
    EXPECT(script.core.state().variable("rand_seed2") == "4");
    EXPECT(script.core.state().variable("timestamp") == "5");
    EXPECT(script.core.state().variable("sql_mode") == "");
    EXPECT(script.core.home_has_traces());
    script.query("SET rand_seed1=6, timestamp=0");
    script.home_tells({{"rand_seed1", "6"}});
    EXPECT_FALSE(script.core.state().variable("timestamp"));
  }

  TEST_CASE("SessionCore: DDL that is told as the clock which it has stopped stops no client's") {
    SessionScript script;
    (void)give_turn(script, "CREATE TABLE x (a INT)");
    script.backend_ok(Channel::kHome);                        // the fence
    script.home_tells({{"timestamp", "1700000000.000250"}});  // the DDL
    script.sent(Channel::kHome);
    EXPECT_FALSE(script.core.state().variable("timestamp"));
    EXPECT_FALSE(script.core.home_has_traces());
  }
}

}  // namespace
}  // namespace consort::proxy
