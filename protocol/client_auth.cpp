#include "protocol/client_auth.h"

#include "base/check.h"
#include "protocol/auth_sha2.h"
#include "protocol/decode.h"
#include "protocol/encode.h"
#include "protocol/packet_writer.h"

namespace consort::protocol {
namespace {

constexpr std::string_view kPamPlugin = "pam";
constexpr std::string_view kUnixSocketPlugin = "unix_socket";

bool is_native(std::string_view plugin) {
  return plugin.empty() || plugin == kNativePlugin;
}

std::string_view clear_password_of(Bytes bytes) {
  std::string_view text = as_text(bytes);
  if (!text.empty() && text.back() == '\0') {
    text.remove_suffix(1);
  }
  return text;
}

LoginSecret secret_of(std::string password) {
  return password.empty() ? LoginSecret(NoPassword{}) : LoginSecret(std::move(password));
}

}  // namespace

const Transition<ClientAuth::State> ClientAuth::kMoves[] = {
    {State::kNew, State::kAwaitResponse},
    {State::kAwaitResponse, State::kAwaitAccount},
    {State::kAwaitResponse, State::kFailed},
    {State::kAwaitResponse, State::kAwaitSecureResponse},
    {State::kAwaitSecureResponse, State::kAwaitAccount},
    {State::kAwaitSecureResponse, State::kFailed},
    {State::kAwaitAccount, State::kAwaitToken},
    {State::kAwaitAccount, State::kAuthenticated},
    {State::kAwaitAccount, State::kFailed},
    {State::kAwaitToken, State::kAuthenticated},
    {State::kAwaitToken, State::kFailed},
    {State::kAwaitToken, State::kAwaitToken},
    {State::kAwaitToken, State::kAwaitPassword},
    {State::kAwaitPassword, State::kAwaitEncrypted},
    {State::kAwaitPassword, State::kAwaitToken},
    {State::kAwaitPassword, State::kAuthenticated},
    {State::kAwaitPassword, State::kFailed},
    {State::kAwaitEncrypted, State::kAwaitToken},
    {State::kAwaitEncrypted, State::kAuthenticated},
    {State::kAwaitEncrypted, State::kFailed},
    {State::kAuthenticated, State::kAwaitAccount},
    {State::kAuthenticated, State::kFailed},
    {State::kFailed, State::kAuthenticated},
};

ClientAuth::ClientAuth(Params params) : params_(std::move(params)), machine_(State::kNew, kMoves) {}

Buffer ClientAuth::greeting() {
  machine_.move(State::kAwaitResponse);
  HandshakeV10 handshake;
  handshake.server_version = params_.server_version;
  handshake.connection_id = params_.connection_id;
  handshake.salt.assign(params_.salt.begin(), params_.salt.end());
  handshake.capabilities = params_.capabilities;
  handshake.collation = params_.default_collation;
  handshake.status = params_.status;
  handshake.auth_plugin = kNativePlugin;
  Buffer out;
  const std::size_t place = begin_packet(out);
  encode_handshake(out, handshake);
  next_sequence_ = finish_packet(out, place, 0);
  return out;
}

ClientAuth::Step ClientAuth::on_packet(Bytes payload, std::uint8_t sequence) {
  const bool in_order = sequence == next_sequence_;
  next_sequence_ = static_cast<std::uint8_t>(sequence + 1);
  if (!in_order) {
    return fail(packets_out_of_order_error());
  }
  if (machine_.is(State::kAwaitToken)) {
    return on_token(payload);
  }
  if (machine_.is(State::kAwaitPassword)) {
    return on_sha2_password(payload);
  }
  if (machine_.is(State::kAwaitEncrypted)) {
    return on_sha2_full(account_.rsa_key->password_of(payload, params_.salt));
  }
  CHECK(machine_.is(State::kAwaitResponse) || machine_.is(State::kAwaitSecureResponse));
  return on_response(payload);
}

ClientAuth::Step ClientAuth::on_response(Bytes payload) {
  const Result<HandshakeResponse> response = decode_handshake_response(payload);
  if (!response) {
    return fail(handshake_error(response.error().message));
  }
  if (response->is_ssl_request) {
    if (secured_ || (params_.capabilities & capability::kSsl) == 0) {
      return fail(handshake_error("TLS is not offered here"));
    }
    machine_.move(State::kAwaitSecureResponse);
    secured_ = true;
    return StartTls{};
  }
  if (params_.tls_required && !secured_) {
    const std::string user(response->user);
    const std::string_view reason = "TLS is required here";
    return fail(access_denied_error(LoginName{user, params_.client_host}, reason));
  }
  login_.user = response->user;
  login_.database = response->database;
  login_.capabilities = response->capabilities & params_.capabilities;
  login_.collation = response->collation;
  login_.packet_bytes_max = response->packet_bytes_max;
  login_.compression = choose_compression(login_.capabilities, response->zstd_level);
  keep_attributes(response->attributes);
  keep_token(response->auth_plugin, response->auth_response, response->capabilities);
  return need_account();
}

ClientAuth::Step ClientAuth::begin_change_user(Bytes payload, std::uint8_t sequence) {
  CHECK(machine_.is(State::kAuthenticated));
  next_sequence_ = static_cast<std::uint8_t>(sequence + 1);
  const Result<ChangeUser> change = decode_change_user(payload, login_.capabilities);
  if (!change) {
    return fail(unknown_command_error());  // a server says no more either
  }
  login_.user = change->user;
  login_.database = change->database;
  login_.collation = change->collation.value_or(0);
  keep_attributes(change->attributes);
  keep_token(change->auth_plugin, change->auth_response, login_.capabilities);
  return need_account();
}

ClientAuth::Step ClientAuth::need_account() {
  machine_.move(State::kAwaitAccount);
  return NeedAccount{login_.user, login_.database};
}

ClientAuth::Step ClientAuth::on_account(const std::optional<AccountCredential>& account) {
  CHECK(machine_.is(State::kAwaitAccount));
  account_ = account.value_or(AccountCredential{});
  account_.exists = account.has_value() && account->exists;
  if (account_.methods.empty()) {
    account_.methods.push_back({std::string(kNativePlugin), {}});
  }
  method_ = 0;
  used_password_ = false;
  tried_ = false;
  advice_.clear();
  if (token_ && is_native(method().plugin)) {
    const Buffer token = std::move(*token_);
    token_.reset();
    return on_native(token);
  }
  token_.reset();
  if ((login_.capabilities & capability::kPluginAuth) == 0) {
    return fail(is_native(method().plugin)
                    ? handshake_error("the client does not speak mysql_native_password")
                    : auth_mode_not_supported_error());
  }
  return try_methods();
}

ClientAuth::Step ClientAuth::next_method() {
  tried_ = true;
  ++method_;
  return (login_.capabilities & capability::kPluginAuth) == 0 ? give_up() : try_methods();
}

ClientAuth::Step ClientAuth::try_methods() {
  for (; method_ < account_.methods.size(); ++method_) {
    if (std::optional<Step> step = begin_method()) {
      return std::move(*step);
    }
  }
  return give_up();
}

/// Asks the client for what the method wants; nullopt when that cannot be, with `unusable_` why.
std::optional<ClientAuth::Step> ClientAuth::begin_method() {
  const LoginName name{login_.user, params_.client_host};
  const std::string& plugin = method().plugin;
  asks_clear_ = false;
  if (is_native(plugin)) {
    return send_switch(kNativePlugin, params_.salt);
  }
  if (plugin == kSha2Plugin) {
    return send_switch(kSha2Plugin, params_.salt);
  }
  if (plugin == kEd25519Plugin) {
    if (account_.known_password.empty() && params_.clear_password && secure()) {
      asks_clear_ = true;
      return send_switch(kClearPlugin, {});
    }
    nonce_ = make_ed25519_nonce();
    return send_switch(kEd25519ClientPlugin, nonce_);
  }
  if (plugin == kPamPlugin) {
    if (secure()) {
      asks_clear_ = true;
      return send_switch(kClearPlugin, {});
    }
    unusable_ = access_denied_error(
        name, std::string_view("this account needs TLS: its password goes as it is"));
  } else if (plugin == kUnixSocketPlugin) {
    unusable_ = access_denied_error(name);
  } else {
    unusable_ = access_denied_error(
        name, "the authentication plugin '" + plugin + "' is not supported by Consort yet");
  }
  return std::nullopt;
}

// ---- the methods ------------------------------------------------------------------------------

ClientAuth::Step ClientAuth::on_token(Bytes token) {
  if (asks_clear_) {
    return on_clear(token);
  }
  if (method().plugin == kEd25519Plugin) {
    return on_ed25519(token);
  }
  return method().plugin == kSha2Plugin ? on_sha2(token) : on_native(token);
}

ClientAuth::Step ClientAuth::on_native(Bytes token) {
  used_password_ = used_password_ || !token.empty();
  const std::string& stored = method().authentication_string;
  if (stored.empty()) {
    return token.empty() ? succeed(NoPassword{}) : next_method();
  }
  // Not parsed: an account that nobody can use, stored as 'invalid'.
  const std::optional<Stage2> stage2 = parse_native_hash(stored);
  const std::optional<Stage1> stage1 =
      stage2 ? recover_stage1(token, params_.salt, *stage2) : std::nullopt;
  if (!stage1) {
    return next_method();
  }
  // Other servers may have the account with a plugin that wants more than this shows.
  const std::string& known = account_.known_password;
  return !known.empty() && stage1_of(known) == *stage1 ? succeed(secret_of(known))
                                                       : succeed(*stage1);
}

ClientAuth::Step ClientAuth::on_ed25519(Bytes signature) {
  used_password_ = true;  // of an empty password too, as on a server
  const std::optional<Ed25519Key> key = parse_ed25519_key(method().authentication_string);
  if (!key || !verify_ed25519_answer(signature, nonce_, *key)) {
    return next_method();
  }
  if (ed25519_key_of(account_.known_password) == *key) {
    return succeed(secret_of(account_.known_password));
  }
  if (!account_.exists) {
    return deny();
  }
  const bool outdated = !account_.known_password.empty();
  advice_ = outdated ? "the password in accounts.credentials_file is not the account's"
                     : "ed25519 does not show the password that the servers want from Consort: put "
                       "it into accounts.credentials_file, or set accounts.clear_password";
  const std::string_view reason = outdated ? "Consort has an outdated password for this account"
                                           : "Consort has no password for this account";
  return fail(access_denied_error(LoginName{login_.user, params_.client_host}, reason));
}

ClientAuth::Step ClientAuth::on_sha2(Bytes token) {
  const bool empty = token.empty() || (token.size() == 1 && token[0] == 0);
  used_password_ = used_password_ || !empty;
  if (empty || method().authentication_string.empty()) {
    return empty && method().authentication_string.empty() ? succeed(NoPassword{}) : next_method();
  }
  if (token.size() != kSha2Bytes) {
    return next_method();
  }
  if (account_.exists && !account_.known_password.empty() &&
      verify_sha2_answer(token, account_.known_password, params_.salt)) {
    Buffer bytes;
    const std::uint8_t payload[] = {kAuthMoreByte, sha2_byte::kFastSuccess};
    next_sequence_ = append_packet(bytes, payload, next_sequence_);
    return succeed(account_.known_password, std::move(bytes));
  }
  if (!secure() && account_.rsa_key == nullptr) {
    const std::string_view reason = "this login needs TLS: the password is not known here yet";
    unusable_ = access_denied_error(LoginName{login_.user, params_.client_host}, reason);
    ++method_;
    return try_methods();
  }
  const std::uint8_t payload[] = {kAuthMoreByte, sha2_byte::kFullAuthentication};
  return send(payload, State::kAwaitPassword);
}

ClientAuth::Step ClientAuth::on_sha2_password(Bytes payload) {
  if (secure()) {
    return on_sha2_full(std::string(clear_password_of(payload)));
  }
  if (payload.size() == 1 && payload[0] == sha2_byte::kRequestPublicKey) {
    Buffer key = {kAuthMoreByte};
    append(key, account_.rsa_key->public_pem());
    return send(key, State::kAwaitEncrypted);
  }
  return on_sha2_full(account_.rsa_key->password_of(payload, params_.salt));
}

ClientAuth::Step ClientAuth::on_sha2_full(const std::optional<std::string>& password) {
  if (!password || !sha2_account_has(method().authentication_string, *password)) {
    return next_method();
  }
  login_.shown_in_full = true;
  return succeed(secret_of(*password));
}

/// The password as it is: the account's key tells whether it is right, else only a backend can.
ClientAuth::Step ClientAuth::on_clear(Bytes payload) {
  std::string password(clear_password_of(payload));
  used_password_ = used_password_ || !password.empty();
  if (method().plugin == kPamPlugin) {
    login_.proven = false;
    return succeed(secret_of(std::move(password)));
  }
  if (parse_ed25519_key(method().authentication_string) != ed25519_key_of(password)) {
    return next_method();
  }
  return succeed(secret_of(std::move(password)));
}

// ---- verdicts ---------------------------------------------------------------------------------

/// The order of these is a server's.
ClientAuth::Step ClientAuth::succeed(LoginSecret secret, Buffer bytes) {
  if (!account_.exists || !account_.transport_suffices) {
    return deny();  // as a server does, which says no more either
  }
  if (account_.locked) {
    return fail(params_.mysql
                    ? account_locked_in_mysql_error(LoginName{login_.user, params_.client_host})
                    : account_locked_error());
  }
  if (account_.expired && (login_.capabilities & capability::kExpiredPasswords) == 0) {
    return fail(password_expired_error());
  }
  machine_.move(State::kAuthenticated);
  login_.secret = std::move(secret);
  LoginInfo login = login_;
  forget();
  return Authenticated{std::move(login), std::move(bytes)};
}

/// No method is left.
ClientAuth::Step ClientAuth::give_up() {
  if (tried_) {
    return deny();
  }
  return fail(std::move(unusable_));
}

ClientAuth::Step ClientAuth::deny() {
  const bool exists = account_.exists;
  Step step =
      fail(access_denied_error(LoginName{login_.user, params_.client_host}, used_password_));
  auto& failed = std::get<Failed>(step);
  failed.guess = true;
  failed.wrong_password = exists && used_password_;
  return step;
}

ClientAuth::Step ClientAuth::fail(SqlError error) {
  machine_.move(State::kFailed);
  Failed failed{std::move(error), account_.exists ? advice_ : std::string(), false};
  forget();
  return failed;
}

/// Secrets do not stay longer than they are needed.
void ClientAuth::forget() {
  account_ = {};
  token_.reset();
  login_.secret = NoPassword{};
  login_.shown_in_full = false;
  login_.proven = true;
  login_.attributes.clear();
}

ClientAuth::Step ClientAuth::send_switch(std::string_view plugin, Bytes data) {
  Buffer payload;
  encode_auth_switch(payload, AuthSwitchRequest{plugin, data});
  return send(payload, State::kAwaitToken);
}

ClientAuth::Step ClientAuth::send(Bytes payload, State next) {
  machine_.move(next);
  Send send;
  next_sequence_ = append_packet(send.bytes, payload, next_sequence_);
  return send;
}

void ClientAuth::keep_attributes(const std::vector<NameValue>& attributes) {
  login_.attributes.clear();
  for (const NameValue& attribute : attributes) {
    login_.attributes.emplace_back(attribute.first, attribute.second);
  }
}

void ClientAuth::keep_token(std::string_view plugin, Bytes token, std::uint64_t capabilities) {
  // A client without plugins answers the greeting's salt by the native method if it knows it.
  const bool speaks_native = (capabilities & capability::kPluginAuth) != 0
                                 ? is_native(plugin)
                                 : (capabilities & capability::kSecureConnection) != 0;
  const bool fits = token.empty() || token.size() == kNativeHashBytes;
  token_.reset();
  if (speaks_native && fits) {
    token_.emplace(token.begin(), token.end());
  }
}

std::string greeted_version(std::string_view version) {
  const bool old_mariadb =
      version.starts_with("10.") && version.find("MariaDB") != std::string_view::npos;
  return (old_mariadb ? "5.5.5-" : "") + std::string(version);
}

}  // namespace consort::protocol
