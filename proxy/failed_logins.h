// FailedLogins: addresses from which logins fail again and again are blocked for a while, so that
// passwords cannot be guessed at full speed (decision 0012).
// Pure: the caller brings the time. Threads: any; asked once per connection and per failure.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"

namespace consort::proxy {

class FailedLogins {
 public:
  struct Options {
    std::uint32_t failures_max = 100;           ///< in a row from one address; 0: no limit
    Duration block = std::chrono::seconds(60);  ///< so long; a pause so long forgets
    std::size_t addresses_max = 65536;          ///< the oldest are forgotten beyond
  };

  explicit FailedLogins(Options options) : options_(options) {}

  /// Whether this failure makes `address` blocked.
  [[nodiscard]] bool note_failure(const std::string& address, TimePoint now);

  /// A login from there succeeded: it begins anew.
  void note_success(const std::string& address);

  /// How long `address` stays blocked; nullopt: it is not.
  [[nodiscard]] std::optional<Duration> blocked_for(const std::string& address,
                                                    TimePoint now) const;

  /// Addresses that are remembered.
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    std::uint32_t failures = 0;
    TimePoint last;
  };

  [[nodiscard]] bool forgotten(const Entry& entry, TimePoint now) const {
    return now - entry.last >= options_.block;
  }

  const Options options_;
  mutable Mutex mutex_;
  std::unordered_map<std::string, Entry> entries_ GUARDED_BY(mutex_);
  std::atomic<std::size_t> size_{0};  ///< of entries_: most processes never have one
};

}  // namespace consort::proxy
