#include "proxy/worker.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <spdlog/spdlog.h>

#include "base/atomic_max.h"

namespace consort::proxy {
namespace {

constexpr std::size_t kMessagesMax = 1 << 18;
/// How exactly idle clients are closed and long transactions end. Costs a look at each.
constexpr std::chrono::seconds kReapPeriod{1};

}  // namespace

Result<std::unique_ptr<Worker>> Worker::start(WorkerOptions options,
                                              WorkerHooks hooks,
                                              AppliedPositions& positions,
                                              std::shared_ptr<const ClusterView> view) {
  std::unique_ptr<Worker> worker(
      new Worker(std::move(options), std::move(hooks), positions, std::move(view)));
  // The loop belongs to the thread that runs it; opening before that thread begins is the same.
  if (Status opened = worker->open(); !opened.ok()) {
    return opened.error();
  }
  worker->thread_ = std::thread([raw = worker.get()] { raw->run(); });
  return worker;
}

Worker::Worker(WorkerOptions options,
               WorkerHooks hooks,
               AppliedPositions& positions,
               std::shared_ptr<const ClusterView> view)
    : options_(std::move(options)),
      limits_(options_.limits),
      hooks_(std::move(hooks)),
      positions_(positions),
      view_(std::move(view)),
      loop_(std::make_unique<EventLoop>()) {
  wake_ = std::make_unique<AsyncWake>(*loop_, [this] { on_wake(); });
  mailbox_ = std::make_unique<Mailbox<Message>>(kMessagesMax, [this] { wake_->wake(); });
  pool_ = std::make_unique<BackendPool>(*loop_, options_.pool, globals_, metrics_,
                                        hooks_.report_failure);
}

Worker::~Worker() {
  stop();
}

Status Worker::open() {
  for (const int fd : options_.listen_on) {
    auto listener =
        Listener::open(*loop_, fd, [this](uv_stream_t* stream) { on_connection(stream); });
    if (!listener.ok()) {
      return listener.error();
    }
    listeners_.push_back(std::move(listener).value());
  }
  loop_->set_turn_hook([this] { end_turn(); });
  reaper_ = std::make_unique<Timer>(*loop_, [this] { reap_idle(); });
  reaper_->start_periodic(kReapPeriod);
  return Ok{};
}

void Worker::run() {
  loop_->run();
}

void Worker::stop() {
  if (!thread_.joinable()) {
    return;
  }
  end_sessions();
  mailbox_->post_always(std::function<void(Worker&)>([](Worker& self) { self.loop_->stop(); }));
  thread_.join();
  // The mailbox and its wake-up stay: other threads may still post what nobody will read.
  slots_.clear();
  pool_.reset();
  reaper_.reset();
  listeners_.clear();
}

void Worker::end_sessions() {
  mailbox_->post_always(std::function<void(Worker&)>([](Worker& self) {
    self.listeners_.clear();
    self.for_each_session(
        [](Session& session) { session.refuse(protocol::server_shutdown_error()); });
  }));
}

void Worker::begin_drain() {
  mailbox_->post_always(std::function<void(Worker&)>([](Worker& self) { self.drain(); }));
}

void Worker::drain() {
  draining_ = true;
  listeners_.clear();
  for_each_session([](Session& session) { session.end_if_idle(); });
}

void Worker::set_limits(const WorkerLimits& limits) {
  mailbox_->post_always(std::function<void(Worker&)>([limits](Worker& self) {
    self.limits_ = limits;
    self.pool_->set_limits(limits.pool);
  }));
}

SessionCore::Options Worker::session_options() const {
  SessionCore::Options options = options_.session;
  options.statements_max = limits_.statements_max;
  options.long_data_bytes_max = limits_.packet_bytes_max;
  return options;
}

bool Worker::post(CommitEvent event) {
  if (is_asked_again(event)) {
    return mailbox_->post(Message(std::move(event)));
  }
  mailbox_->post_always(Message(std::move(event)));
  return true;
}

void Worker::set_view(std::shared_ptr<const ClusterView> view) {
  mailbox_->post_always(Message(std::move(view)));  // a stale view might be the last for long
}

void Worker::post(KillRequest request) {
  mailbox_->post_always(Message(std::move(request)));
}

void Worker::post(KillAnswer answer) {
  mailbox_->post_always(Message(answer));
}

void Worker::post_always(std::function<void(Worker&)> task) {
  mailbox_->post_always(Message(std::move(task)));
}

bool Worker::post_task(std::function<void(Worker&)> task) {
  return mailbox_->post(Message(std::move(task)));
}

void Worker::positions_moved() {
  if (wants_positions_.load(std::memory_order_seq_cst)) {
    wake_->wake();
  }
}

// ---- connections ------------------------------------------------------------------------------

void Worker::on_connection(uv_stream_t* listener) {
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& place = slots_[slot];
  const SessionId id{options_.index, slot, ++place.generation};
  const std::uint32_t connection_id = next_connection_id();
  place.session = std::make_unique<Session>(*this, id, connection_id);
  by_connection_id_[connection_id] = id;
  place.retired = false;
  ++session_count_;
  const std::size_t connections = options_.counts->connections.fetch_add(1) + 1;
  metrics_.connections_accepted.add();
  metrics_.connections_current.set(static_cast<std::int64_t>(session_count_));
  Session& session = *place.session;
  if (!session.accept(listener)) {
    retire(id);
  } else if (connections > connections_max() + 1) {
    metrics_.count_refused(RefusalReason::kTooManyConnections);
    protocol::SqlError error = protocol::too_many_connections_error();
    error.state = "HY000";  // in front of its greeting a server names none
    session.refuse(error);
  } else if (!session.deny_if_blocked(0)) {
    session.greet();
  }
}

std::size_t Worker::connections_max() const {
  return globals_.connections_max(view_->kept_globals, limits_.connections_max);
}

bool Worker::is_overfull() const {
  return options_.counts->connections.load() > connections_max();
}

// The number says whose session it is: worker_of().
std::uint32_t Worker::next_connection_id() {
  std::uint32_t id = 0;
  do {  // after four billion some are in use
    id = connection_ids_++ * options_.workers_count + options_.index + 1U;
  } while (id == 0 || worker_of(id, options_.workers_count) != options_.index ||
           by_connection_id_.contains(id));
  return id;
}

Session* Worker::find(SessionId id) {
  if (id.slot >= slots_.size()) {
    return nullptr;
  }
  Slot& slot = slots_[id.slot];
  return slot.generation == id.generation && !slot.retired ? slot.session.get() : nullptr;
}

void Worker::retire(SessionId id) {
  if (find(id) == nullptr) {
    return;
  }
  slots_[id.slot].retired = true;
  retired_.push_back(id);
}

void Worker::end_turn() {
  while (!retired_.empty()) {
    const SessionId id = retired_.back();
    retired_.pop_back();
    by_connection_id_.erase(slots_[id.slot].session->connection_id());
    slots_[id.slot].session.reset();
    free_slots_.push_back(id.slot);
    --session_count_;
    options_.counts->connections.fetch_sub(1);
    metrics_.connections_current.set(static_cast<std::int64_t>(session_count_));
  }
}

void Worker::reap_idle() {
  const TimePoint now = loop_->now();
  for_each_session([now](Session& session) {
    session.end_long_transaction(now);
    session.close_if_idle(now);
  });
  pool_->tend([this](BackendId backend) { return serves(backend); });
}

void Worker::warn_of_client(std::string_view address, std::string_view what) {
  if (const auto held_back = client_warnings_.admit(loop_->now())) {
    spdlog::warn("client {}: {} ({} more such lines held back)", address, what, *held_back);
  }
}

// ---- messages ---------------------------------------------------------------------------------

void Worker::on_wake() {
  mailbox_->drain(messages_);
  metrics_.mailbox_depth.set(static_cast<std::int64_t>(messages_.size()));
  for (Message& message : messages_) {
    if (auto* event = std::get_if<CommitEvent>(&message)) {
      on_commit_event(*event);
    } else if (auto* view = std::get_if<std::shared_ptr<const ClusterView>>(&message)) {
      on_view(std::move(*view));
    } else if (const auto* kill = std::get_if<KillRequest>(&message)) {
      on_kill(*kill);
    } else if (const auto* answer = std::get_if<KillAnswer>(&message)) {
      on_kill_answer(*answer);
    } else {
      std::get<std::function<void(Worker&)>>(message)(*this);
    }
  }
  messages_.clear();
  check_waiters();
}

void Worker::on_commit_event(CommitEvent& event) {
  if (auto* outcome = std::get_if<BranchOutcome>(&event)) {
    if (Session* session = find(outcome->session); session != nullptr) {
      session->core().on_outcome(*outcome);
      session->pump();
    } else if (outcome->left_at) {
      (void)hooks_.post_commit(BranchAbandoned{outcome->branch, *outcome->left_at});
    }
  } else if (auto* turn = std::get_if<DdlTurn>(&event)) {
    if (Session* session = find(turn->session); session != nullptr) {
      session->core().on_ddl_turn(*turn);
      session->pump();
    } else {
      // Nobody is left to execute it: it did not happen.
      (void)hooks_.post_commit(DdlExecuted{turn->seqno, turn->backend, DdlEnd::kNotExecuted});
    }
  } else if (auto* done = std::get_if<DdlOutcome>(&event)) {
    on_ddl_outcome(*done);
  } else if (auto* changed = std::get_if<GlobalsChanged>(&event)) {
    globals_.note(*changed);
    for_each_session([&](Session& session) { session.core().on_globals_changed(*changed); });
  } else if (auto* abort = std::get_if<AbortBranch>(&event)) {
    for_each_session([&](Session& session) {
      if (session.core().home() == abort->home &&
          session.core().home_thread() == abort->thread_id) {
        session.core().on_abort_branch();
        session.pump();
      }
    });
  } else if (auto* users = std::get_if<AbortTableUsers>(&event)) {
    for_each_session([&](Session& session) {
      if (session.core().home() == users->home) {
        session.core().on_abort_table_users(users->targets);
        session.pump();
      }
    });
  } else if (auto* answer = std::get_if<TableAnswer>(&event)) {
    if (Session* session = find(answer->session); session != nullptr) {
      session->core().on_table_answer(*answer);
      session->pump();
    }
  } else if (auto* said = std::get_if<CallAnswer>(&event)) {
    known_calls_.note(*said);
    if (Session* session = find(said->session); session != nullptr) {
      session->core().on_call_answer(*said);
      session->pump();
    }
  } else if (auto* locked = std::get_if<TablesLocked>(&event)) {
    for_each_session([&](Session& session) {
      if (session.id() != locked->owner) {
        session.core().on_tables_locked(*locked);
        session.pump();
      }
    });
  }
}

void Worker::on_ddl_outcome(const DdlOutcome& outcome) {
  Session* session = find(outcome.session);
  if (session == nullptr) {
    return;
  }
  const bool accounts = session->core().changes_accounts() || outcome.accounts;
  if (accounts) {  // a login that begins when the client has its answer must know of it
    raise_to(positions_.accounts_changed, outcome.seqno.value);
    options_.logins->password_errors().forget(session->core().renewed_accounts());
  }
  session->core().on_ddl_outcome(outcome);
  session->pump();
  if (accounts) {
    hooks_.refresh_accounts();
  }
}

// The server's rule: one's own user's, or any with the right to.
void Worker::on_kill(const KillRequest& request) {
  const auto found =
      by_connection_id_.find(static_cast<std::uint32_t>(request.order.connection_id));
  Session* session = found == by_connection_id_.end() ? nullptr : find(found->second);
  KillVerdict verdict = KillVerdict::kUnknown;
  const bool at_it =
      session != nullptr &&
      (!request.order.command || *request.order.command == session->core().command_number());
  if (at_it) {
    const bool own = session->authenticated() && session->user_name() == request.user;
    verdict = own || request.order.any_owner ? KillVerdict::kDone : KillVerdict::kNotOwner;
  }
  if (verdict == KillVerdict::kDone && request.order.query_only) {
    session->kill_query();
  } else if (verdict == KillVerdict::kDone) {
    session->kill_connection();
  }
  hooks_.answer_kill({request.from, verdict});
}

void Worker::on_kill_answer(const KillAnswer& answer) {
  if (Session* session = find(answer.to); session != nullptr) {
    session->core().on_kill_answer(answer.verdict);
    session->pump();
  }
}

void Worker::on_view(std::shared_ptr<const ClusterView> view) {
  view_ = std::move(view);
  globals_.on_lexer_known(view_->lexer);
  globals_.on_packet_limit_known(view_->packet_bytes_max);
  globals_.on_kept_known(view_->kept_globals);
  for (const BackendView& backend : view_->backends) {
    pool_->on_server_limit(backend.id, backend.connections_max);
    if (backend.state == healthcheck::BackendState::kOffline) {
      pool_->drop_idle(backend.id);
    }
  }
  for_each_session([this](Session& session) {
    const std::optional<BackendId> home = session.core().home();
    if (home && !serves(*home)) {
      session.leave_home();
    }
  });
  std::vector<SessionId> waiting;
  waiting.swap(waiting_accounts_);
  for (const SessionId id : waiting) {
    if (Session* session = find(id); session != nullptr) {
      session->on_accounts();
    }
  }
}

void Worker::wait_applied(SessionId id) {
  waiting_applied_.push_back(id);
  wants_positions_.store(true, std::memory_order_seq_cst);
  // The position may have moved between the session's look and the flag: look again this turn.
  wake_->wake();
}

void Worker::await_accounts(SessionId id) {
  waiting_accounts_.push_back(id);
}

void Worker::check_waiters() {
  if (waiting_applied_.empty()) {
    return;
  }
  std::vector<SessionId> waiting;
  waiting.swap(waiting_applied_);
  for (const SessionId id : waiting) {
    Session* session = find(id);
    if (session == nullptr || !session->applied_wait().active) {
      continue;
    }
    const Session::AppliedWait& wait = session->applied_wait();
    const auto has_applied = [&](BackendId backend) {
      return positions_.applied[backend.value].load(std::memory_order_acquire) >= wait.seqno.value;
    };
    bool fulfilled = !wait.any && has_applied(wait.backend);
    for (const BackendView& backend : view_->backends) {
      fulfilled = fulfilled || (wait.any && serves(backend.id) && has_applied(backend.id));
    }
    if (fulfilled) {
      session->on_applied();
    } else {
      waiting_applied_.push_back(id);
    }
  }
  wants_positions_.store(!waiting_applied_.empty(), std::memory_order_seq_cst);
}

// ---- choosing ---------------------------------------------------------------------------------

bool Worker::serves(BackendId id) const {
  const healthcheck::BackendState state = view_->backends[id.value].state;
  return state == healthcheck::BackendState::kOnline ||
         state == healthcheck::BackendState::kSuspect;
}

router::BackendChoice Worker::choose(Seqno at_least,
                                     bool home,
                                     std::optional<BackendId> favourite) {
  std::array<router::Candidate, kBackendsMax> candidates;
  router::Balancer& balancer = home ? home_balancer_ : readers_;
  const auto choose_among = [&](healthcheck::BackendState state, bool with_room) {
    for (const BackendView& backend : view_->backends) {
      const std::size_t at = backend.id.value;
      const bool eligible = backend.state == state && (!with_room || pool_->has_room(backend.id));
      candidates[at] = {backend.id, backend.weight,
                        home ? options_.counts->homes_of(backend.id) : in_flight_[at],
                        Seqno{positions_.applied[at].load(std::memory_order_acquire)}, eligible};
    }
    return balancer.choose({candidates.data(), view_->backends.size()}, at_least, favourite);
  };
  using healthcheck::BackendState;
  // Where all connections are in use one would have to wait for a transaction's end.
  if (router::BackendChoice choice = choose_among(BackendState::kOnline, true); choice.backend) {
    return choice;
  }
  const bool online = std::any_of(
      view_->backends.begin(), view_->backends.end(),
      [](const BackendView& backend) { return backend.state == BackendState::kOnline; });
  return choose_among(online ? BackendState::kOnline : BackendState::kSuspect, false);
}

SessionEffects::Choice Worker::choose_reader(Seqno at_least, std::optional<BackendId> used_last) {
  const router::BackendChoice choice =
      choose(at_least, false, view_->read_affinity ? used_last : std::nullopt);
  return {choice.backend.has_value(), choice.backend.value_or(BackendId{}),
          std::string(router::to_text(choice.reason))};
}

SessionEffects::Choice Worker::choose_home() {
  const router::BackendChoice choice = choose(Seqno{}, true, std::nullopt);
  return {choice.backend.has_value(), choice.backend.value_or(BackendId{}),
          std::string(router::to_text(choice.reason))};
}

}  // namespace consort::proxy
