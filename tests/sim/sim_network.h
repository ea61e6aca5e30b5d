// SimNetwork: all connections between sessions and servers, and the pool of those that nobody uses
// at the moment. It outlives the proxy: what was sent is executed although the sender is gone.
// Threads: none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/cluster.h"
#include "tests/sim/server_connection.h"

namespace consort::sim {

using ConnectionPtr = std::shared_ptr<ServerConnection>;

class SimNetwork {
 public:
  SimNetwork(Cluster& cluster, PreparedHook on_prepared)
      : cluster_(cluster), on_prepared_(std::move(on_prepared)) {}

  /// A pooled connection or a new one; null when the server is down.
  [[nodiscard]] ConnectionPtr lease(BackendId backend);

  /// Back into the pool. What is wrong with it, or empty.
  [[nodiscard]] std::string give_back(const ConnectionPtr& connection);

  /// The proxy's end is closed. `lost`: what the server has not executed never arrives.
  void close(const ConnectionPtr& connection, bool lost);

  /// The proxy ended: none of its connections is used any more.
  void close_all();

  /// One connection executes a bit.
  void step();

  /// KILL [QUERY].
  void kill(BackendId backend, ConnId id);
  void kill_query(BackendId backend, ConnId id);

  /// The connection on which `trx` is active; null: none of ours.
  [[nodiscard]] ConnectionPtr owner_of(BackendId backend, TrxId trx) const;

  /// No server has anything to do.
  [[nodiscard]] bool settled() const;

 private:
  [[nodiscard]] ConnectionPtr find(BackendId backend, ConnId id) const;

  Cluster& cluster_;
  PreparedHook on_prepared_;
  std::vector<ConnectionPtr> connections_;
  std::vector<ConnectionPtr> pool_;
};

}  // namespace consort::sim
