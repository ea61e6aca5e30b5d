#include "proxy/user_connections.h"

namespace consort::proxy {

UserConnections::Entry UserConnections::enter(const Account& account,
                                              const std::string& user,
                                              std::size_t general_max) {
  const std::int64_t own_max = account.user_connections_max;
  const std::string name = account.name();
  const MutexLock lock(mutex_);
  const auto found = counts_.find(name);
  const std::size_t others = found == counts_.end() ? 0 : found->second;
  Entry entry;
  // A negative limit lets nobody in, as on a server.
  if (own_max < 0 || (own_max > 0 && others >= static_cast<std::size_t>(own_max))) {
    entry.refusal = protocol::user_limit_reached_error(user, own_max);
    return entry;
  }
  if (own_max == 0 && general_max > 0 && others >= general_max && !account.connection_admin) {
    entry.refusal = protocol::too_many_user_connections_error(user);
    return entry;
  }
  Counts::value_type& count = found == counts_.end() ? *counts_.try_emplace(name).first : *found;
  ++count.second;
  entry.admitted = true;
  entry.place = Place(*this, count);
  return entry;
}

std::size_t UserConnections::size() const {
  const MutexLock lock(mutex_);
  return counts_.size();
}

void UserConnections::leave(Counts::value_type& count) {
  const MutexLock lock(mutex_);
  if (--count.second == 0) {
    counts_.erase(counts_.find(count.first));
  }
}

}  // namespace consort::proxy
