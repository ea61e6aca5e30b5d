// AsyncWake: the one thing another thread may do to a loop: wake it.
// Threads: wake() any, while the AsyncWake lives; the callback runs on the loop's thread.
#pragma once

#include <functional>

#include "proxy/uv/event_loop.h"
#include "proxy/uv/handle.h"

namespace consort::proxy {

class AsyncWake {
 public:
  AsyncWake(EventLoop& loop, std::function<void()> on_wake);
  /// Several wakes before the loop turns become one callback.
  void wake();

 private:
  UvHandle<uv_async_t> handle_;
  std::function<void()> on_wake_;
};

}  // namespace consort::proxy
