#include "proxy/session/diagnostics.h"

#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::proxy;

}  // namespace

TEST_SUITE("session") {
  TEST_CASE("Diagnostics: knows whether the home's connection shows the client's") {
    Diagnostics diagnostics;
    diagnostics.on_home_leased();
    EXPECT(diagnostics.home_stale());
    SUBCASE("a statement there that left some") {
      diagnostics.on_ended_at_home(true, true);
      EXPECT_FALSE(diagnostics.home_stale());
      EXPECT(diagnostics.home_holds_some());
      diagnostics.on_ended_at_home(false, false);  // SELECT 1 clears nothing
      EXPECT(diagnostics.home_holds_some());
      diagnostics.on_ended_at_home(false, true);
      EXPECT_FALSE(diagnostics.home_holds_some());
    }
    SUBCASE("one elsewhere") {
      diagnostics.on_ended_at_home(true, true);
      diagnostics.on_ended_elsewhere(false, false);
      EXPECT_FALSE(diagnostics.home_stale());
      EXPECT(diagnostics.home_holds_some());
      diagnostics.on_ended_elsewhere(false, true);
      EXPECT(diagnostics.home_stale());
      EXPECT_FALSE(diagnostics.home_holds_some());
    }
    SUBCASE("commands of ours") {
      diagnostics.on_home_renewed();
      diagnostics.on_home_used();
      EXPECT(diagnostics.home_stale());
    }
  }

  TEST_CASE("Diagnostics: keeps Consort's own error until a statement with a table") {
    Diagnostics diagnostics;
    diagnostics.set_own({{1}, {}});
    diagnostics.on_own_error({1213, "40001", "Deadlock found"});
    REQUIRE(diagnostics.own_error());
    EXPECT(diagnostics.own_error()->code == 1213);
    EXPECT(diagnostics.own().rows.empty());
    EXPECT(diagnostics.row_count() == -1);
    diagnostics.on_statement(true, true);  // SHOW WARNINGS
    diagnostics.on_statement(false, false);
    EXPECT(diagnostics.own_error());
    diagnostics.on_statement(false, true);
    EXPECT_FALSE(diagnostics.own_error());
  }

  TEST_CASE("Diagnostics: keeps its rows for those who ask, until others take their place") {
    Diagnostics diagnostics;
    diagnostics.set_own({{1, 2}, {}});
    diagnostics.on_statement(true, false);
    EXPECT(diagnostics.own().rows.size() == 2);
    diagnostics.on_statement(false, false);  // it names no table
    EXPECT(diagnostics.own().rows.size() == 2);
    diagnostics.on_statement(false, true);
    EXPECT(diagnostics.own().rows.empty());
    for (const bool at_home : {true, false}) {
      diagnostics.set_own({{1, 2}, {}});
      diagnostics.on_statement(false, false);
      at_home ? diagnostics.on_ended_at_home(true, false)
              : diagnostics.on_ended_elsewhere(true, false);
      EXPECT(diagnostics.own().rows.empty());
    }
    diagnostics.set_own({{1, 2}, {}, true});
    diagnostics.on_statement(true, false);
    EXPECT(diagnostics.own().rows.size() == 2);
    diagnostics.on_statement(false, false);
    EXPECT(diagnostics.own().rows.empty());
  }

  TEST_CASE("Diagnostics: keeps ROW_COUNT() when the home's connection goes on") {
    Diagnostics diagnostics;
    diagnostics.reset();
    EXPECT(diagnostics.row_count() == 0);
    diagnostics.set_home_row_count(3);
    EXPECT_FALSE(diagnostics.row_count());
    diagnostics.keep_row_count();
    EXPECT(diagnostics.row_count() == 3);
    diagnostics.set_row_count(-1);
    diagnostics.keep_row_count();
    EXPECT(diagnostics.row_count() == -1);
  }
}
