#include "certifier/schema_catalog.h"

#include "tests/support/test.h"

namespace consort::certifier {
namespace {

TableDefinition table(const char* schema, const char* name) {
  TableDefinition definition;
  definition.schema = schema;
  definition.table = name;
  return definition;
}

TEST_SUITE("certifier") {
  TEST_CASE("SchemaCatalog: find and invalidate") {
    SchemaCatalog catalog;
    catalog.put(table("s", "a"));
    catalog.put(table("s", "b"));
    catalog.put(table("t", "a"));
    EXPECT(catalog.find({"s", "a"}) != nullptr);
    EXPECT(catalog.find({"s", "c"}) == nullptr);
    const std::uint64_t version = catalog.version();
    catalog.invalidate("S", "A");
    EXPECT(catalog.version() > version);
    EXPECT(catalog.find({"s", "a"}) == nullptr);
    EXPECT(catalog.size() == 2);
    catalog.invalidate("s");
    EXPECT(catalog.size() == 1);
    catalog.invalidate();
    EXPECT(catalog.size() == 0);
  }

  TEST_CASE("SchemaCatalog: what foreign keys tie goes together") {
    SchemaCatalog catalog;
    TableDefinition child = table("s", "child");
    child.foreign_keys.push_back({"fk", {"s", "parent"}, {0}, {"id"}});
    catalog.put(child);
    catalog.put(table("s", "parent"));  // loaded before the foreign key was made
    catalog.put(table("s", "other"));
    SUBCASE("from the child") {
      catalog.invalidate("s", "child");
    }
    SUBCASE("from the parent") {
      catalog.invalidate("s", "parent");
    }
    EXPECT(catalog.size() == 1);
    EXPECT(catalog.find({"s", "other"}) != nullptr);
  }

  TEST_CASE("SchemaCatalog: definitions outlive their invalidation") {
    SchemaCatalog catalog;
    catalog.put(table("s", "a"));
    const TableDefinitionPtr held = catalog.find({"s", "a"});
    catalog.invalidate();
    EXPECT(held->table == "a");
  }

  TEST_CASE("absent_table") {
    EXPECT_FALSE(absent_table({"s", "gone"}).exists);
  }
}

}  // namespace
}  // namespace consort::certifier
