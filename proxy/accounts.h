// AccountSet: the backends' own accounts, and which of them a client is.
// Immutable once built; the control thread replaces it as a whole in the ClusterView.
// Spec: MariaDB KB "mysql.global_priv Table", "Account Names".
// Threads: any (immutable); load_accounts() the thread that owns the connection.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/tls_options.h"

struct st_mysql;

namespace consort::proxy {

/// One way to prove who one is.
struct AuthMethod {
  std::string plugin;                 ///< such as mysql_native_password
  std::string authentication_string;  ///< as the plugin stores it
  friend bool operator==(const AuthMethod&, const AuthMethod&) = default;
};

/// `method` as it is the same on all servers that were given one password: without the hash where
/// each has a salt of its own.
[[nodiscard]] AuthMethod unsalted(AuthMethod method);

/// What the account demands of the client's TLS.
enum class TlsDemand : std::uint8_t { kNone, kAny, kX509, kSpecified };

struct Account {
  std::string user;  ///< empty: the anonymous account
  std::string host;  ///< pattern with % and _, or ip/netmask; empty means %
  std::string plugin;
  std::string authentication_string;
  /// More ways in, tried after the first (IDENTIFIED VIA .. OR ..).
  std::vector<AuthMethod> alternatives;
  TlsDemand tls = TlsDemand::kNone;
  std::string tls_cipher;   ///< with kSpecified; empty: any
  std::string tls_issuer;   ///< likewise
  std::string tls_subject;  ///< likewise
  bool locked = false;
  bool password_expired = false;
  bool refused_when_expired = false;      ///< by a server that disconnects such clients
  bool connection_admin = false;          ///< limits for all accounts do not bind it
  bool read_only_admin = false;           ///< read_only does not bind it
  std::int64_t user_connections_max = 0;  ///< clients at once; 0: no limit of its own, < 0: none
  friend bool operator==(const Account&, const Account&) = default;

  /// 'user'@'host'
  [[nodiscard]] std::string name() const;
};

/// Where a client comes from. `host` is its resolved name, empty when unknown.
struct ClientHost {
  std::string_view ip;
  std::string_view host;
};

/// Whether a client's connection is what `account` demands. `peer`: null without TLS.
[[nodiscard]] bool transport_suffices(const Account& account, const TlsPeer* peer);

/// A client without name resolution: loopback addresses are "localhost", as the server has it.
[[nodiscard]] ClientHost client_host(std::string_view ip);

class AccountSet {
 public:
  /// Sorts the accounts as the server does: most specific host first, then named before anonymous.
  explicit AccountSet(std::vector<Account> accounts);

  /// The account that the server would choose: the first in order whose host pattern holds the
  /// client and whose user is `user` or anonymous. nullptr: none. Locked accounts are found too.
  [[nodiscard]] const Account* find(std::string_view user, const ClientHost& client) const;

  [[nodiscard]] std::span<const Account> accounts() const { return accounts_; }

  /// Equal sets have equal digests.
  [[nodiscard]] std::uint64_t digest() const { return digest_; }

  /// Likewise for sets without what each server salts by itself: two that have executed the same
  /// have equal ones.
  [[nodiscard]] std::uint64_t unsalted_digest() const { return unsalted_digest_; }

 private:
  [[nodiscard]] std::optional<std::size_t> first_match(std::string_view user,
                                                       const ClientHost& client) const;

  std::vector<Account> accounts_;
  std::unordered_map<std::string, std::vector<std::size_t>> by_user_;
  std::uint64_t digest_ = 0;
  std::uint64_t unsalted_digest_ = 0;
};

/// Names of the accounts that only one set has or that differ in more than a salt, `names_max` at
/// most.
[[nodiscard]] std::vector<std::string> account_difference(const AccountSet& left,
                                                          const AccountSet& right,
                                                          std::size_t names_max);

/// Whether `pattern` of an account holds the client.
[[nodiscard]] bool host_matches(std::string_view pattern, const ClientHost& client);

/// What the server says beside an account's row.
struct ServerExpiry {
  std::uint64_t now_s = 0;                 ///< its unix time
  std::int64_t default_lifetime_days = 0;  ///< default_password_lifetime; 0: for ever
  bool disconnects = false;                ///< disconnect_on_expired_password
};

/// One row of mysql.global_priv. nullopt for a role.
[[nodiscard]] Result<std::optional<Account>> account_from_global_priv(std::string_view user,
                                                                      std::string_view host,
                                                                      std::string_view priv_json,
                                                                      const ServerExpiry& expiry);

/// One row of MySQL's mysql.user.
struct MysqlUser {
  std::string_view user;
  std::string_view host;
  std::string_view plugin;
  std::string_view authentication_string;
  std::string_view attributes;  ///< JSON, or empty
  std::string_view ssl_type;
  std::string_view ssl_cipher;
  std::string_view x509_issuer;
  std::string_view x509_subject;
  bool locked = false;
  bool password_expired = false;
  std::optional<std::int64_t> password_lifetime_days;  ///< nullopt: the server's; 0: for ever
  std::int64_t password_changed_s = 0;                 ///< unix time; 0: not known
  std::int64_t user_connections_max = 0;
  bool connection_admin = false;  ///< CONNECTION_ADMIN or SUPER, directly
};

/// A role is an account there, which is locked.
[[nodiscard]] Account account_from_mysql_user(const MysqlUser& row, const ServerExpiry& expiry);

/// Reads MariaDB's mysql.global_priv, or MySQL's mysql.user.
[[nodiscard]] Result<std::shared_ptr<const AccountSet>> load_accounts(st_mysql* connection);

}  // namespace consort::proxy
