// SessionEffects: everything a SessionCore can make happen. The core decides and calls; the shell
// (Session) performs on libuv; tests record.
// A call never calls back into the core before the core's own method has returned, except where it
// says so.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/server_kind.h"
#include "protocol/sql_error.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/metrics.h"
#include "proxy/session/kill.h"
#include "proxy/session/kill_ticket.h"
#include "proxy/session/process_list.h"
#include "proxy/session/user_lock_home.h"
#include "router/classification_cache.h"
#include "router/lexer_options.h"

namespace consort::proxy {

/// The two backend connections a session may hold. Home: where its transactions run and its session
/// state lives, kept until somebody else needs it (yield()). Read: leased for one autocommit read
/// (I2: while a transaction is open only the home is held).
enum class Channel : std::uint8_t { kHome, kRead };

/// What a lease gives the core to know.
struct LeasedConnection {
  BackendId backend;
  std::uint64_t thread_id = 0;     ///< the server's connection id: for KILL
  std::uint64_t capabilities = 0;  ///< in force on this connection
  std::string isolation;           ///< its level, "REPEATABLE-READ"; a session may have set another
  std::optional<std::uint64_t> insert_id = 0;  ///< its LAST_INSERT_ID(); nullopt: unknown
  Seqno schema_as_of = {};                     ///< PooledConnection::schema_as_of()
  ServerKind kind = ServerKind::kMariadb;      ///< its server's
  bool forgets_warnings = false;  ///< of a statement, at the XA END or PREPARE behind it
};

/// A client's prepared statement.
struct StatementOwner {
  SessionId session;
  std::uint32_t client_id = 0;
  friend bool operator==(const StatementOwner&, const StatementOwner&) = default;
};

/// A statement that a backend connection has prepared.
struct BackendStatement {
  std::uint32_t id = 0;
  /// Who bound its parameter types last: another binder must send its types again.
  std::optional<StatementOwner> types_owner = std::nullopt;
  std::uint64_t types_version = 0;
  bool has_cursor = false;     ///< its rows wait to be fetched
  bool has_long_data = false;  ///< or an error of such: COM_STMT_RESET must come before other use
  /// Parameters that were bound as a number, date or time since it was prepared; empty: none. The
  /// server then takes long data for such a value (PreparedStatements::long_data_spoils()).
  std::vector<bool> bound_as_other_than_text = {};
  /// Of each parameter the type that it was bound with first since it was prepared, two bytes;
  /// empty: none was. MySQL converts later values to it (PreparedStatements::types_spoil()).
  Buffer first_types = {};
};

/// Why no connection could be leased.
struct LeaseFailure {
  protocol::SqlError error;
  bool retryable = false;  ///< another backend, or this one later, may do
};

class SessionEffects {
 public:
  SessionEffects() = default;
  SessionEffects(const SessionEffects&) = delete;
  SessionEffects& operator=(const SessionEffects&) = delete;
  virtual ~SessionEffects() = default;

  // To the client.
  virtual void send_client(std::initializer_list<Bytes> pieces) = 0;
  /// Closes when what was sent has left.
  virtual void close_client() = 0;
  /// begin_checked() has failed after COM_CHANGE_USER: the client stays who it was, and hears
  /// `error`, packet `sequence` of the command's reply, a while later.
  virtual void deny_change(const protocol::SqlError& error, std::uint8_t sequence) = 0;
  /// Clients have SET GLOBAL read_only.
  [[nodiscard]] virtual bool read_only() = 0;
  /// Clients have SET GLOBAL event_scheduler.
  [[nodiscard]] virtual bool runs_events() = 0;

  /// What they have SET GLOBAL init_connect to; empty: nothing. The view lives until the next
  /// event.
  [[nodiscard]] virtual std::string_view init_connect() { return {}; }

  /// And the client's account has no right to write nevertheless.
  [[nodiscard]] virtual bool may_only_read() = 0;
  /// GlobalSettings::first_settings(). `capabilities`: with which the client logs in; 0: it does
  /// not.
  [[nodiscard]] virtual KeptGlobals first_settings(std::uint64_t capabilities) = 0;

  // Backend connections.
  /// Asks for a connection to `backend` in the session's present state. Answers with on_leased() or
  /// on_lease_failed(), possibly inside this call.
  virtual void lease(Channel channel, BackendId backend) = 0;
  /// Gives a connection back (or takes back the wish for one). Not `reusable`: it is closed.
  virtual void release(Channel channel, bool reusable) = 0;
  virtual void send_backend(Channel channel, std::initializer_list<Bytes> pieces) = 0;

  /// Packets of a file that the home has asked for, amid its command.
  virtual void send_file(std::initializer_list<Bytes> pieces) {
    send_backend(Channel::kHome, pieces);
  }

  // Prepared statements of a leased connection, by schema and text.
  /// nullptr: not prepared there. The pointer dies with the next call that changes the connection.
  virtual BackendStatement* backend_statement(Channel channel, std::string_view key) = 0;
  virtual void add_backend_statement(Channel channel, std::string_view key, std::uint32_t id) = 0;
  /// Nothing happens when it is not prepared there.
  virtual void close_backend_statement(Channel channel, std::string_view key) = 0;

  // Choosing backends, from the latest ClusterView.
  struct Choice {
    bool found = false;
    BackendId backend;
    std::string reason;  ///< when none was found
  };

  /// The least loaded serving backend whose applied position is at least `at_least`.
  virtual Choice choose_reader(Seqno at_least) = 0;
  /// Where a session should make its home now.
  virtual Choice choose_home() = 0;
  /// The backend a hint names; not found: no such name, or it does not serve.
  virtual Choice choose_named(std::string_view name) = 0;
  [[nodiscard]] virtual bool serves(BackendId backend) = 0;
  /// Serves, or drains: a session may stay where it is but not come.
  [[nodiscard]] virtual bool tolerates(BackendId backend) = 0;
  [[nodiscard]] virtual Seqno applied(BackendId backend) = 0;
  /// A serving backend that has not applied `seqno`; nullopt: there is none.
  [[nodiscard]] virtual std::optional<BackendId> behind(Seqno seqno) = 0;
  /// AppliedPositions::lane_generations: read before applied().
  [[nodiscard]] virtual std::uint32_t lane_generation(BackendId backend) = 0;
  /// AppliedPositions::newest_replays.
  [[nodiscard]] virtual Seqno newest_replay(BackendId backend) = 0;
  [[nodiscard]] virtual Seqno head() = 0;
  /// AppliedPositions::locked_tables.
  [[nodiscard]] virtual const LockedTableFilter& locked_tables() = 0;
  /// AppliedPositions::sequences.
  [[nodiscard]] virtual KnownSequences& sequences() = 0;
  /// GlobalSettings::seen().
  [[nodiscard]] virtual Seqno globals_seen() = 0;
  /// What a session that begins must see of the log: GlobalSettings::changed_at(), its account.
  [[nodiscard]] virtual Seqno globals_changed_at() = 0;
  /// GlobalSettings::schemas_changed().
  [[nodiscard]] virtual Seqno schemas_changed() = 0;
  [[nodiscard]] virtual ReadConsistency read_consistency() = 0;
  /// Of a session that has set nothing.
  [[nodiscard]] virtual router::LexerOptions default_lexer_options() = 0;
  /// A view may call a stored function.
  [[nodiscard]] virtual bool stored_functions() = 0;
  /// The session will define a stored function: from now on there is one, for all sessions.
  virtual void note_stored_function() = 0;
  /// Some table may have a trigger.
  [[nodiscard]] virtual bool triggers() = 0;
  virtual void note_trigger() = 0;

  /// ClusterView::mysql.
  [[nodiscard]] virtual bool mysql() { return false; }

  /// ClusterView::maps_collations.
  [[nodiscard]] virtual bool maps_collations() { return false; }

  /// The client has reset its session, which had `collation` of its login: the one from then on, on
  /// backend connections, too. A MySQL server gives its own then, MariaDB that of the login.
  [[nodiscard]] virtual std::uint16_t reset_collation(std::uint16_t collation) { return collation; }

  /// ClusterView::forgets_accounts.
  [[nodiscard]] virtual bool forgets_accounts() = 0;

  /// FLUSH PRIVILEGES.
  virtual void note_privileges_flushed() {}

  /// What is to be done with a CALL of the procedure; nullopt: the commit thread tells.
  [[nodiscard]] virtual std::optional<CallKnowledge> known_call(std::string_view schema,
                                                                std::string_view name) = 0;
  /// Where user locks are taken now; nullopt: no backend serves.
  [[nodiscard]] virtual std::optional<UserLockHome::Place> user_lock_home() = 0;
  /// This session holds user locks from now on (+1), or none any more (-1).
  virtual void count_user_lock_holder(int change) = 0;
  /// Ends in on_applied() when `backend` (or any serving backend, when `any`: then `backend` is the
  /// one that shall hurry) has applied `seqno`, or in on_applied_timeout().
  virtual void wait_applied(BackendId backend, bool any, Seqno seqno) = 0;
  /// Microseconds since 1970.
  [[nodiscard]] virtual std::uint64_t wall_clock_us() = 0;
  /// Ends in on_retry_due().
  virtual void retry_after(std::chrono::milliseconds delay) = 0;
  /// Takes back what the core waits for: a lease, wait_applied(), retry_after().
  virtual void stop_waiting() = 0;

  // The commit thread.
  [[nodiscard]] virtual BranchId next_branch() = 0;
  /// False when its mailbox is full: the request was not taken. Only for one that starts_work().
  [[nodiscard]] virtual bool post_commit(CommitRequest request) = 0;
  [[nodiscard]] virtual SessionId session_id() const = 0;
  /// Ends the statement that a backend connection runs. Takes its time: `ticket` says how far it
  /// has come.
  virtual void kill_query(BackendId backend, std::uint64_t thread_id, KillTicket ticket) = 0;
  /// Ends a backend connection that nobody will use again.
  virtual void kill_connection(BackendId backend, std::uint64_t thread_id) = 0;
  /// Ends in on_kill_answer(). False: there can be no such connection.
  [[nodiscard]] virtual bool post_kill(const KillOrder& order) = 0;

  /// Ends in on_sessions(), after the call. `with_states`: the servers are asked what the state of
  /// running statements is.
  virtual void list_sessions(bool with_states) = 0;
  /// As the client logged in.
  [[nodiscard]] virtual std::string_view user() = 0;

  [[nodiscard]] virtual WorkerMetrics& metrics() = 0;
  /// Of prepared statements, the worker's sessions' together.
  [[nodiscard]] virtual router::ClassificationCache& classifications() = 0;
};

}  // namespace consort::proxy
