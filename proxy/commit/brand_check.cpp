#include "proxy/commit/brand_check.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace consort::proxy {
namespace {

bool is_word_byte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

/// Behind the quoted text that begins at `at`; whatever the sql_mode, in doubt not too far.
std::size_t past_quotes(std::string_view sql, std::size_t at) {
  const char quote = sql[at++];
  while (at < sql.size() && sql[at] != quote) {
    at += sql[at] == '\\' && quote != '`' ? 2 : 1;
  }
  return std::min(at + 1, sql.size());
}

/// The words outside of quotes and comments, in capitals. An executable comment's are words, too.
std::vector<std::string> words_of(std::string_view sql) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < sql.size();) {
    const std::string_view rest = sql.substr(at);
    if (rest[0] == '\'' || rest[0] == '"' || rest[0] == '`') {
      at = past_quotes(sql, at);
    } else if (rest[0] == '#' || rest.starts_with("-- ")) {
      at = std::min(sql.find('\n', at), sql.size());
    } else if (rest.starts_with("/*") && !rest.starts_with("/*!") && !rest.starts_with("/*M!")) {
      const std::size_t end = sql.find("*/", at + 2);
      at = end == std::string_view::npos ? sql.size() : end + 2;
    } else if (is_word_byte(rest[0])) {
      std::string word;
      for (; at < sql.size() && is_word_byte(sql[at]); ++at) {
        const char c = sql[at];
        word += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      }
      words.push_back(std::move(word));
    } else {
      ++at;
    }
  }
  return words;
}

bool has(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

std::string_view of_one_brand(std::string_view sql) {
  const std::vector<std::string> words = words_of(sql);
  const bool tables = has(words, "TABLE") || has(words, "TABLES");
  if (tables && has(words, "JSON")) {
    return "JSON columns: MySQL's rows of them are no text, as MariaDB's are; LONGTEXT serves both";
  }
  if (tables && has(words, "VECTOR")) {
    return "VECTOR columns";
  }
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "IDENTIFIED" && (words[i + 1] == "WITH" || words[i + 1] == "VIA")) {
      return "authentication plugins: IDENTIFIED BY 'password' serves both";
    }
  }
  return {};
}

bool can_be_tried(std::string_view sql) {
  // A query's tables are opened, and those that are copied.
  const std::vector<std::string> words = words_of(sql);
  return !words.empty() && !has(words, "SELECT") && !has(words, "LIKE");
}

bool is_foreign(std::uint16_t error) {
  constexpr std::array<std::uint16_t, 10> kErrors = {
      1064,  // syntax
      1115,  // character set
      1149,  // syntax
      1193,  // variable
      1231,  // value of a variable: a mode
      1235,  // not supported
      1253,  // collation of another character set
      1273,  // collation
      1286,  // storage engine
      4161,  // data type (MariaDB)
  };
  return std::find(kErrors.begin(), kErrors.end(), error) != kErrors.end();
}

}  // namespace consort::proxy
