#include "proxy/password_errors.h"

#include "tests/support/test.h"

using namespace consort;
using namespace consort::proxy;

namespace {

Account named(const std::string& user, const std::string& host) {
  Account account;
  account.user = user;
  account.host = host;
  return account;
}

}  // namespace

TEST_SUITE("proxy") {
  TEST_CASE("PasswordErrors: an account is blocked after so many in a row") {
    PasswordErrors errors;
    const Account u = named("u", "%");
    EXPECT_FALSE(errors.blocked(u, 2));
    errors.note_failure(u);
    EXPECT_FALSE(errors.blocked(u, 2));
    EXPECT(errors.blocked(u, 1));
    errors.note_success(u);
    errors.note_failure(u);
    EXPECT_FALSE(errors.blocked(u, 2));
    errors.note_failure(u);
    EXPECT(errors.blocked(u, 2));
    EXPECT_FALSE(errors.blocked(u, 3));
    EXPECT_FALSE(errors.blocked(u, 0));  // no server was looked at
    EXPECT_FALSE(errors.blocked(named("u", "10.%"), 2));
    EXPECT_FALSE(errors.blocked(named("v", "%"), 2));
  }

  TEST_CASE("PasswordErrors: what ends it") {
    PasswordErrors errors;
    const Account u = named("u", "Example.com");
    const Account v = named("v", "");
    const auto block = [&] {
      for (const Account* account : {&u, &v}) {
        errors.note_failure(*account);
      }
    };
    block();
    errors.forget(std::vector<router::AccountName>{{"u", "%"}});
    EXPECT(errors.blocked(u, 1));
    errors.forget(std::vector<router::AccountName>{{"v", "%"}, {"u", "example.COM"}});
    EXPECT_FALSE(errors.blocked(u, 1));
    EXPECT_FALSE(errors.blocked(v, 1));
    block();
    errors.forget_all();
    EXPECT_FALSE(errors.blocked(u, 1));
    EXPECT_FALSE(errors.blocked(v, 1));
  }

  TEST_CASE("PasswordErrors: who is never blocked") {
    PasswordErrors errors;
    Account admin = named("root", "LOCALHOST");
    errors.note_failure(admin);
    EXPECT(errors.blocked(admin, 1));
    admin.connection_admin = true;
    EXPECT_FALSE(errors.blocked(admin, 1));
    admin.host = "%";
    errors.note_failure(admin);
    EXPECT(errors.blocked(admin, 1));
    Account several = named("s", "%");
    several.alternatives.push_back({"ed25519", "x"});
    errors.note_failure(several);
    EXPECT_FALSE(errors.blocked(several, 1));
  }
}
