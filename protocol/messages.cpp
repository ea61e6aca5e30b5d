#include "protocol/messages.h"

namespace consort::protocol {

std::optional<std::string_view> SessionChanges::find_variable(std::string_view name) const {
  for (const NameValue& variable : system_variables) {
    if (variable.first == name) {
      return variable.second;
    }
  }
  return std::nullopt;
}

}  // namespace consort::protocol
