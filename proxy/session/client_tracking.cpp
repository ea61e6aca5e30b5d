#include "proxy/session/client_tracking.h"

#include <algorithm>
#include <array>

#include "proxy/cluster_view.h"
#include "proxy/session/session_state.h"
#include "router/own_tracking.h"

namespace consort::proxy {
namespace {

constexpr std::string_view kAll = "*";

/// MariaDB's default.
constexpr std::array<std::string_view, 6> kByDefault = {
    "autocommit",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "redirect_url",
    "time_zone",
};

/// Of one backend, or Consort's own.
constexpr std::array<std::string_view, 6> kNeverTold = {
    "gtid_seq_no",      "last_gtid",    "pseudo_slave_mode",
    "pseudo_thread_id", "statement_id", "wsrep_last_seen_gtid",
};

bool is_listed(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == name) {
      return true;
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

/// Is it the server's default? Versions differ in one name.
bool is_default(std::string_view list) {
  std::size_t names = 0;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (std::find(kByDefault.begin(), kByDefault.end(), list.substr(0, comma)) ==
        kByDefault.end()) {
      return false;
    }
    ++names;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return names + 1 >= kByDefault.size();
}

}  // namespace

bool ClientTracking::set_first(std::string_view variable, std::string_view value) {
  if (variable == router::kTrackedSchema) {
    schema_ = is_on(value);
  } else if (variable == router::kTrackedVariables) {
    list_ = is_default(value) ? std::nullopt : std::optional<std::string>(value);
  } else {
    return false;
  }
  return true;
}

void ClientTracking::keep_list(std::string_view before) {
  if (!list_) {
    list_ = before;
  }
}

bool ClientTracking::wants(std::string_view variable) const {
  if (!list_) {
    return std::find(kByDefault.begin(), kByDefault.end(), variable) != kByDefault.end();
  }
  const bool never = std::find(kNeverTold.begin(), kNeverTold.end(), variable) != kNeverTold.end();
  return !never && (*list_ == kAll || is_listed(*list_, variable));
}

void ClientTracking::filter(protocol::SessionChanges& changes) const {
  std::erase_if(changes.system_variables,
                [&](const protocol::NameValue& one) { return !wants(one.first); });
  for (auto& [name, value] : changes.system_variables) {
    if (name == router::kTrackedSchema) {
      value = schema_ ? "ON" : "OFF";
    } else if (name == router::kTrackedVariables && list_) {
      value = *list_;
    }
  }
  if (!schema_) {
    changes.schema.reset();
  }
  changes.gtids.reset();  // of one backend, too
}

std::string ClientTracking::schema_sql() const {
  // The other is a variable of the same type that is off for all clients.
  return schema_ ? "@@session.session_track_schema" : "@@session.skip_replication";
}

std::string ClientTracking::list_sql() const {
  return list_ ? "IF(1," + sql_text_literal(*list_) + ",@@session.session_track_system_variables)"
               : "@@global.session_track_system_variables";
}

std::string ClientTracking::set_statement() const {
  return std::string("SET SESSION session_track_schema=") + (schema_ ? "1" : "0") +
         ", SESSION session_track_system_variables=" +
         (list_ ? sql_text_literal(*list_) : "DEFAULT");
}

}  // namespace consort::proxy
