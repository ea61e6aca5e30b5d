// AccountWatch: when to read the backends' accounts, whose set counts, and whether they agree.
// Pure. The set of the first online backend counts, in id order; before any is online, of the first
// that has one. But never one that was asked for before the set that counts: it may be older. Sets
// that differ for longer than a change takes through the lanes are told of. A set is known to hold
// what its backend had applied of the log when it was asked for; a login behind a change of
// accounts waits for one that holds it. Threads: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "proxy/accounts.h"

namespace consort::proxy {

struct AccountWatchOptions {
  Duration interval = std::chrono::seconds(5);    ///< between refreshes that nobody asked for
  Duration gap = std::chrono::milliseconds(200);  ///< least time between two refreshes
  /// A wanted refresh comes once more after this: the change may reach the backend that counts a
  /// moment after it was made elsewhere.
  Duration again = std::chrono::milliseconds(500);
  Duration warn_after = std::chrono::seconds(3);  ///< how long sets may differ quietly
  /// Between refreshes while a login waits for one: at first, and at most, since it doubles.
  Duration needed_gap = std::chrono::milliseconds(5);
  Duration needed_gap_max = std::chrono::milliseconds(100);
  Duration needed_max = std::chrono::seconds(2);  ///< for so long after a login has asked
};

/// What the watch must know of a backend, by BackendId.
struct AccountSource {
  std::string name;
  bool admitted = false;  ///< may be asked
  bool online = false;
};

class AccountWatch {
 public:
  AccountWatch(const AccountWatchOptions& options, std::size_t backends_count, TimePoint now);

  /// Accounts may have changed. Cheap to call often.
  void on_request(TimePoint now);

  /// A login waits for accounts that hold every change up to this entry of the log.
  void on_needed(Seqno as_of, TimePoint now);

  /// What changed by a set that was read.
  struct Outcome {
    bool adopted = false;  ///< accounts() is another set now
    std::string info;      ///< for the log; may be empty
    std::string warning;   ///< for the log; may be empty
  };

  /// The answer to a refresh; null: it failed. `as_of`: what the backend had applied when it was
  /// asked. REQUIRES: sources of all backends.
  [[nodiscard]] Outcome on_loaded(BackendId backend,
                                  std::shared_ptr<const AccountSet> accounts,
                                  Seqno as_of,
                                  std::span<const AccountSource> sources,
                                  TimePoint now);

  /// The backend left rotation: its accounts may change unseen.
  void forget(BackendId backend);

  /// Whose accounts to read now; each is answered with on_loaded().
  [[nodiscard]] std::vector<BackendId> due(std::span<const AccountSource> sources, TimePoint now);

  [[nodiscard]] TimePoint next_wake() const { return next_; }

  /// The set that counts; null until one was read.
  [[nodiscard]] const std::shared_ptr<const AccountSet>& accounts() const { return accounts_; }

  /// They hold every change up to this entry.
  [[nodiscard]] Seqno as_of() const { return as_of_; }

  /// The newest that a login has waited for.
  [[nodiscard]] Seqno needed() const { return needed_; }

 private:
  struct Read {
    std::shared_ptr<const AccountSet> accounts;
    Seqno as_of;                    ///< of `accounts`
    std::uint64_t round = 0;        ///< in which `accounts` were asked for
    std::uint64_t asked_round = 0;  ///< of the load under way
    std::uint64_t requests = 0;     ///< that had come when it began
    bool under_way = false;
    bool outdated = false;  ///< what is under way began before the backend left rotation
  };

  void adopt(std::span<const AccountSource> sources, Outcome& outcome);
  void hurry(TimePoint now);
  void compare(std::span<const AccountSource> sources, TimePoint now, Outcome& outcome);
  [[nodiscard]] std::string differences(std::span<const AccountSource> sources) const;

  const AccountWatchOptions options_;
  std::vector<Read> reads_;
  std::shared_ptr<const AccountSet> accounts_;
  std::uint64_t accounts_round_ = 0;  ///< in which accounts() were asked for
  std::uint64_t round_ = 0;           ///< the last that began
  std::uint64_t requests_ = 0;
  TimePoint next_;
  TimePoint last_;
  std::uint32_t quick_left_ = 0;  ///< refreshes that shall follow soon
  Seqno as_of_;                   ///< of accounts()
  Seqno needed_;                  ///< of logins
  TimePoint needed_until_;
  Duration needed_gap_{};
  std::optional<TimePoint> differ_since_;
  bool warned_ = false;
};

}  // namespace consort::proxy
