// PooledConnection: one of the pool's connections to a backend, and what is known of its session
// there. Threads: its worker's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "proxy/session/backend_connection.h"
#include "proxy/session/global_settings.h"
#include "proxy/session/state_change.h"
#include "proxy/session/statement_cache.h"

namespace consort::proxy {

class PoolClient;

class PooledConnection {
 public:
  [[nodiscard]] BackendId backend() const { return backend_; }

  [[nodiscard]] BackendConnection& wire() { return *wire_; }

  [[nodiscard]] BackendStatement* statement(std::string_view key) { return statements_.find(key); }

  /// Remembers a prepared statement. When there are too many, the one used longest ago that has no
  /// open cursor is closed.
  void add_statement(std::string_view key, std::uint32_t id);
  void close_statement(std::string_view key);

  /// What the server had applied, at least, when it entered its schema.
  [[nodiscard]] Seqno schema_as_of() const { return state_.schema_as_of; }

  /// What LAST_INSERT_ID() is there; nullopt: unknown.
  [[nodiscard]] std::optional<std::uint64_t> insert_id() const { return insert_id_; }

 private:
  friend class BackendPool;

  void send_statement_close(std::uint32_t id);

  BackendId backend_;
  std::string account_key_;
  std::unique_ptr<BackendConnection> wire_;
  PoolClient* client_ = nullptr;
  ConnectionState state_;
  SettingsAge age_;              ///< of the server's own values in it
  Seqno login_as_of_;            ///< what the server had applied before its login
  std::uint16_t collation_ = 0;  ///< of the login
  bool becoming_ = false;        ///< being brought into another state; else made
  std::optional<std::uint64_t> insert_id_ = 0;
  StatementCache statements_;
  std::size_t statements_max_ = 0;
  std::size_t place_ = 0;  ///< among its backend's open connections
  TimePoint idle_since_;
  TimePoint expires_;
};

}  // namespace consort::proxy
