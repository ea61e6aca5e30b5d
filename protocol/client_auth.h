// ClientAuth: the login dialogue with a client; we are the server.
// Pure: packets in, steps out. Also re-authenticates by COM_CHANGE_USER in mid-session.
//
//   greeting() -> [response] -> NeedAccount -> on_account -+-> Authenticated
//        |             ^                                   +-> Failed
//        |             |                                   +-> Send (AuthSwitchRequest) -> [token]
//   [SSLRequest] -> StartTls                                       -> Authenticated | Failed
//                 [COM_CHANGE_USER] -> NeedAccount
//
// Whoever the client claims to be sees the same dialogue, so that it does not tell who exists.
// Spec: MariaDB KB "Connection". Threads: none; one session owns it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/state_machine.h"
#include "protocol/auth_native.h"
#include "protocol/compression.h"
#include "protocol/constants.h"
#include "protocol/messages.h"
#include "protocol/sql_error.h"

namespace consort::protocol {

/// What a backend's account table says about a user.
struct AccountCredential {
  std::string plugin;                 ///< empty: mysql_native_password
  std::string authentication_string;  ///< '*HEX'; empty: no password
  bool locked = false;
  bool transport_suffices = true;  ///< false: it demands other TLS than this connection has
};

/// A client that has proved who it is.
struct LoginInfo {
  std::string user;
  std::string database;            ///< empty: none
  std::uint64_t capabilities = 0;  ///< the client's and ours
  std::uint16_t collation = 0;     ///< as the client asked; 0: none asked (COM_CHANGE_USER)
  std::uint32_t packet_bytes_max = 0;
  std::vector<std::pair<std::string, std::string>> attributes;
  std::optional<Stage1> stage1;                  ///< nullopt: an empty password
  std::optional<CompressionChoice> compression;  ///< from the reply to the login on
};

/// Capabilities that Consort announces to clients by default.
inline constexpr std::uint64_t kClientCapabilities =
    capability::kFoundRows | capability::kLongFlag | capability::kConnectWithDb |
    capability::kNoSchema | capability::kOdbc | capability::kLocalFiles | capability::kIgnoreSpace |
    capability::kProtocol41 | capability::kInteractive | capability::kIgnoreSigpipe |
    capability::kTransactions | capability::kReserved | capability::kSecureConnection |
    capability::kMultiStatements | capability::kMultiResults | capability::kPsMultiResults |
    capability::kPluginAuth | capability::kConnectAttrs | capability::kPluginAuthLenenc |
    capability::kSessionTrack | capability::kDeprecateEof | capability::kMariadbStmtBulk |
    capability::kMariadbExtendedMetadata;

class ClientAuth {
 public:
  struct Params {
    std::string server_version;
    std::uint32_t connection_id = 0;
    std::uint64_t capabilities = kClientCapabilities;  ///< with kSsl: TLS is offered
    bool tls_required = false;                         ///< no login without
    std::uint16_t default_collation = kUtf8mb4GeneralCi;
    std::uint16_t status = status_flag::kAutocommit;
    std::string client_host;  ///< for messages: 'user'@'client_host'
    Scramble salt{};          ///< make_scramble(); kept for the life of the connection
  };

  /// Send these bytes (whole packets) and wait for the client's next packet.
  struct Send {
    Buffer bytes;
  };

  /// The client wants TLS: everything behind this packet is of it, also what was read already. Its
  /// next packet comes through it.
  struct StartTls {};

  /// Look the user up and call on_account(). Nothing is read from the client until then.
  struct NeedAccount {
    std::string user;
    std::string database;
  };

  /// The caller sends OK (or an error of its own, e.g. 1049) numbered next_sequence().
  struct Authenticated {
    LoginInfo login;
  };

  /// The caller sends the error numbered next_sequence() and closes.
  struct Failed {
    SqlError error;
  };

  using Step = std::variant<Send, StartTls, NeedAccount, Authenticated, Failed>;

  explicit ClientAuth(Params params);

  /// A load balancer has said where the client comes from.
  void set_client_host(std::string host) { params_.client_host = std::move(host); }

  /// The first packet, with its header. Once, before anything else.
  [[nodiscard]] Buffer greeting();

  /// The client's next packet (joined payload and its sequence id).
  /// REQUIRES: greeting() was called; not finished; no NeedAccount open.
  [[nodiscard]] Step on_packet(Bytes payload, std::uint8_t sequence);

  /// The answer to NeedAccount; nullopt: there is no such user.
  [[nodiscard]] Step on_account(const std::optional<AccountCredential>& account);

  /// A COM_CHANGE_USER payload (with its command byte) of an authenticated client.
  /// REQUIRES: authenticated.
  [[nodiscard]] Step begin_change_user(Bytes payload, std::uint8_t sequence);

  /// Sequence id of the packet that the caller sends next.
  [[nodiscard]] std::uint8_t next_sequence() const { return next_sequence_; }

  [[nodiscard]] bool authenticated() const { return machine_.is(State::kAuthenticated); }

 private:
  enum class State : std::uint8_t {
    kNew,                  ///< greeting not yet made
    kAwaitResponse,        ///< HandshakeResponse41 or SSLRequest
    kAwaitSecureResponse,  ///< HandshakeResponse41 through TLS
    kAwaitAccount,         ///< on_account()
    kAwaitToken,           ///< the answer to our AuthSwitchRequest
    kAuthenticated,
    kFailed
  };

  static const Transition<State> kMoves[];

  [[nodiscard]] Step on_response(Bytes payload);
  [[nodiscard]] Step need_account();
  [[nodiscard]] Step verify(Bytes token);
  [[nodiscard]] Step succeed(std::optional<Stage1> stage1);
  [[nodiscard]] Step fail(SqlError error);
  [[nodiscard]] Step deny(bool using_password);
  [[nodiscard]] Step send_switch();
  void keep_attributes(const std::vector<NameValue>& attributes);
  void keep_token(std::string_view plugin, Bytes token, std::uint64_t capabilities);

  Params params_;
  StateMachine<State> machine_;
  LoginInfo login_;
  std::optional<AccountCredential> account_;
  std::optional<Buffer> token_;  ///< a native token the client sent unasked
  std::uint8_t next_sequence_ = 0;
};

}  // namespace consort::protocol
