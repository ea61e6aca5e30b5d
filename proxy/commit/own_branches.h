// OwnBranches: which branch stands behind each recent seqno, and on which home. Answers what
// recovery asks of a backend's prepared branches without reading the archive.
// Threads: none; the commit thread's.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>

#include "base/ids.h"
#include "certifier/writeset.h"

namespace consort::proxy {

/// One writeset with a branch.
struct OwnBranch {
  Seqno seqno;
  BackendId home;
  BranchId branch;
  bool replayed = false;  ///< a Replay entry says that its branch goes
};

/// The branch of an entry, or nullopt when it has none (DDL, rows committed by their home).
[[nodiscard]] std::optional<OwnBranch> own_branch_of(const certifier::LogEntry& entry);

class OwnBranches {
 public:
  explicit OwnBranches(std::size_t seqnos_max) : seqnos_max_(seqnos_max) {}

  /// The next entry, in log order: certified ones count, durable or not.
  void add(const certifier::LogEntry& entry);

  /// The branch of `seqno` is to be rolled back. Nothing when it is too old to be known.
  void mark_replayed(Seqno seqno);

  /// The oldest seqno known; one after the newest when none is.
  [[nodiscard]] Seqno first() const { return first_; }

  /// The newest writeset of `home`; 0 when there never was one.
  [[nodiscard]] Seqno last_own(BackendId home) const { return last_own_[home.value]; }

  /// For entries that are not added because they are old: `seqno` is one of `home`.
  void note_own(BackendId home, Seqno seqno) {
    last_own_[home.value] = std::max(last_own_[home.value], seqno);
  }

  /// The branch of `seqno`, or null.
  [[nodiscard]] const OwnBranch* find(Seqno seqno) const;

  /// One of the newest entries holds this branch of `home`.
  [[nodiscard]] bool has_recent(BackendId home, const BranchId& branch) const;

  /// Calls `visit` for the branches of `home` with seqno >= `from`, in order.
  void for_each(BackendId home,
                Seqno from,
                const std::function<void(const OwnBranch&)>& visit) const;

 private:
  const std::size_t seqnos_max_;
  Seqno first_{1};
  std::deque<std::optional<OwnBranch>> by_seqno_;  // of first_, first_+1 ...
  std::array<Seqno, kBackendsMax> last_own_{};
};

}  // namespace consort::proxy
