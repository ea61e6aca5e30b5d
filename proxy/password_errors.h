// PasswordErrors: how many wrong passwords in a row were tried for each account. Who has had as
// many as max_password_errors is blocked (4150) until the account is changed or FLUSH PRIVILEGES.
// As MariaDB 10.11 does it (decision 0040). Threads: any; asked once per login and per failure.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "proxy/accounts.h"
#include "router/account_name.h"

namespace consort::proxy {

class PasswordErrors {
 public:
  /// Nobody may log in as `account`, whatever the password. `errors_max`: max_password_errors; 0:
  /// it is not known.
  [[nodiscard]] bool blocked(const Account& account, std::uint64_t errors_max) const;

  /// A wrong password, not an empty one, was sent for it. One of several methods counts nothing.
  void note_failure(const Account& account);

  /// Somebody has logged in.
  void note_success(const Account& account);

  /// A statement has changed them.
  void forget(std::span<const router::AccountName> accounts);

  /// FLUSH PRIVILEGES.
  void forget_all();

 private:
  [[nodiscard]] static std::string key_of(std::string_view user, std::string_view host);

  mutable Mutex mutex_;
  std::unordered_map<std::string, std::uint64_t> errors_ GUARDED_BY(mutex_);  ///< never 0
  std::atomic<std::size_t> size_{0};  ///< of errors_: most processes never have one
};

}  // namespace consort::proxy
