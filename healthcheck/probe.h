// Probe: one look at a backend, and what can come of it.
// Threads: none; a probe belongs to the thread that runs it, results are values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace consort::healthcheck {

/// Why a probe failed, as far as the reaction differs.
enum class ProbeFailure : std::uint8_t {
  kRefused,         ///< ECONNREFUSED: nobody listens there
  kConnectTimeout,  ///< no connection in time, or no route: a packet may have been lost
  kReadTimeout,     ///< connected, but no answer in time
  kReset,           ///< the connection broke while the answer was awaited
  kOverloaded,      ///< alive, but takes no more connections (1040, 1203): never a reason to eject
  kLoginRefused,    ///< the service account may not log in
  kWrongServer,     ///< it answers, but is not the backend it should be
  kServerError      ///< it answers the probe with an error
};

[[nodiscard]] std::string_view to_text(ProbeFailure failure);

/// What a session or a lane met on its own connection to a backend.
enum class PathFailure : std::uint8_t {
  kRefused,  ///< ECONNREFUSED on connect
  kReset,    ///< a connection in use was closed or reset by the backend
  kTimeout   ///< connect or an answer took too long
};

[[nodiscard]] std::string_view to_text(PathFailure failure);

/// What a healthy backend said of itself.
struct ServerReport {
  std::uint32_t server_id = 0;
  std::string version;  ///< @@version
  bool read_only = false;
  std::uint64_t uptime_s = 0;
  std::optional<std::uint64_t> position;  ///< consort.position; nullopt: no such row (yet)
  std::string cluster;                    ///< cluster id of that row; empty without it
  bool paused = false;                    ///< somebody holds the backup or global read lock
};

struct ProbeRequest {
  /// Open a new connection, do not trust the one at hand: somebody could not connect.
  bool fresh_connection = false;
  /// Also look whether a backup or FTWRL stops writers (costs a look at the process list).
  bool look_for_pause = false;
};

struct ProbeResult {
  std::optional<ProbeFailure> failure;  ///< nullopt: the probe succeeded
  std::string message;                  ///< of the failure, for people
  ServerReport server;                  ///< only when it succeeded
  TimePoint started{};
  TimePoint ended{};

  [[nodiscard]] bool ok() const { return !failure.has_value(); }
};

/// Looks at one backend, blocking no longer than its timeouts.
class Probe {
 public:
  Probe() = default;
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  virtual ~Probe() = default;
  [[nodiscard]] virtual ProbeResult run(const ProbeRequest& request) = 0;
};

}  // namespace consort::healthcheck
