#include "tests/sim/cluster.h"

#include <cstdio>
#include <cstdlib>

namespace consort::sim {

void Cluster::trace(const std::string& what) const {
  if (tracing) {
    std::fprintf(stderr, "%s\n", what.c_str());
  }
}

Cluster::Cluster(std::uint64_t seed, const Bugs& planted)
    : tracing(std::getenv("SIM_SEED") != nullptr), random(seed), bugs(planted) {
  profile.relaxed = percent(30);
  profile.power_loss = percent(50);
  profile.sessions = 1 + static_cast<int>(below(6));
  profile.writers = 1 + static_cast<int>(below(4));
  profile.strong_reads = percent(20);
  profile.stored_functions = percent(25);
  profile.repeatable_read = percent(60);
  profile.ddl_percent = percent(50) ? static_cast<int>(below(8)) : 0;
  profile.lock_only_percent = static_cast<int>(below(40));
  profile.fault_permille = percent(20) ? 0 : static_cast<int>(below(12));
  profile.batch_entries_max = 1 + below(12);
  profile.entry_limits.record_bytes_max = 120 + below(400);
  profile.lane_limits.queue_entries_max = 4 + below(60);
  profile.sequencer_limits.keys_max = percent(20) ? 60 + below(100) : 100'000;
  profile.sequencer_limits.entries_kept = below(200);
  profile.program_percent = percent(50) ? 1 + static_cast<int>(below(12)) : 0;
  for (std::uint8_t i = 0; i < kBackends; ++i) {
    backends.emplace_back(i + 1U, kId, kUuid, BackendBugs{bugs.ignore_compare_and_set});
  }
}

}  // namespace consort::sim
