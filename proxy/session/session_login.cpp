// Session: the login, from the claim to a session that may ask.
#include <algorithm>
#include <functional>
#include <spdlog/spdlog.h>
#include <utility>

#include "protocol/packet_writer.h"
#include "proxy/accounts.h"
#include "proxy/session/session.h"
#include "proxy/worker.h"

namespace consort::proxy {
namespace {

/// How long an unknown user is looked for in accounts that are read again, and how long a login
/// waits for accounts that hold a change made before it.
constexpr std::chrono::milliseconds kAccountWait{2000};

}  // namespace

void Session::follow(protocol::ClientAuth::Step step) {
  if (const auto* send = std::get_if<protocol::ClientAuth::Send>(&step)) {
    send_client({send->bytes});
  } else if (const auto* need = std::get_if<protocol::ClientAuth::NeedAccount>(&step)) {
    account_wanted_ = need->user;
    accounts_needed_ = Seqno{worker_.positions().accounts_changed.load(std::memory_order_acquire)};
    look_up_account(false);
  } else if (const auto* failed = std::get_if<protocol::ClientAuth::Failed>(&step)) {
    on_login_failed(*failed);
  } else {
    on_authenticated(std::get<protocol::ClientAuth::Authenticated>(step));
  }
}

void Session::on_login_failed(const protocol::ClientAuth::Failed& failed) {
  worker_.own_metrics().authentication_failures.add();
  worker_.own_metrics().count_client_error(ClientErrorClass::kAccessDenied);
  worker_.hooks().refresh_accounts();  // the password may be newer than our accounts
  if (!failed.advice.empty()) {
    spdlog::warn("login as {} from {}: {}", login_account_.name(), client_address_, failed.advice);
  }
  if (failed.guess) {
    note_failed_login();
  }
  if (failed.wrong_password) {
    worker_.options().logins->password_errors().note_failure(login_account_);
  }
  deny_login(failed.error);
}

void Session::deny_login(const protocol::SqlError& error) {
  if (prior_ && error.code != protocol::packets_out_of_order_error().code) {
    auth_->stay();
    deny_change(error, auth_->next_sequence());
    return;
  }
  deny(error, auth_->next_sequence());
}

/// Its max_password_errors are used up: nobody asks for its password any more.
bool Session::deny_if_account_blocked(const Account& account) {
  const std::uint64_t errors_max =
      worker_.globals().password_errors_max(worker_.view().kept_globals);
  if (!worker_.options().logins->password_errors().blocked(account, errors_max)) {
    return false;
  }
  worker_.own_metrics().authentication_failures.add();
  worker_.own_metrics().count_client_error(ClientErrorClass::kAccessDenied);
  deny_login(protocol::user_is_blocked_error());
  return true;
}

/// As the servers do it: who is on the same machine is never blocked.
void Session::note_failed_login() {
  const bool own_machine = by_unix_socket_ || !client_host(client_ip_).host.empty();
  if (!own_machine &&
      worker_.options().logins->failures().note_failure(client_ip_, worker_.loop().now())) {
    spdlog::warn(
        "no more connections from {} for a while: too many logins failed in a row, the "
        "last as '{}'",
        client_ip_, account_wanted_);
  }
}

bool Session::deny_if_blocked(std::uint8_t sequence) {
  const auto left =
      worker_.options().logins->failures().blocked_for(client_ip_, worker_.loop().now());
  if (!left) {
    return false;
  }
  worker_.own_metrics().count_refused(RefusalReason::kAddressBlocked);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(*left).count();
  deny(protocol::host_is_blocked_error(client_ip_, seconds), sequence);
  return true;
}

void Session::look_up_account(bool final_try) {
  const ClusterView& view = worker_.view();
  const Account* account =
      view.accounts ? view.accounts->find(account_wanted_, client_host(client_ip_)) : nullptr;
  const bool outdated = view.accounts_as_of < accounts_needed_;
  if ((account == nullptr || outdated) && !final_try) {
    awaiting_account_ = true;
    timer_use_ = TimerUse::kAccounts;
    timer_once(kAccountWait);
    worker_.await_accounts(id_);
    if (outdated) {
      worker_.hooks().need_accounts(accounts_needed_);
    } else {
      worker_.hooks().refresh_accounts();
    }
    return;
  }
  if (std::exchange(awaiting_account_, false)) {  // from here on the client has to answer
    timer_use_ = TimerUse::kLogin;
    timer_once(worker_.limits().login_timeout);
  }
  if (account != nullptr && deny_if_account_blocked(*account)) {
    return;
  }
  std::optional<protocol::AccountCredential> credential;
  if (account != nullptr) {
    credential = credential_of(*account);
    login_account_ = *account;
    definer_ = account->user + "@" + (account->host.empty() ? "%" : account->host);
  } else if (view.accounts && !view.accounts->accounts().empty()) {
    // Somebody's, always the same for this name: the plugins asked for do not tell who exists.
    const auto all = view.accounts->accounts();
    credential = credential_of(all[std::hash<std::string>{}(account_wanted_) % all.size()]);
    credential->exists = false;
  }
  follow(auth_->on_account(credential));
  pump();
}

protocol::AccountCredential Session::credential_of(const Account& account) const {
  protocol::AccountCredential out;
  out.methods.push_back({account.plugin, account.authentication_string});
  for (const AuthMethod& method : account.alternatives) {
    out.methods.push_back({method.plugin, method.authentication_string});
  }
  const std::optional<TlsPeer> peer = tls();
  out.locked = account.locked;
  out.expired = account.password_expired && account.refused_when_expired;
  out.transport_suffices = transport_suffices(account, peer ? &*peer : nullptr);
  out.known_password = worker_.options().logins->passwords().find(account);
  out.rsa_key = worker_.options().logins->rsa_key();
  return out;
}

void Session::on_accounts() {
  const ClusterView& view = worker_.view();
  if (awaiting_account_ && view.accounts && view.accounts_as_of >= accounts_needed_ &&
      view.accounts->find(account_wanted_, client_host(client_ip_)) != nullptr) {
    look_up_account(true);
  } else if (awaiting_account_) {
    worker_.await_accounts(id_);
  }
}

void Session::on_authenticated(const protocol::ClientAuth::Authenticated& done) {
  const protocol::LoginInfo& login = done.login;
  if (login.proven) {
    worker_.options().logins->password_errors().note_success(login_account_);
  }
  if (!prior_ && !login_account_.connection_admin && worker_.is_overfull()) {
    worker_.own_metrics().count_refused(RefusalReason::kTooManyConnections);
    deny(protocol::too_many_connections_error(), auth_->next_sequence());
    return;
  }
  UserConnections::Entry entry = worker_.options().logins->connections().enter(
      login_account_, login.user, worker_.limits().user_connections_max);
  if (!entry.admitted) {
    worker_.own_metrics().count_refused(RefusalReason::kTooManyOfAccount);
    if (prior_) {
      deny_change(entry.refusal, auth_->next_sequence());
    } else {
      deny(entry.refusal, auth_->next_sequence());
    }
    return;
  }
  place_ = std::move(entry.place);
  authenticated_ = true;
  timer_.reset();
  timer_use_ = TimerUse::kNone;
  user_ = login.user;
  account_.user = login.user;
  account_.secret = login.secret;
  account_.expired = login_account_.password_expired;
  account_.fresh = !login.proven;
  account_.counted = login_account_.user_connections_max > 0;
  account_.logins_as_of = std::max(accounts_needed_, worker_.globals().logins_changed_at());
  packet_bytes_max_ = worker_.globals().packet_bytes_max(worker_.view().packet_bytes_max);
  account_.capabilities = protocol::backend_capabilities_for(login.capabilities);
  account_.collation = login.collation != 0 ? login.collation : worker_.view().default_collation;
  account_.key = account_.make_key();
  login_unproven_ = !login.proven;
  login_sequence_ = auth_->next_sequence();
  LoginDesk& logins = *worker_.options().logins;
  if (const auto* password = std::get_if<std::string>(&login.secret);
      password != nullptr && login.shown_in_full) {
    logins.passwords().note_shown(login_account_, *password);
  }
  if (login.proven) {
    logins.failures().note_success(client_ip_);
  }
  if (!done.bytes.empty()) {
    send_client({done.bytes});
  }
  if (!compression_) {  // from behind those on: they are of the login
    compress_next_ = login.compression;
  }
  plan_init_connect();
  SessionOwner owner{definer_,           login.capabilities, login.database,
                     account_.collation, connection_id_,     login_account_.password_expired};
  if (!login.database.empty() || !login.proven) {
    core_.begin_checked(std::move(owner), login_sequence_);
    run_init_connect();
    return;
  }
  core_.begin(std::move(owner));
  settle_change_user();
  protocol::OkPacket ok;
  ok.status = protocol::status_flag::kAutocommit;
  Buffer packet;
  protocol::append_ok(packet, ok, login.capabilities, login_sequence_);
  send_client({packet});
  run_init_connect();
}

}  // namespace consort::proxy
