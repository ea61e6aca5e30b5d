#include "proxy/session/state_change.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "proxy/session/brand_variables.h"

namespace consort::proxy {
namespace {

/// Variables whose value on a fresh connection is the server's global one, or its schema's, so that
/// SET .. = DEFAULT leads back to it. Sorted. Not max_statement_time, which an account or the
/// configuration limits.
constexpr std::array<std::string_view, 34> kDefaultIsFirst = {
    "autocommit",
    "big_tables",
    "character_set_database",
    "collation_database",
    "default_week_format",
    "div_precision_increment",
    "foreign_key_checks",
    "group_concat_max_len",
    "innodb_lock_wait_timeout",
    "join_buffer_size",
    "lc_messages",
    "lc_time_names",
    "lock_wait_timeout",
    "long_query_time",
    "max_error_count",
    "max_heap_table_size",
    "max_join_size",
    "max_length_for_sort_data",
    "max_sort_length",
    "net_read_timeout",
    "net_write_timeout",
    "optimizer_switch",
    "read_buffer_size",
    "sort_buffer_size",
    "sql_auto_is_null",
    "sql_mode",
    "sql_notes",
    "sql_safe_updates",
    "sql_select_limit",
    "time_zone",
    "tmp_table_size",
    "transaction_isolation",
    "tx_isolation",
    "unique_checks",
};

static_assert(std::is_sorted(kDefaultIsFirst.begin(), kDefaultIsFirst.end()));

using Variables = std::vector<SessionSettings::Variable>;

std::string_view value_in(const Variables& variables, std::string_view name) {
  const auto found = std::find_if(variables.begin(), variables.end(),
                                  [&](const auto& variable) { return variable.name == name; });
  return found == variables.end() ? std::string_view() : std::string_view(found->value);
}

bool is_of_names(std::string_view name) {
  return name == "character_set_client" || name == "character_set_connection" ||
         name == "character_set_results";
}

/// The character set whose collation is the one that SET NAMES gives it, which may be another than
/// that of a SET character_set_connection (MariaDB's character_set_collations); empty: not asked
/// for. A state has the character set alone where SET NAMES has set it: else it has the collation.
std::string_view set_names(const Variables& old, const Variables& wanted) {
  const std::string_view name = value_in(wanted, "character_set_connection");
  const bool changes = name != value_in(old, "character_set_connection");
  const bool has_all = !value_in(wanted, "character_set_client").empty() &&
                       !value_in(wanted, "character_set_results").empty();
  const bool wide =
      name.starts_with("ucs2") || name.starts_with("utf16") || name.starts_with("utf32");
  return changes && has_all && !wide ? name : std::string_view();
}

void append_item(std::string& sql) {
  sql += sql.empty() ? "SET SESSION " : ", SESSION ";
}

}  // namespace

std::optional<std::string> settings_change(const SessionSettings* from,
                                           const SessionSettings* to,
                                           ServerKind kind) {
  static const SessionSettings kNone;
  const auto& old = (from == nullptr ? kNone : *from).variables;
  const auto& wanted = (to == nullptr ? kNone : *to).variables;
  std::string sql;
  const std::string_view names = set_names(old, wanted);
  if (!names.empty()) {
    sql.append("SET NAMES ").append(names);
  }
  for (const SessionSettings::Variable& variable : old) {
    const auto same_name = [&](const auto& other) { return other.name == variable.name; };
    if (knows_variable(kind, variable.name) &&
        std::none_of(wanted.begin(), wanted.end(), same_name)) {
      if (!std::binary_search(kDefaultIsFirst.begin(), kDefaultIsFirst.end(), variable.name)) {
        return std::nullopt;
      }
      append_item(sql);
      sql += variable_on(kind, variable.name);
      sql += "=DEFAULT";
    }
  }
  for (const SessionSettings::Variable& variable : wanted) {
    if (knows_variable(kind, variable.name) &&
        (names.empty() || !is_of_names(variable.name)
             ? std::find(old.begin(), old.end(), variable) == old.end()
             : variable.value != names)) {
      append_item(sql);
      sql += variable_on(kind, variable.name);
      sql += '=';
      append_setting_value(sql, variable.name, variable.value);
    }
  }
  return sql;
}

bool knows_old_schema(const ConnectionState& from, const SessionState& to) {
  return !to.schema().empty() && from.schema == to.schema() &&
         from.schema_as_of < to.schema_as_of();
}

StateDistance distance(const ConnectionState& from, const SessionState& to) {
  const bool same_schema = from.schema == to.schema();
  if (!same_schema && to.schema().empty()) {
    return StateDistance::kUnusable;
  }
  if (from.has_traces) {
    return StateDistance::kReset;
  }
  const std::uint64_t fingerprint = from.settings ? from.settings->fingerprint : 0;
  if (fingerprint == to.fingerprint()) {
    return same_schema && !knows_old_schema(from, to) ? StateDistance::kNone
                                                      : StateDistance::kSchema;
  }
  // A few more comparisons would tell a reset from a SET: not worth them for each candidate.
  return StateDistance::kSettings;
}

}  // namespace consort::proxy
