#include "proxy/session/init_connect.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "protocol/constants.h"
#include "protocol/decode.h"

namespace consort::proxy {
namespace {

constexpr std::uint8_t kErrByte = 0xFF;
/// A report of progress looks like an error of this number.
constexpr std::uint16_t kProgressCode = 0xFFFF;
constexpr std::size_t kErrorBytesMax = 4096;

}  // namespace

void InitConnect::plan(std::string_view text) {
  text_ = text;
  why_.clear();
  state_ = text.empty() ? State::kNone : State::kDue;
}

std::string InitConnect::begin() {
  CHECK(due());
  state_ = State::kRunning;
  return std::exchange(text_, {});
}

void InitConnect::hear(Bytes bytes) {
  while (!bytes.empty()) {
    if (missing_bytes_ == 0) {
      const std::size_t taken = std::min(bytes.size(), protocol::kHeaderBytes - header_.size());
      header_.insert(header_.end(), bytes.begin(),
                     bytes.begin() + static_cast<std::ptrdiff_t>(taken));
      bytes = bytes.subspan(taken);
      if (header_.size() == protocol::kHeaderBytes) {
        missing_bytes_ = load_le<3>(header_.data());
        header_.clear();
        begins_ = !continues_;
        is_error_ = false;
        continues_ = missing_bytes_ == protocol::kMaxPayload;
      }
      continue;
    }
    if (std::exchange(begins_, false)) {
      is_error_ = bytes[0] == kErrByte;
      error_.clear();
    }
    const std::size_t taken = std::min(missing_bytes_, bytes.size());
    if (is_error_ && error_.size() < kErrorBytesMax) {
      error_.insert(error_.end(), bytes.begin(),
                    bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    }
    missing_bytes_ -= taken;
    bytes = bytes.subspan(taken);
    if (missing_bytes_ == 0 && is_error_) {
      const protocol::SqlError error = protocol::sql_error_of(error_);
      if (error.code != kProgressCode) {
        fail(error.message);
      }
    }
  }
}

void InitConnect::fail(std::string_view why) {
  if (why_.empty()) {
    why_ = why.empty() ? std::string_view("unknown error") : why;
  }
}

void InitConnect::end() {
  CHECK(running());
  state_ = why_.empty() ? State::kNone : State::kFailed;
}

}  // namespace consort::proxy
