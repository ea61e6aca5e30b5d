#include "router/guarded_settings.h"

#include "router/token.h"

namespace consort::router {
namespace {

// What each is for: rows must reach the binlog as full row images (sql_log_bin, binlog_*,
// skip_replication); branches must detach (pseudo_slave_mode, xa_detach_on_prepare); the session
// reads what the OK packets carry (session_track_*); numbers of AUTO_INCREMENT must not collide;
// COMMIT is the session's own affair (completion_type); the rest names servers and their streams.
constexpr std::string_view kNames[] = {
    "auto_increment_increment", "auto_increment_offset", "completion_type",
    "pseudo_slave_mode",        "pseudo_thread_id",      "server_id",
    "skip_replication",         "sql_log_bin",           "xa_detach_on_prepare",
};

constexpr std::string_view kPrefixes[] = {"binlog_", "gtid_", "session_track_", "wsrep_"};

struct OwnValue {
  std::string_view name;
  bool on;
};

constexpr OwnValue kOwnValues[] = {
    {"session_track_schema", true},
    {"session_track_state_change", false},
    {"session_track_transaction_info", false},
};

std::string_view without_apostrophes(std::string_view value) {
  const bool quoted = value.size() >= 2 && value.front() == '\'' && value.back() == '\'';
  return quoted ? value.substr(1, value.size() - 2) : value;
}

}  // namespace

bool keeps_guarded_setting(std::string_view name, std::string_view value) {
  const std::string_view text = without_apostrophes(value);
  const bool on = text == "1" || equals_ignoring_case(text, "ON") ||
                  (text == value && equals_ignoring_case(text, "TRUE"));
  const bool off = text == "0" || equals_ignoring_case(text, "OFF") ||
                   (text == value && equals_ignoring_case(text, "FALSE"));
  for (const OwnValue& own : kOwnValues) {
    if (equals_ignoring_case(name, own.name)) {
      return own.on ? on : off;
    }
  }
  return false;
}

bool is_guarded_setting(std::string_view name) {
  for (const std::string_view guarded : kNames) {
    if (equals_ignoring_case(name, guarded)) {
      return true;
    }
  }
  for (const std::string_view prefix : kPrefixes) {
    if (starts_ignoring_case(name, prefix)) {
      return true;
    }
  }
  return false;
}

}  // namespace consort::router
