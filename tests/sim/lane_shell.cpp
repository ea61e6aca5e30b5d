#include "tests/sim/lane_shell.h"

#include <utility>
#include <variant>

#include "base/branch_name.h"
#include "base/check.h"
#include "certifier/program_sql.h"

namespace consort::sim {

using certifier::LaneAction;
using certifier::LaneBatch;

LaneShell::LaneShell(Cluster& cluster, LaneHost& host, BackendId backend)
    : cluster_(cluster),
      host_(host),
      id_(backend),
      lane_(backend, Cluster::kId, cluster.profile.lane_limits) {}

void LaneShell::step() {
  if (conn_ && !backend().is_open(*conn_)) {
    lose_connection();
  }
  if (const auto from = lane_.wants_from()) {
    host_.feed(lane_, *from);
  }
  switch (phase_) {
    case Phase::kOff:
      if (backend().up() && lane_.state() != certifier::LaneState::kStopped) {
        conn_ = backend().connect(false);
        incarnation_ = backend().incarnation();
        ++generation_;
        connected_anew_ = true;
        phase_ = Phase::kClaiming;
      }
      break;
    case Phase::kClaiming:
    case Phase::kReading:
    case Phase::kBinlog:
    case Phase::kListing:
      step_connecting();
      break;
    case Phase::kSettling:
      step_settling();
      break;
    case Phase::kRunning:
      step_running();
      break;
  }
}

void LaneShell::lose_connection() {
  if (!conn_) {
    return;
  }
  cluster_.trace("lane " + std::to_string(id_.value) + " lost its connection");
  backend().drop(*conn_);
  conn_.reset();
  sent_ = false;
  settling_.clear();
  batch_.reset();
  asks_marker_of_.reset();
  phase_ = Phase::kOff;
  lane_.on_disconnected();
  host_.on_lane_interrupted(id_, true);
}

std::optional<Reply> LaneShell::exchange(const std::string& sql) {
  if (!std::exchange(sent_, true)) {
    backend().send(*conn_, sql);
    return std::nullopt;
  }
  backend().step(*conn_);
  auto reply = backend().take_reply(*conn_);
  sent_ = !reply.has_value();
  return reply;
}

void LaneShell::step_connecting() {
  const certifier::LaneOwner owner = cluster_.bugs.share_owner
                                         ? certifier::LaneOwner{1, 1}
                                         : certifier::LaneOwner{host_.epoch(), generation_};
  if (phase_ == Phase::kListing && !sent_) {
    input_.head = host_.certified_head();
  }
  if (phase_ == Phase::kBinlog && !sent_) {
    binlog_of_ = host_.certified_head();
  }
  const std::string sql = phase_ == Phase::kClaiming  ? certifier::claim_position_sql(owner)
                          : phase_ == Phase::kReading ? certifier::read_position_sql()
                          : phase_ == Phase::kBinlog  ? std::string(certifier::kBinlogStateSql)
                                                      : "XA RECOVER";
  const auto reply = exchange(sql);
  if (!reply || reply->error != 0) {  // a claim that waits too long is tried again
    return;
  }
  if (phase_ == Phase::kClaiming) {
    input_.owner = owner;
    phase_ = Phase::kReading;
  } else if (phase_ == Phase::kReading) {
    read_position(*reply);
    phase_ = Phase::kBinlog;
  } else if (phase_ == Phase::kBinlog) {
    binlog_ = GtidState::parse(reply->rows.at(0).at(0)).value();
    phase_ = Phase::kListing;
  } else {
    plan(*reply);
  }
}

void LaneShell::read_position(const Reply& reply) {
  const std::vector<std::string>& row = reply.rows.at(0);
  input_.position = {row[0], std::stoull(row[1]), Seqno{std::stoull(row[2])},
                     Seqno{std::stoull(row[3])}};
  if (input_.position.ddl > input_.position.seqno) {
    // A DDL may still run that an earlier run of the proxy sent; it is nobody's to wait for.
    for (const ConnId zombie : backend().zombies()) {
      if (!backend().runs_program(zombie)) {
        backend().kill(zombie);
      }
    }
  }
}

void LaneShell::plan(const Reply& listed) {
  input_.backend = id_;
  input_.cluster_id = Cluster::kUuid;
  input_.cluster = Cluster::kId;
  input_.log_first = Seqno{1};
  input_.listed.clear();
  for (const auto& row : listed.rows) {
    input_.listed.push_back(parse_branch_gtrid(row.at(0)).value());
  }
  input_.fate_of = [this](const BranchId& branch) { return host_.fate_of(branch); };
  input_.own_after_position = host_.own_entries_after(id_, input_.position.seqno);
  std::erase_if(input_.own_after_position,
                [this](const auto& own) { return own.seqno > input_.head; });
  auto planned = certifier::plan_recovery(input_);
  if (!planned.ok()) {
    host_.fail("recovery: " + planned.error().message);
    return;
  }
  plan_ = std::move(planned).value();
  if (cluster_.bugs.forget_held && connected_anew_) {
    plan_.roll_back.insert(plan_.roll_back.end(), plan_.held.begin(), plan_.held.end());
    plan_.held.clear();
  }
  for (const Seqno seqno : plan_.withdraw) {
    host_.withdraw_exemption(seqno);
  }
  if (cluster_.bugs.forget_unfinished) {
    plan_.roll_back.insert(plan_.roll_back.end(), plan_.commit_now.begin(), plan_.commit_now.end());
    plan_.commit_now.clear();
  }
  for (const BranchId& branch : plan_.commit_now) {
    settling_.push_back("XA COMMIT " + branch_xid_sql(Cluster::kId, branch));
  }
  for (const BranchId& branch : plan_.roll_back) {
    settling_.push_back("XA ROLLBACK " + branch_xid_sql(Cluster::kId, branch));
  }
  phase_ = Phase::kSettling;
}

void LaneShell::step_settling() {
  if (!settling_.empty()) {
    if (const auto reply = exchange(settling_.front())) {
      settling_.pop_front();
      if (reply->error != 0) {  // somebody else ended it: look again
        settling_.clear();
        phase_ = Phase::kReading;
      }
    }
    return;
  }
  cluster_.trace("lane " + std::to_string(id_.value) + " at " +
                 std::to_string(input_.position.seqno.value) + " listed up to " +
                 std::to_string(input_.head.value) + ", held " + std::to_string(plan_.held.size()) +
                 ", withdrawn " + std::to_string(plan_.withdraw.size()));
  const Seqno mark = cluster_.bugs.forget_marks ? Seqno{0} : input_.position.ddl;
  lane_.on_connected({ServerKind::kMariadb, Cluster::kUuid, input_.owner, input_.position.seqno,
                      mark, plan_.held, input_.head, host_.durable_head(), binlog_, binlog_of_});
  phase_ = Phase::kRunning;
  host_.on_lane_running(id_, std::exchange(connected_anew_, false));
}

void LaneShell::step_running() {
  if (batch_) {
    step_batch();
    return;
  }
  if (asks_marker_of_) {
    const auto reply = exchange(std::string(certifier::kLastGtidSql));
    if (reply) {
      const Seqno program = *std::exchange(asks_marker_of_, std::nullopt);
      host_.on_program_marked(id_, program, parse_gtid_text(reply->rows.at(0).at(0)).value());
    }
    return;
  }
  certifier::BatchLimits limits;
  limits.entries_max = 1 + cluster_.below(cluster_.profile.batch_entries_max);
  limits.statement_bytes_max = cluster_.percent(10) ? 150 : 4'000;
  auto turn = lane_.next_turn(limits);
  if (!turn && lane_.state() == certifier::LaneState::kStopped) {
    const std::string reason = lane_.stop_reason();
    lose_connection();
    if (host_.on_lane_stopped(id_, reason)) {
      lane_ = certifier::ApplyLane(id_, Cluster::kId, cluster_.profile.lane_limits);
    }
    return;
  }
  if (!turn) {
    return;
  }
  const auto* look = std::get_if<certifier::DdlLook>(&*turn);
  if (look != nullptr && host_.is_program(look->seqno)) {
    asks_marker_of_ = look->seqno;
    return;
  }
  if (auto* batch = std::get_if<LaneBatch>(&*turn)) {
    batch_ = std::move(*batch);
    batch_at_ = 0;
    cluster_.trace("lane " + std::to_string(id_.value) + " sends " + batch_->statements.back());
  } else {
    host_.on_ddl_turn(id_, *turn);
  }
}

void LaneShell::step_batch() {
  const auto reply = exchange(batch_->statements[batch_at_]);
  if (!reply) {
    return;
  }
  if (reply->error == 0) {
    if (++batch_at_ == batch_->statements.size()) {
      batch_.reset();
      lane_.on_turn_done();
    }
    return;
  }
  batch_.reset();
  cluster_.trace("lane " + std::to_string(id_.value) + " got " + std::to_string(reply->error));
  switch (lane_.on_turn_failed(reply->error, reply->message, batch_at_)) {
    case LaneAction::kGoOn:
      break;
    case LaneAction::kRetry:
    case LaneAction::kResync:
    case LaneAction::kBackOff:
      phase_ = Phase::kReading;
      host_.on_lane_interrupted(id_, false);
      break;
    case LaneAction::kInconsistent:
    case LaneAction::kFenced:
      host_.fail("lane of backend " + std::to_string(id_.value) + ": " + lane_.stop_reason());
      break;
  }
}

}  // namespace consort::sim
