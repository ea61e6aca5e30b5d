#include "healthcheck/failover_policy.h"

#include <array>
#include <vector>

#include "tests/support/test.h"

using namespace consort::healthcheck;
using consort::BackendId;

namespace {

Candidate candidate(std::uint8_t id,
                    BackendState state,
                    std::uint32_t weight = 1,
                    std::uint32_t in_flight = 0) {
  return Candidate{BackendId{id}, state, weight, in_flight};
}

/// The chosen id, or -1.
int chosen(const std::vector<Candidate>& candidates, std::uint32_t spread = 0) {
  const auto home = choose_home(candidates, spread);
  return home ? home->value : -1;
}

}  // namespace

TEST_SUITE("healthcheck") {
  TEST_CASE("FailoverPolicy: who becomes a home") {
    using enum BackendState;

    struct Row {
      const char* what;
      std::vector<Candidate> candidates;
      int home;
    };

    const std::vector<Row> rows = {
        {"nobody there", {}, -1},
        {"the only one online", {candidate(0, kOffline), candidate(1, kOnline)}, 1},
        {"online before suspect", {candidate(0, kSuspect), candidate(1, kOnline, 1, 9)}, 1},
        {"suspect when nothing is online", {candidate(0, kSuspect), candidate(1, kOffline)}, 0},
        {"draining never", {candidate(0, kDraining), candidate(1, kSuspect)}, 1},
        {"catching up never", {candidate(0, kCatchingUp), candidate(1, kUnknown)}, -1},
        {"weight 0 never", {candidate(0, kOnline, 0), candidate(1, kOffline)}, -1},
        {"weight 0 online does not bar a suspect",
         {candidate(0, kOnline, 0), candidate(1, kSuspect)},
         1},
        {"least in flight", {candidate(0, kOnline, 1, 3), candidate(1, kOnline, 1, 2)}, 1},
        {"least in flight per weight",
         {candidate(0, kOnline, 4, 7), candidate(1, kOnline, 1, 2)},
         0},
    };
    for (const Row& row : rows) {
      CAPTURE(row.what);
      EXPECT(chosen(row.candidates) == row.home);
    }
  }

  TEST_CASE("FailoverPolicy: equals are spread") {
    using enum BackendState;
    const std::vector<Candidate> three = {candidate(0, kOnline), candidate(1, kOnline),
                                          candidate(2, kOnline)};
    std::array<int, 3> homes{};
    for (std::uint32_t spread = 0; spread < 30; ++spread) {
      ++homes[static_cast<std::size_t>(chosen(three, spread))];
    }
    EXPECT(homes == std::array<int, 3>{10, 10, 10});
  }

  TEST_CASE("FailoverPolicy: what becomes of a session at home") {
    using enum BackendState;

    struct Row {
      BackendState state;
      HomeVerdict alone;
      HomeVerdict with_others;
      bool keeps;
    };

    for (const Row& row : {
             Row{kOnline, HomeVerdict::kStay, HomeVerdict::kStay, true},
             Row{kSuspect, HomeVerdict::kStay, HomeVerdict::kLeaveWhenIdle, true},
             Row{kDraining, HomeVerdict::kLeaveWhenIdle, HomeVerdict::kLeaveWhenIdle, true},
             Row{kCatchingUp, HomeVerdict::kLeaveWhenIdle, HomeVerdict::kLeaveWhenIdle, true},
             Row{kOffline, HomeVerdict::kLeaveNow, HomeVerdict::kLeaveNow, false},
             Row{kUnknown, HomeVerdict::kLeaveNow, HomeVerdict::kLeaveNow, false},
         }) {
      CAPTURE(to_text(row.state));
      EXPECT((judge_home(row.state, false) == row.alone));
      EXPECT((judge_home(row.state, true) == row.with_others));
      EXPECT(keeps_transactions(row.state) == row.keeps);
    }
  }
}
