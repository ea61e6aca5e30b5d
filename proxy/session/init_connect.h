// InitConnect: what clients have SET GLOBAL init_connect to, at the beginning of one session: when
// it is to run, and whether it went well. Nobody hears what its statements answer. Decision 0041.
//
//   kNone --plan()--> kDue --begin()--> kRunning --end()--> kNone
//                                          | an error, --end()--> kFailed
// Threads: none; its session's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace consort::proxy {

class InitConnect {
 public:
  /// The session begins by running `text`; empty: nothing.
  void plan(std::string_view text);

  [[nodiscard]] bool due() const { return state_ == State::kDue; }

  [[nodiscard]] bool running() const { return state_ == State::kRunning; }

  /// An error has ended it: so does the connection.
  [[nodiscard]] bool failed() const { return state_ == State::kFailed; }

  /// It runs from now on; the text. REQUIRES: due().
  [[nodiscard]] std::string begin();

  /// Bytes of the replies, in order: an ERR packet among them is noted.
  void hear(Bytes bytes);

  /// It cannot do what it wants.
  void fail(std::string_view why);

  /// Everything is answered. REQUIRES: running().
  void end();

  /// The error's message; empty: there is none.
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  enum class State : std::uint8_t { kNone, kDue, kRunning, kFailed };

  State state_ = State::kNone;
  std::string text_;
  std::string why_;
  Buffer header_;                  ///< of the packet under way, while it is incomplete
  Buffer error_;                   ///< payload of the ERR packet under way
  std::size_t missing_bytes_ = 0;  ///< of the packet under way
  bool begins_ = false;            ///< its first byte comes next
  bool is_error_ = false;
  bool continues_ = false;  ///< it belongs to the one before
};

}  // namespace consort::proxy
