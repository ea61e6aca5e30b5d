// SessionCore: sequences. Their definitions are shared (router/sequence_text.h), SETVAL by itself
// is executed by every server, numbers are taken at home. Decision 0034.
#include <algorithm>
#include <string>

#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"
#include "router/sequence_text.h"
#include "router/token.h"

namespace consort::proxy {

using router::Flag;
using router::Statement;
using router::StatementKind;

namespace {

bool raises(const Statement& statement) {
  return statement.kind == StatementKind::kDdl && statement.has(Flag::kSequence) &&
         statement.ddl.object == router::DdlObject::kSequence;
}

}  // namespace

/// CREATE or ALTER SEQUENCE as all servers execute it, SELECT from one as all of them would answer
/// it, then also in `command_`.
std::optional<std::string> SessionCore::with_shared_sequence(std::string_view sql,
                                                             const Statement& statement,
                                                             protocol::Command kind) {
  std::optional<std::string> shared;
  if (statement.ddl.object == router::DdlObject::kSequence) {
    shared =
        router::shared_sequence(sql, statement, lexer_options(), options_.sequence_increment_max)
            .sql;
  } else if (effects_.sequences().any() && statement.kind == StatementKind::kSelect &&
             statement.tables.size() == 1 && is_sequence(statement.tables[0])) {
    shared = router::with_all_reserved(sql, statement, lexer_options(), options_.sequence_step);
  }
  if (shared) {
    show_as(sql);
    replace_command(*shared, kind);
  }
  return shared;
}

/// What of the statement cannot be had because of sequences; empty: nothing.
std::string SessionCore::sequence_refusal(const Statement& statement,
                                          std::string_view sql,
                                          bool prepared) {
  if (statement.kind == StatementKind::kDdl) {
    std::string refused =
        router::shared_sequence(sql, statement, lexer_options(), options_.sequence_increment_max)
            .refused;
    if (!refused.empty()) {
      return refused;
    }
  }
  if (effects_.sequences().any() && touches_definition(statement)) {
    return "INSERT into a sequence, and CREATE TABLE .. LIKE one (use SETVAL and CREATE SEQUENCE)";
  }
  if (!statement.has(Flag::kSequence)) {
    return {};
  }
  if (raises(statement)) {
    if (prepared) {
      return "SETVAL in a prepared statement";
    }
    return transaction_.open() ? "SETVAL inside a transaction (COMMIT or ROLLBACK it before)" : "";
  }
  if (router::mentions_setval(sql)) {
    return "SETVAL but as SELECT SETVAL(sequence, number)";
  }
  if (taken_numbers_.lost() && router::asks_previous_value(sql)) {
    return "PREVIOUS VALUE when another server, or another connection to it, has given the number";
  }
  return {};
}

/// Would it write a sequence's row itself, or copy its definition?
bool SessionCore::touches_definition(const Statement& statement) const {
  const bool copies = copies_definition(statement);
  const bool writes = statement.kind == StatementKind::kInsert ||
                      statement.kind == StatementKind::kReplace ||
                      statement.kind == StatementKind::kLoadData;
  if (!copies && !writes) {
    return false;
  }
  if (copies) {
    return is_sequence(statement.tables[1]);
  }
  return std::any_of(statement.tables.begin(), statement.tables.end(),
                     [this](const router::TableRef& table) {
                       return table.role == router::TableRole::kWrite && is_sequence(table);
                     });
}

bool SessionCore::is_sequence(const router::TableRef& table) const {
  return effects_.sequences().has(
      table.schema.empty() ? state_.schema() : router::identifier_text(table.schema),
      router::identifier_text(table.name));
}

/// A DDL statement is about to be ordered: what it may make a sequence is known as one before.
void SessionCore::note_sequences(const Statement& statement) {
  KnownSequences& sequences = effects_.sequences();
  const std::vector<DdlTarget>& targets = ordered_.request.targets;
  const bool creates = statement.ddl.object == router::DdlObject::kSequence &&
                       statement.ddl.verb == router::DdlVerb::kCreate;
  const bool renames = statement.ddl.verb == router::DdlVerb::kRename ||
                       statement.ddl.verb == router::DdlVerb::kAlter;
  const bool renames_one =
      renames && sequences.any() &&
      std::any_of(targets.begin(), targets.end(), [&sequences](const DdlTarget& target) {
        return sequences.has(target.schema, target.table);
      });
  if (creates || renames_one) {
    for (const DdlTarget& target : targets) {
      sequences.add(target.schema, target.table);
    }
  }
  if (statement.ddl.verb == router::DdlVerb::kDrop && sequences.any()) {
    ordered_.dropped = targets;
  }
  const bool replaces = statement.ddl.object == router::DdlObject::kTable &&
                        statement.ddl.verb == router::DdlVerb::kCreate && sequences.any() &&
                        router::contains_ignoring_case(ordered_.request.sql, "replace");
  if (replaces && !targets.empty()) {
    ordered_.dropped = {targets.front()};
  }
}

/// The ordered statement has succeeded.
void SessionCore::forget_sequences() {
  for (const DdlTarget& target : ordered_.dropped) {
    effects_.sequences().remove(target.schema, target.table);
  }
}

}  // namespace consort::proxy
