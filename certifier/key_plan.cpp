#include "certifier/key_plan.h"

#include <algorithm>
#include <set>
#include <utility>

namespace consort::certifier {
namespace {

constexpr std::size_t kNoColumn = TableDefinition::kNoColumn;

TableName name_of(const TableRef& ref) {
  return {ref.schema, ref.table};
}

TableRef ref_of(const TableDefinition& definition) {
  return {definition.schema, definition.table};
}

bool is_integer(const ColumnDefinition& column) {
  constexpr std::string_view kIntegers[] = {"tinyint", "smallint", "mediumint", "int", "bigint"};
  return std::find(std::begin(kIntegers), std::end(kIntegers), column.data_type) !=
         std::end(kIntegers);
}

bool is_unsigned(const ColumnDefinition& column) {
  return column.column_type.find("unsigned") != std::string::npos;
}

/// Equal values of the two columns always have equal hashes, and the other way round.
bool hash_alike(const ColumnDefinition& a, const ColumnDefinition& b) {
  if (a.is_text || b.is_text) {
    const CollationKind kind = collation_traits(a.collation).kind;
    return a.is_text && b.is_text && a.collation == b.collation &&
           (kind == CollationKind::kPadded || kind == CollationKind::kBytes);
  }
  if (a.data_type != b.data_type) {
    return false;
  }
  if (is_integer(a)) {
    return is_unsigned(a) == is_unsigned(b);
  }
  return a.column_type == b.column_type || a.data_type == "varbinary" || a.data_type == "binary";
}

/// Places of `names` in `definition`, or empty when one is missing.
std::vector<std::size_t> places(const TableDefinition& definition,
                                const std::vector<std::string>& names) {
  std::vector<std::size_t> result;
  for (const std::string& name : names) {
    const std::size_t place = definition.column_index(name);
    if (place == kNoColumn) {
      return {};
    }
    result.push_back(place);
  }
  return result;
}

/// The two ends of a foreign key, column by column.
struct ReferenceColumns {
  std::vector<std::size_t> child;
  std::vector<std::size_t> parent;
};

/// A parent's unique key whose own hash a child's foreign key can produce.
struct ExactReference {
  const UniqueKey* key = nullptr;
  std::vector<std::size_t> child_columns;  ///< in the key's order
};

/// Both the child's and the parent's plan ask this, and must get the same answer.
std::optional<ExactReference> find_exact_reference(const TableDefinition& parent,
                                                   const TableDefinition& child,
                                                   const ReferenceColumns& columns) {
  if (columns.child.empty() || columns.child.size() != columns.parent.size()) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < columns.child.size(); ++i) {
    if (!hash_alike(parent.columns[columns.parent[i]], child.columns[columns.child[i]])) {
      return std::nullopt;
    }
  }
  for (const UniqueKey& key : parent.unique_keys) {
    if (!key.exact || key.parts.size() != columns.parent.size()) {
      continue;
    }
    ExactReference exact{&key, {}};
    for (const KeyPart& part : key.parts) {
      const auto found = std::find(columns.parent.begin(), columns.parent.end(), part.column);
      if (found == columns.parent.end() || part.prefix_length != 0) {
        break;
      }
      exact.child_columns.push_back(
          columns.child[static_cast<std::size_t>(found - columns.parent.begin())]);
    }
    if (exact.child_columns.size() == key.parts.size()) {
      return exact;
    }
  }
  return std::nullopt;
}

std::optional<ExactReference> exact_reference(const TableDefinition& parent,
                                              const TableDefinition& child,
                                              const ForeignKey& key) {
  ReferenceColumns columns;
  columns.child.assign(key.columns.begin(), key.columns.end());
  columns.parent = places(parent, key.parent_columns);
  return find_exact_reference(parent, child, columns);
}

std::optional<ExactReference> exact_reference(const TableDefinition& parent,
                                              const TableDefinition& child,
                                              const ReferencedBy& key) {
  ReferenceColumns columns;
  columns.parent.assign(key.columns.begin(), key.columns.end());
  columns.child = places(child, key.child_columns);
  return find_exact_reference(parent, child, columns);
}

std::uint64_t referenced_key(const TableRef& parent) {
  KeyHash hash;
  hash.start(KeyDomain::kReferenced);
  hash.add_name(parent.schema);
  hash.add_name(parent.table);
  return hash.digest();
}

bool cascades(const ReferencedBy& key) {
  return key.cascades_on_delete || key.cascades_on_update;
}

/// Tables that a cascade may touch.
struct Reach {
  std::set<TableRef> touched;
  std::set<TableRef> followed;
};

void collect_cascade(const SchemaCatalog& catalog, const TableDefinition& from, Reach& reach) {
  for (const ReferencedBy& key : from.referenced_by) {
    // Even without a cascade of its own: a new row there may refer to a row that goes now.
    reach.touched.insert(key.child);
    if (!cascades(key) || !reach.followed.insert(key.child).second) {
      continue;
    }
    if (const TableDefinitionPtr child = catalog.find(name_of(key.child))) {
      collect_cascade(catalog, *child, reach);
    }
  }
}

std::vector<std::uint64_t> table_keys(const std::set<TableRef>& tables) {
  std::vector<std::uint64_t> keys;
  keys.reserve(tables.size());
  for (const TableRef& table : tables) {
    keys.push_back(table_key(table.schema, table.table));
  }
  return keys;
}

/// Table keys a cascade over `key` takes: the child, and whatever follows from there.
std::vector<std::uint64_t> cascade_keys(const SchemaCatalog& catalog, const ReferencedBy& key) {
  Reach reach{{key.child}, {key.child}};
  if (const TableDefinitionPtr child = catalog.find(name_of(key.child))) {
    collect_cascade(catalog, *child, reach);
  }
  return table_keys(reach.touched);
}

/// Makes one plan.
class Planner {
 public:
  Planner(const PlanSource& source, const TableDefinitionPtr& definition)
      : source_(source), table_(*definition) {
    plan_.definition = definition;
    plan_.schema_key = schema_key(table_.schema);
    plan_.table_key = table_key(table_.schema, table_.table);
  }

  Status bind_columns(std::span<const std::string> names, std::size_t count) {
    plan_.column_names.assign(names.begin(), names.end());
    plan_.column_count = count;
    if (names.empty()) {
      // Hidden columns, which only names could tell, may stand anywhere.
      plan_.hold_table = count != table_.columns.size();
      for (std::size_t i = 0; i < table_.columns.size(); ++i) {
        image_column_.push_back(i);
      }
      return Ok{};
    }
    for (const ColumnDefinition& column : table_.columns) {
      const auto found = std::find(names.begin(), names.end(), column.name);
      if (found == names.end()) {
        return make_error(
            KeyError::kColumnMismatch,
            "rows of " + table_.schema + "." + table_.table + " lack the column " + column.name);
      }
      image_column_.push_back(static_cast<std::size_t>(found - names.begin()));
    }
    return names.size() == count
               ? Status(Ok{})
               : make_error(KeyError::kColumnMismatch, "column names and columns");
  }

  TableKeyPlan make(std::size_t column_count) {
    for (const UniqueKey& key : table_.unique_keys) {
      plan_.indexes.push_back(index_plan(table_, key, own_parts(key)));
      for (const std::uint16_t column : key.depends_on) {
        plan_.indexes.back().depends_on.push_back(image_column_[column]);
      }
    }
    choose_identity(column_count);
    for (const ForeignKey& key : table_.foreign_keys) {
      plan_.references.push_back(reference_plan(key));
    }
    for (const ReferencedBy& key : table_.referenced_by) {
      plan_.referenced.push_back(referenced_plan(key));
    }
    plan_.hold_keys = neighbour_table_keys(*source_.catalog, table_);
    return std::move(plan_);
  }

 private:
  PartPlan part_plan(std::size_t column, std::uint32_t prefix_length) const {
    const ColumnDefinition& definition = table_.columns[column];
    PartPlan part;
    part.column = image_column_[column];
    part.prefix_length = prefix_length;
    part.is_text = definition.is_text;
    if (part.is_text) {
      part.collation_id = definition.collation_id;
      part.traits = collation_traits(definition.collation);
      part.weights = source_.weights ? source_.weights->find(definition.collation) : nullptr;
    }
    return part;
  }

  std::vector<PartPlan> own_parts(const UniqueKey& key) const {
    std::vector<PartPlan> parts;
    for (const KeyPart& part : key.parts) {
      parts.push_back(part_plan(part.column, part.prefix_length));
    }
    return parts;
  }

  /// `owner` names the key; the parts may be another table's columns.
  static IndexPlan index_plan(const TableDefinition& owner,
                              const UniqueKey& key,
                              std::vector<PartPlan> parts) {
    IndexPlan plan;
    const std::pair<KeyHash*, KeyDomain> prefixes[] = {{&plan.prefix, KeyDomain::kIndex},
                                                       {&plan.any_prefix, KeyDomain::kIndexAny}};
    for (const auto& [hash, domain] : prefixes) {
      hash->start(domain);
      hash->add_name(owner.schema);
      hash->add_name(owner.table);
      hash->add_name(key.name);
    }
    plan.parts = std::move(parts);
    plan.exact = key.exact;
    plan.has_folded = std::any_of(plan.parts.begin(), plan.parts.end(), [](const PartPlan& part) {
      return part.is_text && (part.traits.kind == CollationKind::kFolded ||
                              part.traits.kind == CollationKind::kUnknown);
    });
    return plan;
  }

  void choose_identity(std::size_t column_count) {
    for (std::size_t i = 0; i < table_.unique_keys.size(); ++i) {
      if (table_.unique_keys[i].exact && !table_.unique_keys[i].nullable) {
        plan_.indexes[i].identity = true;
        return;
      }
    }
    plan_.whole_row = true;
    plan_.row_columns.assign(column_count, true);
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
      if (table_.columns[i].generated && image_column_[i] < column_count) {
        plan_.row_columns[image_column_[i]] = false;
      }
    }
    plan_.row_prefix.start(KeyDomain::kWholeRow);
    plan_.row_prefix.add_name(table_.schema);
    plan_.row_prefix.add_name(table_.table);
  }

  ReferencePlan reference_plan(const ForeignKey& key) const {
    ReferencePlan plan;
    for (const std::uint16_t column : key.columns) {
      plan.columns.push_back(image_column_[column]);
    }
    plan.coarse_key = referenced_key(key.parent);
    const TableDefinitionPtr parent = source_.catalog->find(name_of(key.parent));
    const auto exact = parent ? exact_reference(*parent, table_, key) : std::nullopt;
    if (exact) {
      std::vector<PartPlan> parts;
      for (const std::size_t column : exact->child_columns) {
        parts.push_back(part_plan(column, 0));
      }
      plan.exact = index_plan(*parent, *exact->key, std::move(parts));
    }
    return plan;
  }

  ReferencedPlan referenced_plan(const ReferencedBy& key) const {
    ReferencedPlan plan;
    for (const std::uint16_t column : key.columns) {
      plan.columns.push_back(image_column_[column]);
    }
    const TableDefinitionPtr child = source_.catalog->find(name_of(key.child));
    if (!child || !exact_reference(table_, *child, key)) {
      plan.coarse_key = referenced_key(ref_of(table_));
    }
    if (key.cascades_on_delete) {
      plan.on_delete = cascade_keys(*source_.catalog, key);
    }
    if (key.cascades_on_update) {
      plan.on_update = cascade_keys(*source_.catalog, key);
    }
    return plan;
  }

  const PlanSource& source_;
  const TableDefinition& table_;
  TableKeyPlan plan_;
  std::vector<std::size_t> image_column_;  ///< by column of the definition
};

/// -0.0 and 0.0 are equal.
bool is_zero(const ColumnValue& value) {
  if (value.kind == ValueKind::kFloat && value.bytes.size() == 4) {
    return (load_le<4>(value.bytes.data()) & 0x7FFFFFFF) == 0;
  }
  return value.kind == ValueKind::kDouble && value.bytes.size() == 8 &&
         (load_le<8>(value.bytes.data()) & 0x7FFFFFFFFFFFFFFF) == 0;
}

void append_binary(const ColumnValue& value, std::uint32_t prefix_length, Buffer& out) {
  Bytes bytes = value.bytes;
  if (is_zero(value)) {
    return;
  }
  if (value.kind == ValueKind::kText || value.kind == ValueKind::kBinary) {
    if (prefix_length != 0) {
      bytes = bytes.first(std::min<std::size_t>(bytes.size(), prefix_length));
    }
    // BINARY(n) is logged without its zeros; for VARBINARY this is only coarser.
    while (!bytes.empty() && bytes.back() == 0) {
      bytes = bytes.first(bytes.size() - 1);
    }
  }
  append(out, bytes);
}

bool fits(const PartPlan& part, const RowImage& image) {
  if (part.column >= image.size() || !image[part.column].present) {
    return false;
  }
  const ColumnValue& value = image[part.column];
  if (value.kind == ValueKind::kNull) {
    return true;
  }
  if (!part.is_text) {
    return value.kind != ValueKind::kOpaque;
  }
  return value.kind == ValueKind::kText &&
         (value.collation == 0 || part.collation_id == 0 || value.collation == part.collation_id);
}

}  // namespace

HashedValue IndexPlan::hash_value(const RowImage& image, KeyHash& hash) const {
  hash.start(prefix);
  bool certain = exact;
  for (const PartPlan& part : parts) {
    if (!fits(part, image)) {
      return {ValueState::kMismatch, 0};
    }
    const ColumnValue& value = image[part.column];
    if (value.kind == ValueKind::kNull) {
      return {};
    }
    const std::size_t at = hash.open_value();
    if (part.is_text) {
      certain = fold_text(part.traits, part.weights, value.bytes, part.prefix_length, hash.out()) &&
                certain;
    } else {
      append_binary(value, part.prefix_length, hash.out());
    }
    hash.close_value(at);
  }
  return {certain ? ValueState::kCertain : ValueState::kUncertain, hash.digest()};
}

std::uint64_t IndexPlan::hash_any(const RowImage& image, KeyHash& hash) const {
  hash.start(any_prefix);
  for (const PartPlan& part : parts) {
    const bool is_certain = !part.is_text || part.traits.kind == CollationKind::kBytes ||
                            part.traits.kind == CollationKind::kPadded;
    if (!exact || !is_certain) {
      continue;
    }
    const ColumnValue& value = image[part.column];
    const std::size_t at = hash.open_value();
    if (part.is_text) {
      static_cast<void>(
          fold_text(part.traits, part.weights, value.bytes, part.prefix_length, hash.out()));
    } else {
      append_binary(value, part.prefix_length, hash.out());
    }
    hash.close_value(at);
  }
  return hash.digest();
}

Result<TableKeyPlan> make_key_plan(const PlanSource& source,
                                   const TableDefinitionPtr& definition,
                                   std::span<const std::string> column_names,
                                   std::size_t column_count) {
  Planner planner(source, definition);
  Status status = planner.bind_columns(column_names, column_count);
  if (!status) {
    return status.error();
  }
  return planner.make(column_count);
}

std::vector<TableRef> missing_definitions(const SchemaCatalog& catalog, TableName table) {
  const TableRef start{std::string(table.schema), std::string(table.table)};
  const TableDefinitionPtr definition = catalog.find(table);
  if (!definition) {
    return {start};
  }
  std::set<TableRef> missing;
  const auto need = [&](const TableRef& name) {
    TableDefinitionPtr found = catalog.find(name_of(name));
    if (!found) {
      missing.insert(name);
    }
    return found;
  };
  for (const ForeignKey& key : definition->foreign_keys) {
    static_cast<void>(need(key.parent));
  }
  // Children, and what their cascades reach.
  std::set<TableRef> seen{start};
  std::vector<TableDefinitionPtr> open{definition};
  while (!open.empty()) {
    const TableDefinitionPtr parent = std::move(open.back());
    open.pop_back();
    for (const ReferencedBy& key : parent->referenced_by) {
      const TableDefinitionPtr child = need(key.child);
      if (child && cascades(key) && seen.insert(key.child).second) {
        open.push_back(child);
      }
    }
  }
  return {missing.begin(), missing.end()};
}

std::vector<std::uint64_t> neighbour_table_keys(const SchemaCatalog& catalog,
                                                const TableDefinition& definition) {
  std::vector<std::uint64_t> keys = cascade_table_keys(catalog, definition);
  keys.push_back(table_key(definition.schema, definition.table));
  for (const ForeignKey& key : definition.foreign_keys) {
    keys.push_back(table_key(key.parent.schema, key.parent.table));
  }
  return keys;
}

std::vector<std::uint64_t> cascade_table_keys(const SchemaCatalog& catalog,
                                              const TableDefinition& definition) {
  Reach reach;
  collect_cascade(catalog, definition, reach);
  return table_keys(reach.touched);
}

}  // namespace consort::certifier
