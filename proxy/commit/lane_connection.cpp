#include "proxy/commit/lane_connection.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <spdlog/spdlog.h>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/branch_name.h"
#include "base/check.h"
#include "certifier/ddl_definer.h"
#include "certifier/global_variables_sql.h"
#include "certifier/mysql_lane_sql.h"
#include "certifier/program_sql.h"

namespace consort::proxy {
namespace {

using certifier::LaneAction;
using namespace std::chrono_literals;

constexpr unsigned kArchiveReadsPerPump = 4;
constexpr unsigned kListingsMax = 100;
constexpr unsigned kConnectAgainMax = 3;
constexpr auto kListAgainAfter = 5ms;
constexpr auto kBackOff = 1000ms;
constexpr auto kPacketLimitRetry = 5000ms;
constexpr std::chrono::milliseconds kStallMax = 100ms;

// Answers that say nothing about the backend's data.
constexpr std::uint16_t kXaNotThere = 1397;
constexpr std::uint16_t kXaRolledBack = 1402;

std::optional<std::uint64_t> number_of(const std::optional<std::string>& cell) {
  std::uint64_t value = 0;
  if (!cell) {
    return std::nullopt;
  }
  const auto parsed = std::from_chars(cell->data(), cell->data() + cell->size(), value);
  return parsed.ec == std::errc() ? std::optional(value) : std::nullopt;
}

std::optional<certifier::BackendPosition> position_of(const SqlReply& reply) {
  if (reply.rows.size() != 1 || reply.rows[0].size() != 4 || !reply.rows[0][0]) {
    return std::nullopt;
  }
  const auto& row = reply.rows[0];
  const auto owner = number_of(row[1]);
  const auto seqno = number_of(row[2]);
  const auto ddl = number_of(row[3]);
  if (!owner || !seqno || !ddl) {
    return std::nullopt;
  }
  return certifier::BackendPosition{*row[0], *owner, Seqno{*seqno}, Seqno{*ddl}};
}

// Rows of XA RECOVER: format id, lengths of gtrid and bqual, both behind each other.
std::vector<ParsedBranch> branches_of(const SqlReply& reply) {
  std::vector<ParsedBranch> branches;
  for (const auto& row : reply.rows) {
    if (row.size() < 4 || number_of(row[0]) != kXaFormatId || number_of(row[2]) != 0U || !row[3]) {
      continue;
    }
    if (const std::optional<ParsedBranch> branch = parse_branch_gtrid(*row[3])) {
      branches.push_back(*branch);
    }
  }
  return branches;
}

}  // namespace

LaneConnection::LaneConnection(EventLoop& loop,
                               LaneOptions options,
                               LaneHost& host,
                               LaneStats& stats)
    : loop_(loop),
      options_(std::move(options)),
      host_(host),
      stats_(stats),
      lane_(options_.backend, options_.cluster),
      timer_(loop, [this] { on_timer(); }),
      stall_timer_(loop, [this] { on_stall_timer(); }),
      pace_timer_(loop, [this] { pump(); }),
      pace_(options_.interval),
      retry_(options_.retry_min) {
  CHECK(options_.batch.entries_max <= kBatchEntriesMax);
}

LaneConnection::~LaneConnection() = default;

// ---- connecting ----

void LaneConnection::set_reachable(bool reachable) {
  reachable_ = reachable;
  if (!reachable) {
    SqlCloseReason reason;
    reason.text = "the backend is out of rotation";
    timer_.stop();
    if (connection_ != nullptr) {
      lose(reason);
    }
    timer_.stop();
    phase_ = Phase::kOff;
    return;
  }
  if (phase_ == Phase::kFailed || lane_.state() == certifier::LaneState::kStopped) {
    lane_ = certifier::ApplyLane(options_.backend, options_.cluster);
    phase_ = Phase::kOff;
  }
  if (phase_ == Phase::kOff || phase_ == Phase::kWaiting) {
    retry_ = options_.retry_min;
    connect();
  }
}

void LaneConnection::connect() {
  timer_.stop();
  phase_ = Phase::kConnecting;
  SqlConnectionObserver& observer = *this;
  connection_ = std::make_unique<SqlConnection>(loop_, observer);
  connection_->connect(options_.target);
}

std::uint64_t LaneConnection::thread_id() const {
  return connection_ == nullptr ? 0 : connection_->thread_id();
}

void LaneConnection::on_sql_ready(const protocol::ServerInfo& server) {
  stats_.reconnects.add();
  phase_ = Phase::kSettingUp;
  kind_ = server_kind_of(server.version);
  const bool mysql = kind_ == ServerKind::kMysql;
  setup_ = certifier::lane_session_renewal(kind_, {});
  // The server may have been restarted: its variables, and this session's, are those of its file.
  const std::vector<std::string> again = setup_;
  setup_.emplace_back(mysql ? certifier::mysql::kTakeAnyPacketSql : certifier::kTakeAnyPacketSql);
  setup_.emplace_back(mysql ? certifier::mysql::kRestoreGlobalsSql : certifier::kRestoreGlobalsSql);
  setup_.insert(setup_.end(), again.begin(), again.end());
  if (!mysql) {
    setup_.push_back(certifier::share_sequences_sql(options_.sequences));
  }
  next_setup_ = 0;
  listings_ = 0;
  usual_ = {};
  next_setup();
}

void LaneConnection::ask(Question question, std::string_view sql) {
  question_ = question;
  connection_->query(sql);
}

// The session's settings, then the events' format, then the position becomes ours.
void LaneConnection::next_setup() {
  if (next_setup_ < setup_.size()) {
    ask(Question::kSetup, setup_[next_setup_]);
    return;
  }
  const Bytes format = host_.format_description(options_.backend);
  if (format.empty()) {
    return;  // on_format_known() goes on
  }
  ask(Question::kFormat, "BINLOG '" + certifier::base64(format) + "'");
}

void LaneConnection::on_format_known() {
  if (phase_ == Phase::kSettingUp && next_setup_ == setup_.size() && connection_->idle()) {
    next_setup();
  }
}

void LaneConnection::on_sql_reply(SqlReply reply) {
  if (disowning_) {
    fail(lane_.stop_reason(), false);
    return;
  }
  if (std::exchange(rolling_back_, false)) {
    after_failed_batch();  // whatever came of it: an error has rolled back already
    return;
  }
  if (std::exchange(administers_roles_, false)) {
    send_statement();  // whatever came of it: the statement tells
    return;
  }
  if (traces_) {
    if (const auto traces = traces_->on_reply(reply)) {
      on_looked(*traces);
    } else {
      connection_->query(traces_->question());
    }
    return;
  }
  if (asks_numbers_) {
    on_numbers(reply);
    return;
  }
  if (asks_marker_) {
    on_marker(reply);
    return;
  }
  if (phase_ == Phase::kRunning) {
    on_batch_reply(reply);
    return;
  }
  if (question_ == Question::kSettle) {
    on_settled(reply);
    return;
  }
  const bool again = question_ == Question::kSetup && reply.error == certifier::kConnectAgainErrno;
  if (again && ++connected_again_ <= kConnectAgainMax) {
    connect();
    return;
  }
  if (!reply.ok()) {
    SqlCloseReason reason;
    reason.logged_in = true;
    reason.text = "setting up the lane: " + reply.message;
    lose(reason);
    return;
  }
  switch (question_) {
    case Question::kSetup:
      ++next_setup_;
      next_setup();
      return;
    case Question::kFormat:
      if (kind_ == ServerKind::kMysql) {
        ask(Question::kNoGtids, certifier::mysql::kNoGtidsSql);
        return;
      }
      [[fallthrough]];
    case Question::kNoGtids:
      phase_ = Phase::kClaiming;
      owner_ = {options_.epoch, ++generation_};
      ask(Question::kClaim, certifier::claim_position_sql(owner_));
      return;
    case Question::kClaim:
      read_position();
      return;
    case Question::kPosition:
      on_position(reply);
      return;
    case Question::kBinlog: {
      const bool told = reply.rows.size() == 1 && reply.rows[0].size() == 1 && reply.rows[0][0];
      binlog_ = told ? GtidState::parse(*reply.rows[0][0]).value_or(GtidState()) : GtidState();
      listed_up_to_ = host_.certified_head();
      ask(Question::kBranches, "XA RECOVER");
      return;
    }
    case Question::kBranches:
      on_branches(reply);
      return;
    case Question::kSettle:
      return;
  }
}

// ---- settling what an earlier connection, or a failed batch, left ----

void LaneConnection::read_position() {
  phase_ = Phase::kListing;
  ask(Question::kPosition, certifier::read_position_sql());
}

void LaneConnection::on_position(const SqlReply& reply) {
  const std::optional<certifier::BackendPosition> position = position_of(reply);
  if (!position) {
    SqlCloseReason reason;
    reason.logged_in = true;
    reason.text = "consort.position has no row";
    lose(reason);
    return;
  }
  const bool newer = position->owner > owner_.value();
  const bool of_this_run = position->owner >> 32 == options_.epoch;
  if (newer && of_this_run) {
    // It came with a copy of another backend, whose lane has begun anew more often than ours.
    generation_ = static_cast<std::uint32_t>(position->owner);
  }
  if (position->owner < owner_.value() || (newer && of_this_run)) {
    // Somebody has put another row there, a copy's perhaps, since we claimed it: claim it again.
    SqlCloseReason reason;
    reason.logged_in = true;
    reason.text = "consort.position was replaced";
    lose(reason);
    return;
  }
  position_ = *position;
  binlog_of_ = host_.certified_head();
  // It tells what of a program the binlog has: none runs on MySQL.
  ask(Question::kBinlog,
      kind_ == ServerKind::kMysql ? std::string_view("SELECT ''") : certifier::kBinlogStateSql);
}

void LaneConnection::on_branches(const SqlReply& reply) {
  const Seqno from{
      position_.seqno.value > kBatchEntriesMax ? position_.seqno.value - kBatchEntriesMax : 0};
  Result<std::vector<OwnBranch>> own = host_.log().own_branches_from(options_.backend, from);
  if (!own.ok()) {
    fail(own.error().message, false);
    return;
  }
  std::unordered_map<BranchId, const OwnBranch*> logged;
  certifier::RecoveryInput input;
  for (const OwnBranch& branch : *own) {
    logged.emplace(branch.branch, &branch);
    if (branch.seqno > position_.seqno && branch.seqno <= listed_up_to_) {
      input.own_after_position.push_back({branch.seqno, branch.branch});
    }
  }
  input.backend = options_.backend;
  input.cluster_id = options_.cluster_id;
  input.cluster = options_.cluster;
  input.owner = owner_;
  input.position = position_;
  input.log_first = host_.log().first_seqno();
  input.head = listed_up_to_;
  input.listed = branches_of(reply);
  input.fate_of = [this, &logged](const BranchId& branch) {
    certifier::BranchFate fate;
    if (const auto found = logged.find(branch); found != logged.end()) {
      fate = {certifier::BranchFate::Kind::kLogged, found->second->seqno, found->second->home,
              found->second->replayed};
    } else if (host_.branch_is_undecided(branch)) {
      fate.kind = certifier::BranchFate::Kind::kPending;
    }
    return fate;
  };
  Result<certifier::RecoveryPlan> plan = certifier::plan_recovery(input);
  if (!plan.ok()) {
    fail(plan.error().message,
         plan.error().code == static_cast<int>(certifier::RecoveryError::kFenced));
    return;
  }
  plan_ = std::move(plan).value();
  for (const Seqno seqno : plan_.withdraw) {
    host_.withdraw_exemption(seqno);
  }
  if (!plan_.commit_now.empty() || !plan_.roll_back.empty()) {
    spdlog::info("{}: at seqno {}: {} prepared branches to commit, {} to roll back, {} held",
                 options_.name, position_.seqno.value, plan_.commit_now.size(),
                 plan_.roll_back.size(), plan_.held.size());
  }
  phase_ = Phase::kSettling;
  next_commit_ = next_rollback_ = 0;
  query_cache_holds_ = !plan_.commit_now.empty() && kind_ == ServerKind::kMariadb;
  next_settlement();
}

void LaneConnection::next_settlement() {
  if (std::exchange(query_cache_holds_, false)) {
    // Rows that the branches' cascades have changed (see lane_batch.cpp).
    ask(Question::kSettle, "RESET QUERY CACHE");
  } else if (next_commit_ < plan_.commit_now.size()) {
    ask(Question::kSettle,
        "XA COMMIT " + branch_xid_sql(options_.cluster, plan_.commit_now[next_commit_++]));
  } else if (next_rollback_ < plan_.roll_back.size()) {
    ask(Question::kSettle,
        "XA ROLLBACK " + branch_xid_sql(options_.cluster, plan_.roll_back[next_rollback_++]));
  } else {
    begin_running();
  }
}

void LaneConnection::on_settled(const SqlReply& reply) {
  const bool rolling_back = next_rollback_ > 0;
  if (reply.ok() || (rolling_back && reply.error == kXaRolledBack)) {
    next_settlement();
    return;
  }
  // Somebody else ended it, or its connection is not quite gone: look again what is there.
  if (reply.error != kXaNotThere) {
    spdlog::warn("{}: settling a prepared branch: {}", options_.name, reply.message);
  }
  resync_after(kListAgainAfter);
}

void LaneConnection::resync_after(std::chrono::milliseconds delay) {
  phase_ = Phase::kListing;
  if (++listings_ > kListingsMax) {
    SqlCloseReason reason;
    reason.logged_in = true;
    reason.text = "its prepared branches cannot be settled";
    lose(reason);
    return;
  }
  timer_.start_once(delay);
}

void LaneConnection::begin_running() {
  certifier::LaneStart start;
  start.kind = kind_;
  start.cluster_id = position_.cluster_id;
  start.owner = owner_;
  start.position = position_.seqno;
  start.ddl_mark = position_.ddl;
  start.held = std::move(plan_.held);
  start.listed_up_to = listed_up_to_;
  start.durable = host_.log().durable_head();
  start.binlog = binlog_;
  start.binlog_of = binlog_of_;
  lane_.on_connected(start);
  const bool anew = !attached_;
  phase_ = Phase::kRunning;
  attached_ = true;
  retry_ = options_.retry_min;
  listings_ = 0;
  connected_again_ = 0;
  if (anew) {
    spdlog::info("{}: lane runs from seqno {}", options_.name, position_.seqno.value);
  }
  host_.on_lane_running(options_.backend);
  host_.on_lane_applied(options_.backend);
  pump();
}

// ---- running ----

void LaneConnection::push(const EntryPtr& entry) {
  lane_.push(entry);
}

EntryPtr LaneConnection::ddl_under_way() const {
  return batch_ && batch_->ddl_statement ? lane_.queued(batch_->first) : nullptr;
}

void LaneConnection::pump() {
  if (pumping_) {
    return;
  }
  pumping_ = true;
  while (phase_ == Phase::kRunning && !batch_ && !traces_ && !asks_numbers_ && !asks_marker_ &&
         !stopping_) {
    if (begin_numbers()) {
      break;
    }
    feed_from_archive();
    if (phase_ != Phase::kRunning) {
      break;
    }
    if (waits_for_more()) {
      break;
    }
    std::optional<certifier::LaneTurn> turn = lane_.next_turn(options_.batch);
    if (!turn && lane_.state() == certifier::LaneState::kStopped) {
      fail(lane_.stop_reason(), false);
      break;
    }
    if (!turn) {
      break;
    }
    take_turn(std::move(*turn));
  }
  pumping_ = false;
}

// True while the entries that are there may wait for others: then the timer asks again.
bool LaneConnection::waits_for_more() {
  if (lane_.state() != certifier::LaneState::kIdle || lane_.queued_entries() == 0 ||
      lane_.applied() < wanted_ || lane_.queued_ddl() > 0 || host_.contended()) {
    return false;
  }
  const auto delay = std::chrono::ceil<std::chrono::milliseconds>(
      pace_.delay(clock_.now(), lane_.queued_entries()));
  if (delay.count() > 0 && !pace_timer_.armed()) {
    pace_timer_.start_once(delay);
  }
  return delay.count() > 0;
}

void LaneConnection::feed_from_archive() {
  for (unsigned i = 0; i < kArchiveReadsPerPump; ++i) {
    const std::optional<Seqno> from = lane_.wants_from();
    if (!from) {
      return;
    }
    Result<ArchiveBatch> batch = host_.log().read(*from, kArchiveReadBytes);
    if (!batch.ok()) {
      fail("it cannot catch up: " + batch.error().message, false);
      return;
    }
    if (batch->entries.empty()) {
      return;
    }
    for (const ArchivedEntry& archived : batch->entries) {
      Result<certifier::LogEntry> entry = certifier::decode_entry(archived.entry);
      if (!entry.ok()) {
        fail("it cannot catch up: archive, seqno " + std::to_string(archived.seqno.value) + ": " +
                 entry.error().message,
             false);
        return;
      }
      push(std::make_shared<const certifier::LogEntry>(std::move(entry).value()));
    }
  }
}

void LaneConnection::take_turn(certifier::LaneTurn turn) {
  if (auto* batch = std::get_if<certifier::LaneBatch>(&turn)) {
    batch_ = std::move(*batch);
    if (batch_->ddl_statement) {
      if (const EntryPtr ddl = ddl_under_way(); ddl != nullptr) {
        std::string& sql = batch_->statements[*batch_->ddl_statement];
        sql = certifier::with_definer(sql, ddl->ddl()->definer)
                  .value_or(sql);  // sessions refuse the rest
      }
    }
    statement_ = 0;
    ++batch_number_;
    batch_sent_ = clock_.now();
    if (batch_->last >= batch_->first) {
      pace_.on_sent(batch_sent_, batch_->last.value - batch_->first.value + 1);
    }
    if (!stall_timer_.armed()) {
      arm_stall_timer(options_.stall);
    }
    send_statement();
  } else if (const auto* reached = std::get_if<certifier::DdlReached>(&turn)) {
    host_.on_ddl_reached(options_.backend, *reached);
  } else if (const auto* offer = std::get_if<certifier::DdlOffer>(&turn)) {
    host_.on_ddl_offer(options_.backend, offer->seqno);
  } else if (const auto* looks = std::get_if<certifier::DdlLook>(&turn)) {
    look(*looks);
  } else if (const auto* decided = std::get_if<certifier::DdlDecided>(&turn)) {
    host_.on_ddl_decided(options_.backend, *decided);
  }
}

// Once everything is applied that was in the log when the lane began, the backend may give numbers
// of its sequences again: first it leaves some out, and the log says where it goes on.
bool LaneConnection::begin_numbers() {
  if (numbers_from_ || lane_.state() != certifier::LaneState::kIdle ||
      lane_.applied() < lane_.began_at()) {
    return false;
  }
  if (kind_ == ServerKind::kMysql) {  // it has no sequences
    numbers_from_ = Seqno{};
    return false;
  }
  asks_numbers_ = true;
  lists_numbers_ = false;
  connection_->query(certifier::begin_sequences_sql(options_.sequences));
  return true;
}

void LaneConnection::on_numbers(const SqlReply& reply) {
  if (!reply.ok()) {
    SqlCloseReason reason;
    reason.logged_in = true;
    reason.text = "its sequences: " + reply.message;
    lose(reason);
    return;
  }
  if (!std::exchange(lists_numbers_, !lists_numbers_)) {
    connection_->query(certifier::kListSequencesSql);
    return;
  }
  asks_numbers_ = false;
  std::vector<certifier::SequenceReserve> sequences;
  for (const auto& row : reply.rows) {
    if (row.size() != 4 || !row[0] || !row[1] || !row[2] || !row[3]) {
      continue;
    }
    certifier::SequenceReserve sequence;
    sequence.schema = *row[0];
    sequence.table = *row[1];
    sequence.next = std::strtoll(row[2]->c_str(), nullptr, 10);
    sequence.cache = number_of(row[3]).value_or(0);
    sequence.step = options_.sequences.step;
    sequences.push_back(std::move(sequence));
  }
  numbers_from_ =
      sequences.empty() ? Seqno{} : host_.on_sequences(options_.backend, std::move(sequences));
  host_.on_lane_applied(options_.backend);
  pump();
}

// Did a connection of a client's, which is gone, execute the DDL here?
void LaneConnection::look(const certifier::DdlLook& look) {
  looks_at_ = look.seqno;
  const EntryPtr looked = lane_.queued(look.seqno);
  if (looked != nullptr && looked->is_program()) {
    asks_marker_ = true;
    connection_->query(certifier::kLastGtidSql);
    return;
  }
  if (look.changed || looked == nullptr) {
    on_looked(look.changed ? certifier::DdlTraces::kRan : certifier::DdlTraces::kUnknown);
    return;
  }
  traces_.emplace(looked->ddl()->sql);
  connection_->query(traces_->question());
}

void LaneConnection::on_looked(certifier::DdlTraces traces) {
  traces_.reset();
  lane_.on_ddl_looked(looks_at_, traces);
  if (lane_.state() == certifier::LaneState::kStopped) {
    fail(lane_.stop_reason(), false);
    return;
  }
  host_.on_ddl_looked(options_.backend, looks_at_, traces);
  pump();
}

void LaneConnection::on_marker(const SqlReply& reply) {
  asks_marker_ = false;
  const bool told = reply.rows.size() == 1 && reply.rows[0].size() == 1 && reply.rows[0][0];
  const std::optional<Gtid> marker = told ? parse_gtid_text(*reply.rows[0][0]) : std::nullopt;
  if (!reply.ok() || !marker) {
    SqlCloseReason reason;
    reason.logged_in = true;
    reason.text = "asking for the end of a program: " + reply.message;
    lose(reason);
    return;
  }
  host_.on_program_marked(options_.backend, looks_at_, *marker);
  pump();
}

void LaneConnection::send_statement() {
  connection_->query(batch_->statements[statement_]);
}

void LaneConnection::on_batch_reply(const SqlReply& reply) {
  CHECK(batch_.has_value());
  if (!reply.ok()) {
    on_batch_failed(reply);
    return;
  }
  if (++statement_ < batch_->statements.size()) {
    send_statement();
    return;
  }
  const std::chrono::nanoseconds took = clock_.now() - batch_sent_;
  usual_ += (took - usual_) / 8;
  stats_.batches.add();
  stats_.apply_latency.record(took);
  const Seqno before = lane_.applied();
  const std::size_t own = batch_->branches;
  batch_.reset();
  lane_.on_turn_done();
  stats_.local_commits.add(own);
  stats_.remote_applies.add(lane_.applied().value - before.value - own);
  host_.on_lane_applied(options_.backend);
  pump();
}

void LaneConnection::on_batch_failed(const SqlReply& reply) {
  if (reply.error == certifier::kNoRoleAdminErrno && batch_->ddl_statement == statement_ &&
      std::exchange(roles_asked_for_, batch_->first) != batch_->first) {
    administers_roles_ = true;
    connection_->query(std::string(certifier::kAdministerRolesSql));
    return;
  }
  stats_.batch_failures.add();
  const LaneAction action = lane_.on_turn_failed(reply.error, reply.message, statement_);
  const Seqno first = batch_->first;
  const bool rolls_back = batch_->rolls_back;
  batch_.reset();
  spdlog::info("{}: batch from seqno {}: error {}: {}", options_.name, first.value, reply.error,
               reply.message);
  failed_ = {action, reply.error, first};
  if (rolls_back) {
    rolling_back_ = true;
    connection_->query("ROLLBACK");
    return;
  }
  after_failed_batch();
}

void LaneConnection::after_failed_batch() {
  const FailedBatch failed = failed_;
  switch (failed.action) {
    case LaneAction::kGoOn:
      host_.on_lane_applied(options_.backend);
      pump();
      return;
    case LaneAction::kRetry:
    case LaneAction::kResync:
      listings_ = 1;
      read_position();
      return;
    case LaneAction::kBackOff:
      if (failed.error == certifier::kPacketTooLargeErrno) {
        lose_to_packet_limit(failed.first);
        return;
      }
      listings_ = 1;
      resync_after(kBackOff);
      return;
    case LaneAction::kInconsistent:
      if (failed.error == kXaNotThere) {
        disowning_ = true;
        connection_->query(certifier::disown_position_sql(owner_));
        return;
      }
      [[fallthrough]];
    case LaneAction::kFenced:
      fail(lane_.stop_reason(), failed.action == LaneAction::kFenced);
      return;
  }
}

// No waiting helps, only an operator: say so, loudly, at every try, and try on a new connection,
// since a session keeps the limit it began with.
void LaneConnection::lose_to_packet_limit(Seqno seqno) {
  SqlCloseReason reason;
  reason.logged_in = true;
  reason.text = "its max_allowed_packet is too small for the entry at seqno " +
                std::to_string(seqno.value) + ": SET GLOBAL max_allowed_packet=1073741824";
  spdlog::error("{}: it applies nothing: {}", options_.name, reason.text);
  lose(reason);
  timer_.start_once(kPacketLimitRetry);
}

// ---- stalls, losses ----

void LaneConnection::arm_stall_timer(std::chrono::milliseconds delay) {
  // On a busy machine a batch usually takes longer: only what is unusual is a stall.
  const auto usual = std::chrono::duration_cast<std::chrono::milliseconds>(4 * usual_);
  stall_timer_.start_once(std::max(delay, std::min(usual, kStallMax)));
}

void LaneConnection::on_stall_timer() {
  if (phase_ != Phase::kRunning || !batch_) {
    return;  // the next batch arms it again
  }
  const auto age =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - batch_sent_);
  const auto usual = std::chrono::duration_cast<std::chrono::milliseconds>(4 * usual_);
  const auto limit = std::max(options_.stall, std::min(usual, kStallMax));
  if (age < limit) {
    stall_timer_.start_once(std::max(limit - age, 1ms));
    return;
  }
  stats_.stalls.add();
  stall_timer_.start_once(host_.on_lane_stalled(options_.backend));
}

void LaneConnection::on_timer() {
  if (phase_ == Phase::kWaiting && reachable_) {
    connect();
  } else if (phase_ == Phase::kListing && connection_ != nullptr && connection_->idle()) {
    read_position();
  }
}

void LaneConnection::reconnect(const std::string& why) {
  if (connection_ != nullptr) {
    SqlCloseReason reason;
    reason.text = why;
    reason.logged_in = true;
    lose(reason);
  }
}

void LaneConnection::on_sql_closed(const SqlCloseReason& reason) {
  if (disowning_) {
    fail(lane_.stop_reason(), false);
    return;
  }
  lose(reason);
}

void LaneConnection::lose(const SqlCloseReason& reason) {
  disowning_ = administers_roles_ = rolling_back_ = false;
  asks_numbers_ = false;
  numbers_from_.reset();
  connection_.reset();
  batch_.reset();
  traces_.reset();
  asks_marker_ = false;
  attached_ = false;
  lane_.on_disconnected();
  if (phase_ != Phase::kFailed) {
    phase_ = Phase::kWaiting;
    timer_.start_once(retry_);
    retry_ = std::min(retry_ * 2, options_.retry_max);
  }
  host_.on_lane_lost(options_.backend, reason);
}

void LaneConnection::fail(const std::string& reason, bool fenced) {
  timer_.stop();
  connection_.reset();
  batch_.reset();
  traces_.reset();
  attached_ = false;
  lane_.on_disconnected();
  disowning_ = administers_roles_ = rolling_back_ = asks_numbers_ = false;
  numbers_from_.reset();
  phase_ = Phase::kFailed;
  host_.on_lane_failed(options_.backend, reason, fenced);
}

}  // namespace consort::proxy
