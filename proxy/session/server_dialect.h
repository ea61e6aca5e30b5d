// ServerDialect: Consort's own statements on a session's connections where MariaDB and MySQL need
// different ones. What a client sends is never translated.
// Threads: any; constants.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/server_kind.h"

namespace consort::proxy {

struct ServerDialect {
  /// The server takes its own values for the next transaction.
  std::string_view renew_transaction_settings;
  /// A read in a branch that opens its snapshot, with any account's rights.
  std::string_view open_snapshot;
  /// Succeeds only where the connection tells of every variable, and of every branch that is in the
  /// binlog: a switch can be no 2 (1231).
  std::string_view ask_told;
  /// From then on it tells of everything, whatever a program has set on it.
  std::string_view tell_everything;
  /// Lets the lock of an ordered statement go, which ddl_turn_fence() has taken.
  std::string_view ddl_release;
  /// Lets the session's clock run again, which ddl_turn_fence() has stopped.
  std::string_view ddl_clock;
  /// Does nothing (to a cache that is off, to no table), but needs the right that FLUSH TABLES WITH
  /// READ LOCK needs.
  std::string_view flush_right_probe;
};

[[nodiscard]] const ServerDialect& dialect_of(ServerKind kind);

/// In front of an ordered statement (certifier/ddl_fence.h). `timestamp`: what the session's clock
/// shows from then on; empty: as it was.
[[nodiscard]] std::string ddl_turn_fence(ServerKind kind, Seqno seqno, std::string_view timestamp);

/// Statements for a fresh connection, which must all succeed; which of them is known when the
/// server has greeted.
struct ConnectionSetup {
  std::vector<std::string> mariadb;
  std::vector<std::string> mysql;

  [[nodiscard]] const std::vector<std::string>& of(ServerKind kind) const {
    return kind == ServerKind::kMysql ? mysql : mariadb;
  }
};

}  // namespace consort::proxy
