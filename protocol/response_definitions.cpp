// ResponseTracker: column definitions that are wanted as a whole, and perhaps not for the client.
#include <utility>

#include "base/check.h"
#include "protocol/response_tracker.h"

namespace consort::protocol {

/// The `count` whole packets in front; none when there is another one among them, or they are too
/// long to be gathered.
ResponseTracker::Gathered ResponseTracker::gather(Bytes unread, std::uint64_t count) const {
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (at > kGatheredBytesMax) {
      return {};
    }
    const std::optional<Look> front = look(unread.subspan(at));
    if (!front) {
      return {{}, false};
    }
    const bool definition = front->payload_bytes > 0 && front->payload_bytes < kMaxPayload &&
                            front->first != kErrByte && front->first != kEofByte;
    if (!definition) {
      return {};
    }
    at += kHeaderBytes + front->payload_bytes;
    if (at > unread.size()) {
      return {{}, at > kGatheredBytesMax};
    }
  }
  return {unread.first(at), true};
}

/// The columns' definitions that follow `step`, a kColumnCount or kPrepareOk packet in front of
/// `unread`.
ResponseTracker::Gathered ResponseTracker::gather_behind(const Step& step, Bytes unread) const {
  unread = unread.subspan(step.bytes);
  if (step.control == ControlKind::kPrepareOk && definitions_left_ > 0 &&
      columns_after_parameters_ > 0) {
    const Gathered parameters = gather(unread, definitions_left_);
    if (parameters.packets.empty()) {
      return parameters;
    }
    unread = unread.subspan(parameters.packets.size());
    if ((capabilities_ & capability::kDeprecateEof) == 0) {
      constexpr std::size_t kEofBytes = kHeaderBytes + 5;  // of the old form
      if (unread.size() < kEofBytes) {
        return {{}, false};
      }
      unread = unread.subspan(kEofBytes);
    }
  }
  return gather(unread, step.columns);
}

void ResponseTracker::drop_definitions() {
  CHECK(phase_ == Phase::kColumns);
  CHECK(gathered_bytes_ > 0);
  dropping_ = std::exchange(gathered_bytes_, 0);
  dropped_packets_ = static_cast<std::uint8_t>(dropped_packets_ + definitions_left_);
  definitions_left_ = 0;
  renumbers_ = true;
  begin_rows(false);
}

}  // namespace consort::protocol
