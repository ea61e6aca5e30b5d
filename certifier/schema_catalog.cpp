#include "certifier/schema_catalog.h"

#include <algorithm>
#include <set>

namespace consort::certifier {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool names(const TableRef& name, std::string_view schema, std::string_view table) {
  return equal_ignoring_case(name.schema, schema) &&
         (table.empty() || equal_ignoring_case(name.table, table));
}

/// Tables at the other ends of a definition's foreign keys.
std::vector<TableRef> neighbours(const TableDefinition& definition) {
  std::vector<TableRef> result;
  for (const ForeignKey& key : definition.foreign_keys) {
    result.push_back(key.parent);
  }
  for (const ReferencedBy& key : definition.referenced_by) {
    result.push_back(key.child);
  }
  return result;
}

}  // namespace

std::size_t TableDefinition::column_index(std::string_view name) const {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (equal_ignoring_case(columns[i].name, name)) {
      return i;
    }
  }
  return kNoColumn;
}

bool TableDefinition::has_cascades() const {
  return std::any_of(referenced_by.begin(), referenced_by.end(), [](const ReferencedBy& key) {
    return key.cascades_on_delete || key.cascades_on_update;
  });
}

TableDefinition absent_table(TableRef name) {
  TableDefinition definition;
  definition.schema = std::move(name.schema);
  definition.table = std::move(name.table);
  definition.exists = false;
  return definition;
}

TableDefinitionPtr SchemaCatalog::find(TableName name) const {
  const auto found = tables_.find(TableRef{std::string(name.schema), std::string(name.table)});
  return found == tables_.end() ? nullptr : found->second;
}

void SchemaCatalog::put(TableDefinition definition) {
  TableRef name{definition.schema, definition.table};
  tables_[std::move(name)] = std::make_shared<const TableDefinition>(std::move(definition));
  ++version_;
}

void SchemaCatalog::invalidate(std::string_view schema, std::string_view table) {
  ++version_;
  if (schema.empty()) {
    tables_.clear();
    return;
  }
  // A definition that names a doomed table goes too, whichever of the two was loaded.
  std::set<TableRef> doomed;
  for (const auto& [name, definition] : tables_) {
    const std::vector<TableRef> tied = neighbours(*definition);
    if (names(name, schema, table)) {
      doomed.insert(name);
      doomed.insert(tied.begin(), tied.end());
    } else if (std::any_of(tied.begin(), tied.end(),
                           [&](const TableRef& other) { return names(other, schema, table); })) {
      doomed.insert(name);
    }
  }
  for (const TableRef& name : doomed) {
    tables_.erase(name);
  }
}

}  // namespace consort::certifier
