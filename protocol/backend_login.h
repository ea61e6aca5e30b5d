// BackendLogin: the login dialogue with a backend; we are the client.
// Pure: packets in, steps out.
//
//   [greeting] -> Send (response)     -+
//              -> StartTls (response) +-> [OK] -> Done
//                                     +-> [AuthSwitchRequest] -> Send (answer) -> [OK] -> Done
//                                     +-> [more] -> Send (answer) -> [OK] -> Done
//                                     +-> [ERR], or what we do not speak -> Failed
//
// Speaks mysql_native_password, caching_sha2_password, client_ed25519 and, through TLS only,
// mysql_clear_password and dialog. A server whose account has several methods asks for one after
// the other.
// Spec: MariaDB KB "Connection". Threads: none; one backend connection owns it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/state_machine.h"
#include "base/tls_options.h"
#include "protocol/constants.h"
#include "protocol/login_secret.h"
#include "protocol/sql_error.h"

namespace consort::protocol {

/// Capabilities that change what a reply looks like or means: on a connection that serves a client
/// they must be exactly the client's, so that replies can pass unchanged. Not several statements in
/// one query: who takes a text apart must be the only one who does. Not CLIENT_IGNORE_SPACE: it is
/// the session's sql_mode, which a server forgets when its connection is reset.
/// CLIENT_QUERY_ATTRIBUTES shapes no reply, but every COM_QUERY on the connection.
inline constexpr std::uint64_t kReplyShapingCapabilities =
    capability::kFoundRows | capability::kLongFlag | capability::kNoSchema | capability::kOdbc |
    capability::kLocalFiles | capability::kMultiResults | capability::kPsMultiResults |
    capability::kDeprecateEof | capability::kMariadbExtendedMetadata |
    capability::kMariadbProgress | capability::kExpiredPasswords | capability::kQueryAttributes;

/// Capabilities that Consort itself wants on every backend connection.
inline constexpr std::uint64_t kBackendCapabilities =
    capability::kProtocol41 | capability::kTransactions | capability::kSecureConnection |
    capability::kPluginAuth | capability::kConnectAttrs | capability::kSessionTrack |
    capability::kMariadbStmtBulk;

/// What to want on a connection that serves clients with `client_capabilities`.
[[nodiscard]] constexpr std::uint64_t backend_capabilities_for(std::uint64_t client_capabilities) {
  // Who asks for several statements gets several results, whether asked for or not.
  const bool several = (client_capabilities & capability::kMultiStatements) != 0;
  return kBackendCapabilities | (client_capabilities & kReplyShapingCapabilities) |
         (several ? capability::kMultiResults : 0);
}

/// What the backend's greeting and OK said.
struct ServerInfo {
  std::string version;  ///< without MariaDB's "5.5.5-" prefix
  std::uint32_t thread_id = 0;
  std::uint64_t capabilities = 0;  ///< in force: ours and the server's
  std::uint16_t status = 0;
  std::uint16_t collation = 0;  ///< the server's default, low byte
};

class BackendLogin {
 public:
  using NoPassword = protocol::NoPassword;
  using Credential = LoginSecret;

  struct Params {
    std::string user;
    Credential credential;
    std::string database;                               ///< empty: none
    std::uint64_t capabilities = kBackendCapabilities;  ///< wanted; only the server's are announced
    std::uint16_t collation = kUtf8mb4GeneralCi;        ///< only its low byte travels
    std::uint32_t packet_bytes_max = 1U << 30U;
    TlsMode tls = TlsMode::kOff;  ///< from kRequired on there is no login without
    bool compression = false;     ///< zlib, if the server has it: in force behind its last packet
    std::vector<std::pair<std::string, std::string>> attributes;
  };

  /// Empty: just go on reading.
  struct Send {
    Buffer bytes;
  };

  /// Send `request` as it is, begin TLS, and send `response` through it. Whatever the backend sent
  /// behind its greeting is not to be trusted.
  struct StartTls {
    Buffer request;
    Buffer response;
  };

  struct Done {
    ServerInfo server;
  };

  /// `permanent`: trying again with the same parameters will not help (wrong password, a plugin we
  /// do not speak); else it may (too many connections, shutdown).
  struct Failed {
    SqlError error;
    bool permanent = false;
  };

  using Step = std::variant<Send, StartTls, Done, Failed>;

  explicit BackendLogin(Params params);

  /// The backend's next packet. REQUIRES: neither Done nor Failed yet.
  [[nodiscard]] Step on_packet(Bytes payload, std::uint8_t sequence);

  [[nodiscard]] bool finished() const {
    return machine_.is(State::kDone) || machine_.is(State::kFailed);
  }

 private:
  enum class State : std::uint8_t {
    kAwaitGreeting,
    kAwaitVerdict,
    kAwaitKey,  ///< the backend's RSA key
    kDone,
    kFailed
  };

  static const Transition<State> kMoves[];

  [[nodiscard]] Step on_greeting(Bytes payload);
  [[nodiscard]] Step on_verdict(Bytes payload);
  [[nodiscard]] Step on_auth_switch(Bytes payload);
  [[nodiscard]] Step on_more(Bytes payload);
  [[nodiscard]] Step on_key(Bytes payload);
  [[nodiscard]] Step send(Bytes payload);
  [[nodiscard]] Step send_password();
  [[nodiscard]] Step fail(SqlError error, bool permanent);
  [[nodiscard]] Step fail_plugin(const std::string& why);
  [[nodiscard]] Buffer native_token(Bytes salt) const;
  [[nodiscard]] Step answer_switch(Bytes data);
  [[nodiscard]] std::optional<std::string_view> password() const;

  Params params_;
  StateMachine<State> machine_;
  ServerInfo server_;
  std::uint8_t sequence_ = 0;  ///< of the packet that comes next
  std::string plugin_;         ///< the one under way
  Buffer salt_;                ///< what the backend sent for it
  std::size_t switches_ = 0;
  bool secure_ = false;         ///< through TLS
  bool password_sent_ = false;  ///< as it is; not twice
  std::string unanswerable_;    ///< a plugin that was answered wrongly for want of the password
};

}  // namespace consort::protocol
