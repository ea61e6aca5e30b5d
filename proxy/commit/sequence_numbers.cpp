#include "proxy/commit/sequence_numbers.h"

#include <algorithm>
#include <string>
#include <utility>

#include "protocol/row_events.h"

namespace consort::proxy {
namespace {

// The columns of every sequence's table.
constexpr std::size_t kNextColumn = 0;
constexpr std::size_t kCacheColumn = 5;
constexpr std::size_t kSequenceColumns = 8;

constexpr std::size_t kCycleColumn = 6;

/// A sequence's row brings all columns: BIGINT, but for one that is TINYINT.
bool is_sequences(const RowImage& row) {
  if (row.size() != kSequenceColumns) {
    return false;
  }
  for (std::size_t column = 0; column < kSequenceColumns; ++column) {
    const std::size_t bytes = column == kCycleColumn ? 1 : 8;
    if (!row[column].present || row[column].bytes.size() != bytes) {
      return false;
    }
  }
  return true;
}

std::uint64_t number_in(const RowImage& row, std::size_t column) {
  return load_le<8>(row[column].bytes.data());
}

class ReserveVisitor final : public protocol::GroupRowsVisitor {
 public:
  explicit ReserveVisitor(std::uint32_t step) : step_(step) {}

  Status on_table(const protocol::TableMap& map) override {
    schema_ = map.schema();
    table_ = map.table();
    return Ok{};
  }

  void on_row(const RowDiff& row) override {
    if (!is_sequences(row.after)) {
      malformed_ = true;
      return;
    }
    const std::uint64_t cache = number_in(row.after, kCacheColumn);
    certifier::SequenceReserve reserve{schema_, table_,
                                       static_cast<std::int64_t>(number_in(row.after, kNextColumn)),
                                       std::min(cache, certifier::kSequenceCacheMax), step_};
    reserves_.push_back(std::move(reserve));
  }

  void on_uncut_rows(const protocol::TableMap& /*map*/) override { malformed_ = true; }

  Status on_table_without_rows(const protocol::TableMap& /*map*/) override { return Ok{}; }

  [[nodiscard]] bool malformed() const { return malformed_; }

  [[nodiscard]] std::vector<certifier::SequenceReserve> take() { return std::move(reserves_); }

 private:
  std::uint32_t step_;
  std::string schema_;
  std::string table_;
  std::vector<certifier::SequenceReserve> reserves_;
  bool malformed_ = false;
};

}  // namespace

bool has_sequences_only(const protocol::BinlogGroup& group,
                        const certifier::SchemaCatalog& catalog) {
  return std::all_of(group.tables.begin(), group.tables.end(), [&catalog](const auto& table) {
    const certifier::TableDefinitionPtr known = catalog.find(TableName{table.schema, table.table});
    return known != nullptr && known->is_sequence;
  });
}

Result<std::vector<certifier::SequenceReserve>> reserves_of(const protocol::BinlogGroup& group,
                                                            std::uint32_t step) {
  ReserveVisitor visitor(step);
  if (const Status status = protocol::visit_group_rows(group, visitor); !status.ok()) {
    return status.error();
  }
  if (visitor.malformed()) {
    return make_error("a sequence's row has not the columns of one");
  }
  return visitor.take();
}

}  // namespace consort::proxy
