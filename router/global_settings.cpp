#include "router/global_settings.h"

#include <algorithm>
#include <array>

#include "router/guarded_settings.h"
#include "router/own_tracking.h"
#include "router/token.h"

namespace consort::router {
namespace {

struct Kept {
  std::string_view name;  ///< all of it, or its beginning
  std::string_view why;
};

constexpr std::string_view kCommits = "commits through Consort depend on it";
constexpr std::string_view kNumbers =
    "numbers of AUTO_INCREMENT and of sequences must not collide: set it for the session";
constexpr std::string_view kOneServer = "it concerns one server: set it there";
constexpr std::string_view kPlain =
    "Consort's own statements could not run on its servers any more";

constexpr std::array kKeptNames = {
    Kept{"autocommit", kCommits},
    Kept{"completion_type", kCommits},
    Kept{"connect_timeout", "limits.login_timeout_ms of Consort's configuration is in its place"},
    Kept{"default_master_connection", kOneServer},
    Kept{"enforce_storage_engine", kCommits},
    Kept{"init_slave", kOneServer},
    Kept{"innodb_deadlock_detect", kCommits},
    Kept{"innodb_read_only_compressed", kCommits},
    Kept{"innodb_snapshot_isolation",
         "session.innodb_snapshot_isolation of Consort's configuration is in its place"},
    Kept{"log_bin_compress", kCommits},
    Kept{"log_bin_compress_min_len", kCommits},
    Kept{"master_verify_checksum", kOneServer},
    Kept{"max_join_size", kPlain},
    Kept{"max_user_connections",
         "limits.user_connections_max of Consort's configuration is in its place"},
    Kept{"proxy_protocol_networks",
         "listen.proxy_protocol_networks of Consort's configuration is in its place"},
    Kept{"require_secure_transport", "tls.required of Consort's configuration is in its place"},
    Kept{"sql_big_selects", kPlain},
    Kept{"sql_safe_updates", kPlain},
    Kept{"sql_select_limit", kPlain},
    Kept{"super_read_only", kOneServer},
    Kept{"sync_master_info", kOneServer},
    Kept{"transaction_read_only", "set tx_read_only"},
};

constexpr std::array kKeptPrefixes = {
    Kept{"auto_increment_", kNumbers}, Kept{"relay_log_", kOneServer}, Kept{"replica_", kOneServer},
    Kept{"replicate_", kOneServer},    Kept{"report_", kOneServer},    Kept{"rpl_", kOneServer},
    Kept{"slave_", kOneServer},        Kept{"sync_relay_", kOneServer}};

}  // namespace

bool leaves_it_off(std::string_view name, std::string_view value) {
  constexpr std::array<std::string_view, 6> kOff = {"OFF",     "0",     "FALSE",
                                                    "DEFAULT", "'OFF'", "\"OFF\""};
  return equals_ignoring_case(name, "innodb_read_only_compressed") &&
         std::any_of(kOff.begin(), kOff.end(),
                     [value](std::string_view off) { return equals_ignoring_case(value, off); });
}

OwnGlobal own_global(std::string_view name) {
  if (equals_ignoring_case(name, "max_connections")) {
    return OwnGlobal::kMaxConnections;
  }
  if (equals_ignoring_case(name, "event_scheduler")) {
    return OwnGlobal::kEventScheduler;
  }
  if (equals_ignoring_case(name, "init_connect")) {
    return OwnGlobal::kInitConnect;
  }
  return equals_ignoring_case(name, "read_only") ? OwnGlobal::kReadOnly : OwnGlobal::kNone;
}

CacheVariable cache_variable(std::string_view name) {
  constexpr std::array<std::string_view, 6> kVariables = {
      "key_buffer_size",          "key_cache_age_threshold",  "key_cache_block_size",
      "key_cache_division_limit", "key_cache_file_hash_size", "key_cache_segments"};
  constexpr std::size_t kNameMax = 64;  // of what is kept
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() > kNameMax) {
    return {};
  }
  const std::string_view cache = name.substr(0, dot);
  const bool plain = std::all_of(cache.begin(), cache.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  const std::string_view variable = name.substr(dot + 1);
  const bool known = std::any_of(kVariables.begin(), kVariables.end(), [&](std::string_view one) {
    return equals_ignoring_case(variable, one);
  });
  return plain && known ? CacheVariable{variable, equals_ignoring_case(cache, "default")}
                        : CacheVariable{};
}

std::string_view why_global_is_kept(std::string_view name) {
  if (is_tracking_setting(name)) {
    return {};  // of clients' sessions: Consort's connections have their own
  }
  if (is_guarded_setting(name)) {
    return kCommits;
  }
  for (const Kept& kept : kKeptNames) {
    if (equals_ignoring_case(name, kept.name)) {
      return kept.why;
    }
  }
  for (const Kept& kept : kKeptPrefixes) {
    if (starts_ignoring_case(name, kept.name)) {
      return kept.why;
    }
  }
  return {};
}

}  // namespace consort::router
