// LoginDesk: what all workers share for logins. Threads: any.
#pragma once

#include <memory>
#include <utility>

#include "base/mutex.h"
#include "protocol/auth_rsa.h"
#include "proxy/failed_logins.h"
#include "proxy/known_passwords.h"
#include "proxy/password_errors.h"
#include "proxy/user_connections.h"

namespace consort::proxy {

class LoginDesk {
 public:
  LoginDesk(const FailedLogins::Options& failures, bool clear_password)
      : failures_(failures), clear_password_(clear_password) {}

  [[nodiscard]] KnownPasswords& passwords() { return passwords_; }

  [[nodiscard]] FailedLogins& failures() { return failures_; }

  [[nodiscard]] PasswordErrors& password_errors() { return password_errors_; }

  [[nodiscard]] UserConnections& connections() { return connections_; }

  /// Clients may be asked for the password itself, where nobody can listen.
  [[nodiscard]] bool clear_password() const { return clear_password_; }

  /// For caching_sha2_password without TLS; null until make_rsa_key().
  [[nodiscard]] std::shared_ptr<const protocol::RsaKeyPair> rsa_key() const {
    const MutexLock lock(mutex_);
    return rsa_key_;
  }

  /// Makes the key unless there is one: only who has accounts of that plugin pays for it.
  void make_rsa_key() {
    if (rsa_key() != nullptr) {
      return;
    }
    auto made = protocol::RsaKeyPair::generate();
    const MutexLock lock(mutex_);
    rsa_key_ = std::move(made);
  }

 private:
  KnownPasswords passwords_;
  FailedLogins failures_;
  PasswordErrors password_errors_;
  UserConnections connections_;
  const bool clear_password_;
  mutable Mutex mutex_;
  std::shared_ptr<const protocol::RsaKeyPair> rsa_key_ GUARDED_BY(mutex_);
};

}  // namespace consort::proxy
