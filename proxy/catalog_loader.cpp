#include "proxy/catalog_loader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <memory>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/server_kind.h"
#include "base/sql_identifier.h"
#include "certifier/lane_sql.h"
#include "router/token.h"

namespace consort::proxy {
namespace {

using certifier::ColumnDefinition;
using certifier::ForeignKey;
using certifier::KeyPart;
using certifier::ReferencedBy;
using certifier::TableDefinition;
using certifier::TableRef;
using certifier::UniqueKey;

constexpr std::size_t kRowsMax = 100'000;
constexpr std::string_view kPrimary = "PRIMARY";

/// One result row: texts, empty for NULL.
using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

/// Runs queries about one table.
class Session {
 public:
  explicit Session(MYSQL* connection) : connection_(connection) {}

  Result<Rows> query(const std::string& sql) {
    if (mysql_real_query(connection_, sql.data(), sql.size()) != 0) {
      return failure();
    }
    const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result(
        mysql_use_result(connection_), &mysql_free_result);
    if (result == nullptr) {
      return failure();
    }
    Rows rows;
    const unsigned columns = mysql_num_fields(result.get());
    while (const MYSQL_ROW values = mysql_fetch_row(result.get())) {
      const unsigned long* lengths = mysql_fetch_lengths(result.get());
      if (rows.size() == kRowsMax) {
        return make_error(CatalogError::kQueryFailed, "too many rows from information_schema");
      }
      Row& row = rows.emplace_back();
      for (unsigned i = 0; i < columns; ++i) {
        row.emplace_back(values[i] ? std::string(values[i], lengths[i]) : std::string());
      }
    }
    return mysql_errno(connection_) == 0 ? Result<Rows>(std::move(rows)) : failure();
  }

  /// `text` as a literal.
  std::string quote(const std::string& text) const {
    std::string escaped(text.size() * 2 + 1, '\0');
    escaped.resize(mysql_real_escape_string(connection_, escaped.data(), text.data(), text.size()));
    return "'" + escaped + "'";
  }

  Status use_utf8() {
    return mysql_set_character_set(connection_, "utf8mb4") == 0 ? Status(Ok{}) : failure();
  }

  /// MySQL can hide the primary keys that it made itself from information_schema. Its binlog has
  /// them, and they are all that tells rows apart.
  Status show_generated_keys() {
    constexpr std::string_view kSql =
        "SET SESSION show_gipk_in_create_table_and_information_schema=ON";
    return mysql_real_query(connection_, kSql.data(), kSql.size()) == 0 ? Status(Ok{}) : failure();
  }

 private:
  Error failure() const {
    return make_error(CatalogError::kQueryFailed,
                      "loading a table definition: " + std::string(mysql_error(connection_)));
  }

  MYSQL* connection_;
};

std::uint32_t number(const std::string& text) {
  std::uint32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool is_text_type(std::string_view data_type) {
  constexpr std::array<std::string_view, 6> kTexts{"char", "varchar",    "tinytext",
                                                   "text", "mediumtext", "longtext"};
  return std::find(kTexts.begin(), kTexts.end(), data_type) != kTexts.end();
}

/// There is one way to spell it, but for its case.
bool is_plain_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool cascades(std::string_view rule) {
  return rule != "RESTRICT" && rule != "NO ACTION";
}

/// Reads one table's definition, step by step.
class Loader {
 public:
  Loader(MYSQL* connection, const TableRef& name)
      : session_(connection), server_(server_kind_of(mysql_get_server_info(connection))) {
    table_.schema = name.schema;
    table_.table = name.table;
  }

  Result<TableDefinition> load() {
    using Step = Status (Loader::*)();
    constexpr std::array<Step, 7> kSteps{&Loader::load_table,        &Loader::load_columns,
                                         &Loader::load_unique_keys,  &Loader::look_for_hidden_rows,
                                         &Loader::mark_overlaps,     &Loader::load_foreign_keys,
                                         &Loader::load_referenced_by};
    Status status = session_.use_utf8();
    if (status.ok() && server_ == ServerKind::kMysql) {
      status = session_.show_generated_keys();
    }
    for (const Step step : kSteps) {
      if (status.ok()) {
        status = (this->*step)();
      }
    }
    if (!status) {
      return status.error();
    }
    return std::move(table_);
  }

 private:
  /// Condition on a view's table, with the column names it has there.
  std::string where(const char* schema_column, const char* table_column) const {
    return std::string(" WHERE ") + schema_column + "=" + session_.quote(table_.schema) + " AND " +
           table_column + "=" + session_.quote(table_.table);
  }

  Status load_table() {
    Result<Rows> rows = session_.query(
        "SELECT t.TABLE_TYPE,t.ENGINE,e.TRANSACTIONS FROM information_schema.TABLES t "
        "LEFT JOIN information_schema.ENGINES e ON e.ENGINE=t.ENGINE" +
        where("t.TABLE_SCHEMA", "t.TABLE_NAME"));
    if (!rows) {
      return rows.error();
    }
    if (rows->empty() || rows->front()[0] == "VIEW") {
      return make_error(CatalogError::kTableMissing,
                        "no table " + table_.schema + "." + table_.table);
    }
    const Row& row = rows->front();
    table_.is_sequence = row[0] == "SEQUENCE";
    table_.engine = row[1];
    table_.is_transactional = row[2] == "YES";
    return Ok{};
  }

  Status load_columns() {
    Result<Rows> rows = session_.query(
        "SELECT "
        "c.COLUMN_NAME,c.DATA_TYPE,c.COLUMN_TYPE,c.COLLATION_NAME,c.IS_NULLABLE,c.EXTRA,k.ID "
        "FROM information_schema.COLUMNS c LEFT JOIN information_schema.COLLATIONS k "
        "ON k.COLLATION_NAME=c.COLLATION_NAME" +
        where("c.TABLE_SCHEMA", "c.TABLE_NAME") + " ORDER BY c.ORDINAL_POSITION");
    if (!rows) {
      return rows.error();
    }
    for (const Row& row : *rows) {
      ColumnDefinition column;
      column.name = row[0];
      column.data_type = row[1];
      column.column_type = row[2];
      column.collation = row[3];
      column.nullable = row[4] == "YES";
      column.generated = row[5].find("GENERATED") != std::string::npos &&
                         row[5].find("DEFAULT_GENERATED") == std::string::npos;
      column.collation_id = static_cast<std::uint16_t>(number(row[6]));
      column.is_text = is_text_type(column.data_type);
      table_.columns.push_back(std::move(column));
    }
    return Ok{};
  }

  Status load_unique_keys() {
    Result<Rows> rows =
        session_.query(std::string("SELECT INDEX_NAME,COLUMN_NAME,SUB_PART") +
                       (server_ == ServerKind::kMysql ? ",EXPRESSION" : ",NULL") +
                       " FROM information_schema.STATISTICS" + where("TABLE_SCHEMA", "TABLE_NAME") +
                       " AND NON_UNIQUE=0 ORDER BY INDEX_NAME<>'PRIMARY',INDEX_NAME,SEQ_IN_INDEX");
    if (!rows) {
      return rows.error();
    }
    for (const Row& row : *rows) {
      if (table_.unique_keys.empty() || table_.unique_keys.back().name != row[0]) {
        UniqueKey key;
        key.name = row[0];
        key.primary = row[0] == kPrimary;
        table_.unique_keys.push_back(std::move(key));
      }
      add_part(table_.unique_keys.back(), row[1], number(row[2]));
      if (!row[3].empty()) {
        add_dependencies(table_.unique_keys.back(), row[3]);
      }
    }
    for (UniqueKey& key : table_.unique_keys) {
      if (!key.depends_on.empty()) {
        std::transform(key.parts.begin(), key.parts.end(), std::back_inserter(key.depends_on),
                       [](const KeyPart& part) { return part.column; });
      }
    }
    return Ok{};
  }

  /// MySQL 9.7 looks for rows of a table without a key of its own by way of a SPATIAL index, and
  /// finds none: its own replicas do not either (measured).
  Status look_for_hidden_rows() {
    const bool named =
        std::any_of(table_.unique_keys.begin(), table_.unique_keys.end(),
                    [](const UniqueKey& key) { return !key.nullable && key.depends_on.empty(); });
    if (server_ != ServerKind::kMysql || named) {
      return Ok{};
    }
    Result<Rows> rows =
        session_.query("SELECT INDEX_NAME FROM information_schema.STATISTICS" +
                       where("TABLE_SCHEMA", "TABLE_NAME") + " AND INDEX_TYPE='SPATIAL' LIMIT 1");
    if (!rows) {
      return rows.error();
    }
    table_.hides_rows = !rows->empty();
    return Ok{};
  }

  /// All columns that `expression` names, and those whose names it may spell in some other way.
  void add_dependencies(UniqueKey& key, const std::string& expression) {
    const std::string text = router::lower_case(expression);
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
      const std::string& name = table_.columns[i].name;
      if (!is_plain_name(name) ||
          text.find("`" + router::lower_case(name) + "`") != std::string::npos) {
        key.depends_on.push_back(static_cast<std::uint16_t>(i));
      }
    }
  }

  void add_part(UniqueKey& key, const std::string& column_name, std::uint32_t prefix_length) {
    const std::size_t column = table_.column_index(column_name);
    if (column == TableDefinition::kNoColumn) {
      // An expression, of which no row event tells the value, or a hidden column.
      key.exact = false;
      return;
    }
    key.nullable = key.nullable || table_.columns[column].nullable;
    key.parts.push_back({static_cast<std::uint16_t>(column), prefix_length});
  }

  /// WITHOUT OVERLAPS is told by nothing but the CREATE statement.
  Status mark_overlaps() {
    const bool possible = std::any_of(table_.unique_keys.begin(), table_.unique_keys.end(),
                                      [](const UniqueKey& key) { return key.parts.size() >= 2; });
    if (!possible || table_.is_sequence) {
      return Ok{};
    }
    Result<Rows> rows = session_.query("SHOW CREATE TABLE " + sql_identifier(table_.schema) + "." +
                                       sql_identifier(table_.table));
    if (!rows) {
      return rows.error();
    }
    if (!rows->empty() && rows->front().size() >= 2 &&
        rows->front()[1].find("WITHOUT OVERLAPS") != std::string::npos) {
      for (UniqueKey& key : table_.unique_keys) {
        key.exact = key.exact && key.parts.size() < 2;
      }
    }
    return Ok{};
  }

  Status load_foreign_keys() {
    Result<Rows> rows = session_.query(
        "SELECT CONSTRAINT_NAME,REFERENCED_TABLE_SCHEMA,REFERENCED_TABLE_NAME,COLUMN_NAME,"
        "REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE" +
        where("TABLE_SCHEMA", "TABLE_NAME") +
        " AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY CONSTRAINT_NAME,ORDINAL_POSITION");
    if (!rows) {
      return rows.error();
    }
    for (const Row& row : *rows) {
      if (table_.foreign_keys.empty() || table_.foreign_keys.back().name != row[0]) {
        table_.foreign_keys.push_back({row[0], {row[1], row[2]}, {}, {}});
      }
      const std::size_t column = table_.column_index(row[3]);
      if (column == TableDefinition::kNoColumn) {
        return changed_meanwhile();
      }
      table_.foreign_keys.back().columns.push_back(static_cast<std::uint16_t>(column));
      table_.foreign_keys.back().parent_columns.push_back(row[4]);
    }
    return Ok{};
  }

  Error changed_meanwhile() const {
    return make_error(CatalogError::kQueryFailed, "the table " + table_.schema + "." +
                                                      table_.table +
                                                      " changed while its definition was read");
  }

  Status load_referenced_by() {
    if (table_.engine != "InnoDB") {
      return Ok{};
    }
    Result<std::vector<TableRef>> children = find_children();
    if (!children) {
      return children.error();
    }
    for (const TableRef& child : *children) {
      Status status = load_child(child);
      if (!status) {
        return status;
      }
    }
    return Ok{};
  }

  Result<std::vector<TableRef>> find_children() {
    Result<Rows> rows =
        session_.query(server_ == ServerKind::kMysql ? mysql_children() : mariadb_children());
    if (!rows) {
      return rows.error();
    }
    std::vector<TableRef> children;
    for (const Row& row : *rows) {
      children.push_back({row[0], row[1]});
    }
    return children;
  }

  /// Its dictionary has an index of them.
  std::string mysql_children() const {
    return "SELECT DISTINCT CONSTRAINT_SCHEMA,TABLE_NAME "
           "FROM information_schema.REFERENTIAL_CONSTRAINTS" +
           where("UNIQUE_CONSTRAINT_SCHEMA", "REFERENCED_TABLE_NAME") +
           " AND UNIQUE_CONSTRAINT_CATALOG='def'";
  }

  /// InnoDB's own list is quick; KEY_COLUMN_USAGE would open every table of the server. Its names
  /// are spelled as file names.
  std::string mariadb_children() const {
    const auto file_name = [this](const std::string& name) {
      return "CAST(CONVERT(" + session_.quote(name) + " USING filename) AS BINARY)";
    };
    const auto plain = [](const char* side) {
      return std::string("CONVERT(CONVERT(CAST(SUBSTRING_INDEX(FOR_NAME,'/',") + side +
             ") AS BINARY) USING filename) USING utf8mb4)";
    };
    return "SELECT DISTINCT " + plain("1") + "," + plain("-1") +
           " FROM information_schema.INNODB_SYS_FOREIGN"
           " WHERE CAST(REF_NAME AS BINARY)=CONCAT(" +
           file_name(table_.schema) + ",'/'," + file_name(table_.table) + ")";
  }

  Status load_child(const TableRef& child) {
    const std::string is_child =
        "=" + session_.quote(child.schema) + " AND k.TABLE_NAME=" + session_.quote(child.table);
    Result<Rows> rows = session_.query(
        "SELECT k.CONSTRAINT_NAME,k.COLUMN_NAME,k.REFERENCED_COLUMN_NAME,r.DELETE_RULE,"
        "r.UPDATE_RULE FROM information_schema.KEY_COLUMN_USAGE k "
        "JOIN information_schema.REFERENTIAL_CONSTRAINTS r "
        "ON r.CONSTRAINT_SCHEMA=" +
        session_.quote(child.schema) + " AND r.TABLE_NAME=" + session_.quote(child.table) +
        " AND r.CONSTRAINT_NAME=k.CONSTRAINT_NAME WHERE k.TABLE_SCHEMA" + is_child +
        " AND k.REFERENCED_TABLE_SCHEMA=" + session_.quote(table_.schema) +
        " AND k.REFERENCED_TABLE_NAME=" + session_.quote(table_.table) +
        " ORDER BY k.CONSTRAINT_NAME,k.ORDINAL_POSITION");
    if (!rows) {
      return rows.error();
    }
    ReferencedBy* key = nullptr;
    for (const Row& row : *rows) {
      if (key == nullptr || key->name != row[0]) {
        key = &table_.referenced_by.emplace_back();
        key->name = row[0];
        key->child = child;
        key->cascades_on_delete = cascades(row[3]);
        key->cascades_on_update = cascades(row[4]);
      }
      const std::size_t column = table_.column_index(row[2]);
      if (column == TableDefinition::kNoColumn) {
        return changed_meanwhile();
      }
      key->columns.push_back(static_cast<std::uint16_t>(column));
      key->child_columns.push_back(row[1]);
    }
    return Ok{};
  }

  Session session_;
  ServerKind server_;
  TableDefinition table_;
};

}  // namespace

Result<certifier::TableDefinition> load_table_definition(MYSQL* connection,
                                                         const certifier::TableRef& name) {
  return Loader(connection, name).load();
}

}  // namespace consort::proxy
