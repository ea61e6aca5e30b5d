// AsyncWake: the one thing another thread may do to a loop: wake it.
// Threads: wake() any, while the AsyncWake lives; the rest its loop's, and the callback, too.
#pragma once

#include <atomic>
#include <functional>

#include "proxy/uv/event_loop.h"

namespace consort::proxy {

class AsyncWake {
 public:
  /// `loop` outlives it.
  AsyncWake(EventLoop& loop, std::function<void()> on_wake);
  AsyncWake(const AsyncWake&) = delete;
  AsyncWake& operator=(const AsyncWake&) = delete;
  ~AsyncWake();

  /// Several wakes before the loop gets to it become one callback.
  void wake();

 private:
  friend class EventLoop;

  EventLoop& loop_;
  const std::function<void()> on_wake_;
  std::atomic<bool> wanted_{false};
};

}  // namespace consort::proxy
