// SchemaCatalog: what the certifier must know of each table to build keys.
// Definitions are immutable; a DDL statement invalidates them and the loader brings new ones.
// Threads: none; the commit thread owns a catalog. Definitions may be read by any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/row_image.h"

namespace consort::certifier {

/// A table's name, owned.
struct TableRef {
  std::string schema;
  std::string table;
  friend auto operator<=>(const TableRef&, const TableRef&) = default;
};

struct ColumnDefinition {
  std::string name;
  std::string data_type;           ///< "int", "varchar", ...
  std::string column_type;         ///< "int(11) unsigned", "varchar(20)", ...
  std::string collation;           ///< its name; empty when the column holds no characters
  std::uint16_t collation_id = 0;  ///< 0: unknown
  bool is_text = false;            ///< CHAR, VARCHAR, TEXT and so on: compared by `collation`
  bool nullable = false;
  bool generated = false;  ///< VIRTUAL or STORED
};

struct KeyPart {
  std::uint16_t column = 0;         ///< index in TableDefinition::columns
  std::uint32_t prefix_length = 0;  ///< characters (bytes for binary); 0: the whole column
};

struct UniqueKey {
  std::string name;  ///< "PRIMARY" or the index name
  bool primary = false;
  /// False when equality is not that of its parts (WITHOUT OVERLAPS, an expression): its keys are
  /// then coarse, one for the whole index.
  bool exact = true;
  bool nullable = false;  ///< some part may be NULL
  std::vector<KeyPart> parts;
  /// Of one that is not exact: all columns its value may depend on, perhaps more; empty: unknown.
  std::vector<std::uint16_t> depends_on;
};

/// A foreign key of which this table is the child.
struct ForeignKey {
  std::string name;
  TableRef parent;
  std::vector<std::uint16_t> columns;       ///< of this table
  std::vector<std::string> parent_columns;  ///< in the same order
};

/// A foreign key of which this table is the parent.
struct ReferencedBy {
  std::string name;
  TableRef child;
  std::vector<std::uint16_t> columns;      ///< of this table
  std::vector<std::string> child_columns;  ///< in the same order
  bool cascades_on_delete = false;         ///< CASCADE, SET NULL or SET DEFAULT
  bool cascades_on_update = false;
};

struct TableDefinition {
  std::string schema;
  std::string table;
  std::string engine;
  bool exists = true;  ///< false: a marker for a table that the backend does not have
  bool is_sequence = false;
  bool is_transactional = true;
  /// Its server looks for the rows of an update or a delete event in a way that finds none.
  bool hides_rows = false;
  std::vector<ColumnDefinition> columns;  ///< in the table's order, without hidden ones
  std::vector<UniqueKey> unique_keys;     ///< the primary key first
  std::vector<ForeignKey> foreign_keys;
  std::vector<ReferencedBy> referenced_by;

  /// Index of a column by name (case-insensitive in ASCII), or npos.
  [[nodiscard]] std::size_t column_index(std::string_view name) const;

  /// A delete or update of a row may change rows of other tables (or of this one) silently.
  [[nodiscard]] bool has_cascades() const;

  static constexpr std::size_t kNoColumn = static_cast<std::size_t>(-1);
};

using TableDefinitionPtr = std::shared_ptr<const TableDefinition>;

/// A definition that says "no such table", so that nobody asks for it again until a DDL.
[[nodiscard]] TableDefinition absent_table(TableRef name);

class SchemaCatalog {
 public:
  /// The definition, or null when it has not been loaded (or was invalidated).
  [[nodiscard]] TableDefinitionPtr find(TableName name) const;

  /// Adds or replaces a definition.
  void put(TableDefinition definition);

  /// Forgets a table and every table tied to it by a foreign key. Empty `table`: the whole schema
  /// and what is tied to it. Both empty: everything.
  void invalidate(std::string_view schema = {}, std::string_view table = {});

  [[nodiscard]] std::size_t size() const { return tables_.size(); }

  /// Grows by one with every put() or invalidate(): tells users of derived plans to drop them.
  [[nodiscard]] std::uint64_t version() const { return version_; }

 private:
  std::map<TableRef, TableDefinitionPtr> tables_;
  std::uint64_t version_ = 0;
};

}  // namespace consort::certifier
