#include "tests/sim/server_connection.h"

#include <utility>

#include "base/check.h"
#include "certifier/ddl_fence.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"
#include "tests/sim/model_sql.h"

namespace consort::sim {
namespace {

constexpr int kWaitStepsMax = 20;  ///< innodb_lock_wait_timeout

void append_text(Buffer& out, const std::string& text) {
  out.push_back(static_cast<std::uint8_t>(text.size()));
  append(out, text);
}

bool is_ours(const std::string& sql) {
  return sql.starts_with("CREATE ") || sql.starts_with("DROP ") || sql.starts_with("TRUNCATE ") ||
         sql.find("GET_LOCK(_latin1'consort_ddl'") != sql.npos ||
         sql == certifier::kDdlReleaseSql || sql == certifier::kDdlClockSql;
}

}  // namespace

ServerConnection::ServerConnection(Cluster& cluster,
                                   BackendId backend,
                                   const PreparedHook& on_prepared)
    : cluster_(cluster),
      backend_(backend),
      on_prepared_(on_prepared),
      id_(cluster.backends[backend.value].connect()) {}

// ---- the other end ----

void ServerConnection::send(Bytes commands) {
  CHECK(!closed_);
  while (const auto frame = protocol::peek_packet(commands)) {
    CHECK(frame->payload[0] == static_cast<std::uint8_t>(protocol::Command::kQuery));
    commands_.emplace_back(as_text(frame->payload.subspan(1)));
    commands = commands.subspan(frame->bytes);
  }
  CHECK(commands.empty());
}

void ServerConnection::close(bool lost) {
  closed_ = true;
  if (lost) {
    while (commands_.size() > (under_way_ ? 1U : 0U)) {
      commands_.pop_back();
    }
  }
  if (under_way_) {
    server().drop(id_);  // it runs to its end without us
  }
}

bool ServerConnection::clean() const {
  return commands_.empty() && replies_.empty() && branch_ == Branch::kNone && !read_only_ &&
         !doomed_ && !next_reads_;
}

// ---- the server ----

bool ServerConnection::step() {
  if (!open()) {
    return false;  // the server, and the branch with it, is gone; or somebody killed it
  }
  if (commands_.empty()) {
    if (closed_) {
      kill();
    }
    return false;
  }
  const std::string sql = commands_.front();
  if (std::exchange(killed_, false) && !under_way_) {
    interrupt(sql);
  } else if (!execute(sql)) {
    return true;
  }
  waits_ = 0;
  if (!commands_.empty()) {
    commands_.pop_front();
  }
  return true;
}

void ServerConnection::kill_query() {
  killed_ = !commands_.empty();
}

void ServerConnection::kill() {
  if (trx_) {
    server().abort(*trx_);
    trx_.reset();
  }
  server().kill(id_);
}

/// KILL QUERY has hit it. A DELETE that is still being planned is answered with success, though it
/// deletes nothing, as MariaDB 10.11 does.
void ServerConnection::interrupt(const std::string& sql) {
  const bool planned = branch_ == Branch::kActive && sql.starts_with("DELETE ");
  if (planned && cluster_.percent(90)) {
    answer_ok();
  } else {
    answer_error(1317, "interrupted");
  }
}

/// False: it waits.
bool ServerConnection::execute(const std::string& sql) {
  doomed_ = doomed_ || (std::exchange(next_reads_, false) && !sql.starts_with("XA START "));
  if (sql.starts_with("XA ")) {
    execute_xa(sql);
    return true;
  }
  if (is_ours(sql)) {
    return execute_elsewhere(sql);
  }
  if (sql.starts_with("SET last_insert_id=")) {
    const std::string value = sql.substr(sql.find('=') + 1);
    insert_id_ = value == "@@last_insert_id" ? insert_id_ : std::stoull(value);
    const std::string number = std::to_string(insert_id_);
    protocol::OkPacket ok;
    ok.changes.system_variables.emplace_back("last_insert_id", number);
    answer_ok(ok);
    return true;
  }
  if (sql.starts_with("SET SESSION session_track_schema=IF(")) {
    blind_ ? answer_error(1231, "Variable can't be set to the value of '2'") : answer_ok();
    return true;
  }
  if (sql.starts_with("SET SESSION session_track_system_variables=")) {
    blind_ = false;
    answer_ok();
    return true;
  }
  if (sql.starts_with("SHOW CREATE TABLE ")) {  // no temporary one here
    cluster_.percent(50) ? answer_error(1146, "no such table")
                         : answer_rows({{"d", "CREATE TABLE `d` (`id` int)"}});
    return true;
  }
  if (sql == "START TRANSACTION") {  // a guard behind XA START
    if (branch_ != Branch::kNone) {
      answer_error(1399, "XAER_RMFAIL: the branch is in the  ACTIVE state");
    } else {
      doomed_ = true;
      answer_ok();
    }
    return true;
  }
  if (sql == "SET TRANSACTION READ ONLY") {  // of a branch; a guard behind START TRANSACTION
    if (read_only_) {
      answer_error(1568, "a transaction is in progress");
    } else {
      next_reads_ = true;
      answer_ok();
    }
    return true;
  }
  if (sql.starts_with("START TRANSACTION")) {
    if (branch_ != Branch::kNone) {
      answer_error(1399, "XAER_RMFAIL: a branch is open");
      return true;
    }
    read_only_ = true;
    if (sql.find("SNAPSHOT") != sql.npos) {
      read_view_ = server().committed();
    }
    answer_ok();
    return true;
  }
  if (sql.starts_with("COMMIT") || sql.starts_with("ROLLBACK")) {
    read_only_ = false;
    read_view_.reset();
    answer_ok();
    return true;
  }
  if (sql.starts_with("SELECT seqno FROM consort.`position`")) {
    if (trx_) {  // not where the XA START in front of it was interrupted
      (void)server().read(*trx_);
    }
    answer_rows({{"0"}});
    return true;
  }
  const auto statement = parse_statement(sql);
  CHECK(statement.has_value());
  return execute_statement(*statement);
}

void ServerConnection::execute_xa(std::string_view sql) {
  const BranchId branch = parse_branch(sql, Cluster::kId);
  if (sql.starts_with("XA START ")) {
    if (branch_ != Branch::kNone || read_only_ || doomed_) {
      answer_error(1399, "XAER_RMFAIL: a transaction is open");
      return;
    }
    trx_ = server().begin_branch(branch);
    branch_ = Branch::kActive;
    answer_ok();
  } else if (sql.starts_with("XA ROLLBACK ")) {
    roll_back(branch);
  } else if (branch_ == Branch::kRollbackOnly) {
    answer_error(1399, "XAER_RMFAIL: the branch is in the  ROLLBACK ONLY state");
  } else if (sql.starts_with("XA END ")) {
    if (branch_ == Branch::kActive) {
      branch_ = Branch::kEnded;
      answer_ok();
    } else {
      answer_error(1399, "XAER_RMFAIL: no branch is active");
    }
  } else {
    prepare(branch);
  }
}

void ServerConnection::prepare(const BranchId& branch) {
  if (branch_ != Branch::kEnded) {
    answer_error(branch_ == Branch::kActive ? 1399 : 1397, "XAER: not ended");
    return;
  }
  const auto ops = server().prepare(*trx_);
  CHECK(ops.has_value());
  end_branch(Branch::kNone);
  protocol::OkPacket ok;
  if (!ops->empty()) {
    on_prepared_(backend_, branch, *ops);
  }
  if (!ops->empty() && !blind_) {
    ok.changes.system_variables.emplace_back("last_gtid", "0-1-7");
  }
  answer_ok(ok);
}

void ServerConnection::roll_back(const BranchId& branch) {
  switch (branch_) {
    case Branch::kActive:
      answer_error(1399, "XAER_RMFAIL: the branch is in the  ACTIVE state");
      return;
    case Branch::kEnded:
      server().abort(*trx_);
      [[fallthrough]];
    case Branch::kRollbackOnly:
      end_branch(Branch::kNone);
      answer_ok();
      return;
    case Branch::kNone:
      server().roll_back_branch(branch);
      answer_error(1402, "XA_RBROLLBACK");  // what a branch without rows is answered
      return;
  }
}

void ServerConnection::end_branch(Branch state) {
  branch_ = state;
  trx_.reset();
}

bool ServerConnection::execute_statement(const SimStatement& statement) {
  if (branch_ == Branch::kRollbackOnly) {
    answer_error(1399, "XAER_RMFAIL: the branch is in the  ROLLBACK ONLY state");
    return true;
  }
  if (branch_ == Branch::kEnded) {
    answer_error(1399, "XAER_RMFAIL: the branch is in the  IDLE state");
    return true;
  }
  if (statement.reads_table) {
    read(statement);
    return true;
  }
  if (!trx_ && !read_only_ && statement.op.kind == ClientOp::Kind::kLock) {
    answer_rows({});  // its lock lives no longer than it does
    return true;
  }
  if (!trx_ && doomed_) {
    answer_ok();  // it is rolled back with the connection
    return true;
  }
  if (!trx_) {
    if (!read_only_) {
      cluster_.broken = "a write without a branch";
    }
    answer_error(1792, "read-only transaction");
    return true;
  }
  blind_ = blind_ || cluster_.percent(1);  // a trigger has seen to it
  return execute_on_rows(statement);
}

bool ServerConnection::execute_on_rows(const SimStatement& statement) {
  const StepResult result = server().run(*trx_, statement.op);
  if (result.waiting()) {
    if (++waits_ <= kWaitStepsMax) {
      return false;
    }
    const bool deadlock = cluster_.percent(30);
    if (deadlock) {
      server().abort(*trx_);
      end_branch(Branch::kRollbackOnly);
    }
    answer_error(deadlock ? 1213 : 1205, "lock wait");
    return true;
  }
  if (!result.done()) {
    if (result.error == 1020) {
      end_branch(Branch::kRollbackOnly);
    }
    answer_error(result.error, result.message);
  } else if (statement.op.kind == ClientOp::Kind::kLock) {
    answer_rows({});
  } else {
    protocol::OkPacket ok;
    ok.affected_rows = static_cast<std::uint64_t>(result.affected_rows);
    ok.last_insert_id = insert_id_ = ++insert_ids_;
    answer_ok(ok);
  }
  return true;
}

void ServerConnection::read(const SimStatement& statement) {
  if (read_only_ && !read_view_) {
    read_view_ = server().committed();
  }
  const Data seen = trx_ ? server().read(*trx_) : read_only_ ? *read_view_ : server().committed();
  std::vector<std::vector<std::string>> rows;
  for (const auto& [row, value] : seen.rows) {
    if (row.table == statement.op.row.table) {
      rows.push_back({std::to_string(row.id), std::to_string(value)});
    }
  }
  answer_rows(rows);
}

/// DDL and its fence: the model executes them as it does the lane's.
bool ServerConnection::execute_elsewhere(const std::string& sql) {
  if (!std::exchange(under_way_, true)) {
    server().send(id_, sql);
    return false;
  }
  server().step(id_);
  const auto reply = server().take_reply(id_);
  if (!reply) {
    return false;
  }
  under_way_ = false;
  if (reply->error != 0) {
    answer_error(reply->error, reply->message);
  } else {
    answer_ok();
  }
  return true;
}

// ---- replies ----

void ServerConnection::answer_ok(protocol::OkPacket ok) {
  ok.status = protocol::status_flag::kAutocommit;
  if (trx_ || read_only_) {
    ok.status |= protocol::status_flag::kInTransaction;
  }
  protocol::append_ok(replies_, ok, kCapabilities, 1);
}

void ServerConnection::answer_error(std::uint16_t code, const std::string& message) {
  protocol::append_err(replies_, {code, code == 1213 ? "40001" : "HY000", message}, 1);
}

void ServerConnection::answer_rows(const std::vector<std::vector<std::string>>& rows) {
  const std::uint8_t columns[] = {2};
  std::uint8_t sequence = protocol::append_packet(replies_, columns, 1);
  for (int i = 0; i < 2; ++i) {
    sequence = protocol::append_packet(replies_, as_bytes("column definition"), sequence);
  }
  for (const auto& row : rows) {
    Buffer payload;
    for (const std::string& value : row) {
      append_text(payload, value);
    }
    sequence = protocol::append_packet(replies_, payload, sequence);
  }
  protocol::OkPacket end;
  end.status = protocol::status_flag::kAutocommit;
  if (trx_ || read_only_) {
    end.status |= protocol::status_flag::kInTransaction;
  }
  protocol::append_ok(replies_, end, kCapabilities, sequence, protocol::OkHeader::kEof);
}

}  // namespace consort::sim
