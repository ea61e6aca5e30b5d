// EventLoop: one libuv loop, its shared receive buffer and its once-per-turn hook.
// Threads: made, run and destroyed by one thread; nothing of it may be called from another.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <uv.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "proxy/uv/loop_bell.h"

namespace consort::proxy {

class AsyncWake;

/// What one read may bring at most. Shared by all streams of a loop: a view into it dies with the
/// callback, so idle connections hold no receive buffer.
inline constexpr std::size_t kReceiveBytes = std::size_t{64} << 10;

class EventLoop final : public Clock {
 public:
  EventLoop();
  /// Closes what is still open and lets the close callbacks run.
  ~EventLoop() override;

  /// Runs until stop(). REQUIRES: called by the owning thread.
  void run();
  /// Lets run() return after the present turn.
  void stop();
  /// One turn without blocking: for tests.
  void run_once();

  /// Calls `hook` at the end of each turn in which something happened, before the loop blocks
  /// again: the place to do a turn's work in one batch.
  void set_turn_hook(std::function<void()> hook);

  /// The loop's cached time: cheap, advances once per turn.
  [[nodiscard]] TimePoint now() const override;

  [[nodiscard]] uv_loop_t* raw() { return &loop_; }

  /// Something happened in this turn: what other threads wake the loop for now is seen at its end.
  void stir() { bell_.stir(); }

  [[nodiscard]] MutableBytes receive_buffer() { return receive_buffer_; }

  /// Where streams decrypt to: shared in the same way, made at the first call.
  [[nodiscard]] MutableBytes plain_buffer() {
    plain_buffer_.resize(kReceiveBytes);
    return plain_buffer_;
  }

 private:
  friend class AsyncWake;

  void on_turn_end();
  void answer_wakes();

  uv_loop_t loop_;
  uv_prepare_t turn_end_;
  uv_poll_t bell_watch_;
  LoopBell bell_;
  std::vector<AsyncWake*> wakes_;
  std::function<void()> turn_hook_;
  Buffer receive_buffer_;
  Buffer plain_buffer_;
};

}  // namespace consort::proxy
