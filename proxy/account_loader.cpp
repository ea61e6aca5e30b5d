// The part of accounts.h that reads the servers' own tables.
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mysql.h>
#include <nlohmann/json.hpp>

#include "base/server_kind.h"
#include "proxy/accounts.h"

namespace consort::proxy {

namespace {

using Json = nlohmann::json;

/// Stands for the plugin of accounts that MySQL asks for more than one.
constexpr std::string_view kSeveralFactors = "(several factors)";
constexpr std::int64_t kDaySeconds = 86400;
/// Bits of `access`. CONNECTION ADMIN and READ_ONLY ADMIN were parts of SUPER in rights given
/// before these versions of MariaDB (measured: 10.11, 11.8).
constexpr std::uint64_t kSuper = std::uint64_t{1} << 15;
constexpr std::uint64_t kConnectionAdmin = std::uint64_t{1} << 32;
constexpr std::int64_t kConnectionAdminSince = 110000;
constexpr std::uint64_t kReadOnlyAdmin = std::uint64_t{1} << 33;
constexpr std::int64_t kReadOnlyAdminSince = 101100;
/// More accounts than this are refused, not loaded (I8).
constexpr std::size_t kAccountsMax = 1000000;

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_at(const Json& object, const char* key, std::int64_t absent) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<std::int64_t>() : absent;
}

bool flag_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

AuthMethod method_at(const Json& object) {
  AuthMethod method{text_at(object, "plugin"), text_at(object, "authentication_string")};
  if (method.plugin.empty()) {
    method.plugin = "mysql_native_password";  // rows from before plugins
  }
  return method;
}

/// `auth_or` lists all methods in order; its empty object stands for the one at the top.
void read_methods(const Json& priv, Account& account) {
  std::vector<AuthMethod> methods;
  const auto listed = priv.find("auth_or");
  if (listed != priv.end() && listed->is_array()) {
    for (const Json& method : *listed) {
      methods.push_back(method_at(method.is_object() && !method.empty() ? method : priv));
    }
  }
  if (methods.empty()) {
    methods.push_back(method_at(priv));
  }
  account.plugin = std::move(methods.front().plugin);
  account.authentication_string = std::move(methods.front().authentication_string);
  methods.erase(methods.begin());
  account.alternatives = std::move(methods);
}

/// Only `password_last_changed` 0 is an explicit expiry; a locked system account has it too.
bool is_expired(const Json& priv, const ServerExpiry& expiry) {
  const std::int64_t changed = number_at(priv, "password_last_changed", -1);
  const std::int64_t own_days = number_at(priv, "password_lifetime", -1);
  const std::int64_t lifetime_days = own_days < 0 ? expiry.default_lifetime_days : own_days;
  if (changed == 0) {
    return true;
  }
  return changed > 0 && lifetime_days > 0 &&
         changed + lifetime_days * kDaySeconds < static_cast<std::int64_t>(expiry.now_s);
}

TlsDemand tls_demand(std::int64_t ssl_type) {
  switch (ssl_type) {
    case 1:
      return TlsDemand::kAny;
    case 2:
      return TlsDemand::kX509;
    case 3:
      return TlsDemand::kSpecified;
    default:
      return TlsDemand::kNone;
  }
}

std::string_view cell(MYSQL_ROW row, const unsigned long* lengths, unsigned column) {
  return row[column] == nullptr ? std::string_view()
                                : std::string_view(row[column], lengths[column]);
}

Error last_error(MYSQL* connection) {
  return Error{static_cast<int>(mysql_errno(connection)), mysql_error(connection)};
}

/// Calls `take(row, lengths)` for each row of `sql`; it returns a Status.
template <typename Take>
Status for_each_row(MYSQL* connection, std::string_view sql, const Take& take) {
  if (mysql_real_query(connection, sql.data(), sql.size()) != 0) {
    return last_error(connection);
  }
  const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result(
      mysql_store_result(connection), mysql_free_result);
  if (result == nullptr) {
    return last_error(connection);
  }
  if (mysql_num_rows(result.get()) > kAccountsMax) {
    return make_error("too many accounts");
  }
  while (MYSQL_ROW row = mysql_fetch_row(result.get())) {
    Status taken = take(row, mysql_fetch_lengths(result.get()));
    if (!taken.ok()) {
      return taken;
    }
  }
  return Ok{};
}

Status load_global_priv(MYSQL* connection, std::vector<Account>& accounts) {
  return for_each_row(
      connection,
      "SELECT User, Host, Priv, UNIX_TIMESTAMP(), @@GLOBAL.default_password_lifetime,"
      " @@GLOBAL.disconnect_on_expired_password FROM mysql.global_priv",
      [&accounts](MYSQL_ROW row, const unsigned long* lengths) -> Status {
        ServerExpiry expiry;
        const std::string_view now = cell(row, lengths, 3);
        std::from_chars(now.data(), now.data() + now.size(), expiry.now_s);
        const std::string_view days = cell(row, lengths, 4);
        std::from_chars(days.data(), days.data() + days.size(), expiry.default_lifetime_days);
        expiry.disconnects = cell(row, lengths, 5) == "1";
        auto account = account_from_global_priv(cell(row, lengths, 0), cell(row, lengths, 1),
                                                cell(row, lengths, 2), expiry);
        if (!account.ok()) {
          return account.error();
        }
        if (account->has_value()) {
          accounts.push_back(std::move(**account));
        }
        return Ok{};
      });
}

std::int64_t decimal_of(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Status load_mysql_user(MYSQL* connection, std::vector<Account>& accounts) {
  return for_each_row(
      connection,
      "SELECT u.User, u.Host, u.plugin, u.authentication_string, u.User_attributes, u.ssl_type,"
      " u.ssl_cipher, u.x509_issuer, u.x509_subject, u.account_locked, u.password_expired,"
      " u.password_lifetime, UNIX_TIMESTAMP(u.password_last_changed), u.max_user_connections,"
      " u.Super_priv = 'Y' OR EXISTS (SELECT 1 FROM mysql.global_grants g"
      " WHERE g.USER = u.User AND g.HOST = u.Host AND g.PRIV = 'CONNECTION_ADMIN'),"
      " UNIX_TIMESTAMP(), @@GLOBAL.default_password_lifetime,"
      " @@GLOBAL.disconnect_on_expired_password FROM mysql.user u",
      [&accounts](MYSQL_ROW row, const unsigned long* lengths) -> Status {
        const auto at = [&](unsigned column) { return cell(row, lengths, column); };
        MysqlUser user;
        user.user = at(0);
        user.host = at(1);
        user.plugin = at(2);
        user.authentication_string = at(3);
        user.attributes = at(4);
        user.ssl_type = at(5);
        user.ssl_cipher = at(6);
        user.x509_issuer = at(7);
        user.x509_subject = at(8);
        user.locked = at(9) == "Y";
        user.password_expired = at(10) == "Y";
        if (row[11] != nullptr) {
          user.password_lifetime_days = decimal_of(at(11));
        }
        user.password_changed_s = decimal_of(at(12));
        user.user_connections_max = decimal_of(at(13));
        user.connection_admin = at(14) == "1";
        ServerExpiry expiry;
        expiry.now_s = static_cast<std::uint64_t>(decimal_of(at(15)));
        expiry.default_lifetime_days = decimal_of(at(16));
        expiry.disconnects = at(17) == "1";
        accounts.push_back(account_from_mysql_user(user, expiry));
        return Ok{};
      });
}

}  // namespace

Result<std::optional<Account>> account_from_global_priv(std::string_view user,
                                                        std::string_view host,
                                                        std::string_view priv_json,
                                                        const ServerExpiry& expiry) {
  const Json priv = Json::parse(priv_json, nullptr, false);
  if (!priv.is_object()) {
    return make_error("mysql.global_priv: the Priv of '" + std::string(user) + "'@'" +
                      std::string(host) + "' is no JSON object");
  }
  if (flag_at(priv, "is_role")) {
    return std::optional<Account>();
  }
  Account account;
  account.user = user;
  account.host = host;
  read_methods(priv, account);
  account.tls = tls_demand(number_at(priv, "ssl_type", 0));
  account.tls_cipher = text_at(priv, "ssl_cipher");
  account.tls_issuer = text_at(priv, "x509_issuer");
  account.tls_subject = text_at(priv, "x509_subject");
  account.locked = flag_at(priv, "account_locked");
  account.password_expired = is_expired(priv, expiry);
  account.refused_when_expired = expiry.disconnects;
  account.user_connections_max = number_at(priv, "max_user_connections", 0);
  const auto access = static_cast<std::uint64_t>(number_at(priv, "access", 0));
  const std::int64_t given_by = number_at(priv, "version_id", 0);
  const auto may = [&](std::uint64_t right, std::int64_t apart_since) {
    return (access & (right | (given_by < apart_since ? kSuper : 0))) != 0;
  };
  account.connection_admin = may(kConnectionAdmin, kConnectionAdminSince);
  account.read_only_admin = may(kReadOnlyAdmin, kReadOnlyAdminSince);
  return std::optional<Account>(std::move(account));
}

Account account_from_mysql_user(const MysqlUser& row, const ServerExpiry& expiry) {
  Account account;
  account.user = row.user;
  account.host = row.host;
  account.plugin = row.plugin;
  account.authentication_string = row.authentication_string;
  account.tls = row.ssl_type == "ANY"         ? TlsDemand::kAny
                : row.ssl_type == "X509"      ? TlsDemand::kX509
                : row.ssl_type == "SPECIFIED" ? TlsDemand::kSpecified
                                              : TlsDemand::kNone;
  account.tls_cipher = row.ssl_cipher;
  account.tls_issuer = row.x509_issuer;
  account.tls_subject = row.x509_subject;
  account.locked = row.locked;
  const std::int64_t days = row.password_lifetime_days.value_or(expiry.default_lifetime_days);
  const bool outlived =
      days > 0 && row.password_changed_s > 0 &&
      row.password_changed_s + days * kDaySeconds < static_cast<std::int64_t>(expiry.now_s);
  account.password_expired = row.password_expired || outlived;
  account.refused_when_expired = expiry.disconnects;
  account.user_connections_max = row.user_connections_max;
  account.connection_admin = row.connection_admin;
  account.read_only_admin = row.connection_admin;
  const Json attributes = Json::parse(row.attributes, nullptr, false);
  if (attributes.is_object()) {
    // RETAIN CURRENT PASSWORD: both let in.
    const std::string older = text_at(attributes, "additional_password");
    if (!older.empty()) {
      account.alternatives.push_back({account.plugin, older});
    }
    // The first factor alone must not: no client can prove this one.
    if (attributes.contains("multi_factor_authentication")) {
      account.plugin = kSeveralFactors;
      account.alternatives.clear();
    }
  }
  return account;
}

Result<std::shared_ptr<const AccountSet>> load_accounts(st_mysql* connection) {
  std::vector<Account> accounts;
  const bool mysql = server_kind_of(mysql_get_server_info(connection)) == ServerKind::kMysql;
  const Status status =
      mysql ? load_mysql_user(connection, accounts) : load_global_priv(connection, accounts);
  if (!status.ok()) {
    return status.error();
  }
  return std::shared_ptr<const AccountSet>(std::make_shared<AccountSet>(std::move(accounts)));
}

}  // namespace consort::proxy
