// ChannelLease: one of a session's two backend connections as its core sees it: what was leased,
// which replies it owes, and how far the present one has come.
// Threads: none; its session's.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/response_tracker.h"
#include "proxy/session/effects.h"
#include "proxy/session/reply_queue.h"

namespace consort::proxy {

class ChannelLease {
 public:
  void take(const LeasedConnection& connection) {
    forget();
    held_ = true;
    connection_ = connection;
  }

  /// The connection was given back or is lost, and whatever it owed with it.
  void forget() {
    held_ = false;
    replies_.clear();
    tracking_ = false;
  }

  [[nodiscard]] bool held() const { return held_; }

  /// What was leased last: whose branch it was may be asked after its end.
  [[nodiscard]] const LeasedConnection& connection() const { return connection_; }

  void expect(const ExpectedReply& reply) { replies_.push(reply); }

  [[nodiscard]] bool owes_reply() const { return !replies_.empty(); }

  /// The reply that comes next or is under way. REQUIRES: owes_reply().
  [[nodiscard]] const ExpectedReply& reply() const { return replies_.front(); }

  [[nodiscard]] std::size_t replies() const { return replies_.size(); }

  /// ReplyQueue::from_end().
  [[nodiscard]] const ExpectedReply& reply_from_end(std::size_t place) const {
    return replies_.from_end(place);
  }

  /// What lies in front of the received bytes. REQUIRES: owes_reply().
  [[nodiscard]] Result<protocol::ResponseTracker::Step> step(MutableBytes unread) {
    if (!tracking_) {
      tracker_.begin(reply().command, connection_.capabilities, reply().command_sequence);
      tracking_ = true;
      if (reply().gathers_definitions) {
        tracker_.gather_definitions();
      }
    }
    return tracker_.step(unread);
  }

  /// ResponseTracker::drop_definitions().
  void drop_definitions() { tracker_.drop_definitions(); }

  /// The client's file is sent, its last packet numbered `sequence`: the reply goes on.
  void note_file_sent(std::uint8_t sequence) { tracker_.on_infile_sent(sequence); }

  /// The reply under way is complete.
  void finish_reply() {
    replies_.pop();
    tracking_ = false;
  }

  [[nodiscard]] bool in_reply() const { return tracking_; }

  /// The bytes so far end in the middle of a packet that was forwarded.
  [[nodiscard]] bool inside_packet() const { return tracking_ && tracker_.inside_packet(); }

  /// Rows of the last result set of the reply that is, or was, under way.
  [[nodiscard]] std::uint64_t rows() const { return tracker_.rows(); }

  /// Sequence id of the reply's next packet. REQUIRES: in_reply().
  [[nodiscard]] std::uint8_t next_sequence() const { return tracker_.next_sequence(); }

 private:
  bool held_ = false;
  bool tracking_ = false;
  LeasedConnection connection_;
  ReplyQueue replies_;
  protocol::ResponseTracker tracker_;
};

}  // namespace consort::proxy
