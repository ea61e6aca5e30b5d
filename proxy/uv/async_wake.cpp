#include "proxy/uv/async_wake.h"

#include <utility>

namespace consort::proxy {

AsyncWake::AsyncWake(EventLoop& loop, std::function<void()> on_wake)
    : loop_(loop), on_wake_(std::move(on_wake)) {
  loop_.wakes_.push_back(this);
}

AsyncWake::~AsyncWake() {
  std::erase(loop_.wakes_, this);
}

void AsyncWake::wake() {
  if (!wanted_.exchange(true)) {
    loop_.bell_.ring();
  }
}

}  // namespace consort::proxy
