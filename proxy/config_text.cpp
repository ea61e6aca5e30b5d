// Config as text: the words of its choices, and the JSON that /config shows.
#include "proxy/config.h"
#include "proxy/config_reader.h"

namespace consort::proxy {
namespace {

constexpr const char* kBlanked = "***";

std::string blanked(const std::string& secret) {
  return secret.empty() ? "" : kBlanked;
}

std::string_view text_of(ReadConsistency consistency) {
  switch (consistency) {
    case ReadConsistency::kEventual:
      return "eventual";
    case ReadConsistency::kSession:
      return "session";
    case ReadConsistency::kStrong:
      return "strong";
  }
  return "session";
}

ConfigJson endpoint(const EndpointConfig& config) {
  return {{"address", config.address}, {"port", config.port}};
}

ConfigJson compression(const CompressionConfig& config) {
  ConfigJson words = ConfigJson::array();
  if (config.zlib) {
    words.push_back("zlib");
  }
  if (config.zstd) {
    words.push_back("zstd");
  }
  return words;
}

ConfigJson tls_files(const TlsFiles& files) {
  return {{"certificate", files.certificate},
          {"key", files.key},
          {"ca", files.ca},
          {"version_min", to_text(files.version_min)}};
}

ConfigJson tls(const TlsConfig& config) {
  ConfigJson json = tls_files(config.files);
  json["required"] = config.required;
  return json;
}

ConfigJson backend_tls(const BackendTls& config) {
  ConfigJson json = {{"mode", to_text(config.mode)}};
  json.update(tls_files(config.files));
  return json;
}

ConfigJson backends(const std::vector<BackendConfig>& configs) {
  ConfigJson list = ConfigJson::array();
  for (const BackendConfig& backend : configs) {
    list.push_back({{"name", backend.name},
                    {"host", backend.host},
                    {"port", backend.port},
                    {"weight", backend.weight},
                    {"compression", backend.compression}});
    if (backend.tls) {
      list.back()["tls"] = backend_tls(*backend.tls);
    }
  }
  return list;
}

ConfigJson health(const HealthConfig& config) {
  return {{"probe_interval_ms", config.probe_interval_ms},
          {"probe_quick_interval_ms", config.probe_quick_interval_ms},
          {"connect_timeout_ms", config.connect_timeout_ms},
          {"probe_timeout_ms", config.probe_timeout_ms},
          {"failures_to_offline", config.failures_to_offline},
          {"successes_to_online", config.successes_to_online},
          {"backoff_ms_max", config.backoff_ms_max}};
}

ConfigJson limits(const LimitsConfig& config) {
  return {{"connections_max", config.connections_max},
          {"user_connections_max", config.user_connections_max},
          {"packet_bytes_max", config.packet_bytes_max},
          {"writeset_bytes_max", config.writeset_bytes_max},
          {"client_buffer_bytes_low", config.client_buffer_bytes_low},
          {"client_buffer_bytes_high", config.client_buffer_bytes_high},
          {"login_timeout_ms", config.login_timeout_ms},
          {"idle_timeout_s", config.idle_timeout_s},
          {"idle_transaction_timeout_s", config.idle_transaction_timeout_s},
          {"transaction_timeout_s", config.transaction_timeout_s},
          {"query_timeout_ms", config.query_timeout_ms},
          {"prepared_statements_max", config.prepared_statements_max},
          {"failed_logins_max", config.failed_logins_max},
          {"failed_logins_block_s", config.failed_logins_block_s}};
}

ConfigJson pool(const PoolConfig& config) {
  return {{"connections_max", config.connections_max}, {"connections_min", config.connections_min},
          {"waiters_max", config.waiters_max},         {"wait_ms_max", config.wait_ms_max},
          {"idle_timeout_s", config.idle_timeout_s},   {"lifetime_s", config.lifetime_s},
          {"statements_max", config.statements_max}};
}

ConfigJson commit(const CommitConfig& config) {
  return {{"batch_writesets_max", config.batch_writesets_max},
          {"batch_bytes_max", config.batch_bytes_max},
          {"lane_interval_ms", config.lane_interval_ms},
          {"index_keys_max", config.index_keys_max},
          {"index_commits_max", config.index_commits_max},
          {"lane_stall_ms", config.lane_stall_ms},
          {"lock_lookup_interval_ms", config.lock_lookup_interval_ms},
          {"group_wait_ms_max", config.group_wait_ms_max},
          {"archive_bytes_max", config.archive_bytes_max},
          {"disk_free_bytes_min", config.disk_free_bytes_min}};
}

}  // namespace

std::string_view to_text(CommitDurability durability) {
  return durability == CommitDurability::kDurable ? "durable" : "relaxed";
}

std::string_view to_text(TlsVersion version) {
  return version == TlsVersion::kTls12 ? "1.2" : "1.3";
}

std::string_view to_text(TlsMode mode) {
  switch (mode) {
    case TlsMode::kOff:
      return "off";
    case TlsMode::kPreferred:
      return "preferred";
    case TlsMode::kRequired:
      return "required";
    case TlsMode::kVerifyCa:
      return "verify-ca";
    case TlsMode::kVerifyIdentity:
      return "verify-identity";
  }
  return "off";
}

std::string_view to_text(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

std::string_view to_text(LogFormat format) {
  return format == LogFormat::kText ? "text" : "json";
}

namespace {

ConfigJson json_of(const Config& config) {
  ConfigJson json;
  json["cluster_name"] = config.cluster_name;
  json["data_dir"] = config.data_dir;
  json["workers"] = config.workers;
  json["durability"] = to_text(config.durability);
  json["read_consistency"] = text_of(config.read_consistency);
  json["read_affinity"] = config.read_affinity;
  json["read_wait_ms_max"] = config.read_wait_ms_max;
  json["shutdown_grace_ms"] = config.shutdown_grace_ms;
  json["listen"] = {{"sql", endpoint(config.listen.sql)},
                    {"socket", config.listen.socket},
                    {"admin", endpoint(config.listen.admin)},
                    {"metrics", endpoint(config.listen.metrics)},
                    {"compression", compression(config.listen.compression)},
                    {"proxy_protocol_networks", config.listen.proxy_protocol_networks}};
  json["tls"] = tls(config.tls);
  json["backend_tls"] = backend_tls(config.backend_tls);
  json["backends"] = backends(config.backends);
  json["account"] = {{"user", config.account.user}, {"password", config.account.password}};
  json["accounts"] = {{"credentials_file", config.accounts.credentials_file},
                      {"clear_password", config.accounts.clear_password}};
  json["health"] = health(config.health);
  json["limits"] = limits(config.limits);
  json["pool"] = pool(config.pool);
  json["commit"] = commit(config.commit);
  json["session"] = {{"innodb_snapshot_isolation", config.session.innodb_snapshot_isolation},
                     {"ignore_lock_tables", config.session.ignore_lock_tables},
                     {"autocommit_retries", config.session.autocommit_retries}};
  json["auto_increment"] = {{"increment", config.auto_increment.increment}};
  json["sequences"] = {{"increment_max", config.sequences.increment_max}};
  json["admin"] = {{"token", config.admin.token}};
  json["log"] = {{"level", to_text(config.log.level)},
                 {"format", to_text(config.log.format)},
                 {"file", config.log.file}};
  return json;
}

std::string text_of_json(const ConfigJson& json) {
  return json.dump(2, ' ', false, ConfigJson::error_handler_t::replace);
}

}  // namespace

std::string Config::plain() const {
  return text_of_json(json_of(*this));
}

std::string Config::redacted() const {
  ConfigJson json = json_of(*this);
  json["account"]["password"] = blanked(account.password);
  json["admin"]["token"] = blanked(admin.token);
  return text_of_json(json);
}

}  // namespace consort::proxy
