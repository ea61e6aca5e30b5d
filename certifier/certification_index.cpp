#include "certifier/certification_index.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"

namespace consort::certifier {
namespace {

constexpr std::size_t kShards = 256;
constexpr std::size_t kShardSlotsMin = 8;
constexpr std::uint8_t kNobody = 0xFF;
constexpr std::size_t kPrefetchAhead = 8;
static_assert(kBackendsMax < kNobody);

/// Holds that conflict with the same others, as long as the key is already held. Weakest first.
enum HoldClass : std::size_t { kWeak = 0, kUpdated = 1, kTaken = 2, kClasses = 3 };

HoldClass class_of(KeyHold hold) {
  switch (hold) {
    case KeyHold::kShared:
    case KeyHold::kReference:
      return kWeak;
    case KeyHold::kUpdate:
      return kUpdated;
    case KeyHold::kExclusive:
      return kTaken;
  }
  return kTaken;
}

/// The weakest class of earlier holds that a new hold conflicts with.
HoldClass conflicts_from(KeyHold hold) {
  switch (hold) {
    case KeyHold::kShared:
    case KeyHold::kReference:
      return kTaken;
    case KeyHold::kUpdate:
      return kUpdated;
    case KeyHold::kExclusive:
      return kWeak;
  }
  return kWeak;
}

/// What counts as seen for a hold of class `own` against an earlier one of class `of`.
Seqno seen_for(HoldClass own, HoldClass of, const LastSeen& last_seen) {
  if (own != kWeak && of != kWeak) {
    return last_seen.at_answer;  // row locks that survive XA PREPARE kept them apart on the home
  }
  const bool removes_referenced = own == kTaken && of == kWeak;
  return removes_referenced ? last_seen.at_start.value_or(last_seen.at_prepare)
                            : last_seen.at_prepare;
}

}  // namespace

/// What is known of one key: one cache line.
struct alignas(64) CertificationIndex::Slot {
  /// The newest seqno in a class, whose it is, and the newest of anybody else.
  struct Newest {
    std::uint64_t seqno = 0;
    std::uint64_t of_others = 0;
  };

  std::uint64_t hash = 0;
  std::array<Newest, kClasses> newest{};
  std::array<std::uint8_t, kClasses> home{};
  bool used = false;

  /// The newest seqno in `of` that is not exempt for `for_home`.
  [[nodiscard]] std::uint64_t foreign(HoldClass of, std::uint8_t for_home) const {
    return home[of] == for_home ? newest[of].of_others : newest[of].seqno;
  }

  void note(HoldClass of, std::uint64_t seqno, std::uint8_t by) {
    Newest& known = newest[of];
    if (seqno > known.seqno) {
      if (home[of] != by) {
        known.of_others = known.seqno;
        home[of] = by;
      }
      known.seqno = seqno;
    } else if (seqno == known.seqno) {
      home[of] = by == kNobody ? kNobody : home[of];
    } else if (home[of] != by) {
      known.of_others = std::max(known.of_others, seqno);
    }
  }

  [[nodiscard]] std::uint64_t newest_of_all() const {
    return std::max({newest[kWeak].seqno, newest[kUpdated].seqno, newest[kTaken].seqno});
  }
};

/// A small table of its own: linear probing, at most 3/4 full, erase by shifting back.
class CertificationIndex::Shard {
 public:
  [[nodiscard]] const Slot* find(std::uint64_t mixed, std::uint64_t hash) const {
    if (slots_.empty()) {
      return nullptr;
    }
    const std::size_t at = place_of(mixed, hash);
    return slots_[at].used ? &slots_[at] : nullptr;
  }

  /// The key's slot, new or old. `added` says which.
  Slot& at(std::uint64_t mixed, std::uint64_t hash, bool& added) {
    if ((count_ + 1) * 4 > slots_.size() * 3) {
      resize(std::max(kShardSlotsMin, slots_.size() * 2));
    }
    Slot& slot = slots_[place_of(mixed, hash)];
    added = !slot.used;
    if (added) {
      slot = Slot();
      slot.hash = hash;
      slot.used = true;
      ++count_;
    }
    return slot;
  }

  /// True when the key was there and nobody newer than `horizon` held it: it is gone now.
  bool erase_until(std::uint64_t mixed, std::uint64_t hash, std::uint64_t horizon) {
    if (slots_.empty()) {
      return false;
    }
    const std::size_t at = place_of(mixed, hash);
    if (!slots_[at].used || slots_[at].newest_of_all() > horizon) {
      return false;
    }
    close_gap(at);
    --count_;
    if (slots_.size() > kShardSlotsMin && count_ * 8 < slots_.size()) {
      resize(slots_.size() / 2);
    }
    return true;
  }

  void prefetch(std::uint64_t mixed) const {
    if (!slots_.empty()) {
      __builtin_prefetch(&slots_[mixed & (slots_.size() - 1)]);
    }
  }

  [[nodiscard]] std::size_t capacity() const { return slots_.size(); }

 private:
  /// The slot that holds `hash`, or the free one where it would go.
  [[nodiscard]] std::size_t place_of(std::uint64_t mixed, std::uint64_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = mixed & mask;
    while (slots_[at].used && slots_[at].hash != hash) {
      at = (at + 1) & mask;
    }
    return at;
  }

  /// Frees `gap`, moving up those behind it that would be unreachable otherwise.
  void close_gap(std::size_t gap) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = (gap + 1) & mask; slots_[at].used; at = (at + 1) & mask) {
      const std::size_t wanted = mix(slots_[at].hash) & mask;
      if (((at - wanted) & mask) >= ((at - gap) & mask)) {
        slots_[gap] = slots_[at];
        gap = at;
      }
    }
    slots_[gap].used = false;
  }

  void resize(std::size_t slots_count) {
    std::vector<Slot> old(slots_count);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.used) {
        slots_[place_of(mix(slot.hash), slot.hash)] = slot;
      }
    }
  }

  std::vector<Slot> slots_;  // a power of two, or none
  std::size_t count_ = 0;
};

CertificationIndex::CertificationIndex() : shards_(std::make_unique<Shard[]>(kShards)) {}

CertificationIndex::~CertificationIndex() = default;
CertificationIndex::CertificationIndex(CertificationIndex&&) noexcept = default;
CertificationIndex& CertificationIndex::operator=(CertificationIndex&&) noexcept = default;

std::uint64_t CertificationIndex::mix(std::uint64_t hash) {
  hash *= 0x9E3779B97F4A7C15ULL;
  return hash ^ (hash >> 32);
}

CertificationIndex::Shard& CertificationIndex::shard(std::uint64_t mixed) {
  return shards_[mixed >> 56];
}

const CertificationIndex::Shard& CertificationIndex::shard(std::uint64_t mixed) const {
  return shards_[mixed >> 56];
}

std::optional<Conflict> CertificationIndex::find_conflict(std::span<const RowKey> keys,
                                                          BackendId home,
                                                          const LastSeen& last_seen) const {
  CHECK(last_seen.at_prepare <= last_seen.at_answer);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i + kPrefetchAhead < keys.size()) {
      const std::uint64_t ahead = mix(keys[i + kPrefetchAhead].hash);
      shard(ahead).prefetch(ahead);
    }
    const RowKey& key = keys[i];
    const std::uint64_t mixed = mix(key.hash);
    const Slot* slot = shard(mixed).find(mixed, key.hash);
    if (slot == nullptr) {
      continue;
    }
    const HoldClass own = class_of(key.hold);
    for (std::size_t of = conflicts_from(key.hold); of < kClasses; ++of) {
      const Seqno seen = seen_for(own, static_cast<HoldClass>(of), last_seen);
      const Seqno held{slot->foreign(static_cast<HoldClass>(of), home.value)};
      if (held > seen) {
        return Conflict{key, held};
      }
    }
  }
  return std::nullopt;
}

void CertificationIndex::insert(std::span<const RowKey> keys, Seqno seqno, ExemptHome home) {
  const std::uint8_t by = home ? home->value : kNobody;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i + kPrefetchAhead < keys.size()) {
      const std::uint64_t ahead = mix(keys[i + kPrefetchAhead].hash);
      shard(ahead).prefetch(ahead);
    }
    const std::uint64_t mixed = mix(keys[i].hash);
    bool added = false;
    shard(mixed).at(mixed, keys[i].hash, added).note(class_of(keys[i].hold), seqno.value, by);
    size_ += added ? 1 : 0;
  }
}

void CertificationIndex::purge(std::span<const RowKey> keys, Seqno horizon) {
  for (const RowKey& key : keys) {
    const std::uint64_t mixed = mix(key.hash);
    size_ -= shard(mixed).erase_until(mixed, key.hash, horizon.value) ? 1 : 0;
  }
}

std::size_t CertificationIndex::capacity_bytes() const {
  std::size_t slots = 0;
  for (std::size_t i = 0; i < kShards; ++i) {
    slots += shards_[i].capacity();
  }
  return slots * sizeof(Slot);
}

}  // namespace consort::certifier
