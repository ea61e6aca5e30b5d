#include "protocol/backend_login.h"

#include "base/check.h"
#include "protocol/auth_ed25519.h"
#include "protocol/auth_rsa.h"
#include "protocol/auth_sha2.h"
#include "protocol/decode.h"
#include "protocol/encode.h"
#include "protocol/packet_writer.h"

namespace consort::protocol {
namespace {

constexpr std::string_view kDialogPlugin = "dialog";

/// No account has more methods than a server would ask for.
constexpr std::size_t kSwitchesMax = 8;

constexpr std::string_view kMariadbPrefix = "5.5.5-";

/// What no login can do without.
constexpr std::uint64_t kRequired = capability::kProtocol41 | capability::kSecureConnection;

/// Capabilities that would change the byte stream itself or that this dialogue does not speak.
constexpr std::uint64_t kNeverWanted =
    capability::kSsl | capability::kCompress | capability::kZstdCompression |
    capability::kLongPassword | capability::kOptionalResultsetMetadata | capability::kMultiFactor;

/// MariaDB of old puts a MySQL version in front of its own, for the sake of old replicas.
std::string_view own_version(std::string_view version) {
  return version.starts_with(kMariadbPrefix) ? version.substr(kMariadbPrefix.size()) : version;
}

/// Errors that the same login meets again until somebody changes the server.
bool is_permanent(std::uint16_t code) {
  switch (code) {
    case sql_code::kAccessDenied:
    case sql_code::kDbAccessDenied:
    case sql_code::kUnknownDatabase:
    case sql_code::kHandshakeError:
    case sql_code::kHostIsBlocked:
    case sql_code::kHostNotPrivileged:
    case sql_code::kAccountLocked:
    case sql_code::kAuthModeNotSupported:
    case sql_code::kPasswordExpired:
    case sql_code::kAccessDeniedNoPassword:
      return true;
    default:
      return false;
  }
}

SqlError not_a_server(const std::string& what) {
  return handshake_error("the backend does not speak as a MySQL server: " + what);
}

}  // namespace

const Transition<BackendLogin::State> BackendLogin::kMoves[] = {
    {State::kAwaitGreeting, State::kAwaitVerdict},
    {State::kAwaitGreeting, State::kFailed},
    {State::kAwaitVerdict, State::kDone},
    {State::kAwaitVerdict, State::kFailed},
    {State::kAwaitVerdict, State::kAwaitKey},
    {State::kAwaitKey, State::kAwaitVerdict},
    {State::kAwaitKey, State::kFailed},
};

BackendLogin::BackendLogin(Params params)
    : params_(std::move(params)), machine_(State::kAwaitGreeting, kMoves) {}

BackendLogin::Step BackendLogin::on_packet(Bytes payload, std::uint8_t sequence) {
  CHECK(!finished());
  const bool greeting = machine_.is(State::kAwaitGreeting);
  if (!payload.empty() && payload[0] == kErrByte) {
    // Whatever its number: a server that is full or shuts down refuses in its own way.
    SqlError error = sql_error_of(payload);
    const bool permanent = is_permanent(error.code);
    if (!unanswerable_.empty()) {
      error.message += ": the backend asks for the authentication plugin '" + unanswerable_ +
                       "', and Consort has no password for this account";
    }
    return fail(std::move(error), permanent);
  }
  if (sequence != sequence_) {
    return fail(packets_out_of_order_error(), false);
  }
  sequence_ = static_cast<std::uint8_t>(sequence + 1);
  if (machine_.is(State::kAwaitKey)) {
    return on_key(payload);
  }
  return greeting ? on_greeting(payload) : on_verdict(payload);
}

BackendLogin::Step BackendLogin::on_greeting(Bytes payload) {
  const Result<HandshakeV10> greeting = decode_handshake(payload);
  if (!greeting) {
    return fail(not_a_server(greeting.error().message), true);
  }
  if ((greeting->capabilities & kRequired) != kRequired ||
      greeting->salt.size() != kScrambleBytes) {
    return fail(not_a_server("it is older than protocol 4.1"), true);
  }
  std::uint64_t wanted = (params_.capabilities | kRequired | capability::kPluginAuth) &
                         ~(kNeverWanted | capability::kConnectWithDb);
  if (!params_.database.empty()) {
    wanted |= capability::kConnectWithDb;
  }
  if (params_.compression) {
    wanted |= capability::kCompress;
  }
  server_.version = own_version(greeting->server_version);
  server_.thread_id = greeting->connection_id;
  server_.status = greeting->status;
  server_.collation = greeting->collation;
  server_.capabilities = wanted & greeting->capabilities;

  const bool offers_tls = (greeting->capabilities & capability::kSsl) != 0;
  if (params_.tls >= TlsMode::kRequired && !offers_tls) {
    return fail(handshake_error("the backend offers no TLS, which is required"), true);
  }
  const bool with_tls = params_.tls != TlsMode::kOff && offers_tls;
  // Else a server of MySQL 8 would have to ask for it by a switch.
  const bool with_sha2 = greeting->auth_plugin == kSha2Plugin && password();
  plugin_ = with_sha2 ? kSha2Plugin : kNativePlugin;
  salt_ = greeting->salt;
  Buffer answer = native_token(salt_);
  if (with_sha2) {
    const Sha2Hash token = sha2_answer(*password(), salt_);
    answer.assign(token.begin(), token.end());
  }
  HandshakeResponse response;
  response.capabilities = server_.capabilities;
  response.packet_bytes_max = params_.packet_bytes_max;
  response.collation = params_.collation;
  response.user = params_.user;
  response.auth_response = answer;
  response.database = params_.database;
  response.auth_plugin = plugin_;
  for (const auto& [name, value] : params_.attributes) {
    response.attributes.emplace_back(name, value);
  }
  StartTls secure;
  if (with_tls) {
    response.capabilities |= capability::kSsl;
    const std::size_t place = begin_packet(secure.request);
    encode_ssl_request(secure.request, response);
    sequence_ = finish_packet(secure.request, place, sequence_);
    secure_ = true;
  }
  const std::size_t place = begin_packet(secure.response);
  encode_handshake_response(secure.response, response);
  sequence_ = finish_packet(secure.response, place, sequence_);
  machine_.move(State::kAwaitVerdict);
  if (with_tls) {
    return secure;
  }
  return Send{std::move(secure.response)};
}

BackendLogin::Step BackendLogin::on_verdict(Bytes payload) {
  if (payload.empty()) {
    return fail(not_a_server("an empty packet during the login"), true);
  }
  if (payload[0] == kEofByte) {
    return on_auth_switch(payload);
  }
  if (payload[0] != kOkByte) {
    return on_more(payload);
  }
  const Result<OkPacket> ok = decode_ok(payload, server_.capabilities);
  if (!ok) {
    return fail(not_a_server(ok.error().message), true);
  }
  server_.status = ok->status;
  machine_.move(State::kDone);
  return Done{server_};
}

BackendLogin::Step BackendLogin::on_auth_switch(Bytes payload) {
  const Result<AuthSwitchRequest> request = decode_auth_switch(payload);
  if (!request) {
    return fail(not_a_server(request.error().message), true);
  }
  plugin_ = request->plugin;
  if (++switches_ > kSwitchesMax) {
    return fail_plugin("again and again");
  }
  return answer_switch(request->data);
}

BackendLogin::Step BackendLogin::answer_switch(Bytes data) {
  salt_.assign(data.begin(), data.end());
  if (plugin_ == kNativePlugin && data.size() == kScrambleBytes) {
    return send(native_token(data));
  }
  if (plugin_ == kEd25519ClientPlugin && data.size() == kEd25519NonceBytes) {
    if (std::holds_alternative<Stage1>(params_.credential)) {
      // A wrong answer, after which the server asks for the account's next method, if any.
      unanswerable_ = plugin_;
      return send(Ed25519Signature{});
    }
    return send(ed25519_answer(password().value_or(""), data));
  }
  if (plugin_ == kSha2Plugin && data.size() == kScrambleBytes) {
    if (!password() && !std::holds_alternative<Stage1>(params_.credential)) {
      const std::uint8_t none[] = {0};
      return send(none);
    }
    return password() ? send(sha2_answer(*password(), data))
                      : fail_plugin("and Consort has no password for this account");
  }
  if (plugin_ == kClearPlugin || (plugin_ == kDialogPlugin && !data.empty())) {
    return send_password();
  }
  return fail_plugin("which is not supported by Consort yet");
}

/// What a plugin says behind its first packet.
BackendLogin::Step BackendLogin::on_more(Bytes payload) {
  const bool sha2 = plugin_ == kSha2Plugin && payload.size() == 2 && payload[0] == kAuthMoreByte;
  if (sha2 && payload[1] == sha2_byte::kFastSuccess) {
    return Send{};  // OK follows
  }
  if (sha2 && payload[1] == sha2_byte::kFullAuthentication && password()) {
    if (secure_) {
      return send_password();
    }
    machine_.move(State::kAwaitKey);
    const std::uint8_t request[] = {sha2_byte::kRequestPublicKey};
    return send(request);
  }
  return fail(not_a_server("an unexpected packet during the login"), true);
}

BackendLogin::Step BackendLogin::on_key(Bytes payload) {
  std::optional<Buffer> encrypted;
  if (!payload.empty() && payload[0] == kAuthMoreByte) {
    encrypted = rsa_encrypted(*password(), salt_, as_text(payload.subspan(1)));
  }
  if (!encrypted) {
    return fail_plugin("and its RSA key cannot take the password");
  }
  machine_.move(State::kAwaitVerdict);
  return send(*encrypted);
}

/// The password as it is, with its closing zero.
BackendLogin::Step BackendLogin::send_password() {
  if (!secure_) {
    return fail_plugin("which would send the password as it is: set backend_tls");
  }
  if (!password()) {
    return fail_plugin("and Consort has no password for this account");
  }
  if (std::exchange(password_sent_, true)) {
    return fail_plugin("again and again");
  }
  Buffer text(password()->begin(), password()->end());
  text.push_back(0);
  return send(text);
}

BackendLogin::Step BackendLogin::send(Bytes payload) {
  Send send;
  sequence_ = append_packet(send.bytes, payload, sequence_);
  return send;
}

BackendLogin::Step BackendLogin::fail(SqlError error, bool permanent) {
  machine_.move(State::kFailed);
  return Failed{std::move(error), permanent};
}

BackendLogin::Step BackendLogin::fail_plugin(const std::string& why) {
  SqlError error =
      handshake_error("the backend asks for the authentication plugin '" + plugin_ + "', " + why);
  error.code = sql_code::kAuthModeNotSupported;
  return fail(std::move(error), true);
}

std::optional<std::string_view> BackendLogin::password() const {
  const auto* password = std::get_if<std::string>(&params_.credential);
  return password != nullptr && !password->empty() ? std::optional<std::string_view>(*password)
                                                   : std::nullopt;
}

Buffer BackendLogin::native_token(Bytes salt) const {
  std::optional<Stage1> stage1;
  if (const auto* hash = std::get_if<Stage1>(&params_.credential)) {
    stage1 = *hash;
  } else if (password()) {
    stage1 = stage1_of(*password());
  }
  if (!stage1) {
    return {};
  }
  const auto answer = native_answer(*stage1, salt);
  return Buffer(answer.begin(), answer.end());
}

}  // namespace consort::protocol
