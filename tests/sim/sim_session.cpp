#include "tests/sim/sim_session.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"
#include "protocol/packet_writer.h"

namespace consort::sim {

using proxy::Channel;

namespace {

constexpr proxy::SessionCore::Options kOptions{Cluster::kId, 40, 16, {}};

}  // namespace

SimSession::SimSession(const SessionWorld& world,
                       SessionId id,
                       SimLedger& ledger,
                       std::size_t client)
    : world_(world),
      id_(id),
      client_(world.cluster, ledger, client, world.fail),
      core_(*this, kOptions) {
  core_.begin({"'u'@'%'", SimClient::kCapabilities, "s"});
}

// ---- chance ----

void SimSession::step(bool closing) {
  const std::size_t first = world_.cluster.below(5);
  for (std::size_t i = 0; i < 5 && !ended_; ++i) {
    const std::size_t what = (first + i) % 5;
    const bool happened = what == 0   ? step_inbox()
                          : what == 1 ? step_line(Channel::kHome)
                          : what == 2 ? step_line(Channel::kRead)
                          : what == 3 ? step_timers()
                                      : step_client(closing);
    if (happened) {
      break;
    }
  }
  const bool undecided = core_.phase() == proxy::SessionPhase::kOrdering;
  if (client_gone_ && !undecided && !ended_) {  // what all must agree on is seen through
    core_.on_client_gone();
    ended_ = true;
  }
}

bool SimSession::step_inbox() {
  if (inbox_.empty()) {
    return false;
  }
  const proxy::CommitEvent event = std::move(inbox_.front());
  inbox_.pop_front();
  deliver(event);
  return true;
}

void SimSession::deliver(const proxy::CommitEvent& event) {
  if (const auto* outcome = std::get_if<proxy::BranchOutcome>(&event)) {
    proxy::BranchOutcome heard = *outcome;
    if (world_.cluster.bugs.repeat_committed && world_.cluster.percent(5)) {
      heard.verdict = proxy::BranchVerdict::kHomeLost;
    }
    core_.on_outcome(heard);
  } else if (const auto* turn = std::get_if<proxy::DdlTurn>(&event)) {
    core_.on_ddl_turn(*turn);
  } else if (const auto* done = std::get_if<proxy::DdlOutcome>(&event)) {
    client_.on_ddl(done->seqno);
    core_.on_ddl_outcome(*done);
  } else if (const auto* abort = std::get_if<proxy::AbortBranch>(&event)) {
    if (core_.home() == abort->home && core_.home_thread() == abort->thread_id) {
      if (world_.cluster.bugs.hide_abort) {
        world_.network.kill_query(abort->home, abort->thread_id);  // at once: it hits what it means
      } else {
        core_.on_abort_branch();
      }
    }
  } else if (const auto* users = std::get_if<proxy::AbortTableUsers>(&event)) {
    if (core_.home() == users->home) {
      core_.on_abort_table_users(users->targets);
    }
  }
}

bool SimSession::step_timers() {
  if (!kills_.empty()) {
    const Kill kill = std::move(kills_.front());
    kills_.pop_front();
    if (kill.ticket.begin()) {
      world_.network.kill_query(kill.backend, kill.connection);
      kill.ticket.end(true);
    }
    return true;
  }
  if (retry_due_ && world_.cluster.percent(30)) {
    retry_due_ = false;
    core_.on_retry_due();
    return true;
  }
  if (!applied_wait_) {
    return false;
  }
  bool fulfilled = false;
  for (std::uint8_t i = 0; i < Cluster::kBackends; ++i) {
    const BackendId backend{i};
    const bool asked = applied_wait_->any ? serves(backend) : backend == applied_wait_->backend;
    fulfilled = fulfilled || (asked && applied(backend) >= applied_wait_->seqno);
  }
  if (fulfilled) {
    applied_wait_.reset();
    core_.on_applied();
  } else if (world_.cluster.percent(2)) {
    applied_wait_.reset();
    core_.on_applied_timeout();
  }
  return true;
}

// ---- the client ----

bool SimSession::step_client(bool closing) {
  if (client_gone_) {
    return false;
  }
  if (!closing && world_.cluster.below(2000) == 0) {
    client_gone_ = true;
    return true;
  }
  if (!core_.idle()) {
    return false;
  }
  if (client_.waiting()) {
    world_.fail("a session is idle, and its client has no answer");
    return true;
  }
  if (world_.cluster.percent(10) && core_.yield(Channel::kHome, false)) {
    return true;  // somebody else waits for its connection
  }
  const auto sql = client_.next(closing, world_.cluster.profile.strong_reads ? head() : Seqno{});
  if (!sql) {
    client_gone_ = true;
    return true;
  }
  refused_ = core_.awaits_reply(Channel::kHome) ? refused_ : std::nullopt;
  Buffer wire;
  protocol::append_command(wire, protocol::Command::kQuery, as_bytes(*sql));
  core_.on_command({wire, Bytes(wire).subspan(4), 0});
  return true;
}

void SimSession::send_client(std::initializer_list<Bytes> pieces) {
  for (const Bytes& piece : pieces) {
    if (!client_gone_) {
      client_.receive(piece, world_.oracle.head());
    }
  }
}

// ---- backends ----

void SimSession::lease(Channel channel, BackendId backend) {
  CHECK(!line(channel).connection);
  CHECK(!line(channel).leasing.has_value());
  line(channel).leasing = backend;
  if (world_.cluster.percent(30)) {
    finish_lease(channel);
  }
}

void SimSession::finish_lease(Channel channel) {
  Line& leased = line(channel);
  const BackendId backend = *std::exchange(leased.leasing, std::nullopt);
  leased.connection = world_.network.lease(backend);
  ++leased.leases;
  if (leased.connection) {
    core_.on_leased(channel, {backend, leased.connection->id(), ServerConnection::kCapabilities,
                              world_.cluster.profile.repeatable_read ? "REPEATABLE-READ" : "",
                              leased.connection->insert_id()});
  } else {
    core_.on_lease_failed(channel, {protocol::backend_lost_error("down"), true});
  }
}

void SimSession::release(Channel channel, bool reusable) {
  Line& leased = line(channel);
  leased.leasing.reset();
  if (!leased.connection) {
    return;
  }
  leased.unread.clear();
  const ConnectionPtr connection = std::exchange(leased.connection, nullptr);
  if (!reusable && !world_.cluster.bugs.lend_unclean) {
    world_.network.close(connection, false);
  } else if (std::string wrong = world_.network.give_back(connection); !wrong.empty()) {
    world_.fail(std::move(wrong));
  }
}

void SimSession::send_backend(Channel channel, std::initializer_list<Bytes> pieces) {
  CHECK(line(channel).connection);
  ServerConnection& connection = *line(channel).connection;
  if (!world_.proxy.shell(connection.backend_id()).captures()) {
    client_.on_any_age();  // it has started anew, and the lane does not know yet
  }
  Buffer commands;
  for (const Bytes& piece : pieces) {
    append(commands, piece);
  }
  if (!connection.closed()) {
    connection.send(commands);
  }
}

bool SimSession::step_line(Channel channel) {
  Line& leased = line(channel);
  if (leased.leasing) {
    finish_lease(channel);
    return true;
  }
  if (!leased.connection) {
    return false;
  }
  const int fault = world_.cluster.profile.fault_permille;
  if (world_.cluster.below(4000) < static_cast<std::size_t>(fault)) {
    lose(channel);
    return true;
  }
  if (!leased.connection->replies().empty()) {
    read(channel);
    return true;
  }
  if (!leased.connection->open()) {
    lose(channel);
    return true;
  }
  return false;
}

/// Some of what the server has answered arrives.
void SimSession::read(Channel channel) {
  Line& leased = line(channel);
  const ConnectionPtr connection = leased.connection;
  Buffer& replies = connection->replies();
  const std::size_t some =
      world_.cluster.percent(70) ? replies.size() : 1 + world_.cluster.below(replies.size());
  Buffer bytes = std::move(leased.unread);
  leased.unread.clear();
  append(bytes, Bytes(replies).first(some));
  replies.erase(replies.begin(), replies.begin() + static_cast<std::ptrdiff_t>(some));
  const std::uint64_t lease = leased.leases;
  const std::size_t used = core_.on_backend_read(channel, bytes);
  if (leased.connection && leased.leases == lease) {
    leased.unread.assign(bytes.begin() + static_cast<std::ptrdiff_t>(used), bytes.end());
  } else if (used < bytes.size() && connection->open() && !connection->closed()) {
    world_.fail("a connection is given back with a part of a reply unread");
  }
}

void SimSession::lose(Channel channel) {
  Line& leased = line(channel);
  leased.unread.clear();
  world_.network.close(std::exchange(leased.connection, nullptr), world_.cluster.percent(50));
  if (refused_) {
    world_.proxy.leave_to_sweep(*refused_);  // its XA ROLLBACK may be lost now
  }
  core_.on_backend_lost(channel);
}

SimSession::Choice SimSession::choose_reader(Seqno at_least) {
  const std::size_t from = world_.cluster.below(Cluster::kBackends);
  for (std::size_t i = 0; i < Cluster::kBackends; ++i) {
    const BackendId backend{static_cast<std::uint8_t>((from + i) % Cluster::kBackends)};
    const bool fresh = applied(backend) >= at_least || world_.cluster.bugs.stale_reader;
    if (serves(backend) && fresh) {
      return {true, backend, {}};
    }
  }
  return {false, {}, "none serves"};
}

std::uint32_t SimSession::lane_generation(BackendId backend) {
  return static_cast<std::uint32_t>(world_.proxy.generation(backend));
}

Seqno SimSession::head() {
  return world_.proxy.told_head();
}

proxy::ReadConsistency SimSession::read_consistency() {
  return world_.cluster.profile.strong_reads ? proxy::ReadConsistency::kStrong
                                             : proxy::ReadConsistency::kSession;
}

// ---- the commit thread ----

BranchId SimSession::next_branch() {
  const BranchId branch{world_.proxy.epoch(), static_cast<std::uint16_t>(id_.slot),
                        ++world_.branches_begun};
  client_.on_branch(branch);
  return branch;
}

bool SimSession::post_commit(proxy::CommitRequest request) {
  auto* prepared = std::get_if<proxy::BranchPrepared>(&request);
  if (prepared != nullptr) {
    plant_mistakes(*prepared);
  }
  const bool about_ddl = std::holds_alternative<proxy::DdlExecuted>(request);
  if (std::holds_alternative<proxy::BranchAbandoned>(request)) {
    if (world_.cluster.bugs.forget_abandoned) {
      return true;
    }
  } else if (!about_ddl && world_.cluster.below(200) == 0) {
    refused_ = prepared != nullptr ? std::optional(prepared->branch) : std::nullopt;
    return false;  // its mailbox is full
  }
  world_.proxy.post(std::move(request));
  return true;
}

void SimSession::plant_mistakes(proxy::BranchPrepared& prepared) {
  const Bugs& bugs = world_.cluster.bugs;
  if (bugs.seen_at_answer) {
    prepared.last_seen_at_start = prepared.last_seen_at_prepare = prepared.last_seen_at_answer;
  }
  if (bugs.reply_before_outcome) {
    post(proxy::BranchOutcome{
        id_, prepared.branch, proxy::BranchVerdict::kCommitted, Seqno{}, {}, {}});
  }
}

}  // namespace consort::sim
