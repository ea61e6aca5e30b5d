// LoopBell: how other threads get a loop out of its sleep: an eventfd, written only while the loop
// sleeps. What is rung while it is awake costs an atomic exchange; it is answered at the turn's
// end. Not uv_async_t: its receiver spins while a sender stands between two steps of a send, and a
// sender that was preempted there by the very thread it woke makes it spin for nothing.
//
//   kAsleep --ring(): writes--> kRung --answer()--> kAwake --sleep()--> kAsleep
//      |                          ^                  |
//      +--stir()--> kAwake        +------ring()------+
//
// Threads: ring() any; the rest the loop's.
#pragma once

#include <atomic>
#include <cstdint>

namespace consort::proxy {

class LoopBell {
 public:
  /// A new eventfd. CHECKs that there is one.
  LoopBell();
  LoopBell(const LoopBell&) = delete;
  LoopBell& operator=(const LoopBell&) = delete;
  ~LoopBell();

  /// Readable when the loop must wake up.
  [[nodiscard]] int fd() const { return fd_; }

  /// What was written by this thread before is seen by the loop's thread after its next answer().
  void ring();

  /// The loop woke up for another reason: ring() need not write.
  void stir() {
    State asleep = State::kAsleep;
    if (state_.load(std::memory_order_relaxed) == State::kAsleep) {
      state_.compare_exchange_strong(asleep, State::kAwake);
    }
  }

  /// True when it was rung since the last answer.
  [[nodiscard]] bool answer();
  /// The loop is about to sleep. When it was rung meanwhile, fd() is readable.
  void sleep();
  /// fd() was readable: makes it not so.
  void read();

 private:
  enum class State : std::uint8_t { kAsleep, kAwake, kRung };

  void write();

  const int fd_;
  std::atomic<State> state_{State::kAsleep};
};

}  // namespace consort::proxy
