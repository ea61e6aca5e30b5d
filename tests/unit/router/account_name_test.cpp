#include "router/account_name.h"

#include "tests/support/test.h"

namespace consort::router {
namespace {

/// The accounts, as user@host with blanks between them.
std::string renewed(std::string_view sql) {
  std::string out;
  for (const AccountName& account : renewed_accounts(sql, {})) {
    out += (out.empty() ? "" : " ") + account.user + "@" + account.host;
  }
  return out;
}

TEST_SUITE("router") {
  TEST_CASE("renewed_accounts: whose wrong passwords a statement forgets") {
    struct Row {
      std::string_view sql;
      std::string_view accounts;
    };

    const Row table[] = {
        {"ALTER USER u ACCOUNT UNLOCK", "u@%"},
        {"alter user if exists 'u'@'10.%', `v`@localhost, w@\"%\" WITH MAX_USER_CONNECTIONS 5;",
         "u@10.% v@localhost w@%"},
        {"ALTER USER u IDENTIFIED VIA ed25519 USING PASSWORD('a, b') OR unix_socket, v REQUIRE SSL",
         "u@% v@%"},
        {"CREATE USER u IDENTIFIED BY 'x'", "u@%"},
        {"CREATE OR REPLACE USER u@h", "u@h"},
        {"CREATE USER IF NOT EXISTS u", ""},  // it may be there and stays as it is
        {"GRANT SELECT, INSERT (a, b) ON `to`.* TO u, v@'h' WITH GRANT OPTION", "u@% v@h"},
        {"GRANT EXECUTE ON PROCEDURE p TO u", "u@%"},
        {"GRANT PROXY ON u TO v", "v@%"},
        {"GRANT r TO u", ""},
        {"REVOKE SELECT ON *.* FROM u, v", "u@% v@%"},
        {"REVOKE ALL PRIVILEGES, GRANT OPTION FROM u", "u@%"},
        {"REVOKE r FROM u", ""},
        {"SET PASSWORD FOR u = PASSWORD('x')", ""},
        {"RENAME USER u TO v", ""},
        {"DROP USER u", ""},
        {"CREATE ROLE r WITH ADMIN u", ""},
        {"ALTER USER ", ""},
        {"GRANT", ""},
    };
    for (const Row& row : table) {
      CAPTURE(row.sql);
      EXPECT(renewed(row.sql) == row.accounts);
    }
  }
}

}  // namespace
}  // namespace consort::router
