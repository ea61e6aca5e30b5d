// HeldCommits: what of a session's own past a backend must have applied before its next statement
// there. A commit waits on its home as a prepared branch until the lane's turn comes; its row locks
// stay, so a statement that reads under locks alone meets it by itself and need not wait.
// Threads: none; its session's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/ids.h"

namespace consort::proxy {

class HeldCommits {
 public:
  /// A branch of this session was committed as `seqno`; it was prepared on `home` in that
  /// generation of its lane (AppliedPositions::lane_generations).
  void on_commit(Seqno seqno, BackendId home, std::uint32_t lane_generation) {
    if (home_ != home || lane_generation_ != lane_generation) {
      not_held_ = newest_;
      home_ = home;
      lane_generation_ = lane_generation;
    }
    newest_ = std::max(newest_, seqno);
  }

  /// Something else got `seqno` that the session must see: a DDL statement.
  void on_other(Seqno seqno) { newest_ = not_held_ = std::max(newest_, seqno); }

  /// The newest of all: whoever reads without locks must see it applied.
  [[nodiscard]] Seqno newest() const { return newest_; }

  /// The newest that `home` does not hold, or may not hold since its lane began anew.
  [[nodiscard]] Seqno newest_not_held(BackendId home, std::uint32_t lane_generation) const {
    return home_ == home && lane_generation_ == lane_generation ? not_held_ : newest_;
  }

 private:
  Seqno newest_;
  Seqno not_held_;  ///< by home_
  std::optional<BackendId> home_;
  std::uint32_t lane_generation_ = 0;
};

}  // namespace consort::proxy
