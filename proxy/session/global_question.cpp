#include "proxy/session/global_question.h"

#include <algorithm>
#include <array>

#include "proxy/cluster_view.h"
#include "router/global_settings.h"
#include "router/token.h"

namespace consort::proxy {
namespace {

/// Sessions have one of their own, which not every client may set (to what it is), which comes from
/// the login, or which Consort keeps for them.
constexpr std::array<std::string_view, 14> kNotPerSession = {"character_set_client",
                                                             "character_set_connection",
                                                             "character_set_results",
                                                             "collation_connection",
                                                             "innodb_tmpdir",
                                                             "log_disabled_statements",
                                                             "max_allowed_packet",
                                                             "max_user_connections",
                                                             "net_buffer_length",
                                                             "session_track_schema",
                                                             "sql_log_off",
                                                             "session_track_system_variables",
                                                             "system_versioning_asof",
                                                             "wait_timeout"};

constexpr std::string_view kNameBytes = "abcdefghijklmnopqrstuvwxyz0123456789_";

/// What the server answers in hexadecimal digits, whatever its character set for results: in
/// UTF-16 or UTF-32 zeros stand between them.
std::optional<std::string> decoded(const std::optional<std::string_view>& hex) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if (!hex) {
    return std::nullopt;
  }
  std::string out;
  std::size_t high = std::string_view::npos;
  for (const char c : *hex) {
    const std::size_t digit = kDigits.find(c);
    if (digit == kDigits.npos) {
      continue;
    }
    if (high == kDigits.npos) {
      high = digit;
    } else {
      out += static_cast<char>(high << 4 | digit);
      high = kDigits.npos;
    }
  }
  return out;
}

/// Both ways in which the server spells a value.
std::string_view canonical(std::string_view value) {
  return value == "ON" ? "1" : value == "OFF" ? "0" : value;
}

bool is_number_type(std::string_view type) {
  // Of MariaDB, and of MySQL.
  return type.starts_with("INT") || type.starts_with("BIGINT") || type == "BOOLEAN" ||
         type == "DOUBLE" || type == "Integer" || type == "Numeric" || type == "Boolean";
}

void add(std::vector<GlobalQuestion>& globals, std::string_view spelt) {
  GlobalQuestion question;
  question.name = router::lower_case(spelt);
  const router::CacheVariable cache = router::cache_variable(question.name);
  if (cache.of_default) {
    question.name = cache.name;
  } else if (!cache.name.empty()) {
    question.known = true;                    // information_schema knows the default cache's alone
    const std::size_t dot = spelt.find('.');  // upper case makes another cache's name
    question.name.replace(0, dot, spelt.substr(0, dot));
    question.is_text = false;
    globals.push_back(std::move(question));
    return;
  }
  const bool possible =
      !spelt.empty() && question.name.find_first_not_of(kNameBytes) == std::string::npos;
  const bool there = std::any_of(globals.begin(), globals.end(), [&](const GlobalQuestion& one) {
    return one.name == question.name;
  });
  if (possible && !there) {
    globals.push_back(std::move(question));
  }
}

}  // namespace

std::vector<GlobalQuestion> globals_of(const router::Statement& statement, bool mysql) {
  std::vector<GlobalQuestion> globals;
  if (statement.kind == router::StatementKind::kSetTransaction) {
    if (statement.transaction.isolation != router::IsolationLevel::kUnset) {
      add(globals, mysql ? "transaction_isolation" : "tx_isolation");
    }
    if (statement.transaction.access != router::AccessMode::kUnset) {
      add(globals, mysql ? "transaction_read_only" : "tx_read_only");
    }
  }
  for (const router::SetItem& item : statement.settings) {
    if (item.scope == router::SetScope::kGlobal) {
      add(globals, item.name);
    }
  }
  return globals;
}

std::optional<OwnGlobalSet> own_global_set(const router::Statement& statement,
                                           std::uint32_t connections_min) {
  if (statement.settings.size() != 1 || statement.settings[0].scope != router::SetScope::kGlobal) {
    return std::nullopt;
  }
  const router::SetItem& item = statement.settings[0];
  const bool word = item.value_kind == router::SetValueKind::kWord;
  const bool resets = word && router::equals_ignoring_case(item.value, "default");
  const std::string value(item.value);
  GlobalQuestion own;
  own.known = true;
  own.is_text = false;
  switch (router::own_global(item.name)) {
    case router::OwnGlobal::kNone:
      return std::nullopt;
    case router::OwnGlobal::kReadOnly:
      own.name = kOwnReadOnly;
      own.expression = resets ? "0" : word ? "'" + value + "'" : value;
      return OwnGlobalSet{"SET GLOBAL read_only=OFF", {own}};
    case router::OwnGlobal::kEventScheduler:
      own.name = kOwnEventScheduler;
      own.expression = resets ? "0" : word ? "'" + value + "'" : value;
      return OwnGlobalSet{"SET GLOBAL event_scheduler=OFF", {own}};
    case router::OwnGlobal::kInitConnect: {
      // The home judges its type, and nothing is set there.
      const bool literal = router::equals_ignoring_case(value, "NULL") ||
                           router::equals_ignoring_case(value, "TRUE") ||
                           router::equals_ignoring_case(value, "FALSE");
      const std::string text = resets ? "''" : word && !literal ? "'" + value + "'" : value;
      own.name = kOwnInitConnect;
      own.expression = "IFNULL((" + text + "),'')";
      return OwnGlobalSet{"SET GLOBAL init_connect=IF(0,(" + text + "),NULL)", {own}};
    }
    case router::OwnGlobal::kMaxConnections: {
      GlobalQuestion real;
      real.name = "max_connections";
      own.name = kOwnMaxConnections;
      own.expression = resets ? "''" : value;
      const std::string text =
          resets ? "@@global.max_connections"
                 : "GREATEST((" + value + ")," + std::to_string(connections_min) + ")";
      return OwnGlobalSet{"SET GLOBAL max_connections=" + text, {own, real}};
    }
  }
  return std::nullopt;
}

std::optional<protocol::SqlError> settle_own_value(GlobalQuestion& own) {
  const std::string value = own.value.value_or("NULL");
  own.is_text = value.find_first_not_of("0123456789") != std::string::npos || value.empty();
  own.is_text = own.is_text || own.name == kOwnInitConnect;
  if (own.name != kOwnReadOnly && own.name != kOwnEventScheduler) {
    return std::nullopt;
  }
  const std::string variable = own.name == kOwnReadOnly ? "read_only" : "event_scheduler";
  const std::string word = router::lower_case(value);
  const bool on = word == "1" || word == "on" || word == "true";
  if (!on && word != "0" && word != "off" && word != "false") {
    return protocol::SqlError{
        1231, "42000", "Variable '" + variable + "' can't be set to the value of '" + value + "'"};
  }
  own.value = on ? "1" : "0";
  own.is_text = false;
  return std::nullopt;
}

std::string question_of(const std::vector<GlobalQuestion>& globals, ServerKind kind) {
  std::string names;
  for (const GlobalQuestion& global : globals) {
    names += (names.empty() ? "'" : ",'") + global.name + "'";
  }
  const auto hex = [](std::string_view column) {
    return "HEX(CONVERT(" + std::string(column) + " USING utf8mb4))";
  };
  // With a LIMIT of its own, sql_select_limit does not count.
  if (kind == ServerKind::kMysql) {
    return "SELECT " + hex("LOWER(m.VARIABLE_NAME)") + "," + hex("m.DATA_TYPE") + "," +
           hex("m.VARIABLE_SCOPE") + "," + hex("g.VARIABLE_VALUE") +
           " FROM performance_schema.variables_metadata m JOIN performance_schema.global_variables "
           "g USING (VARIABLE_NAME) WHERE m.VARIABLE_NAME IN (" +
           names + ") LIMIT 100";
  }
  return "SELECT " + hex("LOWER(VARIABLE_NAME)") + "," + hex("VARIABLE_TYPE") + "," +
         hex("VARIABLE_SCOPE") + "," + hex("GLOBAL_VALUE") +
         " FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME IN (" + names +
         ") LIMIT 100";
}

void note_globals(std::vector<GlobalQuestion>& globals, const std::vector<OwnResult::Row>& rows) {
  for (const OwnResult::Row& row : rows) {
    if (row.size() != 4) {
      continue;
    }
    const std::string name = decoded(row[0]).value_or("");
    for (GlobalQuestion& global : globals) {
      if (global.name == name) {
        const bool settable =
            std::find(kNotPerSession.begin(), kNotPerSession.end(), name) == kNotPerSession.end();
        global.known = true;
        global.is_text = !is_number_type(decoded(row[1]).value_or(""));
        global.per_session = settable && decoded(row[2]) == "SESSION";
        global.old_value = decoded(row[3]);
      }
    }
  }
}

std::string new_question_of(const std::vector<GlobalQuestion>& globals) {
  std::string sql;
  for (const GlobalQuestion& global : globals) {
    if (global.known) {
      sql += (sql.empty() ? "SELECT " : ",");
      const std::string what =
          global.expression.empty() ? "@@global." + global.name : "(" + global.expression + ")";
      sql += "HEX(CONVERT(" + what + " USING utf8mb4))";
    }
  }
  return sql.empty() ? sql : sql + " LIMIT 1";
}

void note_new_globals(std::vector<GlobalQuestion>& globals, const OwnResult::Row& row) {
  auto column = row.begin();
  for (GlobalQuestion& global : globals) {
    if (global.known && column != row.end()) {
      global.value = decoded(*column++);
      global.answered = true;
    }
  }
}

std::vector<GlobalChange> changed_globals(const std::vector<GlobalQuestion>& globals,
                                          bool succeeded) {
  std::vector<GlobalChange> changes;
  for (const GlobalQuestion& global : globals) {
    const bool same =
        global.value.has_value() == global.old_value.has_value() &&
        canonical(global.value.value_or("")) == canonical(global.old_value.value_or(""));
    if (global.answered && (succeeded || !same)) {
      changes.push_back({{global.name, global.value, global.is_text && global.value.has_value()},
                         global.old_value,
                         global.per_session});
    }
  }
  return changes;
}

}  // namespace consort::proxy
