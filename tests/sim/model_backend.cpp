#include "tests/sim/model_backend.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "certifier/ddl_fence.h"
#include "certifier/program_sql.h"
#include "tests/sim/model_sql.h"
#include "tests/sim/sim_statements.h"

namespace consort::sim {
namespace {

constexpr RowId kPositionRow{255, 0};
constexpr int kLockWaitSteps = 25;  ///< innodb_lock_wait_timeout

StepResult done() {
  return {};
}

StepResult changed_one() {
  return {StepResult::Kind::kDone, 0, {}, 1};
}

StepResult waiting() {
  return {StepResult::Kind::kWaiting, 0, {}, 0};
}

std::string to_text(const Gtid& gtid) {
  return std::to_string(gtid.domain) + "-" + std::to_string(gtid.server) + "-" +
         std::to_string(gtid.sequence);
}

StepResult failed(std::uint16_t error, std::string message) {
  return {StepResult::Kind::kFailed, error, std::move(message), 0};
}

}  // namespace

ModelBackend::ModelBackend(std::uint32_t server,
                           std::uint32_t cluster,
                           std::string cluster_id,
                           BackendBugs bugs)
    : server_(server), cluster_(cluster), bugs_(bugs) {
  base_.data = initial_data();
  base_.position.cluster_id = std::move(cluster_id);
  image_ = base_;
}

// ---- the server's life ----

void ModelBackend::crash(std::size_t redo_lost) {
  CHECK(redo_lost <= redo_unflushed());
  up_ = false;
  exact_ = false;
  redo_.resize(redo_.size() - redo_lost);
  connections_.clear();
  trxs_.clear();
  for (const Redo& record : redo_) {
    redo_into(base_, record);
  }
  redo_.clear();
  flushed_ = 0;
  image_ = base_;
}

void ModelBackend::start() {
  CHECK(!up_);
  up_ = true;
  ++incarnation_;
  for (const auto& [branch, trx] : image_.prepared) {
    trxs_[next_id_++] = trx;
  }
  image_.prepared.clear();
}

void ModelBackend::become_copy_of(const ModelBackend& other) {
  CHECK(up_);
  CHECK(other.up_);
  crash(0);
  base_ = other.image_;
  base_.prepared.clear();
  for (const auto& [id, trx] : other.trxs_) {
    if (trx.prepared) {
      base_.prepared[*trx.branch] = trx;
    }
  }
  base_.binlog.clear();  // a copy begins a binlog of its own
  base_.binlog_at_mark = 0;
  image_ = base_;
  start();
}

void ModelBackend::redo_into(Image& image, const Redo& record) {
  const auto apply_changes = [&image](const Trx& trx) {
    for (const auto& [row, value] : trx.changes) {
      image.data.set(row, value);
    }
    if (trx.position) {
      if (trx.position->ddl != image.position.ddl) {
        image.ddl_logged_at_mark = image.ddl_logged;
        image.binlog_at_mark = image.binlog.size();
      }
      image.position = *trx.position;
    }
  };
  if (record.group) {
    image.binlog.push_back(*record.group);
  }
  switch (record.kind) {
    case Redo::Kind::kCommit:
      apply_changes(record.trx);
      break;
    case Redo::Kind::kPrepare:
      image.prepared[record.branch] = record.trx;
      break;
    case Redo::Kind::kCommitBranch:
      apply_changes(record.trx);
      image.prepared.erase(record.branch);
      break;
    case Redo::Kind::kRollBackBranch:
      image.prepared.erase(record.branch);
      break;
    case Redo::Kind::kDdl:
      (void)image.data.execute_ddl(record.ddl);
      image.ddl_logged += record.logged ? 1 : 0;
      break;
  }
}

/// Writes the record and, except for a PREPARE, does what it says.
void ModelBackend::write_redo(Redo record) {
  if (record.kind != Redo::Kind::kPrepare) {
    redo_into(image_, record);
  }
  redo_.push_back(std::move(record));
  if (exact_) {
    flushed_ = redo_.size();
  }
}

// ---- transactions ----

void ModelBackend::commit(TrxId trx) {
  write_redo({Redo::Kind::kCommit, trxs_.at(trx), {}, {}});
  forget(trx);
}

void ModelBackend::forget(TrxId trx) {
  trxs_.erase(trx);
}

std::optional<TrxId> ModelBackend::find_branch(const BranchId& branch) const {
  for (const auto& [id, trx] : trxs_) {
    if (trx.branch == branch && trx.prepared) {
      return id;
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> ModelBackend::visible(const Trx& trx, RowId row) const {
  const auto changed = trx.changes.find(row);
  return changed == trx.changes.end() ? image_.data.value(row) : changed->second;
}

std::optional<TrxId> ModelBackend::holder_of(TrxId asking, RowId row, bool exclusive) const {
  for (const auto& [id, trx] : trxs_) {
    if (id != asking && (trx.exclusive.contains(row) || (exclusive && trx.shared.contains(row)))) {
      return id;
    }
  }
  return std::nullopt;
}

/// Who is in the way; nullopt: the lock is ours.
std::optional<TrxId> ModelBackend::lock_exclusive(TrxId trx, RowId row) {
  const auto holder = holder_of(trx, row, true);
  if (!holder) {
    trxs_.at(trx).exclusive.insert(row);
  }
  return holder;
}

std::optional<TrxId> ModelBackend::lock_shared(TrxId trx, RowId row) {
  const auto holder = holder_of(trx, row, false);
  if (!holder) {
    trxs_.at(trx).shared.insert(row);
  }
  return holder;
}

// ---- client sessions ----

TrxId ModelBackend::begin_branch(const BranchId& branch) {
  CHECK(up_);
  const TrxId id = next_id_++;
  trxs_[id].branch = branch;
  return id;
}

StepResult ModelBackend::run(TrxId id, const ClientOp& op) {
  const auto found = trxs_.find(id);
  if (found == trxs_.end() || found->second.prepared) {
    return failed(2013, "lost connection");
  }
  Trx& trx = found->second;
  if (op.kind == ClientOp::Kind::kInsert) {
    return insert_row(id, op);
  }
  const bool held_before = trx.exclusive.contains(op.row);
  if (lock_exclusive(id, op.row)) {
    return waiting();
  }
  if (newer_than_view(trx, op.row)) {
    return lose_to_newer(id);
  }
  const auto value = visible(trx, op.row);
  if (!value) {
    if (!held_before) {
      trx.exclusive.erase(op.row);  // no such row, no lock
    }
    return done();
  }
  if (op.kind == ClientOp::Kind::kAdd) {
    trx.changes[op.row] = *value + op.value;
    return changed_one();
  }
  return op.kind == ClientOp::Kind::kDelete ? delete_row(id, op) : done();
}

StepResult ModelBackend::insert_row(TrxId id, const ClientOp& op) {
  if (op.row.table == kChildren) {
    const RowId parent{kParents, static_cast<std::uint32_t>(op.value)};
    if (lock_shared(id, parent)) {
      return waiting();
    }
    if (!visible(trxs_.at(id), parent)) {
      return failed(1452, "no such parent");
    }
  }
  if (lock_exclusive(id, op.row)) {
    return waiting();
  }
  Trx& trx = trxs_.at(id);
  if (newer_than_view(trx, op.row)) {
    return lose_to_newer(id);
  }
  if (visible(trx, op.row)) {
    return failed(1062, "duplicate");
  }
  trx.changes[op.row] = op.value;
  return changed_one();
}

/// The row is locked and there.
StepResult ModelBackend::delete_row(TrxId id, const ClientOp& op) {
  if (op.row.table == kParents) {
    const auto is_child = [&op](RowId row, std::int64_t value) {
      return row.table == kChildren && value == static_cast<std::int64_t>(op.row.id);
    };
    for (const auto& [other, trx] : trxs_) {
      for (const auto& [row, value] : trx.changes) {
        if (other != id && value && is_child(row, *value)) {
          return waiting();
        }
      }
    }
    Data seen = image_.data;
    for (const auto& [row, value] : trxs_.at(id).changes) {
      seen.set(row, value);
    }
    for (const auto& [row, value] : seen.rows) {
      if (is_child(row, value)) {
        return failed(1451, "has children");
      }
    }
  }
  trxs_.at(id).changes[op.row] = std::nullopt;
  return changed_one();
}

bool ModelBackend::newer_than_view(const Trx& trx, RowId row) const {
  return trx.read_view && trx.read_view->value(row) != image_.data.value(row);
}

StepResult ModelBackend::lose_to_newer(TrxId trx) {
  forget(trx);
  return failed(1020, "the row has changed since it was read");
}

Data ModelBackend::read(TrxId id) {
  Trx& trx = trxs_.at(id);
  if (!trx.read_view) {
    trx.read_view = image_.data;
  }
  Data seen = *trx.read_view;
  for (const auto& [row, value] : trx.changes) {
    seen.set(row, value);
  }
  return seen;
}

std::optional<std::vector<RowOp>> ModelBackend::prepare(TrxId id) {
  const auto found = trxs_.find(id);
  if (found == trxs_.end() || found->second.prepared) {
    return std::nullopt;
  }
  Trx& trx = found->second;
  std::vector<RowOp> ops = changes_of(trx);
  if (ops.empty()) {
    forget(id);
    return ops;
  }
  trx.prepared = true;
  trx.read_view.reset();
  trx.shared.clear();  // shared locks end here, exclusive ones stay
  write_redo({Redo::Kind::kPrepare, trx, *trx.branch, {}});
  return ops;
}

std::vector<RowOp> ModelBackend::changes_of(const Trx& trx) const {
  std::vector<RowOp> ops;
  for (const auto& [row, value] : trx.changes) {
    const auto before = image_.data.value(row);
    if (before != value) {
      const RowChange change = !before  ? RowChange::kInsert
                               : !value ? RowChange::kDelete
                                        : RowChange::kUpdate;
      ops.push_back({change, row, before.value_or(0), value.value_or(0)});
    }
  }
  return ops;
}

void ModelBackend::abort(TrxId id) {
  const auto found = trxs_.find(id);
  if (found != trxs_.end() && !found->second.prepared) {
    forget(id);
  }
}

void ModelBackend::roll_back_branch(const BranchId& branch) {
  if (const auto trx = up_ ? find_branch(branch) : std::nullopt) {
    write_redo({Redo::Kind::kRollBackBranch, {}, branch, {}});
    forget(*trx);
  }
}

// ---- connections ----

ConnId ModelBackend::connect(bool logs) {
  CHECK(up_);
  const ConnId id = next_id_++;
  connections_[id].id = id;
  connections_[id].logs = logs;
  return id;
}

bool ModelBackend::is_open(ConnId conn) const {
  const auto found = connections_.find(conn);
  return found != connections_.end() && !found->second.dropped;
}

void ModelBackend::send(ConnId id, std::string sql) {
  Connection& conn = connections_.at(id);
  CHECK(conn.program.empty());
  Program program = parse_program(sql);
  conn.compound = program.compound;
  conn.client_program = sql.starts_with("CALL ");
  conn.disowner = program.disowner;
  conn.program = std::move(program.statements);
  conn.at = 0;
  conn.waits = 0;
  conn.binlog_at = 0;
  conn.rows.clear();
  conn.reply.reset();
}

void ModelBackend::step(ConnId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second.program.empty()) {
    return;
  }
  Connection& conn = found->second;
  if (std::exchange(conn.killed, false)) {
    finish(id, 1317, "interrupted");
    return;
  }
  conn.blocked_by.reset();
  const StepResult result = execute(conn, conn.program[conn.at]);
  if (result.waiting()) {
    if (++conn.waits > kLockWaitSteps) {
      finish(id, conn.at % 2 == 0 ? 1205 : 1213, "lock wait");
    }
    return;
  }
  conn.waits = 0;
  conn.binlog_at = 0;
  if (!result.done()) {
    finish(id, result.error, result.message);
  } else if (++conn.at == conn.program.size()) {
    finish(id, 0, {});
  }
}

/// The packet under way is answered; a compound's handler has rolled back.
void ModelBackend::finish(ConnId id, std::uint16_t error, std::string message) {
  Connection& conn = connections_.at(id);
  if (conn.trx) {
    CHECK(error != 0 || conn.client_program);  // a compound commits what it began
    forget(*conn.trx);
    conn.trx.reset();
    conn.autocommit = false;
  }
  constexpr std::uint16_t kNoSuchBranch = 1397;
  if (error == kNoSuchBranch && conn.disowner == image_.position.owner) {
    const TrxId trx = next_id_++;
    trxs_[trx].position = image_.position;
    trxs_[trx].position->cluster_id = certifier::kDisownedCluster;
    commit(trx);
  }
  conn.program.clear();
  conn.blocked_by.reset();
  conn.reply = Reply{error, std::move(message), std::move(conn.rows)};
  if (conn.dropped) {
    connections_.erase(id);
  }
}

std::optional<Reply> ModelBackend::take_reply(ConnId id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? std::nullopt
                                     : std::exchange(found->second.reply, std::nullopt);
}

void ModelBackend::drop(ConnId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) {
    return;
  }
  found->second.dropped = true;
  if (found->second.program.empty()) {
    connections_.erase(found);
  }
}

void ModelBackend::kill_query(ConnId id) {
  const auto found = connections_.find(id);
  if (found != connections_.end() && !found->second.program.empty()) {
    found->second.killed = true;
  }
}

void ModelBackend::kill(ConnId id) {
  const auto found = connections_.find(id);
  if (found != connections_.end()) {
    if (found->second.trx) {
      forget(*found->second.trx);
    }
    connections_.erase(found);
  }
}

std::vector<ConnId> ModelBackend::zombies() const {
  std::vector<ConnId> found;
  for (const auto& [id, conn] : connections_) {
    if (conn.dropped) {
      found.push_back(id);
    }
  }
  return found;
}

bool ModelBackend::runs_program(ConnId conn) const {
  const auto found = connections_.find(conn);
  return found != connections_.end() && found->second.client_program &&
         !found->second.program.empty();
}

std::optional<ModelBackend::Holder> ModelBackend::holder_for(ConnId id) const {
  const auto conn = connections_.find(id);
  if (conn == connections_.end() || !conn->second.blocked_by) {
    return std::nullopt;
  }
  const TrxId trx_id = *conn->second.blocked_by;
  const auto trx = trxs_.find(trx_id);
  if (trx == trxs_.end()) {
    return std::nullopt;
  }
  Holder holder;
  if (trx->second.branch && trx->second.prepared) {
    holder.prepared_branch = trx->second.branch;
  } else if (trx->second.branch) {
    holder.active_branch = trx_id;
  }
  for (const auto& [other, connection] : connections_) {
    if (connection.trx == trx_id) {
      holder.connection = other;
    }
  }
  return holder;
}

std::vector<BranchId> ModelBackend::prepared_branches() const {
  std::vector<BranchId> branches;
  for (const auto& [id, trx] : trxs_) {
    if (trx.prepared) {
      branches.push_back(*trx.branch);
    }
  }
  return branches;
}

bool ModelBackend::statement_under_way() const {
  return std::any_of(connections_.begin(), connections_.end(),
                     [](const auto& conn) { return !conn.second.program.empty(); });
}

// ---- statements ----

StepResult ModelBackend::execute(Connection& conn, std::string_view sql) {
  if (conn.client_program) {
    return execute_in_program(conn, std::string(sql));
  }
  if (sql == certifier::kBinlogIsExactSql || sql == certifier::kBinlogAsBeforeSql) {
    exact_ = sql == certifier::kBinlogIsExactSql;
    return done();
  }
  if (sql == certifier::kLastGtidSql) {
    conn.rows.push_back({to_text(conn.last_gtid)});
    return done();
  }
  if (sql == certifier::kBinlogStateSql) {
    conn.rows.push_back({image_.binlog.empty() ? "" : to_text(image_.binlog.back().gtid)});
    return done();
  }
  if (sql.find("consort: a program still runs here") != sql.npos) {
    return end_program(conn, sql);
  }
  if (sql.find("DELETE FROM consort.ddl_mark WHERE id=2") != sql.npos) {
    Redo marker{Redo::Kind::kCommit, {}, {}, {}};
    marker.group = next_group();
    conn.last_gtid = marker.group->gtid;
    write_redo(std::move(marker));
    return done();
  }
  if (sql == "START TRANSACTION") {
    conn.trx = next_id_++;
    trxs_[*conn.trx];
    return done();
  }
  if (sql == "COMMIT") {
    commit(*std::exchange(conn.trx, std::nullopt));
    return done();
  }
  if (sql.starts_with("IF ROW_COUNT()<>1 THEN SIGNAL")) {
    return conn.row_count == 1
               ? done()
               : failed(static_cast<std::uint16_t>(*number_behind(sql, "MYSQL_ERRNO=")),
                        "signalled");
  }
  if (sql.find("GET_LOCK(_latin1'consort_ddl'") != sql.npos) {
    const auto marked = number_behind(sql, " AND m.ddl=");
    const certifier::BackendPosition& now = image_.position;
    const bool stands = marked == now.ddl.value && now.seqno < now.ddl;
    return marked && !stands ? failed(1205, "the turn is over") : take_ddl_fence(conn);
  }
  if (sql == certifier::kDdlReleaseSql) {
    ddl_fence_ = ddl_fence_ == conn.id ? std::nullopt : ddl_fence_;
    return done();
  }
  if (sql.starts_with("IF @consort_1 IS NULL")) {
    return done();  // the model builds texts of any length
  }
  if (sql == certifier::kDdlClockSql) {
    return done();  // nothing here looks at the clock
  }
  if (sql.starts_with("UPDATE consort.")) {
    return execute_position(conn, sql);
  }
  if (sql.starts_with("BINLOG ")) {
    return execute_binlog(conn, sql);
  }
  if (sql.starts_with("XA COMMIT ") || sql.starts_with("XA ROLLBACK ")) {
    CHECK(!conn.trx.has_value());  // 1400
    return execute_xa_end(sql, sql.starts_with("XA COMMIT "));
  }
  if (sql == "XA RECOVER") {
    for (const BranchId& branch : prepared_branches()) {
      conn.rows.push_back({branch_gtrid(cluster_, branch)});
    }
    return done();
  }
  if (sql == certifier::read_position_sql()) {
    const certifier::BackendPosition& now = image_.position;
    conn.rows.push_back({now.cluster_id, std::to_string(now.owner), std::to_string(now.seqno.value),
                         std::to_string(now.ddl.value)});
    return done();
  }
  if (sql.starts_with("SET @")) {
    set_variables(conn, sql);
    return done();
  }
  const bool settings = sql.starts_with("SET ") || sql.starts_with("USE ") || sql == "END IF";
  return settings ? done() : execute_ddl(conn, sql);
}

StepResult ModelBackend::execute_position(Connection& conn, std::string_view sql) {
  const bool autocommit = !conn.trx.has_value();
  const TrxId id = conn.trx.value_or(next_id_);
  if (autocommit) {
    trxs_[next_id_++];
  }
  if (const auto holder = lock_exclusive(id, kPositionRow)) {
    if (autocommit) {
      forget(id);
    }
    conn.blocked_by = holder;
    return waiting();
  }
  const PositionUpdate update = parse_position_update(sql);
  certifier::BackendPosition position = trxs_.at(id).position.value_or(image_.position);
  const bool matches = (!update.owner || *update.owner == position.owner) &&
                       (!update.owner_below || position.owner < *update.owner_below) &&
                       (!update.seqno || *update.seqno == position.seqno.value);
  conn.row_count = 0;
  if (matches || bugs_.ignore_compare_and_set) {
    conn.row_count = 1;
    (update.column == "owner" ? position.owner : position.ddl.value) = update.value;
    trxs_.at(id).position = position;
  }
  if (autocommit) {
    commit(id);
  }
  return done();
}

StepResult ModelBackend::execute_binlog(Connection& conn, std::string_view sql) {
  const std::string text = sql.starts_with("BINLOG '")
                               ? std::string(quoted(sql))
                               : conn.variables["@consort_1"] + conn.variables["@consort_2"];
  const std::vector<RowGroup> groups = decode_groups(test::decode_base64(text));
  const bool autocommit = !conn.trx.has_value() || conn.autocommit;
  CHECK(!autocommit || groups.size() == 1);  // each commits by itself: one more would not be atomic
  if (!conn.trx) {
    conn.trx = next_id_++;
    conn.autocommit = true;
    trxs_[*conn.trx];
  }
  std::size_t at = 0;
  for (const RowGroup& group : groups) {
    if (group.move && at++ == conn.binlog_at) {
      StepResult result = move_position(conn, *group.move);
      if (!result.done()) {
        return result;
      }
      ++conn.binlog_at;
    }
    for (const RowOp& op : group.ops) {
      if (at++ < conn.binlog_at) {
        continue;
      }
      StepResult result = apply(conn, op);
      if (!result.done()) {
        return result;
      }
      ++conn.binlog_at;
    }
  }
  if (std::exchange(conn.autocommit, false)) {
    commit(*std::exchange(conn.trx, std::nullopt));
  }
  return done();
}

StepResult ModelBackend::move_position(
    Connection& conn, const std::pair<test::PositionImage, test::PositionImage>& move) {
  if (const auto holder = lock_exclusive(*conn.trx, kPositionRow)) {
    conn.blocked_by = holder;
    return waiting();
  }
  Trx& trx = trxs_.at(*conn.trx);
  certifier::BackendPosition position = trx.position.value_or(image_.position);
  const auto& [before, after] = move;
  const bool found = position.cluster_id == before.cluster_id && position.owner == before.owner &&
                     position.seqno.value == before.seqno;
  if (!found && !bugs_.ignore_compare_and_set) {
    return failed(1032, "no such row: the position");
  }
  position.seqno = Seqno{after.seqno};
  trx.position = position;
  return done();
}

StepResult ModelBackend::apply(Connection& conn, const RowOp& op) {
  if (const auto holder = lock_exclusive(*conn.trx, op.row)) {
    conn.blocked_by = holder;
    return waiting();
  }
  Trx& trx = trxs_.at(*conn.trx);
  const bool there = visible(trx, op.row).has_value();
  if (there == (op.change == RowChange::kInsert)) {
    return failed(there ? 1062 : 1032, there ? "duplicate" : "no such row");
  }
  if (op.change == RowChange::kDelete) {
    trx.changes[op.row] = std::nullopt;
  } else {
    trx.changes[op.row] = op.after;  // a full image overwrites whatever was there
  }
  return done();
}

StepResult ModelBackend::execute_xa_end(std::string_view sql, bool commits) {
  const BranchId branch = parse_branch(sql, cluster_);
  const auto trx = find_branch(branch);
  if (!trx) {
    return failed(1397, "no such branch");
  }
  const Redo::Kind kind = commits ? Redo::Kind::kCommitBranch : Redo::Kind::kRollBackBranch;
  write_redo({kind, trxs_.at(*trx), branch, {}});
  forget(*trx);
  return done();
}

StepResult ModelBackend::take_ddl_fence(Connection& conn) {
  const bool held = ddl_fence_ && connections_.contains(*ddl_fence_);
  if (held && ddl_fence_ != conn.id) {
    return waiting();
  }
  ddl_fence_ = conn.id;
  return done();
}

LoggedGroup ModelBackend::next_group() {
  const std::uint64_t last = image_.binlog.empty() ? 0 : image_.binlog.back().gtid.sequence;
  return {{0, server_, last + 1}, {}, {}};
}

/// The connection is ended, and is gone when this is done.
StepResult ModelBackend::end_program(Connection& conn, std::string_view sql) {
  const auto thread = number_behind(sql, "CONNECTION_ID()<>");
  if (thread && *thread != conn.id) {
    kill(*thread);
  }
  return done();
}

/// One statement of a client's procedure, outside any branch. What fails it passes over.
StepResult ModelBackend::execute_in_program(Connection& conn, const std::string& sql) {
  if (sql == "COMMIT") {
    commit_in_program(conn);
    return done();
  }
  if (sql == "ROLLBACK") {
    if (conn.trx) {
      forget(*std::exchange(conn.trx, std::nullopt));
    }
    return done();
  }
  const auto statement = parse_statement(sql);
  if (!statement) {
    commit_in_program(conn);
    const StepResult result = execute_ddl(conn, sql);
    return result.waiting() ? waiting() : done();
  }
  if (!conn.trx) {
    conn.trx = next_id_++;
    trxs_[*conn.trx];
  }
  if (const auto holder = holder_of(*conn.trx, statement->op.row, true)) {
    conn.blocked_by = holder;
    return waiting();
  }
  const StepResult result = run(*conn.trx, statement->op);
  return result.waiting() ? waiting() : done();
}

void ModelBackend::commit_in_program(Connection& conn) {
  if (!conn.trx) {
    return;
  }
  const TrxId id = *std::exchange(conn.trx, std::nullopt);
  Redo record{Redo::Kind::kCommit, trxs_.at(id), {}, {}};
  record.group = next_group();
  record.group->ops = changes_of(record.trx);
  if (!record.group->ops.empty()) {
    conn.last_gtid = record.group->gtid;
    write_redo(std::move(record));
  }
  forget(id);
}

StepResult ModelBackend::execute_ddl(Connection& conn, std::string_view sql) {
  if (const auto table = truncated_table(sql)) {
    const auto in_table = [table](RowId row) { return row.table == *table; };
    for (const auto& [id, trx] : trxs_) {
      if (std::any_of(trx.exclusive.begin(), trx.exclusive.end(), in_table) ||
          std::any_of(trx.shared.begin(), trx.shared.end(), in_table)) {
        conn.blocked_by = id;
        return waiting();
      }
    }
  }
  Data copy = image_.data;
  if (const std::uint16_t error = copy.execute_ddl(sql)) {
    return failed(error, "DDL");
  }
  Redo record{Redo::Kind::kDdl, {}, {}, std::string(sql), conn.logs};
  if (conn.logs) {
    record.group = next_group();
    record.group->ddl = sql;
  }
  write_redo(std::move(record));
  flushed_ = redo_.size();
  return done();
}

void ModelBackend::set_variables(Connection& conn, std::string_view sql) {
  const std::string name(sql.substr(4, sql.find('=') - 4));
  if (sql.ends_with("=NULL")) {
    conn.variables.clear();
  } else if (sql.find("=CONCAT(") != sql.npos) {
    conn.variables[name] += quoted(sql);
  } else {
    conn.variables[name] = quoted(sql);
  }
}

}  // namespace consort::sim
