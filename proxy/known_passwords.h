// KnownPasswords: what Consort knows of accounts beside what the backends store: passwords that are
// configured, and those that clients of caching_sha2_password have shown. They stay in memory only:
// a backend that starts anew asks for the password itself. Threads: any; asked once per login.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "proxy/accounts.h"
#include "proxy/credentials_file.h"

namespace consort::proxy {

class KnownPasswords {
 public:
  static constexpr std::size_t kShownMax = 10000;

  /// Of `account`, shown or configured; empty: not known. What was shown counts only as long as the
  /// account is what it was then, or has that password still: each server has a salt of its own, so
  /// one account is stored in as many ways. That is found out once for each change, in some
  /// milliseconds.
  [[nodiscard]] std::string find(const Account& account);

  /// A client has shown the password of `account`. Beyond kShownMax all that was shown is
  /// forgotten.
  void note_shown(const Account& account, const std::string& password);

  /// Replaces what is configured; null: nothing.
  void configure(std::shared_ptr<const CredentialsFile> file);

 private:
  struct Shown {
    std::string stored;  ///< the account's methods at that time
    std::string password;
  };

  mutable Mutex mutex_;
  std::shared_ptr<const CredentialsFile> file_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, Shown> shown_ GUARDED_BY(mutex_);
};

}  // namespace consort::proxy
