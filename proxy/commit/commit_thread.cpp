#include "proxy/commit/commit_thread.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <utility>

#include "base/atomic_max.h"
#include "base/check.h"
#include "certifier/lane_sql.h"
#include "proxy/commit/brand_check.h"
#include "proxy/signals_blocked.h"
#include "router/token.h"

namespace consort::proxy {
namespace {

using namespace std::chrono_literals;
using healthcheck::LaneState;

constexpr std::chrono::milliseconds kTick = 50ms;
constexpr unsigned kTicksPerDiskLook = 4;
constexpr unsigned kTicksPerReport = 20;
constexpr unsigned kTicksPerSweep = 200;
constexpr auto kSweepGap = 200ms;
constexpr auto kOrphanAge = 2000ms;
constexpr auto kStopMax = 3000ms;
// A lane this close to the log's end serves; one this far behind does not any more.
constexpr std::uint64_t kCaughtUpLag = 256;
constexpr std::uint64_t kFallenBehindLag = 20'000;

healthcheck::PathFailure failure_of(const SqlCloseReason& reason) {
  if (reason.refused) {
    return healthcheck::PathFailure::kRefused;
  }
  return reason.timeout ? healthcheck::PathFailure::kTimeout : healthcheck::PathFailure::kReset;
}

std::vector<BackendController*> controllers_of(const CommitOptions& options) {
  std::vector<BackendController*> controllers;
  for (const CommitBackend& backend : options.backends) {
    controllers.push_back(backend.controller);
  }
  return controllers;
}

certifier::SequencerLimits sequencer_limits(const CommitOptions& options) {
  certifier::SequencerLimits limits;
  limits.entries_kept = options.index_entries_max;
  limits.keys_max = options.index_keys_max;
  return limits;
}

constexpr std::uint16_t kNotSupportedErrno = 1235;

/// Succeeds where the server understands the statement in a session like its own. A table without a
/// schema is one of Consort's: whether there is such a table is no matter.
Status try_to_prepare(healthcheck::ServerLink& link, const DdlRequest& ddl) {
  const std::string prepare[] = {"USE consort", "SET @consort_1=" + certifier::sql_literal(ddl.sql),
                                 ddl.session_set.empty() ? "DO 0" : ddl.session_set,
                                 "PREPARE consort_1 FROM @consort_1"};
  Status tried = Ok{};
  for (const std::string& sql : prepare) {
    if (const auto answer = link.query(sql); !answer.ok()) {
      tried = answer.error();
      break;
    }
  }
  link.close();  // the next one finds a session as it should be
  return tried;
}

/// Creates, alters or drops a schema, or may: of what a program has executed only the text tells.
bool may_change_schemas(const certifier::LogEntry& entry) {
  const certifier::Ddl* ddl = entry.ddl();
  if (ddl == nullptr || entry.is_program()) {
    return false;
  }
  if (ddl->targets.empty()) {
    return router::contains_ignoring_case(ddl->sql, "database") ||
           router::contains_ignoring_case(ddl->sql, "schema");
  }
  return std::any_of(ddl->targets.begin(), ddl->targets.end(),
                     [](const certifier::DdlObject& object) {
                       return !object.schema.empty() && object.table.empty();
                     });
}

}  // namespace

CommitLoop::Thread::Thread(CommitOptions options, CommitHooks hooks, AppliedPositions& positions)
    : options_(std::move(options)),
      hooks_(std::move(hooks)),
      positions_(positions),
      requests_(options_.requests_max, [waker = waker_] { waker->wake(); }),
      sequencer_(sequencer_limits(options_)) {
  identity_.cluster = cluster_of(options_.cluster_id);
}

CommitLoop::Thread::~Thread() {
  stop();
}

// ---- start ----

Status CommitLoop::Thread::start() {
  CHECK(options_.backends.size() <= kBackendsMax);
  Status resolved = resolve_backends();
  if (!resolved.ok()) {
    return resolved;
  }
  started_.emplace();
  std::future<Status> started = started_->get_future();
  {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { thread_main(); });
  }
  Status status = started.get();
  if (!status.ok()) {
    thread_.join();
  }
  return status;
}

Status CommitLoop::Thread::resolve_backends() {
  for (std::size_t i = 0; i < options_.backends.size(); ++i) {
    const CommitBackend& configured = options_.backends[i];
    Result<SocketAddress> address = SocketAddress::resolve(configured.host, configured.port);
    if (!address.ok()) {
      return make_error("backend " + configured.name + ": " + address.error().message);
    }
    auto backend = std::make_unique<Backend>(*this, BackendId{static_cast<std::uint8_t>(i)});
    backend->address = *address;
    backend->reason = "not connected yet";
    backends_.push_back(std::move(backend));
  }
  return Ok{};
}

void CommitLoop::Thread::thread_main() {
  pthread_setname_np(pthread_self(), "commit");
  loop_ = std::make_unique<EventLoop>();
  own_wake_ = std::make_unique<AsyncWake>(*loop_, [] {});
  waker_->attach(*own_wake_);
  timer_ = std::make_unique<Timer>(*loop_, [this] { look_after(); });
  stop_timer_ = std::make_unique<Timer>(*loop_, [this] { continue_stop(); });
  const Status opened = open_log();
  if (opened.ok()) {
    loop_->run();
    if (options_.process_ends_with_stop) {
      quieten();
    } else {
      close_log();
    }
  }
  tasks_->close();
  waker_->detach();
  blocker_.reset();
  table_desk_.reset();
  routines_.reset();
  programs_.reset();
  ddl_.reset();
  branches_.reset();
  tables_.reset();
  reaper_.reset();
  for (const std::unique_ptr<Backend>& backend : backends_) {
    backend->lane.reset();
    backend->stream.reset();
  }
  timer_.reset();
  stop_timer_.reset();
  own_wake_.reset();
  if (opened.ok() && options_.process_ends_with_stop) {
    // libraft 0.15 may read freed memory when it is closed while it prepares a segment. All that
    // was acknowledged is on disk: what is left ends with the process, as at a crash.
    static std::pair<std::unique_ptr<LogKeeper>, std::unique_ptr<EventLoop>>* const kept =
        new std::pair<std::unique_ptr<LogKeeper>, std::unique_ptr<EventLoop>>;
    *kept = {std::move(log_), std::move(loop_)};
  }
  log_.reset();
  loop_.reset();
  if (!opened.ok()) {
    tell_started(opened.error());
  }
}

Status CommitLoop::Thread::open_log() {
  std::error_code error;
  std::filesystem::create_directories(options_.data_dir, error);
  if (error) {
    return make_error("creating " + options_.data_dir + ": " + error.message());
  }
  LogKeeperOptions options;
  options.data_dir = options_.data_dir;
  options.cluster_id = options_.cluster_id;
  options.archive_bytes_max = options_.archive_bytes_max;
  options.disk_free_bytes_min = options_.disk_free_bytes_min;
  options.history_entries = options_.index_entries_max;
  Result<std::unique_ptr<LogKeeper>> log = LogKeeper::open(*loop_, options, *this, stats_);
  if (!log.ok()) {
    return log.error();
  }
  log_ = std::move(log).value();
  make_parts();
  log_->start();
  return Ok{};
}

certifier::SequenceSteps CommitLoop::Thread::sequence_steps(BackendId backend) const {
  const std::uint32_t apart = options_.sequence_increment_max;
  return {options_.auto_increment * apart, backend.value * apart + 1U, apart};
}

void CommitLoop::Thread::make_parts() {
  const std::vector<BackendController*> controllers = controllers_of(options_);
  keys_ = std::make_unique<certifier::KeyBuilder>(catalog_, options_.collation_weights.get());
  tables_ = std::make_unique<TableLoader>(controllers, tasks_, catalog_, positions_,
                                          [this] { branches_->retry_held(); });
  reaper_ = std::make_unique<BranchReaper>(controllers, tasks_);

  BranchDeskOptions desk_options;
  desk_options.durability = options_.durability;
  desk_options.cluster = identity_.cluster;
  desk_options.group_wait_max = options_.group_wait_max;
  desk_options.sequence_step = sequence_steps(BackendId{0}).step;
  for (const CommitBackend& backend : options_.backends) {
    desk_options.backend_names.push_back(backend.name);
  }
  branches_ = std::make_unique<BranchDesk>(
      std::move(desk_options),
      BranchDeskParts{
          *log_, sequencer_, catalog_, *keys_, *tables_, *reaper_, locks_, positions_, stats_,
          [this](BackendId id) { return at(id).lane->attached() && at(id).stream->streaming(); },
          [this] { return applied_by_homes(); },
          [this](BranchOutcome outcome) {
            const SessionId session = outcome.session;
            tell(session, std::move(outcome));
          },
          [this] { return programs_->under_way(); },
          [this](BackendId id, protocol::BinlogGroup& group) {
            return programs_->on_group(id, group);
          },
          [this](const DdlRequest& ddl) { ddl_->on_request(ddl); }});
  const auto lane = [this](BackendId id) -> LaneConnection& { return *at(id).lane; };
  const auto everybody = [this](const CommitEvent& event) { tell_all(event); };
  ddl_ = std::make_unique<DdlDesk>(DdlDeskParts{
      *log_, sequencer_, *branches_, stats_, options_.backends.size(), lane,
      [this](SessionId session, CommitEvent event) { tell(session, std::move(event)); }, everybody,
      [this] {
        if (hooks_.accounts_changed) {
          hooks_.accounts_changed();
        }
      },
      [this](BackendId id) { blocker_->replay_held(id); },
      [this] { return programs_->under_way(); }});
  programs_ = std::make_unique<ProgramDesk>(ProgramDeskParts{
      *log_, sequencer_, catalog_, *keys_, *tables_, *branches_, locks_, positions_, stats_, lane,
      [this](SessionId session, CommitEvent event) { tell(session, std::move(event)); },
      [this] {
        if (hooks_.accounts_changed) {
          hooks_.accounts_changed();
        }
      },
      [this](BackendId id, std::uint64_t thread) { blocker_->unblock(id, thread); }});
  routines_ = std::make_unique<RoutineBook>(RoutineBookParts{
      [this](BackendId id, std::function<std::string(ServerKind)> sql, RowsTold told) {
        return ask_backend(id, std::move(sql), std::move(told));
      },
      positions_, [this](Seqno seqno) { return backend_at(seqno); },
      [this](CallAnswer answer) {
        const SessionId session = answer.session;
        tell(session, std::move(answer));
      }});
  table_desk_ = std::make_unique<TableDesk>(TableDeskParts{
      locks_, sequencer_, *branches_, positions_, stats_,
      [this](const DdlRequest& request) { ddl_->on_request(request); },
      [this](SessionId session, CommitEvent event) { tell(session, std::move(event)); },
      everybody});
  blocker_ = std::make_unique<LaneBlocker>(LaneBlockerParts{
      controllers, tasks_, *log_, sequencer_, *branches_, *reaper_, stats_, lane, everybody,
      [this](BackendId id) { sweep(at(id)); }, options_.lock_lookup_interval});
}

Status CommitLoop::Thread::on_restored(const certifier::LogEntry& entry) {
  Status restored = sequencer_.restore(entry);
  if (restored.ok()) {
    ddl_->on_restored(entry);
    programs_->on_restored(entry);
    if (const certifier::Ddl* ddl = entry.ddl()) {
      routines_->on_ddl(*ddl, entry.seqno);
    }
  }
  return restored;
}

// The log of earlier runs was read. Ours begins with an entry that gives it its number.
void CommitLoop::Thread::on_log_ready() {
  log_->begin_epoch();
  identity_.epoch = log_->epoch();
  for (const std::unique_ptr<Backend>& backend : backends_) {
    LaneStats& stats = stats_.lanes[backend->id.value];
    SqlTarget target;
    target.address = backend->address;
    target.user = options_.service_user;
    target.password = options_.service_password;
    target.transport = options_.backends[backend->id.value].transport;
    BinlogStreamOptions stream_options;
    stream_options.target = target;
    stream_options.server_id = options_.binlog_server_id + backend->id.value;
    stream_options.group_bytes_max = options_.writeset_bytes_max;
    backend->stream =
        std::make_unique<BinlogStream>(*loop_, std::move(stream_options), *backend, stats);
    LaneOptions lane_options;
    lane_options.backend = backend->id;
    lane_options.name = options_.backends[backend->id.value].name;
    lane_options.target = target;
    lane_options.cluster_id = options_.cluster_id;
    lane_options.cluster = identity_.cluster;
    lane_options.epoch = identity_.epoch;
    lane_options.stall = options_.lane_stall;
    lane_options.batch = options_.batch;
    lane_options.interval = options_.lane_interval;
    lane_options.sequences = sequence_steps(backend->id);
    LaneHost& host = *this;
    backend->lane = std::make_unique<LaneConnection>(*loop_, std::move(lane_options), host, stats);
  }
  log_->submit();
}

void CommitLoop::Thread::tell_started(Status status) {
  if (started_) {
    std::promise<Status> promise = std::move(*started_);
    started_.reset();
    promise.set_value(std::move(status));
  }
}

void CommitLoop::Thread::on_log_failed(const Error& error) {
  if (!running_) {  // nothing was promised to anybody yet
    tell_started(error);
    loop_->stop();
    return;
  }
  die(error.message);
}

void CommitLoop::Thread::die(const std::string& why) {
  spdlog::critical("commit thread: {}", why);
  if (hooks_.fatal) {
    hooks_.fatal(why);
  }
  spdlog::shutdown();
  std::abort();
}

// ---- one turn ----

void CommitLoop::Thread::on_turn() {
  tasks_->drain();
  requests_.drain(drained_);
  stats_.mailbox_depth.set(static_cast<std::int64_t>(drained_.size()));
  if (!deferred_.empty() && !programs_->under_way()) {
    drained_.insert(drained_.begin(), std::make_move_iterator(deferred_.begin()),
                    std::make_move_iterator(deferred_.end()));
    deferred_.clear();
  }
  for (CommitRequest& request : drained_) {
    if (defers(request)) {
      deferred_.push_back(std::move(request));
    } else {
      on_request(request);
    }
  }
  drained_.clear();
  branches_->process();
  programs_->process();
  if (!programs_->under_way()) {
    table_desk_->settle();
  }
  log_->submit();
  for (const std::unique_ptr<Backend>& backend : backends_) {
    backend->lane->pump();
    report(*backend);
  }
  if (positions_moved_) {
    positions_moved_ = false;
    Seqno everywhere = log_->durable_head();
    for (const std::unique_ptr<Backend>& backend : backends_) {
      if (backend->lane->attached()) {
        everywhere = std::min(everywhere, backend->lane->lane().applied());
      }
    }
    sequencer_.on_applied_everywhere(everywhere);
    if (hooks_.positions_moved) {
      hooks_.positions_moved();
    }
  }
}

Seqno CommitLoop::Thread::applied_by_homes() const {
  Seqno everywhere = log_->durable_head();
  for (const std::unique_ptr<Backend>& backend : backends_) {
    if (backend->caught_up) {
      everywhere = std::min(everywhere, backend->lane->lane().applied());
    }
  }
  return everywhere;
}

// What would get a seqno, or a table of which nobody knows whether the program under way uses it.
bool CommitLoop::Thread::defers(const CommitRequest& request) const {
  return programs_->under_way() && (std::holds_alternative<DdlRequest>(request) ||
                                    std::holds_alternative<TableUnfilled>(request) ||
                                    std::holds_alternative<OwnStatement>(request) ||
                                    std::holds_alternative<TableRequest>(request) ||
                                    std::holds_alternative<TablesReleased>(request));
}

/// The answer comes in a turn of this thread's, unless it stops before.
bool CommitLoop::Thread::ask_backend(BackendId id,
                                     std::function<std::string(ServerKind)> sql,
                                     RowsTold told) {
  BackendController* controller = options_.backends[id.value].controller;
  auto answered = [this, tasks = tasks_,
                   told = std::move(told)](Result<healthcheck::SqlRows> rows) {
    tasks->post([this, told, rows = std::move(rows)] {
      if (!stopping_) {
        told(rows);
      }
    });
  };
  return controller != nullptr && controller->run_sql(std::move(sql), std::move(answered));
}

std::optional<BackendId> CommitLoop::Thread::backend_at(Seqno seqno) const {
  for (const std::unique_ptr<Backend>& backend : backends_) {
    if (backend->reachable && backend->caught_up && backend->lane->lane().applied() >= seqno) {
      return backend->id;
    }
  }
  return std::nullopt;
}

std::optional<BackendId> CommitLoop::Thread::other_brand(BackendId home) const {
  if (home.value >= backends_.size()) {
    return std::nullopt;
  }
  const ServerKind kind = backends_[home.value]->lane->kind();
  for (const std::unique_ptr<Backend>& backend : backends_) {
    if (backend->reachable && backend->lane->attached() && backend->lane->kind() != kind) {
      return backend->id;
    }
  }
  return std::nullopt;
}

/// By its text alone.
bool CommitLoop::Thread::refuse_foreign(const DdlRequest& ddl) {
  if (ddl.sets_globals || !other_brand(ddl.home)) {
    return false;
  }
  const std::string_view what = of_one_brand(ddl.sql);
  if (what.empty()) {
    return false;
  }
  DdlOutcome outcome{ddl.session, Seqno{}};
  outcome.foreign_error = kNotSupportedErrno;
  outcome.foreign = "with MariaDB and MySQL servers side by side: " + std::string(what);
  tell(ddl.session, std::move(outcome));
  return true;
}

/// Where servers of both brands serve, one of the other brand than its home has to understand it
/// before any of them executes it.
void CommitLoop::Thread::order_ddl(DdlRequest ddl) {
  if (refuse_foreign(ddl)) {
    return;
  }
  const std::optional<BackendId> other = other_brand(ddl.home);
  BackendController* controller = other ? options_.backends[other->value].controller : nullptr;
  if (ddl.sets_globals || controller == nullptr || !can_be_tried(ddl.sql)) {
    table_desk_->on_ddl(std::move(ddl));
    return;
  }
  const auto request = std::make_shared<DdlRequest>(std::move(ddl));
  auto try_it = [request](healthcheck::ServerLink& link) { return try_to_prepare(link, *request); };
  auto tried = [this, request, tasks = tasks_](const Result<Ok>& result) {
    tasks->post([this, request, result] {
      if (stopping_) {
        return;
      }
      const auto error =
          result.ok() ? std::uint16_t{0} : static_cast<std::uint16_t>(result.error().code);
      if (!is_foreign(error)) {  // its home may say what is wrong with it
        table_desk_->on_ddl(std::move(*request));
        return;
      }
      DdlOutcome outcome{request->session, Seqno{}};
      outcome.foreign_error = error;
      outcome.foreign = "a server of the other brand says: " + result.error().message;
      tell(request->session, std::move(outcome));
    });
  };
  if (!controller->run(try_it, std::move(tried))) {
    table_desk_->on_ddl(std::move(*request));
  }
}

void CommitLoop::Thread::on_request(CommitRequest& request) {
  if (stopping_) {
    return;
  }
  if (const auto* prepared = std::get_if<BranchPrepared>(&request)) {
    branches_->on_prepared(*prepared);
  } else if (const auto* abandoned = std::get_if<BranchAbandoned>(&request)) {
    branches_->on_abandoned(*abandoned);
  } else if (auto* ddl = std::get_if<DdlRequest>(&request)) {
    if (ddl->program_thread) {
      programs_->on_request(std::move(*ddl));
    } else {
      order_ddl(std::move(*ddl));
    }
  } else if (auto* question = std::get_if<CallQuestion>(&request)) {
    routines_->on_question(std::move(*question));
  } else if (const auto* unfilled = std::get_if<TableUnfilled>(&request)) {
    ddl_->on_unfilled(*unfilled);
  } else if (const auto* own = std::get_if<OwnStatement>(&request)) {
    ddl_->on_own(*own);
  } else if (auto* aligns = std::get_if<AlignTable>(&request)) {
    if (!refuse_foreign(aligns->ddl)) {
      hooks_.post_to_worker(options_.aligner, std::move(*aligns));
    }
  } else if (const auto* executed = std::get_if<DdlExecuted>(&request)) {
    if (!programs_->on_executed(*executed)) {
      ddl_->on_executed(*executed);
    }
  } else if (const auto* wanted = std::get_if<PositionWanted>(&request)) {
    at(wanted->backend).lane->want(wanted->seqno);
  } else if (auto* tables = std::get_if<TableRequest>(&request)) {
    table_desk_->on_request(std::move(*tables));
  } else if (const auto* released = std::get_if<TablesReleased>(&request)) {
    table_desk_->on_released(*released);
  }
}

void CommitLoop::Thread::on_durable(const EntryPtr& entry) {
  if (!running_) {  // the epoch's own entry
    running_ = true;
    positions_.head.store(log_->durable_head().value, std::memory_order_release);
    loop_->set_turn_hook([this] { on_turn(); });
    timer_->start_periodic(kTick);
    tell_started(Ok{});
    return;
  }
  stats_.head.set(static_cast<std::int64_t>(log_->durable_head().value));
  positions_moved_ = true;
  branches_->on_durable(*entry);
  if (may_change_schemas(*entry)) {
    raise_to(positions_.schemas_changed, entry->seqno.value);
  }
  for (const std::unique_ptr<Backend>& backend : backends_) {
    backend->lane->push(entry);
  }
  ddl_->on_durable(*entry);
  programs_->on_durable(*entry);
  if (const certifier::Ddl* ddl = entry->ddl()) {
    routines_->on_ddl(*ddl, entry->seqno);
  }
  if (const auto* replay = std::get_if<certifier::Replay>(&entry->body)) {
    blocker_->on_durable(*replay);
  }
}

bool CommitLoop::Thread::post(CommitRequest request) {
  if (!starts_work(request)) {
    requests_.post_always(std::move(request));
    return true;
  }
  if (requests_.post(std::move(request))) {
    return true;
  }
  requests_dropped_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void CommitLoop::Thread::tell(SessionId session, CommitEvent event) {
  hooks_.post_to_worker(session.worker, std::move(event));
}

void CommitLoop::Thread::tell_all(const CommitEvent& event) {
  for (std::uint16_t worker = 0; worker < options_.workers_count; ++worker) {
    hooks_.post_to_worker(worker, event);
  }
}

// ---- lanes and streams ----

void CommitLoop::Thread::set_backend(BackendId id, bool reachable) {
  tasks_->post([this, id, reachable] {
    if (stopping_ || id.value >= backends_.size() || at(id).reachable == reachable) {
      return;
    }
    Backend& backend = at(id);
    backend.reachable = reachable;
    if (reachable) {
      backend.stream->start();
      backend.lane->set_reachable(true);
      return;
    }
    const bool was_up = backend.lane->attached() || backend.stream->streaming();
    backend.stream->stop();
    backend.lane->set_reachable(false);
    if (was_up) {
      SqlCloseReason reason;
      reason.text = "out of rotation";
      home_lost(backend, reason);
    }
  });
}

Bytes CommitLoop::Thread::format_description(BackendId backend) {
  return at(backend).stream->streaming() ? at(backend).stream->format_description() : Bytes();
}

// A branch of this run that is not in the log yet may still get there, unless it was given up.
bool CommitLoop::Thread::branch_is_undecided(const BranchId& branch) const {
  return branch.epoch == identity_.epoch && !reaper_->has(branch);
}

void CommitLoop::Thread::on_stream_started(Backend& backend, bool resumed, bool from_mark) {
  spdlog::info("{}: following its binlog{}", options_.backends[backend.id.value].name,
               resumed ? " where it was left" : "");
  if (!resumed) {
    // Groups of branches that were begun before may have been left out.
    positions_.lane_generations[backend.id.value].fetch_add(1, std::memory_order_release);
    branches_->on_home_lost(backend.id);
    if (!from_mark) {
      programs_->on_stream_gap(backend.id);
    }
  }
  backend.lane->on_format_known();
}

void CommitLoop::Thread::on_stream_lost(Backend& backend, const SqlCloseReason& reason) {
  home_lost(backend, reason);
  backend.reason = "binlog: " + reason.text;
}

Seqno CommitLoop::Thread::on_sequences(BackendId backend,
                                       std::vector<certifier::SequenceReserve> sequences) {
  for (const certifier::SequenceReserve& sequence : sequences) {
    positions_.sequences.add(sequence.schema, sequence.table);
  }
  if (!sequences.empty()) {
    routines_->forget(Seqno{});  // one that makes tables like them may have been found harmless
  }
  return branches_->log_reserves(backend, sequences);
}

void CommitLoop::Thread::on_lane_running(BackendId id) {
  blocker_->on_lane_running(id);
  reaper_->on_backend_back(id);
}

void CommitLoop::Thread::on_lane_lost(BackendId id, const SqlCloseReason& reason) {
  at(id).lane_is_new = true;
  home_lost(at(id), reason);
  blocker_->on_lane_lost(id);
  ddl_->on_lane_lost(id);
  programs_->on_lane_lost(id);
}

void CommitLoop::Thread::on_lane_failed(BackendId id, const std::string& reason, bool fenced) {
  Backend& backend = at(id);
  backend.lane_is_new = true;
  if (fenced) {
    die(options_.backends[id.value].name + ": " + reason);
  }
  spdlog::error("{}: taken out: {}", options_.backends[id.value].name, reason);
  SqlCloseReason lost;
  lost.text = reason;
  home_lost(backend, lost);
  blocker_->on_lane_lost(id);
  ddl_->on_lane_lost(id);
  programs_->on_lane_lost(id);
}

// Nobody knows what the backend still holds: what it has not applied loses its exemption, and what
// is not in the log did not happen.
void CommitLoop::Thread::home_lost(Backend& backend, const SqlCloseReason& reason) {
  const Seqno applied{positions_.applied[backend.id.value].load(std::memory_order_relaxed)};
  sequencer_.withdraw_exemptions_of(backend.id, applied);
  branches_->on_home_lost(backend.id);
  if (backend.reason != reason.text) {
    spdlog::warn("{}: lane or binlog lost: {}", options_.backends[backend.id.value].name,
                 reason.text);
  }
  backend.reason = reason.text;
  backend.caught_up = false;
  if (backend.reachable && hooks_.path_failed && !stopping_) {
    hooks_.path_failed(backend.id, failure_of(reason));
  }
}

void CommitLoop::Thread::on_lane_applied(BackendId id) {
  const Seqno applied = at(id).lane->lane().applied();
  positions_.applied[id.value].store(applied.value, std::memory_order_release);
  if (std::exchange(at(id).lane_is_new, false)) {
    positions_.lane_generations[id.value].fetch_add(1, std::memory_order_release);
  }
  stats_.lanes[id.value].applied.set(static_cast<std::int64_t>(applied.value));
  positions_moved_ = true;
  routines_->process();
}

void CommitLoop::Thread::on_ddl_reached(BackendId id, const certifier::DdlReached& reached) {
  if (!programs_->on_reached(id, reached)) {
    ddl_->on_reached(id, reached);
  }
}

void CommitLoop::Thread::on_ddl_offer(BackendId id, Seqno seqno) {
  if (!programs_->on_offer(id, seqno)) {
    ddl_->on_offer(id, seqno);
  }
}

void CommitLoop::Thread::on_program_marked(BackendId id, Seqno seqno, const Gtid& marker) {
  programs_->on_marked(id, seqno, marker);
}

void CommitLoop::Thread::on_ddl_looked(BackendId id, Seqno seqno, certifier::DdlTraces traces) {
  ddl_->on_looked(id, seqno, traces);
}

void CommitLoop::Thread::on_ddl_decided(BackendId id, const certifier::DdlDecided& decided) {
  ddl_->on_decided(id, decided);
}

std::chrono::milliseconds CommitLoop::Thread::on_lane_stalled(BackendId id) {
  return blocker_->on_stalled(id);
}

void CommitLoop::Thread::report(Backend& backend) {
  const LaneConnection& lane = *backend.lane;
  const bool up = lane.attached() && backend.stream->streaming();
  const Seqno applied = lane.lane().applied();
  // While a program is under way nobody can come further than to its entry.
  const Seqno reachable = programs_->reachable(log_->durable_head());
  const std::uint64_t head = reachable.value;
  const std::uint64_t lag = head > applied.value ? head - applied.value : 0;
  // One that is paused does not fall behind: it goes on as soon as it may.
  const bool paused = up && blocker_->paused(backend.id);
  backend.caught_up = up && lane.knows_its_numbers() &&
                      (lag <= (backend.caught_up ? kFallenBehindLag : kCaughtUpLag) ||
                       (paused && backend.caught_up));
  LaneState state = LaneState::kLost;
  if (lane.failed()) {
    state = LaneState::kInconsistent;
  } else if (paused) {
    state = LaneState::kPaused;
  } else if (backend.caught_up) {
    state = LaneState::kCaughtUp;
  } else if (lane.attached()) {
    state = LaneState::kCatchingUp;
  }
  if (backend.told == state) {
    return;
  }
  backend.told = state;
  backend.applied_told = applied;
  if (state == LaneState::kCaughtUp) {
    spdlog::info("{}: lane has caught up at seqno {}", options_.backends[backend.id.value].name,
                 applied.value);
    backend.reason.clear();
  }
  stats_.lanes[backend.id.value].state.set(static_cast<std::int64_t>(state));
  if (hooks_.lane_changed) {
    hooks_.lane_changed({backend.id, state, applied, backend.reason});
  }
}

// ---- time ----

void CommitLoop::Thread::look_after() {
  ++ticks_;
  ddl_->look_after();
  programs_->look_after();
  routines_->process();
  reaper_->look_after(clock_.now());
  branches_->look_after(clock_.now());
  stats_.requests_dropped.add(requests_dropped_.exchange(0, std::memory_order_relaxed));
  stats_.index_keys.set(static_cast<std::int64_t>(sequencer_.distinct_keys()));
  Seqno needed_from = log_->durable_head().next();
  for (const std::unique_ptr<Backend>& backend : backends_) {
    LaneStats& stats = stats_.lanes[backend->id.value];
    const certifier::ApplyLane& lane = backend->lane->lane();
    stats.queue_entries.set(static_cast<std::int64_t>(lane.queued_entries()));
    stats.queue_bytes.set(static_cast<std::int64_t>(lane.queued_bytes()));
    if (backend->lane->attached()) {
      needed_from = std::min(needed_from, lane.applied().next());
    }
    if (ticks_ % kTicksPerReport == 0 && backend->told && backend->applied_told != lane.applied() &&
        hooks_.lane_changed) {
      backend->applied_told = lane.applied();
      hooks_.lane_changed({backend->id, *backend->told, lane.applied(), backend->reason});
    }
    if (ticks_ % kTicksPerSweep == 0 && backend->caught_up) {
      sweep(*backend);
    }
  }
  if (ticks_ % kTicksPerDiskLook == 0) {
    log_->look_after(needed_from);
  }
}

// Looks for prepared branches that nobody knows: their sessions ended without a word, or they
// belong to a run whose last statements came through after this one had listed them.
void CommitLoop::Thread::sweep(Backend& backend) {
  BackendController* controller = options_.backends[backend.id.value].controller;
  if (controller == nullptr || clock_.now() - backend.last_sweep < kSweepGap) {
    return;
  }
  backend.last_sweep = clock_.now();
  auto listed = [this, tasks = tasks_,
                 id = backend.id](Result<std::vector<PreparedBranch>> branches) {
    tasks->post([this, id, branches = std::move(branches)] {
      if (branches.ok()) {
        on_swept(at(id), branches.value());
      }
    });
  };
  (void)controller->xa_recover(std::move(listed));
}

void CommitLoop::Thread::on_swept(Backend& backend, const std::vector<PreparedBranch>& listed) {
  // Far behind, it may hold branches of entries that only the archive knows.
  const bool all_known = backend.lane->lane().applied().next() >= log_->own_branches().first();
  if (!backend.lane->attached() || !all_known || stopping_) {
    return;
  }
  const TimePoint now = clock_.now();
  std::map<BranchId, TimePoint> orphans;
  for (const PreparedBranch& prepared : listed) {
    const BranchId& branch = prepared.branch;
    if (prepared.cluster != identity_.cluster || reaper_->has(branch) || branches_->knows(branch) ||
        log_->own_branches().has_recent(backend.id, branch)) {
      continue;
    }
    const auto seen = backend.orphans.find(branch);
    const TimePoint since = seen == backend.orphans.end() ? now : seen->second;
    // The word on a branch of this run may still be under way.
    if (branch.epoch == identity_.epoch && now - since < kOrphanAge) {
      orphans.emplace(branch, since);
      continue;
    }
    spdlog::info("{}: rolling back a prepared branch that nobody asks for",
                 options_.backends[backend.id.value].name);
    reaper_->roll_back(backend.id, branch);
  }
  backend.orphans = std::move(orphans);
}

// ---- the end ----

void CommitLoop::Thread::stop() {
  if (!thread_.joinable()) {
    return;
  }
  tasks_->post([this] { begin_stop(); });
  thread_.join();
}

// Lanes end after the batch under way, the log after what it was given; neither is waited for long.
void CommitLoop::Thread::begin_stop() {
  stopping_ = true;
  branches_->refuse_all();
  stop_deadline_ = clock_.now() + kStopMax;
  stop_timer_->start_periodic(5ms);
}

void CommitLoop::Thread::continue_stop() {
  const bool late = clock_.now() >= stop_deadline_;
  if (log_->unacknowledged() > 0 && !late) {
    return;
  }
  bool busy = false;
  for (const std::unique_ptr<Backend>& backend : backends_) {
    backend->lane->stop_pumping();
    busy = busy || backend->lane->busy();
  }
  if (!busy || late) {
    stop_timer_->stop();
    loop_->stop();
  }
}

void CommitLoop::Thread::quieten() {
  loop_->set_turn_hook([] {});
  timer_->stop();
  for (const std::unique_ptr<Backend>& backend : backends_) {
    if (backend->stream != nullptr) {
      backend->stream->stop();
    }
  }
}

void CommitLoop::Thread::close_log() {
  quieten();
  bool closed = false;
  log_->close([&closed] { closed = true; });
  while (!closed) {
    loop_->run_once();
  }
}

}  // namespace consort::proxy
