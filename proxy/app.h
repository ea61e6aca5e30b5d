// App: the running proxy: control loop, commit thread, workers, admin and metrics, put together.
// Threads: start() and run() the main thread; request_stop() any (a signal's thread).
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "proxy/admin/admin_server.h"
#include "proxy/admin/admin_source.h"
#include "proxy/commit/commit_loop.h"
#include "proxy/config.h"
#include "proxy/control_loop.h"
#include "proxy/event_scheduler.h"
#include "proxy/login_desk.h"
#include "proxy/metrics_server.h"
#include "proxy/table_aligner.h"
#include "proxy/uv/listen_sockets.h"
#include "proxy/worker.h"

namespace consort::proxy {

inline constexpr std::string_view kVersion = "0.1.0";

class App final : private AdminSource {
 public:
  /// Preflight, log recovery, listening. Returns when clients may come. Errors say what to mend.
  /// `path`: where `config` was read from.
  [[nodiscard]] static Result<std::unique_ptr<App>> start(Config config, std::string path);
  ~App() override;

  /// Whether the certificates and the passwords that `config` names can be used.
  [[nodiscard]] static Status check_files(const Config& config);

  /// Works until request_stop().
  void run();
  void request_stop();

  /// No more clients; sessions end when they are idle outside a transaction. `keep_sockets`: those
  /// that come wait for a successor. Any thread, once.
  void begin_drain(bool keep_sockets);
  /// No session is left.
  [[nodiscard]] bool drained() const;

  /// For a successor. REQUIRES: run() has returned, begin_drain(true) was called.
  [[nodiscard]] std::unique_ptr<ListenSockets> take_sockets() { return std::move(sockets_); }

  /// Of the configuration in force. Any thread.
  [[nodiscard]] std::chrono::milliseconds shutdown_grace() const;
  /// Reads the configuration, the certificates and the passwords again; says in the log what came
  /// of it. Any thread.
  Result<ReloadInfo> reload_config() override;
  /// Reads the certificates again; says in the log what came of it. Any thread.
  Status reload_tls() override;

 private:
  App(Config config, std::string path);
  Status open();
  Status open_tls();
  Status open_logins();
  [[nodiscard]] static Status check_credentials(const Config& config);
  void read_passwords();
  void prepare_logins(const ClusterView& view);
  Status open_backends();
  Status open_commit_log();
  Status open_workers();
  Status open_servers();
  Status open_events();
  void open_aligner(std::vector<EventHome> homes);
  /// The first statement of a connection whose branches are certified.
  [[nodiscard]] std::string setup_of(std::size_t backend, ServerKind kind) const;
  void on_view(const std::shared_ptr<const ClusterView>& view);
  [[nodiscard]] Config running() const;
  void take_over(const Config& before, const Config& after);
  [[nodiscard]] Result<bool> read_certificates();
  [[nodiscard]] ControlOptions control_options(const std::string& cluster_id) const;
  [[nodiscard]] BackendPool::Options pool_options(
      const std::vector<SocketAddress>& addresses) const;
  void list_sessions(SessionId to, bool with_states);
  void tell_sessions(SessionId to, std::vector<ProcessRow> rows);
  [[nodiscard]] WorkerHooks worker_hooks();
  [[nodiscard]] BackendTransport transport_to(std::size_t backend) const;

  // AdminSource.
  [[nodiscard]] Result<StatusInfo> status() override;
  [[nodiscard]] Result<std::vector<BackendInfo>> backends() override;
  [[nodiscard]] Result<SessionPage> sessions(std::size_t offset, std::size_t limit) override;
  [[nodiscard]] Result<std::string> config_json() override;
  [[nodiscard]] Status set_backend_state(BackendId backend,
                                         healthcheck::OperatorState wanted) override;
  [[nodiscard]] Status set_read_consistency(ReadConsistency value) override;
  [[nodiscard]] Status set_weights(const std::vector<BackendWeight>& weights) override;

  const Config config_;  ///< as at the start; what can change since is in running_
  const std::string path_;
  mutable Mutex mutex_;
  Config running_ GUARDED_BY(mutex_);
  Mutex reloading_;  ///< one at a time
  std::atomic<bool> draining_{false};
  const std::chrono::steady_clock::time_point began_;
  std::string cluster_id_;
  AppliedPositions positions_;
  bool log_is_new_ = false;
  std::atomic<bool> commit_started_{false};
  std::unique_ptr<ListenSockets> sockets_;
  std::shared_ptr<TlsContextSlot> client_tls_;                ///< null: TLS is not offered
  std::vector<std::shared_ptr<TlsContextSlot>> backend_tls_;  ///< by BackendId; null: off
  std::shared_ptr<LoginDesk> logins_;
  std::unique_ptr<ControlLoop> control_;
  std::unique_ptr<CommitLoop> commit_;
  std::shared_ptr<WorkerCounts> worker_counts_ = std::make_shared<WorkerCounts>();
  std::shared_ptr<UserLockHome> user_locks_ = std::make_shared<UserLockHome>();
  std::vector<std::unique_ptr<Worker>> workers_;
  /// events_, once it is there, for other threads.
  std::atomic<EventScheduler*> events_told_{nullptr};
  std::unique_ptr<EventScheduler> events_;
  std::unique_ptr<TableAligner> aligner_;
  /// The same of it.
  std::atomic<TableAligner*> aligner_told_{nullptr};
  std::atomic<bool> workers_open_{false};  ///< all of them: no more is added
  std::unique_ptr<AdminServer> admin_;
  std::unique_ptr<MetricsServer> metrics_;
};

}  // namespace consort::proxy
