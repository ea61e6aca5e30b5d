// MetricsServer: the endpoint that Prometheus reads.
// Threads: start() and the destructor the control thread; scrapes run on the server's own threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/commit_stats.h"
#include "proxy/control_core.h"
#include "proxy/event_stats.h"
#include "proxy/metrics.h"

namespace consort::proxy {

/// What MetricsServer reads at each scrape. Everything pointed to outlives the server; null or
/// empty: the proxy has no such part.
struct MetricsSources {
  std::vector<const WorkerMetrics*> workers;
  const CommitStats* commit = nullptr;
  const AppliedPositions* positions = nullptr;
  const EventStats* events = nullptr;
  /// ControlLoop::snapshot(); called on a scrape's thread.
  std::function<std::vector<BackendStatus>()> backend_statuses;
  std::vector<std::string> backend_names;  ///< index = BackendId::value
  std::string version;                     ///< Consort's own
};

/// Serves `GET /metrics` in Prometheus' text format, in threads of its own.
class MetricsServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 6090;  ///< 0: any free one
  };

  /// Binds and serves at once. Errors: the address cannot be bound, saying which and why.
  [[nodiscard]] static Result<std::unique_ptr<MetricsServer>> start(const Options& options,
                                                                    MetricsSources sources);

  /// Stops serving; a scrape under way is finished first.
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  /// The port it is bound to.
  [[nodiscard]] std::uint16_t port() const;

 private:
  struct Impl;
  explicit MetricsServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace consort::proxy
