// LoginSecret: what logs in to a backend. Never logged. Threads: any.
#pragma once

#include <string>
#include <variant>

#include "protocol/auth_native.h"

namespace consort::protocol {

struct NoPassword {
  friend bool operator==(const NoPassword&, const NoPassword&) = default;
};

/// Nothing, what mysql_native_password needs, or the password, which serves every plugin. An empty
/// password is none.
using LoginSecret = std::variant<NoPassword, Stage1, std::string>;

}  // namespace consort::protocol
