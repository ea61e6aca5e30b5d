// TakenNumbers: PREVIOUS VALUE of a session's sequences lives on the connection that has taken the
// numbers, and nothing carries it to another one. Threads: none; its session's.
#pragma once

namespace consort::proxy {

class TakenNumbers {
 public:
  /// As on a fresh connection.
  void reset() { *this = {}; }

  /// A statement that names a sequence is sent to the home.
  void on_sent() { at_home_ = true; }

  void on_home_left() {
    lost_ = lost_ || at_home_;
    at_home_ = false;
  }

  /// Numbers were taken on a connection that the session has no more: what the server would say of
  /// them is not what the client has seen.
  [[nodiscard]] bool lost() const { return lost_; }

 private:
  bool at_home_ = false;
  bool lost_ = false;
};

}  // namespace consort::proxy
