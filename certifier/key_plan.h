// TableKeyPlan: how the rows of one table become keys; its definition and those of its foreign-key
// neighbours, worked out once.
// Threads: none; a KeyBuilder owns its plans.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/row_image.h"
#include "certifier/collation_weights.h"
#include "certifier/key_builder.h"
#include "certifier/key_hash.h"
#include "certifier/schema_catalog.h"

namespace consort::certifier {

/// One column of a key, as it lies in the row image.
struct PartPlan {
  std::size_t column = 0;           ///< in the row image
  std::uint32_t prefix_length = 0;  ///< 0: the whole column
  bool is_text = false;
  std::uint16_t collation_id = 0;
  CollationTraits traits;                ///< of text
  const WeightTable* weights = nullptr;  ///< of text, may be null
};

/// What a row's value under an index comes to.
enum class ValueState : std::uint8_t {
  kNone,       ///< a part is NULL: no key
  kCertain,    ///< the hash is equal for equal values
  kUncertain,  ///< the hash is equal for the same stored value only
  kMismatch    ///< the row does not fit the definition: hold the whole table
};

struct HashedValue {
  ValueState state = ValueState::kNone;
  std::uint64_t hash = 0;
};

struct IndexPlan {
  KeyHash prefix;      ///< domain, schema, table, index
  KeyHash any_prefix;  ///< the same for the key of any value
  std::vector<PartPlan> parts;
  bool exact = true;
  bool identity = false;    ///< unchanged rows are known by it
  bool has_folded = false;  ///< some part's equality is not always certain
  /// When not exact: a row whose columns here stay as they are keeps its value; empty: unknown.
  std::vector<std::size_t> depends_on;  ///< in the row image

  /// `hash` is scratch memory.
  [[nodiscard]] HashedValue hash_value(const RowImage& image, KeyHash& hash) const;

  /// Key of "any value that has the certain parts of this one".
  [[nodiscard]] std::uint64_t hash_any(const RowImage& image, KeyHash& hash) const;
};

/// A foreign key of a child's rows.
struct ReferencePlan {
  std::optional<IndexPlan> exact;    ///< the parent's unique key over the child's columns
  std::vector<std::size_t> columns;  ///< in the row image
  std::uint64_t coarse_key = 0;      ///< when not exact
};

/// A foreign key that refers to this table's rows.
struct ReferencedPlan {
  std::vector<std::size_t> columns;  ///< in the row image
  std::optional<std::uint64_t> coarse_key;
  std::vector<std::uint64_t> on_delete;  ///< table keys that a delete's cascade takes
  std::vector<std::uint64_t> on_update;
};

struct TableKeyPlan {
  TableDefinitionPtr definition;
  std::uint64_t schema_key = 0;
  std::uint64_t table_key = 0;
  bool hold_table = false;               ///< rows cannot be told apart: the whole table, always
  std::vector<std::uint64_t> hold_keys;  ///< table keys that hold it, its neighbours included
  bool whole_row = false;                ///< no usable unique key
  std::vector<IndexPlan> indexes;
  std::vector<ReferencePlan> references;
  std::vector<ReferencedPlan> referenced;
  std::vector<bool> row_columns;  ///< for whole_row: which columns of the image count
  KeyHash row_prefix;
  std::size_t row_keys = 0;               ///< in the present writeset
  std::vector<std::string> column_names;  ///< what it was made for
  std::size_t column_count = 0;

  [[nodiscard]] bool fits(std::span<const std::string> names, std::size_t count) const {
    return count == column_count &&
           std::equal(names.begin(), names.end(), column_names.begin(), column_names.end());
  }
};

/// What plans are made from.
struct PlanSource {
  const SchemaCatalog* catalog = nullptr;
  const CollationWeights* weights = nullptr;
};

/// Works out the plan of `definition` for rows with these columns. Errors: KeyError.
[[nodiscard]] Result<TableKeyPlan> make_key_plan(const PlanSource& source,
                                                 const TableDefinitionPtr& definition,
                                                 std::span<const std::string> column_names,
                                                 std::size_t column_count);

/// Definitions that the plan of `table` needs and the catalog lacks.
[[nodiscard]] std::vector<TableRef> missing_definitions(const SchemaCatalog& catalog,
                                                        TableName table);

/// Table keys of `definition`, its parents and all that cascade_table_keys() names: without row
/// keys a parent could not be told from another by its children, nor the other way round.
[[nodiscard]] std::vector<std::uint64_t> neighbour_table_keys(const SchemaCatalog& catalog,
                                                              const TableDefinition& definition);

/// Keys of every table that a cascade from `definition` may change or whose foreign keys it may
/// touch, at any depth. REQUIRES: missing_definitions() of it is empty.
[[nodiscard]] std::vector<std::uint64_t> cascade_table_keys(const SchemaCatalog& catalog,
                                                            const TableDefinition& definition);

}  // namespace consort::certifier
