#include "certifier/lane_batch.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/branch_name.h"
#include "base/check.h"
#include "base/sql_identifier.h"
#include "certifier/ddl_fence.h"
#include "certifier/event_groups.h"
#include "certifier/lane_errors.h"
#include "certifier/mysql_lane_sql.h"
#include "certifier/program_sql.h"
#include "certifier/sequence_reserve.h"
#include "certifier/sql_words.h"

namespace consort::certifier {
namespace {

constexpr std::string_view kNothingSql = "DO 0";

/// The entries at the front of `entries` that share one move of the position: payloads, then
/// branches.
std::span<const BatchEntry> first_run(std::span<const BatchEntry> entries) {
  bool branches = false;
  std::size_t count = 0;
  for (; count < entries.size(); ++count) {
    const EntryRole role = entries[count].role;
    if (branches && role == EntryRole::kPayload) {
      break;
    }
    branches = branches || role == EntryRole::kBranch;
  }
  return entries.first(count);
}

/// Statements of which none may run behind one that failed.
using Steps = std::vector<std::string>;

/// Entries that share one move of the position.
struct Run {
  Steps steps;
  bool in_transaction = false;  ///< several groups: only a transaction around them makes them one
};

/// MariaDB gets them in one packet; what it says of the first error is all it says. MySQL has
/// compound statements in stored programs only: there each waits for the OK of the one before, and
/// behind an error the shell rolls back (LaneBatch::rolls_back).
void append_steps(LaneBatch& batch,
                  ServerKind kind,
                  Steps steps,
                  OnError on_error,
                  std::string_view handlers = {}) {
  if (kind == ServerKind::kMysql || (steps.size() == 1 && handlers.empty())) {
    batch.rolls_back = batch.rolls_back || on_error == OnError::kRollBack;
    std::move(steps.begin(), steps.end(), std::back_inserter(batch.statements));
    return;
  }
  std::string body;
  for (const std::string& step : steps) {
    body += step;
    body += "; ";
  }
  batch.statements.push_back(compound_sql(body, on_error, handlers));
}

Run run_steps(const BatchStart& start, Seqno position, std::span<const BatchEntry> run) {
  // The position goes first: who has been fenced must learn it before a row tells him 1062.
  const Buffer move =
      position_events({start.cluster_id, start.owner, position, run.back().entry->seqno});
  EventGroups groups(start.kind);
  groups.add(move);
  for (const BatchEntry& entry : run) {
    if (entry.role == EntryRole::kPayload) {
      groups.add(entry.entry->writeset()->payload);
    }
  }
  Run result{{}, groups.count() > 1};
  Steps& steps = result.steps;
  if (result.in_transaction) {
    steps.emplace_back("START TRANSACTION");
  }
  std::string& binlog = steps.emplace_back("BINLOG '");
  groups.append_base64_to(binlog);
  binlog += '\'';
  if (result.in_transaction) {
    steps.emplace_back("COMMIT");
  }
  const bool cascades = std::any_of(run.begin(), run.end(), [](const BatchEntry& entry) {
    return entry.role == EntryRole::kBranch &&
           maps_table_without_rows(entry.entry->writeset()->payload);
  });
  if (cascades && start.kind == ServerKind::kMariadb) {
    // What a branch's statements change themselves its server has thrown out of the query cache,
    // and caches nothing of while their locks are held. Of what its cascades change XA COMMIT on
    // another connection knows nothing. Their locks are held still: nothing comes back meanwhile.
    steps.emplace_back("RESET QUERY CACHE");
  }
  for (const BatchEntry& entry : run) {
    if (entry.role == EntryRole::kBranch) {
      steps.push_back("XA COMMIT " +
                      branch_xid_sql(start.cluster, entry.entry->writeset()->branch));
    }
  }
  return result;
}

/// Raises the sequences of `entries`, each as far as the farthest says; empty when there are none.
std::string raise_sql(std::span<const BatchEntry> entries) {
  std::map<std::tuple<std::string, std::string, RaiseTo>, SequenceReserve> farthest;
  for (const BatchEntry& entry : entries) {
    if (entry.role != EntryRole::kOldNumbers && entry.role != EntryRole::kNumbers) {
      continue;
    }
    const RaiseTo to =
        entry.role == EntryRole::kOldNumbers ? RaiseTo::kRangeEnd : RaiseTo::kRangeBegin;
    Result<std::vector<SequenceReserve>> reserves =
        decode_reserves(entry.entry->writeset()->payload);
    CHECK(reserves.ok());  // decode_entry() has looked
    for (SequenceReserve& reserve : *reserves) {
      SequenceReserve& kept = farthest[{reserve.schema, reserve.table, to}];
      if (kept.table.empty() || kept.next <= reserve.next) {
        kept = std::move(reserve);
      }
    }
  }
  std::string body;
  for (const auto& [key, reserve] : farthest) {
    body += raise_sequence_sql(reserve, std::get<RaiseTo>(key));
  }
  return body.empty() ? body : compound_sql(body, OnError::kStop);
}

/// Statements that build the base64 of `bytes` in the user variable `name`.
/// REQUIRES: piece_bytes is a multiple of 3.
void append_variable(std::vector<std::string>& statements,
                     std::string_view name,
                     Bytes bytes,
                     std::size_t piece_bytes) {
  for (std::size_t from = 0; from == 0 || from < bytes.size(); from += piece_bytes) {
    const Bytes piece = bytes.subspan(from, std::min(piece_bytes, bytes.size() - from));
    std::string sql = "SET ";
    sql += name;
    sql += '=';
    if (from > 0) {
      sql += "CONCAT(";
      sql += name;
      sql += ',';
    }
    sql += '\'';
    append_base64(sql, piece);
    sql += from > 0 ? "')" : "'";
    statements.push_back(std::move(sql));
  }
}

std::string binlog_step(ServerKind kind, Bytes events) {
  std::string sql = "BINLOG '";
  if (kind == ServerKind::kMysql) {
    EventGroups groups(kind);
    groups.add(events);
    groups.append_base64_to(sql);
  } else {
    append_base64(sql, to_mariadb_events(events));
  }
  return sql + "'";
}

std::string position_step(const BatchStart& start, Seqno to) {
  return binlog_step(start.kind,
                     position_events({start.cluster_id, start.owner, start.position, to}));
}

/// `before`: a statement in front of the rows, in the same transaction; may be empty.
LaneBatch large_batch_after(std::string_view before,
                            const BatchStart& start,
                            const LogEntry& entry,
                            std::size_t statement_bytes_max) {
  const Bytes payload = entry.writeset()->payload;
  const std::size_t piece = std::max<std::size_t>(statement_bytes_max / 4, 1) * 3;
  const std::size_t half = std::min((payload.size() / 2 + 2) / 3 * 3, payload.size());
  LaneBatch batch{{}, entry.seqno, entry.seqno, {}, 0};
  if (start.kind == ServerKind::kMysql) {  // its BINLOG takes no variables, but a group in pieces
    Steps steps = {"START TRANSACTION", position_step(start, entry.seqno)};
    if (!before.empty()) {
      steps.emplace_back(before);
    }
    for (const Buffer& part : split_groups(payload, piece)) {
      steps.push_back(binlog_step(start.kind, part));
    }
    steps.emplace_back("COMMIT");
    append_steps(batch, start.kind, std::move(steps), OnError::kRollBack);
    return batch;
  }
  const Buffer events = to_mariadb_events(payload);  // of the same size
  append_variable(batch.statements, "@consort_1", Bytes(events).first(half), piece);
  append_variable(batch.statements, "@consort_2", Bytes(events).subspan(half), piece);
  // CONCAT yields NULL where the text would be longer than the backend's max_allowed_packet.
  batch.statements.push_back(compound_sql(
      "IF @consort_1 IS NULL OR @consort_2 IS NULL THEN SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO=" +
      std::to_string(kPacketTooLargeErrno) +
      ",MESSAGE_TEXT='consort: max_allowed_packet is too small for this writeset'; END IF; "
      "START TRANSACTION; " +
      position_step(start, entry.seqno) + "; " + std::string(before) +
      (before.empty() ? "" : "; ") + "BINLOG @consort_1,@consort_2; COMMIT; "));
  batch.statements.emplace_back("SET @consort_1=NULL,@consort_2=NULL");
  return batch;
}

/// Ends it with kDdlDoneErrno where the DDL has had its effect.
void append_done_check(LaneBatch& batch, ServerKind kind, const Ddl& ddl) {
  if (const std::optional<std::string> fingerprint = ddl_fingerprint_sql(ddl, kind)) {
    batch.statements.push_back(kind == ServerKind::kMysql
                                   ? mysql::ddl_done_check_sql(*fingerprint)
                                   : compound_sql(ddl_done_check_sql(*fingerprint)));
  }
}

/// DROP .. IF EXISTS, say: it has no effect where `schema` does not exist. What creates or changes
/// tables has not succeeded without one: a server where it is missing differs.
bool only_drops_tables_of(const Ddl& ddl, std::string_view schema) {
  return first_word(ddl.sql) == "DROP" && !ddl.targets.empty() &&
         std::all_of(ddl.targets.begin(), ddl.targets.end(), [&](const DdlObject& target) {
           return target.schema == schema && !target.table.empty();
         });
}

}  // namespace

LaneBatch writeset_batch(const BatchStart& start, std::span<const BatchEntry> entries) {
  CHECK(!entries.empty());
  Steps steps;
  Seqno position = start.position;
  bool in_transaction = false;
  for (auto rest = entries; !rest.empty();) {
    const std::span<const BatchEntry> first = first_run(rest);
    Run run = run_steps(start, position, first);
    std::move(run.steps.begin(), run.steps.end(), std::back_inserter(steps));
    in_transaction = in_transaction || run.in_transaction;
    position = first.back().entry->seqno;
    rest = rest.subspan(first.size());
  }
  LaneBatch batch{{}, start.position.next(), position, {}, 0};
  batch.branches = static_cast<std::size_t>(
      std::count_if(entries.begin(), entries.end(),
                    [](const BatchEntry& entry) { return entry.role == EntryRole::kBranch; }));
  const bool has_branches = batch.branches > 0;
  if (std::string raise = raise_sql(entries);
      !raise.empty() && start.kind == ServerKind::kMariadb) {  // MySQL has no sequences
    batch.statements.push_back(std::move(raise));
  }
  append_steps(batch, start.kind, std::move(steps),
               in_transaction ? OnError::kRollBack : OnError::kStop,
               has_branches ? vanished_branch_handler_sql(start.owner) : std::string());
  return batch;
}

std::size_t binlog_text_bytes(Bytes payload) {
  return (payload.size() + 2) / 3 * 4;
}

LaneBatch large_batch(const BatchStart& start,
                      const LogEntry& entry,
                      std::size_t statement_bytes_max) {
  return large_batch_after({}, start, entry, statement_bytes_max);
}

LaneBatch whole_table_batch(const BatchStart& start,
                            const LogEntry& entry,
                            std::size_t statement_bytes_max) {
  const Buffer& payload = entry.writeset()->payload;
  const std::optional<TableRef> table = mapped_table(payload);
  CHECK(table.has_value());  // decode_entry() has looked
  // What refers to a row refers to it still.
  const std::string name = sql_identifier(table->schema) + "." + sql_identifier(table->table);
  const std::string clear = start.kind == ServerKind::kMysql
                                ? "DELETE /*+ SET_VAR(foreign_key_checks=OFF) */ FROM " + name
                                : "SET STATEMENT foreign_key_checks=0 FOR DELETE FROM " + name;
  if (binlog_text_bytes(payload) > statement_bytes_max) {
    return large_batch_after(clear, start, entry, statement_bytes_max);
  }
  LaneBatch batch{{}, entry.seqno, entry.seqno, {}, 0};
  append_steps(batch, start.kind,
               {"START TRANSACTION", position_step(start, entry.seqno), clear,
                binlog_step(start.kind, payload), "COMMIT"},
               OnError::kRollBack);
  return batch;
}

LaneBatch mark_batch(const BatchStart& start, const LogEntry& entry) {
  const std::optional<std::string> fingerprint = ddl_fingerprint_sql(*entry.ddl(), start.kind);
  LaneBatch batch{{}, entry.seqno, start.position, {}, 0};
  if (start.kind == ServerKind::kMysql) {
    batch.statements = mysql::mark_ddl_sql(start.owner, entry.seqno, fingerprint);
    return batch;
  }
  const std::string mark = mark_ddl_sql(start.owner, entry.seqno, fingerprint);
  if (entry.is_program()) {
    batch.statements.emplace_back(kBinlogIsExactSql);
  }
  batch.statements.push_back(compound_sql(mark));
  return batch;
}

LaneBatch settle_program_batch(const BatchStart& start, const LogEntry& entry, bool in_doubt) {
  LaneBatch batch{{}, entry.seqno, start.position, {}, 0};
  if (in_doubt) {
    batch.statements.push_back(end_program_sql(*entry.ddl()->program_thread));
  }
  batch.statements.push_back(mark_program_end_sql(entry.seqno));
  batch.statements.emplace_back(kBinlogAsBeforeSql);
  return batch;
}

LaneBatch look_batch(const BatchStart& start, const LogEntry& entry) {
  LaneBatch batch{{ddl_fence_sql(start.kind)}, entry.seqno, start.position, {}, 0};
  append_done_check(batch, start.kind, *entry.ddl());
  // The turn goes on for whoever executes it now: his fence looks for the lock that tells of it.
  batch.statements.emplace_back(start.kind == ServerKind::kMysql ? mysql::kSessionReleaseSql
                                                                 : kDdlReleaseSql);
  return batch;
}

LaneBatch ddl_batch(const BatchStart& start,
                    const LogEntry& entry,
                    bool mark,
                    std::string_view instead,
                    bool schema_absent) {
  const Ddl& ddl = *entry.ddl();
  LaneBatch batch{{ddl_fence_sql(start.kind)}, entry.seqno, start.position, {}, 0};
  if (mark) {
    Steps marking = mark_batch(start, entry).statements;
    std::move(marking.begin(), marking.end(), std::back_inserter(batch.statements));
  } else {
    append_done_check(batch, start.kind, ddl);
  }
  if (!ddl.schema.empty()) {
    // A connection that stays in a schema keeps the default collation that this had when it was
    // entered. Every server shall create tables with the one that it has now.
    batch.statements.emplace_back("USE information_schema");
    if (!schema_absent) {
      batch.statements.push_back("USE " + sql_identifier(ddl.schema));
    }
  }
  if (!ddl.session_set.empty()) {
    batch.statements.push_back(ddl.session_set);
  }
  if (start.kind == ServerKind::kMysql) {
    if (std::optional<Steps> globals = mysql::set_globals_steps(instead)) {
      std::move(globals->begin(), globals->end(), std::back_inserter(batch.statements));
      instead = kNothingSql;
    }
  }
  batch.ddl_statement = batch.statements.size();
  if (schema_absent && only_drops_tables_of(ddl, ddl.schema)) {
    instead = kNothingSql;
  }
  batch.statements.emplace_back(instead.empty() ? ddl.sql : instead);
  batch.statements.emplace_back(ddl_release_sql(start.kind));
  return batch;
}

}  // namespace consort::certifier
