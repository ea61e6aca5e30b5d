// SimProxy: one run of the proxy's commit thread, as small as it can be around the real sequencer,
// lanes, recovery plan, encoder and assembler. Its memory is gone when it is destroyed.
// Threads: none.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "certifier/commit_log.h"
#include "certifier/entry_chunks.h"
#include "certifier/sequencer.h"
#include "proxy/commit/commit_messages.h"
#include "tests/sim/cluster.h"
#include "tests/sim/ddl_desk.h"
#include "tests/sim/lane_shell.h"
#include "tests/sim/program_desk.h"
#include "tests/unit/certifier/certification_oracle.h"

namespace consort::sim {

/// A branch whose PREPARE was answered.
struct Prepared {
  BranchId branch;
  BackendId home;
  Seqno at_start;
  Seqno at_prepare;
  Seqno at_answer;
  std::uint64_t generation = 0;  ///< of the home's lane when the branch began
  bool captured = false;         ///< the binlog stream saw its rows
  std::vector<RowOp> ops;
};

struct ProxyCallbacks {
  std::function<void(proxy::CommitEvent)> tell;
  std::function<void(BackendId, TrxId)> abort_active;  ///< the lane needs what it holds
  std::function<void(BackendId, ConnId)> kill;         ///< a session's connection
  std::function<void(std::string)> fail;
};

class SimProxy final : public certifier::CommitLogObserver,
                       public LaneHost,
                       public DdlHost,
                       public ProgramHost {
 public:
  SimProxy(Cluster& cluster, ProxyCallbacks callbacks);
  ~SimProxy() override;

  // ---- what sessions use ----

  [[nodiscard]] std::uint32_t epoch() const override { return epoch_; }

  /// Branches may begin and be prepared there.
  [[nodiscard]] bool serves(BackendId backend) const;

  /// As proxy::AppliedPositions::newest_replays.
  [[nodiscard]] Seqno newest_replay(BackendId backend) const {
    return newest_replay_[backend.value];
  }

  [[nodiscard]] Seqno applied(BackendId backend) const;

  /// One more whenever the lane is lost or connected: what was seen before does not count any more.
  [[nodiscard]] std::uint64_t generation(BackendId backend) const;
  void on_prepared(Prepared prepared);

  /// Its session has given it up before an answer came. `owner`: the connection that may still be
  /// about to prepare it.
  void abandon(BackendId home, const BranchId& branch, ConnId owner = 0);
  void request_ddl(BackendId home, std::string sql, std::optional<SessionId> session = {});

  void request_program(BackendId home, std::string body) {
    programs_.request(home, std::move(body));
  }

  /// A prepared branch that nobody will ask for: the next sweep finds it.
  void leave_to_sweep(const BranchId& branch) { unasked_.insert(branch); }

  /// A session's message arrives in the mailbox.
  void post(const proxy::CommitRequest& request);

  /// A branch was prepared on `backend`: the stream of its binlog shows the rows.
  void on_group(BackendId backend, const BranchId& branch, const std::vector<RowOp>& ops);

  /// Newest seqno that clients were or may have been told of.
  [[nodiscard]] Seqno told_head() const {
    return cluster_.profile.relaxed ? sequencer_.head() : durable_head_;
  }

  // ---- what chance drives ----

  /// The commit thread takes the next message.
  void take_request();
  void certify_one();
  void step_lane(BackendId backend);

  void step_ddl();

  /// Servers that were refused because of a program, and got a copy.
  [[nodiscard]] std::size_t copies_made() const { return copies_made_; }

  [[nodiscard]] std::size_t programs_done() const { return programs_done_; }

  void reap(BackendId backend);
  void look_for_holder(BackendId backend);
  void collect();

  [[nodiscard]] LaneShell& shell(BackendId backend) { return *shells_[backend.value]; }

  [[nodiscard]] const LaneShell& shell(BackendId backend) const { return *shells_[backend.value]; }

  /// Nothing is left to do.
  [[nodiscard]] bool settled() const;

  /// Where everything stands, for a failure's text.
  [[nodiscard]] std::string describe() const;

  // ---- the log ----

  void on_committed(const certifier::CommittedRecord& record) override;
  void on_replayed() override;
  void on_failed(const Error& error) override;

 private:
  using EntryPtr = std::shared_ptr<const certifier::LogEntry>;

  struct Logged {
    Seqno seqno;
    BackendId home;
  };

  struct Abandoned {
    BranchId branch;
    ConnId owner = 0;
  };

  // LaneHost
  [[nodiscard]] Seqno certified_head() const override { return sequencer_.head(); }

  [[nodiscard]] Seqno durable_head() const override { return durable_head_; }

  [[nodiscard]] certifier::BranchFate fate_of(const BranchId& branch) const override;
  [[nodiscard]] std::vector<certifier::OwnEntry> own_entries_after(BackendId home,
                                                                   Seqno seqno) const override;
  void withdraw_exemption(Seqno seqno) override;
  void feed(certifier::ApplyLane& lane, Seqno from) override;
  void on_lane_running(BackendId backend, bool connected_anew) override;
  void on_lane_interrupted(BackendId backend, bool lost) override;
  void on_ddl_turn(BackendId backend, const certifier::LaneTurn& turn) override;
  void fail(std::string reason) override;
  void on_program_marked(BackendId backend, Seqno program, const Gtid& marker) override;
  [[nodiscard]] bool is_program(Seqno seqno) const override;
  [[nodiscard]] bool on_lane_stopped(BackendId backend, const std::string& reason) override;

  // ProgramHost
  [[nodiscard]] certifier::ApplyLane& program_lane(BackendId backend) override {
    return lane_of(backend);
  }

  [[nodiscard]] Seqno append_program(certifier::Ddl program) override;
  void append_part(BackendId home, const LoggedGroup& group, Seqno program) override;

  void append_program_result(const certifier::DdlResult& result) override { append(result); }

  void on_program_done(Seqno program, std::size_t parts) override;

  // DdlHost
  [[nodiscard]] certifier::ApplyLane& lane_of(BackendId backend) override;
  void append_result(const certifier::DdlResult& result) override;

  void tell(proxy::CommitEvent event) override { callbacks_.tell(std::move(event)); }

  void tell(const BranchId& branch, proxy::BranchVerdict verdict, Seqno seqno = {});
  void take_prepared(const proxy::BranchPrepared& prepared);
  void append(certifier::EntryBody body, Seqno seqno = {});
  void note(const EntryPtr& entry);
  void deliver(const EntryPtr& entry);
  void certify(const Prepared& prepared);
  void lose(const BranchId& branch, BackendId home, proxy::BranchVerdict verdict);
  [[nodiscard]] std::vector<BranchId> orphans(BackendId backend) const;
  void resolve_prepared(BackendId backend, const BranchId& branch);
  void continue_replays(BackendId backend);

  Cluster& cluster_;
  ProxyCallbacks callbacks_;
  certifier::Sequencer sequencer_;
  certifier::CertificationOracle oracle_;
  certifier::EntryAssembler assembler_;
  std::optional<certifier::EntrySplitter> splitter_;
  std::uint32_t epoch_ = 0;
  std::uint64_t tokens_ = 0;
  bool replaying_ = true;
  bool ready_ = false;

  std::vector<EntryPtr> archive_;
  std::map<Seqno, std::size_t> archive_at_;
  Seqno durable_head_;
  std::map<BranchId, Logged> logged_;  ///< certified, durable or not
  std::set<Seqno> replayed_;

  std::deque<proxy::CommitRequest> mailbox_;
  std::map<BranchId, std::vector<RowOp>> groups_;  ///< seen by a stream, not met by an answer yet
  std::vector<Prepared> pending_;
  std::set<BranchId> given_up_;
  std::set<BranchId> unasked_;
  std::vector<std::deque<Abandoned>> reaper_;
  std::set<Seqno> replays_asked_;
  std::array<Seqno, Cluster::kBackends> newest_replay_{};
  std::vector<std::set<Seqno>> replays_open_;
  std::vector<std::uint64_t> generations_;
  DdlDesk ddl_;

  struct DeferredDdl {
    BackendId home;
    std::string sql;
    std::optional<SessionId> session;
  };

  std::deque<DeferredDdl> deferred_ddl_;  ///< until no program is under way
  std::map<Seqno, BackendId> parts_;      ///< of programs, and where they ran
  ProgramDesk programs_;
  std::size_t copies_made_ = 0;
  std::size_t programs_done_ = 0;
  std::vector<std::unique_ptr<LaneShell>> shells_;
};

}  // namespace consort::sim
