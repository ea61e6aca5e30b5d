// ProgramDesk: what its home's binlog shows of a program, and what of that is logged, and how.
#include <algorithm>
#include <charconv>
#include <utility>

#include "base/branch_name.h"
#include "proxy/commit/program_desk.h"
#include "proxy/commit/sequence_numbers.h"
#include "proxy/group_keys.h"
#include "router/program_ddl.h"

namespace consort::proxy {

using protocol::BinlogGroup;
using protocol::BinlogGroupKind;

namespace {

// A definition that does not come in so many looks (two seconds) is done without.
constexpr unsigned kLooksForDefinitions = 40;
constexpr RowKey kEverythingHeld{certifier::kEverythingKey, KeyHold::kExclusive};

bool only_ours(const BinlogGroup& group) {
  return std::all_of(group.tables.begin(), group.tables.end(),
                     [](const auto& table) { return table.schema == "consort"; });
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

Gtid ProgramDesk::gtid_of(const BinlogGroup& group) {
  return {group.gtid.domain, group.gtid.server, group.gtid.sequence};
}

bool ProgramDesk::is_our_branch(const BinlogGroup& group) {
  return group.xid && group.xid->format_id == kXaFormatId &&
         parse_branch_gtrid(group.xid->gtrid).has_value();
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
  if (ddl.differs || (ddl.renames_any && !program_->renames_plain)) {
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
  return leaves_nothing_behind(group, parts_.catalog) ? Step::kDone : Step::kGap;
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

}  // namespace consort::proxy
