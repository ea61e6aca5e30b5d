#include "proxy/event_scheduler.h"

#include <algorithm>
#include <chrono>
#include <spdlog/spdlog.h>
#include <utility>

#include "base/sql_identifier.h"
#include "proxy/event_calendars.h"
#include "proxy/signals_blocked.h"

namespace consort::proxy {
namespace {

using healthcheck::SqlRows;
using std::chrono::system_clock;

constexpr std::chrono::milliseconds kAppliedLook{2};
constexpr std::chrono::milliseconds kConnectLook{100};
/// Behind the full second: what is due in it, is.
constexpr std::chrono::milliseconds kBehindSecond{5};

EventTime seconds_of(system_clock::time_point moment) {
  return std::chrono::duration_cast<std::chrono::seconds>(moment.time_since_epoch()).count();
}

std::string name_of(const EventName& event) {
  return "[" + event.schema + "." + event.name + "]";
}

}  // namespace

EventScheduler::EventScheduler(EventSchedulerParts parts) : parts_(std::move(parts)) {}

EventScheduler::~EventScheduler() {
  stop();
}

void EventScheduler::start() {
  give_number(process_id_);
  thread_ = std::thread([this] { work(); });
}

void EventScheduler::stop() {
  if (!thread_.joinable()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (Run& run : under_way_) {
      run.run.stop();
    }
    changed_.notify_all();
  }
  thread_.join();
  for (Run& run : under_way_) {
    run.thread.join();
  }
}

// ---- from other threads ----

void EventScheduler::on_commit_event(const CommitEvent& event) {
  const std::lock_guard lock(mutex_);
  if (const auto* outcome = std::get_if<DdlOutcome>(&event)) {
    if (const auto found = decided_.find(outcome->session.slot); found != decided_.end()) {
      found->second = {true, outcome->seqno};
      changed_.notify_all();
      return;
    }
  }
  if (const auto* changed = std::get_if<GlobalsChanged>(&event)) {
    for (const GlobalChange& change : changed->changes) {
      if (change.variable.name == kOwnEventScheduler) {
        told_ = is_on(change.variable.value.value_or(""));
        told_anew_ = true;
        changed_.notify_all();
      }
    }
    return;
  }
  bool taken = false;
  for (Run& run : under_way_) {
    taken = run.run.on_event(event) || taken;
  }
  if (const auto* turn = std::get_if<DdlTurn>(&event); turn != nullptr && !taken) {
    (void)parts_.post_commit(DdlExecuted{turn->seqno, turn->backend, DdlEnd::kNotExecuted});
  }
}

std::optional<KillVerdict> EventScheduler::kill(const KillRequest& request) {
  const std::lock_guard lock(mutex_);
  for (Run& run : under_way_) {
    if (!run.done && run.process_id->load() == request.order.connection_id) {
      if (!request.order.any_owner && run.run.user() != request.user) {
        return KillVerdict::kNotOwner;
      }
      run.run.kill();
      return KillVerdict::kDone;
    }
  }
  return std::nullopt;
}

std::vector<ProcessRow> EventScheduler::processes(bool on) {
  std::vector<ProcessRow> rows;
  if (on) {
    ProcessRow& row = rows.emplace_back();
    row.id = process_id_->load();
    row.user = "event_scheduler";
    row.host = "localhost";
    row.command = "Daemon";
    row.time = std::chrono::seconds(
        std::max<EventTime>(0, seconds_of(system_clock::now()) - state_since_.load()));
    row.state =
        stats_.scheduled.value() == 0 ? "Waiting on empty queue" : "Waiting for next activation";
  }
  const std::lock_guard lock(mutex_);
  for (Run& run : under_way_) {
    if (!run.done && run.process_id->load() != 0) {
      rows.push_back(run.run.process());
      rows.back().id = run.process_id->load();
    }
  }
  return rows;
}

// ---- the thread ----

void EventScheduler::work() {
  while (await_look()) {
    look();
  }
}

/// The next second, or a SET GLOBAL. False: Consort ends.
bool EventScheduler::await_look() {
  const auto second = std::chrono::floor<std::chrono::seconds>(system_clock::now()) +
                      std::chrono::seconds(1) + kBehindSecond;
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, second, [this] { return stopping_ || told_anew_; });
  told_anew_ = false;
  return !stopping_;
}

bool EventScheduler::sleep_until(system_clock::time_point moment) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, moment, [this] { return stopping_; });
  return !stopping_;
}

void EventScheduler::look() {
  join_ended();
  if (!connect()) {
    return;
  }
  clean_servers();
  const EventTime now = seconds_of(system_clock::now());
  const bool was_on = std::exchange(on_, read_switch());
  const bool first = !std::exchange(looked_, true);
  if (on_ != was_on) {
    switch_on(now);
  }
  if (!on_) {
    return;
  }
  const Result<SqlRows> rows = link_->query(kEventsSql);
  if (!rows.ok()) {
    spdlog::warn("Event Scheduler: the events cannot be asked for: {}", rows.error().message);
    return;
  }
  ServerCalendars calendars(*link_);
  queue_.show(event_rows(*rows), now, calendars);
  stats_.scheduled.set(static_cast<std::int64_t>(queue_.size()));
  report_unknown();
  if (first) {
    report_missed(now, calendars);
  }
  for (const DueEvent& event : queue_.due(now, calendars)) {
    begin(event, now, calendars);
  }
}

void EventScheduler::switch_on(EventTime now) {
  queue_.clear();
  state_since_ = now;
  if (!on_) {
    give_number(process_id_);  // of the next time
  }
  stats_.on.set(on_ ? 1 : 0);
  stats_.scheduled.set(0);
  spdlog::info("Event Scheduler: scheduler {}", on_ ? "started" : "stopped");
}

void EventScheduler::give_number(const std::shared_ptr<std::atomic<std::uint32_t>>& process_id) {
  parts_.new_process_id([process_id](std::uint32_t id) { process_id->store(id); });
}

/// It was on when this process began, so perhaps also when the last one ended.
void EventScheduler::report_missed(EventTime now, EventCalendars& calendars) {
  for (const MissedRun& run : queue_.missed(now, calendars)) {
    stats_.missed.add();
    spdlog::warn(
        "Event Scheduler: {} was due {} s ago, when Consort did not run: as on a server "
        "it is not made up for",
        name_of(run.event), now - run.due);
  }
}

void EventScheduler::report_unknown() {
  std::vector<EventName> unknown = queue_.unknown();
  if (unknown != unknown_ && !unknown.empty()) {
    spdlog::error(
        "Event Scheduler: when {} and {} more run cannot be computed: a server does not "
        "know their time zone, or was lost",
        name_of(unknown.front()), unknown.size() - 1);
  }
  unknown_ = std::move(unknown);
}

std::optional<EventHome> EventScheduler::choose_home() const {
  const std::shared_ptr<const ClusterView> view = parts_.view();
  const auto serves = [&view](BackendId backend) {
    return view->backends[backend.value].state == healthcheck::BackendState::kOnline;
  };
  const auto place =
      parts_.user_locks->find(static_cast<unsigned>(view->backends.size()), serves, serves);
  return place ? std::optional(parts_.homes[place->backend.value]) : std::nullopt;
}

bool EventScheduler::connect() {
  const std::optional<EventHome> home = choose_home();
  if (!home) {
    return false;
  }
  if (!link_ || asked_ != home->backend || !link_->connected()) {
    asked_ = home->backend;
    // What was decided up to now it must know: whether a run is marked, for one.
    asked_from_ = parts_.positions.head.load();
    link_.emplace(home->target, healthcheck::LinkTimeouts{});
    if (!link_->connect().ok()) {
      return false;
    }
  }
  return parts_.positions.applied[asked_.value].load() >= asked_from_;
}

bool EventScheduler::read_switch() {
  constexpr int kNoSuchTable = 1146;
  {
    const std::lock_guard lock(mutex_);
    if (told_) {
      return *told_;
    }
  }
  const Result<SqlRows> rows = link_->query(kSchedulerSwitchSql);
  if (!rows.ok()) {
    return on_ && rows.error().code != kNoSuchTable;
  }
  return is_on(rows->first());
}

/// What crashes, of Consort or of theirs, have left on servers that serve now.
void EventScheduler::clean_servers() {
  const std::shared_ptr<const ClusterView> view = parts_.view();
  for (const BackendView& backend : view->backends) {
    bool& is_clean = clean_[backend.id.value];
    const bool online = backend.state == healthcheck::BackendState::kOnline;
    if (online && !is_clean) {
      clean(parts_.homes[backend.id.value]);
    }
    is_clean = online;
  }
}

void EventScheduler::clean(const EventHome& home) {
  healthcheck::ServerLink link(home.target, {});
  if (!link.connect().ok()) {
    return;
  }
  const Result<SqlRows> programs = link.query(kProgramsSql);
  for (std::size_t i = 0; programs.ok() && i < programs->rows.size() && link.connected(); ++i) {
    const auto& row = programs->rows[i];
    const std::string schema = row[0].value_or("");
    const std::string program = row[1].value_or("");
    if (has_program(program)) {
      continue;
    }
    if (!is_program_of(program, parts_.identity.epoch)) {
      stats_.lost.add();
      spdlog::warn(
          "Event Scheduler: a run of an event of {} in {}, begun at {}, was under way when Consort "
          "ended: it is not made again, and was perhaps not committed",
          row[3].value_or(""), schema, row[2].value_or(""));
    }
    (void)link.query("DROP PROCEDURE IF EXISTS " + sql_identifier(schema) + "." +
                     sql_identifier(program));
  }
}

// ---- one event ----

void EventScheduler::begin(const DueEvent& event, EventTime now, EventCalendars& calendars) {
  if (draining_) {
    return;
  }
  const EventName& name = event.row.event;
  if (!event.runs) {
    if (!is_under_way(name)) {  // else the run ends it
      end(event);
    }
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || under_way_.size() >= kRunsMax) {
      return;  // it stays due
    }
  }
  const Decided marked = execute_everywhere(mark_run_sql(event, now));
  if (marked.known && marked.seqno == Seqno{}) {
    stats_.mark_failures.add();
    spdlog::warn("Event Scheduler: {} waits: the commit log does not take its mark", name_of(name));
    return;  // it stays due
  }
  // From here on it counts as run, whatever happens.
  queue_.on_run(name, now, calendars);
  if (!marked.known || !await_applied(marked.seqno)) {
    lose(name, "Consort ends");
    return;
  }
  const Result<SqlRows> row = link_->query(event_to_run_sql(name, now));
  if (!row.ok()) {
    lose(name, row.error().message);
  } else if (auto to_run = event_to_run(*row)) {
    state_since_ = now;
    start_run(event, std::move(*to_run));
  }  // else it was dropped or changed meanwhile, and the mark is none
}

void EventScheduler::lose(const EventName& event, std::string_view why) {
  stats_.lost.add();
  spdlog::error("Event Scheduler: {} was not run: {}", name_of(event), why);
}

/// On a thread of a run, or on its own.
void EventScheduler::end(const DueEvent& event) {
  const std::string sql = end_event_sql(event);
  if (sql.empty()) {
    return;
  }
  if (event.row.drops) {
    spdlog::info("Event Scheduler: Dropping {}.{}", event.row.event.schema, event.row.event.name);
  }
  (void)execute_everywhere(sql);
}

bool EventScheduler::is_under_way(const EventName& event) {
  const std::lock_guard lock(mutex_);
  return std::any_of(under_way_.begin(), under_way_.end(),
                     [&](const Run& run) { return run.event.row.event == event; });
}

bool EventScheduler::has_program(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return std::any_of(under_way_.begin(), under_way_.end(),
                     [name](const Run& run) { return run.run.program() == name; });
}

/// Long DDL may be in front of it: events wait for that. When the server that is asked is lost
/// meanwhile, another one will be. False: Consort ends.
bool EventScheduler::await_applied(Seqno seqno) {
  for (;;) {
    if (connect() && parts_.positions.applied[asked_.value].load() >= seqno.value) {
      return true;
    }
    const bool connected = link_ && link_->connected();
    if (!sleep_until(system_clock::now() + (connected ? kAppliedLook : kConnectLook))) {
      return false;
    }
  }
}

EventScheduler::Decided EventScheduler::execute_everywhere(std::string sql) {
  OwnStatement own;
  own.ddl.home = choose_home().value_or(parts_.homes.front()).backend;
  std::unique_lock lock(mutex_);
  const std::uint32_t slot = ++slots_;
  own.ddl.session = {parts_.worker, slot, 0};
  own.ddl.sql = std::move(sql);
  own.ddl.targets.push_back({"consort", "events"});
  decided_[slot];
  lock.unlock();
  const bool posted = parts_.post_commit(std::move(own));
  lock.lock();
  if (posted) {
    changed_.wait(lock, [&] { return stopping_ || decided_[slot].known; });
  }
  const Decided decided = posted ? decided_[slot] : Decided{true, {}};
  decided_.erase(slot);
  return decided;
}

void EventScheduler::start_run(const DueEvent& event, EventToRun to_run) {
  const auto read_only = [this] {
    const auto view = parts_.view();
    const auto kept = view->kept_globals.find(kOwnReadOnly);
    return kept != view->kept_globals.end() && is_on(kept->second);
  };
  EventRunParts parts{[this] { return choose_home(); },
                      parts_.post_commit,
                      read_only,
                      parts_.kill,
                      parts_.positions,
                      parts_.identity,
                      {},
                      ++runs_};
  const std::lock_guard lock(mutex_);
  if (stopping_) {
    return;
  }
  parts.session = {parts_.worker, ++slots_, 0};
  stats_.under_way.add();
  Run& run = under_way_.emplace_back(std::move(parts), std::move(to_run), event);
  give_number(run.process_id);
  const SignalsBlocked blocked;
  run.thread = std::thread([this, &run] {
    run.end = run.run.run();
    end(run.event);
    run.done = true;
  });
}

void EventScheduler::join_ended() {
  std::list<Run> ended;
  {
    const std::lock_guard lock(mutex_);
    for (auto run = under_way_.begin(); run != under_way_.end();) {
      const auto next = std::next(run);
      if (run->done) {
        ended.splice(ended.end(), under_way_, run);
      }
      run = next;
    }
  }
  for (Run& run : ended) {
    run.thread.join();
    if (run.run.moved()) {
      clean_ = {};
    }
    stats_.under_way.sub();
    Counter& counter = run.end == EventRun::End::kDone     ? stats_.done
                       : run.end == EventRun::End::kFailed ? stats_.failed
                                                           : stats_.lost;
    counter.add();
  }
}

}  // namespace consort::proxy
