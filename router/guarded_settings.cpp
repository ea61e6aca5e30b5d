#include "router/guarded_settings.h"

#include "router/own_tracking.h"
#include "router/token.h"

namespace consort::router {
namespace {

// What each is for: rows must reach the binlog as full row images (sql_log_bin, binlog_*,
// skip_replication); branches must detach (pseudo_slave_mode, xa_detach_on_prepare); the session
// reads what the OK packets carry (session_track_*); the rest names servers and their streams.
constexpr std::string_view kNames[] = {
    "pseudo_slave_mode", "pseudo_thread_id",     "server_id",
    kTrackedSchema,      kTrackedVariables,      "skip_replication",
    "sql_log_bin",       "xa_detach_on_prepare", kTrackedGtids,
};

constexpr std::string_view kPrefixes[] = {"binlog_", "gtid_", "wsrep_"};

}  // namespace

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
