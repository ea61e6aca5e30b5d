// SessionCore: what one client session does, without I/O. Events in, SessionEffects out.
// One command at a time: the shell gives the next one when idle().
//
//                 command                 leased             reply done
//   kIdle ------------------> kAwaitingBackend -----> kRelaying --------> kIdle
//     ^  |  (applied? lease?)      ^      |               | COMMIT, wrapped write
//     |  |                         +------+               v
//     |  | BEGIN, PING: answered   retry elsewhere    kPreparing -> kCertifying -> (outcome) kIdle
//     |  | at once                                        | nothing changed, ROLLBACK
//     |  +------------------------------------------> kRollingBack -> kIdle
//     |     DDL: kOrdering (wait for its turn) -> kRelaying on the home -> kOrdering -> kIdle
//   kClosing: the client is told or gone; nothing else happens.
//
// How a commit works: docs/life_of_a_commit.md.
// Threads: none; its worker's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "protocol/response_tracker.h"
#include "protocol/sql_error.h"
#include "protocol/statement_map.h"
#include "proxy/session/effects.h"
#include "proxy/session/reply_queue.h"
#include "proxy/session/session_state.h"
#include "proxy/session/transaction.h"
#include "router/router.h"
#include "router/session_traits.h"
#include "router/statement.h"

namespace consort::proxy {

/// One client command, as the packets came.
struct ClientCommand {
  Bytes wire;                 ///< its packets, headers included
  Bytes payload;              ///< joined
  std::uint8_t sequence = 0;  ///< of its last packet
};

/// Whom the session belongs to.
struct SessionOwner {
  std::string definer;             ///< CURRENT_USER(): user@host, for views and routines
  std::uint64_t capabilities = 0;  ///< the client's
  std::string schema;
};

/// Which tables an open branch has used, by hash: small, and in doubt "yes".
class BranchTables {
 public:
  void note(const router::Statement& statement, std::string_view schema);
  [[nodiscard]] bool uses(const DdlTarget& target) const;
  void clear();

 private:
  static constexpr std::size_t kTablesMax = 16;
  std::array<std::uint64_t, kTablesMax> hashes_{};
  std::array<std::uint64_t, kTablesMax> schemas_{};
  std::uint8_t count_ = 0;
  bool any_ = false;
};

enum class SessionPhase : std::uint8_t {
  kIdle,
  kAwaitingBackend,
  kRelaying,
  kPreparing,
  kCertifying,
  kRollingBack,
  kOrdering,
  kClosing
};

[[nodiscard]] std::string_view to_text(SessionPhase phase);

class SessionCore {
 public:
  struct Options {
    std::uint32_t cluster = 0;         ///< for branch names
    std::uint32_t attempts_max = 100;  ///< times a command may be tried on backends
    std::size_t statements_max = 4096;
  };

  SessionCore(SessionEffects& effects, const Options& options);

  /// The client is authenticated (again, after COM_CHANGE_USER).
  void begin(SessionOwner owner);
  /// The same, when a database was named: a home connection proves that the backends let the
  /// account use it, then the client gets its OK (or their error, and is closed). `sequence`: of
  /// that reply.
  void begin_checked(SessionOwner owner, std::uint8_t sequence);
  /// Gives the home connection back when nothing would be lost by it. True when it did.
  bool release_idle_home();
  /// As COM_RESET_CONNECTION: rolls back, forgets all state, gives connections back.
  void reset();

  [[nodiscard]] bool idle() const { return phase_ == SessionPhase::kIdle; }

  /// REQUIRES: idle().
  void on_command(const ClientCommand& command);

  void on_leased(Channel channel, const LeasedConnection& connection);
  void on_lease_failed(Channel channel, const LeaseFailure& failure);
  /// Bytes from a leased connection; returns how many were used. The rest comes again, with more
  /// behind it.
  [[nodiscard]] std::size_t on_backend_read(Channel channel, MutableBytes bytes);
  /// The connection broke. It is no longer leased.
  void on_backend_lost(Channel channel);

  void on_outcome(const BranchOutcome& outcome);
  void on_ddl_turn(const DdlTurn& turn);
  void on_ddl_outcome(const DdlOutcome& outcome);
  /// The lane of the home waits for this session's branch.
  void on_abort_branch();
  /// DDL waits for the tables this session's open branch uses.
  void on_abort_table_users(const std::vector<DdlTarget>& targets);
  void on_applied();
  void on_applied_timeout();
  void on_retry_due();
  /// The client went away. Afterwards nothing is leased.
  void on_client_gone();

  // For the admin port and the shell.
  [[nodiscard]] SessionPhase phase() const { return phase_; }

  [[nodiscard]] const SessionState& state() const { return state_; }

  [[nodiscard]] const SessionOwner& owner() const { return owner_; }

  [[nodiscard]] bool in_transaction() const { return client_in_transaction(); }

  [[nodiscard]] std::optional<BackendId> home() const { return home_; }

  [[nodiscard]] std::uint64_t home_thread() const { return home_held_ ? home_lease_.thread_id : 0; }

  [[nodiscard]] const router::PinSet& pins() const { return pins_; }

  [[nodiscard]] router::StatementKind statement_kind() const { return job_.statement_kind; }

  [[nodiscard]] std::uint64_t statement_digest() const { return job_.digest; }

  [[nodiscard]] bool lent(Channel channel) const {
    return channel == Channel::kHome ? home_held_ : read_held_;
  }

 private:
  /// What is done with the client's command once a connection is there.
  enum class JobKind : std::uint8_t {
    kNone,
    kQuery,
    kPrepare,
    kExecute,
    kOrdered,
    kSnapshot,
    kLogin
  };
  /// What follows a successful end of the transaction.
  enum class AfterCommit : std::uint8_t { kReply, kJob };

  struct Job {
    JobKind kind = JobKind::kNone;
    router::StatementKind statement_kind = router::StatementKind::kEmpty;
    std::uint64_t digest = 0;
    Channel channel = Channel::kHome;
    QueryKind query_kind = QueryKind::kOther;
    bool wrapped = false;       ///< an autocommit write: runs in a branch of its own
    bool needs_branch = false;  ///< runs in the session's transaction
    bool may_write = false;
    bool commit_first = false;  ///< the open transaction is committed before
    bool any_backend = true;    ///< a reader is chosen; else `backend`
    bool one_shot = false;      ///< SET TRANSACTION for the next transaction only
    BackendId backend;
    Seqno at_least;  ///< the reader must have applied this
    router::PinChange pins;
    std::uint32_t statement_id = 0;  ///< of kExecute: the client's
    std::uint32_t attempts = 0;
    bool reader = false;  ///< an autocommit read: it may run on any backend
    bool waited = false;  ///< for freshness, once
    TimePoint began;
  };

  // Commands.
  void on_query(std::string_view sql);
  void on_prepare(std::string_view sql);
  void on_execute(Bytes payload);
  void run_statement(const router::Statement& statement, std::string_view sql, JobKind kind);
  void run_at_home(const router::Statement& statement, JobKind kind);
  void run_anywhere(const router::Statement& statement, const router::Route& route, JobKind kind);
  void run_ordered(const router::Statement& statement, std::string_view sql);
  void run_transaction_control(const router::Statement& statement);
  void begin_transaction(const router::TransactionOptions& options);
  void finish_aborted(const router::Statement& statement);
  [[nodiscard]] router::SessionTraits traits() const;
  [[nodiscard]] router::LexerOptions lexer_options() const;

  // Getting a connection.
  void advance_job();
  bool acquire_home();
  bool acquire_reader();
  void choose_new_home();
  void retry_job();
  [[nodiscard]] bool home_usable();

  // Sending.
  void send_job();
  void send_wrapped(Bytes command);
  void send_in_transaction(Bytes command);
  [[nodiscard]] bool prepare_execute(Bytes& command);
  void expect(Channel channel, ReplyRole role, protocol::Command command);
  Bytes xa_command(std::string_view verb, const BranchId& branch);

  // Replies.
  struct Relay;
  void start_next_reply(Channel channel);
  void on_client_control(Channel channel,
                         const protocol::ResponseTracker::Step& step,
                         MutableBytes packet,
                         Relay& relay);
  void on_client_error(Channel channel,
                       const protocol::ResponseTracker::Step& step,
                       MutableBytes packet,
                       Relay& relay);
  void on_client_done(Channel channel, Relay& relay, bool succeeded);
  void rewrite_ok(const protocol::ResponseTracker::Step& step,
                  MutableBytes packet,
                  Channel channel,
                  Relay& relay);
  void learn(Bytes ok_payload, std::uint64_t capabilities);
  void on_prepare_reply(const protocol::ResponseTracker::Step& step, MutableBytes packet);
  void on_internal_reply(Channel channel,
                         ReplyRole role,
                         const protocol::ResponseTracker::Step& step);
  void on_reprepared(Channel channel, const protocol::ResponseTracker::Step& step);
  void on_prepared(const protocol::ResponseTracker::Step& step);
  void on_setup_failed(const protocol::SqlError& error);
  void on_home_lost(bool awaited);
  void on_read_lost();
  [[nodiscard]] static bool client_tracks(std::string_view variable);
  void note_summary(const protocol::ResponseTracker::Step& step, std::uint64_t capabilities);
  [[nodiscard]] bool answer_row_count(const router::Statement& statement, std::string_view sql);

  // Ending transactions.
  void begin_commit(AfterCommit after);
  void begin_rollback();
  void send_branch_rollback();
  void finish_unchanged(const BranchId& branch);
  [[nodiscard]] bool changed_outside_innodb() const;
  void abandon_branch();
  void commit_succeeded();
  void commit_failed(const protocol::SqlError& error);
  void transaction_over();
  void clean_rollback_only(bool still_active);
  void drop_home();
  void request_order();

  // Answering.
  void reply_ok();
  void answer_held();
  void reply_error(const protocol::SqlError& error);
  void finish_command();
  void close_with(const protocol::SqlError& error);
  [[nodiscard]] std::uint16_t status_bits() const;
  [[nodiscard]] std::uint16_t client_status(std::uint16_t backend_status) const;
  [[nodiscard]] bool client_in_transaction() const;
  [[nodiscard]] std::string statement_key(std::string_view schema, std::string_view sql) const;

  SessionEffects& effects_;
  const Options options_;
  SessionOwner owner_;
  SessionPhase phase_ = SessionPhase::kIdle;
  Job job_;
  Transaction transaction_;
  AfterCommit after_commit_ = AfterCommit::kReply;
  bool chain_ = false;    ///< COMMIT AND CHAIN: begin another
  bool release_ = false;  ///< COMMIT RELEASE: then disconnect

  // The command under way.
  Buffer command_;  ///< its packets: kept until its reply is certain, to run it again elsewhere
  std::uint8_t command_sequence_ = 0;
  Buffer text_command_;         ///< an ordered statement's COM_QUERY when it came prepared
  Buffer execute_;              ///< COM_STMT_EXECUTE made ready for one backend
  bool reply_started_ = false;  ///< the client has seen a part of it
  std::uint8_t reply_sequence_ = 1;
  Buffer held_;  ///< the reply's last packet, kept back until certified
  bool held_is_error_ = false;
  std::uint16_t held_error_code_ = 0;
  std::uint16_t warnings_ = 0;  ///< of the client's statement
  /// What ROW_COUNT() must say where the home connection would say otherwise: its last statement
  /// was ours, or the client's ran elsewhere.
  std::optional<std::int64_t> row_count_;
  std::size_t relay_offset_ = 0;  ///< of the packet at hand in the bytes read

  // Connections.
  std::optional<BackendId> home_;
  bool home_held_ = false;
  bool read_held_ = false;
  bool home_tainted_ = false;  ///< a KILL QUERY may still be on its way to it
  bool read_lingers_ = false;  ///< kept for SHOW WARNINGS
  LeasedConnection home_lease_;
  LeasedConnection read_lease_;
  ReplyQueue replies_[2];
  protocol::ResponseTracker trackers_[2];
  bool tracking_[2] = {false, false};

  // The session.
  SessionState state_;
  router::PinSet pins_;
  bool autocommit_ = true;
  bool one_shot_transaction_ = false;
  bool abort_requested_ = false;
  std::uint32_t abort_asks_ = 0;  ///< how often DDL has waited for the open branch
  Seqno last_seqno_;
  Seqno last_seen_at_prepare_;
  Seqno ddl_seqno_;
  bool ddl_succeeded_ = false;
  protocol::StatementMap statements_;
  std::unordered_map<std::uint32_t, std::string> statement_schemas_;
  std::string preparing_sql_;
  std::string statement_key_;
  Buffer execute_payload_;
  Buffer spliced_;
  DdlRequest ordered_;
  TransactionTraits snapshot_traits_;
  TransactionTraits chain_traits_;
  protocol::Command sent_command_ = protocol::Command::kQuery;
  Buffer scratch_;
  Buffer xa_buffer_;
  BranchTables branch_tables_;
};

}  // namespace consort::proxy
