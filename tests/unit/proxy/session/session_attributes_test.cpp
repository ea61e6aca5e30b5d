// Query attributes of a client of MySQL 8: out of its commands, along to whoever executes them.
#include "proxy/session/session_core.h"
#include "tests/unit/proxy/session/prepare_script.h"

namespace consort::proxy {
namespace {

using protocol::Command;
constexpr std::uint64_t kWithAttributes =
    SessionScript::kClient | protocol::capability::kQueryAttributes;

/// A COM_QUERY with an attribute "a", the text "x".
void attributed_query(SessionScript& script, std::string_view sql) {
  Buffer argument{1, 1, 0, 1, 0xFE, 0, 1, 'a', 1, 'x'};
  append(argument, sql);
  script.command(Command::kQuery, argument);
}

void bare_query(SessionScript& script, std::string_view sql) {
  Buffer argument{0, 1};
  append(argument, sql);
  script.command(Command::kQuery, argument);
}

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a text is read without its query attributes, which it keeps") {
    SessionScript script({0xC1, 3, 16, {}}, kWithAttributes);
    attributed_query(script, "UPDATE t SET v=1");
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "UPDATE t SET v=1", "XA END", "XA PREPARE"}));
    EXPECT(script.core.query_attributes().count() == 1);
    EXPECT(script.core.query_attributes().values == Buffer{1, 'x'});
  }

  TEST_CASE("SessionCore: query attributes are those of one command") {
    SessionScript script({0xC1, 3, 16, {}}, kWithAttributes);
    attributed_query(script, "BEGIN");
    EXPECT(script.core.query_attributes().count() == 1);
    bare_query(script, "ROLLBACK");
    EXPECT(script.core.query_attributes().count() == 0);
    attributed_query(script, "BEGIN");
    script.command(Command::kPing, {});
    EXPECT(script.core.query_attributes().count() == 0);
  }

  TEST_CASE("SessionCore: malformed query attributes, and a session that goes on") {
    SessionScript script({0xC1, 3, 16, {}}, kWithAttributes);
    script.query("UPDATE t SET v=1");  // no place for them
    EXPECT(script.answer() == "ERR 1835");
    EXPECT(script.sent(Channel::kHome).empty());
    REQUIRE(script.core.idle());
    bare_query(script, "BEGIN");
    EXPECT(script.core.in_transaction());
  }

  TEST_CASE("SessionCore: an execution must count its parameters where it may have attributes") {
    SessionScript script({0xC1, 3, 16, {}}, kWithAttributes);
    prepare_at_home(script, "INSERT INTO t VALUES (?)", 7, 1);
    const Buffer uncounted{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 9};
    script.command(Command::kStmtExecute, uncounted);
    EXPECT(script.answer() == "ERR 1210");
    REQUIRE(script.core.idle());
    const Buffer counted{1, 0, 0, 0, 8, 1, 0, 0, 0, 2, 2, 1, 1, 0, 0, 6, 0, 1, 'b', 9};
    script.command(Command::kStmtExecute, counted);
    EXPECT((script.sent(Channel::kHome) == Texts{"XA START", "EXECUTE 7", "XA END", "XA PREPARE"}));
    EXPECT((script.core.query_attributes().nulls == std::vector<bool>{true}));
  }

  TEST_CASE("SessionCore: who has not asked for query attributes sends none") {
    SessionScript script;
    script.query("BEGIN");
    EXPECT(script.core.in_transaction());
    EXPECT(script.core.query_attributes().count() == 0);
  }
}

}  // namespace
}  // namespace consort::proxy
