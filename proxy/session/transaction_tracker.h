// TransactionTracker: what session_track_transaction_info says of a client's transaction. The home
// tells of the branch or the plain transaction in which Consort runs it; begin and end, and how it
// could be begun anew, are the session's to say.
//
// State, eight characters: T explicit or I implicit transaction; r, R it has read tables without
// and with transactions; w, W it has written such; s a statement that is unsafe for the binlog; S
// a statement had rows; L locked tables. Characteristics: the statements that begin such a
// transaction. Told when they have changed, by OK packets only.
// Spec: MariaDB KB "session_track_transaction_info", "OK_Packet". Threads: none; its session's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/messages.h"
#include "router/statement.h"

namespace consort::proxy {

class TransactionTracker {
 public:
  /// The client's session_track_transaction_info is `value` from now on, as the server reports it.
  void set_level(std::string_view value);

  [[nodiscard]] bool on() const { return level_ != Level::kOff; }

  /// COM_RESET_CONNECTION and the like.
  void reset() { *this = {}; }

  /// BEGIN, or AND CHAIN, with what it said of access.
  void begin(router::AccessMode access, bool snapshot);
  /// The transaction is over, in whatever way.
  void end();
  /// What SET TRANSACTION said of the next transaction is used up.
  void use_up_next();

  /// The client's statement had rows.
  void on_rows();
  /// The home says `state` of the transaction that it runs for the client's. `autocommit`: the
  /// client's.
  void on_state(std::string_view state, bool autocommit);
  /// SET TRANSACTION says something of the next transaction, or SET SESSION TRANSACTION takes back
  /// what was said of it.
  void set_next(router::AccessMode access, router::IsolationLevel isolation);
  void unset_next(router::AccessMode access, router::IsolationLevel isolation);
  /// The home says what is set for the next transaction, outside of any.
  void on_next(std::string_view characteristics);
  /// The home says that something of this has changed, but, as only the state is told, not what.
  void on_next_changed();

  /// Something is to be told with the next OK packet.
  [[nodiscard]] bool due() const { return on() && changed_; }

  /// A packet ends the statement that has no room for it, ERR or an EOF of the old form: what is
  /// due waits until something else changes (measured).
  void on_untold() { changed_ = false; }

  /// Puts what is due into `changes`, which then has views into this object.
  void tell(protocol::SessionChanges& changes);

 private:
  enum class Level : std::uint8_t { kOff, kState, kCharacteristics };

  void change_next(router::AccessMode access, router::IsolationLevel isolation);

  [[nodiscard]] bool open() const { return state_[kKind] != '_'; }

  void note_change() {
    changed_ = changed_ || state_due_ || characteristics_due_ || state_ != told_;
  }

  void build_characteristics();

  static constexpr std::size_t kKind = 0;
  static constexpr std::size_t kReads = 2;
  static constexpr std::size_t kRows = 6;
  static constexpr std::string_view kEmpty = "________";

  Level level_ = Level::kOff;
  bool changed_ = false;    ///< since the last packet
  bool state_due_ = false;  ///< told even if it is as before
  bool characteristics_due_ = false;
  bool snapshot_ = false;
  bool next_unknown_ = false;  ///< something may be set for the next transaction
  router::AccessMode access_ = router::AccessMode::kUnset;
  router::IsolationLevel isolation_ = router::IsolationLevel::kUnset;
  std::string state_{kEmpty};
  std::string told_{kEmpty};
  std::string characteristics_;  ///< as told last
};

}  // namespace consort::proxy
