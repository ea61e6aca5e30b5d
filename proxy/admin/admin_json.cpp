#include "proxy/admin/admin_json.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace consort::proxy {

namespace {

constexpr std::string_view kRedacted = "(redacted)";
constexpr std::string_view kSecretWords[] = {"password", "passwd", "secret", "token"};

bool speaks_of_secret(std::string key) {
  std::transform(key.begin(), key.end(), key.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::any_of(std::begin(kSecretWords), std::end(kSecretWords),
                     [&](std::string_view word) { return key.find(word) != std::string::npos; });
}

bool is_empty_value(const AdminJson& value) {
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty());
}

}  // namespace

AdminJson to_json(const StatusInfo& status) {
  return {{"version", status.version},
          {"cluster", status.cluster},
          {"cluster_name", status.cluster_name},
          {"epoch", status.epoch},
          {"uptime_ms", status.uptime_ms},
          {"topology", status.topology},
          {"durability", status.durability},
          {"read_consistency", to_text(status.read_consistency)},
          {"workers", status.workers},
          {"sessions", status.sessions},
          {"draining", status.draining},
          {"connections_max", status.connections_max},
          {"head", status.head},
          {"log_bytes", status.log_bytes},
          {"certified", status.certified},
          {"conflicts", status.conflicts},
          {"index_keys", status.index_keys},
          {"events",
           {{"scheduler", status.events.on ? "ON" : "OFF"},
            {"scheduled", status.events.scheduled},
            {"under_way", status.events.under_way},
            {"done", status.events.done},
            {"failed", status.events.failed},
            {"lost", status.events.lost},
            {"missed", status.events.missed}}},
          {"warnings", status.warnings}};
}

AdminJson to_json(const BackendInfo& backend) {
  return {{"name", backend.name},
          {"host", backend.host},
          {"port", backend.port},
          {"state", healthcheck::to_text(backend.state)},
          {"reason", backend.reason},
          {"wanted", healthcheck::to_text(backend.wanted)},
          {"weight", backend.weight},
          {"server_version", backend.server_version},
          {"applied", backend.applied},
          {"lag_entries", backend.lag_entries},
          {"lane", backend.lane},
          {"connections_leased", backend.connections_leased},
          {"connections_idle", backend.connections_idle},
          {"connections_max", backend.connections_max},
          {"sessions_waiting", backend.sessions_waiting},
          {"sessions_home", backend.sessions_home},
          {"probe_us", backend.probe_us},
          {"last_error", backend.last_error},
          {"preflight", backend.preflight}};
}

AdminJson to_json(const SessionInfo& session) {
  return {{"id", to_text(session.id)},
          {"user", session.user},
          {"connection_id", session.connection_id},
          {"client_address", session.client_address},
          {"tls", session.tls},
          {"compression", session.compression},
          {"database", session.database},
          {"state", session.state},
          {"home", session.home},
          {"in_transaction", session.in_transaction},
          {"pinned", session.pinned},
          {"age_ms", session.age_ms},
          {"state_age_ms", session.state_age_ms},
          {"statement_kind", session.statement_kind},
          {"statement_digest", session.statement_digest}};
}

std::string_view to_text(ReadConsistency value) {
  switch (value) {
    case ReadConsistency::kEventual:
      return "eventual";
    case ReadConsistency::kSession:
      return "session";
    case ReadConsistency::kStrong:
      return "strong";
  }
  return "session";
}

std::string to_text(SessionId id) {
  return std::to_string(id.worker) + "-" + std::to_string(id.slot) + "-" +
         std::to_string(id.generation);
}

void redact(AdminJson& value) {
  if (value.is_object()) {
    for (const auto& item : value.items()) {
      if (speaks_of_secret(item.key()) && !is_empty_value(item.value())) {
        item.value() = kRedacted;
      } else {
        redact(item.value());
      }
    }
  } else if (value.is_array()) {
    for (AdminJson& element : value) {
      redact(element);
    }
  }
}

std::string dump(const AdminJson& value) {
  return value.dump(2, ' ', false, AdminJson::error_handler_t::replace) + "\n";
}

}  // namespace consort::proxy
