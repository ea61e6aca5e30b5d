// A name as SQL statements have it, whatever is in it.
// Threads: none; pure values.
#pragma once

#include <string>
#include <string_view>

namespace consort {

/// `name` in backticks, those in it doubled.
[[nodiscard]] inline std::string sql_identifier(std::string_view name) {
  std::string out = "`";
  for (const char c : name) {
    out.append(c == '`' ? 2 : 1, c);
  }
  out += '`';
  return out;
}

}  // namespace consort
