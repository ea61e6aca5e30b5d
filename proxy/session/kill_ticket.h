// KillTicket: a KILL QUERY that a session has asked for and that another thread sends over another
// connection. It comes late, or not at all. So the session takes it back when the statement that it
// was meant for ends first, and where that is too late, knows when it can hit nothing any more.
//
//             begin()               end(true)
//   kWanted -----------> kUnderWay -----------> kOver
//      |                     | end(false): the server's answer was lost
//      | withdraw()          v
//      v                   kLost (it may still come)
//   kWithdrawn
//
// Threads: withdraw(), pending() the session's worker; begin(), end() the one that sends it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace consort::proxy {

class KillTicket {
 public:
  /// None: nothing was asked for.
  KillTicket() = default;

  [[nodiscard]] static KillTicket issue() {
    KillTicket ticket;
    ticket.state_ = std::make_shared<std::atomic<State>>(State::kWanted);
    return ticket;
  }

  [[nodiscard]] bool issued() const { return state_ != nullptr; }

  /// The KILL may still reach the connection.
  [[nodiscard]] bool pending() const {
    if (!issued()) {
      return false;
    }
    const State state = state_->load(std::memory_order_acquire);
    return state == State::kWanted || state == State::kUnderWay || state == State::kLost;
  }

  /// What it was meant for is over: it is not sent any more, unless it is under way.
  void withdraw() {
    if (issued()) {
      State wanted = State::kWanted;
      state_->compare_exchange_strong(wanted, State::kWithdrawn, std::memory_order_acq_rel);
    }
  }

  /// Right before it is sent, also again after its answer was lost. False: it is not wanted any
  /// more. REQUIRES: issued().
  [[nodiscard]] bool begin() const {
    State state = State::kWanted;
    return state_->compare_exchange_strong(state, State::kUnderWay, std::memory_order_acq_rel) ||
           state == State::kLost;
  }

  /// `answered`: the server has; it can have no effect afterwards. REQUIRES: begin() was true.
  void end(bool answered) const {
    State under_way = State::kUnderWay;
    state_->compare_exchange_strong(under_way, answered ? State::kOver : State::kLost,
                                    std::memory_order_acq_rel);
  }

 private:
  enum class State : std::uint8_t { kWanted, kWithdrawn, kUnderWay, kOver, kLost };

  std::shared_ptr<std::atomic<State>> state_;
};

}  // namespace consort::proxy
