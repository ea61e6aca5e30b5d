#include "protocol/limit_errors.h"

#include <string>

namespace consort::protocol {
namespace {

constexpr std::uint16_t kUserLimitReached = 1226;
constexpr std::uint16_t kXaRollbackTimeout = 1613;

}  // namespace

SqlError transaction_too_long_error() {
  return {kXaRollbackTimeout, "XA106",
          "XA_RBTIMEOUT: Transaction branch was rolled back: took too long"};
}

SqlError too_many_user_connections_error(std::string_view user) {
  return {sql_code::kTooManyUserConnections, "42000",
          "User " + std::string(user) +
              " already has more than 'max_user_connections' active connections"};
}

SqlError user_limit_reached_error(std::string_view user, std::int64_t limit) {
  return {kUserLimitReached, "42000",
          "User '" + std::string(user) +
              "' has exceeded the 'max_user_connections' resource (current value: " +
              std::to_string(limit) + ")"};
}

}  // namespace consort::protocol
