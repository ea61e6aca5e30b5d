// ReadBuffer: bytes received but not yet consumed by the parser. consumed <= received.
// Holds no memory while it is empty, so that idle connections cost nothing.
// Threads: none; one connection owns it.
#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "base/check.h"

namespace consort {

class ReadBuffer {
 public:
  /// Takes `bytes` behind what waits. Views from unread() die.
  void feed(Bytes bytes) {
    forget_consumed();
    append(storage_, bytes);
  }

  /// Room for `bytes_count` bytes behind what waits; commit() says how many were put there. Views
  /// from unread() die.
  [[nodiscard]] MutableBytes prepare(std::size_t bytes_count) {
    forget_consumed();
    prepared_from_ = storage_.size();
    storage_.resize(prepared_from_ + bytes_count);
    return MutableBytes(storage_).subspan(prepared_from_);
  }

  /// REQUIRES: prepare() was the last call; bytes_count <= what it was asked for.
  void commit(std::size_t bytes_count) {
    CHECK(bytes_count <= storage_.size() - prepared_from_);
    storage_.resize(prepared_from_ + bytes_count);
    if (consumed_ == storage_.size()) {
      Buffer().swap(storage_);
      consumed_ = 0;
    }
  }

  /// What has not been consumed. Dies at the next feed() or consume().
  [[nodiscard]] Bytes unread() const { return Bytes(storage_).subspan(consumed_); }

  [[nodiscard]] MutableBytes unread() { return MutableBytes(storage_).subspan(consumed_); }

  /// REQUIRES: bytes_count <= unread().size().
  void consume(std::size_t bytes_count) {
    CHECK(bytes_count <= storage_.size() - consumed_);
    consumed_ += bytes_count;
    if (consumed_ == storage_.size()) {
      Buffer().swap(storage_);
      consumed_ = 0;
    }
  }

  [[nodiscard]] bool empty() const { return consumed_ == storage_.size(); }

 private:
  void forget_consumed() {
    if (consumed_ > 0 && consumed_ >= storage_.size() / 2) {
      storage_.erase(storage_.begin(), storage_.begin() + static_cast<std::ptrdiff_t>(consumed_));
      consumed_ = 0;
    }
  }

  Buffer storage_;
  std::size_t consumed_ = 0;
  std::size_t prepared_from_ = 0;
};

}  // namespace consort
