#include "proxy/uv/loop_bell.h"

#include <cerrno>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"

namespace consort::proxy {

LoopBell::LoopBell() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(fd_ >= 0);
}

LoopBell::~LoopBell() {
  close(fd_);
}

void LoopBell::ring() {
  if (state_.exchange(State::kRung) == State::kAsleep) {
    write();
  }
}

bool LoopBell::answer() {
  State rung = State::kRung;
  return state_.compare_exchange_strong(rung, State::kAwake);
}

void LoopBell::sleep() {
  State awake = State::kAwake;
  if (!state_.compare_exchange_strong(awake, State::kAsleep) && awake == State::kRung) {
    write();
  }
}

void LoopBell::read() {
  std::uint64_t count = 0;
  while (::read(fd_, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

void LoopBell::write() {
  constexpr std::uint64_t kOne = 1;
  // EAGAIN would mean that it is readable already.
  while (::write(fd_, &kOne, sizeof kOne) < 0 && errno == EINTR) {
  }
}

}  // namespace consort::proxy
