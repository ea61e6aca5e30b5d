#include "proxy/account_watch.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace consort::proxy {

namespace {

/// How many accounts a warning names for each backend.
constexpr std::size_t kNamesMax = 5;

}  // namespace

AccountWatch::AccountWatch(const AccountWatchOptions& options,
                           std::size_t backends_count,
                           TimePoint now)
    : options_(options), reads_(backends_count), next_(now), last_(now - options.gap) {}

void AccountWatch::on_request(TimePoint now) {
  ++requests_;
  quick_left_ = 2;
  next_ = std::min(next_, std::max(now, last_ + options_.gap));
}

void AccountWatch::on_needed(Seqno as_of, TimePoint now) {
  if (as_of <= as_of_) {
    return;
  }
  needed_ = std::max(needed_, as_of);
  needed_until_ = now + options_.needed_max;
  needed_gap_ = options_.needed_gap;
  next_ = std::min(next_, std::max(now, last_ + needed_gap_));
}

/// Whoever waits for accounts needs newer ones than there are: their backend has not applied the
/// change yet, or was asked before it had.
void AccountWatch::hurry(TimePoint now) {
  if (needed_ > as_of_ && now < needed_until_) {
    next_ = std::min(next_, now + needed_gap_);
    needed_gap_ = std::min(2 * needed_gap_, options_.needed_gap_max);
  }
}

AccountWatch::Outcome AccountWatch::on_loaded(BackendId backend,
                                              std::shared_ptr<const AccountSet> accounts,
                                              Seqno as_of,
                                              std::span<const AccountSource> sources,
                                              TimePoint now) {
  CHECK(sources.size() == reads_.size());
  CHECK(backend.value < reads_.size());
  Read& read = reads_[backend.value];
  read.under_way = false;
  if (read.requests != requests_) {  // it may have been asked for before what was changed
    next_ = std::min(next_, std::max(now, last_ + options_.gap));
  }
  Outcome outcome;
  const bool outdated = std::exchange(read.outdated, false);
  if (accounts != nullptr && !outdated) {
    read.accounts = std::move(accounts);
    read.round = read.asked_round;
    read.as_of = as_of;
    adopt(sources, outcome);
    compare(sources, now, outcome);
  }
  hurry(now);
  return outcome;
}

void AccountWatch::forget(BackendId backend) {
  Read& read = reads_[backend.value];
  read.accounts = nullptr;
  read.outdated = read.under_way;
}

std::vector<BackendId> AccountWatch::due(std::span<const AccountSource> sources, TimePoint now) {
  std::vector<BackendId> ask;
  if (now < next_) {
    return ask;
  }
  ++round_;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].admitted && !reads_[i].under_way) {
      reads_[i].under_way = true;
      reads_[i].asked_round = round_;
      reads_[i].requests = requests_;
      last_ = now;
      ask.push_back(BackendId{static_cast<std::uint8_t>(i)});
    }
  }
  quick_left_ -= quick_left_ > 0 ? 1 : 0;
  next_ = now + (quick_left_ > 0 ? options_.again : options_.interval);
  return ask;
}

void AccountWatch::adopt(std::span<const AccountSource> sources, Outcome& outcome) {
  std::optional<std::size_t> chosen;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Read& read = reads_[i];
    if (read.accounts == nullptr || read.round < accounts_round_ || read.as_of < as_of_) {
      continue;
    }
    if (sources[i].online && read.as_of >= needed_) {
      chosen = i;
      break;
    }
    if (sources[i].online && (!chosen || !sources[*chosen].online)) {
      chosen = i;  // unless another one knows what a login waits for
      continue;
    }
    if (accounts_ == nullptr && !chosen) {
      chosen = i;
    }
  }
  if (!chosen) {
    return;
  }
  accounts_round_ = reads_[*chosen].round;
  as_of_ = reads_[*chosen].as_of;
  if (accounts_ != nullptr && accounts_->digest() == reads_[*chosen].accounts->digest()) {
    return;
  }
  accounts_ = reads_[*chosen].accounts;
  outcome.adopted = true;
  outcome.info = "accounts: " + std::to_string(accounts_->accounts().size()) + " read from " +
                 sources[*chosen].name;
}

void AccountWatch::compare(std::span<const AccountSource> sources,
                           TimePoint now,
                           Outcome& outcome) {
  const std::string differing = differences(sources);
  if (differing.empty()) {
    if (warned_) {
      outcome.info = "accounts: the same on all online backends again";
    }
    differ_since_.reset();
    warned_ = false;
    return;
  }
  if (!differ_since_) {
    differ_since_ = now;  // a change on its way through the lanes looks like this
    next_ = std::min(next_, now + options_.again);
  } else if (!warned_ && now - *differ_since_ >= options_.warn_after) {
    warned_ = true;
    outcome.warning =
        "accounts differ between backends; the first online one's count. " + differing;
  }
}

std::string AccountWatch::differences(std::span<const AccountSource> sources) const {
  std::string differing;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (!sources[i].online || reads_[i].accounts == nullptr ||
        reads_[i].accounts->unsalted_digest() == accounts_->unsalted_digest()) {
      continue;
    }
    differing += (differing.empty() ? "" : "; ") + sources[i].name + ":";
    for (const auto& name : account_difference(*reads_[i].accounts, *accounts_, kNamesMax)) {
      differing += " " + name;
    }
  }
  return differing;
}

}  // namespace consort::proxy
