#include "proxy/session/session_state.h"

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

TEST_SUITE("session") {
  TEST_CASE("SessionState: a DDL is told also what its session did not change") {
    SessionState state;
    EXPECT(state.set_statement().empty());
    // The lanes' own sql_mode is '', their character set utf8mb4.
    EXPECT(state.whole_set_statement(8) ==
           "SET SESSION sql_mode=DEFAULT, SESSION character_set_client=8, SESSION "
           "character_set_results=8, SESSION collation_connection=8");
    state.set_variable("collation_connection", "latin1_bin");
    state.set_variable("sql_mode", "ANSI_QUOTES");
    EXPECT(state.whole_set_statement(45) ==
           "SET SESSION sql_mode=DEFAULT, SESSION character_set_client=45, SESSION "
           "character_set_results=45, SESSION collation_connection=45, SESSION "
           "collation_connection=_utf8mb4 X'6C6174696E315F62696E', SESSION "
           "sql_mode=_utf8mb4 X'414E53495F51554F544553'");
  }

  TEST_CASE("SessionState: what gives a text its meaning") {
    SessionState state;
    const std::string none = SessionState::reading_set_statement(nullptr, 8);
    EXPECT(none == state.whole_set_statement(8));
    state.set_variable("time_zone", "+01:00");
    EXPECT(SessionState::reading_set_statement(state.settings(), 8) == none);
    for (const char* name :
         {"character_set_client", "character_set_connection", "character_set_results",
          "collation_connection", "old_mode", "sql_mode"}) {
      SessionState other;
      other.set_variable(name, "x");
      EXPECT(SessionState::reading_set_statement(other.settings(), 8) ==
             none + ", SESSION " + name + "=_utf8mb4 X'78'");
    }
  }

  TEST_CASE("SessionState: what lets DDL fail on other servers only does not go along") {
    SessionState state;
    for (const char* name :
         {"tx_read_only", "transaction_read_only", "tx_isolation", "max_statement_time",
          "wait_timeout", "lock_wait_timeout", "autocommit"}) {
      state.set_variable(name, "1");
    }
    EXPECT(state.whole_set_statement(8) == SessionState().whole_set_statement(8));
    EXPECT(state.set_statement().find("tx_read_only") != std::string::npos);
    state.set_variable("foreign_key_checks", "OFF");
    EXPECT(state.whole_set_statement(8).find("SESSION foreign_key_checks=") != std::string::npos);
  }

  TEST_CASE("SessionState: only some collations' numbers stand for a character set") {
    struct Row {
      std::uint16_t collation;
      std::string character_set;
    };

    for (const Row& row :
         {Row{46, "45"}, Row{224, "45"}, Row{247, "45"}, Row{192, "33"}, Row{223, "33"},
          Row{33, "33"}, Row{47, "8"}, Row{63, "63"}, Row{99, "26"}, Row{2, "9"}, Row{97, "97"}}) {
      EXPECT(SessionState().whole_set_statement(row.collation) ==
             "SET SESSION sql_mode=DEFAULT, SESSION character_set_client=" + row.character_set +
                 ", SESSION character_set_results=" + row.character_set +
                 ", SESSION collation_connection=" + std::to_string(row.collation));
    }
  }

  TEST_CASE("SessionState: a variable that is NULL is set to NULL again") {
    SessionState state;
    state.set_variable("character_set_results", "");
    state.set_variable("old_mode", "");
    EXPECT(state.set_statement() ==
           "SET SESSION character_set_results=NULL, SESSION old_mode=_utf8mb4 X''");
  }

  TEST_CASE("SessionState: it knows when literals are wide") {
    SessionState state;
    state.set_variable("collation_connection", "utf8mb4_bin");
    EXPECT_FALSE(state.literals_are_wide());
    state.set_variable("collation_connection", "utf16le_bin");
    EXPECT(state.literals_are_wide());
    state.set_variable("collation_connection", "latin1_bin");
    state.set_variable("character_set_connection", "ucs2");
    EXPECT(state.literals_are_wide());
  }

  TEST_CASE("SessionState: the connection's character set and collation replace each other") {
    SessionState state;
    state.set_variable("collation_connection", "utf8mb4_bin");
    const std::uint64_t before = state.fingerprint();
    state.set_variable("character_set_connection", "latin1");  // SET NAMES latin1
    EXPECT_FALSE(state.variable("collation_connection").has_value());
    EXPECT(state.variable("character_set_connection") == "latin1");
    EXPECT(state.fingerprint() != before);
    state.set_variable("collation_connection", "utf8mb4_bin");
    EXPECT_FALSE(state.variable("character_set_connection").has_value());
    EXPECT(state.fingerprint() == before);
  }

  TEST_CASE("SessionState: a collation that the server could not use is its default at login") {
    const SessionState state;
    for (const std::uint16_t collation : {0, 35, 54, 76, 150, 255, 309}) {
      EXPECT(state.whole_set_statement(collation) ==
             "SET SESSION sql_mode=DEFAULT, SESSION character_set_client=DEFAULT, SESSION "
             "character_set_results=DEFAULT, SESSION collation_connection=DEFAULT");
    }
  }

  TEST_CASE("SessionState: what needs something that may be gone does not stop a lane") {
    SessionState state;
    state.set_variable("innodb_tmpdir", "/there");
    state.set_variable("query_cache_type", "ON");
    EXPECT(state.whole_set_statement(8) == SessionState().whole_set_statement(8));
    state.set_variable("innodb_ft_user_stopword_table", "test/stop");
    const std::string set = state.whole_set_statement(8);
    EXPECT(set.find("innodb_ft_user_stopword_table=(SELECT") != std::string::npos);
    state.set_variable("innodb_ft_user_stopword_table", "");
    EXPECT(state.whole_set_statement(8).ends_with("SESSION innodb_ft_user_stopword_table=NULL"));
  }

  TEST_CASE("SessionState: which variable a server refuses") {
    SessionState state;
    EXPECT_FALSE(state.refused_variable(1925, "off").has_value());
    state.set_variable("innodb_tmpdir", "/there");
    state.set_variable("query_cache_type", "ON");
    state.set_variable("sql_mode", "ANSI");
    EXPECT(state.refused_variable(1925, "off") == "query_cache_type");
    EXPECT(state.refused_variable(1231, "Variable 'innodb_tmpdir' ..") == "innodb_tmpdir");
    EXPECT_FALSE(state.refused_variable(1231, "Variable 'sql_mode' ..").has_value());
    EXPECT_FALSE(state.refused_variable(1231, "'innodb_ft_user_stopword_table'").has_value());
    EXPECT_FALSE(state.refused_variable(1298, "'innodb_tmpdir'").has_value());
  }
}

}  // namespace
}  // namespace consort::proxy
