#include "proxy/uv/async_wake.h"

#include "base/check.h"

namespace consort::proxy {

AsyncWake::AsyncWake(EventLoop& loop, std::function<void()> on_wake)
    : handle_(new uv_async_t), on_wake_(std::move(on_wake)) {
  const auto on_async = [](uv_async_t* handle) {
    if (auto* self = static_cast<AsyncWake*>(handle->data); self != nullptr) {
      self->on_wake_();
    }
  };
  CHECK(uv_async_init(loop.raw(), handle_.get(), on_async) == 0);
  handle_->data = this;
}

void AsyncWake::wake() {
  uv_async_send(handle_.get());
}

}  // namespace consort::proxy
