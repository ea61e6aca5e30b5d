#include "proxy/session/multi_statement.h"

#include <algorithm>

#include "base/check.h"
#include "protocol/constants.h"

namespace consort::proxy {

void MultiStatement::end() {
  if (text_.capacity() > kRetainedBytesMax) {
    std::string().swap(text_);
  }
  text_.clear();
  at_ = 0;
  missing_bytes_ = 0;
  active_ = false;
}

void MultiStatement::number(MutableBytes bytes) {
  while (!bytes.empty()) {
    if (missing_bytes_ == 0) {
      // The tracker lets no part of a header pass.
      CHECK(bytes.size() >= protocol::kHeaderBytes);
      bytes[3] = sequence_++;
      missing_bytes_ = protocol::kHeaderBytes + load_le<3>(bytes.data());
    }
    const std::size_t taken = std::min(missing_bytes_, bytes.size());
    missing_bytes_ -= taken;
    bytes = bytes.subspan(taken);
  }
}

}  // namespace consort::proxy
