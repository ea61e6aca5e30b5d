// BackendPool: a worker's connections to the backends, shared by its sessions.
// A lease is a connection that stands in the session's state: the idle one that is nearest to it,
// else a new one. When all are used the pool asks sessions that merely keep theirs for later to
// give them back, and the lease waits in line (LeaseQueue). Connections of different accounts or
// capabilities never mix. Threads: its worker's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "proxy/metrics.h"
#include "proxy/session/effects.h"
#include "proxy/session/global_settings.h"
#include "proxy/session/lease_queue.h"
#include "proxy/session/pool_account.h"
#include "proxy/session/pooled_connection.h"
#include "proxy/session/server_dialect.h"
#include "proxy/uv/timer.h"

namespace consort::proxy {

/// Who leases. Called on the worker's thread.
class PoolClient {
 public:
  PoolClient() = default;
  PoolClient(const PoolClient&) = delete;
  PoolClient& operator=(const PoolClient&) = delete;
  virtual ~PoolClient() = default;
  /// Whose connection it needs, and what this must stand in. Neither changes while the lease is
  /// under way.
  [[nodiscard]] virtual const PoolAccount& lease_account() const = 0;
  [[nodiscard]] virtual const SessionState& lease_state() const = 0;
  /// A connection is being made ready for it; release() takes the wish back.
  virtual void on_lease_begun(PooledConnection& connection) = 0;
  virtual void on_lease(PooledConnection& connection) = 0;
  virtual void on_lease_failed(const LeaseFailure& failure) = 0;
  /// Somebody waits: it gives the connection back now or soon (true), or needs it (false).
  [[nodiscard]] virtual bool on_asked_back(PooledConnection& connection) = 0;
  virtual std::size_t on_leased_bytes(PooledConnection& connection, MutableBytes bytes) = 0;
  /// What it was sent has fallen to the low-water mark.
  virtual void on_leased_drained(PooledConnection& connection) = 0;
  /// True when it waited for an answer.
  virtual bool on_leased_lost(PooledConnection& connection) = 0;
};

/// Of lanes, control connections and the like to one server, and some for its administrator.
inline constexpr std::size_t kOwnConnections = 50;

/// How many connections sessions may have to a server that takes `server_max` (0: not known),
/// where `configured` is what the configuration allows: where the server takes fewer, they wait for
/// each other in place of being turned away by it.
[[nodiscard]] std::size_t pool_connections_max(std::size_t configured, std::uint64_t server_max);

/// What may be changed while the pool works.
struct PoolLimits {
  std::size_t connections_max = 500;  ///< to one backend, of all workers
  std::size_t workers = 1;            ///< that share them
  std::size_t connections_min = 0;    ///< to one backend: kept open although idle, and made anew
  LeaseQueue::Limits queue;
  std::chrono::milliseconds idle_timeout{std::chrono::minutes(5)};
  std::chrono::milliseconds lifetime{std::chrono::hours(1)};  ///< of a connection, +-10%
  std::size_t statements_max = 512;                           ///< prepared on one connection
};

class BackendPool final : private BackendConnectionObserver {
 public:
  struct Options {
    std::vector<SocketAddress> addresses;      ///< by BackendId
    std::vector<BackendTransport> transports;  ///< by BackendId
    std::vector<std::string> names;            ///< by BackendId, for people
    std::vector<ConnectionSetup> setup;        ///< by BackendId
    PoolLimits limits;
    std::chrono::milliseconds connect_timeout{2000};
  };

  /// `report` hears of connections that could not be made or broke in use. A server closes idle
  /// ones as it likes, and one that is full is well. `globals` outlives the pool.
  BackendPool(EventLoop& loop,
              Options options,
              const GlobalSettings& globals,
              WorkerMetrics& metrics,
              std::function<void(BackendId, bool refused)> report);
  ~BackendPool() override;

  /// Leases a connection for `client`. Ends in on_lease() or on_lease_failed(), perhaps inside this
  /// call, unless release() or leave() comes before. `urgent`: at once, beyond the bound if it must
  /// be (DDL whose turn has come: there is one at a time).
  void lease(BackendId backend, bool urgent, PoolClient& client);

  /// It does not wait for its turn any more. False: it did not.
  bool leave(BackendId backend, const PoolClient& client);

  /// How a connection comes back. Not `reusable`: it is closed.
  struct Return {
    const SessionState* state = nullptr;  ///< that it stands in; null: not reusable
    bool reusable = false;
    bool has_traces = false;  ///< ConnectionState::has_traces
    std::optional<std::uint64_t> insert_id;
  };

  void release(PooledConnection& connection, const Return& back);

  /// Somebody waits for a connection to this backend.
  [[nodiscard]] bool wanted(BackendId backend) const {
    return !backends_[backend.value].waiting.empty();
  }

  /// A lease there need not wait.
  [[nodiscard]] bool has_room(BackendId backend) const {
    const Backend& there = backends_[backend.value];
    return there.idle_count > 0 || there.open.size() < there.open_max;
  }

  /// The backend is gone: closes idle connections, whoever waits goes elsewhere.
  void drop_idle(BackendId backend);

  /// From time to time: closes what is old or long idle, makes what is missing to the minimum.
  /// `serves`: a new connection may be made there.
  void tend(const std::function<bool(BackendId)>& serves);

  void set_limits(const PoolLimits& limits);

  /// The backend takes so many connections (max_connections); 0: not known.
  void on_server_limit(BackendId backend, std::uint64_t server_max);

 private:
  struct Backend {
    std::unordered_map<std::string, std::vector<PooledConnection*>> idle;  // newest last
    std::size_t idle_count = 0;
    std::vector<PooledConnection*> open;
    std::size_t hand = 0;  ///< whom to ask next for its connection: a place in `open`
    LeaseQueue waiting;
    bool serving = false;
    std::size_t open_max = 1;      ///< this worker's share
    std::uint64_t server_max = 0;  ///< max_connections; 0: not known
    /// Whose connection was made last: the minimum is made for it. Kept only where there is one, as
    /// it has a secret.
    std::optional<PoolAccount> newest;
  };

  void on_backend_ready(BackendConnection& wire) override;
  std::size_t on_backend_bytes(BackendConnection& wire, MutableBytes bytes) override;
  void on_backend_drained(BackendConnection& wire) override;
  void on_backend_closed(BackendConnection& wire, const BackendFailure& failure) override;
  [[nodiscard]] bool grant(BackendId id, PoolClient& client);
  PooledConnection* take_idle(Backend& backend,
                              const PoolAccount& account,
                              const SessionState& wanted);
  void hand_out(PooledConnection& connection, PoolClient& client);
  PooledConnection& open(BackendId id, const PoolAccount& account, const SessionState* wanted);
  void bring_into_state(PooledConnection& connection, const SessionState& wanted);
  void shelve(PooledConnection& connection);
  void serve(BackendId id);
  [[nodiscard]] bool ask_back(Backend& backend);
  void on_wait_timer();
  void expire_waiters(BackendId id);
  void watch_waiters();
  void retire_old(BackendId id);
  void set_open_max(BackendId id);
  void erase(PooledConnection& connection);
  void close(PooledConnection& connection);
  void quit(PooledConnection& connection);
  void update_gauges(BackendId backend);
  [[nodiscard]] bool evict_one(Backend& backend);
  void evict_half(Backend& backend);
  [[nodiscard]] TimePoint draw_expiry();

  EventLoop& loop_;
  const Options options_;
  const GlobalSettings& globals_;
  PoolLimits limits_;
  WorkerMetrics& metrics_;
  const std::function<void(BackendId, bool)> report_;
  protocol::CompressionContexts compression_;
  std::array<Backend, kBackendsMax> backends_;
  std::unordered_map<const BackendConnection*, std::unique_ptr<PooledConnection>> connections_;
  Timer wait_timer_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace consort::proxy
