#include "tests/sim/sim_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "protocol/decode.h"
#include "protocol/packet_reader.h"
#include "protocol/sql_error.h"

namespace consort::sim {
namespace {

constexpr std::uint32_t kRowIds = 8;
constexpr int kHeadPackets = 3;  // the number of columns, and the columns

bool changes_a_row(const SimStatement& statement) {
  return !statement.reads_table && (statement.op.kind == ClientOp::Kind::kAdd ||
                                    statement.op.kind == ClientOp::Kind::kDelete);
}

std::int64_t take_number(Bytes& payload) {
  const std::string_view text = as_text(payload.subspan(1, payload[0]));
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  payload = payload.subspan(1U + payload[0]);
  return value;
}

/// Its session was bound to a server, which is gone.
bool is_farewell(Bytes payload) {
  return payload[0] == protocol::kErrByte &&
         protocol::sql_error_of(payload).code == protocol::server_shutdown_error().code;
}

}  // namespace

// ---- what it sends ----

std::optional<std::string> SimClient::next(bool closing, Seqno at_least) {
  CHECK(!waiting() && !dismissed_);
  if (!in_transaction_ && closing) {
    return std::nullopt;
  }
  if (in_transaction_) {
    sql_ = next_in_transaction(closing);
  } else {
    record_ = &ledger_.open(number_);
    record_->at_least = at_least;
    if (last_inserted_ && cluster_.percent(60)) {
      sql_ = delete_again();
    } else if (cluster_.percent(cluster_.profile.ddl_percent)) {
      doing_ = Doing::kDdl;
      sql_ = random_ddl(cluster_);
    } else if (cluster_.percent(40)) {
      doing_ = Doing::kBegin;
      sql_ = begin();
    } else {
      sql_ = statement(cluster_.percent(40));
    }
  }
  sequence_ = 1;
  packets_ = 0;
  complete_ = false;
  answer_ = {};
  programs_at_ = cluster_.program_ends;
  return sql_;
}

/// The row that it has just inserted, if that came to be: then it must find it.
std::string SimClient::delete_again() {
  doing_ = Doing::kStatement;
  statement_ = {};
  statement_.op = {ClientOp::Kind::kDelete, *std::exchange(last_inserted_, std::nullopt), 0};
  return to_sql(statement_);
}

std::string SimClient::begin() {
  statements_left_ = 1 + static_cast<int>(cluster_.below(4));
  read_only_ = cluster_.percent(20);
  if (read_only_) {
    return cluster_.percent(50) ? "START TRANSACTION READ ONLY"
                                : "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
  }
  return cluster_.percent(70) ? "BEGIN" : "START TRANSACTION WITH CONSISTENT SNAPSHOT";
}

std::string SimClient::next_in_transaction(bool closing) {
  if (gives_up_ || (statements_left_ == 0 && cluster_.percent(10))) {
    doing_ = Doing::kRollback;
    return "ROLLBACK";
  }
  if (statements_left_ == 0 || closing) {
    doing_ = Doing::kCommit;
    return "COMMIT";
  }
  --statements_left_;
  return statement(read_only_ || cluster_.percent(35));
}

std::string SimClient::statement(bool reads) {
  doing_ = Doing::kStatement;
  statement_ = {};
  statement_.reads_table = reads;
  if (reads) {
    statement_.op.row.table = static_cast<std::uint8_t>(cluster_.below(kTables));
  } else {
    statement_.op = random_op(cluster_);
  }
  return to_sql(statement_);
}

ClientOp random_op(Cluster& cluster) {
  const auto id = static_cast<std::uint32_t>(cluster.below(kRowIds));
  const auto table = static_cast<std::uint8_t>(cluster.below(kTables));
  if (table <= kMoreCounters && cluster.percent(cluster.profile.lock_only_percent)) {
    return {ClientOp::Kind::kLock, {table, id}, 0};
  }
  const bool deletes = cluster.percent(20);
  const bool inserts = cluster.percent(table <= kMoreCounters ? 15 : 70);
  if (table == kChildren) {
    const auto parent = static_cast<std::int64_t>(cluster.below(kRowIds));
    return {deletes ? ClientOp::Kind::kDelete : ClientOp::Kind::kInsert, {table, id}, parent};
  }
  if (deletes || (table == kParents && !inserts)) {
    return {ClientOp::Kind::kDelete, {table, id}, 0};
  }
  const ClientOp::Kind kind = inserts ? ClientOp::Kind::kInsert : ClientOp::Kind::kAdd;
  return {kind, {table, id}, 1 + static_cast<std::int64_t>(cluster.below(9))};
}

std::string random_ddl(Cluster& cluster) {
  const std::string name = "d" + std::to_string(cluster.below(3));
  switch (cluster.below(3)) {
    case 0:
      return "CREATE TABLE " + name;
    case 1:
      return "DROP TABLE " + name;
    default:
      return "TRUNCATE t" + std::to_string(cluster.below(2));
  }
}

// ---- what it hears ----

void SimClient::receive(Bytes bytes, Seqno newest) {
  append(unread_, bytes);
  Bytes rest(unread_);
  while (const auto frame = protocol::peek_packet(rest)) {
    if (is_farewell(frame->payload) && frame->sequence == (waiting() ? sequence_ : 0)) {
      doing_ = Doing::kNothing;  // what became of its work it is not told
      dismissed_ = true;
      return;
    }
    if (!waiting() || complete_) {
      fail("a packet that nobody asked for");
      return;
    }
    if (frame->sequence != sequence_++) {
      fail("packet " + std::to_string(frame->sequence) + " as packet " +
           std::to_string(sequence_ - 1));
      return;
    }
    take_packet(frame->payload);
    rest = rest.subspan(frame->bytes);
  }
  unread_.erase(unread_.begin(), unread_.end() - static_cast<std::ptrdiff_t>(rest.size()));
  if (complete_) {
    finish(newest);
  }
}

void SimClient::take_packet(Bytes payload) {
  const bool first = packets_++ == 0;
  if (payload[0] == protocol::kErrByte) {
    answer_.error = protocol::sql_error_of(payload).code;
    complete_ = true;
  } else if ((first && payload[0] == protocol::kOkByte) ||
             (packets_ > kHeadPackets && payload[0] == protocol::kEofByte)) {
    const auto ok = protocol::decode_ok(payload, kCapabilities);
    if (!ok.ok()) {
      fail("an OK that cannot be read");
      return;
    }
    answer_.affected_rows = ok->affected_rows;
    answer_.status = ok->status;
    complete_ = true;
  } else if (packets_ > kHeadPackets) {
    const std::int64_t id = take_number(payload);
    answer_.rows[static_cast<std::uint32_t>(id)] = take_number(payload);
  }
}

void SimClient::finish(Seqno newest) {
  cluster_.trace("client " + std::to_string(number_) + ": " + sql_ + ": " +
                 (answer_.error == 0 ? "OK, " + std::to_string(answer_.affected_rows) + " rows"
                                     : "error " + std::to_string(answer_.error)));
  const bool quiet = cluster_.program_ends == programs_at_ && programs_at_ % 2 == 0;
  record_->beside_program = record_->beside_program || !quiet;
  const Doing done = std::exchange(doing_, Doing::kNothing);
  const bool ok = answer_.error == 0;
  switch (done) {
    case Doing::kNothing:
      return;
    case Doing::kStatement:
      finish_statement(newest);
      break;
    case Doing::kBegin:
      in_transaction_ = ok;
      if (!ok) {
        end(WorkRecord::Told::kUndone);
      }
      break;
    case Doing::kCommit:
    case Doing::kDdl:
      end(ok ? WorkRecord::Told::kDone : WorkRecord::Told::kUndone);
      break;
    case Doing::kRollback:
      end(WorkRecord::Told::kUndone);
      break;
  }
  const bool said_open = (answer_.status & protocol::status_flag::kInTransaction) != 0;
  if (ok && said_open != in_transaction_) {
    fail("the status flags are wrong about the transaction");
  }
}

void SimClient::finish_statement(Seqno newest) {
  if (answer_.error == 0) {
    if (statement_.reads_table) {
      note_seen(newest);
    } else if (answer_.affected_rows > 0) {
      note_effect();
    } else if (changes_a_row(statement_)) {
      if (!in_transaction_) {
        note_missing(newest);
      } else if (has_own(statement_.op.row)) {
        fail("no row, though it has written it,");
      }
    }
    if (!in_transaction_) {
      end(WorkRecord::Told::kDone);
    }
  } else if (!in_transaction_ || answer_.error == 1213) {
    end(WorkRecord::Told::kUndone);
  } else {
    gives_up_ = cluster_.percent(20);  // the statement failed, the transaction goes on
  }
}

/// The transaction has put or left this row there.
bool SimClient::has_own(RowId row) const {
  const auto known = record_->effects.find(row);
  return known != record_->effects.end() && known->second.kind != RowEffect::Kind::kGone;
}

void SimClient::note_effect() {
  const ClientOp& op = statement_.op;
  const auto known = record_->effects.find(op.row);
  RowEffect effect;
  effect.was_there = known != record_->effects.end() ? known->second.was_there
                                                     : op.kind != ClientOp::Kind::kInsert;
  if (op.kind == ClientOp::Kind::kDelete) {
    effect.kind = RowEffect::Kind::kGone;
  } else if (op.kind == ClientOp::Kind::kInsert) {
    effect.kind = RowEffect::Kind::kSet;
    effect.value = op.value;
    last_inserted_ = op.row;
  } else if (known != record_->effects.end()) {
    effect.kind = known->second.kind;
    effect.value = known->second.value + op.value;
  } else {
    effect.value = op.value;
  }
  record_->effects[op.row] = effect;
}

void SimClient::note_seen(Seqno newest) {
  record_->at_most = newest;
  for (std::uint32_t id = 0; id < kRowIds; ++id) {
    SeenRow seen;
    seen.row = {statement_.op.row.table, id};
    if (const auto row = answer_.rows.find(id); row != answer_.rows.end()) {
      seen.value = row->second;
    }
    if (const auto own = record_->effects.find(seen.row); own != record_->effects.end()) {
      seen.own = own->second;
    }
    record_->seen.push_back(seen);
  }
}

/// A change of one row that changed none: it was not there.
void SimClient::note_missing(Seqno newest) {
  record_->at_most = newest;
  record_->row_missing = true;
  record_->seen.push_back({statement_.op.row, std::nullopt, std::nullopt});
}

void SimClient::end(WorkRecord::Told told) {
  record_->told = told;
  in_transaction_ = false;
  gives_up_ = false;
  read_only_ = false;
}

void SimClient::fail(const std::string& reason) {
  complete_ = false;
  fail_("client " + std::to_string(number_) + " got " + reason + " for " + sql_);
}

}  // namespace consort::sim
