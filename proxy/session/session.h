// Session: one client connection. The shell around SessionCore: packets in and out, login, leases.
// Threads: its worker's. Only the worker destroys it (retire()).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/rare.h"
#include "base/read_buffer.h"
#include "base/tls_options.h"
#include "protocol/client_auth.h"
#include "protocol/compressed_channel.h"
#include "protocol/packet_reader.h"
#include "proxy/accounts.h"
#include "proxy/session/backend_pool.h"
#include "proxy/session/init_connect.h"
#include "proxy/session/session_core.h"
#include "proxy/user_connections.h"
#include "proxy/uv/tcp_stream.h"
#include "proxy/uv/timer.h"

namespace consort::proxy {

class Worker;

class Session final : private TcpStreamObserver, private SessionEffects, private PoolClient {
 public:
  Session(Worker& worker, SessionId id, std::uint32_t connection_id);
  ~Session() override;

  /// Takes the waiting connection. False when it is gone already.
  [[nodiscard]] bool accept(uv_stream_t* listener);
  /// Sends the greeting: the login begins.
  void greet();
  /// Tells the client and closes: the process ends, or there are too many clients.
  void refuse(const protocol::SqlError& error);

  [[nodiscard]] SessionCore& core() { return core_; }

  [[nodiscard]] const SessionCore& core() const { return core_; }

  [[nodiscard]] SessionId id() const { return id_; }

  [[nodiscard]] std::uint32_t connection_id() const { return connection_id_; }

  [[nodiscard]] const std::string& user_name() const { return user_; }

  [[nodiscard]] const std::string& client_address() const { return client_address_; }

  /// Denies a client whose address is blocked for its failed logins, with an error that is packet
  /// `sequence` of the login. Whether it was denied.
  bool deny_if_blocked(std::uint8_t sequence);

  [[nodiscard]] bool authenticated() const { return authenticated_; }

  /// Of the client's TLS; nullopt without.
  [[nodiscard]] std::optional<TlsPeer> tls() const;

  /// What the client's packets are compressed with; nullopt: they are not.
  [[nodiscard]] std::optional<protocol::CompressionAlgorithm> compression() const;

  /// This session in a list of all.
  [[nodiscard]] ProcessRow process_row(TimePoint now);

  [[nodiscard]] TimePoint began() const { return began_; }

  [[nodiscard]] TimePoint last_active() const { return last_active_; }

  /// What this session waits for in Worker's list of waiters.
  struct AppliedWait {
    bool active = false;
    bool any = false;
    BackendId backend;
    Seqno seqno;
  };

  [[nodiscard]] const AppliedWait& applied_wait() const { return applied_wait_; }

  /// The worker saw it fulfilled.
  void on_applied();
  /// New accounts are there: a login that waits for them goes on.
  void on_accounts();
  /// The process is about to end: closes, after what was sent, unless a statement or a transaction
  /// is under way.
  void end_if_idle();
  void kill_query();
  /// Closes without a word, as the server does.
  void kill_connection();
  /// Closes without a word, as the server does, when nothing came for longer than allowed.
  void close_if_idle(TimePoint now);
  /// Rolls the transaction back that has lasted longer than allowed. The client hears of it with
  /// its next statement, or the one under way.
  void end_long_transaction(TimePoint now);
  /// Its home drains or is gone: goes when nothing binds it there.
  void leave_home();
  /// Runs what the client sent meanwhile, once the core is idle. Call after every core event.
  void pump();

 private:
  // TcpStreamObserver: the client.
  void on_stream_read(MutableBytes bytes) override;
  void on_stream_secured() override;
  void on_stream_drained() override;
  void on_stream_closed(CloseReason reason) override;

  // PoolClient: the backends.
  [[nodiscard]] const PoolAccount& lease_account() const override { return account_; }

  [[nodiscard]] const SessionState& lease_state() const override { return core_.state(); }

  void on_lease_begun(PooledConnection& connection) override;
  void on_lease(PooledConnection& connection) override;
  void on_lease_failed(const LeaseFailure& failure) override;
  [[nodiscard]] bool on_asked_back(PooledConnection& connection) override;
  std::size_t on_leased_bytes(PooledConnection& connection, MutableBytes bytes) override;
  void on_leased_drained(PooledConnection& connection) override;
  bool on_leased_lost(PooledConnection& connection) override;

  // SessionEffects.
  void send_client(std::initializer_list<Bytes> pieces) override;
  void close_client() override;
  void deny_change(const protocol::SqlError& error, std::uint8_t sequence) override;
  [[nodiscard]] bool read_only() override;
  [[nodiscard]] bool runs_events() override;
  [[nodiscard]] std::string_view init_connect() override;
  [[nodiscard]] bool may_only_read() override;
  [[nodiscard]] KeptGlobals first_settings(std::uint64_t capabilities) override;
  void lease(Channel channel, BackendId backend) override;
  void release(Channel channel, bool reusable) override;
  void send_backend(Channel channel, std::initializer_list<Bytes> pieces) override;
  void send_file(std::initializer_list<Bytes> pieces) override;
  BackendStatement* backend_statement(Channel channel, std::string_view key) override;
  void add_backend_statement(Channel channel, std::string_view key, std::uint32_t id) override;
  void close_backend_statement(Channel channel, std::string_view key) override;
  Choice choose_reader(Seqno at_least) override;
  Choice choose_home() override;
  Choice choose_named(std::string_view name) override;
  [[nodiscard]] bool serves(BackendId backend) override;
  [[nodiscard]] bool tolerates(BackendId backend) override;
  [[nodiscard]] Seqno applied(BackendId backend) override;
  [[nodiscard]] std::optional<BackendId> behind(Seqno seqno) override;
  [[nodiscard]] std::uint32_t lane_generation(BackendId backend) override;
  [[nodiscard]] Seqno newest_replay(BackendId backend) override;
  [[nodiscard]] Seqno head() override;
  [[nodiscard]] const LockedTableFilter& locked_tables() override;
  [[nodiscard]] KnownSequences& sequences() override;
  [[nodiscard]] Seqno globals_seen() override;
  [[nodiscard]] Seqno globals_changed_at() override;
  [[nodiscard]] Seqno schemas_changed() override;
  [[nodiscard]] ReadConsistency read_consistency() override;
  [[nodiscard]] router::LexerOptions default_lexer_options() override;
  [[nodiscard]] bool stored_functions() override;
  [[nodiscard]] bool mysql() override;
  [[nodiscard]] bool maps_collations() override;
  [[nodiscard]] std::uint16_t reset_collation(std::uint16_t collation) override;
  [[nodiscard]] bool triggers() override;
  [[nodiscard]] bool forgets_accounts() override;
  void note_trigger() override;
  void note_stored_function() override;
  void note_privileges_flushed() override;
  [[nodiscard]] std::optional<UserLockHome::Place> user_lock_home() override;
  void count_user_lock_holder(int change) override;
  void wait_applied(BackendId backend, bool any, Seqno seqno) override;
  [[nodiscard]] std::uint64_t wall_clock_us() override;
  void retry_after(std::chrono::milliseconds delay) override;
  void stop_waiting() override;
  [[nodiscard]] BranchId next_branch() override;
  [[nodiscard]] bool post_commit(CommitRequest request) override;

  [[nodiscard]] SessionId session_id() const override { return id_; }

  void kill_query(BackendId backend, std::uint64_t thread_id, KillTicket ticket) override;
  void kill_connection(BackendId backend, std::uint64_t thread_id) override;
  [[nodiscard]] bool post_kill(const KillOrder& order) override;
  void list_sessions(bool with_states) override;

  [[nodiscard]] std::string_view user() override { return user_; }

  [[nodiscard]] WorkerMetrics& metrics() override;
  [[nodiscard]] std::optional<CallKnowledge> known_call(std::string_view schema,
                                                        std::string_view name) override;
  [[nodiscard]] router::ClassificationCache& classifications() override;

  [[nodiscard]] std::size_t take_packets(MutableBytes bytes);
  void run_statements();
  [[nodiscard]] std::size_t take_login_packet(Bytes unread);
  [[nodiscard]] std::optional<std::size_t> take_proxy_header(Bytes unread);
  void set_client(std::string ip, std::uint16_t port);
  [[nodiscard]] std::string client_name() const;
  [[nodiscard]] std::string shown_address() const;
  [[nodiscard]] std::chrono::seconds idle_limit() const;
  [[nodiscard]] bool server_found_it_idle() const;
  void close_quietly();
  void take_file_packet(const protocol::Frame& frame, MutableBytes wire);
  [[nodiscard]] bool listens() const;

  [[nodiscard]] bool login_waits() const { return awaiting_account_ || denied_change_; }

  [[nodiscard]] bool client_is_full() const;
  [[nodiscard]] bool decompress_more();
  void write_compressed(std::initializer_list<Bytes> pieces);
  void start_compression();
  [[nodiscard]] std::size_t waiting_bytes() const;
  void follow(protocol::ClientAuth::Step step);
  void look_up_account(bool final_try);
  [[nodiscard]] protocol::AccountCredential credential_of(const Account& account) const;
  void on_login_failed(const protocol::ClientAuth::Failed& failed);
  void deny_login(const protocol::SqlError& error);
  [[nodiscard]] bool deny_if_account_blocked(const Account& account);
  void note_failed_login();
  void begin_change_user(const protocol::Message& message);
  void settle_change_user();
  void answer_denied_change();
  void on_authenticated(const protocol::ClientAuth::Authenticated& done);
  void plan_init_connect();
  void run_init_connect();
  void end_init_connect();
  [[nodiscard]] protocol::SqlError aborted_error() const;
  void deny(const protocol::SqlError& error, std::uint8_t sequence);
  void protocol_error(const Error& error, std::uint8_t sequence);
  void count_busy(bool busy);
  void spare_home();
  void stop_leasing();
  [[nodiscard]] bool home_is_full() const;
  void timer_once(std::chrono::milliseconds delay);
  void on_timer();
  [[nodiscard]] std::optional<Channel> channel_of(const PooledConnection& connection) const;

  enum class TimerUse : std::uint8_t {
    kNone,
    kLogin,
    kAccounts,
    kApplied,
    kRetry,
    kNextStatement,
    kDeniedChange
  };

  /// Who the client is, as long as its COM_CHANGE_USER has not succeeded.
  struct Identity {
    Account login_account;
    std::string definer;
    std::string user;
    PoolAccount account;
    UserConnections::Place place;
    std::size_t packet_bytes_max = 0;
  };

  /// The answer to a COM_CHANGE_USER that has failed.
  struct DeniedChange {
    protocol::SqlError error;
    std::uint8_t sequence = 0;
  };

  Worker& worker_;
  const SessionId id_;
  const std::uint32_t connection_id_;
  TcpStream client_;
  ReadBuffer inbox_;
  std::unique_ptr<protocol::ClientAuth> auth_;
  std::unique_ptr<protocol::CompressedChannel> compression_;  ///< null: packets as they are
  std::optional<protocol::CompressionChoice> compress_next_;  ///< behind the reply to the login
  std::unique_ptr<Timer> timer_;
  PoolAccount account_;
  std::string user_;
  std::string client_ip_;  ///< "localhost" through a Unix socket
  std::string client_address_;
  std::string account_wanted_;
  std::size_t packet_bytes_max_ = 0;  ///< of its client; 0: as configured
  Seqno accounts_needed_;  ///< changes of accounts up to this entry were made before this login
  Account login_account_;  ///< of the login under way
  std::string definer_;
  UserConnections::Place place_;  ///< among the clients of its account
  InitConnect init_connect_;
  Rare<Identity> prior_;
  Rare<DeniedChange> denied_change_;  ///< nothing is read until it is sent
  unsigned denied_changes_ = 0;
  PooledConnection* leases_[2] = {nullptr, nullptr};
  AppliedWait applied_wait_;
  TimePoint began_{};
  TimePoint last_active_{};
  std::optional<BackendId> busy_;
  std::optional<BackendId> homed_;
  std::optional<BackendId> last_reader_;
  TimerUse timer_use_ = TimerUse::kNone;
  std::uint8_t login_sequence_ = 0;
  std::optional<Channel> leasing_;  ///< a lease is under way for it
  BackendId leasing_from_;
  bool by_unix_socket_ = false;
  bool secured_ = false;  ///< the client's TLS is open
  bool looks_for_proxy_header_ = true;
  bool mute_ = false;  ///< the client hears nothing more
  bool authenticated_ = false;
  bool login_unproven_ = false;  ///< the first backend connection shows whether it is right
  bool awaiting_account_ = false;
  bool orphaned_ = false;  ///< the client left in the middle of an ordered statement
  bool pumping_ = false;
  bool closing_ = false;
  SessionCore core_;
};

}  // namespace consort::proxy
