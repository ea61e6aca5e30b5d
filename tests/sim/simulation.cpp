#include "tests/sim/simulation.h"

#include <algorithm>
#include <utility>

#include "base/branch_name.h"
#include "base/check.h"

namespace consort::sim {
namespace {

constexpr int kClientWaitSteps = 40;
constexpr int kSettleSteps = 300'000;
constexpr std::uint32_t kSessionSlots = 1000;  ///< slots of sessions begin here

}  // namespace

Simulation::Simulation(std::uint64_t seed, const Bugs& bugs)
    : cluster_(seed, bugs),
      oracle_(cluster_.profile.entry_limits),
      network_(cluster_,
               [this](BackendId backend, const BranchId& branch, const std::vector<RowOp>& ops) {
                 if (proxy_ != nullptr) {
                   proxy_->on_group(backend, branch, ops);
                 }
               }),
      metrics_(std::make_unique<proxy::WorkerMetrics>()),
      sessions_(static_cast<std::size_t>(cluster_.profile.sessions)),
      writers_(static_cast<std::size_t>(cluster_.profile.writers)) {
  start_proxy();
}

std::string Simulation::run(int steps) {
  for (int i = 0; i < steps && failure_.empty(); ++i) {
    step();
  }
  settle();
  if (!cluster_.broken.empty()) {
    fail(cluster_.broken);
  }
  if (proxy_ != nullptr) {
    counts_.programs += proxy_->programs_done();
    counts_.copies += proxy_->copies_made();
  }
  check_end();
  counts_.entries = oracle_.executed();
  counts_.acknowledged = acknowledged_.size();
  counts_.refused = refused_.size();
  counts_.sessions = sessions_begun_;
  for (const WorkRecord& record : ledger_.records()) {
    const bool done = record.told == WorkRecord::Told::kDone;
    counts_.session_commits += done && !record.effects.empty() ? 1 : 0;
    counts_.session_reads += record.seen.empty() ? 0 : 1;
  }
  return failure_;
}

void Simulation::fail(std::string reason) {
  if (failure_.empty()) {
    failure_ = std::move(reason);
  }
}

ModelBackend& Simulation::home_of(const Writer& writer) {
  return cluster_.backends[writer.home.value];
}

/// One small thing happens somewhere.
void Simulation::step() {
  const std::size_t what = cluster_.below(100);
  const BackendId backend{static_cast<std::uint8_t>(cluster_.below(Cluster::kBackends))};
  if (!closing_ &&
      cluster_.below(1000) < static_cast<std::size_t>(cluster_.profile.fault_permille)) {
    inject_fault();
  }
  if (what < 10) {
    step_writer(cluster_.below(writers_.size()));
  } else if (what < 25) {
    step_session();
  } else if (what < 43) {
    network_.step();
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
  } else if (what < 84) {
    proxy_->take_request();
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

// ---- the short path ----

void Simulation::step_writer(std::size_t at) {
  Writer& writer = writers_[at];
  switch (writer.state) {
    case Writer::State::kIdle:
      begin(at);
      break;
    case Writer::State::kActive:
      step_active(writer);
      break;
    case Writer::State::kPreparing:
      step_preparing(writer);
      break;
    case Writer::State::kAnswered:
      step_answered(writer);
      break;
    case Writer::State::kWaiting:
      break;
  }
}

void Simulation::begin(std::size_t at) {
  Writer& writer = writers_[at];
  writer.home = BackendId{static_cast<std::uint8_t>(cluster_.below(Cluster::kBackends))};
  if (closing_ || proxy_ == nullptr || !proxy_->serves(writer.home) || !home_of(writer).up()) {
    return;
  }
  if (cluster_.percent(cluster_.profile.ddl_percent)) {
    proxy_->request_ddl(writer.home, random_ddl(cluster_));
    return;
  }
  if (cluster_.percent(cluster_.profile.program_percent)) {
    proxy_->request_program(writer.home, random_program(cluster_));
    return;
  }
  writer.branch = {proxy_->epoch(), static_cast<std::uint16_t>(at), ++branches_begun_};
  writer.at_start = proxy_->applied(writer.home);
  writer.generation = proxy_->generation(writer.home);
  writer.trx = home_of(writer).begin_branch(writer.branch);
  writer.ops_left = 1 + static_cast<int>(cluster_.below(4));
  writer.op.reset();
  writer.waits = 0;
  writer.state = Writer::State::kActive;
}

void Simulation::step_active(Writer& writer) {
  if (writer.ops_left == 0) {
    if (cluster_.percent(5)) {
      home_of(writer).abort(writer.trx);
      writer.state = Writer::State::kIdle;
    } else {
      send_prepare(writer);
    }
    return;
  }
  if (!writer.op) {
    writer.op = random_op(cluster_);
  }
  const StepResult result = home_of(writer).run(writer.trx, *writer.op);
  if (result.waiting()) {
    if (++writer.waits > kClientWaitSteps) {
      home_of(writer).abort(writer.trx);
      writer.state = Writer::State::kIdle;
    }
    return;
  }
  if (result.error == 2013) {
    writer.state = Writer::State::kIdle;
    return;
  }
  writer.op.reset();
  writer.waits = 0;
  --writer.ops_left;
}

void Simulation::send_prepare(Writer& writer) {
  if (proxy_ == nullptr) {
    home_of(writer).abort(writer.trx);
    writer.state = Writer::State::kIdle;
    return;
  }
  writer.at_prepare = proxy_->applied(writer.home);
  writer.state = Writer::State::kPreparing;
}

/// PREPARE arrives at the server.
void Simulation::step_preparing(Writer& writer) {
  auto ops = home_of(writer).prepare(writer.trx);
  if (!ops || ops->empty()) {
    writer.state = Writer::State::kIdle;
    return;
  }
  writer.ops = std::move(*ops);
  writer.captured = proxy_->shell(writer.home).captures();
  if (cluster_.percent(2)) {  // its answer is lost
    refused_.insert(writer.branch);
    writer.state = Writer::State::kIdle;
    proxy_->abandon(writer.home, writer.branch);
    return;
  }
  writer.state = Writer::State::kAnswered;
}

/// PREPARE's answer and the rows arrive at the proxy.
void Simulation::step_answered(Writer& writer) {
  writer.state = Writer::State::kWaiting;
  const Seqno at_answer = std::max(writer.at_prepare, proxy_->applied(writer.home));
  proxy_->on_prepared({writer.branch, writer.home, writer.at_start, writer.at_prepare, at_answer,
                       writer.generation, writer.captured, writer.ops});
}

void Simulation::on_outcome(const BranchId& branch, bool committed) {
  for (Writer& writer : writers_) {
    if (writer.branch == branch && writer.state != Writer::State::kIdle) {
      writer.state = Writer::State::kIdle;
      (committed ? acknowledged_ : refused_).insert(branch);
    }
  }
}

// ---- sessions ----

void Simulation::step_session() {
  const std::size_t at = cluster_.below(sessions_.size());
  std::unique_ptr<SimSession>& session = sessions_[at];
  if (proxy_ == nullptr) {
    return;
  }
  if (session == nullptr && !closing_) {
    const SessionId id{0, static_cast<std::uint32_t>(kSessionSlots + at), ++sessions_begun_};
    session = std::make_unique<SimSession>(
        SessionWorld{cluster_, *proxy_, network_, oracle_, *metrics_, branches_begun_,
                     stored_function_defined_,
                     [this](std::string reason) { fail(std::move(reason)); }},
        id, ledger_, sessions_begun_);
  } else if (session != nullptr) {
    session->step(closing_);
    if (session->ended()) {
      session.reset();
    }
  }
}

void Simulation::tell(const proxy::CommitEvent& event) {
  if (const auto* outcome = std::get_if<proxy::BranchOutcome>(&event)) {
    if (outcome->branch.worker < kSessionSlots) {
      on_outcome(outcome->branch, outcome->verdict == proxy::BranchVerdict::kCommitted);
    } else if (auto& session = sessions_[outcome->branch.worker - kSessionSlots]) {
      session->post(event);
    }
  } else if (const auto* turn = std::get_if<proxy::DdlTurn>(&event)) {
    const auto& session = sessions_[turn->session.slot - kSessionSlots];
    if (session != nullptr && session->session_id() == turn->session) {
      session->post(event);
    } else {
      proxy_->post(proxy::DdlExecuted{turn->seqno, turn->backend, proxy::DdlEnd::kNotExecuted});
    }
  } else if (const auto* done = std::get_if<proxy::DdlOutcome>(&event)) {
    const auto& session = sessions_[done->session.slot - kSessionSlots];
    if (session != nullptr && session->session_id() == done->session) {
      session->post(event);
    }
  } else {
    for (const auto& session : sessions_) {
      if (session != nullptr) {
        session->post(event);
      }
    }
  }
}

void Simulation::abort_active(BackendId backend, TrxId trx) {
  if (const ConnectionPtr owner = network_.owner_of(backend, trx)) {
    tell(proxy::AbortBranch{backend, owner->id()});
    if (owner->closed() || cluster_.percent(5)) {
      network_.kill(backend, owner->id());  // nobody listens
    }
    return;
  }
  cluster_.backends[backend.value].abort(trx);
  for (Writer& writer : writers_) {
    const bool open =
        writer.state == Writer::State::kActive || writer.state == Writer::State::kPreparing;
    if (open && writer.home == backend && writer.trx == trx) {
      writer.state = Writer::State::kIdle;
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
  for (Writer& writer : writers_) {
    if (writer.state == Writer::State::kPreparing && cluster_.percent(50)) {
      (void)home_of(writer).prepare(writer.trx);
    } else if (writer.state == Writer::State::kActive ||
               writer.state == Writer::State::kPreparing) {
      home_of(writer).abort(writer.trx);
    }
    writer.state = Writer::State::kIdle;  // nobody was told anything
  }
  for (auto& session : sessions_) {
    session.reset();
  }
  network_.close_all();
  counts_.programs += proxy_->programs_done();
  counts_.copies += proxy_->copies_made();
  proxy_.reset();
  cluster_.log.crash(cluster_.below(cluster_.log.waiting() + 1));
  check_log();
}

void Simulation::start_proxy() {
  ProxyCallbacks callbacks;
  callbacks.tell = [this](const proxy::CommitEvent& event) { tell(event); };
  callbacks.kill = [this](BackendId backend, ConnId conn) { network_.kill(backend, conn); };
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
  // The home of a program has all of it before its position moves over it.
  const auto part = oracle_.part_at(position.seqno.next());
  const bool amid_program = part && part->home.value == at && part->program == position.ddl;
  const bool between = amid_program || backend.statement_under_way() ||
                       position.ddl > position.seqno ||
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
  const auto connected = [](const auto& session) { return session != nullptr; };
  const auto busy = [](const Writer& writer) { return writer.state != Writer::State::kIdle; };
  for (int i = 0; i < kSettleSteps && failure_.empty(); ++i) {
    if (proxy_ != nullptr && proxy_->settled() && cluster_.log.waiting() == 0 &&
        std::none_of(writers_.begin(), writers_.end(), busy) && network_.settled() &&
        std::none_of(sessions_.begin(), sessions_.end(), connected)) {
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
      fail("a branch hangs on backend " + std::to_string(i) + ": " +
           branch_gtrid(Cluster::kId, backend.prepared_branches()[0]));
    }
    if (backend.position().seqno != oracle_.head()) {
      fail("backend " + std::to_string(i) + " did not catch up");
    }
    check_backend(i);
  }
  const bool may_lose = cluster_.profile.relaxed && counts_.proxy_crashes > 0;
  if (std::string wrong = ledger_.check(oracle_, may_lose, counts_.copies > 0); !wrong.empty()) {
    fail(std::move(wrong));
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
