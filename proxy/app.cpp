#include "proxy/app.h"

#include <algorithm>
#include <filesystem>
#include <spdlog/spdlog.h>

#include "base/check.h"
#include "proxy/config_reload.h"
#include "proxy/logging.h"
#include "proxy/signals_blocked.h"

namespace consort::proxy {
namespace {

/// Makes `timeout_ms` the limit, unless the server or the account (MAX_STATEMENT_TIME) has a
/// smaller one. 0: nothing.
std::string statement_time_setup(ServerKind kind, std::uint32_t timeout_ms) {
  if (timeout_ms == 0) {
    return {};
  }
  if (kind == ServerKind::kMysql) {  // of SELECTs only, and in milliseconds
    const std::string limit = std::to_string(timeout_ms);
    return ", max_execution_time=IF(@@max_execution_time BETWEEN 1 AND " + limit +
           ", @@max_execution_time, " + limit + ")";
  }
  const std::string thousandths = std::to_string(1000 + timeout_ms % 1000);
  const std::string seconds = std::to_string(timeout_ms / 1000) + '.' + thousandths.substr(1);
  return ", max_statement_time=IF(@@max_statement_time BETWEEN 0.000001 AND " + seconds +
         ", @@max_statement_time, " + seconds + ")";
}

/// What every connection that serves clients is told first (architecture.md, "guarded settings").
std::string connection_setup(const Config& config, std::size_t backend, ServerKind kind) {
  const bool mysql = kind == ServerKind::kMysql;
  return std::string("SET session_track_system_variables='*', session_track_schema=1, ") +
         (mysql ? "session_track_gtids=OWN_GTID" : "pseudo_slave_mode=1") +
         ", auto_increment_increment=" + std::to_string(config.auto_increment.increment) +
         ", auto_increment_offset=" + std::to_string(backend + 1) +
         (mysql                                      ? ""
          : config.session.innodb_snapshot_isolation ? ", innodb_snapshot_isolation=ON"
                                                     : ", innodb_snapshot_isolation=OFF") +
         // What closes a silent client here, so that @@wait_timeout tells the truth and no server
         // closes the connection of a session that is not silent.
         ", wait_timeout=" + std::to_string(config.limits.idle_timeout_s) +
         statement_time_setup(kind, config.limits.query_timeout_ms);
}

std::uint64_t compression_capabilities(const CompressionConfig& config) {
  return (config.zlib ? protocol::capability::kCompress : 0) |
         (config.zstd ? protocol::capability::kZstdCompression : 0);
}

/// A worker's share of what is allowed to all, but for connections_max, which is of all.
PoolLimits pool_limits(const Config& config) {
  const std::uint32_t workers = config.workers_effective();
  const PoolConfig& pool = config.pool;
  PoolLimits limits;
  limits.connections_max = pool.connections_max;
  limits.workers = workers;
  limits.connections_min = (pool.connections_min + workers - 1) / workers;
  limits.queue.waiters_max = (pool.waiters_max + workers - 1) / workers;
  limits.queue.wait_max = std::chrono::milliseconds(pool.wait_ms_max);
  limits.idle_timeout = std::chrono::seconds(pool.idle_timeout_s);
  limits.lifetime = std::chrono::seconds(pool.lifetime_s);
  limits.statements_max = pool.statements_max;
  return limits;
}

WorkerLimits worker_limits(const Config& config) {
  WorkerLimits limits;
  limits.connections_max = config.limits.connections_max;
  limits.packet_bytes_max = config.limits.packet_bytes_max;
  limits.client_buffer_low = config.limits.client_buffer_bytes_low;
  limits.client_buffer_high = config.limits.client_buffer_bytes_high;
  limits.login_timeout = std::chrono::milliseconds(config.limits.login_timeout_ms);
  limits.idle_timeout = std::chrono::seconds(config.limits.idle_timeout_s);
  limits.idle_transaction_timeout = std::chrono::seconds(config.limits.idle_transaction_timeout_s);
  limits.user_connections_max = config.limits.user_connections_max;
  limits.transaction_timeout = std::chrono::seconds(config.limits.transaction_timeout_s);
  limits.statements_max = config.limits.prepared_statements_max;
  limits.pool = pool_limits(config);
  return limits;
}

bool reachable(healthcheck::BackendState state) {
  switch (state) {
    case healthcheck::BackendState::kOnline:
    case healthcheck::BackendState::kSuspect:
    case healthcheck::BackendState::kCatchingUp:
    case healthcheck::BackendState::kDraining:
      return true;
    case healthcheck::BackendState::kUnknown:
    case healthcheck::BackendState::kOffline:
      return false;
  }
  return false;
}

}  // namespace

App::App(Config config, std::string path)
    : config_(std::move(config)),
      path_(std::move(path)),
      running_(config_),
      began_(std::chrono::steady_clock::now()) {}

App::~App() {
  for (const std::unique_ptr<Worker>& worker : workers_) {
    worker->end_sessions();  // the admin port takes its time to end
  }
  admin_.reset();
  metrics_.reset();
  if (events_) {
    events_->stop();
  }
  if (aligner_) {
    aligner_->stop();
  }
  for (const std::unique_ptr<Worker>& worker : workers_) {
    worker->stop();
  }
  if (commit_) {
    commit_->stop();
  }
  // The control loop's callbacks know the others, so it goes before them.
  control_.reset();
}

Result<std::unique_ptr<App>> App::start(Config config, std::string path) {
  std::unique_ptr<App> app(new App(std::move(config), std::move(path)));
  if (Status opened = app->open(); !opened.ok()) {
    return opened.error();
  }
  return app;
}

Status App::open() {
  const SignalsBlocked blocked;  // threads that start here leave signals to the main thread
  log_is_new_ = !std::filesystem::exists(config_.data_dir + "/raft");
  Result<std::string> cluster_id = load_or_create_cluster_id(config_.data_dir);
  if (!cluster_id.ok()) {
    return cluster_id.error();
  }
  cluster_id_ = std::move(cluster_id).value();
  for (Status (App::*step)() :
       {&App::open_tls, &App::open_logins, &App::open_backends, &App::open_commit_log,
        &App::open_workers, &App::open_events, &App::open_servers}) {
    if (Status done = (this->*step)(); !done.ok()) {
      return done;
    }
  }
  on_view(control_->view());
  events_->start();
  aligner_->start();
  spdlog::info("ready: cluster {}, SQL on {}:{}, admin on {}:{}, metrics on {}:{}",
               config_.cluster_name, config_.listen.sql.address, config_.listen.sql.port,
               config_.listen.admin.address, config_.listen.admin.port,
               config_.listen.metrics.address, config_.listen.metrics.port);
  return Ok{};
}

void App::run() {
  control_->run();
}

void App::request_stop() {
  control_->stop();
}

// ---- while it runs ----------------------------------------------------------------------------

void App::begin_drain(bool keep_sockets) {
  draining_ = true;
  if (!keep_sockets) {
    sockets_->close();
  }
  for (const std::unique_ptr<Worker>& worker : workers_) {
    worker->begin_drain();
  }
  events_->begin_drain();
}

bool App::drained() const {
  return worker_counts_->connections.load() == 0 && events_->idle();
}

Config App::running() const {
  const MutexLock lock(mutex_);
  return running_;
}

std::chrono::milliseconds App::shutdown_grace() const {
  const MutexLock lock(mutex_);
  return std::chrono::milliseconds(running_.shutdown_grace_ms);
}

Result<ReloadInfo> App::reload_config() {
  const MutexLock lock(reloading_);
  Result<Config> fresh = load_config(path_);
  if (!fresh.ok()) {
    spdlog::error("the old configuration stays in force: {}", fresh.error().message);
    return make_error(AdminErrorCode::kInvalid, fresh.error().message);
  }
  if (const Status passwords = check_credentials(config_); !passwords.ok()) {
    spdlog::error("the old passwords stay in use: {}", passwords.error().message);
    return make_error(AdminErrorCode::kInvalid, passwords.error().message);
  }
  if (const Result<bool> certificates = read_certificates(); !certificates.ok()) {
    return certificates.error();
  }
  read_passwords();
  const Config before = running();
  ConfigReload plan = plan_reload(before, *fresh);
  take_over(before, plan.config);
  for (const std::string& path : plan.changed) {
    spdlog::info("{} is in force", path);
  }
  for (const std::string& path : plan.needs_restart) {
    spdlog::warn("{} needs a restart", path);
  }
  spdlog::info("{} was read again: {} values changed, {} need a restart", path_,
               plan.changed.size(), plan.needs_restart.size());
  return ReloadInfo{std::move(plan.changed), std::move(plan.needs_restart)};
}

void App::take_over(const Config& before, const Config& after) {
  for (const std::unique_ptr<Worker>& worker : workers_) {
    worker->set_limits(worker_limits(after));
  }
  if (after.read_consistency != before.read_consistency) {
    (void)control_->set_read_consistency(after.read_consistency);
  }
  std::vector<BackendWeight> weights;
  for (std::size_t i = 0; i < after.backends.size(); ++i) {
    if (after.backends[i].weight != before.backends[i].weight) {
      weights.push_back({BackendId{static_cast<std::uint8_t>(i)}, after.backends[i].weight});
    }
  }
  if (!weights.empty()) {
    (void)control_->set_weights(weights);
  }
  set_log_level(after.log.level);
  const MutexLock lock(mutex_);
  running_ = after;
}

// ---- TLS --------------------------------------------------------------------------------------

namespace {

/// All contexts that a configuration needs; null where TLS is off.
struct TlsContexts {
  TlsContext::Shared clients;
  std::vector<TlsContext::Shared> backends;
};

Result<TlsContexts> make_contexts(const Config& config) {
  TlsContexts out;
  if (!config.tls.files.certificate.empty()) {
    Result<TlsContext::Shared> made = TlsContext::for_server(config.tls.files);
    if (!made.ok()) {
      return made.error();
    }
    out.clients = std::move(made).value();
  }
  for (const BackendConfig& backend : config.backends) {
    const BackendTls& tls = config.tls_of(backend);
    TlsContext::Shared& context = out.backends.emplace_back();
    if (tls.mode != TlsMode::kOff) {
      Result<TlsContext::Shared> made = TlsContext::for_client(tls.files, tls.mode);
      if (!made.ok()) {
        return make_error("backend " + backend.name + ": " + made.error().message);
      }
      context = std::move(made).value();
    }
  }
  return out;
}

}  // namespace

Status App::check_files(const Config& config) {
  if (const Result<TlsContexts> contexts = make_contexts(config); !contexts.ok()) {
    return make_error("TLS: " + contexts.error().message);
  }
  return check_credentials(config);
}

Status App::open_tls() {
  Result<TlsContexts> made = make_contexts(config_);
  if (!made.ok()) {
    return made.error();
  }
  const auto slot_of = [](TlsContext::Shared& context) {
    return context == nullptr ? nullptr : std::make_shared<TlsContextSlot>(std::move(context));
  };
  client_tls_ = slot_of(made->clients);
  for (TlsContext::Shared& context : made->backends) {
    backend_tls_.push_back(slot_of(context));
  }
  return Ok{};
}

// The blocking connections read the files whenever they connect.
/// False: none is configured.
Result<bool> App::read_certificates() {
  Result<TlsContexts> made = make_contexts(config_);
  if (!made.ok()) {
    spdlog::error("the old certificates stay in use: {}", made.error().message);
    return make_error(AdminErrorCode::kInvalid, made.error().message);
  }
  bool any = false;
  const auto put = [&any](const std::shared_ptr<TlsContextSlot>& slot,
                          TlsContext::Shared& context) {
    if (slot != nullptr) {
      slot->store(std::move(context));
      any = true;
    }
  };
  put(client_tls_, made->clients);
  for (std::size_t i = 0; i < backend_tls_.size(); ++i) {
    put(backend_tls_[i], made->backends[i]);
  }
  if (any) {
    spdlog::info("certificates were read again: new connections get them");
  }
  return any;
}

Status App::reload_tls() {
  const Result<bool> any = read_certificates();
  if (!any.ok()) {
    return any.error();
  }
  if (!*any) {
    spdlog::warn("no certificate is configured: there is nothing to read again");
    return make_error(AdminErrorCode::kConflict, "no certificate is configured");
  }
  return Ok{};
}

BackendTransport App::transport_to(std::size_t backend) const {
  const BackendConfig& config = config_.backends[backend];
  return {config_.tls_of(config).mode, backend_tls_[backend], config.host, config.compression};
}

// ---- putting it together ----------------------------------------------------------------------

ControlOptions App::control_options(const std::string& cluster_id) const {
  ControlOptions options;
  for (const BackendConfig& backend : config_.backends) {
    options.core.backends.push_back({backend.name, backend.host, backend.port, backend.weight});
    options.tls.push_back(config_.tls_of(backend));
  }
  const HealthConfig& health = config_.health;
  using std::chrono::milliseconds;
  options.core.cluster_id = cluster_id;
  options.may_found = [this] { return commit_started_ ? positions_.head == 0 : log_is_new_; };
  options.applied = [this](BackendId backend) { return Seqno{positions_.applied[backend.value]}; };
  options.core.health.intervals.steady = milliseconds(health.probe_interval_ms);
  options.core.health.intervals.quick = milliseconds(health.probe_quick_interval_ms);
  options.core.health.intervals.backoff_max = milliseconds(health.backoff_ms_max);
  options.core.health.ejects_after = health.failures_to_offline;
  options.core.health.returns_after = health.successes_to_online;
  options.timeouts.connect = milliseconds(health.connect_timeout_ms);
  options.timeouts.read = milliseconds(health.probe_timeout_ms);
  options.core.read_consistency = config_.read_consistency;
  options.core.read_affinity = config_.read_affinity;
  options.core.read_wait_ms_max = config_.read_wait_ms_max;
  options.account.user = config_.account.user;
  options.account.password = config_.account.password;
  return options;
}

Status App::open_backends() {
  control_ = std::make_unique<ControlLoop>(control_options(cluster_id_));
  control_->on_view([this](const std::shared_ptr<const ClusterView>& view) { on_view(view); });
  (void)control_->bootstrap();  // what it finds it says itself
  return Ok{};
}

Status App::open_commit_log() {
  CommitOptions options;
  options.data_dir = config_.data_dir;
  options.cluster_id = cluster_id_;
  for (std::size_t i = 0; i < config_.backends.size(); ++i) {
    const BackendConfig& backend = config_.backends[i];
    options.backends.push_back({backend.name, backend.host, backend.port,
                                &control_->controller(BackendId{static_cast<std::uint8_t>(i)}),
                                transport_to(i)});
  }
  options.service_user = config_.account.user;
  options.service_password = config_.account.password;
  // The event scheduler and the table aligner count as one each.
  options.workers_count = static_cast<std::uint16_t>(config_.workers_effective() + 2);
  options.aligner = static_cast<std::uint16_t>(config_.workers_effective() + 1);
  options.durability = config_.durability == CommitDurability::kDurable ? Durability::kDurable
                                                                        : Durability::kRelaxed;
  options.process_ends_with_stop = true;
  options.archive_bytes_max = config_.commit.archive_bytes_max;
  options.disk_free_bytes_min = config_.commit.disk_free_bytes_min;
  options.writeset_bytes_max = config_.limits.writeset_bytes_max;
  options.index_entries_max = config_.commit.index_commits_max;
  options.index_keys_max = config_.commit.index_keys_max;
  options.batch.entries_max = config_.commit.batch_writesets_max;
  options.batch.payload_bytes_max = config_.commit.batch_bytes_max;
  options.auto_increment = config_.auto_increment.increment;
  options.sequence_increment_max = config_.sequences.increment_max;
  options.lane_interval = std::chrono::milliseconds(config_.commit.lane_interval_ms);
  options.lock_lookup_interval = std::chrono::milliseconds(config_.commit.lock_lookup_interval_ms);
  options.lane_stall = std::chrono::milliseconds(config_.commit.lane_stall_ms);
  options.group_wait_max = std::chrono::milliseconds(config_.commit.group_wait_ms_max);
  CommitHooks hooks;
  hooks.post_to_worker = [this](std::uint16_t worker, CommitEvent event) {
    if (worker > config_.workers_effective()) {
      if (TableAligner* aligner = aligner_told_.load(std::memory_order_acquire)) {
        aligner->on_commit_event(event);
      }
      return;
    }
    if (worker == config_.workers_effective()) {
      if (EventScheduler* events = events_told_.load(std::memory_order_acquire)) {
        events->on_commit_event(event);
      }
      return;
    }
    if (worker < workers_.size() && !workers_[worker]->post(std::move(event))) {
      spdlog::error("worker {} does not take messages any more", worker);
    }
  };
  hooks.lane_changed = [this](const LaneReport& report) {
    control_->report_lane(report.backend, report.state, report.applied, report.reason);
  };
  hooks.positions_moved = [this] {
    for (const std::unique_ptr<Worker>& worker : workers_) {
      worker->positions_moved();
    }
  };
  // The commit thread reads workers_ through these hooks: filled before, never changed after.
  workers_.reserve(config_.workers_effective());
  Result<std::unique_ptr<CommitLoop>> commit =
      CommitLoop::start(std::move(options), std::move(hooks), positions_);
  if (!commit.ok()) {
    return commit.error();
  }
  commit_ = std::move(commit).value();
  commit_started_ = true;
  return Ok{};
}

std::string App::setup_of(std::size_t backend, ServerKind kind) const {
  return connection_setup(config_, backend, kind);
}

BackendPool::Options App::pool_options(const std::vector<SocketAddress>& addresses) const {
  BackendPool::Options options;
  options.addresses = addresses;
  for (std::size_t i = 0; i < config_.backends.size(); ++i) {
    // The second tells the connection's isolation level: what is set is reported.
    options.setup.push_back({{setup_of(i, ServerKind::kMariadb), "SET tx_isolation=@@tx_isolation"},
                             {setup_of(i, ServerKind::kMysql),
                              "SET transaction_isolation=@@session.transaction_isolation"}});
    options.transports.push_back(transport_to(i));
  }
  for (const BackendConfig& backend : config_.backends) {
    options.names.push_back(backend.name);
  }
  options.limits = pool_limits(config_);
  options.connect_timeout = std::chrono::milliseconds(config_.health.connect_timeout_ms);
  return options;
}

WorkerHooks App::worker_hooks() {
  WorkerHooks hooks;
  hooks.post_commit = [this](CommitRequest request) { return commit_->post(std::move(request)); };
  hooks.kill_query = [this](BackendId backend, std::uint64_t thread_id, KillTicket ticket) {
    (void)control_->controller(backend).kill_query(thread_id, std::move(ticket),
                                                   [](const Result<Ok>&) {});
  };
  hooks.kill_connection = [this](BackendId backend, std::uint64_t thread_id) {
    (void)control_->controller(backend).kill_connection(thread_id, [](const Result<Ok>&) {});
  };
  hooks.report_failure = [this](BackendId backend, bool refused) {
    control_->report_backend_failure(
        backend, refused ? healthcheck::PathFailure::kRefused : healthcheck::PathFailure::kReset);
  };
  hooks.post_kill = [this](KillRequest request) {
    if (!workers_open_.load(std::memory_order_acquire)) {
      return false;
    }
    EventScheduler* events = events_told_.load(std::memory_order_acquire);
    if (const auto verdict = events != nullptr ? events->kill(request) : std::nullopt) {
      workers_[request.from.worker]->post(KillAnswer{request.from, *verdict});
      return true;
    }
    const auto count = static_cast<std::uint16_t>(workers_.size());
    const auto owner = Worker::worker_of(request.order.connection_id, count);
    workers_[owner]->post(std::move(request));
    return true;
  };
  hooks.answer_kill = [this](KillAnswer answer) { workers_[answer.to.worker]->post(answer); };
  hooks.list_sessions = [this](SessionId to, bool with_states) { list_sessions(to, with_states); };
  hooks.refresh_accounts = [this] { control_->request_account_refresh(); };
  hooks.need_accounts = [this](Seqno as_of) { control_->need_accounts(as_of); };
  return hooks;
}

Status App::open_workers() {
  std::vector<SocketAddress> addresses;
  for (const BackendConfig& backend : config_.backends) {
    Result<SocketAddress> address = SocketAddress::resolve(backend.host, backend.port);
    if (!address.ok()) {
      return address.error();
    }
    addresses.push_back(*address);
  }
  Result<SocketAddress> listen =
      SocketAddress::resolve(config_.listen.sql.address, config_.listen.sql.port);
  if (!listen.ok()) {
    return listen.error();
  }
  const Result<IpNetworks> proxy_networks =
      IpNetworks::parse(config_.listen.proxy_protocol_networks);
  if (!proxy_networks.ok()) {
    return proxy_networks.error();
  }
  prepare_logins(*control_->view());  // they begin with it, before on_view()
  const std::uint32_t count = config_.workers_effective();
  Result<std::unique_ptr<ListenSockets>> sockets =
      ListenSockets::open({*listen, config_.listen.socket, count});
  if (!sockets.ok()) {
    return sockets.error();
  }
  sockets_ = std::move(sockets).value();
  const auto function_defined = std::make_shared<std::atomic<bool>>(false);
  const auto trigger_defined = std::make_shared<std::atomic<bool>>(false);
  for (std::uint32_t i = 0; i < count; ++i) {
    WorkerOptions options;
    options.function_defined = function_defined;
    options.trigger_defined = trigger_defined;
    options.user_locks = user_locks_;
    options.index = static_cast<std::uint16_t>(i);
    options.workers_count = static_cast<std::uint16_t>(count);
    Result<std::vector<int>> descriptors = sockets_->descriptors_of(i);
    if (!descriptors.ok()) {
      return descriptors.error();
    }
    options.listen_on = std::move(descriptors).value();
    options.pool = pool_options(addresses);
    options.session.cluster = commit_->identity().cluster;
    options.session.policy.ignore_lock_tables = config_.session.ignore_lock_tables;
    options.session.sequence_increment_max = config_.sequences.increment_max;
    options.session.sequence_step =
        config_.auto_increment.increment * config_.sequences.increment_max;
    options.session.autocommit_retries = config_.session.autocommit_retries;
    options.session.statements_time_out = config_.limits.query_timeout_ms > 0;
    options.session.server_connections_min = config_.pool.connections_max + kOwnConnections;
    options.epoch = commit_->identity().epoch;
    options.limits = worker_limits(config_);
    options.counts = worker_counts_;
    options.proxy_networks = *proxy_networks;
    options.logins = logins_;
    options.tls = client_tls_;
    options.tls_required = config_.tls.required;
    options.compression = compression_capabilities(config_.listen.compression);
    Result<std::unique_ptr<Worker>> worker =
        Worker::start(std::move(options), worker_hooks(), positions_, control_->view());
    if (!worker.ok()) {
      return worker.error();
    }
    workers_.push_back(std::move(worker).value());
  }
  workers_open_.store(true, std::memory_order_release);
  return Ok{};
}

Status App::open_servers() {
  MetricsSources sources;
  for (const std::unique_ptr<Worker>& worker : workers_) {
    sources.workers.push_back(&worker->metrics());
  }
  sources.commit = &commit_->stats();
  sources.positions = &positions_;
  sources.events = &events_->stats();
  sources.backend_statuses = [this] { return control_->snapshot(); };
  for (const BackendConfig& backend : config_.backends) {
    sources.backend_names.push_back(backend.name);
  }
  sources.version = kVersion;
  Result<std::unique_ptr<MetricsServer>> metrics = MetricsServer::start(
      {config_.listen.metrics.address, config_.listen.metrics.port}, std::move(sources));
  if (!metrics.ok()) {
    return metrics.error();
  }
  metrics_ = std::move(metrics).value();
  AdminServer::Options admin;
  admin.host = config_.listen.admin.address;
  admin.port = config_.listen.admin.port;
  admin.token = config_.admin.token;
  Result<std::unique_ptr<AdminServer>> server = AdminServer::start(std::move(admin), *this);
  if (!server.ok()) {
    return server.error();
  }
  admin_ = std::move(server).value();
  return Ok{};
}

void App::on_view(const std::shared_ptr<const ClusterView>& view) {
  positions_.accounts_forgotten.store(view->forgets_accounts, std::memory_order_release);
  if (!commit_) {
    return;  // told again when all is open
  }
  prepare_logins(*view);
  for (const BackendView& backend : view->backends) {
    commit_->set_backend(backend.id, reachable(backend.state));
  }
  for (const std::unique_ptr<Worker>& worker : workers_) {
    worker->set_view(view);
  }
}

}  // namespace consort::proxy
