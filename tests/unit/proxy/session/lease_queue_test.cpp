#include "proxy/session/lease_queue.h"

#include "proxy/session/backend_pool.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using std::chrono::milliseconds;

/// Never called: the queue only compares addresses.
class Client final : public PoolClient {
 public:
  [[nodiscard]] const PoolAccount& lease_account() const override { return account_; }

  [[nodiscard]] const SessionState& lease_state() const override { return state_; }

  void on_lease_begun(PooledConnection&) override {}

  void on_lease(PooledConnection&) override {}

  void on_lease_failed(const LeaseFailure&) override {}

  bool on_asked_back(PooledConnection&) override { return false; }

  std::size_t on_leased_bytes(PooledConnection&, MutableBytes) override { return 0; }

  void on_leased_drained(PooledConnection&) override {}

  bool on_leased_lost(PooledConnection&) override { return false; }

 private:
  PoolAccount account_;
  SessionState state_;
};

TimePoint at(int ms) {
  return TimePoint{} + milliseconds(ms);
}

LeaseQueue make_queue(std::size_t waiters_max) {
  LeaseQueue queue;
  queue.set_limits({waiters_max, milliseconds(100)});
  return queue;
}

TEST_SUITE("session") {
  TEST_CASE("LeaseQueue: first come, first served") {
    Client clients[3];
    LeaseQueue queue = make_queue(10);
    for (int i = 0; i < 3; ++i) {
      REQUIRE(queue.join({&clients[i], "a", at(i)}));
    }
    for (const Client& client : clients) {
      EXPECT(queue.take(at(5), "a").client == &client);
    }
    EXPECT(queue.empty());
  }

  TEST_CASE("LeaseQueue: is full at its bound") {
    Client clients[3];
    LeaseQueue queue = make_queue(2);
    EXPECT(queue.join({&clients[0], "a", at(0)}));
    EXPECT(queue.join({&clients[1], "a", at(0)}));
    EXPECT_FALSE(queue.join({&clients[2], "a", at(0)}));
    EXPECT(queue.leave(clients[0]));
    EXPECT_FALSE(queue.leave(clients[0]));
    EXPECT(queue.join({&clients[2], "a", at(0)}));
    EXPECT(queue.take(at(0), "").client == &clients[1]);
    EXPECT(queue.take(at(0), "").client == &clients[2]);
  }

  TEST_CASE(
      "LeaseQueue: another account's connection passes the first one over, but not for long") {
    Client first;
    Client others[3];
    LeaseQueue queue = make_queue(10);
    REQUIRE(queue.join({&first, "rare", at(0)}));
    for (Client& other : others) {
      REQUIRE(queue.join({&other, "busy", at(1)}));
    }
    EXPECT(queue.take(at(10), "busy").client == &others[0]);
    EXPECT(queue.take(at(20), "busy").client == &others[1]);
    EXPECT(queue.take(at(21), "busy").client == &first);
    EXPECT(queue.take(at(22), "busy").client == &others[2]);
  }

  TEST_CASE("LeaseQueue: a connection of nobody who waits, or a new one, goes to the first") {
    Client clients[2];
    LeaseQueue queue = make_queue(10);
    REQUIRE(queue.join({&clients[0], "a", at(0)}));
    REQUIRE(queue.join({&clients[1], "b", at(0)}));
    EXPECT(queue.take(at(1), "c").client == &clients[0]);
    EXPECT(queue.take(at(1), "").client == &clients[1]);
  }

  TEST_CASE("LeaseQueue: nobody waits for longer than allowed") {
    Client clients[2];
    LeaseQueue queue = make_queue(10);
    EXPECT_FALSE(queue.take_expired(at(1000)).has_value());
    REQUIRE(queue.join({&clients[0], "a", at(0)}));
    REQUIRE(queue.join({&clients[1], "a", at(50)}));
    EXPECT(queue.deadline() == at(100));
    EXPECT_FALSE(queue.take_expired(at(99)).has_value());
    EXPECT(queue.take_expired(at(100))->client == &clients[0]);
    EXPECT_FALSE(queue.take_expired(at(149)).has_value());
    EXPECT(queue.take_expired(at(150))->client == &clients[1]);
  }

  TEST_CASE("pool_connections_max: a server that takes fewer bounds the pool") {
    EXPECT(pool_connections_max(1000, 0) == 1000);
    EXPECT(pool_connections_max(1000, 5000) == 1000);
    EXPECT(pool_connections_max(1000, 1050) == 1000);
    EXPECT(pool_connections_max(1000, 1049) == 999);
    EXPECT(pool_connections_max(1000, 151) == 101);
    EXPECT(pool_connections_max(1000, 30) == 15);
    EXPECT(pool_connections_max(8, 30) == 8);
  }
}

}  // namespace
}  // namespace consort::proxy
