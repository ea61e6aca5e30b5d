// BackendPool: a worker's connections to the backends, shared by its sessions.
// A lease is a connection that stands in the session's state: an idle one that already does, else
// one that is brought there, else a new one. Connections of different accounts or capabilities
// never mix. Threads: its worker's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "protocol/login_secret.h"
#include "proxy/metrics.h"
#include "proxy/session/backend_connection.h"
#include "proxy/session/effects.h"

namespace consort::proxy {

class PooledConnection;

/// Whose connection, and with which capabilities.
struct PoolAccount {
  std::string user;
  protocol::LoginSecret secret;
  bool expired = false;  ///< the server lets such a connection do little, for good
  /// Do not lease an idle connection: only a new login shows whether the secret is right.
  bool fresh = false;
  std::uint64_t capabilities = 0;
  std::uint16_t collation = 0;
  /// Equal accounts have equal keys.
  [[nodiscard]] std::string key() const;
};

/// The state that a lease must be in.
struct LeaseState {
  std::string schema;
  std::uint64_t fingerprint = 0;  ///< SessionState::fingerprint()
  std::string set_statement;      ///< recreates it on a fresh connection
};

/// Who leases. Called on the worker's thread.
class PoolClient {
 public:
  PoolClient() = default;
  PoolClient(const PoolClient&) = delete;
  PoolClient& operator=(const PoolClient&) = delete;
  virtual ~PoolClient() = default;
  virtual void on_lease(PooledConnection& connection) = 0;
  virtual void on_lease_failed(PooledConnection& connection, const LeaseFailure& failure) = 0;
  virtual std::size_t on_leased_bytes(PooledConnection& connection, MutableBytes bytes) = 0;
  /// What it was sent has fallen to the low-water mark.
  virtual void on_leased_drained(PooledConnection& connection) = 0;
  /// True when it waited for an answer.
  virtual bool on_leased_lost(PooledConnection& connection) = 0;
};

/// A connection of the pool while it is leased or being made ready for a lease.
class PooledConnection {
 public:
  static constexpr std::size_t kStatementsMax = 512;

  [[nodiscard]] BackendId backend() const { return backend_; }

  [[nodiscard]] BackendConnection& wire() { return *wire_; }

  [[nodiscard]] BackendStatement* statement(std::string_view key);
  /// Remembers a prepared statement; when there are too many, the connection forgets (and closes)
  /// all without an open cursor.
  void add_statement(std::string_view key, std::uint32_t id);
  void close_statement(std::string_view key);

 private:
  friend class BackendPool;

  BackendId backend_;
  std::string account_key_;
  std::unique_ptr<BackendConnection> wire_;
  PoolClient* client_ = nullptr;
  std::string schema_;
  std::uint64_t fingerprint_ = 0;
  LeaseState wanted_;
  bool used_ = false;  ///< carries traces of its last session: COM_RESET_CONNECTION before the next
  bool becoming_ = false;  ///< being brought into `wanted_`
  std::unordered_map<std::string, BackendStatement> statements_;
};

class BackendPool final : private BackendConnectionObserver {
 public:
  struct Options {
    std::vector<SocketAddress> addresses;      ///< by BackendId
    std::vector<BackendTransport> transports;  ///< by BackendId
    std::vector<std::vector<std::string>>
        setup;                          ///< statements for a fresh connection, by BackendId
    std::size_t connections_max = 500;  ///< to one backend
    std::chrono::milliseconds connect_timeout{2000};
  };

  /// `report` hears of connections that could not be made or broke in use. A server closes idle
  /// ones as it likes, and one that is full is well. `reclaim` is asked for an idle lease when a
  /// backend's connections are used up.
  BackendPool(EventLoop& loop,
              Options options,
              WorkerMetrics& metrics,
              std::function<void(BackendId, bool refused)> report,
              std::function<void(BackendId)> reclaim);
  ~BackendPool() override;

  /// Leases a connection for `client`. Ends in on_lease() or on_lease_failed(), perhaps inside this
  /// call; nullptr is returned when it ended in failure inside it.
  PooledConnection* lease(BackendId backend,
                          const PoolAccount& account,
                          LeaseState wanted,
                          PoolClient& client);

  /// `fingerprint` and `schema`: the state it was left in. Not `reusable`: closed. `used`: it holds
  /// more than that state (last insert id, user variables, ...).
  struct Return {
    std::uint64_t fingerprint = 0;
    std::string_view schema;
    bool reusable = false;
    bool used = false;
  };

  void release(PooledConnection& connection, const Return& back);

  /// Closes idle connections to a backend that is gone.
  void drop_idle(BackendId backend);

 private:
  struct Backend {
    std::unordered_map<std::string, std::vector<PooledConnection*>> idle;  // newest last
    std::size_t idle_count = 0;
    std::size_t open_count = 0;
  };

  [[nodiscard]] BackendConnectionObserver& observer() { return *this; }

  void on_backend_ready(BackendConnection& wire) override;
  std::size_t on_backend_bytes(BackendConnection& wire, MutableBytes bytes) override;
  void on_backend_drained(BackendConnection& wire) override;
  void on_backend_closed(BackendConnection& wire, const BackendFailure& failure) override;
  PooledConnection* take_idle(Backend& backend, const std::string& key, const LeaseState& wanted);
  void bring_into_state(PooledConnection& connection);
  void erase(PooledConnection& connection);
  void update_gauges(BackendId backend);
  [[nodiscard]] bool evict_one(Backend& backend);

  EventLoop& loop_;
  const Options options_;
  WorkerMetrics& metrics_;
  const std::function<void(BackendId, bool)> report_;
  const std::function<void(BackendId)> reclaim_;
  std::array<Backend, kBackendsMax> backends_;
  std::unordered_map<const BackendConnection*, std::unique_ptr<PooledConnection>> connections_;
};

}  // namespace consort::proxy
