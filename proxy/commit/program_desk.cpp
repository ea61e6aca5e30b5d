#include "proxy/commit/program_desk.h"

#include <algorithm>
#include <charconv>
#include <spdlog/spdlog.h>
#include <utility>

#include "base/branch_name.h"
#include "base/check.h"
#include "proxy/commit/sequence_numbers.h"
#include "proxy/group_keys.h"
#include "router/program_ddl.h"

namespace consort::proxy {
namespace {

using protocol::BinlogGroup;
using protocol::BinlogGroupKind;

// A definition that does not come in so many looks (two seconds) is done without.
constexpr unsigned kLooksForDefinitions = 40;
constexpr std::string_view kOwnSchema = "consort";
constexpr RowKey kEverythingHeld{certifier::kEverythingKey, KeyHold::kExclusive};

bool is_everything(const std::vector<RowKey>& keys) {
  return keys.size() == 1 && keys[0].hash == certifier::kEverythingKey;
}

Gtid gtid_of(const BinlogGroup& group) {
  return {group.gtid.domain, group.gtid.server, group.gtid.sequence};
}

bool only_ours(const BinlogGroup& group) {
  return std::all_of(group.tables.begin(), group.tables.end(),
                     [](const auto& table) { return table.schema == kOwnSchema; });
}

bool is_our_branch(const BinlogGroup& group) {
  return group.xid && group.xid->format_id == kXaFormatId &&
         parse_branch_gtrid(group.xid->gtrid).has_value();
}

/// The number that the statement `settings` gives to `name`, as text; empty: none.
std::string_view setting_of(std::string_view settings, std::string_view name) {
  constexpr std::string_view kDigits = "0123456789";
  const std::size_t at = settings.find(name);
  if (at == std::string_view::npos) {
    return {};
  }
  const std::string_view value = settings.substr(at + name.size());
  return value.substr(0, std::min(value.find_first_not_of(kDigits), value.size()));
}

/// How the server has cut the statement.
router::LexerOptions lexer_of(const BinlogGroup& group) {
  router::LexerOptions options;
  options =
      router::with_sql_mode(options, setting_of(group.settings, " sql_mode=")).value_or(options);
  const std::string_view collation = setting_of(group.settings, " character_set_client=");
  std::uint16_t id = 0;
  std::from_chars(collation.data(), collation.data() + collation.size(), id);
  return id == 0 ? options : router::with_collation(options, id);
}

}  // namespace

std::optional<Seqno> ProgramDesk::under_way_at(BackendId home) const {
  return program_ && program_->course.home() == home ? std::optional(program_->seqno)
                                                     : std::nullopt;
}

Seqno ProgramDesk::reachable(Seqno head) const {
  return program_ ? std::min(head, Seqno{program_->seqno.value - 1}) : head;
}

// ---- from sessions ----

void ProgramDesk::on_request(DdlRequest request) {
  CHECK(request.program_thread.has_value());
  const TimePoint deadline = clock_.now() + std::chrono::seconds(request.lock_wait_s);
  waiting_.push_back({std::move(request), deadline});
}

/// One at a time, and while nobody holds tables by LOCK TABLES: what it will write is not known.
void ProgramDesk::process() {
  if (program_) {
    go_on();
    return;
  }
  for (std::size_t left = waiting_.size(); left > 0 && !program_; --left) {
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    if (parts_.locks.empty() && !parts_.branches.has_foreign_of(first.request.home)) {
      begin(first.request);
    } else if (clock_.now() < first.deadline) {
      waiting_.push_back(std::move(first));
    } else {
      parts_.stats.table_lock_timeouts.add();
      parts_.tell(first.request.session, DdlOutcome{first.request.session, Seqno{}, true});
    }
  }
}

void ProgramDesk::begin(const DdlRequest& request) {
  if (!parts_.log.accepts(request.sql.size())) {
    parts_.stats.log_refusals.add();
    parts_.tell(request.session, DdlOutcome{request.session, Seqno{}});
    return;
  }
  if (!parts_.lane(request.home).running()) {
    parts_.tell(request.session, DdlOutcome{request.session, Seqno{}, false, true});
    return;  // nobody shall wait for it
  }
  certifier::Ddl ddl;
  ddl.home = request.home;
  ddl.sql = request.sql;
  ddl.schema = request.schema;
  ddl.definer = request.user;
  ddl.program_thread = request.program_thread;
  certifier::LogEntry entry;
  entry.seqno = parts_.sequencer.order({}, std::nullopt);
  entry.body = std::move(ddl);
  program_.emplace(Program{entry.seqno, ProgramCourse({request.home, true, false}),
                           *request.program_thread, request.session, GtidState{}});
  parts_.stats.program_running.set(1);
  parts_.log.append(std::move(entry));
}

bool ProgramDesk::on_executed(const DdlExecuted& executed) {
  if (!program_ || executed.seqno != program_->seqno) {
    return false;
  }
  if (executed.end == DdlEnd::kNotExecuted && !program_->course.offered()) {
    program_->course.on_session_gone();
  } else {
    program_->course.on_ended(executed.end == DdlEnd::kLost);
  }
  go_on();
  return true;
}

// ---- from lanes ----

bool ProgramDesk::on_reached(BackendId backend, const certifier::DdlReached& reached) {
  if (!program_ || reached.seqno != program_->seqno) {
    return false;
  }
  program_->course.on_reached(backend, reached.may_have_run);
  go_on();
  return true;
}

bool ProgramDesk::on_offer(BackendId backend, Seqno seqno) {
  if (!program_ || seqno != program_->seqno) {
    return false;
  }
  if (program_->session) {
    program_->course.on_offered();
    parts_.tell(*program_->session, DdlTurn{*program_->session, seqno, backend});
  }
  return true;
}

void ProgramDesk::on_marked(BackendId backend, Seqno seqno, const Gtid& marker) {
  const bool its = program_ && seqno == program_->seqno && backend == program_->course.home();
  const bool again = its && program_->course.on_marked(marker);
  parts_.lane(backend).lane().on_program_marked(seqno, again);
  if (its) {
    go_on();
  }
}

void ProgramDesk::on_lane_lost(BackendId backend) {
  if (program_) {
    program_->course.on_lane_lost(backend);
  }
}

// ---- from binlogs ----

bool ProgramDesk::on_group(BackendId home, BinlogGroup& group) {
  if (!under_way_at(home) || program_->decided) {
    return false;
  }
  if (is_our_branch(group)) {
    // Of others; its rows wait for certification. It may be what the marker is compared with.
    BinlogGroup passed;
    passed.kind = group.kind;
    passed.gtid = group.gtid;
    passed.xid = group.xid;
    program_->groups.push_back(std::move(passed));
    go_on();
    return false;
  }
  program_->groups.push_back(std::move(group));
  go_on();
  return true;
}

void ProgramDesk::on_stream_gap(BackendId home) {
  if (under_way_at(home)) {
    program_->course.on_gap();
    go_on();
  }
}

// ---- how it goes on ----

void ProgramDesk::go_on() {
  Program& program = *program_;
  if (program.decided) {
    return;
  }
  while (!program.groups.empty()) {
    BinlogGroup& group = program.groups.front();
    const Step step = take(group);
    if (step == Step::kHeld) {
      break;
    }
    if (step == Step::kGap && !program.course.cleared()) {
      program.course.on_streamed(gtid_of(group));  // somebody else's, from before
      program.groups.pop_front();
      continue;
    }
    if (step == Step::kGap) {
      spdlog::error("program at seqno {}: it has committed what cannot be replicated (gtid {}): {}",
                    program.seqno.value, protocol::to_string(group.gtid),
                    group.unfit ? group.unfit->message
                    : group.kind == BinlogGroupKind::kStandalone
                        ? group.statement
                        : "a transaction of its own by XA");
      program.course.on_gap();
      program.groups.clear();
      break;
    }
    program.looks = 0;
    program.course.on_streamed(gtid_of(group));
    program.groups.pop_front();
  }
  LaneConnection& lane = parts_.lane(program.course.home());
  const certifier::LaneState state = lane.lane().state();
  const bool ready = lane.running() && (state == certifier::LaneState::kDdlReached ||
                                        state == certifier::LaneState::kDdlOffered);
  if (const auto who = program.course.next(ready)) {
    lane.lane().execute_ddl(program.seqno, *who);
    lane.pump();
  }
  if (const auto outcome = program.course.take_outcome()) {
    program.decided = true;
    program.lost = *outcome == certifier::DdlOutcome::kVoid;
    if (program.lost) {
      spdlog::error(
          "program at seqno {}: nobody knows what it has committed: closed without its home",
          program.seqno.value);
    }
    certifier::LogEntry entry;
    entry.body = certifier::DdlResult{program.seqno, *outcome, {}};
    parts_.log.append(std::move(entry));
  }
}

ProgramDesk::Step ProgramDesk::take(BinlogGroup& group) {
  if (is_our_branch(group) || program_->logged.contains(gtid_of(group))) {
    return Step::kDone;
  }
  switch (group.kind) {
    case BinlogGroupKind::kXaPrepared:
    case BinlogGroupKind::kXaCommitted:
    case BinlogGroupKind::kXaRolledBack:
      return Step::kGap;
    case BinlogGroupKind::kStandalone:
      if (!program_->course.cleared() || group.thread != program_->thread) {
        return Step::kDone;  // of other sessions: ordered long ago, or about temporary tables
      }
      return take_statement(group);
    case BinlogGroupKind::kTransaction:
      break;
  }
  const bool only_rows = group.has_rows && group.statement.empty() && !group.unfit;
  if (only_rows && !only_ours(group)) {
    if (const std::optional<Step> step = take_numbers(group)) {
      return *step;
    }
  }
  if (group.rolled_back) {
    return nothing_stayed(group);
  }
  if (group.unfit) {
    return Step::kGap;
  }
  if (!group.statement.empty() && program_->half != gtid_of(group)) {
    if (take_statement(group) == Step::kGap) {  // of a CREATE TABLE .. SELECT
      return Step::kGap;
    }
  }
  return group.has_rows && !only_ours(group) ? take_rows(group) : Step::kDone;
}

ProgramDesk::Step ProgramDesk::take_statement(const BinlogGroup& group) {
  if (group.unfit || !note_ddl(group)) {
    return Step::kGap;
  }
  append_ddl(group);
  return Step::kDone;
}

/// False: servers would not come out of it alike. A body that says so is not run as a program; a
/// text that it has put together may.
bool ProgramDesk::note_ddl(const BinlogGroup& group) {
  const router::ProgramDdl ddl = router::program_ddl(group.statement, lexer_of(group));
  if (ddl.differs) {
    return false;
  }
  program_->accounts = program_->accounts || ddl.accounts;
  parts_.positions.note_made(ddl.makes_function, ddl.makes_trigger);
  KnownSequences& sequences = parts_.positions.sequences;
  if (!sequences.any()) {
    return true;
  }
  const auto schema_of = [&group](const router::ObjectName& table) -> const std::string& {
    return table.schema.empty() ? group.schema : table.schema;
  };
  const auto is_known = [&](const router::ObjectName& table) {
    return sequences.has(schema_of(table), table.name);
  };
  if (std::any_of(ddl.copied.begin(), ddl.copied.end(), is_known)) {
    return false;  // a sequence that gives other servers' numbers
  }
  const bool names_one = std::any_of(ddl.tables.begin(), ddl.tables.end(), is_known);
  if (names_one && ddl.renames) {
    for (const router::ObjectName& table : ddl.tables) {
      sequences.add(schema_of(table), table.name);
    }
  }
  program_->names_moved = program_->names_moved || ddl.whole_schema || (names_one && ddl.drops);
  return true;
}

/// Numbers of sequences that its home has reserved, for whomever: they are told as such, and are no
/// part of the program (decision 0034). nullopt: the group is about other tables.
std::optional<ProgramDesk::Step> ProgramDesk::take_numbers(const BinlogGroup& group) {
  Program& program = *program_;
  program.coarse = program.coarse || program.looks > kLooksForDefinitions;
  if (!program.coarse && !has_definitions(group)) {
    return Step::kHeld;
  }
  const bool all = std::all_of(group.tables.begin(), group.tables.end(), [this](const auto& table) {
    return is_sequence(table).value_or(true);
  });
  const bool none =
      std::none_of(group.tables.begin(), group.tables.end(),
                   [this](const auto& table) { return is_sequence(table).value_or(true); });
  const bool sure =
      std::all_of(group.tables.begin(), group.tables.end(),
                  [this](const auto& table) { return is_sequence(table).has_value(); });
  if (none || (!sure && !parts_.branches.has_numbers(group))) {
    return std::nullopt;
  }
  const bool told = all && sure && parts_.branches.log_numbers(program.course.home(), group);
  return told ? Step::kDone : Step::kGap;
}

/// nullopt: nobody can tell. Behind DDL of the program its tables' definitions are not to be had;
/// then what is known to be a sequence counts, unless names may have changed hands.
std::optional<bool> ProgramDesk::is_sequence(const protocol::BinlogTable& table) {
  const certifier::TableDefinitionPtr known =
      parts_.catalog.find(TableName{table.schema, table.table});
  if (known != nullptr) {
    return known->is_sequence;
  }
  KnownSequences& sequences = parts_.positions.sequences;
  return program_->names_moved
             ? std::nullopt
             : std::optional(sequences.any() && sequences.has(table.schema, table.table));
}

ProgramDesk::Step ProgramDesk::nothing_stayed(const BinlogGroup& group) {
  if (!program_->coarse && !has_definitions(group)) {
    return Step::kHeld;
  }
  const bool nothing =
      std::all_of(group.tables.begin(), group.tables.end(), [this](const auto& table) {
        const certifier::TableDefinitionPtr known =
            parts_.catalog.find(TableName{table.schema, table.table});
        return known != nullptr && known->is_transactional && !known->is_sequence;
      });
  return nothing ? Step::kDone : Step::kGap;
}

bool ProgramDesk::has_definitions(const BinlogGroup& group) {
  const std::vector<certifier::TableRef> missing = group_missing_tables(group, parts_.keys);
  for (const certifier::TableRef& table : missing) {
    parts_.tables.load(program_->course.home(), table);
  }
  return missing.empty();
}

ProgramDesk::Step ProgramDesk::take_rows(BinlogGroup& group) {
  Program& program = *program_;
  if (!program.coarse && !has_definitions(group)) {
    return Step::kHeld;
  }
  std::vector<RowKey> keys;
  bool exact = false;
  if (!program.coarse) {
    Result<std::vector<RowKey>> made = group_keys(group, parts_.keys);
    exact = made.ok();
    keys = exact ? std::move(made).value() : std::vector<RowKey>();
    for (const protocol::BinlogTable& table : group.tables) {
      if (!exact) {
        parts_.catalog.invalidate(table.schema, table.table);
      }
    }
  }
  if (!exact) {
    keys.assign(1, kEverythingHeld);
  }
  certifier::Writeset writeset;
  writeset.home = program.course.home();
  writeset.last_seen = program.seqno;
  writeset.flags = certifier::kWritesetAtHome;
  writeset.part = {program.seqno, gtid_of(group), true};
  writeset.payload = std::move(group.events);
  certifier::LogEntry entry;
  entry.seqno = parts_.sequencer.order(keys, program.course.home());
  if (!exact) {
    parts_.branches.on_everything(entry.seqno);
  }
  writeset.keys = std::move(keys);
  entry.body = std::move(writeset);
  parts_.log.append(std::move(entry));
  program.logged.add(gtid_of(group));
  parts_.stats.program_groups.add();
  return Step::kDone;
}

void ProgramDesk::append_ddl(const BinlogGroup& group) {
  Program& program = *program_;
  certifier::Ddl ddl;
  ddl.home = program.course.home();
  ddl.sql = group.statement;
  ddl.schema = group.schema;
  ddl.session_set = group.settings;
  ddl.part = {program.seqno, gtid_of(group), !group.has_rows, group.error};
  ddl.keys.assign(1, kEverythingHeld);
  certifier::LogEntry entry;
  entry.seqno = parts_.sequencer.order(ddl.keys, std::nullopt);
  parts_.branches.on_ddl(ddl, entry.seqno);  // about everything
  entry.body = std::move(ddl);
  parts_.log.append(std::move(entry));
  program.coarse = true;  // definitions are read as of what a backend has applied
  if (group.has_rows) {
    program.half = gtid_of(group);
  } else {
    program.logged.add(gtid_of(group));
    parts_.stats.program_groups.add();
  }
}

// ---- from the log ----

void ProgramDesk::on_restored(const certifier::LogEntry& entry) {
  if (entry.is_program()) {
    const certifier::Ddl& ddl = *entry.ddl();
    program_.emplace(Program{entry.seqno, ProgramCourse({ddl.home, false, true}),
                             *ddl.program_thread, std::nullopt, GtidState{}});
    program_->names_moved = true;  // which tables are sequences is not known yet
    parts_.stats.program_running.set(1);
    return;
  }
  if (const certifier::ProgramPart* part = entry.part()) {
    if (program_ && part->program == program_->seqno) {
      if (part->whole) {
        program_->logged.add(part->gtid);
      } else {
        program_->half = part->gtid;
      }
      program_->coarse = program_->coarse || entry.ddl() != nullptr;
      program_->accounts = program_->coarse;  // perhaps
    }
    const certifier::Writeset* writeset = entry.writeset();
    if (writeset != nullptr && is_everything(writeset->keys)) {
      parts_.branches.on_everything(entry.seqno);
    } else if (entry.ddl() != nullptr) {
      parts_.branches.on_ddl(*entry.ddl(), entry.seqno);
    }
    return;
  }
  const auto* result = std::get_if<certifier::DdlResult>(&entry.body);
  if (result != nullptr && program_ && result->ddl == program_->seqno) {
    over();
  }
}

void ProgramDesk::over() {
  program_.reset();
  parts_.stats.program_running.set(0);
}

void ProgramDesk::on_durable(const certifier::LogEntry& entry) {
  const auto* result = std::get_if<certifier::DdlResult>(&entry.body);
  if (result == nullptr || !program_ || result->ddl != program_->seqno) {
    return;
  }
  if (program_->session) {
    DdlOutcome outcome{*program_->session, parts_.sequencer.head()};
    outcome.lost = program_->lost;
    outcome.accounts = program_->accounts;
    parts_.tell(*program_->session, outcome);
  }
  if (program_->accounts) {
    parts_.accounts_changed();
  }
  (program_->lost ? parts_.stats.programs_lost : parts_.stats.programs).add();
  over();
}

// ---- time ----

void ProgramDesk::look_after() {
  if (!program_) {
    return;
  }
  Program& program = *program_;
  program.looks += program.groups.empty() ? 0 : 1;
  program.course.on_look();
  if (program.course.offered()) {
    parts_.unblock(program.course.home(), program.thread);
  }
  go_on();
}

}  // namespace consort::proxy
