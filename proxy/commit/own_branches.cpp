#include "proxy/commit/own_branches.h"

#include <algorithm>

#include "base/check.h"

namespace consort::proxy {

std::optional<OwnBranch> own_branch_of(const certifier::LogEntry& entry) {
  const certifier::Writeset* writeset = entry.writeset();
  if (writeset == nullptr || (writeset->flags & certifier::kWritesetAtHome) != 0) {
    return std::nullopt;
  }
  return OwnBranch{entry.seqno, writeset->home, writeset->branch, false};
}

void OwnBranches::add(const certifier::LogEntry& entry) {
  if (const auto* replay = std::get_if<certifier::Replay>(&entry.body)) {
    mark_replayed(replay->seqno);
    return;
  }
  if (!entry.takes_seqno()) {
    return;
  }
  if (by_seqno_.empty()) {
    first_ = entry.seqno;
  }
  CHECK(entry.seqno.value == first_.value + by_seqno_.size());  // I3
  const std::optional<OwnBranch> own = own_branch_of(entry);
  if (own) {
    last_own_[own->home.value] = entry.seqno;
  }
  by_seqno_.push_back(own);
  if (by_seqno_.size() > seqnos_max_) {
    by_seqno_.pop_front();
    first_ = first_.next();
  }
}

void OwnBranches::mark_replayed(Seqno seqno) {
  if (seqno >= first_ && seqno.value < first_.value + by_seqno_.size()) {
    std::optional<OwnBranch>& own = by_seqno_[seqno.value - first_.value];
    if (own) {
      own->replayed = true;
    }
  }
}

const OwnBranch* OwnBranches::find(Seqno seqno) const {
  if (seqno < first_ || seqno.value >= first_.value + by_seqno_.size()) {
    return nullptr;
  }
  const std::optional<OwnBranch>& own = by_seqno_[seqno.value - first_.value];
  return own ? &*own : nullptr;
}

bool OwnBranches::has_recent(BackendId home, const BranchId& branch) const {
  return std::any_of(by_seqno_.rbegin(), by_seqno_.rend(), [&](const auto& own) {
    return own && own->home == home && own->branch == branch;
  });
}

void OwnBranches::for_each(BackendId home,
                           Seqno from,
                           const std::function<void(const OwnBranch&)>& visit) const {
  const std::uint64_t skipped = from > first_ ? from.value - first_.value : 0;
  for (std::size_t i = skipped; i < by_seqno_.size(); ++i) {
    if (by_seqno_[i] && by_seqno_[i]->home == home) {
      visit(*by_seqno_[i]);
    }
  }
}

}  // namespace consort::proxy
