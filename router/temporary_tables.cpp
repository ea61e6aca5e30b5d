#include "router/temporary_tables.h"

#include <algorithm>
#include <utility>

#include "router/token.h"

namespace consort::router {
namespace {

/// Its schema and name, as the statement writes them.
std::string written(const TableRef& table, std::string_view schema) {
  std::string key = table.schema.empty() ? std::string(schema) : identifier_text(table.schema);
  key.push_back('\0');
  key += identifier_text(table.name);
  return key;
}

std::string key_of(const TableRef& table, std::string_view schema) {
  return lower_case(written(table, schema));
}

bool is_row_change(StatementKind kind) {
  return kind == StatementKind::kInsert || kind == StatementKind::kUpdate ||
         kind == StatementKind::kDelete || kind == StatementKind::kReplace ||
         kind == StatementKind::kLoadData;
}

/// As the statement has it, with its quotes: in some character sets a quote's byte may be a part of
/// a character.
std::string_view spelled(std::string_view sql, const TableRef& table) {
  const auto is_quoted = [&](std::string_view name) {
    const char* before = name.data() - 1;
    return before >= sql.data() && (*before == '`' || *before == '"');
  };
  const std::string_view first = table.schema.empty() ? table.name : table.schema;
  const char* begin = first.data() - (is_quoted(first) ? 1 : 0);
  const char* end = table.name.data() + table.name.size() + (is_quoted(table.name) ? 1 : 0);
  return {begin, static_cast<std::size_t>(end - begin)};
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

namespace {

/// RENAME TABLE takes one pair after the other: behind `t TO a` the name of a temporary t is that
/// of a plain table, and `a` a temporary one. Capital letters may or may not count: in doubt a
/// table is plain.
DdlSubjects kind_of_renamed(const Statement& statement,
                            TemporarySubjects temporary,
                            std::string_view schema) {
  std::vector<std::string> left;
  std::vector<std::string> made;
  bool any_temporary = false;
  bool any_plain = false;
  for (std::size_t at = 0; at + 1 < statement.tables.size(); at += 2) {
    const TableRef& from = statement.tables[at];
    const std::string key = key_of(from, schema);
    const bool was_made = std::erase(made, written(from, schema)) > 0;
    const bool is_left = std::find(left.begin(), left.end(), key) != left.end();
    const bool is_temporary = was_made || (!is_left && (temporary >> at & 1U) != 0);
    any_temporary = any_temporary || is_temporary;
    any_plain = any_plain || !is_temporary;
    if (is_temporary) {
      left.push_back(key);
      made.push_back(written(statement.tables[at + 1], schema));
    }
  }
  if (any_temporary && !any_plain) {
    return DdlSubjects::kTemporary;
  }
  return temporary == 0 ? DdlSubjects::kPlain : DdlSubjects::kMixed;
}

}  // namespace

DdlSubjects kind_of_subjects(const Statement& statement,
                             TemporarySubjects temporary,
                             std::string_view schema) {
  if (statement.ddl.verb == DdlVerb::kRename) {
    return kind_of_renamed(statement, temporary, schema);
  }
  const auto subjects = ddl_subjects(statement);
  bool defines_temporary = false;
  bool defines_plain = false;
  for (std::size_t at = 0; at < subjects.size(); ++at) {
    if (subjects[at].role == TableRole::kDdl) {
      const bool is_temporary = (temporary >> at & 1U) != 0;
      defines_temporary = defines_temporary || is_temporary;
      defines_plain = defines_plain || !is_temporary;
    }
  }
  if (defines_temporary && defines_plain) {
    const bool separable =
        statement.ddl.verb == DdlVerb::kDrop && statement.ddl.object == DdlObject::kTable;
    return separable ? DdlSubjects::kSeparable : DdlSubjects::kMixed;
  }
  if (defines_temporary) {
    return DdlSubjects::kTemporary;
  }
  return temporary == 0 ? DdlSubjects::kPlain : DdlSubjects::kMixed;
}

std::string drop_of_plain(std::string_view sql,
                          const Statement& statement,
                          TemporarySubjects temporary) {
  const TableRef& first = statement.tables[0];
  const char* name = first.schema.empty() ? first.name.data() : first.schema.data();
  const std::string_view head = sql.substr(0, static_cast<std::size_t>(name - sql.data()));
  std::string drop = contains_ignoring_case(head, "exists") ? "DROP TABLE IF EXISTS" : "DROP TABLE";
  std::string_view separator = " ";
  for (std::size_t at = 0; at < statement.tables.size(); ++at) {
    const TableRef& table = statement.tables[at];
    if ((temporary >> at & 1U) != 0) {
      continue;
    }
    drop += separator;
    drop += spelled(sql, table);
    separator = ", ";
  }
  return drop;
}

}  // namespace consort::router
