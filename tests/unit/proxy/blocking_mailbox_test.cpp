#include "proxy/blocking_mailbox.h"

#include <thread>

#include "tests/support/test.h"

using consort::TimePoint;
using consort::proxy::BlockingMailbox;

TEST_SUITE("proxy") {
  TEST_CASE("BlockingMailbox: refuses what does not fit and hands over in order") {
    BlockingMailbox<int> mailbox(2);
    EXPECT(mailbox.post(1));
    EXPECT(mailbox.post(2));
    EXPECT_FALSE(mailbox.post(3));
    EXPECT(mailbox.depth() == 2);
    std::vector<int> out;
    EXPECT(mailbox.wait_until(TimePoint::min(), out));
    EXPECT(out == std::vector<int>{1, 2});
    EXPECT(mailbox.wait_until(TimePoint::min(), out));
    EXPECT(out.empty());
  }

  TEST_CASE("BlockingMailbox: wake ends one sleep, close ends all") {
    BlockingMailbox<int> mailbox(2);
    const TimePoint late = std::chrono::steady_clock::now() + std::chrono::hours(1);
    std::vector<int> out;
    mailbox.wake();
    EXPECT(mailbox.wait_until(late, out));
    EXPECT(mailbox.post(7));
    mailbox.close();
    EXPECT_FALSE(mailbox.post(8));
    EXPECT_FALSE(mailbox.wait_until(late, out));
    EXPECT(out == std::vector<int>{7});
    EXPECT_FALSE(mailbox.wait_until(late, out));
  }

  TEST_CASE("BlockingMailbox: a post wakes the sleeper") {
    BlockingMailbox<int> mailbox(1);
    std::vector<int> out;
    std::thread poster([&mailbox] { EXPECT(mailbox.post(5)); });
    EXPECT(mailbox.wait_until(std::chrono::steady_clock::now() + std::chrono::hours(1), out));
    poster.join();
    EXPECT(out == std::vector<int>{5});
  }
}
