#include "router/own_tracking.h"

#include <cstddef>

#include "router/token.h"

namespace consort::router {
namespace {

constexpr std::string_view kPrefix = "session_track_";
constexpr std::string_view kSession = "@@session.";

bool is_tracking(const SetItem& item) {
  return item.guarded && starts_ignoring_case(item.name, kPrefix);
}

}  // namespace

std::optional<std::string> with_own_tracking(std::string_view sql, const Statement& statement) {
  if (statement.kind != StatementKind::kSetSession || statement.has(Flag::kSetStatement) ||
      statement.has(Flag::kUncertain) || statement.has(Flag::kMultiStatement) ||
      statement.settings.overflowed()) {
    return std::nullopt;
  }
  std::string out;
  std::size_t copied = 0;
  for (const SetItem& item : statement.settings) {
    if (!is_tracking(item)) {
      continue;
    }
    const auto begin = static_cast<std::size_t>(item.value.data() - sql.data());
    out += sql.substr(copied, begin - copied);
    out += kSession;
    out += item.name;
    copied = begin + item.value.size();
  }
  if (copied == 0) {
    return std::nullopt;
  }
  out += sql.substr(copied);
  return out;
}

bool keeps_tracking(const SetItem& item) {
  return starts_ignoring_case(item.name, kPrefix) &&
         item.value.size() == kSession.size() + item.name.size() &&
         starts_ignoring_case(item.value, kSession) &&
         equals_ignoring_case(item.value.substr(kSession.size()), item.name);
}

}  // namespace consort::router
