// ClusterView: an immutable snapshot of everything that routing and login need to know.
// The control thread publishes a new one at each change; workers and the commit thread keep the
// latest shared_ptr. AppliedPositions beside it changes with every commit and is atomic.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "healthcheck/backend_state.h"
#include "proxy/known_sequences.h"
#include "proxy/locked_table_filter.h"
#include "router/lexer_options.h"

namespace consort::proxy {

class AccountSet;

/// How fresh an autocommit read must be. Eventual: any online backend. Session: one that has
/// applied the last commit this session saw. Strong: one that has applied the newest commit in the
/// log.
enum class ReadConsistency : std::uint8_t { kEventual, kSession, kStrong };

struct BackendView {
  BackendId id;
  std::string name;
  std::string host;
  std::uint16_t port = 0;
  healthcheck::BackendState state = healthcheck::BackendState::kUnknown;
  std::uint32_t weight = 1;           ///< share of reads and of new homes, 0 = none
  std::string reason;                 ///< why it is not online, for people
  std::string server_version;         ///< as its greeting says; empty until seen
  std::uint64_t connections_max = 0;  ///< its max_connections; 0: not known
};

/// A backend's new share.
struct BackendWeight {
  BackendId backend;
  std::uint32_t weight = 0;
};

/// Global variables by name, such as Consort heeds itself.
using KeptGlobals = std::map<std::string, std::string, std::less<>>;
inline constexpr std::string_view kWaitTimeout = "wait_timeout";
inline constexpr std::string_view kInteractiveTimeout = "interactive_timeout";
inline constexpr std::string_view kSqlModeName = "sql_mode";
inline constexpr std::string_view kTxReadOnly = "tx_read_only";
inline constexpr std::string_view kMaxPasswordErrors = "max_password_errors";
/// No server has these: they are what clients have SET GLOBAL max_connections and read_only to.
inline constexpr std::string_view kOwnMaxConnections = "consort_max_connections";
inline constexpr std::string_view kOwnReadOnly = "consort_read_only";
/// What they have SET GLOBAL event_scheduler to: the servers' own stay off.
inline constexpr std::string_view kOwnEventScheduler = "consort_event_scheduler";
/// What clients have SET GLOBAL init_connect to: on the servers it would run on connections that
/// sessions share.
inline constexpr std::string_view kOwnInitConnect = "consort_init_connect";

/// Of a value of a variable that is ON or OFF.
[[nodiscard]] constexpr bool is_on(std::string_view value) {
  return value == "1" || value == "ON";
}

struct ClusterView {
  std::uint64_t version = 0;
  std::vector<BackendView> backends;  ///< index = BackendId::value
  std::shared_ptr<const AccountSet> accounts;
  Seqno accounts_as_of;  ///< they hold every change of accounts up to this entry
  ReadConsistency read_consistency = ReadConsistency::kSession;
  /// A view may call one that writes. True as long as a backend has not said otherwise.
  bool stored_functions = true;
  /// Some table may have a trigger. True as long as a backend has not said otherwise.
  bool triggers = true;
  bool maps_collations = false;  ///< some server's character_set_collations is not empty
  bool mysql = false;            ///< some server is MySQL: what only MariaDB has is refused
  bool mariadb = false;          ///< some server is MariaDB: what only MySQL has is not offered
  /// How a session that has set nothing yet is to be read.
  router::LexerOptions lexer;
  bool read_affinity = true;              ///< a session's reads stay where its last one ran
  std::uint32_t read_wait_ms_max = 1000;  ///< how long a read waits for a fresh enough backend
  std::string server_version;             ///< what Consort's own greeting says
  std::uint8_t default_collation = 45;    ///< of the greeting: utf8mb4_general_ci
  /// The servers look for their clients' names (skip_name_resolve=OFF): a list of connections shows
  /// who is on the same machine as localhost.
  bool resolves_names = false;
  /// Some server has skip_name_resolve=ON, or may have: it forgets accounts whose host is a name.
  bool forgets_accounts = true;
  /// What clients have SET GLOBAL max_allowed_packet to; 0: nothing.
  std::uint64_t packet_bytes_max = 0;
  /// What clients have SET GLOBAL of what Consort heeds, and the servers' interactive_timeout,
  /// max_password_errors, sql_mode and session_track_*.
  KeptGlobals kept_globals;
};

/// Positions that the commit thread publishes and everybody reads.
struct AppliedPositions {
  /// Seqno up to which a backend has committed everything, by BackendId.
  std::array<std::atomic<std::uint64_t>, kBackendsMax> applied{};
  /// How often a backend's lane has begun anew, as after a crash. What a branch claims to have
  /// seen, and that it is still prepared, holds only while this stays the same: read it before
  /// `applied`.
  std::array<std::atomic<std::uint32_t>, kBackendsMax> lane_generations{};
  /// The newest entry whose branch on its home, a backend, was or will be rolled back, to be
  /// applied from the log instead. Written before that.
  std::array<std::atomic<std::uint64_t>, kBackendsMax> newest_replays{};
  /// Newest seqno that clients were or may have been told of.
  std::atomic<std::uint64_t> head{0};
  /// The newest entry that changed accounts or rights. Written before its client hears of it.
  std::atomic<std::uint64_t> accounts_changed{0};
  /// The newest entry that may have given a schema another default collation. Written before its
  /// turn comes anywhere.
  std::atomic<std::uint64_t> schemas_changed{0};
  /// Counts up when procedures may have changed: what was said of them before holds no more.
  std::atomic<std::uint64_t> routines{1};
  /// On which tables somebody may hold LOCK TABLES.
  LockedTableFilter locked_tables;
  KnownSequences sequences;
  /// Programs that commit by themselves have made stored functions, triggers, or may at any moment.
  std::atomic<bool> functions_made{false};
  std::atomic<bool> triggers_made{false};
  /// ClusterView::forgets_accounts, for those without a view.
  std::atomic<bool> accounts_forgotten{true};

  void note_made(bool function, bool trigger) {
    if (function) {
      functions_made.store(true, std::memory_order_release);
    }
    if (trigger) {
      triggers_made.store(true, std::memory_order_release);
    }
  }
};

}  // namespace consort::proxy
