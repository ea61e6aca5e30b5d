// ClientAuth: the login dialogue with a client; we are the server.
// Pure: packets in, steps out. Also re-authenticates by COM_CHANGE_USER in mid-session.
//
//   greeting() -> [response] -> NeedAccount -> on_account -+-> Authenticated
//        |             ^                                   +-> Failed
//        |             |                                   +-> Send -> [its answer] -+
//   [SSLRequest] -> StartTls                               ^------------------------+
//                 [COM_CHANGE_USER] -> NeedAccount ..    after Failed: stay()
//
// An account may have several methods, which are tried in their order as a server does; each is a
// switch to its plugin, and caching_sha2_password may ask once or twice more. Who does not exist
// sees the dialogue of an account that does.
// Spec: MariaDB KB "Connection", "Authentication Plugins". Threads: none; one session owns it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/state_machine.h"
#include "protocol/auth_ed25519.h"
#include "protocol/auth_native.h"
#include "protocol/auth_rsa.h"
#include "protocol/compression.h"
#include "protocol/constants.h"
#include "protocol/login_secret.h"
#include "protocol/messages.h"
#include "protocol/sql_error.h"

namespace consort::protocol {

/// One way to prove who one is, as a backend's account table has it.
struct AuthMethod {
  std::string plugin;                 ///< such as mysql_native_password, which empty means too
  std::string authentication_string;  ///< as the plugin stores it
  friend bool operator==(const AuthMethod&, const AuthMethod&) = default;
};

/// What is known of the account that a client claims.
struct AccountCredential {
  std::vector<AuthMethod> methods;  ///< tried in this order
  bool locked = false;
  bool expired = false;            ///< and clients that cannot handle that are refused
  bool transport_suffices = true;  ///< false: it demands other TLS than this connection has
  bool exists = true;              ///< false: the dialogue runs, and ends in a denial
  /// Configured, or shown by a client before; empty: not known. May be outdated.
  std::string known_password;
  std::shared_ptr<const RsaKeyPair> rsa_key;  ///< null: caching_sha2_password wants TLS
};

/// A client that has proved who it is.
struct LoginInfo {
  std::string user;
  std::string database;            ///< empty: none
  std::uint64_t capabilities = 0;  ///< the client's and ours
  std::uint16_t collation = 0;     ///< as the client asked; 0: none asked (COM_CHANGE_USER)
  std::uint32_t packet_bytes_max = 0;
  std::vector<std::pair<std::string, std::string>> attributes;
  std::optional<CompressionChoice> compression;  ///< from the reply to the login on
  LoginSecret secret;                            ///< logs in to the backends as the same user
  bool shown_in_full = false;  ///< the client has shown its password: worth remembering
  bool proven = true;          ///< false: only a backend can say whether the secret is right
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
    capability::kMariadbExtendedMetadata | capability::kMariadbCacheMetadata |
    capability::kMariadbProgress | capability::kExpiredPasswords;

/// Those where some server is MySQL: what MariaDB alone has, its servers' replies cannot keep to.
inline constexpr std::uint64_t kMysqlClientCapabilities =
    (kClientCapabilities & capability::kOfBothBrands) | capability::kLongPassword;

class ClientAuth {
 public:
  struct Params {
    std::string server_version;
    bool mysql = false;  ///< some server is MySQL: its errors, where they differ
    std::uint32_t connection_id = 0;
    std::uint64_t capabilities = kClientCapabilities;  ///< with kSsl: TLS is offered
    bool tls_required = false;                         ///< no login without
    bool local = false;  ///< a Unix socket: nobody can listen, as with TLS
    /// Ask for the password itself, where nobody can listen, when nothing else can log in to the
    /// backends.
    bool clear_password = false;
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

  /// The caller sends `bytes`, then OK (or an error of its own, e.g. 1049) numbered
  /// next_sequence().
  struct Authenticated {
    LoginInfo login;
    Buffer bytes;
  };

  /// The caller sends the error numbered next_sequence() and closes, or, after COM_CHANGE_USER,
  /// calls stay() unless the error is packets_out_of_order_error().
  struct Failed {
    SqlError error;
    std::string advice;  ///< for the log: what would make this account usable; mostly empty
    bool guess = false;  ///< a secret was wrong or somebody unknown: worth counting
    bool wrong_password = false;  ///< of an account that exists, and not an empty one
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

  /// A COM_CHANGE_USER has Failed: the client stays who it was, and may send another one.
  void stay() { machine_.move(State::kAuthenticated); }

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
    kAwaitPassword,        ///< caching_sha2_password: the password, or the wish for our key
    kAwaitEncrypted,       ///< and the password, encrypted with it
    kAuthenticated,
    kFailed
  };

  static const Transition<State> kMoves[];

  [[nodiscard]] Step on_response(Bytes payload);
  [[nodiscard]] Step need_account();
  [[nodiscard]] Step try_methods();
  [[nodiscard]] Step next_method();
  [[nodiscard]] std::optional<Step> begin_method();
  [[nodiscard]] Step on_token(Bytes token);
  [[nodiscard]] Step on_native(Bytes token);
  [[nodiscard]] Step on_ed25519(Bytes signature);
  [[nodiscard]] Step on_sha2(Bytes token);
  [[nodiscard]] Step on_sha2_password(Bytes payload);
  [[nodiscard]] Step on_sha2_full(const std::optional<std::string>& password);
  [[nodiscard]] Step on_clear(Bytes payload);
  [[nodiscard]] Step succeed(LoginSecret secret, Buffer bytes = {});
  [[nodiscard]] Step fail(SqlError error);
  [[nodiscard]] Step deny();
  [[nodiscard]] Step give_up();
  [[nodiscard]] Step send_switch(std::string_view plugin, Bytes data);
  [[nodiscard]] Step send(Bytes payload, State next);

  [[nodiscard]] bool secure() const { return params_.local || secured_; }

  [[nodiscard]] const AuthMethod& method() const { return account_.methods[method_]; }

  void keep_attributes(const std::vector<NameValue>& attributes);
  void keep_token(std::string_view plugin, Bytes token, std::uint64_t capabilities);
  void forget();

  Params params_;
  StateMachine<State> machine_;
  LoginInfo login_;
  AccountCredential account_;
  std::size_t method_ = 0;       ///< the one under way, in account_
  bool asks_clear_ = false;      ///< it is tried by the password itself
  std::optional<Buffer> token_;  ///< a native token the client sent unasked
  Ed25519Nonce nonce_{};
  bool used_password_ = false;  ///< for the error's text
  bool tried_ = false;          ///< some method was tried and denied
  SqlError unusable_;           ///< why the last of the others could not be tried
  std::string advice_;
  bool secured_ = false;  ///< TLS is open
  std::uint8_t next_sequence_ = 0;
};

/// A server's version as its greeting has it: MariaDB 10 puts a MySQL version in front of its own,
/// which replicas and a few drivers look for; 11 no longer does.
[[nodiscard]] std::string greeted_version(std::string_view version);

}  // namespace consort::protocol
