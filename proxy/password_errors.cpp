#include "proxy/password_errors.h"

#include "router/token.h"

namespace consort::proxy {
namespace {

/// Administrators on the server's own machine are never blocked.
bool is_exempt(const Account& account) {
  const auto is = [&](std::string_view host) {
    return router::equals_ignoring_case(account.host, host);
  };
  return account.connection_admin && (is("localhost") || is("127.0.0.1") || is("::1"));
}

}  // namespace

bool PasswordErrors::blocked(const Account& account, std::uint64_t errors_max) const {
  if (size_.load(std::memory_order_relaxed) == 0 || errors_max == 0 || is_exempt(account)) {
    return false;
  }
  const MutexLock lock(mutex_);
  const auto found = errors_.find(key_of(account.user, account.host));
  return found != errors_.end() && found->second >= errors_max;
}

void PasswordErrors::note_failure(const Account& account) {
  if (!account.alternatives.empty()) {
    return;
  }
  const MutexLock lock(mutex_);
  ++errors_[key_of(account.user, account.host)];
  size_.store(errors_.size(), std::memory_order_relaxed);
}

void PasswordErrors::note_success(const Account& account) {
  if (size_.load(std::memory_order_relaxed) == 0) {
    return;
  }
  const MutexLock lock(mutex_);
  errors_.erase(key_of(account.user, account.host));
  size_.store(errors_.size(), std::memory_order_relaxed);
}

void PasswordErrors::forget(std::span<const router::AccountName> accounts) {
  const MutexLock lock(mutex_);
  for (const router::AccountName& account : accounts) {
    errors_.erase(key_of(account.user, account.host));
  }
  size_.store(errors_.size(), std::memory_order_relaxed);
}

void PasswordErrors::forget_all() {
  const MutexLock lock(mutex_);
  errors_.clear();
  size_.store(0, std::memory_order_relaxed);
}

std::string PasswordErrors::key_of(std::string_view user, std::string_view host) {
  return std::string(user) + '\0' + router::lower_case(host.empty() ? "%" : host);
}

}  // namespace consort::proxy
