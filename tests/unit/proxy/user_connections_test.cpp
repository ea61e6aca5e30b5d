#include "proxy/user_connections.h"

#include <optional>

#include "tests/support/test.h"

using namespace consort;
using namespace consort::proxy;

namespace {

Account limited_account(std::int64_t own_max, bool admin = false) {
  Account out;
  out.user = "u";
  out.host = "%";
  out.user_connections_max = own_max;
  out.connection_admin = admin;
  return out;
}

}  // namespace

TEST_SUITE("proxy") {
  TEST_CASE("UserConnections: an account's own limit, and a place that becomes free") {
    UserConnections connections;
    std::optional<UserConnections::Entry> first = connections.enter(limited_account(2), "u", 1);
    const UserConnections::Entry second = connections.enter(limited_account(2), "u", 1);
    EXPECT(first->admitted);
    EXPECT(second.admitted);
    const UserConnections::Entry third = connections.enter(limited_account(2), "u", 1);
    EXPECT_FALSE(third.admitted);
    EXPECT(third.refusal.code == 1226);
    EXPECT(third.refusal.state == "42000");
    EXPECT(third.refusal.message ==
           "User 'u' has exceeded the 'max_user_connections' resource (current value: 2)");
    first.reset();
    EXPECT(connections.enter(limited_account(2), "u", 1).admitted);
  }

  TEST_CASE("UserConnections: the general limit binds who has none and may not ignore it") {
    UserConnections connections;
    const UserConnections::Entry first = connections.enter(limited_account(0), "u", 1);
    EXPECT(first.admitted);
    const UserConnections::Entry second = connections.enter(limited_account(0), "u", 1);
    EXPECT_FALSE(second.admitted);
    EXPECT(second.refusal.code == 1203);
    EXPECT(second.refusal.message ==
           "User u already has more than 'max_user_connections' active connections");
    EXPECT(connections.enter(limited_account(0, true), "u", 1).admitted);
    EXPECT(connections.enter(limited_account(0), "u", 0).admitted);
    Account other = limited_account(0);
    other.host = "localhost";
    EXPECT(connections.enter(other, "u", 1).admitted);
  }

  TEST_CASE("UserConnections: a negative limit lets nobody in") {
    UserConnections connections;
    const UserConnections::Entry entry = connections.enter(limited_account(-1), "u", 0);
    EXPECT_FALSE(entry.admitted);
    EXPECT(entry.refusal.message ==
           "User 'u' has exceeded the 'max_user_connections' resource (current value: -1)");
  }

  TEST_CASE("UserConnections: nothing is left of accounts without clients") {
    UserConnections connections;
    {
      UserConnections::Entry entry = connections.enter(limited_account(0), "u", 0);
      UserConnections::Place place;
      place = std::move(entry.place);
      EXPECT(connections.size() == 1);
      UserConnections::Place moved(std::move(place));
      EXPECT(connections.size() == 1);
    }
    EXPECT(connections.size() == 0);
  }
}
