// AccountWatch: when to read the backends' accounts, whose set counts, and whether they agree.
// Pure. The set of the first online backend counts, in id order; before any is online, of the first
// that has one. But never one that was asked for before the set that counts: it may be older. Sets
// that differ for longer than a change takes through the lanes are told of.
// Threads: none.
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

  /// What changed by a set that was read.
  struct Outcome {
    bool adopted = false;  ///< accounts() is another set now
    std::string info;      ///< for the log; may be empty
    std::string warning;   ///< for the log; may be empty
  };

  /// The answer to a refresh; null: it failed. REQUIRES: sources of all backends.
  [[nodiscard]] Outcome on_loaded(BackendId backend,
                                  std::shared_ptr<const AccountSet> accounts,
                                  std::span<const AccountSource> sources,
                                  TimePoint now);

  /// The backend left rotation: its accounts may change unseen.
  void forget(BackendId backend);

  /// Whose accounts to read now; each is answered with on_loaded().
  [[nodiscard]] std::vector<BackendId> due(std::span<const AccountSource> sources, TimePoint now);

  [[nodiscard]] TimePoint next_wake() const { return next_; }

  /// The set that counts; null until one was read.
  [[nodiscard]] const std::shared_ptr<const AccountSet>& accounts() const { return accounts_; }

 private:
  struct Read {
    std::shared_ptr<const AccountSet> accounts;
    std::uint64_t round = 0;        ///< in which `accounts` were asked for
    std::uint64_t asked_round = 0;  ///< of the load under way
    std::uint64_t requests = 0;     ///< that had come when it began
    bool under_way = false;
    bool outdated = false;  ///< what is under way began before the backend left rotation
  };

  void adopt(std::span<const AccountSource> sources, Outcome& outcome);
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
  std::optional<TimePoint> differ_since_;
  bool warned_ = false;
};

}  // namespace consort::proxy
