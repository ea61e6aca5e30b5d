#include "base/mailbox.h"

#include "tests/support/test.h"

TEST_SUITE("base") {
  TEST_CASE("Mailbox: wakes once per batch and refuses what does not fit") {
    int wakes = 0;
    consort::Mailbox<int> mailbox(2, [&] { ++wakes; });
    EXPECT(mailbox.post(1));
    EXPECT(mailbox.post(2));
    EXPECT_FALSE(mailbox.post(3));
    EXPECT(wakes == 1);
    std::vector<int> out;
    mailbox.drain(out);
    EXPECT(out == std::vector<int>{1, 2});
    EXPECT(mailbox.depth() == 0);
    EXPECT(mailbox.post(4));
    EXPECT(wakes == 2);
  }

  TEST_CASE("Mailbox: takes what must arrive beyond its bound, in order") {
    int wakes = 0;
    consort::Mailbox<int> mailbox(1, [&] { ++wakes; });
    EXPECT(mailbox.post(1));
    mailbox.post_always(2);
    EXPECT_FALSE(mailbox.post(3));
    mailbox.post_always(4);
    EXPECT(wakes == 1);
    std::vector<int> out;
    mailbox.drain(out);
    EXPECT(out == std::vector<int>{1, 2, 4});
    mailbox.post_always(5);
    EXPECT(wakes == 2);
  }
}
