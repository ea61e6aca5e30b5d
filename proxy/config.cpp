#include "proxy/config.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "proxy/config_listen.h"
#include "proxy/config_reader.h"

namespace consort::proxy {
namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kGiB = 1024 * kMiB;
constexpr std::uint64_t kHourMs = 3600000;

std::string resolved(const std::string& path, const std::string& base_dir) {
  if (path.empty() || path.front() == '/') {
    return path;
  }
  return (std::filesystem::path(base_dir) / path).lexically_normal().string();
}

bool is_numeric_address(const std::string& text) {
  in_addr v4{};
  in6_addr v6{};
  return inet_pton(AF_INET, text.c_str(), &v4) == 1 || inet_pton(AF_INET6, text.c_str(), &v6) == 1;
}

bool is_loopback(const std::string& address) {
  return address == "::1" || address.rfind("127.", 0) == 0;
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

void read_name(ConfigReader& reader, std::string_view key, std::string& out, Need need) {
  constexpr std::size_t kNameBytesMax = 64;
  reader.text(key, out, need, kNameBytesMax);
  if (!out.empty() && !is_plain_name(out)) {
    reader.refuse(key, "expected letters, digits, '-', '_' and '.', got \"" + out + "\"");
  }
}

void read_endpoint(ConfigReader& parent,
                   std::string_view key,
                   EndpointConfig& out,
                   ConfigProblems& problems) {
  const ConfigJson* json = parent.object(key);
  if (json == nullptr) {
    return;
  }
  ConfigReader reader(*json, parent.path_of(key), problems);
  reader.text("address", out.address, Need::kOptional);
  if (!is_numeric_address(out.address)) {
    reader.refuse("address", "expected an IPv4 or IPv6 address, got \"" + out.address + "\"");
  }
  reader.integer("port", out.port, 1, 65535);
  reader.finish();
}

void read_listen(ConfigReader& root,
                 ListenConfig& out,
                 const std::string& base_dir,
                 ConfigProblems& problems) {
  const ConfigJson* json = root.object("listen");
  if (json == nullptr) {
    return;
  }
  ConfigReader reader(*json, root.path_of("listen"), problems);
  read_endpoint(reader, "sql", out.sql, problems);
  constexpr std::size_t kSocketBytesMax = 107;  // what the system takes
  reader.text("socket", out.socket, Need::kOptional);
  out.socket = resolved(out.socket, base_dir);
  if (out.socket.size() > kSocketBytesMax) {
    reader.refuse("socket", "expected a path of at most 107 bytes, got " + out.socket);
  }
  read_endpoint(reader, "admin", out.admin, problems);
  read_endpoint(reader, "metrics", out.metrics, problems);
  read_compression(reader, out.compression);
  read_proxy_networks(reader, out.proxy_protocol_networks);
  const auto same = [](const EndpointConfig& a, const EndpointConfig& b) {
    return a.port == b.port && a.address == b.address;
  };
  if (same(out.sql, out.admin) || same(out.admin, out.metrics) || same(out.sql, out.metrics)) {
    problems.add("$.listen", "two of sql, admin and metrics have one address and port");
  }
  reader.finish();
}

/// The keys of TlsFiles, of whichever side.
void read_tls_files(ConfigReader& reader, TlsFiles& out, const std::string& base_dir) {
  reader.text("certificate", out.certificate, Need::kOptional);
  reader.text("key", out.key, Need::kOptional);
  reader.text("ca", out.ca, Need::kOptional);
  reader.choice<TlsVersion>("version_min", out.version_min,
                            {{"1.2", TlsVersion::kTls12}, {"1.3", TlsVersion::kTls13}});
  if (out.certificate.empty() != out.key.empty()) {
    reader.refuse("certificate", "certificate and key go together");
  }
  for (std::string* file : {&out.certificate, &out.key, &out.ca}) {
    *file = resolved(*file, base_dir);
  }
}

void read_tls(ConfigReader& root,
              TlsConfig& out,
              const std::string& base_dir,
              ConfigProblems& problems) {
  const ConfigJson* json = root.object("tls");
  if (json == nullptr) {
    return;
  }
  ConfigReader reader(*json, root.path_of("tls"), problems);
  read_tls_files(reader, out.files, base_dir);
  reader.boolean("required", out.required);
  if (out.files.certificate.empty() && out.required) {
    reader.refuse("required", "needs a certificate");
  }
  if (out.files.certificate.empty() && !out.files.ca.empty()) {
    reader.refuse("ca", "needs a certificate");
  }
  reader.finish();
}

void read_backend_tls(const ConfigJson& json,
                      const std::string& path,
                      BackendTls& out,
                      const std::string& base_dir,
                      ConfigProblems& problems) {
  ConfigReader reader(json, path, problems);
  reader.choice<TlsMode>("mode", out.mode,
                         {{"off", TlsMode::kOff},
                          {"preferred", TlsMode::kPreferred},
                          {"required", TlsMode::kRequired},
                          {"verify-ca", TlsMode::kVerifyCa},
                          {"verify-identity", TlsMode::kVerifyIdentity}});
  read_tls_files(reader, out.files, base_dir);
  const bool verifies = out.mode == TlsMode::kVerifyCa || out.mode == TlsMode::kVerifyIdentity;
  if (verifies && out.files.ca.empty()) {
    reader.refuse("ca", "\"" + std::string(to_text(out.mode)) + "\" needs it");
  }
  if (!verifies && !out.files.ca.empty()) {
    reader.refuse("ca", "only \"verify-ca\" and \"verify-identity\" look at it");
  }
  reader.finish();
}

void read_backend(const ConfigJson& json,
                  const std::string& path,
                  BackendConfig& out,
                  const std::string& base_dir,
                  ConfigProblems& problems) {
  if (!json.is_object()) {
    problems.add(path, "expected an object");
    return;
  }
  ConfigReader reader(json, path, problems);
  read_name(reader, "name", out.name, Need::kRequired);
  reader.text("host", out.host, Need::kRequired, 255);
  reader.integer("port", out.port, 1, 65535);
  reader.integer("weight", out.weight, 0, 1000);
  reader.boolean("compression", out.compression);
  if (const ConfigJson* tls = reader.object("tls")) {
    read_backend_tls(*tls, reader.path_of("tls"), out.tls.emplace(), base_dir, problems);
  }
  reader.finish();
}

void check_backends(const std::vector<BackendConfig>& backends, ConfigProblems& problems) {
  bool any_weight = false;
  for (std::size_t i = 0; i < backends.size(); ++i) {
    any_weight = any_weight || backends[i].weight > 0;
    const std::string path = "$.backends[" + std::to_string(i) + "]";
    for (std::size_t earlier = 0; earlier < i; ++earlier) {
      const std::string other = "$.backends[" + std::to_string(earlier) + "]";
      if (backends[i].name == backends[earlier].name) {
        problems.add(path + ".name", "\"" + backends[i].name + "\" is the name of " + other);
      }
      if (backends[i].host == backends[earlier].host &&
          backends[i].port == backends[earlier].port) {
        problems.add(path, "has the host and port of " + other);
      }
    }
  }
  if (!any_weight) {
    problems.add("$.backends", "every weight is 0: nothing could be read anywhere");
  }
}

void read_backends(ConfigReader& root,
                   std::vector<BackendConfig>& out,
                   const std::string& base_dir,
                   ConfigProblems& problems) {
  const ConfigJson* json = root.array("backends", Need::kRequired);
  if (json == nullptr) {
    return;
  }
  if (json->empty() || json->size() > kBackendsMax) {
    root.refuse("backends", "expected 1.." + std::to_string(kBackendsMax) + " backends, got " +
                                std::to_string(json->size()));
    return;
  }
  out.resize(json->size());
  for (std::size_t i = 0; i < json->size(); ++i) {
    read_backend((*json)[i], "$.backends[" + std::to_string(i) + "]", out[i], base_dir, problems);
  }
  if (problems.empty()) {
    check_backends(out, problems);
  }
}

Result<std::string> first_line_of(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return make_error("cannot read " + path + ": " + std::strerror(errno));
  }
  std::string line;
  std::getline(file, line);
  if (!line.empty() && line.back() == '\r') {
    line.pop_back();
  }
  if (line.empty()) {
    return make_error("the first line of " + path + " is empty");
  }
  return line;
}

void read_account(ConfigReader& root,
                  AccountConfig& out,
                  const std::string& base_dir,
                  ConfigProblems& problems) {
  const ConfigJson* json = root.object("account", Need::kRequired);
  if (json == nullptr) {
    return;
  }
  ConfigReader reader(*json, root.path_of("account"), problems);
  std::string password_file;
  reader.text("user", out.user, Need::kRequired, 128);
  reader.secret("password", out.password);
  reader.text("password_file", password_file, Need::kOptional);
  if (reader.has("password") == reader.has("password_file")) {
    reader.refuse("password", "expected either password or password_file");
  } else if (!password_file.empty()) {
    Result<std::string> line = first_line_of(resolved(password_file, base_dir));
    if (line.ok()) {
      out.password = *line;
    } else {
      reader.refuse("password_file", line.error().message);
    }
  }
  reader.finish();
}

void read_accounts(ConfigReader& root,
                   AccountsConfig& out,
                   const std::string& base_dir,
                   ConfigProblems& problems) {
  const ConfigJson* json = root.object("accounts");
  if (json == nullptr) {
    return;
  }
  ConfigReader reader(*json, root.path_of("accounts"), problems);
  reader.text("credentials_file", out.credentials_file, Need::kOptional);
  out.credentials_file = resolved(out.credentials_file, base_dir);
  reader.boolean("clear_password", out.clear_password);
  reader.finish();
}

void read_health(ConfigReader& root, HealthConfig& out, ConfigProblems& problems) {
  const ConfigJson* json = root.object("health");
  if (json == nullptr) {
    return;
  }
  ConfigReader reader(*json, root.path_of("health"), problems);
  reader.integer("probe_interval_ms", out.probe_interval_ms, 50, kHourMs);
  reader.integer("probe_quick_interval_ms", out.probe_quick_interval_ms, 20, kHourMs);
  reader.integer("connect_timeout_ms", out.connect_timeout_ms, 50, 60000);
  reader.integer("probe_timeout_ms", out.probe_timeout_ms, 50, 60000);
  reader.integer("failures_to_offline", out.failures_to_offline, 2, 100);
  reader.integer("successes_to_online", out.successes_to_online, 1, 100);
  reader.integer("backoff_ms_max", out.backoff_ms_max, 100, kHourMs);
  if (out.probe_quick_interval_ms > out.probe_interval_ms) {
    reader.refuse("probe_quick_interval_ms", "is longer than probe_interval_ms");
  }
  reader.finish();
}

void read_limits(ConfigReader& root, LimitsConfig& out, ConfigProblems& problems) {
  const ConfigJson* json = root.object("limits");
  if (json == nullptr) {
    return;
  }
  ConfigReader reader(*json, root.path_of("limits"), problems);
  reader.integer("connections_max", out.connections_max, 1, 1000000);
  reader.integer("user_connections_max", out.user_connections_max, 0, 1000000);
  reader.integer("packet_bytes_max", out.packet_bytes_max, 64 * kKiB, kGiB);
  reader.integer("writeset_bytes_max", out.writeset_bytes_max, 64 * kKiB, 512 * kMiB);
  reader.integer("client_buffer_bytes_low", out.client_buffer_bytes_low, 4 * kKiB, kGiB);
  reader.integer("client_buffer_bytes_high", out.client_buffer_bytes_high, 8 * kKiB, kGiB);
  reader.integer("login_timeout_ms", out.login_timeout_ms, 100, kHourMs);
  reader.integer("idle_timeout_s", out.idle_timeout_s, 1, 31536000);
  reader.integer("idle_transaction_timeout_s", out.idle_transaction_timeout_s, 0, 31536000);
  reader.integer("transaction_timeout_s", out.transaction_timeout_s, 0, 31536000);
  reader.integer("query_timeout_ms", out.query_timeout_ms, 0, 31536000000ULL / 1000);
  reader.integer("prepared_statements_max", out.prepared_statements_max, 1, 1048576);
  reader.integer("failed_logins_max", out.failed_logins_max, 0, 1000000);
  reader.integer("failed_logins_block_s", out.failed_logins_block_s, 1, 86400);
  if (out.client_buffer_bytes_low >= out.client_buffer_bytes_high) {
    reader.refuse("client_buffer_bytes_low", "is not below client_buffer_bytes_high");
  }
  reader.finish();
}

void read_pool(ConfigReader& root, PoolConfig& out, ConfigProblems& problems) {
  const ConfigJson* json = root.object("pool");
  if (json == nullptr) {
    return;
  }
  ConfigReader reader(*json, root.path_of("pool"), problems);
  reader.integer("connections_max", out.connections_max, 1, 100000);
  reader.integer("connections_min", out.connections_min, 0, 100000);
  reader.integer("waiters_max", out.waiters_max, 0, 1000000);
  reader.integer("wait_ms_max", out.wait_ms_max, 1, kHourMs);
  reader.integer("idle_timeout_s", out.idle_timeout_s, 1, 31536000);
  reader.integer("lifetime_s", out.lifetime_s, 1, 31536000);
  reader.integer("statements_max", out.statements_max, 1, 65536);
  if (out.connections_min > out.connections_max) {
    reader.refuse("connections_min", "is above connections_max");
  }
  reader.finish();
}

void read_commit(ConfigReader& root, CommitConfig& out, ConfigProblems& problems) {
  const ConfigJson* json = root.object("commit");
  if (json == nullptr) {
    return;
  }
  ConfigReader reader(*json, root.path_of("commit"), problems);
  reader.integer("batch_writesets_max", out.batch_writesets_max, 1, 1024);
  reader.integer("batch_bytes_max", out.batch_bytes_max, 64 * kKiB, 8 * kMiB);
  reader.integer("lane_interval_ms", out.lane_interval_ms, 0, 100);
  reader.integer("index_keys_max", out.index_keys_max, 1000, 1000000000);
  reader.integer("index_commits_max", out.index_commits_max, 100, 100000000);
  reader.integer("lane_stall_ms", out.lane_stall_ms, 1, 10000);
  reader.integer("lock_lookup_interval_ms", out.lock_lookup_interval_ms, 110, 60000);
  reader.integer("group_wait_ms_max", out.group_wait_ms_max, 100, kHourMs);
  reader.integer("archive_bytes_max", out.archive_bytes_max, 64 * kMiB, std::uint64_t{1} << 60);
  reader.integer("disk_free_bytes_min", out.disk_free_bytes_min, 0, std::uint64_t{1} << 60);
  reader.finish();
}

void read_session(ConfigReader& root, SessionConfig& out, ConfigProblems& problems) {
  const ConfigJson* json = root.object("session");
  if (json == nullptr) {
    return;
  }
  ConfigReader reader(*json, root.path_of("session"), problems);
  reader.boolean("innodb_snapshot_isolation", out.innodb_snapshot_isolation);
  reader.boolean("ignore_lock_tables", out.ignore_lock_tables);
  reader.integer("autocommit_retries", out.autocommit_retries, 0, 1000);
  reader.finish();
}

void read_auto_increment(ConfigReader& root, Config& out, ConfigProblems& problems) {
  if (const ConfigJson* json = root.object("auto_increment")) {
    ConfigReader reader(*json, root.path_of("auto_increment"), problems);
    reader.integer("increment", out.auto_increment.increment, 1, 65535);
    reader.finish();
  }
  if (out.auto_increment.increment < out.backends.size()) {
    problems.add("$.auto_increment.increment",
                 "is " + std::to_string(out.auto_increment.increment) + ", below the number of " +
                     "backends, " + std::to_string(out.backends.size()));
  }
}

void read_sequences(ConfigReader& root, Config& out, ConfigProblems& problems) {
  constexpr std::uint32_t kStepMax = 65535;  // auto_increment_increment
  if (const ConfigJson* json = root.object("sequences")) {
    ConfigReader reader(*json, root.path_of("sequences"), problems);
    reader.integer("increment_max", out.sequences.increment_max, 1, kStepMax);
    reader.finish();
  }
  if (out.auto_increment.increment > kStepMax / out.sequences.increment_max) {
    problems.add("$.sequences.increment_max",
                 "is " + std::to_string(out.sequences.increment_max) +
                     ": times $.auto_increment.increment it is above 65535");
  }
}

void read_admin(ConfigReader& root, Config& out, ConfigProblems& problems) {
  if (const ConfigJson* json = root.object("admin")) {
    ConfigReader reader(*json, root.path_of("admin"), problems);
    reader.secret("token", out.admin.token);
    reader.finish();
  }
  if (out.admin.token.empty() && !is_loopback(out.listen.admin.address)) {
    problems.add("$.listen.admin.address", "other machines can reach " + out.listen.admin.address +
                                               ": set $.admin.token or listen on 127.0.0.1");
  }
}

void read_log(ConfigReader& root,
              LogConfig& out,
              const std::string& base_dir,
              ConfigProblems& problems) {
  const ConfigJson* json = root.object("log");
  if (json == nullptr) {
    return;
  }
  ConfigReader reader(*json, root.path_of("log"), problems);
  reader.choice<LogLevel>("level", out.level,
                          {{"debug", LogLevel::kDebug},
                           {"info", LogLevel::kInfo},
                           {"warning", LogLevel::kWarning},
                           {"error", LogLevel::kError}});
  reader.choice<LogFormat>("format", out.format,
                           {{"text", LogFormat::kText}, {"json", LogFormat::kJson}});
  reader.text("file", out.file, Need::kOptional);
  out.file = resolved(out.file, base_dir);
  reader.finish();
}

void read_top(ConfigReader& root, Config& out, const std::string& base_dir) {
  read_name(root, "cluster_name", out.cluster_name, Need::kOptional);
  root.text("data_dir", out.data_dir, Need::kOptional);
  out.data_dir = resolved(out.data_dir, base_dir);
  root.integer("workers", out.workers, 0, 64);
  root.choice<CommitDurability>(
      "durability", out.durability,
      {{"durable", CommitDurability::kDurable}, {"relaxed", CommitDurability::kRelaxed}});
  root.choice<ReadConsistency>("read_consistency", out.read_consistency,
                               {{"eventual", ReadConsistency::kEventual},
                                {"session", ReadConsistency::kSession},
                                {"strong", ReadConsistency::kStrong}});
  root.boolean("read_affinity", out.read_affinity);
  root.integer("read_wait_ms_max", out.read_wait_ms_max, 0, kHourMs);
  root.integer("shutdown_grace_ms", out.shutdown_grace_ms, 0, kHourMs);
}

}  // namespace

std::uint32_t Config::workers_effective() const {
  constexpr std::uint32_t kWorkersMax = 64;
  const std::uint32_t wanted = workers == 0 ? std::thread::hardware_concurrency() : workers;
  return std::clamp<std::uint32_t>(wanted, 1, kWorkersMax);
}

Result<Config> parse_config(std::string_view json, const std::string& base_dir) {
  Result<ConfigJson> parsed = parse_config_json(json);
  if (!parsed.ok()) {
    return parsed.error();
  }
  if (!parsed->is_object()) {
    return make_error("$: expected an object");
  }
  Config config;
  ConfigProblems problems;
  ConfigReader root(*parsed, "$", problems);
  read_top(root, config, base_dir);
  read_listen(root, config.listen, base_dir, problems);
  read_tls(root, config.tls, base_dir, problems);
  if (const ConfigJson* json = root.object("backend_tls")) {
    read_backend_tls(*json, "$.backend_tls", config.backend_tls, base_dir, problems);
  }
  read_backends(root, config.backends, base_dir, problems);
  read_account(root, config.account, base_dir, problems);
  read_accounts(root, config.accounts, base_dir, problems);
  read_health(root, config.health, problems);
  read_limits(root, config.limits, problems);
  read_pool(root, config.pool, problems);
  read_commit(root, config.commit, problems);
  read_session(root, config.session, problems);
  read_auto_increment(root, config, problems);
  read_sequences(root, config, problems);
  read_admin(root, config, problems);
  read_log(root, config.log, base_dir, problems);
  root.finish();
  if (!problems.empty()) {
    return make_error(problems.text());
  }
  return config;
}

Result<Config> load_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return make_error(path + ": cannot read it: " + std::strerror(errno));
  }
  const std::string base_dir = std::filesystem::path(path).parent_path().string();
  Result<Config> config = parse_config(text.str(), base_dir.empty() ? "." : base_dir);
  if (!config.ok()) {
    return make_error(path + ": " + config.error().message);
  }
  return config;
}

}  // namespace consort::proxy
