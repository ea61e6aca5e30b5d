#include "proxy/known_passwords.h"

#include "tests/support/test.h"

using namespace consort::proxy;

namespace {

Account account_with(std::string user, std::string stored) {
  Account out;
  out.user = std::move(user);
  out.host = "%";
  out.plugin = "caching_sha2_password";
  out.authentication_string = std::move(stored);
  return out;
}

std::shared_ptr<const CredentialsFile> file(std::unordered_map<std::string, std::string> all) {
  return std::make_shared<const CredentialsFile>(std::move(all));
}

}  // namespace

TEST_SUITE("proxy") {
  TEST_CASE("KnownPasswords: what was shown counts while the account stays as it was") {
    KnownPasswords known;
    EXPECT(known.find(account_with("a", "1")).empty());
    known.note_shown(account_with("a", "1"), "pw");
    EXPECT(known.find(account_with("a", "1")) == "pw");
    EXPECT(known.find(account_with("a", "2")).empty());
    EXPECT(known.find(account_with("b", "1")).empty());
    Account more = account_with("a", "1");
    more.alternatives.push_back({"ed25519", "k"});
    EXPECT(known.find(more).empty());
    known.note_shown(account_with("a", "2"), "new");
    EXPECT(known.find(account_with("a", "2")) == "new");
    EXPECT(known.find(account_with("a", "1")).empty());
  }

  TEST_CASE("KnownPasswords: configured ones, by account_with before by user") {
    KnownPasswords known;
    known.configure(file({{"a", "any"}, {"a@10.%", "here"}, {"b@%", "all"}}));
    EXPECT(known.find(account_with("a", "1")) == "any");
    Account here = account_with("a", "1");
    here.host = "10.%";
    EXPECT(known.find(here) == "here");
    Account unnamed_host = account_with("b", "1");
    unnamed_host.host.clear();
    EXPECT(known.find(unnamed_host) == "all");
    known.note_shown(account_with("a", "1"), "shown");
    EXPECT(known.find(account_with("a", "1")) == "shown");
    EXPECT(known.find(account_with("a", "2")) == "any");
    known.configure(nullptr);
    EXPECT(known.find(here).empty());
  }

  TEST_CASE("KnownPasswords: bounded") {
    KnownPasswords known;
    for (std::size_t i = 0; i <= KnownPasswords::kShownMax; ++i) {
      known.note_shown(account_with(std::to_string(i), "1"), "pw");
    }
    EXPECT(known.find(account_with("0", "1")).empty());
    EXPECT(known.find(account_with(std::to_string(KnownPasswords::kShownMax), "1")) == "pw");
  }
}
