#include "base/gtid.h"

#include "tests/support/test.h"

namespace {

using namespace consort;

}  // namespace

TEST_SUITE("base") {
  TEST_CASE("Gtid: is read as servers write it") {
    EXPECT((parse_gtid_text("0-1-42") == Gtid{0, 1, 42}));
    EXPECT((parse_gtid_text("4294967295-2-18446744073709551615") ==
            Gtid{4294967295U, 2, 18446744073709551615U}));
    for (const char* wrong : {"", "1", "0-1", "0-1-", "0-1-2-3", "0-1-x", "-1-2", "0-1-2 ",
                              "4294967296-1-1", "0 -1-2"}) {
      CAPTURE(wrong);
      EXPECT_FALSE(parse_gtid_text(wrong).has_value());
    }
  }

  TEST_CASE("GtidState: tells what a binlog has by domain and server") {
    const auto state = GtidState::parse("0-1-42,0-2-7,5-1-3");
    REQUIRE(state.has_value());
    EXPECT(state->contains({0, 1, 42}));
    EXPECT(state->contains({0, 1, 1}));
    EXPECT_FALSE(state->contains({0, 1, 43}));
    EXPECT_FALSE(state->contains({0, 2, 8}));
    EXPECT(state->contains({5, 1, 3}));
    EXPECT_FALSE(state->contains({5, 2, 1}));
  }

  TEST_CASE("GtidState: an empty binlog has nothing, a damaged list is none") {
    REQUIRE(GtidState::parse("").has_value());
    EXPECT_FALSE(GtidState::parse("")->contains({0, 1, 1}));
    EXPECT_FALSE(GtidState::parse("0-1-42,x").has_value());
  }

  TEST_CASE("GtidState: keeps the newest") {
    GtidState state;
    state.add({0, 1, 5});
    state.add({0, 1, 3});
    EXPECT(state.contains({0, 1, 5}));
    EXPECT_FALSE(state.contains({0, 1, 6}));
  }
}
