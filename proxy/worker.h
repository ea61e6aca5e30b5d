// Worker: a thread that serves clients: its listening socket, its sessions, its backend
// connections. Threads: start() and stop() from the owner; post() any; everything else its own.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/mailbox.h"
#include "healthcheck/backend_health.h"
#include "protocol/compression.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/ip_networks.h"
#include "proxy/logging.h"
#include "proxy/login_desk.h"
#include "proxy/metrics.h"
#include "proxy/session/backend_pool.h"
#include "proxy/session/known_calls.h"
#include "proxy/session/session.h"
#include "proxy/session/user_lock_home.h"
#include "proxy/uv/async_wake.h"
#include "proxy/uv/event_loop.h"
#include "proxy/uv/listener.h"
#include "proxy/uv/tls_context.h"
#include "proxy/worker_counts.h"
#include "router/balancer.h"

namespace consort::proxy {

/// What a worker asks of the other threads. Every call is safe from any worker thread.
struct WorkerHooks {
  std::function<bool(CommitRequest)> post_commit;
  std::function<void(BackendId, std::uint64_t thread_id, KillTicket)> kill_query;
  std::function<void(BackendId, std::uint64_t thread_id)> kill_connection;
  std::function<void(BackendId, bool refused)> report_failure;
  std::function<void()> refresh_accounts;
  /// A login waits for a view whose accounts hold every change up to this entry.
  std::function<void(Seqno)> need_accounts;
  /// To the worker that gave the connection its number. False: there is none.
  std::function<bool(KillRequest)> post_kill;
  std::function<void(KillAnswer)> answer_kill;
  /// Asks all workers for their sessions; the session gets them by Worker::post_always().
  std::function<void(SessionId, bool with_states)> list_sessions;
};

/// What may be changed while a worker works. Sessions see it with their next look.
struct WorkerLimits {
  std::size_t connections_max = 1000;    ///< of all workers together
  std::size_t user_connections_max = 0;  ///< of one account; 0: no limit
  std::size_t packet_bytes_max = 64 << 20;
  std::size_t client_buffer_low = 64 << 10;
  std::size_t client_buffer_high = 256 << 10;
  std::chrono::milliseconds login_timeout{10000};
  std::chrono::seconds idle_timeout{28800};
  std::chrono::seconds idle_transaction_timeout{0};  ///< 0: none of its own
  std::chrono::seconds transaction_timeout{0};       ///< 0: none
  std::size_t statements_max = 4096;                 ///< of a session that begins
  PoolLimits pool;
};

struct WorkerOptions {
  std::uint16_t index = 0;
  std::uint16_t workers_count = 1;
  std::vector<int> listen_on;  ///< bound sockets; the worker owns them
  BackendPool::Options pool;
  SessionCore::Options session;
  std::uint32_t epoch = 0;  ///< of branch names
  WorkerLimits limits;
  /// Shared by all workers.
  std::shared_ptr<WorkerCounts> counts = std::make_shared<WorkerCounts>();
  /// Shared by all workers: a stored function was defined through this process.
  std::shared_ptr<std::atomic<bool>> function_defined = std::make_shared<std::atomic<bool>>(false);
  /// The same for triggers.
  std::shared_ptr<std::atomic<bool>> trigger_defined = std::make_shared<std::atomic<bool>>(false);
  /// Shared by all workers: where GET_LOCK locks.
  std::shared_ptr<UserLockHome> user_locks = std::make_shared<UserLockHome>();
  IpNetworks proxy_networks;                  ///< whose PROXY headers are believed
  std::shared_ptr<LoginDesk> logins;          ///< shared by all workers; never null
  std::shared_ptr<const TlsContextSlot> tls;  ///< null: TLS is not offered
  bool tls_required = false;                  ///< clients without are refused
  std::uint64_t compression = 0;              ///< capabilities that are offered for it
};

class Worker {
 public:
  /// `positions` outlives the worker. Errors: a socket cannot be listened on.
  [[nodiscard]] static Result<std::unique_ptr<Worker>> start(
      WorkerOptions options,
      WorkerHooks hooks,
      AppliedPositions& positions,
      std::shared_ptr<const ClusterView> view);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Closes all sessions with 1053 and joins the thread.
  void stop();

  // From other threads.
  /// Takes no more clients. Sessions end as soon as they are idle outside a transaction, without a
  /// word, as a server ends them.
  void begin_drain();
  /// Takes no more clients and closes those that are left with 1053.
  void end_sessions();
  void set_limits(const WorkerLimits& limits);
  /// False when the mailbox is full, which happens only to an event that is_asked_again().
  [[nodiscard]] bool post(CommitEvent event);
  void set_view(std::shared_ptr<const ClusterView> view);
  /// Never refused: a session has one under way.
  void post(KillRequest request);
  void post(KillAnswer answer);
  /// Runs `task` on the worker's thread. Never refused: a session waits for it.
  void post_always(std::function<void(Worker&)> task);
  /// Runs `task` on the worker's thread.
  [[nodiscard]] bool post_task(std::function<void(Worker&)> task);
  /// A backend's applied position moved: wakes the worker if a session waits for one.
  void positions_moved();

  /// A number that no session of any worker has or gets, as long as there are fewer than 2^32.
  [[nodiscard]] std::uint32_t next_connection_id();

  /// Which worker's clients get this connection number.
  [[nodiscard]] static std::uint16_t worker_of(std::uint64_t connection_id,
                                               std::uint16_t workers_count) {
    return static_cast<std::uint16_t>((connection_id - 1) % workers_count);
  }

  [[nodiscard]] const WorkerMetrics& metrics() const { return metrics_; }

  // For its sessions and tasks.
  [[nodiscard]] EventLoop& loop() { return *loop_; }

  [[nodiscard]] BackendPool& pool() { return *pool_; }

  [[nodiscard]] WorkerMetrics& own_metrics() { return metrics_; }

  [[nodiscard]] router::ClassificationCache& classifications() { return classifications_; }

  /// SessionEffects::known_call().
  [[nodiscard]] std::optional<CallKnowledge> known_call(std::string_view schema,
                                                        std::string_view name) const {
    return known_calls_.find(schema, name, positions_.routines.load(std::memory_order_acquire));
  }

  [[nodiscard]] protocol::CompressionContexts& compression() { return compression_; }

  /// One line about a client in the log; the rest of a flood is counted.
  void warn_of_client(std::string_view address, std::string_view what);

  /// Where a session compresses to, for as long as one write to its client takes.
  [[nodiscard]] Buffer& compressed_output() { return compressed_output_; }

  [[nodiscard]] const WorkerOptions& options() const { return options_; }

  [[nodiscard]] const WorkerLimits& limits() const { return limits_; }

  [[nodiscard]] SessionCore::Options session_options() const;

  [[nodiscard]] bool draining() const { return draining_; }

  [[nodiscard]] const WorkerHooks& hooks() const { return hooks_; }

  [[nodiscard]] const ClusterView& view() const { return *view_; }

  [[nodiscard]] AppliedPositions& positions() { return positions_; }

  [[nodiscard]] const GlobalSettings& globals() const { return globals_; }

  /// How many clients there may be, of all workers together. As on a server there is room for one
  /// more, who must be an administrator: that is known when the login succeeds.
  [[nodiscard]] std::size_t connections_max() const;

  /// There are more clients than that just now.
  [[nodiscard]] bool is_overfull() const;

  [[nodiscard]] BranchId next_branch() {
    return BranchId{options_.epoch, options_.index, ++branches_};
  }

  /// Destroys the session at the end of the loop's turn.
  void retire(SessionId id);
  void wait_applied(SessionId id);
  void await_accounts(SessionId id);
  /// `used_last`: where the session's reads went so far, or its home.
  SessionEffects::Choice choose_reader(Seqno at_least, std::optional<BackendId> used_last);
  SessionEffects::Choice choose_home();

  void note_busy(BackendId backend, int by) {
    in_flight_[backend.value] =
        static_cast<std::uint32_t>(static_cast<int>(in_flight_[backend.value]) + by);
  }

  void note_home(BackendId backend, int by) {
    options_.counts->homes[backend.value].fetch_add(by, std::memory_order_relaxed);
  }

  [[nodiscard]] bool serves(BackendId backend) const;

  /// Calls `visit(Session&)` for every live session.
  template <typename Visit>
  void for_each_session(Visit visit) {
    for (Slot& slot : slots_) {
      if (slot.session && !slot.retired) {
        visit(*slot.session);
      }
    }
  }

  /// nullptr: it is gone.
  [[nodiscard]] Session* find(SessionId id);

  [[nodiscard]] std::size_t session_count() const { return session_count_; }

 private:
  struct Slot {
    std::unique_ptr<Session> session;
    std::uint32_t generation = 0;
    bool retired = false;
  };

  using Message = std::variant<CommitEvent,
                               std::shared_ptr<const ClusterView>,
                               KillRequest,
                               KillAnswer,
                               std::function<void(Worker&)>>;

  Worker(WorkerOptions options,
         WorkerHooks hooks,
         AppliedPositions& positions,
         std::shared_ptr<const ClusterView> view);
  Status open();
  void run();
  void on_connection(uv_stream_t* listener);
  void on_wake();
  void on_commit_event(CommitEvent& event);
  void on_ddl_outcome(const DdlOutcome& outcome);
  void on_kill(const KillRequest& request);
  void on_kill_answer(const KillAnswer& answer);
  void on_view(std::shared_ptr<const ClusterView> view);
  void check_waiters();
  void end_turn();
  void reap_idle();
  void drain();
  router::BackendChoice choose(Seqno at_least, bool home, std::optional<BackendId> favourite);

  const WorkerOptions options_;
  WorkerLimits limits_;
  const WorkerHooks hooks_;
  AppliedPositions& positions_;
  GlobalSettings globals_{positions_};
  std::shared_ptr<const ClusterView> view_;
  WorkerMetrics metrics_;
  router::ClassificationCache classifications_;
  KnownCalls known_calls_;
  protocol::CompressionContexts compression_;
  Buffer compressed_output_;
  LogLimiter client_warnings_{std::chrono::seconds(1)};
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<AsyncWake> wake_;
  std::unique_ptr<Mailbox<Message>> mailbox_;
  std::vector<Message> messages_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  bool draining_ = false;
  std::unique_ptr<BackendPool> pool_;
  std::unique_ptr<Timer> reaper_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::unordered_map<std::uint32_t, SessionId> by_connection_id_;
  std::uint32_t connection_ids_ = 0;  ///< given so far
  std::vector<SessionId> retired_;
  std::vector<SessionId> waiting_applied_;
  std::vector<SessionId> waiting_accounts_;
  std::atomic<bool> wants_positions_{false};
  std::array<std::uint32_t, kBackendsMax> in_flight_{};
  router::Balancer readers_;
  router::Balancer home_balancer_;
  std::uint64_t branches_ = 0;
  std::size_t session_count_ = 0;
  std::thread thread_;
};

}  // namespace consort::proxy
