#include "tests/sim/simulation.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace consort::sim {
namespace {

constexpr int kClientWaitSteps = 40;
constexpr int kSettleSteps = 300'000;
constexpr std::uint32_t kRowIds = 8;

}  // namespace

Simulation::Simulation(std::uint64_t seed, const Bugs& bugs)
    : cluster_(seed, bugs),
      oracle_(cluster_.profile.entry_limits),
      sessions_(static_cast<std::size_t>(cluster_.profile.sessions)) {
  start_proxy();
}

std::string Simulation::run(int steps) {
  for (int i = 0; i < steps && failure_.empty(); ++i) {
    step();
  }
  settle();
  check_end();
  counts_.entries = oracle_.executed();
  counts_.acknowledged = acknowledged_.size();
  counts_.refused = refused_.size();
  return failure_;
}

void Simulation::fail(std::string reason) {
  if (failure_.empty()) {
    failure_ = std::move(reason);
  }
}

ModelBackend& Simulation::home_of(const Session& session) {
  return cluster_.backends[session.home.value];
}

/// One small thing happens somewhere.
void Simulation::step() {
  const std::size_t what = cluster_.below(100);
  const BackendId backend{static_cast<std::uint8_t>(cluster_.below(Cluster::kBackends))};
  if (!closing_ &&
      cluster_.below(1000) < static_cast<std::size_t>(cluster_.profile.fault_permille)) {
    inject_fault();
  }
  if (what < 40) {
    step_session(cluster_.below(sessions_.size()));
  } else if (what < 45) {
    ModelBackend& server = cluster_.backends[backend.value];
    for (const ConnId zombie : server.zombies()) {
      server.step(zombie);
    }
  } else if (proxy_ == nullptr) {
    if (closing_ || cluster_.percent(10)) {
      start_proxy();
    }
  } else if (what < 70) {
    proxy_->step_lane(backend);
    check_backend(backend.value);
  } else if (what < 80) {
    cluster_.log.sync(1 + cluster_.below(4));
    check_log();
  } else if (what < 88) {
    proxy_->certify_one();
  } else if (what < 92) {
    proxy_->step_ddl();
  } else if (what < 95) {
    proxy_->reap(backend);
  } else if (what < 98) {
    proxy_->look_for_holder(backend);
  } else {
    proxy_->collect();
  }
}

// ---- sessions ----

void Simulation::step_session(std::size_t at) {
  Session& session = sessions_[at];
  switch (session.state) {
    case Session::State::kIdle:
      begin(at);
      break;
    case Session::State::kActive:
      step_active(session);
      break;
    case Session::State::kPreparing:
      step_preparing(session);
      break;
    case Session::State::kAnswered:
      step_answered(session);
      break;
    case Session::State::kWaiting:
      break;
  }
}

void Simulation::begin(std::size_t at) {
  Session& session = sessions_[at];
  session.home = BackendId{static_cast<std::uint8_t>(cluster_.below(Cluster::kBackends))};
  if (closing_ || proxy_ == nullptr || !proxy_->serves(session.home) || !home_of(session).up()) {
    return;
  }
  if (cluster_.percent(cluster_.profile.ddl_percent)) {
    proxy_->request_ddl(session.home, random_ddl());
    return;
  }
  session.branch = {proxy_->epoch(), static_cast<std::uint16_t>(at), ++branches_begun_};
  session.at_start = proxy_->applied(session.home);
  session.generation = proxy_->generation(session.home);
  session.trx = home_of(session).begin_branch(session.branch);
  session.ops_left = 1 + static_cast<int>(cluster_.below(4));
  session.op.reset();
  session.waits = 0;
  session.state = Session::State::kActive;
}

void Simulation::step_active(Session& session) {
  if (session.ops_left == 0) {
    if (cluster_.percent(5)) {
      home_of(session).abort(session.trx);
      session.state = Session::State::kIdle;
    } else {
      send_prepare(session);
    }
    return;
  }
  if (!session.op) {
    session.op = random_op();
  }
  const StepResult result = home_of(session).run(session.trx, *session.op);
  if (result.waiting()) {
    if (++session.waits > kClientWaitSteps) {
      home_of(session).abort(session.trx);
      session.state = Session::State::kIdle;
    }
    return;
  }
  if (result.error == 2013) {
    session.state = Session::State::kIdle;
    return;
  }
  session.op.reset();
  session.waits = 0;
  --session.ops_left;
}

ClientOp Simulation::random_op() {
  const auto id = static_cast<std::uint32_t>(cluster_.below(kRowIds));
  const auto table = static_cast<std::uint8_t>(cluster_.below(kTables));
  if (table <= kMoreCounters && cluster_.percent(cluster_.profile.lock_only_percent)) {
    return {ClientOp::Kind::kLock, {table, id}, 0};
  }
  const bool deletes = cluster_.percent(20);
  const bool inserts = cluster_.percent(table <= kMoreCounters ? 15 : 70);
  if (table == kChildren) {
    const auto parent = static_cast<std::int64_t>(cluster_.below(kRowIds));
    return {deletes ? ClientOp::Kind::kDelete : ClientOp::Kind::kInsert, {table, id}, parent};
  }
  if (deletes || (table == kParents && !inserts)) {
    return {ClientOp::Kind::kDelete, {table, id}, 0};
  }
  const ClientOp::Kind kind = inserts ? ClientOp::Kind::kInsert : ClientOp::Kind::kAdd;
  return {kind, {table, id}, 1 + static_cast<std::int64_t>(cluster_.below(9))};
}

std::string Simulation::random_ddl() {
  const std::string name = "d" + std::to_string(cluster_.below(3));
  switch (cluster_.below(3)) {
    case 0:
      return "CREATE TABLE " + name;
    case 1:
      return "DROP TABLE " + name;
    default:
      return "TRUNCATE t" + std::to_string(cluster_.below(2));
  }
}

void Simulation::send_prepare(Session& session) {
  if (proxy_ == nullptr) {
    home_of(session).abort(session.trx);
    session.state = Session::State::kIdle;
    return;
  }
  session.at_prepare = proxy_->applied(session.home);
  session.state = Session::State::kPreparing;
}

/// PREPARE arrives at the server.
void Simulation::step_preparing(Session& session) {
  auto ops = home_of(session).prepare(session.trx);
  if (!ops || ops->empty()) {
    session.state = Session::State::kIdle;
    return;
  }
  session.ops = std::move(*ops);
  session.captured = proxy_->shell(session.home).captures();
  if (cluster_.percent(2)) {  // its answer is lost
    refused_.insert(session.branch);
    session.state = Session::State::kIdle;
    proxy_->abandon(session.home, session.branch);
    return;
  }
  session.state = Session::State::kAnswered;
}

/// PREPARE's answer and the rows arrive at the proxy.
void Simulation::step_answered(Session& session) {
  session.state = Session::State::kWaiting;
  const Seqno at_answer = std::max(session.at_prepare, proxy_->applied(session.home));
  proxy_->on_prepared({session.branch, session.home, session.at_start, session.at_prepare,
                       at_answer, session.generation, session.captured, session.ops});
}

void Simulation::on_outcome(const BranchId& branch, bool committed) {
  for (Session& session : sessions_) {
    if (session.branch == branch && session.state != Session::State::kIdle) {
      session.state = Session::State::kIdle;
      (committed ? acknowledged_ : refused_).insert(branch);
    }
  }
}

void Simulation::abort_active(BackendId backend, TrxId trx) {
  cluster_.backends[backend.value].abort(trx);
  for (Session& session : sessions_) {
    const bool open =
        session.state == Session::State::kActive || session.state == Session::State::kPreparing;
    if (open && session.home == backend && session.trx == trx) {
      session.state = Session::State::kIdle;
    }
  }
}

// ---- faults ----

void Simulation::inject_fault() {
  const std::size_t at = cluster_.below(Cluster::kBackends);
  ModelBackend& backend = cluster_.backends[at];
  const std::size_t what = cluster_.below(10);
  if (!backend.up()) {
    backend.start();
  } else if (what < 4) {
    crash_backend(at);
  } else if (proxy_ != nullptr && what < 7) {
    proxy_->shell(BackendId{static_cast<std::uint8_t>(at)}).lose_connection();
  } else if (proxy_ != nullptr) {
    crash_proxy();
  }
}

void Simulation::crash_backend(std::size_t at) {
  ModelBackend& backend = cluster_.backends[at];
  ++counts_.backend_crashes;
  cluster_.trace("backend " + std::to_string(at) + " crashes");
  backend.crash(cluster_.profile.power_loss ? cluster_.below(backend.redo_unflushed() + 1) : 0);
  if (cluster_.percent(50)) {
    backend.start();  // so soon that nobody saw it down
  }
}

void Simulation::crash_proxy() {
  ++counts_.proxy_crashes;
  cluster_.trace("the proxy crashes");
  for (Session& session : sessions_) {
    if (session.state == Session::State::kPreparing && cluster_.percent(50)) {
      (void)home_of(session).prepare(session.trx);
    } else if (session.state == Session::State::kActive ||
               session.state == Session::State::kPreparing) {
      home_of(session).abort(session.trx);
    }
    session.state = Session::State::kIdle;  // nobody was told anything
  }
  proxy_.reset();
  cluster_.log.crash(cluster_.below(cluster_.log.waiting() + 1));
  check_log();
}

void Simulation::start_proxy() {
  ProxyCallbacks callbacks;
  callbacks.outcome = [this](const BranchId& branch, bool committed) {
    on_outcome(branch, committed);
  };
  callbacks.abort_active = [this](BackendId backend, TrxId trx) { abort_active(backend, trx); };
  callbacks.fail = [this](std::string reason) { fail(std::move(reason)); };
  proxy_ = std::make_unique<SimProxy>(cluster_, std::move(callbacks));
}

// ---- checks ----

void Simulation::check_log() {
  if (std::string wrong = oracle_.read(cluster_.log.durable()); !wrong.empty()) {
    fail(std::move(wrong));
  }
}

/// Equal positions, equal data (I9); nothing that is not in the log (I6).
void Simulation::check_backend(std::size_t at) {
  const ModelBackend& backend = cluster_.backends[at];
  const certifier::BackendPosition& position = backend.position();
  if (position.seqno > oracle_.head()) {
    fail("backend " + std::to_string(at) + " is ahead of the log");
    return;
  }
  const auto behind = [&](const BranchId& branch) {
    const auto seqno = oracle_.seqno_of(branch);
    return seqno && *seqno <= position.seqno;
  };
  const std::vector<BranchId> prepared = backend.prepared_branches();
  const bool between = backend.statement_under_way() || position.ddl > position.seqno ||
                       std::any_of(prepared.begin(), prepared.end(), behind);
  const Data* expected = oracle_.after(position.seqno);
  if (!backend.up() || between || expected == nullptr) {
    return;
  }
  ++counts_.comparisons;
  if (backend.committed() != *expected) {
    fail("backend " + std::to_string(at) + " differs at position " +
         std::to_string(position.seqno.value) + ":\n has  " + describe(backend.committed()) +
         "\n must " + describe(*expected));
  }
}

void Simulation::settle() {
  closing_ = true;
  for (ModelBackend& backend : cluster_.backends) {
    if (!backend.up()) {
      backend.start();
    }
  }
  const auto busy = [](const Session& session) { return session.state != Session::State::kIdle; };
  for (int i = 0; i < kSettleSteps && failure_.empty(); ++i) {
    if (proxy_ != nullptr && proxy_->settled() && cluster_.log.waiting() == 0 &&
        std::none_of(sessions_.begin(), sessions_.end(), busy)) {
      return;
    }
    step();
  }
  fail("it never comes to rest: " + (proxy_ != nullptr ? proxy_->describe() : "no proxy"));
}

void Simulation::check_end() {
  check_log();
  for (std::size_t i = 0; i < cluster_.backends.size() && failure_.empty(); ++i) {
    const ModelBackend& backend = cluster_.backends[i];
    if (!backend.prepared_branches().empty()) {
      fail("a branch hangs on backend " + std::to_string(i));
    }
    if (backend.position().seqno != oracle_.head()) {
      fail("backend " + std::to_string(i) + " did not catch up");
    }
    check_backend(i);
  }
  for (const BranchId& branch : acknowledged_) {
    if (!cluster_.profile.relaxed && !oracle_.has_branch(branch)) {
      fail("an acknowledged commit is lost");  // I4
    }
  }
  for (const BranchId& branch : refused_) {
    if (oracle_.has_branch(branch)) {
      fail("a transaction was refused, and committed at seqno " +
           std::to_string(oracle_.seqno_of(branch)->value));
    }
  }
}

}  // namespace consort::sim
