#include "proxy/uv/timer.h"

#include "base/check.h"

namespace consort::proxy {

Timer::Timer(EventLoop& loop, std::function<void()> on_fire)
    : handle_(new uv_timer_t), on_fire_(std::move(on_fire)) {
  CHECK(uv_timer_init(loop.raw(), handle_.get()) == 0);
  handle_->data = this;
}

void Timer::start_once(std::chrono::milliseconds delay) {
  arm(delay, {});
}

void Timer::start_periodic(std::chrono::milliseconds period) {
  arm(period, period);
}

void Timer::stop() {
  uv_timer_stop(handle_.get());
}

bool Timer::armed() const {
  return uv_is_active(reinterpret_cast<const uv_handle_t*>(handle_.get())) != 0;
}

void Timer::arm(std::chrono::milliseconds delay, std::chrono::milliseconds period) {
  const auto on_timer = [](uv_timer_t* handle) {
    if (auto* self = static_cast<Timer*>(handle->data); self != nullptr) {
      self->on_fire_();
    }
  };
  CHECK(uv_timer_start(handle_.get(), on_timer, static_cast<std::uint64_t>(delay.count()),
                       static_cast<std::uint64_t>(period.count())) == 0);
}

}  // namespace consort::proxy
