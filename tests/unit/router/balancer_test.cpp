// Balancer: least busy by weight, fresh enough, ties in turn.
#include "router/balancer.h"

#include <array>
#include <vector>

#include "tests/support/test.h"

using namespace consort;
using namespace consort::router;

namespace {

Candidate candidate(std::uint8_t id, std::uint32_t in_flight, std::uint64_t applied = 10) {
  return {BackendId{id}, 1, in_flight, Seqno{applied}, true};
}

}  // namespace

TEST_SUITE("balancer") {
  TEST_CASE("least in flight wins") {
    Balancer balancer;
    const std::vector<Candidate> candidates = {candidate(0, 5), candidate(1, 2), candidate(2, 3)};
    for (int i = 0; i < 5; ++i) {
      EXPECT(balancer.choose(candidates, Seqno{}).backend == BackendId{1});
    }
  }

  TEST_CASE("ties rotate evenly") {
    Balancer balancer;
    const std::vector<Candidate> candidates = {candidate(0, 1), candidate(1, 1), candidate(2, 1)};
    std::array<int, 3> taken{};
    for (int i = 0; i < 300; ++i) {
      ++taken[balancer.choose(candidates, Seqno{}).backend->value];
    }
    EXPECT(taken == std::array<int, 3>{100, 100, 100});
  }

  TEST_CASE("who asks again stays, unless another is clearly less busy") {
    Balancer balancer;
    std::vector<Candidate> candidates = {candidate(0, 1), candidate(1, 1), candidate(2, 1)};
    const auto choice = [&] { return *balancer.choose(candidates, Seqno{}, BackendId{1}).backend; };
    for (int i = 0; i < 4; ++i) {
      EXPECT(choice() == BackendId{1});
    }
    candidates[1].in_flight = 4;  // twice 1, and two more
    EXPECT(choice() == BackendId{1});
    candidates[1].in_flight = 5;
    EXPECT(choice() != BackendId{1});
    candidates[0].in_flight = 4;
    candidates[2].in_flight = 5;
    candidates[1].in_flight = 10;  // twice 4, and two more
    EXPECT(choice() == BackendId{1});
    candidates[1].in_flight = 11;
    EXPECT(choice() == BackendId{0});
    candidates[1].weight = 3;  // and takes three times as many
    EXPECT(choice() == BackendId{1});
    candidates[1].applied = Seqno{9};
    EXPECT(balancer.choose(candidates, Seqno{10}, BackendId{1}).backend != BackendId{1});
    candidates[1].eligible = false;
    EXPECT(choice() != BackendId{1});
  }

  TEST_CASE("weights: load follows them") {
    Balancer balancer;
    std::vector<Candidate> candidates = {candidate(0, 0), candidate(1, 0)};
    candidates[0].weight = 3;
    for (int i = 0; i < 400; ++i) {
      ++candidates[balancer.choose(candidates, Seqno{}).backend->value].in_flight;
    }
    EXPECT(candidates[0].in_flight == 300);
    EXPECT(candidates[1].in_flight == 100);
  }

  TEST_CASE("only fresh, eligible and weighty ones") {
    Balancer balancer;
    std::vector<Candidate> candidates = {candidate(0, 0, 4), candidate(1, 9, 7),
                                         candidate(2, 0, 7)};
    candidates[2].eligible = false;
    EXPECT(balancer.choose(candidates, Seqno{7}).backend == BackendId{1});
    EXPECT(balancer.choose(candidates, Seqno{4}).backend == BackendId{0});
    const BackendChoice stale = balancer.choose(candidates, Seqno{8});
    EXPECT(!stale.backend.has_value());
    EXPECT(stale.reason == NoBackend::kNoneFresh);
    EXPECT(stale.freshest == BackendId{1});
    candidates[0].weight = 0;
    candidates[1].weight = 0;
    EXPECT(balancer.choose(candidates, Seqno{}).reason == NoBackend::kNoneWeighty);
    candidates[0].eligible = false;
    candidates[1].eligible = false;
    EXPECT(balancer.choose(candidates, Seqno{}).reason == NoBackend::kNoneOnline);
    EXPECT(balancer.choose({}, Seqno{}).reason == NoBackend::kNoneOnline);
    EXPECT(to_text(NoBackend::kNoneFresh) == "none_fresh");
  }
}
