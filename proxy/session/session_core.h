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
//     |     LOAD DATA LOCAL: kRelaying asks for the file; kDraining when nobody wants it any more
//     |     KILL: kAskingOthers (the other session's worker carries it out) -> kIdle
//     |     SHOW PROCESSLIST: kAskingOthers (every worker lists its sessions) -> kIdle
//     |     CALL of what is not known: kAskingOthers (the commit thread tells)
//     |     DDL: kOrdering (wait for its turn) -> kRelaying on the home -> kOrdering -> kIdle
//     |     LOCK TABLES, or others' locks: kAwaitingTables -> kAwaitingBackend, as it was to be
//   kClosing: the client is told or gone; nothing else happens.
//
// How a commit works: docs/life_of_a_commit.md.
// Threads: none; its worker's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/rare.h"
#include "protocol/messages.h"
#include "protocol/response_tracker.h"
#include "protocol/sql_error.h"
#include "proxy/session/branch_tables.h"
#include "proxy/session/channel_lease.h"
#include "proxy/session/client_tracking.h"
#include "proxy/session/create_select.h"
#include "proxy/session/diagnostics.h"
#include "proxy/session/effects.h"
#include "proxy/session/found_rows.h"
#include "proxy/session/global_question.h"
#include "proxy/session/held_commits.h"
#include "proxy/session/held_reply.h"
#include "proxy/session/insert_id.h"
#include "proxy/session/kill.h"
#include "proxy/session/kill_ticket.h"
#include "proxy/session/multi_statement.h"
#include "proxy/session/named_set.h"
#include "proxy/session/next_transaction.h"
#include "proxy/session/ordered_statement.h"
#include "proxy/session/own_result.h"
#include "proxy/session/own_table_locks.h"
#include "proxy/session/prepared_statements.h"
#include "proxy/session/reply_queue.h"
#include "proxy/session/server_dialect.h"
#include "proxy/session/session_job.h"
#include "proxy/session/session_state.h"
#include "proxy/session/status_counters.h"
#include "proxy/session/taken_numbers.h"
#include "proxy/session/text_statements.h"
#include "proxy/session/transaction.h"
#include "proxy/session/transaction_tracker.h"
#include "proxy/session/user_locks.h"
#include "proxy/session/user_variables.h"
#include "router/account_name.h"
#include "router/altered_rows.h"
#include "router/lock_list.h"
#include "router/own_tracking.h"
#include "router/prepared_text.h"
#include "router/program_scan.h"
#include "router/router.h"
#include "router/session_traits.h"
#include "router/session_values.h"
#include "router/statement.h"
#include "router/temporary_tables.h"

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
  std::uint16_t collation = 45;     ///< that the client named: its character set
  std::uint32_t connection_id = 0;  ///< what CONNECTION_ID() is
  bool password_expired = false;    ///< the servers let it do nothing but SET PASSWORD
};

enum class SessionPhase : std::uint8_t {
  kIdle,
  kAwaitingBackend,
  kAwaitingTables,
  kRelaying,
  kPreparing,
  kCertifying,
  kRollingBack,
  kOrdering,
  kAskingOthers,
  kDraining,
  kClosing
};

[[nodiscard]] std::string_view to_text(SessionPhase phase);

class SessionCore {
 public:
  struct Options {
    std::uint32_t cluster = 0;         ///< for branch names
    std::uint32_t attempts_max = 100;  ///< times a command may be tried on backends
    std::size_t statements_max = 4096;
    router::RouterPolicy policy;
    std::size_t long_data_bytes_max = 64 << 20;  ///< of COM_STMT_SEND_LONG_DATA, not executed yet
    std::uint32_t sequence_increment_max = 1;    ///< SequencesConfig::increment_max
    std::uint32_t sequence_step = 1;             ///< certifier::SequenceSteps::step
    bool statements_time_out = false;            ///< after limits.query_timeout_ms
    /// Times an autocommit statement that lost a conflict runs again before its client hears of it.
    std::uint32_t autocommit_retries = 0;
    std::uint32_t server_connections_min = 200;  ///< that a server must allow Consort, at the least
  };

  SessionCore(SessionEffects& effects, const Options& options);

  /// The client is authenticated (again, after COM_CHANGE_USER).
  void begin(SessionOwner owner);
  /// The same, when a database was named: a home connection proves that the backends let the
  /// account use it, then the client gets its OK (or their error, and is closed; after
  /// COM_CHANGE_USER it stays who it was: SessionEffects::deny_change()). `sequence`: of that
  /// reply.
  void begin_checked(SessionOwner owner, std::uint8_t sequence);
  /// Others wait for the connection: gives it back, now or when LAST_INSERT_ID() is known (true),
  /// unless the session needs it. `keeps_diagnostics`: what SHOW WARNINGS would say is needed, too.
  bool yield(Channel channel, bool keeps_diagnostics);
  /// Its home takes no more sessions: the next statement looks for another one, unless something
  /// binds this one.
  void leave_home();
  /// As COM_RESET_CONNECTION: rolls back, forgets all state, gives connections back.
  void reset();

  /// As if the client had sent `sql` in a COM_QUERY, several statements perhaps. REQUIRES: idle().
  void run_text(std::string_view sql);

  /// Nothing is under way; the client's next command may come.
  [[nodiscard]] bool idle() const { return phase_ == SessionPhase::kIdle && !more_to_run(); }

  /// Those of the client's command that is, or was, under way.
  [[nodiscard]] const protocol::QueryAttributes& query_attributes() const { return attributes_; }

  /// REQUIRES: idle().
  void on_command(const ClientCommand& command);

  /// The accounts that it has made or changed, its rights aside from roles; none unless it has
  /// succeeded.
  [[nodiscard]] std::vector<router::AccountName> renewed_accounts() const;

  /// One statement of several in a query has ended, or a step of one that has several, and the next
  /// is to be run: by on_next_statement(), after whatever core event led here.
  [[nodiscard]] bool next_statement_due() const {
    return phase_ == SessionPhase::kIdle && more_to_run();
  }

  /// REQUIRES: next_statement_due().
  void on_next_statement();

  /// The ordered statement that runs, or ran last, changes accounts or rights.
  [[nodiscard]] bool changes_accounts() const { return ordered_.changes_accounts; }

  /// The client was asked for its file (LOAD DATA LOCAL): what it sends goes to on_file_packet().
  [[nodiscard]] bool wants_file() const { return file_.wanted; }

  /// The number that the file's next packet must have.
  [[nodiscard]] std::uint8_t file_sequence() const { return file_.sequence; }

  /// One packet of the file, as it came. REQUIRES: wants_file().
  void on_file_packet(Bytes wire, std::uint8_t sequence);

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
  /// A SET GLOBAL of whatever session is decided: this one keeps the values it has.
  void on_globals_changed(const GlobalsChanged& changed);
  void on_kill_answer(KillVerdict verdict);
  /// All workers' sessions: the answer to SessionEffects::list_sessions().
  void on_sessions(std::vector<ProcessRow> rows);

  /// The client's commands so far, also those that are a part of one; counts in 32 bits.
  [[nodiscard]] std::uint32_t command_number() const { return command_number_; }

  /// Fills in what a list of sessions says of this one's client and command.
  void describe(ProcessRow& row, TimePoint now);
  /// KILL QUERY of this session: what its client waits for ends with 1317, unless it is a commit or
  /// DDL.
  void on_kill_query();
  /// KILL of this session: what it has running on backends ends. The shell closes the client.
  void on_kill_connection();
  /// The lane of the home waits for this session's branch.
  void on_abort_branch();
  /// The transaction has lasted longer than allowed: it is rolled back, and the statement under
  /// way, or the client's next one, fails with 1613. A commit under way goes on.
  void on_transaction_too_long();

  /// When the transaction's first statement went to its home; nullopt: nothing is there.
  [[nodiscard]] std::optional<TimePoint> transaction_since() const {
    return transaction_.on_backend() && !job_.wrapped ? std::optional(transaction_began_)
                                                      : std::nullopt;
  }

  /// DDL waits for the tables this session's open branch uses.
  void on_abort_table_users(const std::vector<DdlTarget>& targets);
  void on_table_answer(const TableAnswer& answer);
  void on_call_answer(const CallAnswer& answer);
  /// Of another session.
  void on_tables_locked(const TablesLocked& locked);
  void on_applied();
  void on_applied_timeout();
  void on_retry_due();
  /// The client went away. Afterwards nothing is leased. `aborted`: by KILL or by a time limit: its
  /// servers count it, too.
  void on_client_gone(bool aborted = false);

  // For the admin port and the shell.
  [[nodiscard]] SessionPhase phase() const { return phase_; }

  [[nodiscard]] const SessionState& state() const { return state_; }

  [[nodiscard]] const SessionOwner& owner() const { return owner_; }

  [[nodiscard]] bool in_transaction() const { return client_in_transaction(); }

  [[nodiscard]] std::optional<BackendId> home() const { return home_; }

  [[nodiscard]] std::uint64_t home_thread() const {
    return home_lease_.held() ? home_lease_.connection().thread_id : 0;
  }

  [[nodiscard]] const router::PinSet& pins() const { return pins_; }

  [[nodiscard]] router::StatementKind statement_kind() const { return job_.statement_kind; }

  [[nodiscard]] std::uint64_t statement_digest() const { return job_.digest; }

  /// What the home connection leaves behind: BackendPool::Return.
  [[nodiscard]] bool home_has_traces() const {
    return home_has_traces_ || next_transaction_.pending();
  }

  [[nodiscard]] std::optional<std::uint64_t> home_insert_id() const {
    return insert_id_.said_at_home();
  }

  /// `pieces` are on their way to a backend: whole packets, whose replies are expected.
  void note_sent(Channel channel, std::initializer_list<Bytes> pieces);

  [[nodiscard]] bool awaits_reply(Channel channel) const {
    return (channel == Channel::kHome ? home_lease_ : read_lease_).owes_reply();
  }

  [[nodiscard]] bool lent(Channel channel) const {
    return (channel == Channel::kHome ? home_lease_ : read_lease_).held();
  }

 private:
  /// What follows a successful end of the transaction.
  enum class AfterCommit : std::uint8_t { kReply, kJob };

  class Relay;
  using ResponseStep = protocol::ResponseTracker::Step;

  /// Whatever completion_type the session has.
  static constexpr std::string_view kPlainCommit = "COMMIT AND NO CHAIN NO RELEASE";
  static constexpr std::string_view kPlainRollback = "ROLLBACK AND NO CHAIN NO RELEASE";

  void note_first_settings(std::uint64_t capabilities);

  // Commands: session_commands.cpp.
  void begin_command();
  [[nodiscard]] std::optional<protocol::SqlError> take_attributes(Bytes payload, Buffer& plain);
  void run_command(Bytes payload);
  void on_query(std::string_view sql);
  void run_query(std::string_view sql, const router::Statement& statement);
  // Warnings that were asked for in time: session_diagnostics.cpp.
  [[nodiscard]] std::optional<DiagnosticsCount> told_count() const;
  [[nodiscard]] bool answer_own_diagnostics(std::string_view sql);
  // Sequences (session_sequences.cpp).
  [[nodiscard]] std::optional<std::string> with_shared_sequence(std::string_view sql,
                                                                const router::Statement& statement,
                                                                protocol::Command kind);
  [[nodiscard]] std::string sequence_refusal(const router::Statement& statement,
                                             std::string_view sql,
                                             bool prepared);
  [[nodiscard]] std::string definition_refusal(const router::Statement& statement,
                                               std::string_view sql,
                                               bool prepared);
  // Accounts whose host is a name (session_accounts.cpp).
  [[nodiscard]] std::string account_refusal(const router::Statement& statement,
                                            std::string_view sql);
  [[nodiscard]] bool may_not_name(bool names_host);
  [[nodiscard]] bool touches_definition(const router::Statement& statement) const;
  [[nodiscard]] bool is_sequence(const router::TableRef& table) const;
  void note_sequences(const router::Statement& statement);
  void forget_sequences();

  [[nodiscard]] std::optional<std::string> with_own_values(std::string_view sql,
                                                           const router::Statement& statement,
                                                           protocol::Command kind);
  void replace_command(std::string_view sql, protocol::Command kind);
  void show_as(std::string_view sql);
  void on_prepare(std::string_view sql);
  void on_execute(Bytes payload);
  [[nodiscard]] protocol::ClientStatement* bind_execution(Bytes payload);
  void run_statement(const router::Statement& statement, std::string_view sql, JobKind kind);
  void run_prepared();
  void run_statement_again();
  void finish_aborted(const router::Statement& statement);
  [[nodiscard]] bool answer_row_count(const router::Statement& statement, std::string_view sql);

  // Several statements in one query: session_multi.cpp.
  void run_next_statement();
  void run_unseparated(std::string_view sql, const router::Statement& first, JobKind kind);
  void set_option(Bytes argument);

  // Cursors: session_cursor.cpp.
  void on_fetch(Bytes payload);
  void on_statement_close(Bytes payload);
  void on_statement_reset(Bytes payload);
  void note_cursor(const protocol::ResponseTracker::Step& step);
  void keep_cursor();
  void close_cursor(std::uint32_t client_id);
  void pin_cursors();
  [[nodiscard]] bool passes_cursor() const;

  // Commands that are no SQL: session_server_commands.cpp.
  void on_server_command(protocol::Command kind, Bytes argument);
  void run_command_at_home(const router::Statement& statement);

  // Status counters: session_counters.cpp.
  void on_status(Channel channel, const ResponseStep& step);

  // Their ways: session_routes.cpp.
  void run_at_home(const router::Statement& statement, JobKind kind);
  void run_anywhere(const router::Statement& statement, const router::Route& route, JobKind kind);
  void run_ordered(const router::Statement& statement, std::string_view sql);
  void run_in_session(const router::Statement& statement);
  void begin_transaction(const router::TransactionOptions& options);
  void note_completion(const router::TransactionOptions& options);
  [[nodiscard]] bool session_reads_only() const;
  [[nodiscard]] bool next_reads_only() const;
  [[nodiscard]] bool begins_against_default() const;
  [[nodiscard]] bool begins_read_only();
  [[nodiscard]] bool reads_only_plainly() const;
  void advance_job();
  [[nodiscard]] router::SessionTraits traits() const;
  [[nodiscard]] router::LexerOptions lexer_options() const;

  // A CALL that commits by itself: session_program.cpp.
  [[nodiscard]] bool may_run_alone() const;
  [[nodiscard]] bool may_have_temporary() const;
  bool plan_program(const router::Statement& statement);
  bool plan_call(std::string text, std::string_view schema);
  bool plan_compound(std::string_view text);
  void note_prepared_call(std::string_view name, std::string text);
  void forget_prepared_call(const router::Statement& statement);
  [[nodiscard]] bool runs_alone(const CallKnowledge& known);
  [[nodiscard]] bool copies_sequence(const router::ProgramScan& scan);
  void note_made(const router::ProgramScan& scan);
  bool run_program(const CallKnowledge& known);
  void order_program(bool renames_plain);
  bool program_is_ready();

  [[nodiscard]] bool ordered_prepared() const {
    return job_.kind == JobKind::kOrdered && ordered_.program && ordered_.prepared;
  }

  [[nodiscard]] bool has_program_turn(BackendId backend) const;
  [[nodiscard]] bool left_open(std::uint16_t status, protocol::SqlError& error);
  bool ends_open_transaction(bool succeeded);
  void on_left_open(const protocol::SqlError* error);
  [[nodiscard]] bool meets_lost_transaction(const router::Statement& statement);
  [[nodiscard]] bool program_runs() const;
  void kill_program();

  // The same inside a transaction: session_program_opening.cpp.
  [[nodiscard]] bool begins_with_end(const CallKnowledge& known) const;
  [[nodiscard]] CallKnowledge block_knowledge(const router::ProgramScan& scan,
                                              std::string_view text) const;
  [[nodiscard]] std::optional<CallKnowledge> knowledge_again();
  void watch_program();
  [[nodiscard]] bool has_only_read();
  [[nodiscard]] bool ends_transaction_first(protocol::SqlError& error);
  void end_transaction_for(const CallKnowledge& known);
  void plan_call_question(const CallKnowledge& known);
  [[nodiscard]] bool asks_call_question();
  void on_call_question(const protocol::SqlError* error);

  // Getting a connection: session_leases.cpp.
  bool acquire_home();
  bool acquire_reader();
  bool gives_up_setting(const protocol::SqlError& error);
  [[nodiscard]] bool reads_at_home_instead(Channel channel, const protocol::SqlError& error) const;
  void choose_new_home();
  void retry_job();
  void fail_job(const protocol::SqlError& error);
  void refuse_login(const protocol::SqlError& error);
  [[nodiscard]] bool home_usable();
  [[nodiscard]] Seqno needed_at_home();
  [[nodiscard]] bool meets_held_commits();
  /// The session's isolation level, as @@tx_isolation says it. REQUIRES: the channel is leased.
  [[nodiscard]] std::string_view isolation_on(Channel channel);
  [[nodiscard]] bool next_is_serializable(Channel channel);
  void give_back(Channel channel, bool reusable);

  // Giving it back while the session lives: session_yield.cpp.
  [[nodiscard]] bool can_spare_home() const;
  void ask_insert_id();
  void on_insert_id(const protocol::ResponseTracker::Step& step);
  void append_transaction_settings();
  void use_up_one_shot();
  void note_one_shot(Channel channel, bool reached);
  void append_one_shot();
  void keep_one_shot();
  void leave_or_stay(bool known);
  void append_insert_id();

  // User variables: session_user_variables.cpp.
  [[nodiscard]] bool is_bound() const;
  [[nodiscard]] bool may_have_variables_at_home() const;
  [[nodiscard]] bool ask_belongings();
  void ask_variables(std::string_view sql);
  void on_variables(const protocol::SqlError* error);
  void append_user_variables();
  void on_variables_set();

  // Sending: session_send.cpp.
  void send_job();
  [[nodiscard]] bool looks_at_schema();
  void append_schema_again();
  [[nodiscard]] ReplyRole client_role() const;
  [[nodiscard]] bool begins_on_backend() const;
  [[nodiscard]] bool must_begin_alone() const;
  void begin_alone();
  void on_begun_alone();
  void append_begin();
  void append_guard();
  /// A question of ours, whose answer goes on.
  void ask_home(std::string_view sql, ReplyRole role);
  void append_preparation();
  void append_statement_reset();
  void append_diagnostics();
  [[nodiscard]] Bytes restoration();
  void send_wrapped(Bytes command);
  void append_wrapped_end();
  void end_wrapped_file();
  void send_in_transaction(Bytes command);
  void note_branch_start();
  void send_read_only(Bytes command);
  [[nodiscard]] bool prepare_execute(Bytes& command);
  void reprepare();
  void expect(Channel channel, ReplyRole role, protocol::Command command);
  void append_plain_rollback();
  Bytes xa_command(std::string_view verb, const BranchId& branch);

  // The client's reply: session_relay.cpp.
  void take_own_rows(Channel channel,
                     ReplyRole role,
                     const protocol::ResponseTracker::Step& step,
                     Bytes part);
  void flush(Relay& relay, Bytes behind = {});
  void on_client_control(Channel channel,
                         const protocol::ResponseTracker::Step& step,
                         Relay& relay);
  void on_client_ok(Channel channel, const protocol::ResponseTracker::Step& step, Relay& relay);
  /// The reply ends with `error` in its packet `sequence`.
  void on_client_error(Channel channel,
                       protocol::SqlError error,
                       std::uint8_t sequence,
                       Relay& relay);
  void on_client_done(Channel channel, Relay& relay, bool succeeded);
  void on_prepare_reply(const protocol::ResponseTracker::Step& step, MutableBytes packet);
  void learn(const protocol::SessionChanges& changes);
  void learn_untold(const protocol::SessionChanges& changes);
  [[nodiscard]] bool stopped_clock() const;
  void note_summary(const protocol::OkPacket& ok, bool rows);
  [[nodiscard]] bool warns_of_scheduler(const protocol::OkPacket& ok);
  void note_diagnostics(bool any);
  void note_partial_effect(router::PinSet& pins) const;
  [[nodiscard]] bool holds_reply() const;
  [[nodiscard]] bool interrupted_for_lane(const protocol::SqlError& error) const;
  void number_held();

  // Columns for clients that keep them in mind: session_metadata.cpp.
  [[nodiscard]] bool keeps_metadata() const;
  [[nodiscard]] bool knows_definitions(Bytes definitions);
  void note_columns(std::uint64_t columns);
  void note_told();
  void tell_column_count(Channel channel, const ResponseStep& step, Relay& relay);
  void leave_out_definitions(Buffer& reply);

  // LOAD DATA LOCAL: session_file.cpp.
  void ask_for_file(const protocol::ResponseTracker::Step& step, Relay& relay);
  void give_up_file(const protocol::SqlError& error);

  // Replies to our own commands, connections that break: session_replies.cpp.
  void on_internal_reply(Channel channel,
                         ReplyRole role,
                         const protocol::ResponseTracker::Step& step);
  void fail_question(const protocol::SqlError& error);
  void on_reprepared(Channel channel, const protocol::ResponseTracker::Step& step);
  void on_setup_failed(Channel channel, const protocol::SqlError& error);
  [[nodiscard]] std::uint8_t sequence_after(const ChannelLease& lease) const;
  void on_home_lost(bool awaited);
  void lose(Channel channel);
  void on_read_lost();

  // Ending transactions: session_commit.cpp.
  void begin_commit(AfterCommit after);
  void begin_rollback(AfterCommit after);
  void send_branch_rollback();
  void on_prepared(const protocol::ResponseTracker::Step& step);
  void finish_unchanged(const BranchId& branch);
  [[nodiscard]] bool changed_outside_innodb() const;
  void settle(const BranchOutcome& outcome);
  [[nodiscard]] bool missed_own_commit();
  [[nodiscard]] bool runs_again() const;
  void run_again();
  void abandon_branch();
  void commit_succeeded();
  void commit_failed(const protocol::SqlError& error);
  void certify(const BranchPrepared& prepared);
  void transaction_over();
  void clean_rollback_only(bool still_active);
  void end_interrupted();
  void drop_home();

  // CREATE TABLE .. SELECT: session_create_select.cpp.
  [[nodiscard]] CreateSelectStep create_select_step() const {
    return create_select_ ? create_select_->step : CreateSelectStep::kNone;
  }

  [[nodiscard]] bool creates_select() const {
    return create_select_step() != CreateSelectStep::kNone;
  }

  [[nodiscard]] bool more_to_run() const { return multi_.more() || creates_select(); }

  void begin_create_select(const router::Statement& statement, std::string_view sql);
  void run_step(CreateSelectStep step);
  void run_step_sql(std::string_view sql);
  void run_step_at_home(std::string_view sql);
  void run_step_unseen(std::string_view sql);
  [[nodiscard]] std::string restoring_sql() const;
  void keep_step_reply(std::initializer_list<Bytes> pieces);
  void go_on_create_select();
  void collect();
  void execute_collect();
  void append_warnings_question();
  void end_ordered_warnings();
  [[nodiscard]] CreateSelectStep collecting_step() const;
  [[nodiscard]] CreateSelectStep step_behind_collected() const;
  void forget_step_statement(std::uint32_t statement_id);
  void on_step_rows(const StepReply& reply);
  void on_step_done(const StepReply& reply);
  void on_step_filled(const StepReply& reply);
  void on_step_put_back(const StepReply& reply);
  void on_step_restored(const StepReply& reply);
  void end_steps();
  void fail_create_select(const protocol::SqlError& error);
  void clean_up_steps();
  void on_step_not_collected(const protocol::SqlError& error);
  void answer_with_step();
  void answer_create_select();
  void leave_create_select();
  void abandon_create_select();
  void post_unfilled();

  // PREPARE .. FROM: session_text.cpp.
  void forget_text_statements(const router::Statement& statement);
  void note_call_done();
  [[nodiscard]] bool executes_known_text() const;
  [[nodiscard]] bool texts_are_unconverted() const;
  [[nodiscard]] std::optional<router::TextSource> text_source() const;
  void append_text_question();
  [[nodiscard]] std::string told_text() const;
  void note_text_statement();
  [[nodiscard]] bool asks_immediate_text();
  void on_immediate_text();
  void on_immediate_text_error(const protocol::SqlError& error);
  void leave_immediate_text(bool harmless);
  [[nodiscard]] bool run_text(std::string text, std::string_view parameters);
  void run_with_values(std::string_view text,
                       std::string_view parameters,
                       const router::Statement& statement);
  /// Of an EXECUTE: true when the statement that it means is on its way.
  [[nodiscard]] bool run_text_statement(std::string_view sql, const router::Statement& statement);

  // What commits first must be readable: session_readable.cpp.
  [[nodiscard]] std::string text_to_read() const;
  [[nodiscard]] bool asks_whether_readable();
  void ask_to_read(std::string_view sql);
  void on_readable(const protocol::ResponseTracker::Step& step);
  void refuse(protocol::SqlError error, bool may_be_unreadable);
  void go_on_read();

  // Session tracking: session_tracking.cpp.
  void plan_tracking(const router::TrackingSet& set);
  [[nodiscard]] bool asks_tracking();
  [[nodiscard]] bool a_program_may_have_run() const;
  [[nodiscard]] bool tracking_mistakes();
  void append_own_tracking(Channel channel, ReplyRole role);
  void renew_own_tracking();
  [[nodiscard]] const ServerDialect& dialect(Channel channel);
  [[nodiscard]] bool keeps_temporary_rows() const;
  void ask_whether_told(const BranchPrepared& prepared);
  void on_asked_told(const protocol::SqlError* error);
  void on_tracking(const protocol::SqlError* error);
  void track_transaction(Channel channel, const ResponseStep& step, const protocol::OkPacket& ok);
  void track_own_reply(Channel channel, const ResponseStep& step);
  [[nodiscard]] bool says_eof_changed(Channel channel, const ResponseStep& step) const;

  // Temporary tables: session_temporary.cpp.
  [[nodiscard]] bool has_temporary() const { return !temporary_.empty(); }

  void plan_temporary(const router::Statement& statement);
  [[nodiscard]] bool ask_about_tables(const router::Statement& statement);
  void on_subject(const protocol::SqlError* error);
  void separate_temporary(const router::Statement& statement, std::string_view sql);
  void append_mark();
  void end_left_branch(const BranchOutcome& outcome);
  void on_left_end(const protocol::SqlError* error);
  [[nodiscard]] bool lost_kept_commit();

  // User locks: session_locks.cpp.
  void note_lock_names(const router::Statement& statement, std::string_view sql);
  [[nodiscard]] bool user_locks_lost();
  [[nodiscard]] bool at_lock_home();
  [[nodiscard]] bool ask_held_locks();
  void on_held_locks(bool failed);

  // What session tracking leaves out: session_collation.cpp.
  void note_untold_collation(const protocol::SessionChanges& changes);
  [[nodiscard]] bool ask_collation();
  void on_collation(bool failed);
  void end_left_open();
  [[nodiscard]] bool lacks_ddl_collation();
  [[nodiscard]] bool asks_ddl_collation();
  void on_ddl_collation(const protocol::SqlError* error);

  // LOCK TABLES: session_tables.cpp.
  [[nodiscard]] bool run_table_lock(const router::Statement& statement, std::string_view sql);
  void lock_tables(const router::Statement& statement, std::string_view sql);
  void lock_listed(router::LockList list);
  void lock_all_tables();

  /// The home itself holds locks for the session, none of the commit thread's.
  [[nodiscard]] bool home_locks_tables() const {
    return own_tables_.empty() && pins_.has(router::PinReason::kLockedTables);
  }

  [[nodiscard]] bool begin_table_lock();
  void send_table_lock();
  void append_wait_warning(std::uint32_t seconds);
  void on_table_check(const protocol::SqlError* error);
  void note_tables(const router::Statement& statement, std::string_view sql);
  void on_tables_too_late();
  [[nodiscard]] bool awaits_tables();
  void ask_for_tables(bool keep);
  void await_lock(const BranchOutcome& outcome);
  void release_tables();
  [[nodiscard]] bool is_temporary(const TableLock& table) const;
  void own_tables_dropped(const std::vector<DdlTarget>& tables);
  void drop_table_request();
  [[nodiscard]] bool holds_rows() const;

  struct TableWait {
    std::uint32_t seconds = 0;
    bool of_statement = false;  ///< max_statement_time is over before lock_wait_timeout
  };

  [[nodiscard]] TableWait table_wait() const;
  [[nodiscard]] std::uint32_t lock_wait_s() const;

  // KILL by number: session_kill.cpp.
  void kill(const KillOrder& order);
  [[nodiscard]] protocol::SqlError no_such_victim() const;
  void ask_kill();
  void send_kill_check();
  void on_kill_right(const protocol::SqlError* refusal);
  void kill_statement();
  void kill_query(Channel channel);
  void withdraw_kills();
  [[nodiscard]] bool waits_for_kill();

  // KILL by an expression, by a query's number, of a user: session_kill_forms.cpp.
  void run_kill(const router::Statement& statement);
  void kill_number(std::uint64_t number);
  void send_kill_question();
  void on_kill_value(const protocol::SqlError* error);
  void kill_user(std::string_view operand);
  void on_kill_candidates(const std::vector<ProcessRow>& rows);
  void kill_next_of_user();
  void on_user_kill_answer(KillVerdict verdict);

  // SHOW PROCESSLIST, Threads_connected: session_processes.cpp.
  bool answer_about_sessions(std::string_view sql, bool binary);
  void send_process_check();
  void on_process_right(bool granted);
  void answer_processes();
  [[nodiscard]] ProcessListFormat list_format(bool binary) const;
  [[nodiscard]] std::string_view own_state() const;

  // information_schema.PROCESSLIST: session_process_table.cpp.
  [[nodiscard]] bool asks_process_table(const router::Statement& statement,
                                        std::string_view sql,
                                        JobKind kind);
  void run_with_process_table();
  void execute_instead(std::string_view sql);
  [[nodiscard]] const std::string& execution_key();
  void forget_own_text();

  // SHOW GRANTS: session_grants.cpp.
  void on_grants(Channel channel, const ResponseStep& step);
  void answer_with_rows(Channel channel, Relay& relay, Buffer reply);

  // SET GLOBAL: session_globals.cpp.
  void note_own_globals(std::string_view sql, router::SessionValues& values) const;
  [[nodiscard]] std::optional<std::string> with_own_global_shown(std::string_view sql) const;
  [[nodiscard]] bool writes_against_read_only(const router::Statement& statement,
                                              std::string_view sql) const;
  void plan_globals(const router::Statement& statement);
  void plan_altered_rows(const router::Statement& statement, std::string_view sql);
  [[nodiscard]] bool asks_about_rows();
  void plan_copy(const router::Statement& statement, std::string_view sql);
  [[nodiscard]] bool asks_about_copy();
  void on_copy_known(const protocol::SqlError* error);
  void on_rows_known(const protocol::SqlError* error);
  void count_by_one(std::string_view increment, std::string_view offset);
  void append_turn_setting(std::string_view sql);
  void fail_turn(const protocol::SqlError& error);
  void request_aligned();
  void refuse_unalignable(const std::string& why);
  [[nodiscard]] bool asks_globals();
  [[nodiscard]] bool asks_new_globals(bool succeeded);
  void on_globals_known(const protocol::SqlError* error);
  void on_new_globals(const protocol::SqlError* error);
  void append_kept_settings();

  // DDL: session_cluster.cpp.
  void finish_ordered(bool succeeded);
  void refuse_turn(const protocol::SqlError& error);
  void on_password_expired();
  void let_go_of_handlers();  ///< session_handlers.cpp
  void abort_transaction();
  [[nodiscard]] protocol::SqlError abort_error() const;
  void request_order();
  void watch_order();
  void look_at_order();

  // Answering: session_answers.cpp.
  void tell_client(std::initializer_list<Bytes> pieces);
  void drop_rest();
  void reply_ok(std::uint64_t affected_rows = 0, std::uint16_t warnings = 0);
  void reply_error(const protocol::SqlError& error);
  void send_reply();
  void hold_error(const protocol::SqlError& error, std::uint8_t sequence);
  void answer_held();
  void on_read_only_end(Channel channel, bool failed);
  void run_as_write();
  void finish_statement(Channel channel);
  void finish_command();
  void set_pins(router::PinSet pins);
  void add_pin(router::PinReason reason);
  void remove_pin(router::PinReason reason);
  void plan_named(const router::Statement& statement);
  void note_named(bool succeeded, router::PinSet& pins);
  void close_with(const protocol::SqlError& error);
  [[nodiscard]] std::uint16_t status_bits() const;
  [[nodiscard]] std::uint16_t client_status(std::uint16_t backend_status) const;
  [[nodiscard]] bool client_in_transaction() const;

  [[nodiscard]] ChannelLease& lease_of(Channel channel) {
    return channel == Channel::kHome ? home_lease_ : read_lease_;
  }

  SessionEffects& effects_;
  const Options options_;
  SessionOwner owner_;
  SessionPhase phase_ = SessionPhase::kIdle;

  // The command under way.
  SessionJob job_;
  Buffer command_;  ///< its packets: kept until its reply is certain, to run it again elsewhere
  protocol::QueryAttributes attributes_;  ///< the command's, taken out of it
  std::uint8_t command_sequence_ = 0;
  protocol::Command sent_command_ = protocol::Command::kQuery;
  std::uint32_t command_number_ = 0;
  bool reply_started_ = false;  ///< the client has seen a part of it
  std::uint8_t reply_sequence_ = 1;
  HeldReply held_;
  MultiStatement multi_;        ///< that the command under way is a part of
  std::uint16_t warnings_ = 0;  ///< of the client's statement
  Diagnostics diagnostics_;
  FoundRows found_rows_;
  StatusCounters counters_;
  std::string preparing_sql_;             ///< of kPrepare
  Rare<protocol::SqlError> lease_error_;  ///< why the last backend gave no connection

  OrderedStatement ordered_;
  std::uint32_t call_questions_ = 0;  ///< CallQuestions so far
  /// A program has failed amid a transaction of its own, which is rolled back: its client does not
  /// know.
  bool lost_transaction_ = false;
  /// What PREPARE .. FROM has made of CALLs, by the name: schema and text.
  std::map<std::string, std::pair<std::string, std::string>> prepared_calls_;
  /// CREATE TABLE .. SELECT, whose step is the command under way. Made with the session's first.
  std::unique_ptr<CreateSelectJob> create_select_;

  // Connections.
  std::optional<BackendId> home_;
  ChannelLease home_lease_;
  ChannelLease read_lease_;
  InsertId insert_id_;
  TakenNumbers taken_numbers_;
  bool home_has_traces_ = false;  ///< something that only COM_RESET_CONNECTION takes away
  /// A detached branch has kept from the home what the server does at a transaction's end: to take
  /// what SET SESSION TRANSACTION said amid it, to forget what SET TRANSACTION said before it.
  bool home_transaction_settings_stale_ = false;
  /// The home's connection may have been opened amid a SET GLOBAL and have the new values, which
  /// `state_` has the old ones of.
  bool home_left_schema_ = false;  ///< the session's is gone, the home's connection is in none
  bool home_settings_doubtful_ = false;
  bool yielding_ = false;              ///< the home is given back when what travels is known
  KillTicket home_kill_;               ///< a KILL QUERY that was asked for, of what it runs
  KillTicket read_kill_;               ///< the same of the other connection
  bool watches_order_ = false;         ///< the retry that is due looks after `ordered_`
  bool read_lingers_ = false;          ///< kept for SHOW WARNINGS
  bool moving_ = false;                ///< the job goes on elsewhere then
  bool asks_insert_id_again_ = false;  ///< the first answer told of another variable

  // The transaction.
  Transaction transaction_;
  TransactionTraits snapshot_traits_;  ///< of a START TRANSACTION under way
  AfterCommit after_commit_ = AfterCommit::kReply;
  bool chain_ = false;    ///< COMMIT AND CHAIN: begin another
  bool release_ = false;  ///< COMMIT RELEASE: then disconnect
  TransactionTraits chain_traits_;
  bool autocommit_ = true;
  NextTransaction next_transaction_;
  TimePoint transaction_began_{};      ///< on its home
  bool transaction_too_long_ = false;  ///< why it is rolled back
  bool abort_requested_ = false;
  bool kill_requested_ = false;   ///< KILL QUERY was sent after the statement under way
  std::uint32_t abort_asks_ = 0;  ///< how often DDL has waited for the open branch
  HeldCommits commits_;
  Seqno last_seen_at_start_;
  Seqno last_seen_at_prepare_;
  std::uint32_t lane_generation_ = 0;  ///< when the branch began
  BranchTables branch_tables_;
  /// It may have changed rows of temporary tables: they must outlive XA PREPARE, and only this
  /// session may undo them (decision 0013).
  bool branch_keeps_ = false;
  bool branch_marked_ = false;  ///< for that: what it has done in any table is in the binlog
  Seqno kept_commit_;  ///< such a branch's, of which the home's lane may still make a replay; or 0
  Rare<BranchOutcome> left_outcome_;  ///< of a branch that the session ends

  NamedSet prepared_names_;           ///< PREPARE .. FROM
  NamedSet handler_names_;            ///< HANDLER .. OPEN
  std::uint32_t handlers_asked_ = 0;  ///< how often DDL may have waited for them

  // User variables: at the home, or on their way to the next one.
  std::optional<std::string>
      carried_variables_;                ///< SET that makes them; empty: none. Else at home
  bool variables_stay_ = false;          ///< some cannot be told exactly
  std::vector<UserVariable> variables_;  ///< asked about

  /// Have changed, and the server has not said to what.
  struct UntoldCollations {
    bool server = false;
    bool connection = false;
  } untold_;

  UserLocks user_locks_;
  std::uint64_t lock_generation_ = 0;  ///< of the place where they were taken

  // LOCK TABLES.
  OwnTableLocks own_tables_;
  bool tables_asked_ = false;         ///< the commit thread may keep some for this session
  std::uint32_t table_requests_ = 0;  ///< so far
  Rare<protocol::SqlError> table_check_error_;

  // Temporary tables.
  router::TemporaryTables temporary_;
  Rare<router::TemporaryTables> temporary_after_;     ///< if the statement succeeds
  router::TemporarySubjects subjects_temporary_ = 0;  ///< of those asked about
  unsigned subjects_answered_ = 0;
  Rare<protocol::SqlError> subjects_error_;

  // Session tracking.
  ClientTracking tracking_;
  Rare<TrackingChange> tracking_change_;  ///< of the client's SET under way
  unsigned tracking_answers_ = 0;
  Rare<protocol::SqlError> tracking_error_;
  bool home_tells_all_ = false;  ///< as we have seen to in front of the XA PREPARE that is sent
  Rare<BranchPrepared> told_of_none_;  ///< a branch behind whose XA PREPARE we ask
  TransactionTracker transaction_tracker_;

  /// LOAD DATA LOCAL.
  struct File {
    bool wanted = false;         ///< the client is sending it
    std::uint8_t sequence = 0;   ///< of its next packet
    std::uint8_t ahead = 0;      ///< of the numbers that the home counts
    bool continues = false;      ///< the next packet belongs to the last
    protocol::SqlError why_not;  ///< of kDraining: what the client hears at the file's end
  };

  File file_;

  bool authenticated_ = false;     ///< once at least
  bool multi_statements_ = false;  ///< the client may send several in one query

  KillOrder kill_;                     ///< that this session's client gave
  std::string kill_question_;          ///< what its number is, to be asked; else empty
  UserKill user_kill_;                 ///< the same of KILL USER
  std::vector<ProcessRow> processes_;  ///< that it asked for

  OwnResult own_rows_;  ///< of the question of our own that is being answered

  // The session.
  /// Whose it was before a COM_CHANGE_USER under way, and its schema.
  Rare<std::pair<SessionOwner, std::string>> prior_owner_;
  SessionState state_;
  router::PinSet pins_;
  PreparedStatements statements_;
  TextStatements text_statements_;

  Buffer scratch_;    ///< one packet for the client, or one command
  Buffer xa_buffer_;  ///< the commands of a branch's beginning or end
};

}  // namespace consort::proxy
