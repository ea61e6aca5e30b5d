#include "certifier/sql_words.h"

#include <algorithm>
#include <cctype>

namespace consort::certifier {

std::size_t past_space(std::string_view sql, std::size_t at) {
  while (at < sql.size()) {
    if (std::isspace(static_cast<unsigned char>(sql[at])) != 0) {
      ++at;
    } else if (sql[at] == '#' || sql.substr(at, 3) == "-- ") {
      at = std::min(sql.find('\n', at), sql.size());
    } else if (sql.substr(at, 2) == "/*" && sql.substr(at, 3) != "/*!" &&
               sql.substr(at, 4) != "/*M!") {
      const std::size_t end = sql.find("*/", at + 2);
      at = end == std::string_view::npos ? sql.size() : end + 2;
    } else {
      break;
    }
  }
  return at;
}

std::string first_word(std::string_view sql) {
  std::string word;
  for (std::size_t at = past_space(sql, 0);
       at < sql.size() && std::isalpha(static_cast<unsigned char>(sql[at])) != 0; ++at) {
    word += static_cast<char>(std::toupper(static_cast<unsigned char>(sql[at])));
  }
  return word;
}

}  // namespace consort::certifier
