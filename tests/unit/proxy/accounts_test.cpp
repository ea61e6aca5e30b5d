#include "proxy/accounts.h"

#include <string>
#include <vector>

#include "tests/support/test.h"

using namespace consort::proxy;

namespace {

Account account(std::string user, std::string host) {
  Account out;
  out.user = std::move(user);
  out.host = std::move(host);
  out.plugin = "mysql_native_password";
  return out;
}

std::string found(const AccountSet& set, std::string_view user, const ClientHost& client) {
  const Account* const chosen = set.find(user, client);
  return chosen == nullptr ? "none" : chosen->name();
}

}  // namespace

TEST_SUITE("proxy") {
  TEST_CASE("AccountSet: host patterns") {
    struct Row {
      const char* pattern;
      const char* ip;
      const char* host;
      bool matches;
    };

    for (const Row& row : {
             Row{"%", "10.1.2.3", "", true},
             Row{"", "10.1.2.3", "", true},
             Row{"10.1.2.3", "10.1.2.3", "", true},
             Row{"10.1.2.3", "10.1.2.30", "", false},
             Row{"10.1.%", "10.1.2.3", "", true},
             Row{"10.1.%", "10.10.2.3", "", false},
             Row{"10.1.2._", "10.1.2.3", "", true},
             Row{"10.1.2._", "10.1.2.30", "", false},
             Row{"%.1.%.3", "10.1.2.3", "", true},
             Row{"localhost", "127.0.0.1", "localhost", true},
             Row{"LocalHost", "127.0.0.1", "localhost", true},
             Row{"localhost", "10.1.2.3", "", false},
             Row{"%.example.com", "10.1.2.3", "db.Example.com", true},
             Row{"db\\_1", "10.1.2.3", "db_1", true},
             Row{"db\\_1", "10.1.2.3", "dbx1", false},
             Row{"10.0.0.0/255.0.0.0", "10.9.8.7", "", true},
             Row{"10.0.0.0/255.0.0.0", "11.9.8.7", "", false},
             Row{"10.0.0.1/255.0.0.0", "10.0.0.1", "", false},
             Row{"10.0.0.0/8", "10.0.0.0", "", false},
             Row{"0.0.0.0/0.0.0.0", "10.0.0.0", "", false},
             Row{"10.0.0.0/255.0.0.0", "fe80::1", "", false},
             Row{"::1", "::1", "", true},
             Row{"a%b%c%d", "x", "abcabcabd", true},
             Row{"a%b%c%d", "x", "abcabcabe", false},
         }) {
      CAPTURE(row.pattern);
      CAPTURE(row.ip);
      EXPECT(host_matches(row.pattern, ClientHost{row.ip, row.host}) == row.matches);
    }
  }

  TEST_CASE("AccountSet: loopback clients are localhost, mapped addresses are IPv4") {
    EXPECT(client_host("127.0.0.1").host == "localhost");
    EXPECT(client_host("::1").host == "localhost");
    EXPECT(client_host("::ffff:127.0.0.1").host == "localhost");
    EXPECT(client_host("::ffff:10.0.0.1").ip == "10.0.0.1");
    EXPECT(client_host("10.0.0.1").host.empty());
    EXPECT(client_host("127.0.0.2").host.empty());
  }

  // The order in which MariaDB 10.11 itself chose them, the winner dropped each time.
  TEST_CASE("AccountSet: the most specific host wins, as on the server") {
    const std::vector<std::vector<const char*>> orders = {
        {"localhost",
         "127\\.0.0.1",
         "127.0.0.1/255.255.255.255",
         "127.0.0.1",
         "127.0.0.0/255.255.255.0",
         "127.0.0.0/255.0.0.0",
         "_27.0.0.1",
         "12_.0.0.1",
         "loca_host",
         "127.0._.1",
         "localhos_",
         "127.0.0._",
         "127.0.%.1",
         "127.0.0.%",
         "127._.%",
         "local%",
         "%host",
         "127.%",
         "%.1",
         "%t",
         "l%",
         "1%",
         "_%",
         "%%",
         "%"},
        {"loca_h_s_", "127.0.0.%"},
        {"_________", "127.0.0.%", "%7.0.0.1", "1%"},
        {"1%2%7.0.0.1", "127.0.0.%"},
        {"_o__lhos%", "127.0%0_%_", "12___.%0_%", "12__0.0%", "_%27.%0.1"},
        {"127.0._%%1", "local%o__"},
        {"1%%_0.1", "lo%l%st"},
    };
    for (const auto& order : orders) {
      std::vector<Account> left;
      for (auto name = order.rbegin(); name != order.rend(); ++name) {
        left.push_back(account("u", *name));
      }
      for (const char* expected : order) {
        CAPTURE(expected);
        const AccountSet set(left);
        const Account* const chosen = set.find("u", client_host("127.0.0.1"));
        REQUIRE(chosen != nullptr);
        EXPECT(chosen->host == expected);
        std::erase_if(left, [&](const Account& other) { return other.host == expected; });
      }
    }
  }

  TEST_CASE("AccountSet: an anonymous account with a more specific host hides a named one") {
    const AccountSet set({account("u", "%"), account("", "10.0.0.1"), account("", "10.0.0.%"),
                          account("u", "10.0.0.%")});
    EXPECT(found(set, "u", client_host("10.0.0.1")) == "''@'10.0.0.1'");
    EXPECT(found(set, "u", client_host("10.0.0.2")) == "'u'@'10.0.0.%'");
    EXPECT(found(set, "v", client_host("10.0.0.2")) == "''@'10.0.0.%'");
    EXPECT(found(set, "u", client_host("10.9.0.2")) == "'u'@'%'");
    EXPECT(found(set, "v", client_host("10.9.0.2")) == "none");
    EXPECT(found(set, "U", client_host("10.9.0.2")) == "none");
    EXPECT(found(set, "", client_host("10.0.0.1")) == "''@'10.0.0.1'");
  }

  TEST_CASE("AccountSet: the digest ignores order and sees every field") {
    const std::vector<Account> plain = {account("a", "%"), account("b", "localhost")};
    const AccountSet set(plain);
    EXPECT(AccountSet({plain[1], plain[0]}).digest() == set.digest());
    const auto differs = [&](auto change) {
      std::vector<Account> changed = plain;
      change(changed[0]);
      const AccountSet other(changed);
      return other.digest() != set.digest() &&
             account_difference(set, other, 8) == std::vector<std::string>{"'a'@'%'"};
    };
    EXPECT(differs([](Account& a) { a.plugin = "ed25519"; }));
    EXPECT(differs([](Account& a) { a.authentication_string = "x"; }));
    EXPECT(differs([](Account& a) { a.alternatives.push_back({"unix_socket", ""}); }));
    EXPECT(differs([](Account& a) { a.tls = TlsDemand::kAny; }));
    EXPECT(differs([](Account& a) { a.tls_cipher = "x"; }));
    EXPECT(differs([](Account& a) { a.tls_issuer = "x"; }));
    EXPECT(differs([](Account& a) { a.tls_subject = "x"; }));
    EXPECT(differs([](Account& a) { a.locked = true; }));
    EXPECT(differs([](Account& a) { a.password_expired = true; }));
    EXPECT(account_difference(set, AccountSet({}), 8).size() == 2);
    EXPECT(account_difference(set, AccountSet({}), 1).size() == 1);
  }

  TEST_CASE("AccountSet: a salt of a server's own makes no difference between servers") {
    Account here = account("a", "%");
    here.plugin = "caching_sha2_password";
    here.authentication_string = "$A$00A$one";
    here.alternatives.push_back({"caching_sha2_password", "$A$00A$two"});
    Account there = here;
    there.authentication_string = "$A$00A$three";
    there.alternatives[0].authentication_string = "$A$00A$four";
    const AccountSet set({here});
    EXPECT(AccountSet({there}).digest() != set.digest());  // a new password is seen
    EXPECT(AccountSet({there}).unsalted_digest() == set.unsalted_digest());
    EXPECT(account_difference(set, AccountSet({there}), 8).empty());
    const auto differs = [&](const Account& other) {
      return AccountSet({other}).unsalted_digest() != set.unsalted_digest() &&
             account_difference(set, AccountSet({other}), 8).size() == 1;
    };
    there.authentication_string = "";
    EXPECT(differs(there));
    there = here;
    there.alternatives.clear();
    EXPECT(differs(there));
    there = here;
    there.plugin = "ed25519";
    EXPECT(differs(there));
    here.plugin = there.plugin = "mysql_native_password";
    there.authentication_string = "x";
    EXPECT(AccountSet({there}).unsalted_digest() != AccountSet({here}).unsalted_digest());
  }

  TEST_CASE("Account: what it demands of a client's TLS") {
    consort::TlsPeer bare;
    bare.cipher = "C";
    consort::TlsPeer known = bare;
    known.verified = true;
    known.issuer = "/CN=i";
    known.subject = "/CN=s";

    struct Row {
      TlsDemand demand;
      const char* cipher;
      const char* issuer;
      const char* subject;
      bool plain;
      bool encrypted;
      bool with_certificate;
    };

    const Row rows[] = {
        {TlsDemand::kNone, "", "", "", true, true, true},
        {TlsDemand::kAny, "", "", "", false, true, true},
        {TlsDemand::kX509, "", "", "", false, false, true},
        {TlsDemand::kSpecified, "C", "", "", false, true, true},
        {TlsDemand::kSpecified, "D", "", "", false, false, false},
        {TlsDemand::kSpecified, "", "/CN=i", "", false, false, true},
        {TlsDemand::kSpecified, "", "", "/CN=s", false, false, true},
        {TlsDemand::kSpecified, "C", "/CN=i", "/CN=s", false, false, true},
        {TlsDemand::kSpecified, "C", "/CN=i", "/CN=t", false, false, false},
        {TlsDemand::kSpecified, "", "/CN=j", "", false, false, false},
    };
    for (const Row& row : rows) {
      Account account;
      account.tls = row.demand;
      account.tls_cipher = row.cipher;
      account.tls_issuer = row.issuer;
      account.tls_subject = row.subject;
      EXPECT(transport_suffices(account, nullptr) == row.plain);
      EXPECT(transport_suffices(account, &bare) == row.encrypted);
      EXPECT(transport_suffices(account, &known) == row.with_certificate);
    }
  }

  TEST_CASE("AccountSet: rows of mysql.global_priv") {
    constexpr std::uint64_t kNow = 1700000000;
    const auto read = [](const char* priv) {
      return account_from_global_priv("u", "h", priv, {kNow, 0, false});
    };

    auto plain =
        read(R"({"access":0,"plugin":"mysql_native_password","authentication_string":"*AB",)"
             R"("password_last_changed":1699999999})");
    REQUIRE(plain.ok());
    REQUIRE(plain->has_value());
    EXPECT(plain.value()->plugin == "mysql_native_password");
    EXPECT(plain.value()->authentication_string == "*AB");
    EXPECT_FALSE(plain.value()->locked);
    EXPECT_FALSE(plain.value()->password_expired);

    const auto fresh = read(R"({"access":18446744073709551615})");
    REQUIRE(fresh.ok());
    EXPECT(fresh.value()->plugin == "mysql_native_password");
    EXPECT(fresh.value()->authentication_string.empty());

    // SUPER has lost its parts one by one.
    const auto super = [&](std::int64_t version) {
      const std::string priv = R"({"access":32768,"version_id":)" + std::to_string(version) + "}";
      const auto account = read(priv.c_str());
      return std::pair(account.value()->connection_admin, account.value()->read_only_admin);
    };
    EXPECT(super(100600) == std::pair(true, true));
    EXPECT(super(101113) == std::pair(true, false));
    EXPECT(super(110809) == std::pair(false, false));
    EXPECT(read(R"({"access":4294967296,"version_id":110809})").value()->connection_admin);
    EXPECT(read(R"({"access":8589934592,"version_id":110809})").value()->read_only_admin);

    const auto either = read(R"({"plugin":"mysql_native_password","authentication_string":"*AB",)"
                             R"("auth_or":[{"plugin":"unix_socket"},{},{"plugin":"ed25519",)"
                             R"("authentication_string":"e"}]})");
    REQUIRE(either.ok());
    EXPECT(either.value()->plugin == "unix_socket");
    EXPECT(either.value()->alternatives ==
           std::vector<AuthMethod>{{"mysql_native_password", "*AB"}, {"ed25519", "e"}});

    const auto guarded = read(R"({"plugin":"ed25519","ssl_type":2,"account_locked":true,)"
                              R"("password_last_changed":1699740000,"password_lifetime":3})");
    REQUIRE(guarded.ok());
    EXPECT((guarded.value()->tls == TlsDemand::kX509));
    EXPECT(guarded.value()->locked);
    EXPECT(guarded.value()->password_expired);
    EXPECT(read(R"({"password_last_changed":0})").value()->password_expired);
    EXPECT_FALSE(
        read(R"({"password_last_changed":1,"password_lifetime":-1})").value()->password_expired);

    // The server's default lifetime counts where the account has none of its own; 0 is for ever.
    const auto with_default = [](const char* priv) {
      return account_from_global_priv("u", "h", priv, {kNow, 2, true}).value();
    };
    EXPECT(with_default(R"({"password_last_changed":1699740000})")->password_expired);
    EXPECT(with_default(R"({"password_last_changed":1699740000})")->refused_when_expired);
    EXPECT(with_default(R"({"password_last_changed":1699740000,"password_lifetime":-1})")
               ->password_expired);
    EXPECT_FALSE(with_default(R"({"password_last_changed":1699740000,"password_lifetime":0})")
                     ->password_expired);
    EXPECT_FALSE(with_default(R"({"password_last_changed":1699900000})")->password_expired);

    const auto named = read(R"({"ssl_type":3,"ssl_cipher":"C","x509_issuer":"/CN=i",)"
                            R"("x509_subject":"/CN=s"})");
    REQUIRE(named.ok());
    EXPECT((named.value()->tls == TlsDemand::kSpecified));
    EXPECT(named.value()->tls_cipher == "C");
    EXPECT(named.value()->tls_issuer == "/CN=i");
    EXPECT(named.value()->tls_subject == "/CN=s");

    EXPECT_FALSE(read(R"({"is_role":true})").value().has_value());
    for (const char* broken : {"", "[]", "{", "7", "null"}) {
      CAPTURE(broken);
      EXPECT_FALSE(read(broken).ok());
    }
    EXPECT(read(R"({"plugin":7,"auth_or":{},"account_locked":"x","ssl_type":"y"})").ok());
  }

  TEST_CASE("Accounts: rows of MySQL's mysql.user") {
    constexpr std::uint64_t kNow = 1700000000;
    const auto plain = [] {
      MysqlUser row;
      row.user = "u";
      row.host = "h";
      row.plugin = "caching_sha2_password";
      row.authentication_string = "$A$00A$x";
      row.password_changed_s = 1699740000;  // three days ago
      return row;
    };
    MysqlUser row = plain();
    Account account = account_from_mysql_user(row, {kNow, 0, true});
    EXPECT(account.name() == "'u'@'h'");
    EXPECT(account.plugin == "caching_sha2_password");
    EXPECT(account.authentication_string == "$A$00A$x");
    EXPECT((account.tls == TlsDemand::kNone));
    EXPECT_FALSE(account.locked);
    EXPECT_FALSE(account.password_expired);
    EXPECT(account.refused_when_expired);
    EXPECT_FALSE(account.connection_admin);
    EXPECT_FALSE(account.read_only_admin);
    EXPECT(account.alternatives.empty());

    // When a password ends: by itself, by its account's rule, by the server's.
    EXPECT(account_from_mysql_user(row, {kNow, 2, true}).password_expired);
    EXPECT_FALSE(account_from_mysql_user(row, {kNow, 4, true}).password_expired);
    row.password_lifetime_days = 0;
    EXPECT_FALSE(account_from_mysql_user(row, {kNow, 2, true}).password_expired);
    row.password_lifetime_days = 2;
    EXPECT(account_from_mysql_user(row, {kNow, 0, true}).password_expired);
    row.password_changed_s = 0;
    EXPECT_FALSE(account_from_mysql_user(row, {kNow, 0, true}).password_expired);
    row.password_expired = true;
    EXPECT(account_from_mysql_user(row, {kNow, 0, true}).password_expired);

    // As CREATE ROLE leaves it.
    row = plain();
    row.authentication_string = "";
    row.locked = row.password_expired = true;
    EXPECT(account_from_mysql_user(row, {kNow, 0, true}).locked);

    row = plain();
    row.ssl_type = "SPECIFIED";
    row.x509_issuer = "/CN=i";
    row.x509_subject = "/CN=s";
    row.connection_admin = true;
    row.user_connections_max = 7;
    account = account_from_mysql_user(row, {kNow, 0, false});
    EXPECT((account.tls == TlsDemand::kSpecified));
    EXPECT(account.tls_issuer == "/CN=i");
    EXPECT(account.tls_subject == "/CN=s");
    EXPECT(account.connection_admin);
    EXPECT(account.read_only_admin);
    EXPECT(account.user_connections_max == 7);
    EXPECT_FALSE(account.refused_when_expired);
    row.ssl_type = "X509";
    EXPECT((account_from_mysql_user(row, {}).tls == TlsDemand::kX509));
    row.ssl_type = "ANY";
    EXPECT((account_from_mysql_user(row, {}).tls == TlsDemand::kAny));

    // RETAIN CURRENT PASSWORD: raw bytes, which JSON escapes.
    row = plain();
    row.attributes = R"({"additional_password": "$A$00A$9\u0002\u0011%"})";
    account = account_from_mysql_user(row, {kNow, 0, true});
    EXPECT(account.alternatives ==
           std::vector<AuthMethod>{{"caching_sha2_password", "$A$00A$9\x02\x11%"}});

    // One of two factors opens nothing.
    row.attributes = R"({"additional_password": "$A$00A$9", "multi_factor_authentication": )"
                     R"([{"plugin": "auth_socket", "passwordless": 0}]})";
    account = account_from_mysql_user(row, {kNow, 0, true});
    EXPECT(account.plugin != "caching_sha2_password");
    EXPECT(account.alternatives.empty());
  }
}
