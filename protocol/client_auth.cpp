#include "protocol/client_auth.h"

#include "base/check.h"
#include "protocol/decode.h"
#include "protocol/encode.h"
#include "protocol/packet_writer.h"

namespace consort::protocol {
namespace {

/// Why an account's stored hash cannot be checked by a native token, or empty when it can.
std::string unusable_reason(const AccountCredential& account) {
  if (account.plugin.empty() || account.plugin == kNativePlugin) {
    return {};
  }
  return "the authentication plugin '" + account.plugin + "' is not supported by Consort yet";
}

bool is_native(std::string_view plugin) {
  return plugin.empty() || plugin == kNativePlugin;
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
    {State::kAuthenticated, State::kAwaitAccount},
    {State::kAuthenticated, State::kFailed},
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
  CHECK(machine_.is(State::kAwaitResponse) || machine_.is(State::kAwaitSecureResponse) ||
        machine_.is(State::kAwaitToken));
  const bool in_order = sequence == next_sequence_;
  next_sequence_ = static_cast<std::uint8_t>(sequence + 1);
  if (!in_order) {
    return fail(packets_out_of_order_error());
  }
  return machine_.is(State::kAwaitToken) ? verify(payload) : on_response(payload);
}

ClientAuth::Step ClientAuth::on_response(Bytes payload) {
  const Result<HandshakeResponse> response = decode_handshake_response(payload);
  if (!response) {
    return fail(handshake_error(response.error().message));
  }
  const bool secure = machine_.is(State::kAwaitSecureResponse);
  if (response->is_ssl_request) {
    if (secure || (params_.capabilities & capability::kSsl) == 0) {
      return fail(handshake_error("TLS is not offered here"));
    }
    machine_.move(State::kAwaitSecureResponse);
    return StartTls{};
  }
  if (params_.tls_required && !secure) {
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
    return fail(malformed_packet_error());
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
  account_ = account;
  if (!token_) {
    return send_switch();
  }
  const Buffer token = std::move(*token_);
  return verify(token);
}

ClientAuth::Step ClientAuth::send_switch() {
  if ((login_.capabilities & capability::kPluginAuth) == 0) {
    return fail(handshake_error("the client does not speak mysql_native_password"));
  }
  machine_.move(State::kAwaitToken);
  Send send;
  const std::size_t place = begin_packet(send.bytes);
  encode_auth_switch(send.bytes, AuthSwitchRequest{kNativePlugin, params_.salt});
  next_sequence_ = finish_packet(send.bytes, place, next_sequence_);
  return send;
}

ClientAuth::Step ClientAuth::verify(Bytes token) {
  const bool using_password = !token.empty();
  if (!account_) {
    return deny(using_password);
  }
  const std::string reason = unusable_reason(*account_);
  if (!reason.empty()) {
    return fail(access_denied_error(LoginName{login_.user, params_.client_host}, reason));
  }
  if (account_->authentication_string.empty()) {
    return using_password ? deny(using_password) : succeed(std::nullopt);
  }
  const std::optional<Stage2> stage2 = parse_native_hash(account_->authentication_string);
  if (!stage2) {
    return deny(using_password);  // an account that nobody can use, stored as 'invalid'
  }
  std::optional<Stage1> stage1 = recover_stage1(token, params_.salt, *stage2);
  return stage1 ? succeed(stage1) : deny(using_password);
}

ClientAuth::Step ClientAuth::succeed(std::optional<Stage1> stage1) {
  if (!account_->transport_suffices) {
    return deny(stage1.has_value());  // as a server does, which says no more either
  }
  if (account_->locked) {
    return fail(account_locked_error());
  }
  machine_.move(State::kAuthenticated);
  account_.reset();
  token_.reset();
  login_.stage1 = stage1;
  LoginInfo login = login_;
  login_.stage1.reset();
  login_.attributes.clear();
  return Authenticated{std::move(login)};
}

ClientAuth::Step ClientAuth::deny(bool using_password) {
  return fail(access_denied_error(LoginName{login_.user, params_.client_host}, using_password));
}

ClientAuth::Step ClientAuth::fail(SqlError error) {
  machine_.move(State::kFailed);
  account_.reset();
  token_.reset();
  return Failed{std::move(error)};
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

}  // namespace consort::protocol
