// ControlLoop: the main thread's work. Keeps the health of every backend, publishes a new
// ClusterView at each change and does what health demands: probes, preflight, set-up, accounts.
// The decisions are ControlCore's; this is the shell with the threads.
// Threads: bootstrap(), run() and the on_view callbacks: the control thread. Everything else: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/tls_options.h"
#include "healthcheck/backend_health.h"
#include "healthcheck/server_link.h"
#include "proxy/backend_controller.h"
#include "proxy/blocking_mailbox.h"
#include "proxy/cluster_view.h"
#include "proxy/control_core.h"

namespace consort::proxy {

/// One service account for all backends.
struct ServiceAccount {
  std::string user;
  std::string password;
};

struct ControlOptions {
  ControlCoreOptions core;
  ServiceAccount account;
  std::vector<BackendTls> tls;  ///< by BackendId; missing ones: off
  healthcheck::LinkTimeouts timeouts;
  Duration bootstrap_max = std::chrono::seconds(15);  ///< longest wait of bootstrap()
  std::size_t events_max = 65536;                     ///< waiting events (I8)
  /// Whether the log is still empty, so that a backend without a position may begin with it. Empty:
  /// always. Called on controllers' threads.
  std::function<bool()> may_found;
  /// What a backend has applied of the log. Empty: nothing.
  std::function<Seqno(BackendId)> applied;
};

class ControlLoop {
 public:
  using ViewCallback = std::function<void(std::shared_ptr<const ClusterView>)>;

  explicit ControlLoop(ControlOptions options);
  ~ControlLoop();
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  /// `callback` gets every view from now on, on the control thread, and must not block.
  /// REQUIRES: before bootstrap().
  void on_view(ViewCallback callback);

  /// Starts the controllers; preflight, set-up and accounts of every backend that answers;
  /// publishes views as they come. Returns when every backend has answered or failed, at most after
  /// `bootstrap_max`. A backend that comes later goes through the same when it comes.
  [[nodiscard]] std::vector<BackendStatus> bootstrap();

  /// Works until stop(). REQUIRES: bootstrap() returned.
  void run();
  void stop();

  /// Commands for one backend. The controllers live as long as the loop.
  [[nodiscard]] BackendController& controller(BackendId backend);

  /// A session or a lane met a failure on its own connection.
  void report_backend_failure(BackendId backend, healthcheck::PathFailure kind);

  /// The commit thread says how a lane does, up to which seqno it has applied and, for people, why
  /// it has not caught up. After a view showed a backend offline its lane must be reported anew.
  void report_lane(BackendId backend,
                   healthcheck::LaneState lane,
                   Seqno applied,
                   std::string reason = {});

  /// Operator commands. An error names what is wrong with the argument.
  [[nodiscard]] Status set_backend_state(std::string_view name, healthcheck::OperatorState wish);
  /// All or none.
  [[nodiscard]] Status set_weights(const std::vector<BackendWeight>& weights);
  [[nodiscard]] Status set_read_consistency(ReadConsistency consistency);

  /// Accounts may have changed: a login failed, or account DDL was applied. Cheap to call often.
  void request_account_refresh();

  /// A login waits for accounts that hold every change up to this entry: a view that does follows
  /// as soon as a backend has applied it.
  void need_accounts(Seqno as_of);

  /// What is known of every backend, for admin and metrics.
  [[nodiscard]] std::vector<BackendStatus> snapshot() const;

  /// The newest view; never null after the constructor.
  [[nodiscard]] std::shared_ptr<const ClusterView> view() const;

 private:
  using Event = std::function<void(ControlCore&, TimePoint)>;

  [[nodiscard]] Result<BackendId> find_backend(std::string_view name) const;
  void post(Event event);
  void step(TimePoint latest);
  void perform(const ControlEffects& effects);
  void begin_probe(const ProbeEffect& effect);
  void begin_admission(const AdmissionEffect& effect);
  void begin_account_load(BackendId backend);

  const ControlOptions options_;
  SystemClock clock_;
  ControlCore core_;
  BlockingMailbox<Event> mailbox_;
  std::vector<std::unique_ptr<BackendController>> controllers_;
  std::vector<ViewCallback> callbacks_;
  std::vector<Event> events_;  ///< being handled
  std::atomic<bool> stopping_{false};
  std::atomic<bool> refresh_requested_{false};
  std::atomic<bool> accounts_need_posted_{false};
  std::atomic<std::uint64_t> accounts_needed_{0};
  mutable std::mutex mutex_;
  std::vector<BackendStatus> statuses_;      ///< under mutex_
  std::shared_ptr<const ClusterView> view_;  ///< under mutex_
};

}  // namespace consort::proxy
