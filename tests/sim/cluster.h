// Cluster: what a run of the proxy finds around it: the servers, the log's disk, chance, and the
// faults that a test plants.
// Threads: none.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "certifier/apply_lane.h"
#include "certifier/entry_chunks.h"
#include "certifier/sequencer.h"
#include "tests/sim/memory_log.h"
#include "tests/sim/model_backend.h"

namespace consort::sim {

/// Mistakes that the simulation must notice when they are made.
struct Bugs {
  bool keep_exemption = false;          ///< a replayed entry stays exempt for its home
  bool ignore_compare_and_set = false;  ///< the position moves whoever asks
  bool late_references = false;         ///< foreign keys count as seen until PREPARE's answer
  bool forget_start = false;         ///< children applied while a parent is removed count as seen
  bool lanes_before_log = false;     ///< lanes get entries before they are durable
  bool roll_back_in_flight = false;  ///< a branch is rolled back under the lane's XA COMMIT
  bool answer_before_log = false;    ///< durable mode answers at certification
  bool forget_held = false;          ///< own branches found after a crash are not committed
  bool forget_unfinished = false;    ///< branches up to the position are rolled back
  bool forget_marks = false;         ///< a DDL that may have run is taken for a new one
  bool forget_binlog = false;        ///< a DDL that ran is taken for one that did not
  bool share_owner = false;          ///< all connections own the position alike

  // About programs that commit by themselves.
  bool forget_program = false;   ///< a program's begin entry says nothing to the next run
  bool forget_pause = false;     ///< others are certified while it runs
  bool forget_zombie = false;    ///< it is taken for ended while its connection may still run it
  bool forget_clearing = false;  ///< what its home's binlog shows late is taken for the program's
  bool forget_parts = false;     ///< what the log has of it is appended once more

  // Made between a session and what surrounds it.
  bool reply_before_outcome = false;  ///< a commit is answered when it asks to be certified
  bool seen_at_answer = false;        ///< everything counts as seen that PREPARE's answer finds
  bool repeat_committed = false;      ///< an autocommit write runs again although it was certified
  bool forget_abandoned = false;      ///< nobody hears of a branch whose PREPARE was not answered
  bool stale_reader = false;          ///< any backend will do for a session's read
  bool lend_unclean = false;          ///< a lost session's connection goes back into the pool
  bool forget_early = false;          ///< nobody asks what an early write may have missed
  bool hide_abort = false;            ///< a statement is killed for a lane, its session unaware
};

/// What differs from seed to seed besides chance.
struct Profile {
  bool relaxed = false;
  bool power_loss = false;
  int sessions = 4;  ///< whole sessions
  int writers = 2;   ///< the short path: branches without a session around them
  bool strong_reads = false;
  bool stored_functions = false;
  bool repeatable_read = false;  ///< of sessions: some of their writes begin early
  int ddl_percent = 2;
  int program_percent = 0;  ///< of writers' work: procedures that commit by themselves
  int lock_only_percent = 15;
  int fault_permille = 3;
  std::size_t batch_entries_max = 8;
  certifier::EntryLimits entry_limits;
  certifier::LaneLimits lane_limits;
  certifier::SequencerLimits sequencer_limits;
};

struct Cluster {
  static constexpr std::uint32_t kId = 0xC0;
  static constexpr const char* kUuid = "000000c0-sim";
  static constexpr std::uint8_t kBackends = 3;

  Cluster(std::uint64_t seed, const Bugs& planted);

  /// A number below `limit`.
  [[nodiscard]] std::size_t below(std::size_t limit) { return random() % limit; }

  /// Prints `what` when SIM_SEED asked for one seed.
  void trace(const std::string& what) const;

  [[nodiscard]] bool percent(int percent) { return below(100) < static_cast<std::size_t>(percent); }

  const bool tracing;
  std::mt19937_64 random;
  Bugs bugs;
  Profile profile;
  std::vector<ModelBackend> backends;
  MemoryLog log;
  std::uint64_t program_ends = 0;  ///< of programs that commit by themselves; odd: one is under way
  std::string broken;              ///< what a server has been asked that it must not be
};

}  // namespace consort::sim
