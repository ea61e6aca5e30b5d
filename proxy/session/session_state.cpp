#include "proxy/session/session_state.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <xxhash.h>

#include "protocol/client_collations.h"
#include "proxy/session/brand_variables.h"
#include "proxy/session/state_change.h"
#include "router/own_tracking.h"

namespace consort::proxy {
namespace {

/// Reported by the server, but set by Consort itself or no setting at all.
constexpr std::array<std::string_view, 13> kNotState = {
    "error_count",
    "gtid_seq_no",
    "identity",
    "insert_id",
    "last_gtid",
    "last_insert_id",
    "pseudo_slave_mode",
    "pseudo_thread_id",
    router::kTrackedGtids,
    router::kTrackedSchema,
    router::kTrackedVariables,
    "statement_id",
    "warning_count",
};

constexpr std::string_view kSchemaCharacterSet = "character_set_database";
constexpr std::string_view kSchemaCollation = "collation_database";

bool is_number(std::string_view value) {
  if (value.empty()) {
    return false;
  }
  std::size_t digits = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c >= '0' && c <= '9') {
      ++digits;
    } else if (!(c == '.' && i > 0) && !(c == '-' && i == 0)) {
      return false;
    }
  }
  return digits > 0;
}

std::uint64_t fingerprint_of(const std::vector<SessionSettings::Variable>& variables) {
  std::string all;
  for (const SessionSettings::Variable& variable : variables) {
    all.append(variable.name).push_back('\0');
    all.append(variable.value).push_back('\0');
  }
  return XXH3_64bits(all.data(), all.size()) | 1;
}

/// Says how long a statement may take, what may change rows, which numbers a client wants and what
/// a server uses for it, not what DDL means. A lane must not be stopped by it.
bool is_of_the_connection(std::string_view name) {
  constexpr std::array<std::string_view, 18> kNames = {"auto_increment_increment",
                                                       "auto_increment_offset",
                                                       "autocommit",
                                                       "completion_type",
                                                       "innodb_lock_wait_timeout",
                                                       "innodb_tmpdir",
                                                       "interactive_timeout",
                                                       "lock_wait_timeout",
                                                       "max_session_mem_used",
                                                       "max_statement_time",
                                                       "net_read_timeout",
                                                       "net_write_timeout",
                                                       "query_cache_type",
                                                       "transaction_isolation",
                                                       "transaction_read_only",
                                                       "tx_isolation",
                                                       "tx_read_only",
                                                       "wait_timeout"};
  return std::binary_search(kNames.begin(), kNames.end(), name);
}

bool gives_a_text_its_meaning(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames = {"character_set_client",
                                                      "character_set_connection",
                                                      "character_set_results",
                                                      "collation_connection",
                                                      "old_mode",
                                                      "sql_mode"};
  return std::binary_search(kNames.begin(), kNames.end(), name);
}

constexpr std::string_view kQueryCache = "query_cache_type";
constexpr std::string_view kStopwords = "innodb_ft_user_stopword_table";

/// The name of the table of stopwords, or NULL where a server would not take it: it has been
/// dropped, or is none any more. Without one the server's list counts, as for a session whose
/// table is gone.
std::string stopwords_if_there(std::string_view table) {
  return "(SELECT MAX(t.NAME) FROM information_schema.INNODB_SYS_TABLES t JOIN "
         "information_schema.INNODB_SYS_COLUMNS c USING (TABLE_ID) WHERE BINARY t.NAME=" +
         sql_text_literal(table) + " AND c.POS=0 AND c.NAME='value' AND c.MTYPE IN (1,12))";
}

/// SET of all that `takes`, for a connection that may have any of it.
std::string set_statement_for_any(const SharedSettings& settings,
                                  std::uint16_t collation,
                                  bool (*takes)(std::string_view name)) {
  // The server takes a number for a collation's name. What it could not use it ignores at login.
  const bool usable = protocol::can_be_a_clients(collation);
  const std::string character_set =
      usable ? std::to_string(protocol::number_of_character_set(collation)) : "DEFAULT";
  std::string sql = "SET SESSION sql_mode=DEFAULT, SESSION character_set_client=" + character_set +
                    ", SESSION character_set_results=" + character_set +
                    ", SESSION collation_connection=";
  sql += usable ? std::to_string(collation) : "DEFAULT";
  if (settings) {
    for (const SessionSettings::Variable& variable : settings->variables) {
      if (takes(variable.name)) {
        sql += ", SESSION ";
        sql += variable.name;
        sql += '=';
        if (variable.name == kStopwords && !variable.value.empty()) {
          sql += stopwords_if_there(variable.value);
        } else {
          append_setting_value(sql, variable.name, variable.value);
        }
      }
    }
  }
  return sql;
}

/// Each of two implies the other, and the server reports only the one that was named.
std::string_view implied_by(std::string_view name) {
  if (name == "character_set_connection") {
    return "collation_connection";
  }
  if (name == kSchemaCharacterSet) {
    return kSchemaCollation;
  }
  if (name == kSchemaCollation) {
    return kSchemaCharacterSet;
  }
  for (const ServerKind kind : {ServerKind::kMariadb, ServerKind::kMysql}) {
    if (const std::string_view spelt = variable_on(kind, name); spelt != name) {
      return spelt;
    }
  }
  return name == "collation_connection" ? "character_set_connection" : "";
}

}  // namespace

std::string counting_settings(std::string_view increment, std::string_view offset) {
  return "SESSION auto_increment_increment=" + std::string(increment) +
         ", SESSION auto_increment_offset=" + std::string(offset);
}

std::string sql_text_literal(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out = "_utf8mb4 X'";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  out += '\'';
  return out;
}

void append_setting_value(std::string& out, std::string_view name, std::string_view value) {
  constexpr std::array<std::string_view, 4> kMayBeNull = {
      "character_set_results", "default_tmp_storage_engine", "enforce_storage_engine",
      "innodb_ft_user_stopword_table"};
  if (value.empty() && std::find(kMayBeNull.begin(), kMayBeNull.end(), name) != kMayBeNull.end()) {
    out += "NULL";  // reported as '', which none of them takes
  } else if (value.empty() && SessionState::belongs_to_schema(name)) {
    out += "@@GLOBAL.collation_database";  // DEFAULT is the schema's
  } else if (is_number(value)) {
    out += value;
  } else {
    out += sql_text_literal(value);
  }
}

bool SessionState::leaves_traces(std::string_view name) {
  // Of the next INSERT, of RAND(), and a clock that stands still.
  return name == "insert_id" || name == "rand_seed1" || name == "rand_seed2" || name == "timestamp";
}

bool SessionState::belongs_to_schema(std::string_view name) {
  return name == kSchemaCollation || name == kSchemaCharacterSet;
}

void SessionState::set_schema(std::string_view schema, Seqno as_of) {
  schema_ = schema;
  schema_as_of_ = as_of;
  forget_variable(kSchemaCollation);
  forget_variable(kSchemaCharacterSet);
}

void SessionState::stay_in_schema() {
  if (!schema_.empty()) {
    set_variable(kSchemaCollation, "");
  }
}

void SessionState::set_variable(std::string_view name, std::string_view value) {
  if (std::binary_search(kNotState.begin(), kNotState.end(), name)) {
    return;
  }
  const std::string_view implied = implied_by(name);
  if (variable(name) == value && !variable(implied)) {
    return;
  }
  auto changed = settings_ ? std::make_shared<SessionSettings>(*settings_)
                           : std::make_shared<SessionSettings>();
  auto& variables = changed->variables;
  std::erase_if(variables, [&](const SessionSettings::Variable& one) {
    return one.name == name || one.name == implied;
  });
  const auto by_name = [](const SessionSettings::Variable& a, std::string_view b) {
    return a.name < b;
  };
  variables.insert(std::lower_bound(variables.begin(), variables.end(), name, by_name),
                   {std::string(name), std::string(value)});
  changed->fingerprint = fingerprint_of(variables);
  settings_ = std::move(changed);
}

void SessionState::forget_variable(std::string_view name) {
  if (!variable(name)) {
    return;
  }
  auto changed = std::make_shared<SessionSettings>(*settings_);
  std::erase_if(changed->variables,
                [&](const SessionSettings::Variable& one) { return one.name == name; });
  changed->fingerprint = fingerprint_of(changed->variables);
  settings_ = changed->variables.empty() ? nullptr : std::move(changed);
}

std::optional<std::string_view> SessionState::variable(std::string_view name) const {
  if (settings_) {
    for (const SessionSettings::Variable& variable : settings_->variables) {
      if (variable.name == name) {
        return variable.value;
      }
    }
  }
  return std::nullopt;
}

std::optional<std::chrono::seconds> SessionState::seconds(std::string_view name) const {
  const std::optional<std::string_view> value = variable(name);
  std::uint32_t count = 0;
  if (!value ||
      std::from_chars(value->data(), value->data() + value->size(), count).ec != std::errc()) {
    return std::nullopt;
  }
  return std::chrono::seconds(count);
}

bool SessionState::literals_are_wide() const {
  for (const std::string_view name : {"character_set_connection", "collation_connection"}) {
    const std::string_view value = variable(name).value_or("");
    if (value.starts_with("ucs2") || value.starts_with("utf16") || value.starts_with("utf32")) {
      return true;
    }
  }
  return false;
}

std::string SessionState::set_statement(ServerKind kind) const {
  return settings_change(nullptr, settings_.get(), kind).value();
}

std::string SessionState::schema_set_statement() const {
  for (const std::string_view name : {kSchemaCollation, kSchemaCharacterSet}) {
    if (variable(name)) {
      return set_statement_of(name);
    }
  }
  return {};
}

std::string SessionState::whole_set_statement(std::uint16_t collation) const {
  return set_statement_for_any(settings_, collation,
                               [](std::string_view name) { return !is_of_the_connection(name); });
}

std::string SessionState::reading_set_statement(const SharedSettings& settings,
                                                std::uint16_t collation) {
  return set_statement_for_any(settings, collation, gives_a_text_its_meaning);
}

std::optional<std::string_view> SessionState::refused_variable(std::uint16_t error,
                                                               std::string_view message) const {
  constexpr std::uint16_t kWrongValue = 1231;
  constexpr std::uint16_t kQueryCacheIsOff = 1925;
  if (error == kQueryCacheIsOff && variable(kQueryCache)) {
    return kQueryCache;
  }
  constexpr std::array<std::string_view, 2> kNeedSomething = {kStopwords, "innodb_tmpdir"};
  for (const std::string_view name : kNeedSomething) {
    if (error == kWrongValue && variable(name) &&
        message.find("'" + std::string(name) + "'") != message.npos) {
      return name;
    }
  }
  return std::nullopt;
}

std::string SessionState::sql_mode_expression() const {
  const auto mode = variable("sql_mode");
  return mode ? sql_text_literal(*mode) : "@@GLOBAL.sql_mode";
}

std::string SessionState::set_statement_of(std::string_view name) const {
  std::string sql = "SET SESSION " + std::string(name) + "=";
  if (const auto value = variable(name)) {
    append_setting_value(sql, name, *value);
  } else {
    sql += "DEFAULT";
  }
  return sql;
}

void SessionState::reset() {
  *this = {};
}

}  // namespace consort::proxy
