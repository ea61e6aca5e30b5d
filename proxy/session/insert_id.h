// InsertId: LAST_INSERT_ID() of a session, which outlives its connections: whether the home's
// connection alone knows the newest value, and what it would say. Decision 0016.
// Threads: none; its session's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace consort::proxy {

/// Asks a connection for it: changes nothing that the client could notice but ROW_COUNT(), opens no
/// table, begins no transaction, and the server reports the value with its OK. Neither warnings nor
/// FOUND_ROWS() suffer, and handlers that are waited for are let go of (measured).
inline constexpr std::string_view kAskInsertId = "SET last_insert_id=@@last_insert_id";

class InsertId {
 public:
  /// As on a fresh connection. REQUIRES: no home's connection is held.
  void reset() {
    value_ = 0;
    lost_ = false;
  }

  /// `said`: what the connection would say; nullopt: unknown.
  void on_home_leased(std::optional<std::uint64_t> said) { said_at_home_ = said; }

  /// The connection is lost or another session's now, and what it alone knew with it.
  void on_home_left() {
    lost_ = lost_ || newest_at_home_;
    newest_at_home_ = false;
  }

  /// A statement there has set it, nobody knows to what.
  void on_changed_at_home() {
    newest_at_home_ = true;
    lost_ = false;
    said_at_home_.reset();
  }

  /// The home was asked.
  void on_answer(std::uint64_t value) {
    if (newest_at_home_) {
      value_ = value;
      said_at_home_ = value;
      newest_at_home_ = false;
    }
  }

  /// The home has been told what it lacked().
  void on_home_told() { said_at_home_ = value_; }

  /// It must be asked before it is left.
  [[nodiscard]] bool newest_at_home() const { return newest_at_home_; }

  /// A connection went away that alone knew it: whoever asks must not get an older one.
  [[nodiscard]] bool lost() const { return lost_; }

  [[nodiscard]] std::optional<std::uint64_t> said_at_home() const { return said_at_home_; }

  /// What the home's connection must be told before a statement may ask it; nullopt: nothing.
  [[nodiscard]] std::optional<std::uint64_t> lacked_at_home() const {
    return newest_at_home_ || said_at_home_ == value_ ? std::nullopt : std::optional(value_);
  }

 private:
  std::uint64_t value_ = 0;  ///< unless the home knows a newer one
  std::optional<std::uint64_t> said_at_home_;
  bool newest_at_home_ = false;
  bool lost_ = false;
};

}  // namespace consort::proxy
