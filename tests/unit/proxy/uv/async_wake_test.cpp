#include "proxy/uv/async_wake.h"

#include <atomic>
#include <memory>
#include <poll.h>
#include <thread>
#include <vector>

#include "base/mailbox.h"
#include "proxy/uv/timer.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

bool readable(const LoopBell& bell) {
  pollfd one{bell.fd(), POLLIN, 0};
  return poll(&one, 1, 0) == 1;
}

}  // namespace

TEST_SUITE("uv") {
  TEST_CASE("LoopBell: writes only when the loop sleeps") {
    LoopBell bell;
    bell.ring();  // asleep at first
    EXPECT(readable(bell));
    bell.read();
    EXPECT_FALSE(readable(bell));
    EXPECT(bell.answer());
    EXPECT_FALSE(bell.answer());

    bell.ring();  // awake
    EXPECT_FALSE(readable(bell));
    EXPECT(bell.answer());

    bell.ring();  // too late for this turn's answer
    bell.sleep();
    EXPECT(readable(bell));
    bell.read();
    EXPECT(bell.answer());

    bell.sleep();
    EXPECT_FALSE(readable(bell));
    bell.stir();
    bell.ring();
    EXPECT_FALSE(readable(bell));
    EXPECT(bell.answer());
    bell.sleep();
    bell.ring();
    EXPECT(readable(bell));
  }

  TEST_CASE("AsyncWake: no message is left behind, however the threads meet") {
    constexpr int kPosters = 3;
    constexpr int kMessages = 20000;
    EventLoop loop;
    std::unique_ptr<AsyncWake> wake;
    Mailbox<int> mailbox(1U << 20, [&wake] { wake->wake(); });
    std::vector<int> batch;
    int seen = 0;
    wake = std::make_unique<AsyncWake>(loop, [&] {
      mailbox.drain(batch);
      seen += static_cast<int>(batch.size());
      if (seen == kPosters * kMessages) {
        loop.stop();
      }
    });
    bool late = false;
    Timer limit(loop, [&] {
      late = true;
      loop.stop();
    });
    limit.start_once(std::chrono::seconds(60));
    std::vector<std::thread> posters;
    for (int i = 0; i < kPosters; ++i) {
      posters.emplace_back([&mailbox, i] {
        for (int n = 0; n < kMessages; ++n) {
          EXPECT(mailbox.post(n));
          if (n % (7 + i) == 0) {
            std::this_thread::yield();
          }
        }
      });
    }
    loop.run();
    for (std::thread& poster : posters) {
      poster.join();
    }
    EXPECT_FALSE(late);
    EXPECT(seen == kPosters * kMessages);
  }

  TEST_CASE("AsyncWake: a wake by the turn hook and by a callback turns the loop once more") {
    EventLoop loop;
    int wakes = 0;
    std::unique_ptr<AsyncWake> one;
    one = std::make_unique<AsyncWake>(loop, [&] {
      ++wakes;
      if (wakes == 2) {
        one->wake();
      }
      if (wakes == 3) {
        loop.stop();
      }
    });
    bool hooked = false;
    loop.set_turn_hook([&] {
      if (!hooked) {
        hooked = true;
        one->wake();
      }
    });
    one->wake();
    loop.run();  // hangs when one is lost
    EXPECT(wakes == 3);
  }

  TEST_CASE("AsyncWake: a callback may end another, and the rest are answered") {
    EventLoop loop;
    std::vector<int> called;
    auto first = std::make_unique<AsyncWake>(loop, [&] { called.push_back(1); });
    AsyncWake second(loop, [&] {
      called.push_back(2);
      first.reset();
    });
    AsyncWake third(loop, [&] {
      called.push_back(3);
      loop.stop();
    });
    third.wake();
    second.wake();
    loop.run();
    EXPECT(called == std::vector<int>{2, 3});
  }
}
}  // namespace consort::proxy
