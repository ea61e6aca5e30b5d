#include "proxy/uv/event_loop.h"

#include "base/check.h"
#include "proxy/uv/async_wake.h"

namespace consort::proxy {

EventLoop::EventLoop() : receive_buffer_(kReceiveBytes) {
  CHECK(uv_loop_init(&loop_) == 0);
  loop_.data = this;
  CHECK(uv_prepare_init(&loop_, &turn_end_) == 0);
  turn_end_.data = this;
  const auto on_turn_end = [](uv_prepare_t* handle) {
    static_cast<EventLoop*>(handle->data)->on_turn_end();
  };
  CHECK(uv_prepare_start(&turn_end_, on_turn_end) == 0);
  CHECK(uv_poll_init(&loop_, &bell_watch_, bell_.fd()) == 0);
  bell_watch_.data = this;
  const auto on_bell = [](uv_poll_t* handle, int, int) {
    auto* self = static_cast<EventLoop*>(handle->data);
    self->bell_.read();
    self->answer_wakes();
  };
  CHECK(uv_poll_start(&bell_watch_, UV_READABLE, on_bell) == 0);
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
}

void EventLoop::on_turn_end() {
  answer_wakes();
  if (turn_hook_) {
    turn_hook_();
  }
  bell_.sleep();
}

void EventLoop::answer_wakes() {
  if (!bell_.answer()) {
    return;
  }
  for (std::size_t i = 0; i < wakes_.size();) {
    AsyncWake& one = *wakes_[i];
    const std::size_t count = wakes_.size();
    if (one.wanted_.exchange(false)) {
      one.on_wake_();
    }
    i = wakes_.size() == count ? i + 1 : 0;  // a callback may end any of them
  }
}

TimePoint EventLoop::now() const {
  return TimePoint(std::chrono::milliseconds(uv_now(&loop_)));
}

}  // namespace consort::proxy
