#include "proxy/session/branch_tables.h"

#include <algorithm>
#include <string>
#include <xxhash.h>

#include "router/token.h"

namespace consort::proxy {
namespace {

using router::Flag;
using router::StatementKind;

std::uint64_t name_hash(std::string_view schema, std::string_view table) {
  std::string name(schema);
  name += '\0';
  name += table;
  const std::string lower = router::lower_case(name);
  return XXH3_64bits(lower.data(), lower.size());
}

/// Its text does not say which tables it uses.
bool hides_tables(const router::Statement& statement) {
  return statement.tables.overflowed() ||
         statement.flags.has_any({Flag::kUnknownFunction, Flag::kUncertain}) ||
         statement.kind == StatementKind::kCall || statement.kind == StatementKind::kUnknown ||
         statement.kind == StatementKind::kCompound ||
         statement.kind == StatementKind::kExecuteText;
}

}  // namespace

void BranchTables::note(const router::Statement& statement, std::string_view schema) {
  locks_rows_ = locks_rows_ || statement.has(Flag::kLockingRead);
  if (hides_tables(statement)) {
    any_ = true;
    return;
  }
  for (const router::TableRef& table : statement.tables) {
    const std::string_view in = table.schema.empty() ? schema : table.schema;
    const std::uint64_t hash = name_hash(in, table.name);
    if (std::find(hashes_.begin(), hashes_.begin() + count_, hash) != hashes_.begin() + count_) {
      continue;
    }
    if (count_ == kTablesMax) {
      any_ = true;
      return;
    }
    hashes_[count_] = hash;
    schemas_[count_] = name_hash(in, {});
    ++count_;
  }
}

bool BranchTables::uses(const DdlTarget& target) const {
  if (any_ || target.schema.empty()) {
    return true;
  }
  const bool whole_schema = target.table.empty();
  const auto& hashes = whole_schema ? schemas_ : hashes_;
  const std::uint64_t hash = name_hash(target.schema, target.table);
  return std::find(hashes.begin(), hashes.begin() + count_, hash) != hashes.begin() + count_;
}

void BranchTables::clear() {
  count_ = 0;
  any_ = false;
  locks_rows_ = false;
}

}  // namespace consort::proxy
