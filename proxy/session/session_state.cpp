#include "proxy/session/session_state.h"

#include <algorithm>
#include <array>
#include <xxhash.h>

namespace consort::proxy {
namespace {

/// Reported by the server, but set by Consort itself or no setting at all.
constexpr std::array<std::string_view, 14> kNotState = {
    "auto_increment_increment",
    "auto_increment_offset",
    "error_count",
    "gtid_seq_no",
    "identity",
    "insert_id",
    "last_gtid",
    "last_insert_id",
    "pseudo_slave_mode",
    "pseudo_thread_id",
    "session_track_schema",
    "session_track_system_variables",
    "session_track_state_change",
    "warning_count",
};

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

/// A literal that means `value` whatever the sql_mode: numbers bare, text as a hexadecimal literal.
void append_literal(std::string& out, std::string_view value) {
  if (is_number(value)) {
    out += value;
    return;
  }
  if (value.empty()) {
    out += "''";
    return;
  }
  static constexpr char kHex[] = "0123456789ABCDEF";
  out += "_utf8mb4 X'";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  out += '\'';
}

}  // namespace

void SessionState::set_variable(std::string_view name, std::string_view value) {
  if (std::binary_search(kNotState.begin(), kNotState.end(), name)) {
    return;
  }
  const auto by_name = [](const Variable& a, std::string_view b) { return a.name < b; };
  const auto at = std::lower_bound(variables_.begin(), variables_.end(), name, by_name);
  if (at != variables_.end() && at->name == name) {
    if (at->value == value) {
      return;
    }
    at->value = value;
  } else {
    variables_.insert(at, Variable{std::string(name), std::string(value)});
  }
  update_fingerprint();
}

std::optional<std::string_view> SessionState::variable(std::string_view name) const {
  for (const Variable& variable : variables_) {
    if (variable.name == name) {
      return variable.value;
    }
  }
  return std::nullopt;
}

std::string SessionState::set_statement() const {
  std::string sql;
  for (const Variable& variable : variables_) {
    sql += sql.empty() ? "SET " : ", ";
    sql += "SESSION ";
    sql += variable.name;
    sql += '=';
    append_literal(sql, variable.value);
  }
  return sql;
}

void SessionState::reset() {
  variables_.clear();
  schema_.clear();
  fingerprint_ = 0;
}

void SessionState::update_fingerprint() {
  if (variables_.empty()) {
    fingerprint_ = 0;
    return;
  }
  std::string all;
  for (const Variable& variable : variables_) {
    all.append(variable.name).push_back('\0');
    all.append(variable.value).push_back('\0');
  }
  fingerprint_ = XXH3_64bits(all.data(), all.size()) | 1;
}

}  // namespace consort::proxy
