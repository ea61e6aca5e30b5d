#include "router/token.h"

#include <cstddef>

namespace consort::router {
namespace {

bool is_quote(char c) {
  return c == '`' || c == '"' || c == '\'';
}

std::string_view without_quotes(std::string_view text) {
  return text.size() >= 2 && is_quote(text.front()) ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

SystemVariableName system_variable_name(std::string_view text) {
  text.remove_prefix(2);  // @@
  if (!text.empty() && is_quote(text.front())) {
    return {{}, without_quotes(text)};
  }
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) {
    return {{}, text};
  }
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  const std::string_view scope = text.substr(0, dot);
  std::string_view name = text.substr(dot + 1);
  name.remove_prefix(name.find_first_not_of(kBlanks));
  return {scope.substr(0, scope.find_last_not_of(kBlanks) + 1), without_quotes(name)};
}

std::string_view user_variable_name(std::string_view text) {
  return without_quotes(text.substr(1));
}

}  // namespace consort::router
