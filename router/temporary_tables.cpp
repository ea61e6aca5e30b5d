#include "router/temporary_tables.h"

#include <algorithm>
#include <utility>

#include "router/token.h"

namespace consort::router {
namespace {

std::string key_of(const TableRef& table, std::string_view schema) {
  std::string key = table.schema.empty() ? std::string(schema) : identifier_text(table.schema);
  key.push_back('\0');
  key += identifier_text(table.name);
  return lower_case(key);
}

bool is_row_change(StatementKind kind) {
  return kind == StatementKind::kInsert || kind == StatementKind::kUpdate ||
         kind == StatementKind::kDelete || kind == StatementKind::kReplace ||
         kind == StatementKind::kLoadData;
}

}  // namespace

void TemporaryTables::note(const Statement& statement, std::string_view schema) {
  if (statement.kind != StatementKind::kDdl || statement.ddl.object != DdlObject::kTable ||
      statement.tables.empty()) {
    return;
  }
  const auto key = [&](std::size_t at) { return key_of(statement.tables[at], schema); };
  const std::size_t count = statement.tables.size();
  switch (statement.ddl.verb) {
    case DdlVerb::kCreate:
      if (statement.has(Flag::kTemporary)) {
        add(key(0));  // further names are those it copies or refers to
      }
      break;
    case DdlVerb::kDrop:
      for (std::size_t at = 0; at < count; ++at) {
        (void)remove(key(at));
      }
      break;
    case DdlVerb::kRename:
    case DdlVerb::kAlter:  // another name is the new one: temporary tables have no foreign keys
      for (std::size_t at = 0; at + 1 < count; at += 2) {
        if (remove(key(at))) {
          add(key(at + 1));
        }
      }
      break;
    default:
      break;
  }
}

void TemporaryTables::add(std::string key) {
  if (std::find(names_.begin(), names_.end(), key) != names_.end()) {
    return;
  }
  overflowed_ = overflowed_ || names_.size() == kNamesMax;
  if (!overflowed_) {
    names_.push_back(std::move(key));
  }
}

bool TemporaryTables::remove(const std::string& key) {
  const auto found = std::find(names_.begin(), names_.end(), key);
  if (found == names_.end()) {
    return false;
  }
  names_.erase(found);
  return true;
}

bool TemporaryTables::contains(const TableRef& table, std::string_view schema) const {
  if (overflowed_) {
    return true;
  }
  return !names_.empty() &&
         std::find(names_.begin(), names_.end(), key_of(table, schema)) != names_.end();
}

bool TemporaryTables::changes_only_these(const Statement& statement,
                                         std::string_view schema) const {
  if (empty() || !is_row_change(statement.kind) || statement.tables.overflowed() ||
      statement.flags.has_any({Flag::kUncertain, Flag::kUnknownFunction, Flag::kSequence})) {
    return false;
  }
  bool any = false;
  for (const TableRef& table : statement.tables) {
    if (table.role == TableRole::kWrite) {
      any = true;
      if (!contains(table, schema)) {
        return false;
      }
    }
  }
  return any;
}

bool TemporaryTables::may_change(const Statement& statement, std::string_view schema) const {
  if (!is_row_change(statement.kind) || statement.tables.overflowed() ||
      statement.flags.has_any({Flag::kUncertain, Flag::kUnknownFunction})) {
    return statement.may_write();
  }
  return std::any_of(statement.tables.begin(), statement.tables.end(), [&](const TableRef& table) {
    return table.role == TableRole::kWrite && contains(table, schema);
  });
}

void TemporaryTables::clear() {
  names_.clear();
  overflowed_ = false;
}

FixedList<TableRef, kTablesMax> ddl_subjects(const Statement& statement) {
  FixedList<TableRef, kTablesMax> subjects;
  if (statement.kind != StatementKind::kDdl || statement.has(Flag::kTemporary)) {
    return subjects;
  }
  const DdlVerb verb = statement.ddl.verb;
  const bool table = statement.ddl.object == DdlObject::kTable;
  const bool index = statement.ddl.object == DdlObject::kIndex;
  const bool view = statement.ddl.object == DdlObject::kView && verb != DdlVerb::kDrop;
  if (!table && !index && !view) {
    return subjects;
  }
  if (statement.has(Flag::kCreateSelect)) {  // its rows would go into a temporary one of that name
    subjects.push_back(statement.tables[0]);
    return subjects;
  }
  const bool makes = view || (table && verb == DdlVerb::kCreate);
  for (std::size_t at = makes ? 1 : 0; at < statement.tables.size(); ++at) {
    TableRef named = statement.tables[at];
    const bool defined =
        !makes && (at == 0 || verb == DdlVerb::kDrop || (verb == DdlVerb::kRename && at % 2 == 0));
    named.role = defined ? TableRole::kDdl : TableRole::kRead;
    subjects.push_back(named);
  }
  return subjects;
}

}  // namespace consort::router
