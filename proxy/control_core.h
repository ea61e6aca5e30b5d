// ControlCore: what the control thread decides, without threads, sockets or clocks.
// Events and the time in; effects out: which probe to begin, which backend to admit, whose accounts
// to read, which view to publish. Driven in tests by scripts.
// Threads: none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "healthcheck/backend_health.h"
#include "healthcheck/preflight.h"
#include "healthcheck/probe.h"
#include "proxy/account_watch.h"
#include "proxy/accounts.h"
#include "proxy/cluster_view.h"

namespace consort::proxy {

struct BackendOptions {
  std::string name;
  std::string host;
  std::uint16_t port = 3306;
  std::uint32_t weight = 1;
};

struct ControlCoreOptions {
  std::vector<BackendOptions> backends;  ///< index = BackendId::value; 1 to kBackendsMax
  std::string cluster_id;                ///< UUID text, in consort.position of every backend
  healthcheck::HealthOptions health;
  ReadConsistency read_consistency = ReadConsistency::kSession;
  bool read_affinity = true;
  std::uint32_t read_wait_ms_max = 1000;
  std::string server_version;     ///< of our greeting; empty: the first backend's
  bool preflight_refuses = true;  ///< false: preflight errors are only logged
  AccountWatchOptions accounts;
  Duration admission_retry = std::chrono::seconds(5);      ///< after preflight refused
  Duration preflight_interval = std::chrono::seconds(60);  ///< looks again, but then only warns
};

/// One backend as admin and metrics show it.
struct BackendStatus {
  BackendId id;
  std::string name;
  std::string host;
  std::uint16_t port = 0;
  healthcheck::BackendState state = healthcheck::BackendState::kUnknown;
  std::string reason;  ///< why it is not online
  healthcheck::LaneState lane = healthcheck::LaneState::kLost;
  healthcheck::OperatorState operator_state = healthcheck::OperatorState::kOnline;
  std::uint32_t weight = 1;
  std::uint32_t failures = 0;           ///< probes failed in a row
  std::uint64_t probes = 0;             ///< since start
  std::uint64_t probes_failed = 0;      ///< since start
  std::optional<double> last_probe_ms;  ///< how long the last good probe took
  TimePoint next_probe{};
  bool paused = false;  ///< a backup or FTWRL stops writers
  bool read_only = false;
  std::string server_version;
  std::uint64_t connections_max = 0;  ///< its max_connections; 0: not known
  std::uint32_t server_id = 0;
  std::uint64_t uptime_s = 0;
  std::uint64_t applied = 0;              ///< as the lane last said
  std::optional<std::uint64_t> position;  ///< of consort.position, as the last probe saw it
  std::vector<healthcheck::Finding> findings;
};

struct ProbeEffect {
  BackendId backend;
  healthcheck::ProbeRequest request;
};

/// Preflight and set-up of a backend that came; or, while it serves, only a quick look at its
/// settings that leaves out what takes long.
struct AdmissionEffect {
  BackendId backend;
  bool serving = false;
};

/// A line for the log.
struct ControlLine {
  enum class Level : std::uint8_t { kInfo, kWarning, kError };
  Level level = Level::kInfo;
  std::string text;
};

/// What the shell shall do now, in any order; the view last.
struct ControlEffects {
  std::vector<ProbeEffect> probes;
  std::vector<AdmissionEffect> admissions;  ///< answer with on_admission()
  std::vector<BackendId> account_loads;
  std::vector<ControlLine> log;
  std::shared_ptr<const ClusterView> view;  ///< null: nothing changed
};

/// What preflight and set-up of one backend came to.
struct AdmissionResult {
  healthcheck::Facts facts;  ///< empty: they could not be read
  std::string error;         ///< reading or set-up failed; empty: done
};

class ControlCore {
 public:
  ControlCore(const ControlCoreOptions& options, TimePoint now);
  ~ControlCore();
  ControlCore(const ControlCore&) = delete;
  ControlCore& operator=(const ControlCore&) = delete;

  void on_probe(BackendId backend, const healthcheck::ProbeResult& result, TimePoint now);
  void on_path_failure(BackendId backend, healthcheck::PathFailure kind, TimePoint now);
  void on_lane(BackendId backend,
               healthcheck::LaneState lane,
               Seqno applied,
               std::string_view reason,
               TimePoint now);
  void on_operator(BackendId backend, healthcheck::OperatorState wish, TimePoint now);
  /// All at once. The id of each exists.
  void on_weights(const std::vector<BackendWeight>& weights);
  void on_read_consistency(ReadConsistency consistency);
  void on_admission(BackendId backend, AdmissionResult result, TimePoint now);
  /// `accounts` null: they could not be read. `as_of`: what the backend had applied before.
  void on_accounts(BackendId backend,
                   std::shared_ptr<const AccountSet> accounts,
                   Seqno as_of,
                   TimePoint now);
  void on_account_request(TimePoint now);
  /// A login waits for a view whose accounts hold every change up to this entry.
  void on_accounts_needed(Seqno as_of, TimePoint now);

  /// Everything that is due at `now` because of the time or of the events before.
  [[nodiscard]] ControlEffects advance(TimePoint now);

  /// When advance() has something to do again, if no event comes before.
  [[nodiscard]] TimePoint next_wake() const;

  /// Every backend answered and was judged, or failed; and accounts are there if any backend is.
  [[nodiscard]] bool settled() const;

  [[nodiscard]] std::vector<BackendStatus> statuses() const;
  [[nodiscard]] std::optional<BackendId> find(std::string_view name) const;

  [[nodiscard]] const std::shared_ptr<const ClusterView>& view() const { return view_; }

 private:
  struct Backend;  // see control_core.cpp

  [[nodiscard]] Backend& at(BackendId id);
  void say(ControlLine::Level level, std::string text);
  void tell_needed_accounts();
  void judge_preflight(Backend& backend);
  void advance_backend(Backend& backend, TimePoint now, ControlEffects& effects);
  [[nodiscard]] std::vector<AccountSource> account_sources() const;
  [[nodiscard]] bool may_have(std::string_view fact) const;
  [[nodiscard]] router::LexerOptions lexer() const;
  [[nodiscard]] bool resolves_names() const;
  [[nodiscard]] bool forgets_accounts() const;
  [[nodiscard]] std::uint64_t packet_bytes_max() const;
  [[nodiscard]] KeptGlobals kept_globals() const;
  [[nodiscard]] std::shared_ptr<const ClusterView> build_view() const;

  const ControlCoreOptions options_;
  std::vector<std::unique_ptr<Backend>> backends_;
  ReadConsistency read_consistency_;
  AccountWatch accounts_;
  std::shared_ptr<const ClusterView> view_;
  std::vector<ControlLine> lines_;
  bool view_dirty_ = true;
};

}  // namespace consort::proxy
