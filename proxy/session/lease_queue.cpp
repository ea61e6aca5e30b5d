#include "proxy/session/lease_queue.h"

#include <algorithm>

#include "base/check.h"

namespace consort::proxy {

bool LeaseQueue::join(const Waiter& waiter) {
  if (waiters_.size() >= limits_.waiters_max) {
    return false;
  }
  waiters_.push_back(waiter);
  return true;
}

bool LeaseQueue::leave(const PoolClient& client) {
  const auto found = std::find_if(waiters_.begin(), waiters_.end(),
                                  [&](const Waiter& waiter) { return waiter.client == &client; });
  if (found == waiters_.end()) {
    return false;
  }
  waiters_.erase(found);
  return true;
}

LeaseQueue::Waiter LeaseQueue::take(TimePoint now, std::string_view free_account) {
  CHECK(!waiters_.empty());
  auto chosen = waiters_.begin();
  if (!free_account.empty() && now - chosen->since <= kPassedOverMax) {
    const auto end =
        waiters_.begin() + static_cast<std::ptrdiff_t>(std::min(kLookAhead, waiters_.size()));
    const auto same = std::find_if(waiters_.begin(), end, [&](const Waiter& waiter) {
      return waiter.account == free_account;
    });
    chosen = same == end ? chosen : same;
  }
  const Waiter waiter = *chosen;
  waiters_.erase(chosen);
  return waiter;
}

std::optional<LeaseQueue::Waiter> LeaseQueue::take_expired(TimePoint now) {
  if (waiters_.empty() || now < deadline()) {
    return std::nullopt;
  }
  return take_first();
}

LeaseQueue::Waiter LeaseQueue::take_first() {
  CHECK(!waiters_.empty());
  const Waiter waiter = waiters_.front();
  waiters_.pop_front();
  return waiter;
}

}  // namespace consort::proxy
