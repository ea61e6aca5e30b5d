#include "router/temporary_tables.h"

#include <algorithm>

namespace consort::router {
namespace {

std::string key_of(const TableRef& table, std::string_view schema) {
  std::string key = table.schema.empty() ? std::string(schema) : identifier_text(table.schema);
  key.push_back('\0');
  key += identifier_text(table.name);
  for (char& c : key) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return key;
}

}  // namespace

void TemporaryTables::note(const Statement& statement, std::string_view schema) {
  if (statement.kind != StatementKind::kDdl) {
    return;
  }
  const bool creates = statement.ddl.verb == DdlVerb::kCreate && statement.has(Flag::kTemporary);
  const bool drops = statement.ddl.verb == DdlVerb::kDrop;
  if (!creates && !drops) {
    return;
  }
  for (const TableRef& table : statement.tables) {
    if (table.role != TableRole::kDdl) {
      continue;
    }
    const std::string key = key_of(table, schema);
    const auto found = std::find(names_.begin(), names_.end(), key);
    if (drops && found != names_.end()) {
      names_.erase(found);
    } else if (creates && found == names_.end()) {
      overflowed_ = overflowed_ || names_.size() == kNamesMax;
      if (!overflowed_) {
        names_.push_back(key);
      }
    }
    if (creates) {
      break;  // further names are those it copies or refers to
    }
  }
}

bool TemporaryTables::contains(const TableRef& table, std::string_view schema) const {
  if (overflowed_) {
    return true;
  }
  return !names_.empty() &&
         std::find(names_.begin(), names_.end(), key_of(table, schema)) != names_.end();
}

bool TemporaryTables::owns_all_targets(const Statement& statement, std::string_view schema) const {
  if (empty() || statement.tables.overflowed()) {
    return false;
  }
  bool any = false;
  for (const TableRef& table : statement.tables) {
    if (table.role == TableRole::kDdl) {
      any = true;
      if (!contains(table, schema)) {
        return false;
      }
    }
  }
  return any;
}

void TemporaryTables::clear() {
  names_.clear();
  overflowed_ = false;
}

}  // namespace consort::router
