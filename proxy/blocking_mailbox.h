// BlockingMailbox: a bounded queue into one thread that sleeps until a message or a time comes.
// Threads: post(), wake() and close() any; wait_until() the owner only.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace consort::proxy {

template <typename Message>
class BlockingMailbox {
 public:
  explicit BlockingMailbox(std::size_t messages_max) : messages_max_(messages_max) {}

  /// False when full or closed: the message was not taken (I8).
  [[nodiscard]] bool post(Message message) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (closed_ || waiting_.size() >= messages_max_) {
        return false;
      }
      waiting_.push_back(std::move(message));
    }
    arrived_.notify_one();
    return true;
  }

  /// Sleeps until a message is there, `deadline` has come or somebody wakes it, then swaps all
  /// messages into `out`. False when closed: what is in `out` then is the last.
  bool wait_until(TimePoint deadline, std::vector<Message>& out) {
    out.clear();
    std::unique_lock<std::mutex> lock(mutex_);
    while (waiting_.empty() && !woken_ && !closed_) {
      if (arrived_.wait_until(lock, deadline) == std::cv_status::timeout) {
        break;
      }
    }
    woken_ = false;
    out.swap(waiting_);
    return !closed_;
  }

  /// Ends the owner's sleep without a message.
  void wake() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      woken_ = true;
    }
    arrived_.notify_one();
  }

  /// Nothing is taken any more; the owner wakes.
  void close() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
    }
    arrived_.notify_one();
  }

  /// How many messages wait: for metrics.
  [[nodiscard]] std::size_t depth() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return waiting_.size();
  }

 private:
  const std::size_t messages_max_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Message> waiting_;
  bool woken_ = false;
  bool closed_ = false;
};

}  // namespace consort::proxy
