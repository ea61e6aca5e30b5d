// One transaction that holds a key in two ways: as the parent of its new child row, and as a parent
// that it deletes itself. What the weaker hold asks for must not be lost in the stronger one.

#include <string>
#include <vector>

#include "certifier/key_builder.h"
#include "certifier/sequencer.h"
#include "tests/support/test.h"

namespace consort::certifier {
namespace {

/// s.parent(nu int, key (nu)) and s.child(nu int references parent(nu) on delete cascade): neither
/// has a unique key, so that one coarse key stands for all parents.
SchemaCatalog family() {
  ColumnDefinition nu;
  nu.name = "nu";
  nu.data_type = nu.column_type = "int";
  nu.nullable = true;
  TableDefinition parent;
  parent.schema = "s";
  parent.table = "parent";
  parent.columns = {nu};
  parent.referenced_by.push_back({"fk", {"s", "child"}, {0}, {"nu"}, true, false});
  TableDefinition child;
  child.schema = "s";
  child.table = "child";
  child.columns = {nu};
  child.foreign_keys.push_back({"fk", {"s", "parent"}, {0}, {"nu"}});
  SchemaCatalog catalog;
  catalog.put(parent);
  catalog.put(child);
  return catalog;
}

RowImage row(const char* number) {
  return {{ValueKind::kFixed, true, 0, as_bytes(std::string_view(number, 4))}};
}

void change(KeyBuilder& builder, const char* table, const RowDiff& diff) {
  REQUIRE(builder.begin_table({"s", table}, std::vector<std::string>{"nu"}, 1).ok());
  builder.add_row(diff);
}

TEST_SUITE("certifier") {
  TEST_CASE("KeyBuilder: a reference is not lost when the same key is taken, too") {
    const SchemaCatalog catalog = family();
    KeyBuilder builder(catalog);
    change(builder, "child", {RowChange::kInsert, {}, row("1aaa")});
    change(builder, "parent", {RowChange::kDelete, row("2aaa"), {}});
    const std::vector<RowKey> first = builder.take();
    change(builder, "parent", {RowChange::kDelete, row("1aaa"), {}});
    const std::vector<RowKey> second = builder.take();

    Sequencer sequencer;
    REQUIRE(sequencer.certify({{}, BackendId{0}, Seqno{0}, Seqno{0}, first}).kind ==
            VerdictKind::kPass);
    // The lane of home 1 applied the first while the second's XA PREPARE was on its way: it did not
    // have to wait, since lanes do not look at the parents of child rows.
    CertifyRequest late{{}, BackendId{1}, Seqno{0}, Seqno{1}, second};
    late.last_seen_at_start = Seqno{0};
    EXPECT(sequencer.certify(late).kind == VerdictKind::kConflict);
  }
}

}  // namespace
}  // namespace consort::certifier
