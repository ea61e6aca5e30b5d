// LeaseQueue: who waits for a connection to one backend. First come, first served; a free
// connection of another account than the first one's may go to somebody behind it, because a login
// costs more than a statement, but nobody is passed over for longer than that is worth.
// Pure: no I/O, no clock. Threads: none; its pool's.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace consort::proxy {

class PoolClient;

class LeaseQueue {
 public:
  struct Limits {
    std::size_t waiters_max = 10000;
    std::chrono::milliseconds wait_max{5000};
  };

  struct Waiter {
    PoolClient* client = nullptr;
    std::string_view account;  ///< PoolAccount::key; the client keeps it while it waits
    TimePoint since;
  };

  /// So long may others be served before the first one, for want of its account's connection.
  static constexpr std::chrono::milliseconds kPassedOverMax{20};
  /// So far behind the first one is looked for them.
  static constexpr std::size_t kLookAhead = 64;

  void set_limits(const Limits& limits) { limits_ = limits; }

  /// False: it is full. REQUIRES: `since` is not before an earlier waiter's.
  [[nodiscard]] bool join(const Waiter& waiter);

  /// False: it does not wait here.
  bool leave(const PoolClient& client);

  [[nodiscard]] bool empty() const { return waiters_.empty(); }

  [[nodiscard]] std::size_t size() const { return waiters_.size(); }

  /// Takes out who is served now. `free_account`: whose connection is idle; empty: nobody's, a new
  /// one is made. REQUIRES: !empty().
  [[nodiscard]] Waiter take(TimePoint now, std::string_view free_account);

  /// Takes out one who has waited for longer than allowed.
  [[nodiscard]] std::optional<Waiter> take_expired(TimePoint now);

  /// Takes out the first one. REQUIRES: !empty().
  [[nodiscard]] Waiter take_first();

  /// When the next one will have waited for too long. REQUIRES: !empty().
  [[nodiscard]] TimePoint deadline() const { return waiters_.front().since + limits_.wait_max; }

 private:
  Limits limits_;
  std::deque<Waiter> waiters_;
};

}  // namespace consort::proxy
