// Simulation: one seeded run of sessions, proxy and servers, with crashes of everything at every
// step. Checks what must always hold; ends with everything repaired and compared.
// Threads: none.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/cluster.h"
#include "tests/sim/serial_oracle.h"
#include "tests/sim/sim_ledger.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_proxy.h"
#include "tests/sim/sim_session.h"

namespace consort::sim {

/// What a run was made of: that it really did something.
struct RunCounts {
  std::size_t entries = 0;
  std::size_t acknowledged = 0;
  std::size_t refused = 0;
  std::size_t proxy_crashes = 0;
  std::size_t backend_crashes = 0;
  std::size_t comparisons = 0;
  std::size_t sessions = 0;         ///< real ones
  std::size_t session_commits = 0;  ///< acknowledged, with rows
  std::size_t session_reads = 0;
  std::size_t programs = 0;  ///< that committed by themselves, acknowledged
  std::size_t copies = 0;    ///< of servers that were refused because of one
};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed, const Bugs& bugs = {});

  /// Runs `steps` steps of chance, then until nothing is left to do. What was wrong, or empty.
  [[nodiscard]] std::string run(int steps);

  [[nodiscard]] const RunCounts& counts() const { return counts_; }

 private:
  /// The short path: a branch without a session around it.
  struct Writer {
    enum class State : std::uint8_t { kIdle, kActive, kPreparing, kAnswered, kWaiting };
    State state = State::kIdle;
    BackendId home;
    BranchId branch;
    TrxId trx = 0;
    int ops_left = 0;
    std::optional<ClientOp> op;
    int waits = 0;
    Seqno at_start;
    Seqno at_prepare;
    std::uint64_t generation = 0;
    bool captured = false;
    std::vector<RowOp> ops;
  };

  [[nodiscard]] ModelBackend& home_of(const Writer& writer);
  void step();
  void step_writer(std::size_t at);
  void step_session();
  void begin(std::size_t at);
  void step_active(Writer& writer);
  void send_prepare(Writer& writer);
  void step_preparing(Writer& writer);
  void step_answered(Writer& writer);

  void inject_fault();
  void crash_backend(std::size_t at);
  void crash_proxy();
  void start_proxy();

  void tell(const proxy::CommitEvent& event);
  void on_outcome(const BranchId& branch, bool committed);
  void abort_active(BackendId backend, TrxId trx);
  void fail(std::string reason);
  void check_log();
  void check_backend(std::size_t at);
  void settle();
  void check_end();

  Cluster cluster_;
  SerialOracle oracle_;
  SimNetwork network_;
  SimLedger ledger_;
  std::unique_ptr<proxy::WorkerMetrics> metrics_;
  std::unique_ptr<SimProxy> proxy_;
  std::vector<std::unique_ptr<SimSession>> sessions_;  ///< null: nobody is connected
  std::uint32_t sessions_begun_ = 0;
  bool stored_function_defined_ = false;
  std::vector<Writer> writers_;
  std::uint64_t branches_begun_ = 0;
  bool closing_ = false;  ///< no new transactions, no new faults
  std::set<BranchId> acknowledged_;
  std::set<BranchId> refused_;
  RunCounts counts_;
  std::string failure_;
};

}  // namespace consort::sim
