// Mailbox: a bounded queue into one thread, drained by swap, with one wake-up per batch.
// Threads: post() any; drain() the owner only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace consort {

template <typename Message>
class Mailbox {
 public:
  /// `wake` is called from the posting thread when the first message of a batch arrives; it must be
  /// safe from any thread (AsyncWake::wake is). `messages_max` bounds what waits (I8).
  Mailbox(std::size_t messages_max, std::function<void()> wake)
      : messages_max_(messages_max), wake_(std::move(wake)) {}

  /// False when full: the message was not taken and the caller must refuse its cause. For what
  /// starts work.
  [[nodiscard]] bool post(Message message) { return put(message, messages_max_); }

  /// Takes it also beyond the bound. For what answers or ends work: somebody waits for it and
  /// nobody would send it again. Each belongs to a session or to work that post() let in, which
  /// bounds their number.
  void post_always(Message message) { (void)put(message, kNoBound); }

  /// Swaps all waiting messages into `out`, which is cleared first (its capacity is reused).
  void drain(std::vector<Message>& out) {
    out.clear();
    MutexLock lock(mutex_);
    out.swap(waiting_);
  }

  /// How many messages wait: for metrics.
  [[nodiscard]] std::size_t depth() const {
    MutexLock lock(mutex_);
    return waiting_.size();
  }

 private:
  static constexpr std::size_t kNoBound = SIZE_MAX;

  bool put(Message& message, std::size_t bound) {
    bool first = false;
    {
      MutexLock lock(mutex_);
      if (waiting_.size() >= bound) {
        return false;
      }
      first = waiting_.empty();
      waiting_.push_back(std::move(message));
    }
    if (first) {
      wake_();
    }
    return true;
  }

  const std::size_t messages_max_;
  const std::function<void()> wake_;
  mutable Mutex mutex_;
  std::vector<Message> waiting_ GUARDED_BY(mutex_);
};

}  // namespace consort
