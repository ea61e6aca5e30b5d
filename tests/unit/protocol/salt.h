// Salt: the one that the tests' servers greet with.
#pragma once

#include <algorithm>
#include <string_view>

#include "protocol/auth_native.h"

namespace consort::protocol::test {

inline constexpr std::string_view kSalt = "abcdefghijklmnopqrst";

inline Scramble fixed_salt() {
  Scramble salt{};
  std::copy(kSalt.begin(), kSalt.end(), salt.begin());
  return salt;
}

}  // namespace consort::protocol::test
