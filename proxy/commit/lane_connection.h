// LaneConnection: the connection on which one backend commits everything, in log order (I5). The
// shell of certifier::ApplyLane: connects, settles what an earlier connection left, sends batches.
//
//   kOff --set_reachable--> kConnecting --login--> kSettingUp --> kClaiming --> kListing
//                               ^                                                  |
//   kWaiting --timer------------+            kRunning <-- kSettling <--------------+
//      ^                                        |  a failed batch: kListing again
//      +-- connection lost, from everywhere ----+
//   kFailed: the backend differs, needs a copy, or belongs to somebody else
//
// Threads: the commit thread's.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/server_kind.h"
#include "certifier/apply_lane.h"
#include "certifier/lane_pace.h"
#include "certifier/recovery_plan.h"
#include "certifier/sequence_reserve.h"
#include "proxy/commit/commit_stats.h"
#include "proxy/commit/ddl_traces.h"
#include "proxy/commit/log_keeper.h"
#include "proxy/commit/sql_connection.h"
#include "proxy/uv/event_loop.h"
#include "proxy/uv/timer.h"

namespace consort::proxy {

/// What a lane asks of the commit thread, and tells it.
class LaneHost {
 public:
  LaneHost() = default;
  LaneHost(const LaneHost&) = delete;
  LaneHost& operator=(const LaneHost&) = delete;
  virtual ~LaneHost() = default;

  /// The format description event of the backend's binlog; empty while it is not known.
  [[nodiscard]] virtual Bytes format_description(BackendId backend) = 0;
  [[nodiscard]] virtual LogKeeper& log() = 0;
  /// The newest seqno given, durable or not.
  [[nodiscard]] virtual Seqno certified_head() const = 0;
  /// A branch that is not in the log may still get there: it is of this run and not given up.
  [[nodiscard]] virtual bool branch_is_undecided(const BranchId& branch) const = 0;
  /// The entry's branch will not be held until it is applied; see Sequencer.
  virtual void withdraw_exemption(Seqno seqno) = 0;

  /// The backend has these sequences, and has given no number beyond what they say. The entry that
  /// says so.
  virtual Seqno on_sequences(BackendId backend,
                             std::vector<certifier::SequenceReserve> sequences) = 0;
  virtual void on_lane_running(BackendId backend) = 0;
  /// Not any more, for whatever reason; it tries again by itself unless it failed.
  virtual void on_lane_lost(BackendId backend, const SqlCloseReason& reason) = 0;
  /// Only an operator helps. `fenced`: another process drives this backend.
  virtual void on_lane_failed(BackendId backend, const std::string& reason, bool fenced) = 0;
  virtual void on_lane_applied(BackendId backend) = 0;
  virtual void on_ddl_reached(BackendId backend, const certifier::DdlReached& reached) = 0;
  virtual void on_ddl_offer(BackendId backend, Seqno seqno) = 0;
  virtual void on_ddl_looked(BackendId backend, Seqno seqno, certifier::DdlTraces traces) = 0;
  virtual void on_ddl_decided(BackendId backend, const certifier::DdlDecided& decided) = 0;
  /// The program of `seqno` commits nothing more there: its binlog has a group of ours behind it.
  virtual void on_program_marked(BackendId backend, Seqno seqno, const Gtid& marker) = 0;
  /// Commits collide often: none shall hold its rows longer than it must.
  [[nodiscard]] virtual bool contended() const = 0;
  /// A batch is unanswered for suspiciously long. Returns when to ask again if it still is.
  [[nodiscard]] virtual std::chrono::milliseconds on_lane_stalled(BackendId backend) = 0;
};

/// One batch holds at most so many entries: recovery looks for XA COMMITs that the position is
/// ahead of among the last so many.
inline constexpr std::size_t kBatchEntriesMax = 1024;

struct LaneOptions {
  BackendId backend;
  std::string name;  ///< for log lines
  SqlTarget target;
  std::string cluster_id;
  std::uint32_t cluster = 0;
  std::uint32_t epoch = 0;
  std::chrono::milliseconds stall{3};
  certifier::BatchLimits batch;           ///< entries_max: at most kBatchEntriesMax
  std::chrono::milliseconds interval{0};  ///< LanePace
  certifier::SequenceSteps sequences;
  std::chrono::milliseconds retry_min{100};
  std::chrono::milliseconds retry_max{1000};
};

class LaneConnection final : private SqlConnectionObserver {
 public:
  /// `host` and `stats` outlive the lane.
  LaneConnection(EventLoop& loop, LaneOptions options, LaneHost& host, LaneStats& stats);
  ~LaneConnection() override;

  /// Reachable: connect now and whenever the connection breaks; also ends kFailed. Else let go.
  void set_reachable(bool reachable);

  /// A durable entry, in log order.
  void push(const EntryPtr& entry);

  /// Starts what there is to do. Called once per loop turn, after the turn's entries were pushed.
  void pump();

  /// Somebody waits until `seqno` is applied.
  void want(Seqno seqno) { wanted_ = std::max(wanted_, seqno); }

  /// format_description() is known now.
  void on_format_known();

  /// Breaks the connection and begins anew: its stream was lost, or the lane hangs.
  void reconnect(const std::string& why);

  [[nodiscard]] certifier::ApplyLane& lane() { return lane_; }

  [[nodiscard]] const certifier::ApplyLane& lane() const { return lane_; }

  [[nodiscard]] bool running() const { return phase_ == Phase::kRunning; }

  /// Has run on this connection: what an earlier one left is settled. True also while it looks
  /// again after a failed batch.
  [[nodiscard]] bool attached() const { return attached_; }

  [[nodiscard]] bool failed() const { return phase_ == Phase::kFailed; }

  /// Of the server that was connected last.
  [[nodiscard]] ServerKind kind() const { return kind_; }

  /// Before, the backend might give numbers of a sequence once more that it gave in an earlier
  /// life.
  [[nodiscard]] bool knows_its_numbers() const {
    return numbers_from_ && lane_.applied() >= *numbers_from_;
  }

  /// A batch is under way.
  [[nodiscard]] bool busy() const { return batch_.has_value(); }

  /// The DDL entry whose statement the batch under way executes; null when it is no such batch.
  [[nodiscard]] EntryPtr ddl_under_way() const;

  /// Counts batches: tells one from the next.
  [[nodiscard]] std::uint64_t batch_number() const { return batch_number_; }

  /// The server's id of the connection; 0 when there is none.
  [[nodiscard]] std::uint64_t thread_id() const;

  /// Sends nothing more after the batch under way: for a clean end.
  void stop_pumping() { stopping_ = true; }

 private:
  enum class Phase : std::uint8_t {
    kOff,
    kWaiting,
    kConnecting,
    kSettingUp,
    kClaiming,
    kListing,
    kSettling,
    kRunning,
    kFailed
  };
  /// What the reply under way answers while not running.
  enum class Question : std::uint8_t {
    kSetup,
    kFormat,
    kNoGtids,
    kClaim,
    kPosition,
    kBinlog,
    kBranches,
    kSettle
  };

  void on_sql_ready(const protocol::ServerInfo& server) override;
  void on_sql_reply(SqlReply reply) override;
  void on_sql_closed(const SqlCloseReason& reason) override;

  struct FailedBatch {
    certifier::LaneAction action = certifier::LaneAction::kGoOn;
    std::uint16_t error = 0;
    Seqno first;
  };

  void connect();
  void ask(Question question, std::string_view sql);
  void next_setup();
  void read_position();
  void on_position(const SqlReply& reply);
  void on_branches(const SqlReply& reply);
  void next_settlement();
  void on_settled(const SqlReply& reply);
  void begin_running();

  [[nodiscard]] bool waits_for_more();
  void feed_from_archive();
  void take_turn(certifier::LaneTurn turn);
  void send_statement();
  void on_batch_reply(const SqlReply& reply);
  void on_batch_failed(const SqlReply& reply);
  void after_failed_batch();
  void resync_after(std::chrono::milliseconds delay);

  void lose_to_packet_limit(Seqno seqno);
  void lose(const SqlCloseReason& reason);
  void fail(const std::string& reason, bool fenced);
  void arm_stall_timer(std::chrono::milliseconds delay);
  void on_timer();
  void on_stall_timer();
  [[nodiscard]] bool begin_numbers();
  void on_numbers(const SqlReply& reply);
  void look(const certifier::DdlLook& look);
  void on_looked(certifier::DdlTraces traces);
  void on_marker(const SqlReply& reply);

  EventLoop& loop_;
  const LaneOptions options_;
  LaneHost& host_;
  LaneStats& stats_;
  SystemClock clock_;
  certifier::ApplyLane lane_;
  Timer timer_;        // the next attempt
  Timer stall_timer_;  // looks at the batch under way
  Timer pace_timer_;   // the next batch may leave
  certifier::LanePace pace_;
  std::unique_ptr<SqlConnection> connection_;
  Phase phase_ = Phase::kOff;
  Question question_ = Question::kSetup;
  bool reachable_ = false;
  bool attached_ = false;
  bool stopping_ = false;
  bool pumping_ = false;
  bool disowning_ = false;          // the last statement before it fails
  FailedBatch failed_;              // the last one
  bool rolling_back_ = false;       // a failed batch's transaction, before anything else
  bool administers_roles_ = false;  // asked for amid a batch; its DDL comes again then
  Seqno roles_asked_for_{};         // the DDL that it was asked for last
  std::chrono::milliseconds retry_{0};
  ServerKind kind_ = ServerKind::kMariadb;  // of the server that is connected

  // Setting up and settling.
  std::uint32_t generation_ = 0;
  certifier::LaneOwner owner_;
  std::vector<std::string> setup_;
  std::size_t next_setup_ = 0;
  certifier::BackendPosition position_;
  Seqno listed_up_to_;
  certifier::RecoveryPlan plan_;
  std::size_t next_commit_ = 0;
  bool query_cache_holds_ = false;  ///< rows that branches to be committed have changed, perhaps
  std::size_t next_rollback_ = 0;
  unsigned listings_ = 0;
  unsigned connected_again_ = 0;  // for the sake of larger packets

  // Running.
  std::optional<certifier::LaneBatch> batch_;
  std::size_t statement_ = 0;
  std::optional<DdlTraceReader> traces_;  // it looks whether the DDL at looks_at_ ran
  Seqno looks_at_;
  bool asks_numbers_ = false;          // begin_sequences_sql() or kListSequencesSql is under way
  bool lists_numbers_ = false;         // it is the latter
  std::optional<Seqno> numbers_from_;  // the entry that says what the backend had reserved
  bool asks_marker_ = false;           // how the group is called that ends a program
  GtidState binlog_;
  Seqno binlog_of_;
  std::uint64_t batch_number_ = 0;
  Seqno wanted_;
  TimePoint batch_sent_;
  std::chrono::nanoseconds usual_{0};  // how long a batch usually takes
};

}  // namespace consort::proxy
