#include "protocol/backend_login.h"

#include "base/check.h"
#include "protocol/decode.h"
#include "protocol/encode.h"
#include "protocol/packet_writer.h"

namespace consort::protocol {
namespace {

constexpr std::string_view kMariadbPrefix = "5.5.5-";

/// What no login can do without.
constexpr std::uint64_t kRequired = capability::kProtocol41 | capability::kSecureConnection;

/// Capabilities that would change the byte stream itself or that this dialogue does not speak.
constexpr std::uint64_t kNeverWanted = capability::kSsl | capability::kCompress |
                                       capability::kZstdCompression | capability::kLongPassword |
                                       capability::kOptionalResultsetMetadata |
                                       capability::kQueryAttributes | capability::kMultiFactor;

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
    return fail(std::move(error), permanent);
  }
  if (sequence != sequence_) {
    return fail(packets_out_of_order_error(), false);
  }
  sequence_ = static_cast<std::uint8_t>(sequence + 1);
  return greeting ? on_greeting(payload) : on_verdict(payload);
}

BackendLogin::Step BackendLogin::on_greeting(Bytes payload) {
  const Result<HandshakeV10> greeting = decode_handshake(payload);
  if (!greeting) {
    return fail(not_a_server(greeting.error().message), true);
  }
  if ((greeting->capabilities & kRequired) != kRequired || greeting->salt.size() != 20) {
    return fail(not_a_server("it is older than protocol 4.1"), true);
  }
  std::uint64_t wanted = (params_.capabilities | kRequired | capability::kPluginAuth) &
                         ~(kNeverWanted | capability::kConnectWithDb);
  if (!params_.database.empty()) {
    wanted |= capability::kConnectWithDb;
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
  const Buffer answer = token(greeting->salt);
  HandshakeResponse response;
  response.capabilities = server_.capabilities;
  response.packet_bytes_max = params_.packet_bytes_max;
  response.collation = params_.collation;
  response.user = params_.user;
  response.auth_response = answer;
  response.database = params_.database;
  response.auth_plugin = kNativePlugin;
  for (const auto& [name, value] : params_.attributes) {
    response.attributes.emplace_back(name, value);
  }
  StartTls secure;
  if (with_tls) {
    response.capabilities |= capability::kSsl;
    const std::size_t place = begin_packet(secure.request);
    encode_ssl_request(secure.request, response);
    sequence_ = finish_packet(secure.request, place, sequence_);
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
  const std::uint8_t header = payload.empty() ? kAuthMoreByte : payload[0];
  if (header == kEofByte) {
    return on_auth_switch(payload);
  }
  if (header != kOkByte) {
    return fail(not_a_server("an unexpected packet during the login"), true);
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
  const bool speaks_native = request->plugin == kNativePlugin && request->data.size() == 20;
  if (!speaks_native || switched_) {
    SqlError error =
        handshake_error("the backend asks for the authentication plugin '" +
                        std::string(request->plugin) + "', which is not supported by Consort yet");
    error.code = sql_code::kAuthModeNotSupported;
    return fail(std::move(error), true);
  }
  switched_ = true;
  Send send;
  sequence_ = append_packet(send.bytes, token(request->data), sequence_);
  return send;
}

BackendLogin::Step BackendLogin::fail(SqlError error, bool permanent) {
  machine_.move(State::kFailed);
  return Failed{std::move(error), permanent};
}

Buffer BackendLogin::token(Bytes salt) const {
  std::optional<Stage1> stage1;
  if (const auto* hash = std::get_if<Stage1>(&params_.credential)) {
    stage1 = *hash;
  } else if (const auto* password = std::get_if<std::string>(&params_.credential)) {
    if (!password->empty()) {
      stage1 = stage1_of(*password);
    }
  }
  if (!stage1) {
    return {};
  }
  const auto answer = native_answer(*stage1, salt);
  return Buffer(answer.begin(), answer.end());
}

}  // namespace consort::protocol
