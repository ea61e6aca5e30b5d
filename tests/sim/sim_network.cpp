#include "tests/sim/sim_network.h"

#include <algorithm>
#include <utility>

namespace consort::sim {

ConnectionPtr SimNetwork::lease(BackendId backend) {
  for (const ConnectionPtr& pooled : pool_) {
    if (pooled->backend_id() == backend && pooled->open()) {
      const ConnectionPtr found = pooled;
      std::erase(pool_, found);
      return found;
    }
  }
  if (!cluster_.backends[backend.value].up()) {
    return nullptr;
  }
  connections_.push_back(std::make_shared<ServerConnection>(cluster_, backend, on_prepared_));
  return connections_.back();
}

std::string SimNetwork::give_back(const ConnectionPtr& connection) {
  if (connection->open() && !connection->clean()) {
    return "a connection is given back with something under way";
  }
  pool_.push_back(connection);
  return {};
}

void SimNetwork::close(const ConnectionPtr& connection, bool lost) {
  if (!connection->closed()) {
    connection->close(lost);
  }
}

void SimNetwork::close_all() {
  pool_.clear();
  for (const ConnectionPtr& connection : connections_) {
    close(connection, cluster_.percent(50));
  }
}

void SimNetwork::step() {
  std::erase_if(connections_, [](const ConnectionPtr& connection) { return !connection->open(); });
  std::erase_if(pool_, [](const ConnectionPtr& connection) { return !connection->open(); });
  const std::size_t from = connections_.empty() ? 0 : cluster_.below(connections_.size());
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    if (connections_[(from + i) % connections_.size()]->step()) {
      return;
    }
  }
}

void SimNetwork::kill(BackendId backend, ConnId id) {
  if (const ConnectionPtr connection = find(backend, id)) {
    connection->kill();
  }
}

void SimNetwork::kill_query(BackendId backend, ConnId id) {
  if (const ConnectionPtr connection = find(backend, id)) {
    connection->kill_query();
  }
}

ConnectionPtr SimNetwork::owner_of(BackendId backend, TrxId trx) const {
  const auto found =
      std::find_if(connections_.begin(), connections_.end(), [&](const ConnectionPtr& connection) {
        return connection->backend_id() == backend && connection->active() == trx;
      });
  return found == connections_.end() ? nullptr : *found;
}

bool SimNetwork::settled() const {
  return std::all_of(connections_.begin(), connections_.end(), [](const ConnectionPtr& connection) {
    return !connection->open() || (!connection->closed() && connection->clean());
  });
}

ConnectionPtr SimNetwork::find(BackendId backend, ConnId id) const {
  const auto found =
      std::find_if(connections_.begin(), connections_.end(), [&](const ConnectionPtr& connection) {
        return connection->backend_id() == backend && connection->id() == id;
      });
  return found == connections_.end() ? nullptr : *found;
}

}  // namespace consort::sim
