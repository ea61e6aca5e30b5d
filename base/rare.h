// Rare: an optional value that takes a pointer's room while there is none. For what one of
// thousands has at a time: what std::optional<T> would take up, all of them would.
#pragma once

#include <memory>
#include <optional>
#include <utility>

namespace consort {

template <typename T>
class Rare {
 public:
  Rare() = default;

  // NOLINTNEXTLINE(google-explicit-constructor): as std::optional has it
  Rare(std::nullopt_t /*none*/) {}

  Rare& operator=(T value) {
    value_ = std::make_unique<T>(std::move(value));
    return *this;
  }

  Rare& operator=(std::nullopt_t /*none*/) {
    value_.reset();
    return *this;
  }

  explicit operator bool() const { return value_ != nullptr; }

  [[nodiscard]] bool has_value() const { return value_ != nullptr; }

  // REQUIRES: has_value().
  [[nodiscard]] T& operator*() & { return *value_; }

  [[nodiscard]] const T& operator*() const& { return *value_; }

  [[nodiscard]] T&& operator*() && { return std::move(*value_); }

  [[nodiscard]] T* operator->() { return value_.get(); }

  [[nodiscard]] const T* operator->() const { return value_.get(); }

  void reset() { value_.reset(); }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace consort
