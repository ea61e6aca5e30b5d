// CertificationIndex: who held which key last, for the conflict rule of base/row_key.h.
// A hash table of open addressing in shards, so that no growth step is long. Each key takes one
// cache line: for each class of holds the newest seqno with its home, and the newest seqno of any
// other home, which makes the same-home exemption exact.
// Threads: none; the commit thread's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/ids.h"
#include "base/row_key.h"

namespace consort::certifier {

/// Where an entry's exemption stands: its home, or nobody (DDL, or withdrawn).
using ExemptHome = std::optional<BackendId>;

/// What a transaction had seen of the other homes' commits.
/// REQUIRES: at_start <= at_prepare <= at_answer.
struct LastSeen {
  Seqno at_prepare;  ///< for pairs of holds that no row lock surviving XA PREPARE keeps apart
  Seqno at_answer;   ///< for update and exclusive holds against each other
  /// For exclusive holds against earlier references: a lane that applies a child row without
  /// looking at its parent is not stopped by the parent's deletion under way. nullopt: at_prepare.
  std::optional<Seqno> at_start{};
};

/// The key and the earlier entry that a request collided with.
struct Conflict {
  RowKey key;
  Seqno seqno;
};

class CertificationIndex {
 public:
  CertificationIndex();
  ~CertificationIndex();
  CertificationIndex(CertificationIndex&&) noexcept;
  CertificationIndex& operator=(CertificationIndex&&) noexcept;
  CertificationIndex(const CertificationIndex&) = delete;
  CertificationIndex& operator=(const CertificationIndex&) = delete;

  /// The first of `keys` that an entry newer than `last_seen` holds incompatibly, entries exempt
  /// for `home` aside. Which last_seen counts depends on the pair of holds.
  [[nodiscard]] std::optional<Conflict> find_conflict(std::span<const RowKey> keys,
                                                      BackendId home,
                                                      const LastSeen& last_seen) const;

  /// Notes that the entry `seqno` holds `keys`. Entries may come in any order: giving an entry
  /// again with nullopt withdraws its exemption.
  void insert(std::span<const RowKey> keys, Seqno seqno, ExemptHome home);

  /// Forgets those of `keys` that no entry newer than `horizon` holds.
  void purge(std::span<const RowKey> keys, Seqno horizon);

  /// Distinct keys known.
  [[nodiscard]] std::size_t size() const { return size_; }

  /// Memory of the table.
  [[nodiscard]] std::size_t capacity_bytes() const;

 private:
  struct Slot;
  class Shard;

  [[nodiscard]] static std::uint64_t mix(std::uint64_t hash);
  [[nodiscard]] Shard& shard(std::uint64_t mixed);
  [[nodiscard]] const Shard& shard(std::uint64_t mixed) const;

  std::unique_ptr<Shard[]> shards_;
  std::size_t size_ = 0;
};

}  // namespace consort::certifier
