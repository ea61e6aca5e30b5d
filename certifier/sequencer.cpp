#include "certifier/sequencer.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/check.h"

namespace consort::certifier {
namespace {

/// Keys purged per call beyond as many as came: enough to catch up, too few to be felt.
constexpr std::size_t kCollectKeys = 64;
constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

Error not_dense(Seqno found, Seqno head) {
  return make_error("log: seqno " + std::to_string(found.value) + " where " +
                    std::to_string(head.next().value) + " was due");
}

}  // namespace

Sequencer::Sequencer(SequencerLimits limits) : limits_(limits) {
  CHECK(limits.keys_max > 0);
}

Verdict Sequencer::certify(const CertifyRequest& request) {
  CHECK(request.last_seen_at_prepare <= request.last_seen_at_answer);
  CHECK(request.last_seen_at_answer <= head_);
  const LastSeen last_seen{request.last_seen_at_prepare, request.last_seen_at_answer,
                           request.last_seen_at_start};
  const Seqno oldest = last_seen.at_start.value_or(last_seen.at_prepare);
  CHECK(oldest <= last_seen.at_prepare);
  if (oldest < horizon_) {  // I7
    return Verdict{VerdictKind::kTooOld, horizon_, {}};
  }
  if (const auto conflict = index_.find_conflict(request.keys, request.home, last_seen)) {
    return Verdict{VerdictKind::kConflict, conflict->seqno, conflict->key};  // I10
  }
  return Verdict{VerdictKind::kPass, take(request.keys, request.home), {}};
}

Seqno Sequencer::order(std::span<const RowKey> keys, ExemptHome home) {
  return take(keys, home);
}

Seqno Sequencer::take(std::span<const RowKey> keys, ExemptHome home) {
  collect(keys.size() + kCollectKeys);
  make_room(keys.size());
  head_ = head_.next();  // I3
  if (keys.size() > limits_.keys_max) {
    // Too large to remember: whoever has not seen it is too old.
    CHECK(held_.empty());
    horizon_ = head_;
    first_held_ = head_.next();
    ++forced_horizons_;
    return head_;
  }
  index_.insert(keys, head_, home);
  held_.push_back(Held{std::vector<RowKey>(keys.begin(), keys.end()), home, keys_taken_});
  keys_held_ += keys.size();
  keys_taken_ += keys.size();
  return head_;
}

Sequencer::Held* Sequencer::held(Seqno seqno) {
  CHECK(seqno <= head_);
  return seqno > horizon_ ? &held_[seqno.value - first_held_.value] : nullptr;
}

void Sequencer::withdraw(Held& entry, Seqno seqno) {
  if (entry.home) {
    entry.home.reset();
    index_.insert(entry.keys, seqno, std::nullopt);
  }
}

void Sequencer::withdraw_exemption(Seqno seqno) {
  // Who passes certification has seen everything up to the horizon: nothing to withdraw there.
  if (Held* entry = held(seqno)) {
    withdraw(*entry, seqno);
  }
}

void Sequencer::withdraw_exemptions_of(BackendId home, Seqno applied) {
  for (Seqno seqno = std::max(applied, horizon_).next(); seqno <= head_; seqno = seqno.next()) {
    Held* entry = held(seqno);
    if (entry->home == home) {
      withdraw(*entry, seqno);
    }
  }
}

Status Sequencer::restore(const LogEntry& entry) {
  if (const auto* start = std::get_if<EpochStart>(&entry.body)) {
    if (head_ == Seqno{0}) {
      begin_after(start->head);
    }
    return start->head == head_ ? Status(Ok{}) : Status(not_dense(start->head.next(), head_));
  }
  if (const auto* replay = std::get_if<Replay>(&entry.body)) {
    if (replay->seqno > head_) {
      return make_error("log: a replay of seqno " + std::to_string(replay->seqno.value) +
                        ", which is not there");
    }
    withdraw_exemption(replay->seqno);
    return Ok{};
  }
  if (!entry.takes_seqno()) {
    return Ok{};
  }
  if (head_ == Seqno{0} && entry.seqno > Seqno{0}) {
    begin_after(Seqno{entry.seqno.value - 1});
  }
  if (entry.seqno != head_.next()) {
    return not_dense(entry.seqno, head_);
  }
  if (const Writeset* writeset = entry.writeset()) {
    const bool whole_table = (writeset->flags & kWritesetWholeTable) != 0;
    take(writeset->keys, whole_table ? std::nullopt : std::optional(writeset->home));
  } else {
    take(entry.ddl()->keys, std::nullopt);
  }
  return Ok{};
}

void Sequencer::begin_after(Seqno seqno) {
  CHECK(held_.empty());
  head_ = seqno;
  horizon_ = seqno;
  first_held_ = seqno.next();
}

void Sequencer::on_applied_everywhere(Seqno seqno) {
  CHECK(seqno <= head_);
  applied_everywhere_ = std::max(applied_everywhere_, seqno);
  collect(kCollectKeys);
}

std::size_t Sequencer::keys_after(Seqno seqno) const {
  const Seqno first = std::max(seqno.next(), first_held_);
  return first > head_ ? 0 : keys_taken_ - held_[first.value - first_held_.value].keys_before;
}

void Sequencer::make_room(std::size_t keys_coming) {
  // One without keys takes room, too.
  while (!held_.empty() &&
         (keys_held_ + keys_coming > limits_.keys_max || held_.size() >= limits_.keys_max)) {
    forced_horizons_ += first_held_ > applied_everywhere_ ? 1 : 0;
    purge_oldest(kUnlimited);
  }
}

void Sequencer::collect(std::size_t keys_budget) {
  while (keys_budget > 0 && held_.size() > limits_.entries_kept &&
         first_held_ <= applied_everywhere_) {
    keys_budget -= purge_oldest(keys_budget);
  }
}

/// Purges keys of the oldest entry, at most `keys_budget`, and the entry with its last key. Returns
/// what it cost. REQUIRES: !held_.empty().
std::size_t Sequencer::purge_oldest(std::size_t keys_budget) {
  horizon_ = std::max(horizon_, first_held_);  // before its first key goes (I7)
  const std::span<const RowKey> keys = held_.front().keys;
  const std::size_t count = std::min(keys_budget, keys.size() - oldest_purged_);
  index_.purge(keys.subspan(oldest_purged_, count), horizon_);
  oldest_purged_ += count;
  keys_held_ -= count;
  if (oldest_purged_ == keys.size()) {
    held_.pop_front();
    first_held_ = first_held_.next();
    oldest_purged_ = 0;
  }
  return std::max<std::size_t>(count, 1);
}

}  // namespace consort::certifier
