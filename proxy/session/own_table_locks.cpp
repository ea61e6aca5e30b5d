#include "proxy/session/own_table_locks.h"

#include <algorithm>
#include <utility>

#include "proxy/session/statement_rules.h"
#include "router/lock_list.h"
#include "router/token.h"
#include "router/token_reader.h"

namespace consort::proxy {
namespace {

using router::Statement;
using router::StatementKind;
using router::TableRef;
using router::TableRole;

/// The server asks for no lock on these, or Consort does not know.
bool needs_no_lock(std::string_view schema) {
  for (const std::string_view free : {"information_schema", "performance_schema", "mysql", "sys"}) {
    if (router::equals_ignoring_case(schema, free)) {
      return true;
    }
  }
  return schema.empty();
}

/// The text may give a name to something that is no table.
bool may_have_common_table_expressions(std::string_view sql) {
  return router::contains_ignoring_case(sql, "with");
}

/// Of several tables an UPDATE need not change all, and a DELETE calls them by their aliases.
bool may_use_aliases(const Statement& statement) {
  return statement.tables.size() > 1 &&
         (statement.kind == StatementKind::kUpdate || statement.kind == StatementKind::kDelete);
}

/// The one table that such a statement changes; nullptr: several, or none, or who knows which.
const TableRef* table_changed(const Statement& statement) {
  if (may_use_aliases(statement)) {
    return nullptr;
  }
  const router::DdlVerb verb = statement.ddl.verb;
  if ((verb == router::DdlVerb::kCreate || verb == router::DdlVerb::kAlter) &&
      statement.ddl.object == router::DdlObject::kTable && !statement.tables.empty()) {
    return &statement.tables[0];  // others are what it is made like, refers to, or is renamed to
  }
  const TableRef* only = nullptr;
  for (const TableRef& table : statement.tables) {
    if (table.role == TableRole::kRead) {
      continue;
    }
    if (only != nullptr) {
      return nullptr;
    }
    only = &table;
  }
  return only;
}

bool looks_at_rows(StatementKind kind) {
  return kind == StatementKind::kSelect || router::changes_rows(kind);
}

/// The server executes it with no tables locked only (measured).
bool excludes_locks(const Statement& statement) {
  using router::DdlObject;
  using router::DdlVerb;
  if (statement.kind == StatementKind::kFlush) {
    return statement.has(router::Flag::kLocksTables);
  }
  if (statement.kind == StatementKind::kHandler) {
    return statement.has(router::Flag::kOpensHandler);
  }
  const DdlVerb verb = statement.ddl.verb;
  switch (statement.ddl.object) {
    case DdlObject::kDatabase:
      return verb == DdlVerb::kCreate || verb == DdlVerb::kDrop;
    case DdlObject::kTable:
      return verb == DdlVerb::kRename;
    case DdlObject::kView:
    case DdlObject::kRoutine:
    case DdlObject::kProcedure:
    case DdlObject::kEvent:
      return true;
    default:
      return false;
  }
}

bool defines_table(const Statement& statement) {
  using router::DdlObject;
  if (statement.kind != StatementKind::kDdl || statement.has(router::Flag::kTemporary)) {
    return false;
  }
  switch (statement.ddl.object) {
    case DdlObject::kTable:
    case DdlObject::kIndex:
    case DdlObject::kSequence:
      return true;
    case DdlObject::kTrigger:
      return statement.ddl.verb == router::DdlVerb::kCreate;  // DROP does not name the table
    default:
      return false;
  }
}

/// FOR UPDATE, which reads as a change does.
bool reads_for_update(const Statement& statement, std::string_view sql) {
  if (!statement.has(router::Flag::kLockingRead)) {
    return false;
  }
  bool behind_for = false;
  for (router::TokenReader reader(sql, {}); !reader.ended(); reader.advance()) {
    if (behind_for && reader.token().is(router::Keyword::kUpdate)) {
      return true;
    }
    behind_for = reader.token().is(router::Keyword::kFor);
  }
  return false;
}

protocol::SqlError not_locked(const std::string& table) {
  return {1100, "HY000", "Table '" + table + "' was not locked with LOCK TABLES"};
}

protocol::SqlError only_read(const std::string& table) {
  return {1099, "HY000", "Table '" + table + "' was locked with a READ lock and can't be updated"};
}

/// Of FLUSH TABLES, without quotes; nullopt: it is no such statement, or names one that only quotes
/// in quotes can spell.
std::optional<std::vector<router::LockListItem>> flushed_tables(const Statement& statement,
                                                                std::string_view sql) {
  if (statement.kind != StatementKind::kFlush || statement.has(router::Flag::kUncertain)) {
    return std::nullopt;
  }
  auto list = router::flush_list(sql, {});
  const auto is_plain = [](const router::LockListItem& item) {
    return (item.schema + item.table).find('`') == std::string::npos;
  };
  return list && std::all_of(list->begin(), list->end(), is_plain) ? std::move(list) : std::nullopt;
}

std::string schema_of(const TableRef& table, std::string_view schema) {
  return table.schema.empty() ? std::string(schema) : router::identifier_text(table.schema);
}

}  // namespace

void OwnTableLocks::take(std::vector<TableLock> tables, const IsTemporary& is_temporary) {
  tables_.clear();
  for (TableLock& table : tables) {
    const bool temporary = is_temporary && is_temporary(table);
    tables_.push_back({std::move(table), temporary});
  }
}

void OwnTableLocks::forget(std::string_view schema, std::string_view table) {
  std::erase_if(tables_, [&](const Locked& locked) {
    return !locked.temporary && locked.lock.schema == schema && locked.lock.table == table;
  });
}

void OwnTableLocks::forget_dropped_temporary(const IsTemporary& is_temporary) {
  std::erase_if(tables_, [&](const Locked& locked) {
    return locked.temporary && !is_temporary(locked.lock);
  });
}

OwnTableLocks::Held OwnTableLocks::held(const TableRef& table, std::string_view schema) const {
  const std::string in = schema_of(table, schema);
  const std::string name = router::identifier_text(table.name);
  Held held = Held::kNot;
  for (const auto& [lock, temporary] : tables_) {
    if (!temporary && router::equals_ignoring_case(lock.table, name) &&
        router::equals_ignoring_case(lock.schema, in)) {
      held = lock.write || held == Held::kWrite ? Held::kWrite : Held::kRead;
    }
  }
  return held;
}

bool OwnTableLocks::only_writes() const {
  return !all_ && std::all_of(tables_.begin(), tables_.end(),
                              [](const Locked& locked) { return locked.lock.write; });
}

std::optional<protocol::SqlError> OwnTableLocks::refusal(const Statement& statement,
                                                         std::string_view sql,
                                                         std::string_view schema) const {
  if (all_) {
    return conflicts_with_reading(statement) ? std::optional(conflicting_read_lock_error())
                                             : std::nullopt;
  }
  if (excludes_locks(statement)) {
    return protocol::SqlError{1192, "HY000",
                              "Can't execute the given command because you have active locked "
                              "tables or an active transaction"};
  }
  if (flushes_privileges(statement, sql)) {
    return not_locked("db");  // of the tables that it reads the first that the server opens
  }
  // Measured (10.11): what is flushed must be locked by WRITE; without a list everything that is
  // locked, of which the last table is named.
  const auto flushed = flushed_tables(statement, sql);
  for (const router::LockListItem& item : flushed.value_or(std::vector<router::LockListItem>())) {
    const Held how = held(TableRef{item.schema, item.table, TableRole::kRead}, schema);
    if (how != Held::kWrite) {
      return how == Held::kRead ? only_read(item.table) : not_locked(item.table);
    }
  }
  for (auto lock = tables_.rbegin(); flushed && flushed->empty() && lock != tables_.rend();
       ++lock) {
    if (!lock->lock.write) {
      return only_read(lock->lock.table);
    }
  }
  const bool definition = defines_table(statement);
  if ((!looks_at_rows(statement.kind) && !definition) || statement.tables.overflowed() ||
      statement.has(router::Flag::kUncertain)) {
    return std::nullopt;
  }
  if (const TableRef* changed = table_changed(statement)) {
    const Held how = held(*changed, schema);
    if (how == Held::kNot && !needs_no_lock(schema_of(*changed, schema))) {
      return not_locked(router::identifier_text(changed->name));
    }
    if (how == Held::kRead) {
      return only_read(router::identifier_text(changed->name));
    }
  }
  const bool reads = !definition || statement.has(router::Flag::kCreateSelect);
  if (!reads || may_use_aliases(statement) || may_have_common_table_expressions(sql)) {
    return std::nullopt;
  }
  for (const TableRef& table : statement.tables) {
    const bool read = table.role == TableRole::kRead;
    if (read && !needs_no_lock(schema_of(table, schema)) && held(table, schema) == Held::kNot) {
      return not_locked(router::identifier_text(table.name));
    }
  }
  if (statement.tables.size() == 1 && reads_for_update(statement, sql) &&
      held(statement.tables[0], schema) == Held::kRead) {
    return only_read(router::identifier_text(statement.tables[0].name));
  }
  return std::nullopt;
}

std::vector<TableLock> tables_used(const Statement& statement, std::string_view schema) {
  std::vector<TableLock> used;
  const bool maintains = !maintenance_word(statement.kind).empty();
  if (!looks_at_rows(statement.kind) && statement.kind != StatementKind::kDdl && !maintains) {
    return used;
  }
  const bool rebuilds =
      statement.kind == StatementKind::kOptimize || statement.kind == StatementKind::kRepair;
  for (const TableRef& table : statement.tables) {
    std::string in = schema_of(table, schema);
    if (!in.empty()) {
      used.push_back({std::move(in), router::identifier_text(table.name),
                      rebuilds || table.role != TableRole::kRead});
    }
  }
  return used;
}

bool conflicts_with_reading(const Statement& statement) {
  if (router::changes_rows(statement.kind)) {
    return true;
  }
  switch (statement.kind) {
    case StatementKind::kAccount:
    case StatementKind::kSetPassword:
    case StatementKind::kAnalyze:
    case StatementKind::kOptimize:
    case StatementKind::kRepair:
      return true;
    case StatementKind::kDdl:
      return !statement.has(router::Flag::kTemporary);
    case StatementKind::kSelect:
      return statement.has(router::Flag::kLockingRead);
    default:
      return false;
  }
}

bool awaits_global_lock(const Statement& statement, std::string_view sql) {
  const bool flushes =
      statement.kind == StatementKind::kFlush && !statement.has(router::Flag::kLocksTables);
  if (!flushes && statement.kind != StatementKind::kAnalyze) {
    return false;
  }
  router::TokenReader reader(sql, {});
  reader.advance();
  if (reader.token().is("LOCAL") || reader.token().is("NO_WRITE_TO_BINLOG")) {
    return false;
  }
  return !reader.token().is("LOGS") && !reader.following().is("LOGS");
}

std::string_view maintenance_word(StatementKind kind) {
  switch (kind) {
    case StatementKind::kCheck:
      return "check";
    case StatementKind::kAnalyze:
      return "analyze";
    case StatementKind::kOptimize:
      return "optimize";
    case StatementKind::kRepair:
      return "repair";
    default:
      return {};
  }
}

protocol::SqlError truncates_no_table_error(std::string_view name) {
  return not_locked(std::string(name));
}

protocol::SqlError read_only_server_error() {
  return {1290, "HY000",
          "The MariaDB server is running with the --read-only option so it cannot execute this "
          "statement"};
}

protocol::SqlError conflicting_read_lock_error() {
  return {1223, "HY000", "Can't execute the query because you have a conflicting read lock"};
}

}  // namespace consort::proxy
