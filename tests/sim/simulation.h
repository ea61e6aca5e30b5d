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
#include "tests/sim/sim_proxy.h"

namespace consort::sim {

/// What a run was made of: that it really did something.
struct RunCounts {
  std::size_t entries = 0;
  std::size_t acknowledged = 0;
  std::size_t refused = 0;
  std::size_t proxy_crashes = 0;
  std::size_t backend_crashes = 0;
  std::size_t comparisons = 0;
};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed, const Bugs& bugs = {});

  /// Runs `steps` steps of chance, then until nothing is left to do. What was wrong, or empty.
  [[nodiscard]] std::string run(int steps);

  [[nodiscard]] const RunCounts& counts() const { return counts_; }

 private:
  struct Session {
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

  [[nodiscard]] ModelBackend& home_of(const Session& session);
  void step();
  void step_session(std::size_t at);
  void begin(std::size_t at);
  void step_active(Session& session);
  [[nodiscard]] ClientOp random_op();
  [[nodiscard]] std::string random_ddl();
  void send_prepare(Session& session);
  void step_preparing(Session& session);
  void step_answered(Session& session);

  void inject_fault();
  void crash_backend(std::size_t at);
  void crash_proxy();
  void start_proxy();

  void on_outcome(const BranchId& branch, bool committed);
  void abort_active(BackendId backend, TrxId trx);
  void fail(std::string reason);
  void check_log();
  void check_backend(std::size_t at);
  void settle();
  void check_end();

  Cluster cluster_;
  SerialOracle oracle_;
  std::unique_ptr<SimProxy> proxy_;
  std::vector<Session> sessions_;
  std::uint64_t branches_begun_ = 0;
  bool closing_ = false;  ///< no new transactions, no new faults
  std::set<BranchId> acknowledged_;
  std::set<BranchId> refused_;
  RunCounts counts_;
  std::string failure_;
};

}  // namespace consort::sim
