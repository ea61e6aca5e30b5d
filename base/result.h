// Result<T>: a value or the reason why there is none. We throw no exceptions of our own.
// Threads: any.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace consort {

/// Why something failed. `code` is the room's own enum value (0 when nobody branches on it);
/// `message` says what and where, for a log line or for the peer who caused it.
struct Error {
  int code = 0;
  std::string message;
};

/// An error whose code nobody branches on.
[[nodiscard]] inline Error make_error(std::string message) {
  return Error{0, std::move(message)};
}

/// An error with a code of the room's own enum.
template <typename Code>
[[nodiscard]] Error make_error(Code code, std::string message) {
  return Error{static_cast<int>(code), std::move(message)};
}

/// Either a `T` or an `Error`. REQUIRES: `ok()` before `value()`, `!ok()` before `error()`.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit

  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  [[nodiscard]] bool ok() const { return state_.index() == 0; }

  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & {
    CHECK(ok());
    return *std::get_if<0>(&state_);
  }

  [[nodiscard]] const T& value() const& {
    CHECK(ok());
    return *std::get_if<0>(&state_);
  }

  [[nodiscard]] T&& value() && {
    CHECK(ok());
    return std::move(*std::get_if<0>(&state_));
  }

  [[nodiscard]] const Error& error() const {
    CHECK(!ok());
    return *std::get_if<1>(&state_);
  }

  T& operator*() & { return value(); }

  const T& operator*() const& { return value(); }

  T* operator->() { return &value(); }

  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value.
struct Ok {};

using Status = Result<Ok>;

}  // namespace consort
