// Runs seeds of the whole-system simulation, and proves that it would notice mistakes.
// SIM_SEED=n runs that seed only; SIM_SEEDS=n runs so many.
#include <cstdlib>
#include <string>

#include "tests/sim/simulation.h"
#include "tests/support/test.h"

namespace {

using namespace consort::sim;

constexpr int kSteps = 20'000;
constexpr std::uint64_t kSeeds = 500;
constexpr std::uint64_t kSeedsPerBug = 6000;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// What the first seed from `from` on that notices `bugs` says; empty when none does.
std::string notice_of(const Bugs& bugs, std::uint64_t from) {
  for (std::uint64_t seed = from; seed < from + kSeedsPerBug; ++seed) {
    const std::string failure = Simulation(seed, bugs).run(kSteps);
    if (!failure.empty()) {
      return "seed " + std::to_string(seed) + ": " + failure;
    }
  }
  return {};
}

}  // namespace

TEST_SUITE("sim") {
  TEST_CASE("Simulation: no seed breaks what must hold") {
    const std::uint64_t one = number_from_environment("SIM_SEED", 0);
    const std::uint64_t first = one != 0 ? one : 1;
    const std::uint64_t last = one != 0 ? one : number_from_environment("SIM_SEEDS", kSeeds);
    RunCounts total;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
      Simulation simulation(seed);
      const std::string failure = simulation.run(kSteps);
      INFO("SIM_SEED=" << seed << ": " << failure);
      REQUIRE(failure.empty());
      total.entries += simulation.counts().entries;
      total.acknowledged += simulation.counts().acknowledged;
      total.refused += simulation.counts().refused;
      total.proxy_crashes += simulation.counts().proxy_crashes;
      total.backend_crashes += simulation.counts().backend_crashes;
      total.comparisons += simulation.counts().comparisons;
      total.sessions += simulation.counts().sessions;
      total.session_commits += simulation.counts().session_commits;
      total.session_reads += simulation.counts().session_reads;
      total.programs += simulation.counts().programs;
      total.copies += simulation.counts().copies;
    }
    MESSAGE("entries " << total.entries << ", acknowledged " << total.acknowledged << ", refused "
                       << total.refused << ", proxy crashes " << total.proxy_crashes
                       << ", backend crashes " << total.backend_crashes << ", comparisons "
                       << total.comparisons << "; sessions " << total.sessions << ", their commits "
                       << total.session_commits << ", reads " << total.session_reads
                       << "; programs " << total.programs << ", servers refused for one "
                       << total.copies);
  }

  TEST_CASE("Simulation: notices planted mistakes") {
    struct Row {
      std::string what;
      bool Bugs::*bug;
      /// Few seeds notice some: the search is short while one of them is near. Any will do.
      std::uint64_t from = 1;
    };

    const Row rows[] = {
        {"a replayed entry stays exempt", &Bugs::keep_exemption},
        {"the position moves whoever asks", &Bugs::ignore_compare_and_set},
        {"foreign keys count as seen until the answer", &Bugs::late_references},
        {"children of a parent being removed count as seen", &Bugs::forget_start},
        {"lanes run ahead of the log", &Bugs::lanes_before_log},
        {"a branch is rolled back under the lane", &Bugs::roll_back_in_flight},
        {"durable mode answers at certification", &Bugs::answer_before_log},
        {"held branches are rolled back after a crash", &Bugs::forget_held},
        {"branches up to the position are rolled back", &Bugs::forget_unfinished},
        {"a DDL that may have run is taken for a new one", &Bugs::forget_marks},
        {"a DDL that ran is taken for one that did not", &Bugs::forget_binlog},
        {"all connections own the position alike", &Bugs::share_owner},
        {"a session answers before the outcome", &Bugs::reply_before_outcome},
        {"a session takes all as seen that PREPARE's answer finds", &Bugs::seen_at_answer},
        {"a certified statement runs again", &Bugs::repeat_committed},
        {"nobody hears of a branch without an answer", &Bugs::forget_abandoned},
        {"a session reads anywhere", &Bugs::stale_reader},
        {"a lost session's connection is lent again", &Bugs::lend_unclean},
        {"an early write is taken for one that has seen all", &Bugs::forget_early},
        {"a statement killed for a lane is believed", &Bugs::hide_abort, 2700},
        {"a program's begin entry says nothing to the next run", &Bugs::forget_program},
        {"others are certified while a program runs", &Bugs::forget_pause},
        {"a program is taken for ended that still runs", &Bugs::forget_zombie},
        {"what its home's binlog shows late is taken for a program's", &Bugs::forget_clearing},
        {"what the log has of a program is appended again", &Bugs::forget_parts},
    };
    for (const Row& row : rows) {
      Bugs bugs;
      bugs.*row.bug = true;
      const std::string notice = notice_of(bugs, row.from);
      CAPTURE(row.what);
      EXPECT_FALSE(notice.empty());
      MESSAGE(row.what << ": " << notice);
    }
  }
}
