#include "proxy/session/told_as_one.h"

#include <algorithm>
#include <array>

#include "router/token.h"

namespace consort::proxy {
namespace {

constexpr std::array<std::string_view, 6> kToldAsOne = {
    "identity", "insert_id", "last_insert_id", "rand_seed1", "rand_seed2", "timestamp",
};

/// As tracking names it; empty: not one of them, or not the session's.
std::string_view told_name(const router::SetItem& item) {
  if (item.scope == router::SetScope::kGlobal || item.scope == router::SetScope::kUser) {
    return {};
  }
  const auto* const found = std::find_if(
      kToldAsOne.begin(), kToldAsOne.end(),
      [&](std::string_view name) { return router::equals_ignoring_case(item.name, name); });
  return found == kToldAsOne.end() ? std::string_view() : *found;
}

}  // namespace

bool sets_told_as_one(const router::Statement& statement) {
  return std::any_of(statement.settings.begin(), statement.settings.end(),
                     [](const router::SetItem& item) { return !told_name(item).empty(); });
}

std::vector<std::pair<std::string, std::string>> numbers_told_as_one(
    const router::Statement& statement) {
  std::vector<std::pair<std::string, std::string>> numbers;
  std::size_t of_them = 0;
  for (const router::SetItem& item : statement.settings) {
    const std::string_view name = told_name(item);
    of_them += name.empty() ? 0 : 1;
    if (!name.empty() && item.value_kind == router::SetValueKind::kNumber) {
      numbers.emplace_back(name, item.value);
    }
  }
  if (of_them < 2) {
    numbers.clear();
  }
  return numbers;
}

}  // namespace consort::proxy
