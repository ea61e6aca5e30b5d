// Sequencer: certifies writesets before they are appended to the log, and numbers them.
// First committer wins (I10), seqnos are dense (I3), a request older than what the index remembers
// is refused (I7). An entry counts from the moment it got its seqno, durable or not: submission
// order is log order, and a failed log write ends the process (decision 0003).
// Threads: none; the commit thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/row_key.h"
#include "certifier/certification_index.h"
#include "certifier/writeset.h"

namespace consort::certifier {

struct CertifyRequest {
  BranchId branch;
  BackendId home;
  Seqno last_seen_at_prepare;  ///< applied(home) when XA PREPARE was sent
  Seqno last_seen_at_answer;   ///< applied(home) when its OK was read
  std::span<const RowKey> keys;
  /// applied(home) when the branch began. Set it when the branch deletes or re-keys rows of a table
  /// that foreign keys refer to, where lanes apply child rows without foreign key checks: a child
  /// that a lane applied while the branch was open is seen neither by the home nor by the others.
  std::optional<Seqno> last_seen_at_start{};
};

enum class VerdictKind : std::uint8_t {
  kPass,      ///< `seqno` is the entry's place: append it now
  kConflict,  ///< the entry `seqno` holds `key`: roll the branch back, tell the client 1213
  kTooOld,    ///< last_seen lies before the horizon: the same
};

struct Verdict {
  VerdictKind kind = VerdictKind::kPass;
  Seqno seqno;
  RowKey key;
};

struct SequencerLimits {
  std::size_t keys_max = 1'000'000;   ///< held for certification; above it the horizon rises (I7)
  std::size_t entries_kept = 10'000;  ///< kept though applied everywhere, for requests under way
};

class Sequencer {
 public:
  explicit Sequencer(SequencerLimits limits = {});

  /// Certifies and, when it passes, numbers the request and holds its keys.
  /// REQUIRES: last_seen_at_start <= last_seen_at_prepare <= last_seen_at_answer <= head().
  [[nodiscard]] Verdict certify(const CertifyRequest& request);

  /// Numbers an entry that passes unasked. DDL: without `home`; never exempt, so writesets of every
  /// home that hold one of its keys and have not seen it conflict. Rows that their home committed
  /// by itself (kWritesetAtHome): with `home`.
  [[nodiscard]] Seqno order(std::span<const RowKey> keys, ExemptHome home);

  /// The entry's branch is not, or will not be, held until it is applied: transactions of its own
  /// home must have seen it, too. Call it BEFORE the branch is rolled back.
  void withdraw_exemption(Seqno seqno);

  /// The same for all entries of `home` after `applied`: its lane or its stream was lost, nobody
  /// knows what it still holds. Costs nearly nothing: who waits for a held row has seen its entry.
  void withdraw_exemptions_of(BackendId home, Seqno applied);

  /// Takes an entry of the log at start, in log order. The first one says where the log begins;
  /// what lies before is beyond the horizon. Entries of every kind are welcome (Replay withdraws).
  /// Error: seqnos are not dense. REQUIRES: nothing certified yet.
  [[nodiscard]] Status restore(const LogEntry& entry);

  /// Every backend that may be a home has applied `seqno`. Frees memory in small steps, now and
  /// during later calls.
  void on_applied_everywhere(Seqno seqno);

  /// The newest seqno given; 0 before the first.
  [[nodiscard]] Seqno head() const { return head_; }

  /// Requests with a smaller last_seen are refused.
  [[nodiscard]] Seqno horizon() const { return horizon_; }

  /// Keys held, each as often as entries hold it: what keys_max bounds.
  [[nodiscard]] std::size_t keys_held() const { return keys_held_; }

  [[nodiscard]] std::size_t keys_max() const { return limits_.keys_max; }

  /// Keys held by entries after `seqno`: once they are forgotten, who has seen no more is too old.
  [[nodiscard]] std::size_t keys_after(Seqno seqno) const;

  [[nodiscard]] std::size_t distinct_keys() const { return index_.size(); }

  /// How often the horizon rose above what is applied everywhere because of keys_max.
  [[nodiscard]] std::uint64_t forced_horizons() const { return forced_horizons_; }

 private:
  struct Held {
    std::vector<RowKey> keys;
    ExemptHome home;
    std::uint64_t keys_before = 0;  ///< of all entries held before, forgotten or not
  };

  Seqno take(std::span<const RowKey> keys, ExemptHome home);
  [[nodiscard]] Held* held(Seqno seqno);
  void withdraw(Held& entry, Seqno seqno);
  void begin_after(Seqno seqno);
  void make_room(std::size_t keys_coming);
  void collect(std::size_t keys_budget);
  std::size_t purge_oldest(std::size_t keys_budget);

  SequencerLimits limits_;
  CertificationIndex index_;
  std::deque<Held> held_;  ///< of seqnos first_held_ .. head_
  Seqno first_held_{1};
  std::size_t oldest_purged_ = 0;  ///< keys of the oldest entry that are purged already
  Seqno head_;
  Seqno horizon_;
  Seqno applied_everywhere_;
  std::size_t keys_held_ = 0;
  std::uint64_t keys_taken_ = 0;  ///< of all entries held so far, forgotten or not
  std::uint64_t forced_horizons_ = 0;
};

}  // namespace consort::certifier
