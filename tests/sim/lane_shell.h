// LaneShell: drives one real ApplyLane against a model backend, as the commit thread's connection
// would: connect, claim, read, list, settle, then turn after turn. One small thing per step().
// Threads: none.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "certifier/apply_lane.h"
#include "certifier/recovery_plan.h"
#include "tests/sim/cluster.h"

namespace consort::sim {

/// What a lane asks of the proxy.
class LaneHost {
 public:
  LaneHost() = default;
  LaneHost(const LaneHost&) = delete;
  LaneHost& operator=(const LaneHost&) = delete;
  virtual ~LaneHost() = default;
  [[nodiscard]] virtual std::uint32_t epoch() const = 0;
  [[nodiscard]] virtual Seqno certified_head() const = 0;
  [[nodiscard]] virtual Seqno durable_head() const = 0;
  [[nodiscard]] virtual certifier::BranchFate fate_of(const BranchId& branch) const = 0;
  [[nodiscard]] virtual std::vector<certifier::OwnEntry> own_entries_after(BackendId home,
                                                                           Seqno seqno) const = 0;
  virtual void withdraw_exemption(Seqno seqno) = 0;
  virtual void feed(certifier::ApplyLane& lane, Seqno from) = 0;
  virtual void on_lane_running(BackendId backend, bool connected_anew) = 0;
  virtual void on_lane_interrupted(BackendId backend, bool lost) = 0;
  virtual void on_ddl_turn(BackendId backend, const certifier::LaneTurn& turn) = 0;
  virtual void on_program_marked(BackendId backend, Seqno program, const Gtid& marker) = 0;
  [[nodiscard]] virtual bool is_program(Seqno seqno) const = 0;
  /// For good. True: it has a copy now, and begins anew.
  [[nodiscard]] virtual bool on_lane_stopped(BackendId backend, const std::string& reason) = 0;
  virtual void fail(std::string reason) = 0;
};

class LaneShell {
 public:
  LaneShell(Cluster& cluster, LaneHost& host, BackendId backend);

  void step();

  /// The connection breaks; the server may not notice.
  void lose_connection();

  void push(const std::shared_ptr<const certifier::LogEntry>& entry) { lane_.push(entry); }

  [[nodiscard]] certifier::ApplyLane& lane() { return lane_; }

  [[nodiscard]] const certifier::ApplyLane& lane() const { return lane_; }

  [[nodiscard]] bool running() const { return phase_ == Phase::kRunning; }

  /// The binlog stream, opened with the lane, sees what is prepared there now.
  [[nodiscard]] bool captures() const {
    return running() && incarnation_ == cluster_.backends[id_.value].incarnation();
  }

  [[nodiscard]] std::optional<ConnId> connection() const { return conn_; }

 private:
  enum class Phase : std::uint8_t {
    kOff,
    kClaiming,
    kReading,
    kBinlog,
    kListing,
    kSettling,
    kRunning
  };

  [[nodiscard]] ModelBackend& backend() { return cluster_.backends[id_.value]; }

  /// Sends `sql` unless that was done, lets the server take a step, and gives the answer.
  [[nodiscard]] std::optional<Reply> exchange(const std::string& sql);
  void step_connecting();
  void read_position(const Reply& reply);
  void plan(const Reply& listed);
  void step_settling();
  void step_running();
  void step_batch();

  Cluster& cluster_;
  LaneHost& host_;
  BackendId id_;
  certifier::ApplyLane lane_;
  Phase phase_ = Phase::kOff;
  std::optional<ConnId> conn_;
  bool sent_ = false;
  std::uint32_t generation_ = 0;
  std::uint64_t incarnation_ = 0;
  bool connected_anew_ = false;
  certifier::RecoveryInput input_;
  certifier::RecoveryPlan plan_;
  std::deque<std::string> settling_;
  std::optional<certifier::LaneBatch> batch_;
  std::size_t batch_at_ = 0;
  std::optional<Seqno> asks_marker_of_;
  GtidState binlog_;
  Seqno binlog_of_;
};

}  // namespace consort::sim
