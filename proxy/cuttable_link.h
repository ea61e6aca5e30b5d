// CuttableLink: the connection on which a thread of Consort's own executes what takes its time, as
// others see it who must end that: its branch is rolled back with it. And what session tracking
// told on it. Threads: the owner's mutex guards a CuttableLink.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/ids.h"
#include "healthcheck/server_link.h"

namespace consort::proxy {

class CuttableLink {
 public:
  /// Ends a connection of a server, whatever it executes. Does not block.
  using Kill = std::function<void(BackendId, std::uint64_t thread)>;

  /// `link` is connected to a server, and may be cut off from now on.
  void set(BackendId at, healthcheck::ServerLink& link);

  /// It may not be cut off any more: its socket's number may be another's soon.
  void forget() { socket_ = -1; }

  [[nodiscard]] bool may_be_cut() const { return socket_ >= 0; }

  /// Where it is, or was last; and the server's number of it.
  [[nodiscard]] BackendId at() const { return at_; }

  [[nodiscard]] std::uint64_t thread() const { return thread_; }

  /// Closing it is not enough: the server would execute what it executes to the end.
  void cut(const Kill& kill);

 private:
  BackendId at_;
  std::uint64_t thread_ = 0;
  int socket_ = -1;
};

/// Did the last statement on it, an XA PREPARE, write to the binlog? Session tracking says
/// so. nullopt: it tells of another variable, as MariaDB 11.8.9 does in that one's place.
[[nodiscard]] std::optional<bool> told_of_changes(healthcheck::ServerLink& link);

}  // namespace consort::proxy
