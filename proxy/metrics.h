// Metrics: what each worker counts.
// Each thread owns one struct of relaxed cells, so the packet path shares no cache line and takes
// no lock; MetricsServer (proxy/metrics_server.h) adds them up when it is asked. Every label has a
// fixed, small set of values. The commit thread's struct is CommitStats
// (proxy/commit/commit_stats.h). Threads: a struct's cells are written by its owner only and read
// by any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "proxy/latency_histogram.h"
#include "proxy/metric_cell.h"
#include "router/session_traits.h"

namespace consort::proxy {

/// What a client asked for, as far as counting goes.
enum class QueryKind : std::uint8_t {
  kRead,
  kWrite,
  kBegin,
  kCommit,
  kRollback,
  kDdl,
  kSet,
  kPrepare,
  kExecute,
  kOther
};
inline constexpr std::size_t kQueryKindsCount = 10;

/// Why a client connection was turned away before it could ask anything.
enum class RefusalReason : std::uint8_t {
  kTooManyConnections,  ///< the configured maximum is reached
  kNoBackend,           ///< no backend serves
  kShuttingDown,
  kHandshakeTimeout,
  kHandshakeMalformed,
  kProxyHeader,      ///< a PROXY header that is wrong, or from an address that is not trusted
  kAddressBlocked,   ///< too many logins failed from there
  kTooManyOfAccount  ///< its account's share, or its own MAX_USER_CONNECTIONS, is reached
};
inline constexpr std::size_t kRefusalReasonsCount = 8;

/// What kind of error a client was sent.
enum class ClientErrorClass : std::uint8_t {
  kBackend,       ///< the backend's own error, passed through unchanged
  kConflict,      ///< 1213: certification failed or the branch had to be rolled back
  kProtocol,      ///< malformed packets, wrong sequence ids, packets too large
  kAccessDenied,  ///< wrong credentials or a guarded setting
  kUnsupported,   ///< a command or statement Consort does not do
  kUnavailable,   ///< no backend could serve it
  kTimeout,
  kInternal
};
inline constexpr std::size_t kClientErrorClassesCount = 8;

[[nodiscard]] std::string_view to_text(QueryKind kind);
[[nodiscard]] std::string_view to_text(RefusalReason reason);
[[nodiscard]] std::string_view to_text(ClientErrorClass error_class);

/// Place in a per-backend row of cells for what Consort answered without a backend.
inline constexpr std::size_t kNoBackendSlot = kBackendsMax;

/// One per worker, written by that worker only.
struct alignas(64) WorkerMetrics {
  // Connections.
  Counter connections_accepted;
  Gauge connections_current;
  std::array<Counter, kRefusalReasonsCount> connections_refused;
  Counter authentication_failures;
  Counter proxied_connections;  ///< whose address a load balancer told
  Counter idle_connections_closed;
  Counter transactions_timed_out;
  Gauge tls_connections_current;  ///< of clients
  Counter tls_connections;        ///< of clients, opened
  Counter tls_handshake_failures;
  Gauge compressed_connections_current;  ///< of clients
  Counter compressed_connections;        ///< of clients, opened
  Counter bytes_received;                ///< from clients, without what TLS adds
  Counter bytes_sent;                    ///< to clients, without what TLS adds

  // Statements: [kind][backend, or kNoBackendSlot].
  std::array<std::array<Counter, kBackendsMax + 1>, kQueryKindsCount> queries;
  std::array<Counter, kClientErrorClassesCount> client_errors;
  Counter autocommit_retries;  ///< statements run again: the backend was lost, or too old
  LatencyHistogram read_latency;
  LatencyHistogram write_latency;
  LatencyHistogram commit_latency;

  // Sessions and the backend connections they lease.
  std::array<Gauge, router::kPinReasonsCount> sessions_pinned;  ///< [router::PinReason]
  std::array<Gauge, kBackendsMax> pool_leased;
  std::array<Gauge, kBackendsMax> pool_idle;
  std::array<Counter, kBackendsMax> pool_opened;         ///< connections logged in
  std::array<Counter, kBackendsMax> pool_secured;        ///< of those, through TLS
  std::array<Counter, kBackendsMax> pool_compressed;     ///< of those, compressed
  std::array<Counter, kBackendsMax> pool_failures;       ///< connections refused, reset or denied
  std::array<Counter, kBackendsMax> pool_waits;          ///< a session waited for a connection
  std::array<Gauge, kBackendsMax> pool_waiting;          ///< sessions that wait now
  std::array<Counter, kBackendsMax> pool_wait_timeouts;  ///< and those that waited in vain
  std::array<Counter, kBackendsMax> pool_refusals;  ///< and those that the queue had no room for
  std::array<Counter, kBackendsMax> pool_state_changes;  ///< leases that had to change the state
  std::array<Counter, kBackendsMax> pool_resets;         ///< of those, by COM_RESET_CONNECTION
  LatencyHistogram pool_wait_latency;
  Counter freshness_waits;            ///< a read waited for a backend to catch up
  Counter backpressure_from_client;   ///< reading a backend paused: the client reads slowly
  Counter backpressure_from_backend;  ///< reading a client paused: the backend reads slowly
  Gauge mailbox_depth;                ///< messages from the commit thread at the last drain

  void count_query(QueryKind kind, BackendId backend) {
    queries[static_cast<std::size_t>(kind)][backend.value].add();
  }

  /// A statement that Consort answered itself.
  void count_local_query(QueryKind kind) {
    queries[static_cast<std::size_t>(kind)][kNoBackendSlot].add();
  }

  void count_refused(RefusalReason reason) {
    connections_refused[static_cast<std::size_t>(reason)].add();
  }

  void count_client_error(ClientErrorClass error_class) {
    client_errors[static_cast<std::size_t>(error_class)].add();
  }
};

}  // namespace consort::proxy
