// Timer: calls back once after a delay, or again and again. Re-armed by starting it again.
// Threads: its loop's.
#pragma once

#include <chrono>
#include <functional>

#include "proxy/uv/event_loop.h"
#include "proxy/uv/handle.h"

namespace consort::proxy {

class Timer {
 public:
  /// `on_fire` may destroy the timer.
  Timer(EventLoop& loop, std::function<void()> on_fire);

  /// Fires once after `delay`, replacing what was armed.
  void start_once(std::chrono::milliseconds delay);
  /// Fires every `period`.
  void start_periodic(std::chrono::milliseconds period);
  void stop();
  [[nodiscard]] bool armed() const;

 private:
  void arm(std::chrono::milliseconds delay, std::chrono::milliseconds period);

  UvHandle<uv_timer_t> handle_;
  std::function<void()> on_fire_;
};

}  // namespace consort::proxy
