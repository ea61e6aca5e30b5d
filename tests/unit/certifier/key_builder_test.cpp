// What only whole servers can show is in tests/integration/cpp/keys_check.cpp; here are limits,
// errors, and rows that do not fit.

#include "certifier/key_builder.h"

#include <algorithm>
#include <set>

#include "tests/support/test.h"

namespace consort::certifier {
namespace {

constexpr std::uint16_t kGeneralCi = 45;

ColumnDefinition column(const char* name, const char* type) {
  ColumnDefinition definition;
  definition.name = name;
  definition.data_type = type;
  definition.column_type = type;
  if (std::string_view(type) == "varchar") {
    definition.is_text = true;
    definition.collation = "utf8mb4_general_ci";
    definition.collation_id = kGeneralCi;
  }
  return definition;
}

/// s.t(id int primary key, name varchar unique, n int)
TableDefinition people() {
  TableDefinition table;
  table.schema = "s";
  table.table = "t";
  table.columns = {column("id", "int"), column("name", "varchar"), column("n", "int")};
  table.columns[1].nullable = true;
  table.unique_keys.push_back({"PRIMARY", true, true, false, {{0, 0}}, {}});
  table.unique_keys.push_back({"name", false, true, true, {{1, 0}}, {}});
  return table;
}

ColumnValue number(const char* bytes) {
  return {ValueKind::kFixed, true, 0, as_bytes(std::string_view(bytes, 4))};
}

ColumnValue text(std::string_view value, std::uint16_t collation = kGeneralCi) {
  return {ValueKind::kText, true, collation, as_bytes(value)};
}

RowDiff insert(RowImage image) {
  return {RowChange::kInsert, {}, std::move(image)};
}

const std::vector<std::string> kNames{"id", "name", "n"};

std::vector<RowKey> keys_of(KeyBuilder& builder,
                            const RowDiff& row,
                            const std::vector<std::string>& names = kNames) {
  const std::size_t count = std::max(row.before.size(), row.after.size());
  const Status status = builder.begin_table({"s", "t"}, names, count);
  REQUIRE_MESSAGE(status.ok(), status.error().message);
  builder.add_row(row);
  return builder.take();
}

bool holds(const std::vector<RowKey>& keys, std::uint64_t hash, KeyHold hold) {
  return std::find(keys.begin(), keys.end(), RowKey{hash, hold}) != keys.end();
}

TEST_SUITE("certifier") {
  TEST_CASE("KeyBuilder: keys of an insert") {
    SchemaCatalog catalog;
    catalog.put(people());
    KeyBuilder builder(catalog);
    const auto keys = keys_of(builder, insert({number("1aaa"), text("Bob"), number("xxxx")}));
    EXPECT(keys.size() == 5);  // schema, table, primary, name, any name
    EXPECT(std::is_sorted(keys.begin(), keys.end()));
    EXPECT(holds(keys, table_key("s", "t"), KeyHold::kShared));
    EXPECT(holds(keys, schema_key("s"), KeyHold::kShared));
    EXPECT(builder.take().empty());
    EXPECT(keys == keys_of(builder, insert({number("1aaa"), text("BOB "), number("yyyy")})));
    EXPECT(keys != keys_of(builder, insert({number("2aaa"), text("BOB "), number("yyyy")})));
  }

  TEST_CASE("KeyBuilder: columns are found by name, hidden ones left aside") {
    SchemaCatalog catalog;
    catalog.put(people());
    KeyBuilder builder(catalog);
    const auto plain = keys_of(builder, insert({number("1aaa"), text("Bob"), number("xxxx")}));
    const auto mixed =
        keys_of(builder, insert({number("hash"), text("Bob"), number("xxxx"), number("1aaa")}),
                {"DB_ROW_HASH_1", "name", "n", "id"});
    EXPECT(plain == mixed);
  }

  TEST_CASE("KeyBuilder: an expression's key is held by rows that may change its value") {
    TableDefinition table = people();
    UniqueKey key;
    key.name = "expression";
    key.exact = false;
    for (const bool known : {false, true}) {
      if (known) {
        key.depends_on = {2};
      }
      table.unique_keys[1] = key;
      SchemaCatalog catalog;
      catalog.put(table);
      KeyBuilder builder(catalog);
      const auto update = [&](const char* n, const char* name) {
        return keys_of(builder, {RowChange::kUpdate,
                                 {number("1aaa"), text("Bob"), number("xxxx")},
                                 {number("1aaa"), text(name), number(n)}});
      };
      const std::size_t row_only = 3;  // schema, table, primary
      EXPECT(update("xxxx", "Eve").size() == row_only + (known ? 0 : 1));
      EXPECT(update("yyyy", "Bob").size() == row_only + 1);
      const auto inserted = keys_of(builder, insert({number("2aaa"), text("Al"), number("xxxx")}));
      EXPECT(inserted.size() == row_only + 1);
      const auto deleted =
          keys_of(builder, {RowChange::kDelete, {number("2aaa"), text("Al"), number("xxxx")}, {}});
      EXPECT(deleted.size() == row_only);
    }
  }

  TEST_CASE("KeyBuilder: errors") {
    SchemaCatalog catalog;
    KeyBuilder builder(catalog);
    const auto code = [&](const std::vector<std::string>& names) {
      const Status status = builder.begin_table({"s", "t"}, names, names.size());
      return status.ok() ? 0 : status.error().code;
    };
    EXPECT(code(kNames) == static_cast<int>(KeyError::kUnknownTable));
    EXPECT(builder.missing_tables({"s", "t"}) == std::vector<TableRef>{{"s", "t"}});
    catalog.put(absent_table({"s", "t"}));
    EXPECT(code(kNames) == static_cast<int>(KeyError::kUnknownTable));
    catalog.put(people());
    EXPECT(code(kNames) == 0);
    EXPECT(code({"id", "renamed", "n"}) == static_cast<int>(KeyError::kColumnMismatch));
  }

  TEST_CASE("KeyBuilder: rows that do not fit take the whole table") {
    SchemaCatalog catalog;
    catalog.put(people());
    KeyBuilder builder(catalog);
    const auto takes_table = [&](RowImage image, const std::vector<std::string>& names) {
      return holds(keys_of(builder, insert(std::move(image)), names), table_key("s", "t"),
                   KeyHold::kExclusive);
    };
    const ColumnValue absent{ValueKind::kNull, false, 0, {}};
    EXPECT_FALSE(takes_table({number("1aaa"), text("a"), number("1aaa")}, {}));
    EXPECT(takes_table({number("1aaa"), text("a"), number("1aaa"), number("1aaa")}, {}));
    EXPECT(takes_table({absent, text("a"), number("1aaa")}, kNames));
    EXPECT(takes_table({number("1aaa"), text("a", 8), number("1aaa")}, kNames));
    EXPECT(takes_table({number("1aaa"), number("1aaa"), number("1aaa")}, kNames));
  }

  TEST_CASE("KeyBuilder: too many rows become the whole table") {
    SchemaCatalog catalog;
    catalog.put(people());
    KeyBuilder builder(catalog, nullptr, {.row_keys_max = 10});
    REQUIRE(builder.begin_table({"s", "t"}, kNames, 3).ok());
    for (std::uint32_t i = 0; i < 100; ++i) {
      Buffer id;
      append_le<4>(id, i);
      builder.add_row(insert(
          {{ValueKind::kFixed, true, 0, id}, {ValueKind::kNull, true, 0, {}}, number("1aaa")}));
    }
    const auto keys = builder.take();
    EXPECT(keys.size() < 15);
    EXPECT(holds(keys, table_key("s", "t"), KeyHold::kExclusive));
    // Only for that writeset.
    EXPECT_FALSE(holds(keys_of(builder, insert({number("1aaa"), text("a"), number("1aaa")})),
                       table_key("s", "t"), KeyHold::kExclusive));
  }

  TEST_CASE("KeyBuilder: a new definition is used at once") {
    SchemaCatalog catalog;
    catalog.put(people());
    KeyBuilder builder(catalog);
    const RowDiff row = insert({number("1aaa"), text("Bob"), number("xxxx")});
    const auto before = keys_of(builder, row);
    TableDefinition changed = people();
    changed.unique_keys.push_back({"n", false, true, false, {{2, 0}}, {}});
    catalog.put(changed);
    EXPECT(keys_of(builder, row).size() == before.size() + 1);
  }

  TEST_CASE("KeyBuilder: missing_tables follows cascades") {
    SchemaCatalog catalog;
    TableDefinition parent = people();
    parent.referenced_by.push_back({"fk", {"s", "child"}, {0}, {"p"}, true, false});
    parent.foreign_keys.push_back({"up", {"s", "grandparent"}, {2}, {"id"}});
    catalog.put(parent);
    KeyBuilder builder(catalog);
    EXPECT(builder.missing_tables({"s", "t"}) ==
           std::vector<TableRef>{{"s", "child"}, {"s", "grandparent"}});
    TableDefinition child = people();
    child.table = "child";
    child.referenced_by.push_back({"fk2", {"s", "leaf"}, {0}, {"c"}, false, false});
    catalog.put(child);
    catalog.put(absent_table({"s", "grandparent"}));
    EXPECT(builder.missing_tables({"s", "t"}) == std::vector<TableRef>{{"s", "leaf"}});
  }

  TEST_CASE("KeyBuilder: sequences hold their table only") {
    SchemaCatalog catalog;
    TableDefinition sequence = people();
    sequence.is_sequence = true;
    catalog.put(sequence);
    KeyBuilder builder(catalog);
    EXPECT(keys_of(builder, insert({number("1aaa"), text("a"), number("1aaa")})).size() == 2);
  }

  TEST_CASE("keys of tables, schemas and accounts differ") {
    const std::set<std::uint64_t> keys{table_key("a", "b"), table_key("ab", ""),
                                       table_key("", "ab"), schema_key("a"),
                                       schema_key("ab"),    accounts_key()};
    EXPECT(keys.size() == 6);
    EXPECT(table_key("Shop", "T") == table_key("shop", "t"));
    EXPECT(ddl_keys("s", "t").size() == 2);
    EXPECT(ddl_keys("", "").at(0).hash == accounts_key());
  }
}

}  // namespace
}  // namespace consort::certifier
