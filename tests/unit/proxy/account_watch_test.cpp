#include "proxy/account_watch.h"

#include <string>
#include <vector>

#include "tests/support/test.h"

using namespace consort::proxy;
using consort::BackendId;
using consort::ManualClock;
using consort::Seqno;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::shared_ptr<const AccountSet> set_of(const std::string& user) {
  Account account;
  account.user = user;
  account.host = "%";
  return std::make_shared<AccountSet>(std::vector<Account>{account});
}

}  // namespace

TEST_SUITE("proxy") {
  TEST_CASE("AccountWatch: asks whom it may, once at a time, and again after the interval") {
    ManualClock clock;
    const std::vector<AccountSource> sources = {{"a", true, true}, {"b", false, false}};
    AccountWatch watch({}, 2, clock.now());
    EXPECT((watch.due(sources, clock.now()) == std::vector<BackendId>{BackendId{0}}));
    clock.advance(seconds(5));
    EXPECT(watch.due(sources, clock.now()).empty());  // the first answer is still to come
    const auto outcome = watch.on_loaded(BackendId{0}, set_of("x"), {}, sources, clock.now());
    EXPECT(outcome.adopted);
    EXPECT((watch.next_wake() == clock.now() + seconds(5)));
    clock.advance(seconds(5));
    EXPECT(watch.due(sources, clock.now()).size() == 1);
    EXPECT_FALSE(watch.on_loaded(BackendId{0}, nullptr, {}, sources, clock.now()).adopted);
    EXPECT(watch.accounts() != nullptr);
  }

  TEST_CASE("AccountWatch: before any is online the first set counts, then the first online's") {
    ManualClock clock;
    std::vector<AccountSource> sources = {{"a", true, false}, {"b", true, false}};
    AccountWatch watch({}, 2, clock.now());
    EXPECT(watch.on_loaded(BackendId{1}, set_of("b"), {}, sources, clock.now()).adopted);
    EXPECT_FALSE(watch.on_loaded(BackendId{0}, set_of("a"), {}, sources, clock.now()).adopted);
    sources[0].online = true;
    EXPECT(watch.on_loaded(BackendId{0}, set_of("a"), {}, sources, clock.now()).adopted);
    EXPECT(watch.accounts()->find("a", client_host("10.0.0.1")) != nullptr);
    sources[0].online = false;
    watch.forget(BackendId{0});
    sources[1].online = true;
    EXPECT(watch.on_loaded(BackendId{1}, set_of("b"), {}, sources, clock.now()).adopted);
  }

  TEST_CASE("AccountWatch: a request is served at once and once more, but not more often") {
    ManualClock clock;
    const std::vector<AccountSource> sources = {{"a", true, true}};
    AccountWatch watch({}, 1, clock.now());
    int asked = 0;
    for (int ms = 0; ms < 1000; ++ms) {
      if (ms == 10) {
        watch.on_request(clock.now());
      }
      if (!watch.due(sources, clock.now()).empty()) {
        ++asked;
        EXPECT_FALSE(watch.on_loaded(BackendId{0}, nullptr, {}, sources, clock.now()).adopted);
      }
      clock.advance(milliseconds(1));
    }
    EXPECT(asked == 3);  // at 0, 200 and 700 ms
  }

  TEST_CASE("AccountWatch: a difference is told once, after a while, with the names") {
    ManualClock clock;
    const std::vector<AccountSource> sources = {{"a", true, true}, {"b", true, true}};
    AccountWatch watch({}, 2, clock.now());
    static_cast<void>(watch.on_loaded(BackendId{0}, set_of("x"), {}, sources, clock.now()));
    int warnings = 0;
    std::string warning;
    for (int i = 0; i < 20; ++i) {
      const auto outcome = watch.on_loaded(BackendId{1}, set_of("y"), {}, sources, clock.now());
      warnings += outcome.warning.empty() ? 0 : 1;
      warning += outcome.warning;
      EXPECT((i >= 6 || warnings == 0));
      clock.advance(milliseconds(500));
    }
    EXPECT(warnings == 1);
    EXPECT(warning.find("b: 'y'@'%' 'x'@'%'") != std::string::npos);
    EXPECT(watch.on_loaded(BackendId{1}, set_of("x"), {}, sources, clock.now())
               .info.find("the same") != std::string::npos);
  }

  TEST_CASE("AccountWatch: a set that was asked for earlier never follows a newer one") {
    ManualClock clock;
    std::vector<AccountSource> sources = {{"a", true, true}, {"b", true, true}};
    AccountWatch watch({}, 2, clock.now());
    const auto load = [&](std::uint8_t backend, const std::string& user) {
      return watch.on_loaded(BackendId{backend}, set_of(user), {}, sources, clock.now()).adopted;
    };
    REQUIRE(watch.due(sources, clock.now()).size() == 2);
    EXPECT(load(0, "old"));
    EXPECT_FALSE(load(1, "old"));
    clock.advance(seconds(5));
    REQUIRE(watch.due(sources, clock.now()).size() == 2);
    EXPECT(load(0, "new"));  // the second's answer is still to come
    sources[0].online = false;
    EXPECT_FALSE(watch.on_loaded(BackendId{0}, nullptr, {}, sources, clock.now()).adopted);
    EXPECT_FALSE(load(0, "new"));  // what the second read last is older
    EXPECT(watch.accounts()->find("new", client_host("10.0.0.1")) != nullptr);
    EXPECT(load(1, "newer"));
    EXPECT(watch.accounts()->find("newer", client_host("10.0.0.1")) != nullptr);
  }

  TEST_CASE("AccountWatch: a request while accounts are read has them read again") {
    ManualClock clock;
    const std::vector<AccountSource> sources = {{"a", true, true}};
    AccountWatch watch({}, 1, clock.now());
    REQUIRE(watch.due(sources, clock.now()).size() == 1);
    clock.advance(milliseconds(300));
    watch.on_request(clock.now());
    EXPECT(watch.due(sources, clock.now()).empty());
    clock.advance(milliseconds(500));
    EXPECT(watch.due(sources, clock.now()).empty());
    clock.advance(seconds(1));  // the server is slow; both that were wanted have passed
    EXPECT(watch.on_loaded(BackendId{0}, set_of("old"), {}, sources, clock.now()).adopted);
    EXPECT(watch.next_wake() <= clock.now());
    REQUIRE(watch.due(sources, clock.now()).size() == 1);
    EXPECT(watch.on_loaded(BackendId{0}, set_of("new"), {}, sources, clock.now()).adopted);
    EXPECT(watch.next_wake() > clock.now());
  }

  TEST_CASE("AccountWatch: what was on its way when a backend left rotation does not count") {
    ManualClock clock;
    const std::vector<AccountSource> sources = {{"a", true, true}};
    AccountWatch watch({}, 1, clock.now());
    REQUIRE(watch.due(sources, clock.now()).size() == 1);
    watch.forget(BackendId{0});
    EXPECT_FALSE(watch.on_loaded(BackendId{0}, set_of("old"), {}, sources, clock.now()).adopted);
    clock.advance(seconds(5));
    REQUIRE(watch.due(sources, clock.now()).size() == 1);
    EXPECT(watch.on_loaded(BackendId{0}, set_of("new"), {}, sources, clock.now()).adopted);
  }

  TEST_CASE("AccountWatch: who waits for a change gets a set that holds it, soon") {
    ManualClock clock;
    const std::vector<AccountSource> sources = {{"a", true, true}, {"b", true, true}};
    AccountWatch watch({}, 2, clock.now());
    REQUIRE(watch.due(sources, clock.now()).size() == 2);
    (void)watch.on_loaded(BackendId{0}, set_of("old"), Seqno{7}, sources, clock.now());
    (void)watch.on_loaded(BackendId{1}, set_of("old"), Seqno{7}, sources, clock.now());
    EXPECT((watch.as_of() == Seqno{7}));

    SUBCASE("at once") {
      clock.advance(seconds(1));
      watch.on_needed(Seqno{8}, clock.now());
      REQUIRE(watch.due(sources, clock.now()).size() == 2);
      EXPECT(watch.on_loaded(BackendId{0}, set_of("new"), Seqno{8}, sources, clock.now()).adopted);
      EXPECT((watch.as_of() == Seqno{8}));
      (void)watch.on_loaded(BackendId{1}, set_of("new"), Seqno{8}, sources, clock.now());
      EXPECT(watch.next_wake() > clock.now() + milliseconds(100));
    }
    SUBCASE("of another backend, where the first has not applied it") {
      watch.on_needed(Seqno{8}, clock.now());
      clock.advance(milliseconds(5));
      REQUIRE(watch.due(sources, clock.now()).size() == 2);
      (void)watch.on_loaded(BackendId{0}, set_of("old"), Seqno{7}, sources, clock.now());
      EXPECT(watch.on_loaded(BackendId{1}, set_of("new"), Seqno{8}, sources, clock.now()).adopted);
      EXPECT((watch.as_of() == Seqno{8}));
      // The first one's is older than what counts now.
      clock.advance(seconds(5));
      REQUIRE(watch.due(sources, clock.now()).size() == 2);
      EXPECT_FALSE(
          watch.on_loaded(BackendId{0}, set_of("old"), Seqno{7}, sources, clock.now()).adopted);
      EXPECT(watch.accounts()->find("new", client_host("10.0.0.1")) != nullptr);
    }
    SUBCASE("asked again and again, less and less often, and not for ever") {
      watch.on_needed(Seqno{8}, clock.now());
      const auto began = clock.now();
      int rounds = 0;
      while (watch.next_wake() < began + seconds(3)) {
        clock.advance(watch.next_wake() - clock.now());
        const auto asked = watch.due(sources, clock.now());
        REQUIRE(asked.size() == 2);
        for (const BackendId id : asked) {
          (void)watch.on_loaded(id, set_of("old"), Seqno{7}, sources, clock.now());
        }
        ++rounds;
      }
      EXPECT(rounds > 10);
      EXPECT(rounds < 50);
    }
    SUBCASE("known already") {
      const auto wake = watch.next_wake();
      watch.on_needed(Seqno{7}, clock.now());
      EXPECT((watch.next_wake() == wake));
    }
  }
}
