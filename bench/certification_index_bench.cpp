// Times the certification index and the sequencer: nanoseconds per key and per commit.
// Usage: certification_index_bench [commits]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "certifier/certification_index.h"
#include "certifier/sequencer.h"

namespace {

using namespace consort;
using namespace consort::certifier;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kKeysPerCommit = 4;

double ns_since(SteadyClock::time_point start) {
  return std::chrono::duration<double, std::nano>(SteadyClock::now() - start).count();
}

/// The index alone, with `keys_count` keys in it.
void time_index(std::size_t keys_count) {
  std::mt19937_64 random(1);
  std::vector<RowKey> keys(keys_count);
  for (RowKey& key : keys) {
    key = {random(), KeyHold::kUpdate};
  }
  CertificationIndex index;
  auto start = SteadyClock::now();
  index.insert(keys, Seqno{1}, BackendId{0});
  const double insert_ns = ns_since(start) / static_cast<double>(keys_count);
  std::shuffle(keys.begin(), keys.end(), random);
  const LastSeen last_seen{Seqno{1}, Seqno{1}, {}};
  start = SteadyClock::now();
  const bool found = index.find_conflict(keys, BackendId{1}, last_seen).has_value();
  const double find_ns = ns_since(start) / static_cast<double>(keys_count);
  const double bytes = static_cast<double>(index.capacity_bytes());
  start = SteadyClock::now();
  index.purge(keys, Seqno{1});
  const double purge_ns = ns_since(start) / static_cast<double>(keys_count);
  std::printf("index, %9zu keys: insert %6.1f  find %6.1f  purge %6.1f ns/key, %5.1f bytes/key%s\n",
              keys_count, insert_ns, find_ns, purge_ns, bytes / static_cast<double>(keys_count),
              found ? " (conflict?)" : "");
}

/// Commits of a few rows each out of `rows`, with purging; also the slowest single one.
void time_sequencer(std::size_t commits, std::uint64_t rows) {
  std::mt19937_64 random(2);
  Sequencer sequencer;
  std::size_t passed = 0;
  double slowest_ns = 0;
  std::vector<RowKey> keys(kKeysPerCommit);
  const auto start = SteadyClock::now();
  for (std::size_t i = 0; i < commits; ++i) {
    keys[0] = {~0ULL, KeyHold::kShared};
    for (std::size_t k = 1; k < keys.size(); ++k) {
      keys[k] = {random() % rows, KeyHold::kUpdate};
    }
    const Seqno head = sequencer.head();
    const Seqno seen{head.value - std::min<std::uint64_t>(head.value, random() % 64)};
    const BackendId home{static_cast<std::uint8_t>(random() % 3)};
    const auto before = SteadyClock::now();
    const Verdict verdict = sequencer.certify({BranchId{}, home, seen, seen, keys, {}});
    sequencer.on_applied_everywhere(seen);
    slowest_ns = std::max(slowest_ns, ns_since(before));
    passed += verdict.kind == VerdictKind::kPass ? 1 : 0;
  }
  const double per_commit = ns_since(start) / static_cast<double>(commits);
  std::printf(
      "sequencer, %9llu rows: %7.1f ns/commit of %zu keys, slowest %.0f us, %zu of %zu pass\n",
      static_cast<unsigned long long>(rows), per_commit, kKeysPerCommit, slowest_ns / 1000, passed,
      commits);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t commits =
      argc > 1 ? static_cast<std::size_t>(std::strtoull(argv[1], nullptr, 10)) : 1'000'000;
  for (const std::size_t keys : {1'000, 30'000, 1'000'000}) {
    time_index(keys);
  }
  for (const std::uint64_t rows : {1'000ULL, 100'000ULL, 100'000'000ULL}) {
    time_sequencer(commits, rows);
  }
  return 0;
}
