#include "proxy/group_keys.h"

#include <algorithm>
#include <set>
#include <utility>

#include "protocol/row_events.h"

namespace consort::proxy {
namespace {

using certifier::KeyBuilder;
using certifier::TableDefinitionPtr;
using certifier::TableRef;
using protocol::BinlogGroup;
using protocol::BinlogTable;
using protocol::TableMap;

/// Feeds rows to the key builder.
class KeyVisitor final : public protocol::GroupRowsVisitor {
 public:
  explicit KeyVisitor(KeyBuilder& builder) : builder_(builder) {}

  Status on_table(const TableMap& map) override {
    Status status = builder_.begin_table(map.name(), map.column_names(), map.columns().size());
    definition_failed_ = !status.ok();
    return status;
  }

  void on_row(const RowDiff& row) override { builder_.add_row(row); }

  void on_uncut_rows(const TableMap& map) override { builder_.add_whole_table(map.name()); }

  Status on_table_without_rows(const TableMap& map) override {
    builder_.add_table_without_rows(map.name());
    return Ok{};
  }

  [[nodiscard]] bool definition_failed() const { return definition_failed_; }

 private:
  KeyBuilder& builder_;
  bool definition_failed_ = false;
};

}  // namespace

std::vector<TableRef> group_missing_tables(const BinlogGroup& group, const KeyBuilder& builder) {
  std::set<TableRef> missing;
  for (const BinlogTable& table : group.tables) {
    for (TableRef& name : builder.missing_tables({table.schema, table.table})) {
      missing.insert(std::move(name));
    }
  }
  return {missing.begin(), missing.end()};
}

Result<std::vector<RowKey>> group_keys(const BinlogGroup& group, KeyBuilder& builder) {
  static_cast<void>(builder.take());  // what an earlier failure may have left
  KeyVisitor visitor(builder);
  Status status = protocol::visit_group_rows(group, visitor);
  std::vector<RowKey> keys = builder.take();
  if (!status) {
    return make_error(
        visitor.definition_failed() ? GroupKeysError::kDefinition : GroupKeysError::kMalformed,
        status.error().message);
  }
  return keys;
}

const BinlogTable* find_non_transactional(const BinlogGroup& group,
                                          const certifier::SchemaCatalog& catalog) {
  for (const BinlogTable& table : group.tables) {
    const TableDefinitionPtr definition = catalog.find({table.schema, table.table});
    if (table.has_rows && definition && definition->exists && !definition->is_transactional) {
      return &table;
    }
  }
  return nullptr;
}

const BinlogTable* find_hiding_rows(const BinlogGroup& group,
                                    const certifier::SchemaCatalog& catalog) {
  const bool looks = std::any_of(group.spans.begin(), group.spans.end(), [](const auto& span) {
    return span.type == protocol::BinlogEventType::kUpdateRowsV1 ||
           span.type == protocol::BinlogEventType::kDeleteRowsV1;
  });
  const auto hides = [&catalog](const BinlogTable& table) {
    const TableDefinitionPtr definition = catalog.find({table.schema, table.table});
    return table.has_rows && definition && definition->hides_rows;
  };
  const auto found = std::find_if(group.tables.begin(), group.tables.end(), hides);
  return looks && found != group.tables.end() ? &*found : nullptr;
}

bool leaves_nothing_behind(const BinlogGroup& group, const certifier::SchemaCatalog& catalog) {
  return std::all_of(group.tables.begin(), group.tables.end(), [&catalog](const auto& table) {
    const TableDefinitionPtr known = catalog.find({table.schema, table.table});
    return known != nullptr && known->is_transactional && !known->is_sequence;
  });
}

void flag_foreign_keys(BinlogGroup& group, const certifier::SchemaCatalog& catalog) {
  protocol::set_no_foreign_key_checks(group, true, [&](const TableName& name) {
    const TableDefinitionPtr definition = catalog.find(name);
    return definition && definition->exists && !definition->has_cascades();
  });
}

}  // namespace consort::proxy
