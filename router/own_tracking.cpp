#include "router/own_tracking.h"

#include <algorithm>
#include <cstddef>

#include "router/token.h"

namespace consort::router {
namespace {

constexpr std::string_view kSession = "@@session.";

bool is_tracking(const SetItem& item) {
  return item.guarded && is_tracking_setting(item.name);
}

/// What a literal means for a switch.
std::optional<bool> literal_switch(const SetItem& item) {
  std::string_view text = item.value;
  const bool quoted = item.value_kind == SetValueKind::kString;
  if (quoted) {
    text = text.substr(1, text.size() - 2);
  }
  const auto is = [&](std::string_view word) { return equals_ignoring_case(text, word); };
  const bool word = item.value_kind == SetValueKind::kWord;
  if ((!quoted && text == "1") || is("ON") || (word && is("TRUE"))) {
    return true;
  }
  if ((!quoted && text == "0") || is("OFF") || (word && is("FALSE"))) {
    return false;
  }
  return std::nullopt;
}

/// The session variables that an assignment changes.
void append_names(const SetItem& item, std::vector<std::string>& names) {
  switch (item.scope) {
    case SetScope::kNames:
    case SetScope::kCharacterSet:
      for (const std::string_view name : {"character_set_client", "character_set_connection",
                                          "character_set_results", "collation_connection"}) {
        names.emplace_back(name);
      }
      return;
    case SetScope::kUnscoped:
    case SetScope::kSession:
      names.push_back(lower_case(item.name));
      return;
    case SetScope::kGlobal:
    case SetScope::kUser:
      return;
  }
}

/// A list that is set anew forgets what was to be told (measured).
std::vector<std::string> unheard_names(const Statement& statement) {
  std::vector<std::string> before;
  std::vector<std::string> behind;
  for (const SetItem& item : statement.settings) {
    append_names(item, behind);
    if (is_tracking(item) && equals_ignoring_case(item.name, kTrackedVariables)) {
      before.insert(before.end(), behind.begin(), behind.end());
      behind.assign(1, std::string(kTrackedVariables));
    }
  }
  std::erase_if(before, [&](const std::string& name) {
    return std::find(behind.begin(), behind.end(), name) != behind.end();
  });
  return before;
}

}  // namespace

bool is_tracking_setting(std::string_view name) {
  return equals_ignoring_case(name, kTrackedSchema) ||
         equals_ignoring_case(name, kTrackedVariables);
}

std::optional<TrackingSet> with_own_tracking(std::string_view sql, const Statement& statement) {
  if (statement.kind != StatementKind::kSetSession || statement.has(Flag::kSetStatement) ||
      statement.has(Flag::kUncertain) || statement.has(Flag::kMultiStatement) ||
      statement.settings.overflowed()) {
    return std::nullopt;
  }
  // A value may begin inside an executable comment and end behind it, or the other way round.
  if (sql.find("/*!") != sql.npos || sql.find("/*M!") != sql.npos) {
    return std::nullopt;
  }
  TrackingSet out;
  std::size_t copied = 0;
  bool literals = true;
  for (const SetItem& item : statement.settings) {
    if (!is_tracking(item)) {
      continue;
    }
    // A list that is assigned, even to itself, forgets which variables the SET has changed before
    // it (measured): the other variable takes its place.
    const auto name = static_cast<std::size_t>(item.name.data() - sql.data());
    const auto begin = static_cast<std::size_t>(item.value.data() - sql.data());
    out.sql += sql.substr(copied, name - copied);
    out.sql += kTrackedSchema;
    out.sql += sql.substr(name + item.name.size(), begin - name - item.name.size());
    out.sql += kSession;
    out.sql += kTrackedSchema;
    copied = begin + item.value.size();
    out.assignments += out.assignments.empty() ? "SESSION " : ", SESSION ";
    out.assignments.append(item.name).append("=").append(item.value);
    const bool is_list = equals_ignoring_case(item.name, kTrackedVariables);
    out.sets_list = out.sets_list || is_list;
    out.sets_schema = out.sets_schema || !is_list;
    out.schema = literal_switch(item);
    literals = literals && out.schema.has_value();
  }
  if (copied == 0) {
    return std::nullopt;
  }
  out.sql += sql.substr(copied);
  if (out.sets_list || !literals) {
    out.schema.reset();
  }
  if (out.sets_list) {
    out.unheard = unheard_names(statement);
  }
  return out;
}

bool keeps_tracking(const SetItem& item) {
  return is_tracking_setting(item.name) &&
         item.value.size() == kSession.size() + item.name.size() &&
         starts_ignoring_case(item.value, kSession) &&
         equals_ignoring_case(item.value.substr(kSession.size()), item.name);
}

}  // namespace consort::router
