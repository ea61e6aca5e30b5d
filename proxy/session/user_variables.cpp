#include "proxy/session/user_variables.h"

#include <algorithm>

#include "base/sql_identifier.h"
#include "certifier/lane_sql.h"

namespace consort::proxy {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kNumberBytes = "0123456789+-.e";
constexpr std::string_view kHexBytes = "0123456789ABCDEF";
constexpr std::string_view kWordBytes = "abcdefghijklmnopqrstuvwxyz0123456789_";

/// Answers come in the session's character_set_results: in UTF-16, say, nothing of this holds.
bool consists_of(std::string_view text, std::string_view bytes) {
  return text.find_first_not_of(bytes) == text.npos;
}

bool is_word(std::string_view text) {
  return !text.empty() && consists_of(text, kWordBytes);
}

std::optional<std::string> name_in(std::string_view hex) {
  if (hex.empty() || hex.size() % 2 != 0 || !consists_of(hex, kHexBytes)) {
    return std::nullopt;
  }
  std::string name;
  for (std::size_t at = 0; at < hex.size(); at += 2) {
    const std::size_t byte = kHexBytes.find(hex[at]) << 4 | kHexBytes.find(hex[at + 1]);
    if (byte == 0 || byte > 0x7F) {
      return std::nullopt;
    }
    name += static_cast<char>(byte);
  }
  return name;
}

std::string reference(const UserVariable& variable) {
  return "@" + sql_identifier(variable.name);
}

/// A literal with the type of `text`'s variable. The server prints as many digits of a DOUBLE as
/// make the same number again.
std::optional<std::string> number_literal(std::string_view type, std::string_view text) {
  if (text.find_first_of(kDigits) == text.npos || !consists_of(text, kNumberBytes)) {
    return std::nullopt;
  }
  const std::string number(text);
  if (type == "INT") {
    return number;
  }
  if (type == "INT UNSIGNED") {
    return "CAST(" + number + " AS UNSIGNED)";
  }
  if (type == "DOUBLE") {
    return text.find('e') == text.npos ? number + "e0" : number;
  }
  if (type == "DECIMAL") {
    return text.find('.') == text.npos ? number + "." : number;
  }
  return std::nullopt;
}

std::string text_literal(std::string_view character_set,
                         std::string_view hex,
                         std::string_view collation) {
  std::string literal = "_" + std::string(character_set) + " X'" + std::string(hex) + "'";
  return collation == "binary" ? literal : literal + " COLLATE " + std::string(collation);
}

/// `value`: of a number its text, of text its bytes in hexadecimal; nullopt is NULL.
std::optional<std::string> assignments(const UserVariable& variable,
                                       std::optional<std::string_view> value,
                                       std::string_view collation) {
  const bool is_text = variable.type == "VARCHAR";
  std::optional<std::string> literal;
  if (!is_text) {
    literal = number_literal(variable.type, value.value_or("0"));
  } else if (is_word(collation) && consists_of(value.value_or(""), kHexBytes)) {
    literal = text_literal(variable.character_set, value.value_or(""), collation);
  }
  if (!literal) {
    return std::nullopt;
  }
  const std::string target = reference(variable) + "=";
  std::string all = target + *literal;
  if (!value) {
    all += "," + target + "NULL";  // keeps the type
  }
  return all;
}

}  // namespace

std::optional<std::vector<UserVariable>> user_variables_in(const OwnResult& answer) {
  const auto rows = answer.rows();
  if (!rows || rows->size() > kUserVariablesMax) {
    return std::nullopt;
  }
  std::vector<UserVariable> variables;
  for (const OwnResult::Row& row : *rows) {
    if (row.size() != 3 || !row[0] || !row[1]) {
      return std::nullopt;
    }
    const auto name = name_in(*row[0]);
    const bool known = *row[1] == "VARCHAR" ? is_word(row[2].value_or(""))
                                            : number_literal(*row[1], "0").has_value();
    if (!name || !known) {
      return std::nullopt;
    }
    variables.push_back({*name, std::string(*row[1]), std::string(row[2].value_or(""))});
  }
  return variables;
}

std::string user_variable_values_sql(const std::vector<UserVariable>& variables) {
  std::string sql = "SELECT ";
  for (const UserVariable& variable : variables) {
    const std::string name = reference(variable);
    sql += sql.size() > 7 ? "," : "";
    sql += variable.type == "VARCHAR" ? "HEX(" + name + ")" : name;
    sql += ",COLLATION(" + name + ")";
  }
  return sql;
}

std::optional<std::string> set_user_variables_sql(const std::vector<UserVariable>& variables,
                                                  const OwnResult& answer) {
  const auto rows = answer.rows();
  if (!rows || rows->size() != 1 || rows->front().size() != 2 * variables.size()) {
    return std::nullopt;
  }
  const OwnResult::Row& row = rows->front();
  std::string sql = "SET ";
  for (std::size_t at = 0; at < variables.size(); ++at) {
    const auto text = assignments(variables[at], row[2 * at], row[2 * at + 1].value_or(""));
    if (!text) {
      return std::nullopt;
    }
    sql += at > 0 ? "," : "";
    sql += *text;
  }
  return sql;
}

}  // namespace consort::proxy
