// AdminSource: what the admin interface can ask of the running proxy, and change.
// The routes turn these values into JSON; the app fills them from snapshots and posts commands to
// the thread that owns the thing.
// Threads: every method is called on admin threads, several at once, and must not block for long:
// a command that its owner has not taken within about a second is AdminErrorCode::kUnavailable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "healthcheck/backend_health.h"
#include "healthcheck/backend_state.h"
#include "proxy/cluster_view.h"

namespace consort::proxy {

/// Why a request could not be served; Error::code of every AdminSource error.
enum class AdminErrorCode : int {
  kInternal = 0,  ///< 500
  kNotFound,      ///< 404: no such backend
  kInvalid,       ///< 422: the value cannot be used
  kConflict,      ///< 409: right value, wrong moment (draining the last backend)
  kUnavailable    ///< 503: the owner did not answer in time
};

/// The proxy as a whole.
struct StatusInfo {
  std::string version;
  std::string cluster;  ///< cluster id, hex
  std::string cluster_name;
  std::uint32_t epoch = 0;  ///< how many times this proxy has started on its log
  std::uint64_t uptime_ms = 0;
  std::string topology;    ///< "certified", "galera", ...
  std::string durability;  ///< "durable" or "relaxed"
  ReadConsistency read_consistency = ReadConsistency::kSession;
  std::uint32_t workers = 0;
  std::uint64_t sessions = 0;
  bool draining = false;  ///< the process is about to end: it takes no more clients
  std::uint64_t connections_max = 0;
  std::uint64_t head = 0;        ///< newest seqno
  std::uint64_t log_bytes = 0;   ///< the commit log on disk
  std::uint64_t certified = 0;   ///< writesets that passed
  std::uint64_t conflicts = 0;   ///< writesets that lost
  std::uint64_t index_keys = 0;  ///< in the certification index

  struct Events {
    bool on = false;              ///< event_scheduler
    std::uint64_t scheduled = 0;  ///< enabled events
    std::uint64_t under_way = 0;  ///< runs
    std::uint64_t done = 0;       ///< runs without an error, since the start
    std::uint64_t failed = 0;     ///< runs that ended with an error
    std::uint64_t lost = 0;       ///< runs that were not made, or cut off
    std::uint64_t missed = 0;     ///< runs that were due while Consort did not run
  };

  Events events;
  std::vector<std::string> warnings;  ///< what an operator should mend, for people
};

/// What reading the configuration again came to: JSON paths.
struct ReloadInfo {
  std::vector<std::string> changed;
  std::vector<std::string> needs_restart;
};

struct BackendInfo {
  BackendId id;
  std::string name;
  std::string host;
  std::uint16_t port = 0;
  healthcheck::BackendState state = healthcheck::BackendState::kUnknown;
  std::string reason;  ///< why it is not online, for people; empty when online
  healthcheck::OperatorState wanted = healthcheck::OperatorState::kOnline;
  std::uint32_t weight = 1;
  std::string server_version;
  std::uint64_t applied = 0;      ///< seqno up to which it has committed everything
  std::uint64_t lag_entries = 0;  ///< head - applied
  std::string lane;               ///< what its apply lane does: "applying", "idle", "paused", ...
  std::uint64_t connections_leased = 0;
  std::uint64_t connections_idle = 0;
  /// pool.connections_max, or less where the server takes fewer.
  std::uint64_t connections_max = 0;
  std::uint64_t sessions_waiting = 0;  ///< for a connection
  std::uint64_t sessions_home = 0;     ///< open transactions whose home it is
  std::uint64_t probe_us = 0;          ///< the last probe's round trip; 0 when none succeeded
  std::string last_error;              ///< of the last failed probe, connection or apply
  std::vector<std::string> preflight;  ///< settings that should be mended, with the SQL to do so
};

struct SessionInfo {
  SessionId id;
  std::uint32_t connection_id = 0;  ///< the client's number: CONNECTION_ID(), KILL
  std::string user;
  std::string client_address;  ///< "ip:port"
  std::string tls;             ///< version and cipher; empty: none
  std::string compression;     ///< zlib or zstd; empty: none
  std::string database;
  std::string state;  ///< idle, awaiting_backend, relaying, certifying, ...
  std::string home;   ///< name of the home backend; empty when it has none
  bool in_transaction = false;
  std::vector<std::string> pinned;  ///< why it cannot change its backend, for people
  std::uint64_t age_ms = 0;
  std::uint64_t state_age_ms = 0;  ///< how long it has been in `state`
  std::string statement_kind;      ///< of the current statement; empty when idle
  std::string statement_digest;    ///< hash of the statement without its literals, hex
};

/// A slice of the sessions, in the order of their ids.
struct SessionPage {
  std::uint64_t total = 0;  ///< of all sessions, not of this page
  std::vector<SessionInfo> sessions;
};

class AdminSource {
 public:
  AdminSource() = default;
  AdminSource(const AdminSource&) = delete;
  AdminSource& operator=(const AdminSource&) = delete;
  virtual ~AdminSource() = default;

  [[nodiscard]] virtual Result<StatusInfo> status() = 0;

  /// Index = BackendId::value.
  [[nodiscard]] virtual Result<std::vector<BackendInfo>> backends() = 0;

  /// At most `limit` sessions, skipping `offset`. The routes keep `limit` within 1 and 1000.
  [[nodiscard]] virtual Result<SessionPage> sessions(std::size_t offset, std::size_t limit) = 0;

  /// The configuration in force as one JSON object. The routes blank values whose key speaks of a
  /// password, secret or token once more.
  [[nodiscard]] virtual Result<std::string> config_json() = 0;

  /// Returns when the wish is recorded; reaching the state may take longer.
  [[nodiscard]] virtual Status set_backend_state(BackendId backend,
                                                 healthcheck::OperatorState wanted) = 0;

  [[nodiscard]] virtual Status set_read_consistency(ReadConsistency value) = 0;

  /// Reads the configuration and the certificates again. kInvalid: something in them is wrong,
  /// which the error names by its JSON path, and nothing was changed.
  [[nodiscard]] virtual Result<ReloadInfo> reload_config() = 0;

  /// Reads the certificates again. kConflict: none is configured; kInvalid: a file is wrong, which
  /// the error names, and the old ones stay in use.
  [[nodiscard]] virtual Status reload_tls() = 0;

  /// All or none.
  [[nodiscard]] virtual Status set_weights(const std::vector<BackendWeight>& weights) = 0;
};

}  // namespace consort::proxy
