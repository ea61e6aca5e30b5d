#include "proxy/session/session.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "protocol/packet_writer.h"
#include "proxy/accounts.h"
#include "proxy/uv/tls_channel.h"
#include "proxy/worker.h"

namespace consort::proxy {
namespace {

constexpr std::chrono::milliseconds kCloseWait{5000};
/// How long a client may take to ask for the warnings of its last statement, when others wait for
/// the connection that has them.
constexpr std::chrono::milliseconds kDiagnosticsKept{1000};
constexpr std::size_t kPipelinedBytesMax = 64 * 1024;
constexpr int kStatementsAtOnce = 1000;

int index_of(Channel channel) {
  return static_cast<int>(channel);
}

/// MySQL at XA END. MariaDB 11.8 warns of XA PREPARE itself (4205); 10.11 does not (measured),
/// which version began is not known.
bool forgets_warnings(std::string_view version) {
  return server_kind_of(version) == ServerKind::kMysql || version.starts_with("11.") ||
         version.starts_with("12.");
}

}  // namespace

Session::Session(Worker& worker, SessionId id, std::uint32_t connection_id)
    : worker_(worker),
      id_(id),
      connection_id_(connection_id),
      client_(worker.loop(), *this),
      began_(worker.loop().now()),
      last_active_(began_),
      core_(*this, worker.session_options()) {}

Session::~Session() {
  core_.on_client_gone();
  stop_leasing();
  for (PooledConnection*& lease : leases_) {
    if (lease != nullptr) {
      worker_.pool().release(*lease, {});
      lease = nullptr;
    }
  }
  if (busy_) {
    worker_.note_busy(*busy_, -1);
  }
  if (homed_) {
    worker_.note_home(*homed_, -1);
  }
  if (secured_) {
    worker_.own_metrics().tls_connections_current.sub();
  }
  if (compression_) {
    worker_.own_metrics().compressed_connections_current.sub();
  }
}

bool Session::accept(uv_stream_t* listener) {
  if (!client_.accept(listener)) {
    return false;
  }
  client_.set_low_water(worker_.limits().client_buffer_low);
  client_.set_keepalive(std::chrono::seconds(60));
  const SocketAddress peer = client_.peer();
  by_unix_socket_ = peer.is_unix();
  set_client(by_unix_socket_ ? "localhost" : peer.host(), peer.port());
  return true;
}

void Session::greet() {
  protocol::ClientAuth::Params params;
  const ClusterView& view = worker_.view();
  params.server_version = protocol::greeted_version(view.server_version);
  params.mysql = view.mysql;
  params.connection_id = connection_id_;
  params.capabilities =
      (view.mysql ? protocol::kMysqlClientCapabilities : protocol::kClientCapabilities) |
      worker_.options().compression;
  if (view.mysql && !view.mariadb) {
    params.capabilities |= protocol::capability::kQueryAttributes;
  }
  if (worker_.options().tls) {
    params.capabilities |= protocol::capability::kSsl;
    params.tls_required = worker_.options().tls_required && !by_unix_socket_;
  }
  params.local = by_unix_socket_;
  params.clear_password = worker_.options().logins->clear_password();
  params.default_collation = view.default_collation;
  params.client_host = client_name();
  params.salt = protocol::make_scramble();
  auth_ = std::make_unique<protocol::ClientAuth>(std::move(params));
  timer_use_ = TimerUse::kLogin;
  timer_once(worker_.limits().login_timeout);
  client_.write(auth_->greeting());
  client_.resume_reading();
}

void Session::refuse(const protocol::SqlError& error) {
  if (closing_) {
    return;
  }
  Buffer packet;
  protocol::append_err(packet, error, 0);
  if (compression_ && core_.idle()) {
    compression_->begin_command();
  }
  send_client({packet});
  close_client();
}

// ---- the client -------------------------------------------------------------------------------

void Session::on_stream_read(MutableBytes bytes) {
  last_active_ = worker_.loop().now();
  worker_.own_metrics().bytes_received.add(bytes.size());
  if (compression_) {
    compression_->feed(bytes);
    pump();
  } else if (inbox_.empty()) {
    const std::size_t used = take_packets(bytes);
    if (used < bytes.size() && !closing_) {
      inbox_.feed(bytes.subspan(used));
    }
  } else {
    inbox_.feed(bytes);
    pump();
  }
  const bool busy = authenticated_ ? !listens() && !core_.wants_file() : login_waits();
  if (busy && waiting_bytes() > kPipelinedBytesMax) {
    client_.pause_reading();
    worker_.own_metrics().backpressure_from_backend.add();
  }
}

void Session::pump() {
  if (pumping_) {
    return;
  }
  pumping_ = true;
  run_statements();
  run_init_connect();
  count_busy(!core_.idle());
  spare_home();
  if (orphaned_ && core_.phase() != SessionPhase::kOrdering) {
    orphaned_ = false;
    core_.on_client_gone();
    worker_.retire(id_);
  }
  do {
    if (!inbox_.empty() && !closing_) {
      const std::size_t used = take_packets(inbox_.unread());
      inbox_.consume(used);
    }
  } while (compression_ && decompress_more());
  pumping_ = false;
  if (!closing_ && listens() && !client_.reading() && !login_waits()) {
    client_.resume_reading();
  }
}

/// What the client sends next is wanted now.
bool Session::listens() const {
  return (core_.idle() && !client_is_full()) || (core_.wants_file() && !home_is_full());
}

/// As much as may wait for the client does. Who asks on and on and reads nothing must wait: there
/// are answers that no backend gives, and so none that could be made to wait.
bool Session::client_is_full() const {
  return client_.queued_bytes() > worker_.limits().client_buffer_high;
}

/// As much of the client's file waits for the home as may wait.
bool Session::home_is_full() const {
  PooledConnection* home = leases_[index_of(Channel::kHome)];
  return home != nullptr && home->wire().queued_bytes() > worker_.limits().client_buffer_high;
}

std::size_t Session::take_packets(MutableBytes bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && !closing_) {
    const Bytes unread = Bytes(bytes).subspan(used);
    if (!authenticated_) {
      if (login_waits()) {
        break;
      }
      const std::size_t taken = take_login_packet(unread);
      if (taken == 0) {
        break;
      }
      used += taken;
      continue;
    }
    run_init_connect();
    if (core_.wants_file()) {
      const auto frame = protocol::peek_packet(unread);
      if (home_is_full()) {
        client_.pause_reading();
        worker_.own_metrics().backpressure_from_backend.add();
        break;
      }
      if (!frame) {
        break;
      }
      take_file_packet(*frame, bytes.subspan(used, frame->bytes));
      used += frame->bytes;
      continue;
    }
    if (!core_.idle() || client_is_full()) {
      break;
    }
    const std::size_t bytes_max =
        packet_bytes_max_ > 0 ? packet_bytes_max_ : worker_.limits().packet_bytes_max;
    const auto message = protocol::peek_message(unread, 0, {bytes_max});
    if (!message.ok()) {
      protocol_error(message.error(), unread.size() > 3 ? unread[3] : 0);
      return bytes.size();
    }
    if (!*message) {
      break;
    }
    const protocol::Message& found = **message;
    used += found.wire.size();
    if (init_connect_.failed()) {
      deny(aborted_error(), static_cast<std::uint8_t>(found.sequence + 1));
      return bytes.size();
    }
    if (!found.payload_front.empty() &&
        found.payload_front[0] == static_cast<std::uint8_t>(protocol::Command::kChangeUser)) {
      begin_change_user(found);
      continue;
    }
    if (found.split) {
      const Buffer joined = protocol::join_payload(found.wire);
      core_.on_command({found.wire, joined, found.sequence});
    } else {
      core_.on_command({found.wire, found.payload_front, found.sequence});
    }
    run_statements();
    count_busy(!core_.idle());
    spare_home();
  }
  return used;
}

/// Of several in one query: those that follow. Many that need no backend make a pause for others.
void Session::run_statements() {
  for (int i = 0; core_.next_statement_due() && !closing_; ++i) {
    if (i == kStatementsAtOnce) {
      timer_use_ = TimerUse::kNextStatement;
      timer_once(std::chrono::milliseconds(0));
      return;
    }
    core_.on_next_statement();
  }
}

void Session::protocol_error(const Error& error, std::uint8_t sequence) {
  worker_.own_metrics().count_client_error(ClientErrorClass::kProtocol);
  const bool too_large = error.code == static_cast<int>(protocol::PacketError::kPacketTooLarge);
  deny(too_large ? protocol::packet_too_large_error() : protocol::packets_out_of_order_error(),
       static_cast<std::uint8_t>(sequence + 1));
}

void Session::deny(const protocol::SqlError& error, std::uint8_t sequence) {
  Buffer packet;
  protocol::append_err(packet, error, sequence);
  send_client({packet});
  close_client();
}

void Session::on_stream_drained() {
  for (PooledConnection* lease : leases_) {
    if (lease != nullptr) {
      lease->wire().resume_reading();
    }
  }
  pump();
}

void Session::on_stream_secured() {
  secured_ = true;
  worker_.own_metrics().tls_connections.add();
  worker_.own_metrics().tls_connections_current.add();
}

std::optional<TlsPeer> Session::tls() const {
  return secured_ ? std::optional(client_.tls()->peer()) : std::nullopt;
}

void Session::on_stream_closed(CloseReason reason) {
  if (reason.tls_handshake) {
    worker_.own_metrics().tls_handshake_failures.add();
  }
  closing_ = true;
  if (core_.phase() == SessionPhase::kOrdering) {
    orphaned_ = true;  // what all backends must agree on is seen through
    return;
  }
  core_.on_client_gone();
  worker_.retire(id_);
}

void Session::end_if_idle() {
  if (closing_ || (authenticated_ && (!core_.idle() || core_.in_transaction()))) {
    return;
  }
  close_client();
}

void Session::kill_query() {
  core_.on_kill_query();
  pump();
}

void Session::kill_connection() {
  closing_ = true;
  core_.on_kill_connection();
  if (core_.phase() == SessionPhase::kOrdering) {
    orphaned_ = true;  // what all backends must agree on is seen through
    client_.close_after_write();
    return;
  }
  client_.end_now();  // before who has said KILL hears of it
  core_.on_client_gone(true);
  worker_.retire(id_);
}

// ---- timers and waits -------------------------------------------------------------------------

void Session::timer_once(std::chrono::milliseconds delay) {
  if (!timer_) {
    timer_ = std::make_unique<Timer>(worker_.loop(), [this] { on_timer(); });
  }
  timer_->start_once(delay);
}

void Session::on_timer() {
  const TimerUse use = timer_use_;
  timer_use_ = TimerUse::kNone;
  switch (use) {
    case TimerUse::kNone:
      if (closing_) {
        worker_.retire(id_);
      }
      return;
    case TimerUse::kLogin:
      worker_.own_metrics().count_refused(RefusalReason::kHandshakeTimeout);
      if (client_.tls() != nullptr && !secured_) {
        worker_.own_metrics().tls_handshake_failures.add();
      }
      closing_ = true;
      worker_.retire(id_);
      return;
    case TimerUse::kAccounts:
      look_up_account(true);
      return;
    case TimerUse::kApplied:
      applied_wait_.active = false;
      core_.on_applied_timeout();
      break;
    case TimerUse::kRetry:
      core_.on_retry_due();
      break;
    case TimerUse::kNextStatement:
      break;  // pump() goes on with it
    case TimerUse::kDeniedChange:
      answer_denied_change();
      break;
  }
  pump();
}

router::LexerOptions Session::default_lexer_options() {
  return worker_.globals().lexer(worker_.view().lexer);
}

bool Session::mysql() {
  return worker_.view().mysql;
}

bool Session::maps_collations() {
  return worker_.view().maps_collations;
}

std::uint16_t Session::reset_collation(std::uint16_t collation) {
  const ClusterView& view = worker_.view();
  if (!view.mysql || view.default_collation == collation) {
    return collation;
  }
  account_.collation = view.default_collation;
  account_.key = account_.make_key();
  return account_.collation;
}

bool Session::stored_functions() {
  return worker_.view().stored_functions ||
         worker_.options().function_defined->load(std::memory_order_acquire) ||
         worker_.positions().functions_made.load(std::memory_order_acquire);
}

void Session::note_stored_function() {
  worker_.options().function_defined->store(true, std::memory_order_release);
}

bool Session::triggers() {
  return worker_.view().triggers ||
         worker_.options().trigger_defined->load(std::memory_order_acquire) ||
         worker_.positions().triggers_made.load(std::memory_order_acquire);
}

bool Session::forgets_accounts() {
  return worker_.positions().accounts_forgotten.load(std::memory_order_acquire);
}

void Session::note_privileges_flushed() {
  worker_.options().logins->password_errors().forget_all();
}

void Session::note_trigger() {
  worker_.options().trigger_defined->store(true, std::memory_order_release);
}

std::optional<UserLockHome::Place> Session::user_lock_home() {
  return worker_.options().user_locks->find(
      static_cast<unsigned>(worker_.view().backends.size()),
      [this](BackendId backend) { return serves(backend); },
      [this](BackendId backend) { return tolerates(backend); });
}

void Session::count_user_lock_holder(int change) {
  worker_.options().user_locks->count_holder(change);
}

void Session::wait_applied(BackendId backend, bool any, Seqno seqno) {
  applied_wait_ = {true, any, backend, seqno};
  timer_use_ = TimerUse::kApplied;
  timer_once(std::chrono::milliseconds(worker_.view().read_wait_ms_max));
  (void)worker_.hooks().post_commit(PositionWanted{backend, seqno});
  worker_.wait_applied(id_);
}

void Session::on_applied() {
  applied_wait_.active = false;
  if (timer_use_ == TimerUse::kApplied) {
    timer_use_ = TimerUse::kNone;
    timer_->stop();
  }
  core_.on_applied();
  pump();
}

std::uint64_t Session::wall_clock_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

void Session::retry_after(std::chrono::milliseconds delay) {
  timer_use_ = TimerUse::kRetry;
  timer_once(delay);
}

void Session::stop_waiting() {
  applied_wait_.active = false;
  if (timer_use_ == TimerUse::kApplied || timer_use_ == TimerUse::kRetry) {
    timer_use_ = TimerUse::kNone;
    timer_->stop();
  }
  stop_leasing();
}

void Session::stop_leasing() {
  if (!leasing_) {
    return;
  }
  const Channel channel = *std::exchange(leasing_, std::nullopt);
  if (leases_[index_of(channel)] == nullptr) {
    (void)worker_.pool().leave(leasing_from_, *this);
  } else {
    release(channel, false);
  }
}

// ---- backends ---------------------------------------------------------------------------------

std::optional<Channel> Session::channel_of(const PooledConnection& connection) const {
  if (leases_[0] == &connection) {
    return Channel::kHome;
  }
  if (leases_[1] == &connection) {
    return Channel::kRead;
  }
  return std::nullopt;
}

void Session::lease(Channel channel, BackendId backend) {
  leasing_ = channel;
  leasing_from_ = backend;
  worker_.pool().lease(backend, core_.phase() == SessionPhase::kOrdering, *this);
}

void Session::on_lease_begun(PooledConnection& connection) {
  leases_[index_of(*leasing_)] = &connection;
}

void Session::on_lease(PooledConnection& connection) {
  const Channel channel = *leasing_;
  leasing_.reset();
  leases_[index_of(channel)] = &connection;
  account_.fresh = false;
  if (std::exchange(login_unproven_, false)) {
    worker_.options().logins->failures().note_success(client_ip_);
    worker_.options().logins->password_errors().note_success(login_account_);
  }
  connection.wire().set_low_water(worker_.limits().client_buffer_low);
  const protocol::ServerInfo& server = connection.wire().server();
  core_.on_leased(channel,
                  {connection.backend(), server.thread_id, server.capabilities,
                   connection.wire().isolation(), connection.insert_id(), connection.schema_as_of(),
                   server_kind_of(server.version), forgets_warnings(server.version)});
  settle_change_user();
  pump();
}

void Session::on_lease_failed(const LeaseFailure& failure) {
  if (!leasing_) {
    return;
  }
  const Channel channel = *leasing_;
  leasing_.reset();
  leases_[index_of(channel)] = nullptr;
  if (login_unproven_ && failure.error.code == protocol::sql_code::kAccessDenied) {
    worker_.own_metrics().authentication_failures.add();
    note_failed_login();
    worker_.options().logins->password_errors().note_failure(login_account_);
  }
  core_.on_lease_failed(channel, failure);
  pump();
}

bool Session::on_asked_back(PooledConnection& connection) {
  const std::optional<Channel> channel = channel_of(connection);
  const bool awaits_question = worker_.loop().now() - last_active_ < kDiagnosticsKept;
  return channel && !closing_ && core_.yield(*channel, awaits_question);
}

/// The command is done: others may want the connection that it leaves idle, or its backend drains.
void Session::spare_home() {
  if (worker_.draining()) {
    end_if_idle();
    return;
  }
  const std::optional<BackendId> home = core_.home();
  if (!home || !core_.idle() || closing_) {
    return;
  }
  if (!worker_.serves(*home)) {
    leave_home();
  } else if (worker_.pool().wanted(*home) && core_.lent(Channel::kHome)) {
    (void)core_.yield(Channel::kHome, true);
  }
}

void Session::leave_home() {
  core_.leave_home();
  count_busy(!core_.idle());
}

std::size_t Session::on_leased_bytes(PooledConnection& connection, MutableBytes bytes) {
  const std::optional<Channel> channel = channel_of(connection);
  if (!channel) {
    return bytes.size();
  }
  const std::size_t used = core_.on_backend_read(*channel, bytes);
  pump();
  return used;
}

void Session::on_leased_drained(PooledConnection& connection) {
  if (core_.wants_file() && channel_of(connection) == Channel::kHome) {
    pump();
  }
}

bool Session::on_leased_lost(PooledConnection& connection) {
  const std::optional<Channel> channel = channel_of(connection);
  if (!channel) {
    return false;
  }
  leases_[index_of(*channel)] = nullptr;
  if (server_found_it_idle()) {
    mute_ = true;
    core_.on_backend_lost(*channel);
    close_quietly();
    return false;
  }
  const bool awaited = core_.awaits_reply(*channel);
  core_.on_backend_lost(*channel);
  pump();
  return awaited;
}

void Session::release(Channel channel, bool reusable) {
  PooledConnection*& lease = leases_[index_of(channel)];
  if (lease == nullptr) {
    return;
  }
  PooledConnection& connection = *lease;
  lease = nullptr;
  if (reusable && account_.counted) {  // as long as it is open its server counts it
    connection.wire().quit();
    reusable = false;
  }
  if (reusable) {
    connection.wire().resume_reading();
  }
  const bool home = channel == Channel::kHome;
  worker_.pool().release(connection, {&core_.state(), reusable, home && core_.home_has_traces(),
                                      home ? core_.home_insert_id() : connection.insert_id()});
}

void Session::send_backend(Channel channel, std::initializer_list<Bytes> pieces) {
  PooledConnection* lease = leases_[index_of(channel)];
  CHECK(lease != nullptr);
  if (!busy_) {
    busy_ = lease->backend();
    worker_.note_busy(*busy_, 1);
  }
  core_.note_sent(channel, pieces);
  lease->wire().send(pieces, core_.query_attributes());
}

void Session::send_file(std::initializer_list<Bytes> pieces) {
  leases_[index_of(Channel::kHome)]->wire().send_file(pieces);
}

BackendStatement* Session::backend_statement(Channel channel, std::string_view key) {
  return leases_[index_of(channel)]->statement(key);
}

void Session::add_backend_statement(Channel channel, std::string_view key, std::uint32_t id) {
  leases_[index_of(channel)]->add_statement(key, id);
}

void Session::close_backend_statement(Channel channel, std::string_view key) {
  leases_[index_of(channel)]->close_statement(key);
}

// ---- effects ----------------------------------------------------------------------------------

void Session::send_client(std::initializer_list<Bytes> pieces) {
  if (mute_) {
    return;
  }
  if (init_connect_.running()) {
    for (const Bytes& piece : pieces) {
      init_connect_.hear(piece);
    }
    return;
  }
  last_active_ = worker_.loop().now();
  if (compression_) {
    write_compressed(pieces);
  } else {
    std::size_t bytes = 0;
    for (const Bytes& piece : pieces) {
      bytes += piece.size();
    }
    worker_.own_metrics().bytes_sent.add(bytes);
    client_.write(pieces);
    if (compress_next_) {
      start_compression();
    }
  }
  if (client_.queued_bytes() > worker_.limits().client_buffer_high) {
    worker_.own_metrics().backpressure_from_client.add();
    for (PooledConnection* lease : leases_) {
      if (lease != nullptr) {
        lease->wire().pause_reading();
      }
    }
  }
}

void Session::close_client() {
  if (closing_) {
    return;
  }
  closing_ = true;
  timer_use_ = TimerUse::kNone;
  timer_once(kCloseWait);  // a client that does not read is not waited for
  client_.close_after_write();
}

SessionEffects::Choice Session::choose_reader(Seqno at_least) {
  const Choice choice = worker_.choose_reader(at_least, last_reader_ ? last_reader_ : core_.home());
  if (choice.found) {
    last_reader_ = choice.backend;
  }
  return choice;
}

SessionEffects::Choice Session::choose_home() {
  return worker_.choose_home();
}

SessionEffects::Choice Session::choose_named(std::string_view name) {
  for (const BackendView& backend : worker_.view().backends) {
    if (backend.name == name) {
      if (!worker_.serves(backend.id)) {
        return {false, backend.id, "backend '" + backend.name + "' does not serve"};
      }
      return {true, backend.id, {}};
    }
  }
  return {false, {}, "no backend is named '" + std::string(name) + "'"};
}

bool Session::serves(BackendId backend) {
  return worker_.serves(backend);
}

bool Session::tolerates(BackendId backend) {
  return serves(backend) ||
         worker_.view().backends[backend.value].state == healthcheck::BackendState::kDraining;
}

Seqno Session::applied(BackendId backend) {
  return Seqno{worker_.positions().applied[backend.value].load(std::memory_order_acquire)};
}

std::optional<BackendId> Session::behind(Seqno seqno) {
  for (const BackendView& backend : worker_.view().backends) {
    if (worker_.serves(backend.id) && applied(backend.id) < seqno) {
      return backend.id;
    }
  }
  return std::nullopt;
}

bool Session::runs_events() {
  return worker_.globals().runs_events();
}

std::string_view Session::init_connect() {
  return worker_.globals().init_connect(worker_.view().kept_globals);
}

bool Session::read_only() {
  return worker_.globals().read_only();
}

bool Session::may_only_read() {
  return worker_.globals().read_only() && !login_account_.read_only_admin;
}

Seqno Session::globals_seen() {
  return worker_.globals().seen();
}

Seqno Session::globals_changed_at() {
  return std::max(worker_.globals().changed_at(), account_.logins_as_of);
}

Seqno Session::schemas_changed() {
  return worker_.globals().schemas_changed();
}

std::uint32_t Session::lane_generation(BackendId backend) {
  return worker_.positions().lane_generations[backend.value].load(std::memory_order_acquire);
}

Seqno Session::newest_replay(BackendId backend) {
  return Seqno{worker_.positions().newest_replays[backend.value].load(std::memory_order_acquire)};
}

Seqno Session::head() {
  return Seqno{worker_.positions().head.load(std::memory_order_acquire)};
}

const LockedTableFilter& Session::locked_tables() {
  return worker_.positions().locked_tables;
}

KnownSequences& Session::sequences() {
  return worker_.positions().sequences;
}

ReadConsistency Session::read_consistency() {
  return worker_.view().read_consistency;
}

BranchId Session::next_branch() {
  return worker_.next_branch();
}

bool Session::post_commit(CommitRequest request) {
  return worker_.hooks().post_commit(std::move(request));
}

void Session::kill_query(BackendId backend, std::uint64_t thread_id, KillTicket ticket) {
  worker_.hooks().kill_query(backend, thread_id, std::move(ticket));
}

void Session::kill_connection(BackendId backend, std::uint64_t thread_id) {
  worker_.hooks().kill_connection(backend, thread_id);
}

bool Session::post_kill(const KillOrder& order) {
  constexpr std::uint64_t kIdMax = std::numeric_limits<std::uint32_t>::max();
  return order.connection_id >= 1 && order.connection_id <= kIdMax &&
         worker_.hooks().post_kill({id_, user_, order});
}

void Session::list_sessions(bool with_states) {
  worker_.hooks().list_sessions(id_, with_states);
}

WorkerMetrics& Session::metrics() {
  return worker_.own_metrics();
}

std::optional<CallKnowledge> Session::known_call(std::string_view schema, std::string_view name) {
  return worker_.known_call(schema, name);
}

router::ClassificationCache& Session::classifications() {
  return worker_.classifications();
}

void Session::count_busy(bool busy) {
  if (!busy && busy_) {
    worker_.note_busy(*busy_, -1);
    busy_.reset();
  }
  if (core_.home() != homed_) {
    if (homed_) {
      worker_.note_home(*homed_, -1);
    }
    homed_ = core_.home();
    if (homed_) {
      worker_.note_home(*homed_, 1);
    }
  }
}

}  // namespace consort::proxy
