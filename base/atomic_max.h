// Raising a number that several threads raise.
#pragma once

#include <atomic>

namespace consort {

/// `value` is `at_least` or more afterwards.
template <typename Number>
void raise_to(std::atomic<Number>& value, Number at_least) {
  Number before = value.load();
  while (before < at_least && !value.compare_exchange_weak(before, at_least)) {
  }
}

}  // namespace consort
