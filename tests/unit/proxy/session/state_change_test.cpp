#include "proxy/session/state_change.h"

#include "proxy/session/statement_cache.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

SessionState state(std::string_view schema,
                   std::initializer_list<std::pair<const char*, const char*>> variables) {
  SessionState made;
  made.set_schema(schema, Seqno{});
  for (const auto& [name, value] : variables) {
    made.set_variable(name, value);
  }
  return made;
}

std::string change(const SessionState& from, const SessionState& to) {
  return settings_change(from.settings().get(), to.settings().get(), ServerKind::kMariadb)
      .value_or("reset");
}

TEST_SUITE("session") {
  TEST_CASE("settings_change: only what differs, and defaults for what the other had set") {
    const SessionState none;
    const SessionState slow = state("", {{"max_statement_time", "5"}, {"sql_select_limit", "7"}});
    const SessionState slower = state("", {{"max_statement_time", "9"}, {"sql_select_limit", "7"}});
    const SessionState ansi = state("", {{"sql_mode", "ANSI"}});
    EXPECT(change(none, none).empty());
    EXPECT(change(slow, slow).empty());
    EXPECT(change(none, slow) == "SET SESSION max_statement_time=5, SESSION sql_select_limit=7");
    EXPECT(change(slow, slower) == "SET SESSION max_statement_time=9");
    EXPECT(change(ansi, none) == "SET SESSION sql_mode=DEFAULT");
    EXPECT(
        change(ansi, slow) ==
        "SET SESSION sql_mode=DEFAULT, SESSION max_statement_time=5, SESSION sql_select_limit=7");
    EXPECT(change(none, ansi) == "SET SESSION sql_mode=_utf8mb4 X'414E5349'");
  }

  TEST_CASE("settings_change: a character set goes back to the login's by a reset only") {
    const SessionState none;
    const SessionState latin1 = state("", {{"character_set_client", "latin1"}});
    const SessionState latin2 = state("", {{"character_set_client", "latin2"}});
    EXPECT(change(latin1, none) == "reset");
    EXPECT(change(latin1, latin2) == "SET SESSION character_set_client=_utf8mb4 X'6C6174696E32'");
    EXPECT(change(state("", {{"some_new_variable", "1"}}), none) == "reset");
  }

  TEST_CASE("settings_change: a character set without a collation is what SET NAMES makes of it") {
    const auto names = [](const char* client, const char* connection, const char* results) {
      return state("", {{"character_set_client", client},
                        {"character_set_connection", connection},
                        {"character_set_results", results}});
    };
    const SessionState none;
    const SessionState utf8 = names("utf8mb4", "utf8mb4", "utf8mb4");
    EXPECT(change(none, utf8) == "SET NAMES utf8mb4");
    EXPECT(change(utf8, utf8).empty());
    EXPECT(change(names("latin1", "latin1", "latin1"), utf8) == "SET NAMES utf8mb4");
    const std::string latin1 = sql_text_literal("latin1");
    EXPECT(change(utf8, names("utf8mb4", "utf8mb4", "latin1")) ==
           "SET SESSION character_set_results=" + latin1);
    // What stays as it was is said again: SET NAMES has changed it.
    EXPECT(change(names("latin1", "latin2", "latin1"), names("latin1", "utf8mb4", "latin1")) ==
           "SET NAMES utf8mb4, SESSION character_set_client=" + latin1 +
               ", SESSION character_set_results=" + latin1);
    EXPECT(change(none, names("latin1", "ucs2", "latin1")).starts_with("SET SESSION"));
    EXPECT(change(state("", {{"sql_mode", ""}}), utf8) ==
           "SET NAMES utf8mb4, SESSION sql_mode=DEFAULT");
  }

  TEST_CASE("distance: the same state, then the same settings, then a SET, then a reset") {
    const SessionState wanted = state("a", {{"sql_mode", "ANSI"}});
    const SessionState other = state("a", {{"sql_mode", "TRADITIONAL"}});
    EXPECT(distance({"a", wanted.settings(), false}, wanted) == StateDistance::kNone);
    EXPECT(distance({"b", wanted.settings(), false}, wanted) == StateDistance::kSchema);
    EXPECT(distance({"a", other.settings(), false}, wanted) == StateDistance::kSettings);
    EXPECT(distance({"a", nullptr, false}, wanted) == StateDistance::kSettings);
    EXPECT(distance({"a", wanted.settings(), true}, wanted) == StateDistance::kReset);
    // Equal, not the same object.
    const SessionState again = state("a", {{"sql_mode", "ANSI"}});
    EXPECT(distance({"a", again.settings(), false}, wanted) == StateDistance::kNone);
  }

  TEST_CASE("distance: a schema that may have another collation since is entered again") {
    SessionState session;
    session.set_schema("a", Seqno{7});
    EXPECT(distance({"a", nullptr, false, Seqno{7}}, session) == StateDistance::kNone);
    EXPECT(distance({"a", nullptr, false, Seqno{6}}, session) == StateDistance::kSchema);
    EXPECT(knows_old_schema({"a", nullptr, false, Seqno{6}}, session));
    EXPECT_FALSE(knows_old_schema({"a", nullptr, false, Seqno{9}}, session));
    EXPECT_FALSE(knows_old_schema({"b", nullptr, false, Seqno{6}}, session));
    session.set_schema("", Seqno{7});
    EXPECT_FALSE(knows_old_schema({"", nullptr, false, Seqno{6}}, session));
  }

  TEST_CASE("SessionState: what belongs to a schema goes with it") {
    SessionState session = state("a", {{"collation_database", "latin2_bin"}});
    const SessionState plain = state("a", {});
    EXPECT(session.schema_set_statement() ==
           "SET SESSION collation_database=_utf8mb4 X'6C6174696E325F62696E'");
    EXPECT(change(plain, session) == session.schema_set_statement());
    EXPECT(change(session, plain) == "SET SESSION collation_database=DEFAULT");
    session.set_variable("character_set_database", "latin1");
    EXPECT_FALSE(session.variable("collation_database"));
    session.set_schema("a", Seqno{});
    EXPECT_FALSE(session.has_variables());
    EXPECT(session.schema_set_statement().empty());
  }

  TEST_CASE("SessionState: after a reset it is in its schema with the server's collation") {
    SessionState session = state("a", {});
    session.stay_in_schema();
    EXPECT(session.schema_set_statement() ==
           "SET SESSION collation_database=@@GLOBAL.collation_database");
    session.reset();
    session.stay_in_schema();
    EXPECT_FALSE(session.has_variables());  // it is in none
  }

  TEST_CASE("distance: there is no way back to no database") {
    const SessionState nowhere;
    EXPECT(distance({"", nullptr, false}, nowhere) == StateDistance::kNone);
    EXPECT(distance({"a", nullptr, false}, nowhere) == StateDistance::kUnusable);
    EXPECT(distance({"a", nullptr, true}, nowhere) == StateDistance::kUnusable);
  }

  TEST_CASE("SessionState: a copy of the settings stays what it was") {
    SessionState session = state("", {{"sql_mode", "ANSI"}});
    const SharedSettings before = session.settings();
    session.set_variable("sql_mode", "ANSI");
    EXPECT(session.settings() == before);
    session.set_variable("sql_mode", "TRADITIONAL");
    EXPECT(before->variables[0].value == "ANSI");
    EXPECT(session.fingerprint() != before->fingerprint);
    session.reset();
    EXPECT(session.fingerprint() == 0);
    EXPECT(session.set_statement().empty());
  }

  TEST_CASE("StatementCache: the one used longest ago goes") {
    StatementCache cache;
    EXPECT_FALSE(cache.add("a", 1, 2).has_value());
    EXPECT_FALSE(cache.add("b", 2, 2).has_value());
    REQUIRE(cache.find("a") != nullptr);
    EXPECT(cache.add("c", 3, 2) == std::optional<std::uint32_t>(2));
    EXPECT(cache.find("b") == nullptr);
    EXPECT(cache.find("a")->id == 1);
    EXPECT(cache.find("c")->id == 3);
    EXPECT(cache.size() == 2);
  }

  TEST_CASE("StatementCache: an open cursor keeps its statement") {
    StatementCache cache;
    EXPECT_FALSE(cache.add("a", 1, 2).has_value());
    EXPECT_FALSE(cache.add("b", 2, 2).has_value());
    cache.find("a")->has_cursor = true;
    REQUIRE(cache.find("b") != nullptr);
    EXPECT(cache.add("c", 3, 2) == std::optional<std::uint32_t>(2));
    cache.find("c")->has_cursor = true;
    EXPECT_FALSE(cache.add("d", 4, 2).has_value());  // one too many, until a cursor is closed
    EXPECT(cache.find("a") != nullptr);
  }

  TEST_CASE("StatementCache: preparing again closes the earlier one") {
    StatementCache cache;
    EXPECT_FALSE(cache.add("a", 1, 2).has_value());
    cache.find("a")->types_version = 9;
    EXPECT(cache.add("a", 5, 2) == std::optional<std::uint32_t>(1));
    EXPECT(cache.find("a")->id == 5);
    EXPECT(cache.find("a")->types_version == 0);
    EXPECT(cache.size() == 1);
    EXPECT(cache.remove("a") == std::optional<std::uint32_t>(5));
    EXPECT_FALSE(cache.remove("a").has_value());
    EXPECT_FALSE(cache.add("b", 6, 2).has_value());
    cache.clear();
    EXPECT(cache.find("b") == nullptr);
    EXPECT(cache.size() == 0);
  }

  TEST_CASE("StateChange: what only one brand of server knows stays away from the other") {
    SessionState session;
    session.set_variable("max_statement_time", "3.000000");
    session.set_variable("max_execution_time", "7");
    session.set_variable("sql_select_limit", "5");
    session.set_variable("tx_isolation", "SERIALIZABLE");
    session.set_variable("transaction_isolation", "READ-COMMITTED");  // takes the other's place
    const std::string level = "_utf8mb4 X'524541442D434F4D4D4954544544'";
    EXPECT(session.set_statement(ServerKind::kMariadb) ==
           "SET SESSION max_statement_time=3.000000, SESSION sql_select_limit=5, "
           "SESSION tx_isolation=" +
               level);
    EXPECT(session.set_statement(ServerKind::kMysql) ==
           "SET SESSION max_execution_time=7, SESSION sql_select_limit=5, "
           "SESSION transaction_isolation=" +
               level);
    const SessionState fresh;  // max_statement_time has no default to go back to
    EXPECT(settings_change(session.settings().get(), fresh.settings().get(),
                           ServerKind::kMariadb) == std::nullopt);
  }
}

}  // namespace
}  // namespace consort::proxy
