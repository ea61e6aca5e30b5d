// KeyBuilder: changed rows + table definitions -> the keys that certification compares.
// Never misses a conflict: where equality is not certain (an unknown collation, an accent, a hashed
// unique) it adds a coarser key. Rules: docs/formats/keys.md.
// Threads: none; the commit thread owns one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/row_image.h"
#include "base/row_key.h"
#include "certifier/schema_catalog.h"

namespace consort::certifier {

class CollationWeights;
class KeyHash;
struct HashedValue;
struct IndexPlan;
struct ReferencePlan;
struct ReferencedPlan;
struct TableKeyPlan;

enum class KeyError : int {
  kUnknownTable = 1,  ///< the catalog lacks a definition: load what missing_tables() names
  kColumnMismatch     ///< rows do not fit the definition: invalidate the table, load it, try again
};

/// The keys of a writeset. Which last_seen certifies a key follows from its hold: kShared and
/// kReference rest on locks that are gone after XA PREPARE, kUpdate and kExclusive on row locks
/// that are held until the branch ends.
class KeyBuilder {
 public:
  struct Limits {
    /// A table that yields more row keys than this in one writeset is held as a whole instead.
    std::size_t row_keys_max = std::size_t{1} << 18;
  };

  /// `catalog` and `weights` must outlive the builder. `weights` may be null: then characters
  /// outside printable ASCII take coarser keys under case-insensitive collations.
  KeyBuilder(const SchemaCatalog& catalog, const CollationWeights* weights, Limits limits);
  explicit KeyBuilder(const SchemaCatalog& catalog, const CollationWeights* weights = nullptr);
  ~KeyBuilder();
  KeyBuilder(const KeyBuilder&) = delete;
  KeyBuilder& operator=(const KeyBuilder&) = delete;

  /// Definitions that keys of `table` need and the catalog lacks: the table itself, parents and
  /// children of its foreign keys, descendants of cascades. Ask again after loading them, until
  /// it is empty.
  [[nodiscard]] std::vector<TableRef> missing_tables(TableName table) const;

  /// Rows of `table` follow. `column_names` as in the TABLE_MAP, or empty when it has none;
  /// `column_count` the number of columns in its rows. Errors: KeyError.
  [[nodiscard]] Status begin_table(TableName table,
                                   std::span<const std::string> column_names,
                                   std::size_t column_count);

  /// Adds the keys of one row. REQUIRES: begin_table() succeeded and the row has its columns.
  void add_row(const RowDiff& row);

  /// Rows of `table` changed that cannot be told: holds the whole of it and of its neighbours by
  /// foreign keys.
  void add_whole_table(TableName table);

  /// A statement mapped `table` without rows: a cascade may have changed them. With a definition
  /// at hand the keys of the parent's rows cover that; without one the whole table is held.
  void add_table_without_rows(TableName table);

  /// The keys since the last take(), ordered by hash. A hash comes with its strongest hold, and
  /// once more with its strongest weak one (kShared, kReference) when it was held so, too: what was
  /// seen in time is not the same for the two.
  [[nodiscard]] std::vector<RowKey> take();

 private:
  /// How one key is held by the writeset: by locks that last until its end, and by others.
  struct Holds {
    std::optional<KeyHold> weak;    ///< kShared or kReference
    std::optional<KeyHold> strong;  ///< kUpdate or kExclusive
  };

  void add_key(std::uint64_t hash, KeyHold hold);
  void add_row_key(std::uint64_t hash, KeyHold hold);
  void hold_table();
  void add_index_keys(const IndexPlan& index, const RowDiff& row);
  void add_new_value(const IndexPlan& index, const RowImage& after, HashedValue value);
  void add_whole_row(const RowImage& image);
  void add_reference(const ReferencePlan& reference, const RowDiff& row);
  void add_referenced(const ReferencedPlan& referenced, const RowDiff& row);
  [[nodiscard]] Result<TableKeyPlan*> find_plan(TableName table,
                                                std::span<const std::string> column_names,
                                                std::size_t column_count);

  const SchemaCatalog& catalog_;
  const CollationWeights* weights_;
  Limits limits_;
  std::unordered_map<std::uint64_t, Holds> keys_;
  std::map<TableRef, std::unique_ptr<TableKeyPlan>> plans_;
  std::uint64_t plans_version_ = 0;
  TableKeyPlan* plan_ = nullptr;
  std::unique_ptr<KeyHash> hash_;  ///< scratch
};

/// Key of a whole table. Rows hold it kShared; DDL on the table kExclusive. Names are compared
/// without regard to ASCII case, which is right for every lower_case_table_names.
[[nodiscard]] std::uint64_t table_key(std::string_view schema, std::string_view table);

/// Key of a whole schema. Rows hold it kShared; DROP or ALTER DATABASE kExclusive.
[[nodiscard]] std::uint64_t schema_key(std::string_view schema);

/// Of a table, or with an empty `table` of the schema.
[[nodiscard]] std::uint64_t object_key(std::string_view schema, std::string_view table);

/// Key of accounts, roles and privileges. Held kExclusive by account management.
[[nodiscard]] std::uint64_t accounts_key();

/// Stands for changes that no other key can tell: whoever has not seen them loses (BranchDesk). No
/// table, schema or account hashes to it.
inline constexpr std::uint64_t kEverythingKey = 0;

/// Keys of a DDL statement on one target: a table, or with an empty `table` a schema, or with both
/// empty accounts and grants.
[[nodiscard]] std::vector<RowKey> ddl_keys(std::string_view schema, std::string_view table);

}  // namespace consort::certifier
