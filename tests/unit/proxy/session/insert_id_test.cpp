#include "proxy/session/insert_id.h"

#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::proxy;

}  // namespace

TEST_SUITE("session") {
  TEST_CASE("InsertId: tells a home what it lacks, once") {
    InsertId id;
    id.on_home_leased(0);
    EXPECT_FALSE(id.lacked_at_home());
    id.on_home_leased(7);  // somebody else's
    EXPECT(id.lacked_at_home() == 0U);
    id.on_home_told();
    EXPECT_FALSE(id.lacked_at_home());
    EXPECT(id.said_at_home() == 0U);
    id.on_home_leased(std::nullopt);
    EXPECT(id.lacked_at_home() == 0U);
  }

  TEST_CASE("InsertId: asks the home that alone knows the newest") {
    InsertId id;
    id.on_home_leased(0);
    id.on_changed_at_home();
    EXPECT(id.newest_at_home());
    EXPECT_FALSE(id.lacked_at_home());
    EXPECT_FALSE(id.said_at_home());
    id.on_answer(42);
    EXPECT_FALSE(id.newest_at_home());
    EXPECT(id.said_at_home() == 42U);
    id.on_home_left();
    EXPECT_FALSE(id.lost());
    id.on_home_leased(3);
    EXPECT(id.lacked_at_home() == 42U);
  }

  TEST_CASE("InsertId: is lost with the home that alone knew it, until there is a newer one") {
    InsertId id;
    id.on_home_leased(0);
    id.on_changed_at_home();
    id.on_home_left();
    EXPECT(id.lost());
    id.on_answer(42);  // of a question that nobody waits for any more
    EXPECT(id.lost());
    id.on_home_leased(5);
    id.on_changed_at_home();
    EXPECT_FALSE(id.lost());
    id.on_home_left();
    id.reset();
    EXPECT_FALSE(id.lost());
    id.on_home_leased(0);
    EXPECT_FALSE(id.lacked_at_home());
  }
}
