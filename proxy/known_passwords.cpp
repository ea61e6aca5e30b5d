#include "proxy/known_passwords.h"

#include <utility>

#include "protocol/auth_sha2.h"

namespace consort::proxy {
namespace {

std::string methods_text(const Account& account) {
  std::string out = account.plugin + '\0' + account.authentication_string;
  for (const AuthMethod& method : account.alternatives) {
    out += '\0' + method.plugin + '\0' + method.authentication_string;
  }
  return out;
}

}  // namespace

std::string KnownPasswords::find(const Account& account) {
  const MutexLock lock(mutex_);
  const auto shown = shown_.empty() ? shown_.end() : shown_.find(account.name());
  if (shown != shown_.end()) {
    std::string stored = methods_text(account);
    const bool same = shown->second.stored == stored;
    const bool salted = account.plugin == protocol::kSha2Plugin && account.alternatives.empty();
    if (same || (salted && protocol::sha2_account_has(account.authentication_string,
                                                      shown->second.password))) {
      shown->second.stored = std::move(stored);
      return shown->second.password;
    }
    shown_.erase(shown);
  }
  const std::string* configured =
      file_ == nullptr ? nullptr
                       : file_->find(account.user, account.host.empty() ? "%" : account.host);
  return configured == nullptr ? std::string() : *configured;
}

void KnownPasswords::note_shown(const Account& account, const std::string& password) {
  const MutexLock lock(mutex_);
  if (shown_.size() >= kShownMax) {
    shown_.clear();
  }
  shown_.insert_or_assign(account.name(), Shown{methods_text(account), password});
}

void KnownPasswords::configure(std::shared_ptr<const CredentialsFile> file) {
  const MutexLock lock(mutex_);
  file_ = std::move(file);
}

}  // namespace consort::proxy
