// CertificationOracle: the rule of certification, by scanning a list. What the index must agree
// with.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "certifier/certification_index.h"

namespace consort::certifier {

/// The rule as base/row_key.h states it.
inline bool holds_conflict(KeyHold one, KeyHold other) {
  if (one == KeyHold::kExclusive || other == KeyHold::kExclusive) {
    return true;
  }
  return one == KeyHold::kUpdate && other == KeyHold::kUpdate;
}

/// Row locks that survive XA PREPARE keep these two apart on the home.
inline bool locks_survive(KeyHold one, KeyHold other) {
  const auto strong = [](KeyHold hold) {
    return hold == KeyHold::kUpdate || hold == KeyHold::kExclusive;
  };
  return strong(one) && strong(other);
}

/// What counts as seen for `asked` against the earlier `held`.
inline Seqno seen_for(KeyHold asked, KeyHold held, const LastSeen& last_seen) {
  if (locks_survive(asked, held)) {
    return last_seen.at_answer;
  }
  return asked == KeyHold::kExclusive && last_seen.at_start ? *last_seen.at_start
                                                            : last_seen.at_prepare;
}

class CertificationOracle {
 public:
  struct Entry {
    Seqno seqno;
    ExemptHome home;
    std::vector<RowKey> keys;
  };

  void insert(std::span<const RowKey> keys, Seqno seqno, ExemptHome home) {
    entries_.push_back({seqno, home, {keys.begin(), keys.end()}});
  }

  void withdraw(Seqno seqno) {
    for (Entry& entry : entries_) {
      if (entry.seqno == seqno) {
        entry.home.reset();
      }
    }
  }

  void forget_until(Seqno horizon) {
    std::erase_if(entries_, [horizon](const Entry& entry) { return entry.seqno <= horizon; });
  }

  /// True when the entry `seqno` stands against `keys`.
  [[nodiscard]] bool conflicts_with(std::span<const RowKey> keys,
                                    BackendId home,
                                    const LastSeen& last_seen,
                                    Seqno seqno) const {
    for (const Entry& entry : entries_) {
      if (entry.seqno == seqno && conflicts(keys, home, last_seen, entry)) {
        return true;
      }
    }
    return false;
  }

  [[nodiscard]] bool conflicts(std::span<const RowKey> keys,
                               BackendId home,
                               const LastSeen& last_seen) const {
    for (const Entry& entry : entries_) {
      if (conflicts(keys, home, last_seen, entry)) {
        return true;
      }
    }
    return false;
  }

 private:
  static bool conflicts(std::span<const RowKey> keys,
                        BackendId home,
                        const LastSeen& last_seen,
                        const Entry& entry) {
    if (entry.home == home) {
      return false;
    }
    for (const RowKey& held : entry.keys) {
      for (const RowKey& key : keys) {
        const Seqno seen = seen_for(key.hold, held.hold, last_seen);
        if (held.hash == key.hash && holds_conflict(held.hold, key.hold) && entry.seqno > seen) {
          return true;
        }
      }
    }
    return false;
  }

  std::vector<Entry> entries_;
};

}  // namespace consort::certifier
