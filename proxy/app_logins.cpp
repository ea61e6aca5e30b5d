// App: what logins need beside the backends' own accounts.
#include <algorithm>
#include <spdlog/spdlog.h>

#include "protocol/auth_sha2.h"
#include "proxy/app.h"

namespace consort::proxy {
namespace {

/// Null without a file.
Result<std::shared_ptr<const CredentialsFile>> load_credentials(const Config& config) {
  if (config.accounts.credentials_file.empty()) {
    return std::shared_ptr<const CredentialsFile>();
  }
  return CredentialsFile::load(config.accounts.credentials_file);
}

bool any_of_plugin(const AccountSet& accounts, std::string_view plugin) {
  return std::any_of(
      accounts.accounts().begin(), accounts.accounts().end(), [&](const Account& account) {
        return account.plugin == plugin ||
               std::any_of(account.alternatives.begin(), account.alternatives.end(),
                           [&](const AuthMethod& method) { return method.plugin == plugin; });
      });
}

}  // namespace

Status App::check_credentials(const Config& config) {
  const auto file = load_credentials(config);
  return file.ok() ? Status(Ok{}) : Status(file.error());
}

Status App::open_logins() {
  auto file = load_credentials(config_);
  if (!file.ok()) {
    return file.error();
  }
  FailedLogins::Options failures;
  failures.failures_max = config_.limits.failed_logins_max;
  failures.block = std::chrono::seconds(config_.limits.failed_logins_block_s);
  logins_ = std::make_shared<LoginDesk>(failures, config_.accounts.clear_password);
  logins_->passwords().configure(std::move(file).value());
  return Ok{};
}

void App::read_passwords() {
  if (config_.accounts.credentials_file.empty()) {
    return;
  }
  auto file = load_credentials(config_);
  if (!file.ok()) {
    spdlog::error("the old passwords stay in use: {}", file.error().message);
    return;
  }
  spdlog::info("{} passwords were read again: logins from now on use them", (*file)->size());
  logins_->passwords().configure(std::move(file).value());
}

/// Before the workers hear of the accounts.
void App::prepare_logins(const ClusterView& view) {
  if (view.accounts != nullptr && any_of_plugin(*view.accounts, protocol::kSha2Plugin)) {
    logins_->make_rsa_key();
  }
}

}  // namespace consort::proxy
