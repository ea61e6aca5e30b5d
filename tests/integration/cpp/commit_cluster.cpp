#include "tests/integration/cpp/commit_cluster.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "certifier/ddl_fence.h"
#include "certifier/lane_sql.h"
#include "tests/support/test.h"

namespace consort::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;

// A thread other than doctest's must not fail by exception.
void need(bool condition, const std::string& what) {
  if (!condition) {
    std::fprintf(stderr, "commit_loop_check: %s\n", what.c_str());
    std::abort();
  }
}

}  // namespace

SessionLink::SessionLink(std::uint16_t port) : connection_(mysql_init(nullptr)) {
  const unsigned protocol = MYSQL_PROTOCOL_TCP;
  mysql_options(connection_, MYSQL_OPT_PROTOCOL, &protocol);
  need(mysql_real_connect(connection_, "127.0.0.1", "root", "", nullptr, port, nullptr, 0) !=
           nullptr,
       std::string("connect: ") + mysql_error(connection_));
  must(
      "SET SESSION pseudo_slave_mode=1,binlog_annotate_row_events=0,"
      "innodb_snapshot_isolation=ON,innodb_lock_wait_timeout=20");
  must("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
}

SessionLink::~SessionLink() {
  mysql_close(connection_);
}

unsigned SessionLink::run(const std::string& sql) {
  rows_.clear();
  if (mysql_real_query(connection_, sql.data(), sql.size()) != 0) {
    return mysql_errno(connection_);
  }
  MYSQL_RES* result = mysql_store_result(connection_);
  if (result == nullptr) {
    return mysql_errno(connection_);
  }
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    auto& cells = rows_.emplace_back();
    for (unsigned i = 0; i < mysql_num_fields(result); ++i) {
      cells.emplace_back(row[i] == nullptr ? "\\N" : row[i]);
    }
  }
  mysql_free_result(result);
  return 0;
}

void SessionLink::must(const std::string& sql) {
  const unsigned error = run(sql);
  need(error == 0, sql + ": " + std::to_string(error) + " " + mysql_error(connection_));
}

CommitCluster::CommitCluster(std::size_t servers_count, const std::vector<std::string>& options) {
  Result<std::string> id = proxy::load_or_create_cluster_id(data_dir_.path());
  REQUIRE(id.ok());
  cluster_id_ = *id;
  for (std::size_t i = 0; i < servers_count; ++i) {
    servers_.push_back(
        std::make_unique<StoppableServer>(static_cast<std::uint32_t>(i + 1), options));
    servers_.back()->start();
    SessionLink link(servers_.back()->port());
    link.must("SET SESSION sql_log_bin=0");
    for (const std::string& sql : certifier::create_position_sql(cluster_id_)) {
      link.must(sql);
    }
    link.must("CREATE DATABASE t");
    proxy::ControllerOptions controller;
    controller.backend = BackendId{static_cast<std::uint8_t>(i)};
    controller.name = "b" + std::to_string(i + 1);
    controller.target = {"127.0.0.1", servers_.back()->port(), "root", "", {}};
    controller.timeouts = {1s, 2s};
    controller.cluster = proxy::cluster_of(cluster_id_);
    controllers_.push_back(std::make_unique<proxy::BackendController>(controller));
    controllers_.back()->start();
  }
}

CommitCluster::~CommitCluster() {
  stop_loop();
  for (const auto& controller : controllers_) {
    controller->stop();
  }
}

void CommitCluster::start_loop(const std::function<void(proxy::CommitOptions&)>& change) {
  const Status started = try_start_loop(change);
  REQUIRE_MESSAGE(started.ok(), (started.ok() ? "" : started.error().message));
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    loop_->set_backend(BackendId{static_cast<std::uint8_t>(i)}, true);
  }
}

Status CommitCluster::try_start_loop(const std::function<void(proxy::CommitOptions&)>& change) {
  proxy::CommitOptions options;
  options.data_dir = data_dir_.path();
  options.cluster_id = cluster_id_;
  options.service_user = "root";
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    options.backends.push_back(
        {"b" + std::to_string(i + 1), "127.0.0.1", servers_[i]->port(), controllers_[i].get()});
  }
  if (change) {
    change(options);
  }
  proxy::CommitHooks hooks;
  hooks.post_to_worker = [this](std::uint16_t, proxy::CommitEvent event) {
    on_event(std::move(event));
  };
  hooks.lane_changed = [this](const proxy::LaneReport& report) {
    const std::lock_guard lock(mutex_);
    reports_[report.backend.value] = report;
    changed_.notify_all();
  };
  {
    const std::lock_guard lock(mutex_);
    reports_.clear();
  }
  auto loop = proxy::CommitLoop::start(std::move(options), std::move(hooks), positions_);
  if (!loop.ok()) {
    return loop.error();
  }
  loop_ = std::move(loop).value();
  return Ok{};
}

void CommitCluster::stop_loop() {
  loop_.reset();
}

void CommitCluster::on_event(proxy::CommitEvent event) {
  if (std::holds_alternative<proxy::AbortBranch>(event) ||
      std::holds_alternative<proxy::AbortTableUsers>(event)) {
    if (on_abort) {
      on_abort(event);
    }
    return;
  }
  if (const auto* outcome = std::get_if<proxy::BranchOutcome>(&event)) {
    Verdicts& verdicts = verdicts_[outcome->branch.counter % verdicts_.size()];
    const std::lock_guard lock(verdicts.mutex);
    verdicts.outcomes[outcome->branch] = *outcome;
    verdicts.changed.notify_all();
    return;
  }
  const std::lock_guard lock(mutex_);
  if (const auto* turn = std::get_if<proxy::DdlTurn>(&event)) {
    turns_[turn->session.slot] = *turn;
  } else if (const auto* done = std::get_if<proxy::DdlOutcome>(&event)) {
    ddl_outcomes_[done->session.slot] = *done;
  }
  changed_.notify_all();
}

std::optional<proxy::LaneReport> CommitCluster::report(BackendId backend) {
  const std::lock_guard lock(mutex_);
  const auto found = reports_.find(backend.value);
  return found == reports_.end() ? std::nullopt : std::optional(found->second);
}

void CommitCluster::wait_until_caught_up(BackendId backend) {
  std::unique_lock lock(mutex_);
  need(changed_.wait_for(lock, kPatience,
                         [&] {
                           const auto found = reports_.find(backend.value);
                           return found != reports_.end() &&
                                  found->second.state == healthcheck::LaneState::kCaughtUp;
                         }),
       "lane " + std::to_string(backend.value) + " did not catch up");
}

void CommitCluster::wait_until_caught_up() {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    wait_until_caught_up(BackendId{static_cast<std::uint8_t>(i)});
  }
}

void CommitCluster::wait_until_applied() {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    while (positions_.applied[i].load() < positions_.head.load()) {
      need(std::chrono::steady_clock::now() < until,
           "backend " + std::to_string(i) + " stays at " +
               std::to_string(positions_.applied[i].load()) + " of " +
               std::to_string(positions_.head.load()));
      std::this_thread::sleep_for(1ms);
    }
  }
}

BranchId CommitCluster::new_branch() {
  const std::lock_guard lock(mutex_);
  return BranchId{loop_->identity().epoch, 0, ++branches_};
}

std::string CommitCluster::xid(const BranchId& branch) const {
  return branch_xid_sql(proxy::cluster_of(cluster_id_), branch);
}

proxy::BranchPrepared CommitCluster::begun(BackendId home, const BranchId& branch) const {
  proxy::BranchPrepared prepared;
  prepared.branch = branch;
  prepared.home = home;
  prepared.lane_generation = positions_.lane_generations[home.value].load();
  prepared.last_seen_at_start = prepared.last_seen_at_prepare = prepared.last_seen_at_answer =
      applied(home);
  return prepared;
}

bool CommitCluster::prepare(SessionLink& link, BackendId home, const BranchId& branch) {
  proxy::BranchPrepared prepared = begun(home, branch);
  if (link.run("XA END " + xid(branch)) != 0 || link.run("XA PREPARE " + xid(branch)) != 0) {
    return false;
  }
  prepared.last_seen_at_answer = applied(home);
  need(loop_->post(prepared), "the mailbox is full");
  return true;
}

proxy::BranchOutcome CommitCluster::expect_outcome(const BranchId& branch) {
  Verdicts& verdicts = verdicts_[branch.counter % verdicts_.size()];
  std::unique_lock lock(verdicts.mutex);
  need(verdicts.changed.wait_for(lock, kPatience,
                                 [&] { return verdicts.outcomes.contains(branch); }),
       "no verdict on branch " + std::to_string(branch.counter));
  proxy::BranchOutcome outcome = verdicts.outcomes[branch];
  verdicts.outcomes.erase(branch);
  return outcome;
}

proxy::BranchOutcome CommitCluster::commit(SessionLink& link,
                                           BackendId home,
                                           const std::vector<std::string>& statements) {
  const BranchId branch = new_branch();
  link.must("XA START " + xid(branch));
  for (const std::string& sql : statements) {
    if (const unsigned error = link.run(sql); error != 0) {
      link.run("XA END " + xid(branch));
      link.must("XA ROLLBACK " + xid(branch));
      proxy::BranchOutcome outcome;
      outcome.verdict = proxy::BranchVerdict::kRefused;
      outcome.message = std::to_string(error);
      return outcome;
    }
  }
  need(prepare(link, home, branch), "XA PREPARE failed");
  return expect_outcome(branch);
}

std::uint32_t CommitCluster::request_ddl(BackendId home,
                                         const std::string& sql,
                                         const std::vector<proxy::DdlTarget>& targets) {
  proxy::DdlRequest request;
  request.home = home;
  request.sql = sql;
  request.schema = "t";
  {
    SessionLink link(servers_[home.value]->port());
    link.must("SELECT CURRENT_USER()");
    request.user = link.first_cell();
  }
  request.targets = targets;
  {
    const std::lock_guard lock(mutex_);
    request.session.slot = ++sessions_;
  }
  need(loop_->post(request), "the mailbox is full");
  return request.session.slot;
}

std::optional<proxy::DdlTurn> CommitCluster::expect_turn(std::uint32_t slot) {
  std::unique_lock lock(mutex_);
  need(changed_.wait_for(lock, kPatience,
                         [&] { return turns_.contains(slot) || ddl_outcomes_.contains(slot); }),
       "neither turn nor outcome of a DDL");
  if (!turns_.contains(slot)) {
    return std::nullopt;
  }
  const proxy::DdlTurn turn = turns_[slot];
  turns_.erase(slot);
  return turn;
}

unsigned CommitCluster::ddl(BackendId home,
                            const std::string& sql,
                            const std::vector<proxy::DdlTarget>& targets) {
  const std::uint32_t slot = request_ddl(home, sql, targets);
  unsigned error = 0;
  while (true) {
    const std::optional<proxy::DdlTurn> turn = expect_turn(slot);
    if (!turn) {
      return error;
    }
    SessionLink link(servers_[turn->backend.value]->port());
    link.must("USE t");
    link.must(std::string(certifier::kDdlFenceSql));
    do {
      error = link.run(sql);
    } while (error == 1205);
    need(loop_->post(
             proxy::DdlExecuted{turn->seqno,
                                turn->backend,
                                error == 0 ? proxy::DdlEnd::kSucceeded : proxy::DdlEnd::kFailed,
                                {},
                                static_cast<std::uint16_t>(error)}),
         "the mailbox is full");
  }
}

void CommitCluster::expect_equal(const std::string& query) {
  std::vector<std::vector<std::string>> first;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    SessionLink link(servers_[i]->port());
    link.must(query);
    if (i == 0) {
      first = link.last_rows();
    }
    EXPECT_MESSAGE(link.last_rows() == first, "server ", i + 1, " differs: ", query);
  }
}

}  // namespace consort::test
