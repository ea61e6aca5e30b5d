// CommitLoop::Thread: the commit thread's insides: its parts, and who tells whom what.
// One loop turn: take what came in, certify it, give it to the log in one go, let the lanes start.
// Threads: start(), stop() the owner's; post() and set_backend() any; everything else its own.
#pragma once

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/ids.h"
#include "base/mailbox.h"
#include "base/result.h"
#include "certifier/key_builder.h"
#include "certifier/schema_catalog.h"
#include "certifier/sequence_reserve.h"
#include "certifier/sequencer.h"
#include "proxy/backend_controller.h"
#include "proxy/commit/binlog_stream.h"
#include "proxy/commit/branch_desk.h"
#include "proxy/commit/branch_reaper.h"
#include "proxy/commit/commit_loop.h"
#include "proxy/commit/ddl_desk.h"
#include "proxy/commit/lane_blocker.h"
#include "proxy/commit/lane_connection.h"
#include "proxy/commit/log_keeper.h"
#include "proxy/commit/loop_tasks.h"
#include "proxy/commit/program_desk.h"
#include "proxy/commit/routine_book.h"
#include "proxy/commit/table_desk.h"
#include "proxy/commit/table_loader.h"
#include "proxy/commit/table_locks.h"
#include "proxy/uv/async_wake.h"
#include "proxy/uv/event_loop.h"
#include "proxy/uv/timer.h"

namespace consort::proxy {

class CommitLoop::Thread final : private LaneHost, private LogKeeperObserver {
 public:
  Thread(CommitOptions options, CommitHooks hooks, AppliedPositions& positions);
  ~Thread() override;

  /// Returns when the log is up, or why it is not.
  [[nodiscard]] Status start();
  void stop();
  [[nodiscard]] bool post(CommitRequest request);
  void set_backend(BackendId backend, bool reachable);

  [[nodiscard]] const CommitIdentity& identity() const { return identity_; }

  [[nodiscard]] const CommitStats& stats() const { return stats_; }

 private:
  /// One backend: its lane, its binlog, and what was last said of it.
  struct Backend final : BinlogStreamObserver {
    Backend(Thread& owner_in, BackendId id_in) : owner(owner_in), id(id_in) {}

    void on_stream_started(bool resumed, bool from_mark) override {
      owner.on_stream_started(*this, resumed, from_mark);
    }

    std::optional<Seqno> program() const override { return owner.programs_->under_way_at(id); }

    void on_group(protocol::BinlogGroup group) override {
      owner.branches_->on_group(id, std::move(group));
    }

    void on_stream_lost(const SqlCloseReason& reason) override {
      owner.on_stream_lost(*this, reason);
    }

    Thread& owner;
    const BackendId id;
    SocketAddress address;
    std::unique_ptr<BinlogStream> stream;
    std::unique_ptr<LaneConnection> lane;
    bool reachable = false;
    bool lane_is_new = true;  ///< has not run since it was lost
    bool caught_up = false;
    std::string reason;  ///< why it is not
    std::optional<healthcheck::LaneState> told;
    Seqno applied_told;
    std::map<BranchId, TimePoint> orphans;  ///< prepared, belonging to nobody, and since when
    TimePoint last_sweep{};
  };

  // LaneHost.
  Bytes format_description(BackendId backend) override;

  LogKeeper& log() override { return *log_; }

  Seqno certified_head() const override { return sequencer_.head(); }

  bool branch_is_undecided(const BranchId& branch) const override;

  void withdraw_exemption(Seqno seqno) override { sequencer_.withdraw_exemption(seqno); }

  Seqno on_sequences(BackendId backend, std::vector<certifier::SequenceReserve> sequences) override;
  void on_lane_running(BackendId backend) override;
  void on_lane_lost(BackendId backend, const SqlCloseReason& reason) override;
  void on_lane_failed(BackendId backend, const std::string& reason, bool fenced) override;
  void on_lane_applied(BackendId backend) override;
  void on_ddl_reached(BackendId backend, const certifier::DdlReached& reached) override;
  void on_ddl_offer(BackendId backend, Seqno seqno) override;
  void on_ddl_looked(BackendId backend, Seqno seqno, certifier::DdlTraces traces) override;
  void on_ddl_decided(BackendId backend, const certifier::DdlDecided& decided) override;
  void on_program_marked(BackendId backend, Seqno seqno, const Gtid& marker) override;
  std::chrono::milliseconds on_lane_stalled(BackendId backend) override;

  [[nodiscard]] bool contended() const override { return branches_->contended(); }

  // LogKeeperObserver.
  Status on_restored(const certifier::LogEntry& entry) override;
  void on_log_ready() override;
  void on_durable(const EntryPtr& entry) override;
  void on_log_failed(const Error& error) override;

  void thread_main();
  [[nodiscard]] Status open_log();
  [[nodiscard]] Status resolve_backends();
  void make_parts();
  [[nodiscard]] certifier::SequenceSteps sequence_steps(BackendId backend) const;
  void tell_started(Status status);
  void quieten();
  void close_log();

  void on_turn();
  /// What every home that serves has applied.
  [[nodiscard]] Seqno applied_by_homes() const;
  void on_request(CommitRequest& request);
  [[nodiscard]] bool defers(const CommitRequest& request) const;
  /// A server of the brand that `home` is not of; nullopt where all are of one, or none can be
  /// asked.
  [[nodiscard]] std::optional<BackendId> other_brand(BackendId home) const;
  void order_ddl(DdlRequest ddl);
  [[nodiscard]] bool refuse_foreign(const DdlRequest& ddl);
  using RowsTold = std::function<void(Result<healthcheck::SqlRows>)>;
  [[nodiscard]] bool ask_backend(BackendId id,
                                 std::function<std::string(ServerKind)> sql,
                                 RowsTold told);
  [[nodiscard]] std::optional<BackendId> backend_at(Seqno seqno) const;
  void on_stream_started(Backend& backend, bool resumed, bool from_mark);
  void on_stream_lost(Backend& backend, const SqlCloseReason& reason);
  void home_lost(Backend& backend, const SqlCloseReason& reason);
  void report(Backend& backend);
  void look_after();
  void sweep(Backend& backend);
  void on_swept(Backend& backend, const std::vector<PreparedBranch>& listed);
  void begin_stop();
  void continue_stop();
  void die(const std::string& why);

  void tell(SessionId session, CommitEvent event);
  void tell_all(const CommitEvent& event);

  [[nodiscard]] Backend& at(BackendId id) { return *backends_[id.value]; }

  const CommitOptions options_;
  const CommitHooks hooks_;
  AppliedPositions& positions_;
  CommitIdentity identity_;
  CommitStats stats_;
  SystemClock clock_;
  std::thread thread_;
  std::atomic<std::uint64_t> requests_dropped_{0};

  std::optional<std::promise<Status>> started_;  // told by the thread, awaited by the owner

  const std::shared_ptr<LoopWaker> waker_ = std::make_shared<LoopWaker>();
  const std::shared_ptr<LoopTasks> tasks_ = std::make_shared<LoopTasks>(waker_);
  Mailbox<CommitRequest> requests_;

  // The thread's own.
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<AsyncWake> own_wake_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Timer> stop_timer_;
  std::unique_ptr<LogKeeper> log_;
  certifier::Sequencer sequencer_;
  certifier::SchemaCatalog catalog_;
  std::unique_ptr<certifier::KeyBuilder> keys_;
  std::unique_ptr<TableLoader> tables_;
  std::unique_ptr<BranchReaper> reaper_;
  std::unique_ptr<BranchDesk> branches_;
  std::unique_ptr<DdlDesk> ddl_;
  std::unique_ptr<ProgramDesk> programs_;
  std::unique_ptr<RoutineBook> routines_;
  std::vector<CommitRequest> deferred_;  // until no program is under way
  TableLocks locks_;
  std::unique_ptr<TableDesk> table_desk_;
  std::unique_ptr<LaneBlocker> blocker_;
  std::vector<std::unique_ptr<Backend>> backends_;
  std::vector<CommitRequest> drained_;
  bool running_ = false;  // the epoch is durable
  bool positions_moved_ = false;
  bool stopping_ = false;
  TimePoint stop_deadline_{};
  unsigned ticks_ = 0;
};

}  // namespace consort::proxy
