#include "proxy/session/backend_pool.h"

#include <algorithm>
#include <utility>

#include "protocol/packet_writer.h"

namespace consort::proxy {

using protocol::Command;

namespace {

/// While somebody waits: how often sessions are asked once more for what they merely keep.
constexpr std::chrono::milliseconds kAskAgain{100};
/// New connections to one backend per tend(), for the minimum's sake: a server is not stormed.
constexpr std::size_t kWarmUpsAtOnce = 8;

}  // namespace

std::size_t pool_connections_max(std::size_t configured, std::uint64_t server_max) {
  if (server_max == 0) {
    return configured;
  }
  const std::uint64_t own = std::min<std::uint64_t>(kOwnConnections, server_max / 2);
  return std::min<std::uint64_t>(configured, server_max - own);
}

BackendPool::BackendPool(EventLoop& loop,
                         Options options,
                         const GlobalSettings& globals,
                         WorkerMetrics& metrics,
                         std::function<void(BackendId, bool)> report)
    : loop_(loop),
      options_(std::move(options)),
      globals_(globals),
      metrics_(metrics),
      report_(std::move(report)),
      wait_timer_(loop, [this] { on_wait_timer(); }) {
  set_limits(options_.limits);
}

BackendPool::~BackendPool() = default;

void BackendPool::set_limits(const PoolLimits& limits) {
  limits_ = limits;
  for (std::size_t i = 0; i < options_.addresses.size(); ++i) {
    Backend& backend = backends_[i];
    backend.waiting.set_limits(limits.queue);
    set_open_max(BackendId{static_cast<std::uint8_t>(i)});
  }
}

void BackendPool::on_server_limit(BackendId id, std::uint64_t server_max) {
  if (std::exchange(backends_[id.value].server_max, server_max) != server_max) {
    set_open_max(id);
  }
}

void BackendPool::set_open_max(BackendId id) {
  Backend& backend = backends_[id.value];
  const std::size_t of_all = pool_connections_max(limits_.connections_max, backend.server_max);
  backend.open_max = std::max<std::size_t>(1, of_all / limits_.workers);
  while (backend.open.size() > backend.open_max && evict_one(backend)) {
  }
  serve(id);
}

// ---- leasing ----------------------------------------------------------------------------------

void BackendPool::lease(BackendId id, bool urgent, PoolClient& client) {
  Backend& backend = backends_[id.value];
  if (urgent) {
    if (!grant(id, client)) {
      hand_out(open(id, client.lease_account(), &client.lease_state()), client);
    }
    return;
  }
  // Nobody overtakes who waits. What waits for others is idle for a moment only.
  if (backend.waiting.empty() && grant(id, client)) {
    return;
  }
  metrics_.pool_waits[id.value].add();
  // Whoever could spare its connection was asked when the first one began to wait.
  if (backend.waiting.empty() && ask_back(backend) && grant(id, client)) {
    return;
  }
  if (!backend.waiting.join({&client, client.lease_account().key, loop_.now()})) {
    metrics_.pool_refusals[id.value].add();
    client.on_lease_failed(
        {protocol::pool_exhausted_error("as many as may wait for a connection to backend '" +
                                        options_.names[id.value] + "' wait already"),
         false});
    return;
  }
  update_gauges(id);
  watch_waiters();
}

bool BackendPool::leave(BackendId id, const PoolClient& client) {
  const bool left = backends_[id.value].waiting.leave(client);
  update_gauges(id);
  return left;
}

/// False: all connections are in use.
bool BackendPool::grant(BackendId id, PoolClient& client) {
  Backend& backend = backends_[id.value];
  const PoolAccount& account = client.lease_account();
  const SessionState& wanted = client.lease_state();
  PooledConnection* idle = account.fresh ? nullptr : take_idle(backend, account, wanted);
  if (idle != nullptr) {
    idle->client_ = &client;
    idle->state_.has_traces = idle->state_.has_traces || globals_.outdated(id, idle->age_);
    update_gauges(id);
    if (distance(idle->state_, wanted) == StateDistance::kNone) {
      client.on_lease(*idle);
    } else {
      client.on_lease_begun(*idle);
      bring_into_state(*idle, wanted);
    }
    return true;
  }
  if (backend.open.size() >= backend.open_max && !evict_one(backend)) {
    return false;
  }
  hand_out(open(id, account, &wanted), client);
  return true;
}

void BackendPool::hand_out(PooledConnection& connection, PoolClient& client) {
  connection.client_ = &client;
  client.on_lease_begun(connection);
}

PooledConnection& BackendPool::open(BackendId id,
                                    const PoolAccount& account,
                                    const SessionState* wanted) {
  Backend& backend = backends_[id.value];
  if (limits_.connections_min > 0 && !account.counted &&
      (!backend.newest || backend.newest->key != account.key)) {
    backend.newest = account;
  }
  auto connection = std::make_unique<PooledConnection>();
  connection->backend_ = id;
  connection->account_key_ = account.key;
  connection->statements_max_ = limits_.statements_max;
  connection->expires_ = draw_expiry();
  connection->age_ = globals_.age(id);
  connection->login_as_of_ = connection->age_.applied;
  BackendConnection::Params params;
  params.address = options_.addresses[id.value];
  params.connect_timeout = options_.connect_timeout;
  params.login.user = account.user;
  params.login.credential = account.secret;
  params.transport = options_.transports[id.value];
  params.login.tls = params.transport.mode;
  params.login.compression = params.transport.compression;
  params.compression = &compression_;
  params.login.capabilities = account.capabilities;
  params.login.collation = account.collation;
  connection->collation_ = account.collation;
  params.setup = options_.setup[id.value];
  if (wanted != nullptr) {
    connection->state_ = {wanted->schema(), wanted->settings(), false, connection->age_.applied};
    params.login.database = wanted->schema();
    if (wanted->has_variables()) {
      params.state = {{wanted->set_statement(ServerKind::kMariadb)},
                      {wanted->set_statement(ServerKind::kMysql)}};
    }
  }
  connection->wire_ = std::make_unique<BackendConnection>(
      loop_, id, std::move(params), static_cast<BackendConnectionObserver&>(*this));
  PooledConnection& opened = *connection;
  opened.place_ = backend.open.size();
  backend.open.push_back(&opened);
  connections_.emplace(opened.wire_.get(), std::move(connection));
  update_gauges(id);
  return opened;
}

TimePoint BackendPool::draw_expiry() {
  // Not all at once, when many were made at once.
  const std::int64_t tenth = limits_.lifetime.count() / 10;
  std::uniform_int_distribution<std::int64_t> jitter(-tenth, tenth);
  return loop_.now() + limits_.lifetime + std::chrono::milliseconds(jitter(random_));
}

/// The one that is nearest to the state, of equals the one used last: the others grow old. Those of
/// a login before a change of accounts are for sessions that were there before, as on a server.
PooledConnection* BackendPool::take_idle(Backend& backend,
                                         const PoolAccount& account,
                                         const SessionState& wanted) {
  const auto found = backend.idle.find(account.key);
  if (found == backend.idle.end()) {
    return nullptr;
  }
  std::vector<PooledConnection*>& idle = found->second;
  auto best = idle.rend();
  StateDistance least = StateDistance::kUnusable;
  for (auto at = idle.rbegin(); at != idle.rend() && least != StateDistance::kNone; ++at) {
    if ((*at)->login_as_of_ < account.logins_as_of) {
      continue;
    }
    if (const StateDistance away = distance((*at)->state_, wanted); away < least) {
      least = away;
      best = at;
    }
  }
  if (best == idle.rend()) {
    return nullptr;
  }
  PooledConnection* taken = *best;
  idle.erase(std::next(best).base());
  --backend.idle_count;
  return taken;
}

void BackendPool::bring_into_state(PooledConnection& connection, const SessionState& wanted) {
  ConnectionState& state = connection.state_;
  std::vector<Buffer> commands;
  const auto add = [&commands](Command command, std::string_view argument) {
    protocol::append_command(commands.emplace_back(), command, as_bytes(argument));
  };
  const ServerKind kind = server_kind_of(connection.wire().server().version);
  std::optional<std::string> change =
      settings_change(state.settings.get(), wanted.settings().get(), kind);
  const bool leaves = knows_old_schema(state, wanted);
  const bool anew = leaves || state.schema != wanted.schema();
  bool enters = anew;
  if (state.has_traces || !change) {
    enters = true;  // a reset connection has forgotten the schema's collation
    connection.age_ = globals_.age(connection.backend_);
    add(Command::kResetConnection, {});
    for (const std::string& statement : options_.setup[connection.backend_.value].of(kind)) {
      add(Command::kQuery, statement);
    }
    if (kind == ServerKind::kMysql) {  // it has the server's own now, MariaDB those of the login
      const std::string collation = std::to_string(connection.collation_);
      add(Command::kQuery, "SET character_set_client=" + collation + ",character_set_results=" +
                               collation + ",collation_connection=" + collation);
    }
    connection.statements_.clear();
    connection.insert_id_ = 0;
    change = settings_change(nullptr, wanted.settings().get(), kind);
    metrics_.pool_resets[connection.backend_.value].add();
  }
  if (!change->empty()) {
    add(Command::kQuery, *change);
  }
  if (enters && !wanted.schema().empty()) {
    if (leaves) {
      add(Command::kInitDb, kNeutralSchema);
    }
    add(Command::kInitDb, wanted.schema());
    if (const std::string sql = wanted.schema_set_statement(); !sql.empty()) {
      add(Command::kQuery, sql);
    }
  }
  const Seqno applied = globals_.age(connection.backend_).applied;
  state = {wanted.schema(), wanted.settings(), false, anew ? applied : state.schema_as_of};
  connection.becoming_ = true;
  if (commands.empty()) {
    on_backend_ready(*connection.wire_);
    return;
  }
  metrics_.pool_state_changes[connection.backend_.value].add();
  connection.wire_->set_up(commands);
}

void BackendPool::release(PooledConnection& connection, const Return& back) {
  connection.client_ = nullptr;
  const BackendId id = connection.backend_;
  if (!connection.wire_->ready() && back.reusable) {
    return;  // still being made ready: idle when it is
  }
  const bool surplus = backends_[id.value].open.size() > backends_[id.value].open_max;
  if (!back.reusable) {
    close(connection);
    serve(id);
    return;
  }
  if (surplus || loop_.now() >= connection.expires_) {
    quit(connection);
    serve(id);
    return;
  }
  ConnectionState& state = connection.state_;
  if (state.settings != back.state->settings()) {
    state.settings = back.state->settings();
  }
  if (state.schema != back.state->schema()) {
    state.schema = back.state->schema();
  }
  state.has_traces = back.has_traces;
  connection.insert_id_ = back.insert_id;
  shelve(connection);
}

/// It is idle now; whoever waits gets it.
void BackendPool::shelve(PooledConnection& connection) {
  const BackendId id = connection.backend_;
  Backend& backend = backends_[id.value];
  connection.idle_since_ = loop_.now();
  backend.idle[connection.account_key_].push_back(&connection);
  ++backend.idle_count;
  update_gauges(id);
  serve(id);
}

// ---- waiting ----------------------------------------------------------------------------------

/// Gives whoever waits what is free. A client that gets its lease may give it back inside, and so
/// come here again: the outer call goes on then.
void BackendPool::serve(BackendId id) {
  Backend& backend = backends_[id.value];
  if (backend.serving) {
    return;
  }
  backend.serving = true;
  while (!backend.waiting.empty() &&
         (backend.idle_count > 0 || backend.open.size() < backend.open_max)) {
    std::string_view free_account;
    for (const auto& [key, idle] : backend.idle) {
      free_account = idle.empty() ? free_account : std::string_view(key);
    }
    const LeaseQueue::Waiter waiter = backend.waiting.take(loop_.now(), free_account);
    metrics_.pool_wait_latency.record(loop_.now() - waiter.since);
    (void)grant(id, *waiter.client);
    update_gauges(id);
  }
  backend.serving = false;
}

/// Asks the sessions in turn, so that each loses its connection as seldom as the others. True when
/// one gives it back, now or soon.
bool BackendPool::ask_back(Backend& backend) {
  for (std::size_t asked = 0; asked < backend.open.size(); ++asked) {
    backend.hand = backend.hand + 1 < backend.open.size() ? backend.hand + 1 : 0;
    PooledConnection& connection = *backend.open[backend.hand];
    if (connection.client_ != nullptr && connection.wire_->ready() &&
        connection.client_->on_asked_back(connection)) {
      return true;
    }
  }
  return false;
}

void BackendPool::watch_waiters() {
  if (!wait_timer_.armed()) {
    wait_timer_.start_once(kAskAgain);
  }
}

void BackendPool::on_wait_timer() {
  bool any = false;
  for (std::size_t i = 0; i < options_.addresses.size(); ++i) {
    Backend& backend = backends_[i];
    for (std::size_t asks = backend.waiting.size(); asks > 0 && ask_back(backend); --asks) {
    }
    expire_waiters(BackendId{static_cast<std::uint8_t>(i)});
    any = any || !backend.waiting.empty();
  }
  if (any) {
    watch_waiters();
  }
}

void BackendPool::expire_waiters(BackendId id) {
  Backend& backend = backends_[id.value];
  while (const auto waiter = backend.waiting.take_expired(loop_.now())) {
    const auto waited =
        std::chrono::duration_cast<std::chrono::milliseconds>(loop_.now() - waiter->since);
    metrics_.pool_wait_timeouts[id.value].add();
    metrics_.pool_wait_latency.record(waited);
    update_gauges(id);
    waiter->client->on_lease_failed(
        {protocol::pool_exhausted_error("no connection to backend '" + options_.names[id.value] +
                                        "' was free for " + std::to_string(waited.count()) + " ms"),
         false});
  }
}

void BackendPool::drop_idle(BackendId id) {
  Backend& backend = backends_[id.value];
  while (evict_one(backend)) {
  }
  while (!backend.waiting.empty()) {
    const LeaseQueue::Waiter waiter = backend.waiting.take_first();
    waiter.client->on_lease_failed(
        {protocol::backend_lost_error("backend '" + options_.names[id.value] + "' is offline"),
         true});
  }
  update_gauges(id);
}

// ---- upkeep -----------------------------------------------------------------------------------

void BackendPool::tend(const std::function<bool(BackendId)>& serves) {
  for (std::size_t i = 0; i < options_.addresses.size(); ++i) {
    const BackendId id{static_cast<std::uint8_t>(i)};
    retire_old(id);
    Backend& backend = backends_[i];
    const std::size_t wanted = std::min(limits_.connections_min, backend.open_max);
    for (std::size_t made = 0;
         backend.newest && made < kWarmUpsAtOnce && serves(id) && backend.open.size() < wanted;
         ++made) {
      open(id, PoolAccount(*backend.newest), nullptr);
    }
  }
}

void BackendPool::retire_old(BackendId id) {
  Backend& backend = backends_[id.value];
  std::vector<PooledConnection*> old;
  std::size_t left = backend.open.size();
  for (const auto& [key, idle] : backend.idle) {
    for (PooledConnection* connection : idle) {
      const bool surplus = left > limits_.connections_min &&
                           loop_.now() - connection->idle_since_ >= limits_.idle_timeout;
      if (surplus || loop_.now() >= connection->expires_) {
        old.push_back(connection);
        --left;
      }
    }
  }
  for (PooledConnection* connection : old) {
    quit(*connection);
  }
}

// ---- the connections --------------------------------------------------------------------------

void BackendPool::on_backend_ready(BackendConnection& wire) {
  PooledConnection& connection = *connections_.at(&wire);
  if (!std::exchange(connection.becoming_, false)) {
    metrics_.pool_opened[connection.backend_.value].add();
    if (wire.secured()) {
      metrics_.pool_secured[connection.backend_.value].add();
    }
    if (wire.compressed()) {
      metrics_.pool_compressed[connection.backend_.value].add();
    }
  }
  if (connection.client_ != nullptr) {
    connection.client_->on_lease(connection);
  } else {
    shelve(connection);  // its session went away while it was made ready, or it had none
  }
}

std::size_t BackendPool::on_backend_bytes(BackendConnection& wire, MutableBytes bytes) {
  PooledConnection& connection = *connections_.at(&wire);
  if (connection.client_ == nullptr) {
    return bytes.size();  // the server says goodbye to an idle connection
  }
  return connection.client_->on_leased_bytes(connection, bytes);
}

void BackendPool::on_backend_drained(BackendConnection& wire) {
  PooledConnection& connection = *connections_.at(&wire);
  if (connection.client_ != nullptr) {
    connection.client_->on_leased_drained(connection);
  }
}

void BackendPool::on_backend_closed(BackendConnection& wire, const BackendFailure& failure) {
  PooledConnection& connection = *connections_.at(&wire);
  PoolClient* client = connection.client_;
  const BackendId id = connection.backend_;
  Backend& backend = backends_[id.value];
  const bool ready = wire.ready();
  connection.client_ = nullptr;
  // The pooled connection outlives the call to its client, which may still compare its address.
  auto keeper = std::move(connections_.at(&wire));
  erase(*keeper);
  metrics_.pool_failures[id.value].add();
  if (!ready && backend.newest && backend.newest->key == keeper->account_key_) {
    backend.newest.reset();  // perhaps its password is old: no more of them until somebody asks
  }
  if (!ready && failure.error.code == protocol::sql_code::kTooManyConnections) {
    evict_half(backend);  // others than Consort fill the server: what nobody uses makes room
  }
  bool in_use = !ready;
  if (client != nullptr && ready) {
    in_use = client->on_leased_lost(*keeper);
  } else if (client != nullptr) {
    client->on_lease_failed({failure.error, !failure.permanent});
  }
  if (in_use && failure.path) {
    report_(id, failure.refused);
  }
  serve(id);
}

void BackendPool::erase(PooledConnection& connection) {
  Backend& backend = backends_[connection.backend_.value];
  if (const auto found = backend.idle.find(connection.account_key_); found != backend.idle.end()) {
    backend.idle_count -= std::erase(found->second, &connection);
    if (found->second.empty()) {
      backend.idle.erase(found);
    }
  }
  backend.open.back()->place_ = connection.place_;
  std::swap(backend.open[connection.place_], backend.open.back());
  backend.open.pop_back();
  connections_.erase(connection.wire_.get());
  connection.wire_.reset();
  update_gauges(connection.backend_);
}

void BackendPool::close(PooledConnection& connection) {
  auto keeper = std::move(connections_.at(connection.wire_.get()));
  erase(*keeper);
}

/// Nothing is under way on it: the server hears that it ends, and counts no client that broke off.
void BackendPool::quit(PooledConnection& connection) {
  connection.wire_->quit();
  close(connection);
}

/// Closes the connection that is idle for longest, of some account.
bool BackendPool::evict_one(Backend& backend) {
  for (auto& [key, idle] : backend.idle) {
    if (!idle.empty()) {
      quit(*idle.front());
      return true;
    }
  }
  return false;
}

void BackendPool::evict_half(Backend& backend) {
  for (std::size_t left = (backend.idle_count + 1) / 2; left > 0 && evict_one(backend); --left) {
  }
}

void BackendPool::update_gauges(BackendId id) {
  const Backend& backend = backends_[id.value];
  metrics_.pool_idle[id.value].set(static_cast<std::int64_t>(backend.idle_count));
  metrics_.pool_leased[id.value].set(
      static_cast<std::int64_t>(backend.open.size() - backend.idle_count));
  metrics_.pool_waiting[id.value].set(static_cast<std::int64_t>(backend.waiting.size()));
}

}  // namespace consort::proxy
