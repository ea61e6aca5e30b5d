#include "proxy/uv/event_loop.h"

#include "base/check.h"

namespace consort::proxy {

EventLoop::EventLoop() : receive_buffer_(kReceiveBytes) {
  CHECK(uv_loop_init(&loop_) == 0);
  loop_.data = this;
  CHECK(uv_prepare_init(&loop_, &turn_end_) == 0);
  turn_end_.data = this;
}

EventLoop::~EventLoop() {
  // Owners close their handles first; what is left here belongs to nobody and is closed bluntly.
  uv_walk(
      &loop_,
      [](uv_handle_t* handle, void*) {
        if (!uv_is_closing(handle)) {
          uv_close(handle, nullptr);
        }
      },
      nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&loop_) == 0);
}

void EventLoop::run() {
  uv_run(&loop_, UV_RUN_DEFAULT);
}

void EventLoop::stop() {
  uv_stop(&loop_);
}

void EventLoop::run_once() {
  uv_run(&loop_, UV_RUN_NOWAIT);
}

void EventLoop::set_turn_hook(std::function<void()> hook) {
  turn_hook_ = std::move(hook);
  const auto on_turn_end = [](uv_prepare_t* handle) {
    static_cast<EventLoop*>(handle->data)->turn_hook_();
  };
  CHECK(uv_prepare_start(&turn_end_, on_turn_end) == 0);
}

TimePoint EventLoop::now() const {
  return TimePoint(std::chrono::milliseconds(uv_now(&loop_)));
}

}  // namespace consort::proxy
