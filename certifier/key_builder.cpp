#include "certifier/key_builder.h"

#include <algorithm>
#include <utility>

#include "certifier/collation_weights.h"
#include "certifier/key_hash.h"
#include "certifier/key_plan.h"

namespace consort::certifier {
namespace {

/// Some of these columns differ, or we cannot know.
bool differs(const std::vector<std::size_t>& columns, const RowDiff& row) {
  return std::any_of(columns.begin(), columns.end(), [&](std::size_t column) {
    if (column >= row.before.size() || column >= row.after.size()) {
      return true;
    }
    const ColumnValue& before = row.before[column];
    const ColumnValue& after = row.after[column];
    return !before.present || !after.present || before.kind != after.kind ||
           !std::equal(before.bytes.begin(), before.bytes.end(), after.bytes.begin(),
                       after.bytes.end());
  });
}

bool has_null(const std::vector<std::size_t>& columns, const RowImage& image) {
  return std::any_of(columns.begin(), columns.end(), [&](std::size_t column) {
    return column < image.size() && image[column].present && image[column].kind == ValueKind::kNull;
  });
}

std::uint64_t named_key(KeyDomain domain, std::string_view schema, std::string_view table) {
  KeyHash hash;
  hash.start(domain);
  hash.add_name(schema);
  hash.add_name(table);
  return hash.digest();
}

}  // namespace

KeyBuilder::KeyBuilder(const SchemaCatalog& catalog, const CollationWeights* weights, Limits limits)
    : catalog_(catalog),
      weights_(weights),
      limits_(limits),
      plans_version_(catalog.version()),
      hash_(std::make_unique<KeyHash>()) {}

KeyBuilder::KeyBuilder(const SchemaCatalog& catalog, const CollationWeights* weights)
    : KeyBuilder(catalog, weights, Limits{}) {}

KeyBuilder::~KeyBuilder() = default;

std::vector<TableRef> KeyBuilder::missing_tables(TableName table) const {
  return missing_definitions(catalog_, table);
}

Status KeyBuilder::begin_table(TableName table,
                               std::span<const std::string> column_names,
                               std::size_t column_count) {
  plan_ = nullptr;
  Result<TableKeyPlan*> plan = find_plan(table, column_names, column_count);
  if (!plan) {
    return plan.error();
  }
  plan_ = *plan;
  add_key(plan_->schema_key, KeyHold::kShared);
  add_key(plan_->table_key, KeyHold::kShared);
  return Ok{};
}

Result<TableKeyPlan*> KeyBuilder::find_plan(TableName table,
                                            std::span<const std::string> column_names,
                                            std::size_t column_count) {
  if (plans_version_ != catalog_.version()) {
    plans_.clear();
    plans_version_ = catalog_.version();
  }
  const TableRef name{std::string(table.schema), std::string(table.table)};
  const auto found = plans_.find(name);
  if (found != plans_.end() && found->second->fits(column_names, column_count)) {
    return found->second.get();
  }
  const TableDefinitionPtr definition = catalog_.find(table);
  if (!definition || !definition->exists) {
    return make_error(KeyError::kUnknownTable,
                      "no definition of the table " + name.schema + "." + name.table);
  }
  Result<TableKeyPlan> plan =
      make_key_plan({&catalog_, weights_}, definition, column_names, column_count);
  if (!plan) {
    return plan.error();
  }
  auto& slot = plans_[name];
  slot = std::make_unique<TableKeyPlan>(std::move(plan).value());
  return slot.get();
}

void KeyBuilder::add_row(const RowDiff& row) {
  CHECK(plan_ != nullptr);
  if (plan_->definition->is_sequence) {
    return;
  }
  if (plan_->hold_table || plan_->row_keys > limits_.row_keys_max) {
    hold_table();
    return;
  }
  for (const IndexPlan& index : plan_->indexes) {
    add_index_keys(index, row);
  }
  if (plan_->whole_row) {
    add_whole_row(row.before);
    add_whole_row(row.after);
  }
  for (const ReferencePlan& reference : plan_->references) {
    add_reference(reference, row);
  }
  for (const ReferencedPlan& referenced : plan_->referenced) {
    add_referenced(referenced, row);
  }
}

void KeyBuilder::add_index_keys(const IndexPlan& index, const RowDiff& row) {
  if (!index.exact && !index.depends_on.empty() && row.change == RowChange::kUpdate &&
      !differs(index.depends_on, row)) {
    return;
  }
  const bool has_before = row.change != RowChange::kInsert;
  const bool has_after = row.change != RowChange::kDelete;
  const HashedValue before = has_before ? index.hash_value(row.before, *hash_) : HashedValue{};
  const HashedValue after = has_after ? index.hash_value(row.after, *hash_) : HashedValue{};
  if (before.state == ValueState::kMismatch || after.state == ValueState::kMismatch) {
    hold_table();
    return;
  }
  const bool same = index.exact && before.state != ValueState::kNone &&
                    after.state != ValueState::kNone && before.hash == after.hash;
  if (same) {
    // Other unique keys that stay as they are need nothing: the identity tells the row.
    if (index.identity) {
      add_row_key(before.hash, KeyHold::kUpdate);
    }
    return;
  }
  if (before.state != ValueState::kNone && index.exact) {
    add_row_key(before.hash, KeyHold::kExclusive);
  }
  if (after.state != ValueState::kNone || (has_after && !index.exact)) {
    add_new_value(index, row.after, after);
  }
}

// Only a value that enters an index can meet an equal one from elsewhere: what leaves it was seen
// there by everybody who could want its place. So "any value" is not held by deletes.
void KeyBuilder::add_new_value(const IndexPlan& index, const RowImage& after, HashedValue value) {
  if (index.exact) {
    add_row_key(value.hash, KeyHold::kExclusive);
  }
  if (value.state == ValueState::kUncertain || !index.exact) {
    add_row_key(index.hash_any(after, *hash_), KeyHold::kExclusive);
  } else if (index.has_folded) {
    add_row_key(index.hash_any(after, *hash_), KeyHold::kShared);
  }
}

void KeyBuilder::add_whole_row(const RowImage& image) {
  if (image.empty()) {
    return;
  }
  hash_->start(plan_->row_prefix);
  for (std::size_t i = 0; i < image.size(); ++i) {
    const ColumnValue& value = image[i];
    if (!value.present) {
      hold_table();
      return;
    }
    const bool counts = i < plan_->row_columns.size() && plan_->row_columns[i];
    if (counts && value.kind != ValueKind::kOpaque) {
      hash_->out().push_back(value.kind == ValueKind::kNull ? 0 : 1);
      hash_->add_value(value.bytes);
    }
  }
  add_row_key(hash_->digest(), KeyHold::kExclusive);
}

void KeyBuilder::add_reference(const ReferencePlan& reference, const RowDiff& row) {
  const bool refers = row.change == RowChange::kInsert ||
                      (row.change == RowChange::kUpdate && differs(reference.columns, row));
  if (!refers || has_null(reference.columns, row.after)) {
    return;
  }
  if (!reference.exact) {
    add_key(reference.coarse_key, KeyHold::kReference);
    return;
  }
  const HashedValue value = reference.exact->hash_value(row.after, *hash_);
  if (value.state == ValueState::kMismatch) {
    hold_table();
  } else {
    add_row_key(value.hash, KeyHold::kReference);
  }
}

void KeyBuilder::add_referenced(const ReferencedPlan& referenced, const RowDiff& row) {
  const bool deleted = row.change == RowChange::kDelete;
  const bool changed = row.change == RowChange::kUpdate && differs(referenced.columns, row);
  if (!deleted && !changed) {
    return;
  }
  if (referenced.coarse_key) {
    add_key(*referenced.coarse_key, KeyHold::kExclusive);
  }
  for (const std::uint64_t table : deleted ? referenced.on_delete : referenced.on_update) {
    add_key(table, KeyHold::kExclusive);
  }
}

// Servers map such tables for whatever a statement might do to them: a trigger's, or a child's
// of every updated parent. What a cascade really did follows from the parent's row.
void KeyBuilder::add_table_without_rows(TableName table) {
  if (!catalog_.find(table)) {
    add_whole_table(table);
    return;
  }
  add_key(schema_key(table.schema), KeyHold::kShared);
  add_key(table_key(table.schema, table.table), KeyHold::kShared);
}

void KeyBuilder::add_whole_table(TableName table) {
  add_key(schema_key(table.schema), KeyHold::kShared);
  add_key(table_key(table.schema, table.table), KeyHold::kExclusive);
  if (const TableDefinitionPtr definition = catalog_.find(table)) {
    for (const std::uint64_t key : neighbour_table_keys(catalog_, *definition)) {
      add_key(key, KeyHold::kExclusive);
    }
  }
}

void KeyBuilder::hold_table() {
  for (const std::uint64_t key : plan_->hold_keys) {
    add_key(key, KeyHold::kExclusive);
  }
}

void KeyBuilder::add_row_key(std::uint64_t hash, KeyHold hold) {
  ++plan_->row_keys;
  add_key(hash, hold);
}

void KeyBuilder::add_key(std::uint64_t hash, KeyHold hold) {
  Holds& holds = keys_[hash];
  std::optional<KeyHold>& held = hold < KeyHold::kUpdate ? holds.weak : holds.strong;
  held = std::max(held.value_or(hold), hold);
}

std::vector<RowKey> KeyBuilder::take() {
  std::vector<RowKey> keys;
  keys.reserve(keys_.size());
  for (const auto& [hash, holds] : keys_) {
    for (const std::optional<KeyHold>& hold : {holds.weak, holds.strong}) {
      if (hold) {
        keys.push_back({hash, *hold});
      }
    }
  }
  std::sort(keys.begin(), keys.end());
  keys_.clear();
  for (auto& [name, plan] : plans_) {
    plan->row_keys = 0;
  }
  plan_ = nullptr;
  return keys;
}

std::uint64_t table_key(std::string_view schema, std::string_view table) {
  return named_key(KeyDomain::kTable, schema, table);
}

std::uint64_t schema_key(std::string_view schema) {
  return named_key(KeyDomain::kSchema, schema, {});
}

std::uint64_t object_key(std::string_view schema, std::string_view table) {
  return table.empty() ? schema_key(schema) : table_key(schema, table);
}

std::uint64_t accounts_key() {
  return named_key(KeyDomain::kAccounts, {}, {});
}

std::vector<RowKey> ddl_keys(std::string_view schema, std::string_view table) {
  if (schema.empty()) {
    return {{accounts_key(), KeyHold::kExclusive}};
  }
  if (table.empty()) {
    return {{schema_key(schema), KeyHold::kExclusive}};
  }
  return {{schema_key(schema), KeyHold::kShared}, {table_key(schema, table), KeyHold::kExclusive}};
}

}  // namespace consort::certifier
