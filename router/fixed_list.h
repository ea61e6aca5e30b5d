// FixedList: up to N trivially copyable values held in place, without initialising the unused ones.
// Threads: none; its owner's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/check.h"

namespace consort::router {

/// A vector of bounded size that never allocates. What does not fit is counted, not stored.
template <typename T, std::size_t N>
class FixedList {
  static_assert(std::is_trivially_copyable_v<T>);
  static_assert(std::is_trivially_destructible_v<T>);
  static_assert(N <= 255);

 public:
  FixedList() {}  // NOLINT: `= default` would let value-initialisation clear the storage

  FixedList(const FixedList& other) { copy_from(other); }

  FixedList& operator=(const FixedList& other) {
    if (this != &other) {
      copy_from(other);
    }
    return *this;
  }

  ~FixedList() = default;

  /// Appends `value`; false when the list is full (overflowed() is true from then on).
  bool push_back(const T& value) {
    if (size_ == N) {
      overflowed_ = true;
      return false;
    }
    std::memcpy(storage_ + sizeof(T) * size_, &value, sizeof(T));
    ++size_;
    return true;
  }

  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// True when at least one value did not fit.
  [[nodiscard]] bool overflowed() const { return overflowed_; }

  [[nodiscard]] const T* begin() const { return reinterpret_cast<const T*>(storage_); }

  [[nodiscard]] const T* end() const { return begin() + size_; }

  [[nodiscard]] T* begin() { return reinterpret_cast<T*>(storage_); }

  [[nodiscard]] T* end() { return begin() + size_; }

  /// REQUIRES: at < size().
  [[nodiscard]] const T& operator[](std::size_t at) const {
    CHECK(at < size_);
    return begin()[at];
  }

  /// REQUIRES: !empty().
  [[nodiscard]] T& back() {
    CHECK(size_ > 0);
    return begin()[size_ - 1];
  }

 private:
  void copy_from(const FixedList& other) {
    size_ = other.size_;
    overflowed_ = other.overflowed_;
    std::memcpy(storage_, other.storage_, sizeof(T) * size_);
  }

  std::uint8_t size_ = 0;
  bool overflowed_ = false;
  alignas(T) unsigned char storage_[sizeof(T) * N];
};

}  // namespace consort::router
