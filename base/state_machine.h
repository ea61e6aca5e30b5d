// StateMachine: an enum and the constexpr table of its legal moves.
// Threads: none; its owner's.
#pragma once

#include <cstddef>
#include <span>

#include "base/check.h"

namespace consort {

template <typename State>
struct Transition {
  State from;
  State to;
};

/// Holds a state and CHECKs that each move is in `table`, which outlives the machine.
template <typename State>
class StateMachine {
 public:
  constexpr StateMachine(State initial, std::span<const Transition<State>> table)
      : state_(initial), table_(table) {}

  [[nodiscard]] State state() const { return state_; }

  [[nodiscard]] bool is(State state) const { return state_ == state; }

  [[nodiscard]] bool can_move(State to) const {
    for (const Transition<State>& transition : table_) {
      if (transition.from == state_ && transition.to == to) {
        return true;
      }
    }
    return false;
  }

  /// REQUIRES: can_move(to).
  void move(State to) {
    CHECK(can_move(to));
    state_ = to;
  }

 private:
  State state_;
  std::span<const Transition<State>> table_;
};

}  // namespace consort
