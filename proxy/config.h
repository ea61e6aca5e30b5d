// Config: everything that an operator can set, read once at start from a JSON file with comments.
// etc/consort.json is the shipped file and describes every key with its unit and default.
// Threads: plain values; read-only after load_config().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/tls_options.h"
#include "proxy/cluster_view.h"

namespace consort::proxy {

/// Where to listen. `address` is a numeric IPv4 or IPv6 address.
struct EndpointConfig {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
};

/// Compression that clients may choose.
struct CompressionConfig {
  bool zlib = true;
  bool zstd = true;  ///< of MySQL 8's clients
};

struct ListenConfig {
  EndpointConfig sql{"127.0.0.1", 6033};  ///< MySQL protocol, for applications
  std::string socket;  ///< the same on a Unix socket: absolute, or relative to the config file
  EndpointConfig admin{"127.0.0.1", 6080};    ///< JSON over HTTP
  EndpointConfig metrics{"127.0.0.1", 6090};  ///< Prometheus
  CompressionConfig compression;
  std::vector<std::string> proxy_protocol_networks;  ///< whose PROXY headers are believed
};

/// TLS for clients: offered when there is a certificate.
struct TlsConfig {
  TlsFiles files;         ///< absolute, or relative to the config file
  bool required = false;  ///< clients without TLS are refused
};

/// One server behind Consort. Its place in the list is its BackendId.
struct BackendConfig {
  std::string name;  ///< letters, digits, `-`, `_`, `.`; unique
  std::string host;
  std::uint16_t port = 3306;
  std::uint32_t weight = 1;       ///< share of reads and of new homes; 0: none
  std::optional<BackendTls> tls;  ///< nullopt: as Config::backend_tls
  bool compression = false;       ///< of what is said to it, if it offers that
};

/// The account that Consort itself uses on every backend.
struct AccountConfig {
  std::string user;
  std::string password;  ///< given itself, or the first line of the file `password_file`
};

/// How clients log in whose hash in mysql.global_priv does not log in to the backends.
struct AccountsConfig {
  std::string credentials_file;  ///< credentials_file.h; absolute, or relative to the config file
  bool clear_password = false;   ///< ask for the password itself, through TLS or the Unix socket
};

enum class CommitDurability : std::uint8_t {
  kDurable,  ///< the client's OK waits until its commit is on disk in the commit log
  kRelaxed   ///< the OK is given at certification: a crash may lose the last ones, never differ
};

struct HealthConfig {
  std::uint32_t probe_interval_ms = 1000;       ///< between probes of a healthy backend
  std::uint32_t probe_quick_interval_ms = 200;  ///< while in doubt or returning
  std::uint32_t connect_timeout_ms = 2000;
  std::uint32_t probe_timeout_ms = 2000;
  std::uint32_t failures_to_offline = 3;  ///< failed probes in a row that eject
  std::uint32_t successes_to_online = 2;  ///< good probes in a row that bring back
  std::uint32_t backoff_ms_max = 2000;    ///< longest wait between tries of a lost backend
};

struct LimitsConfig {
  std::uint32_t connections_max = 10000;   ///< clients, all workers together
  std::uint32_t user_connections_max = 0;  ///< clients of one account; 0: no limit
  std::uint64_t packet_bytes_max = 64ULL << 20;
  std::uint64_t writeset_bytes_max = 256ULL << 20;      ///< row events of one transaction
  std::uint64_t client_buffer_bytes_low = 64ULL << 10;  ///< reading from the backend goes on again
  std::uint64_t client_buffer_bytes_high = 256ULL << 10;  ///< reading from the backend stops
  std::uint32_t login_timeout_ms = 10000;  ///< from accept to the end of authentication
  std::uint32_t idle_timeout_s = 28800;    ///< silent clients are closed: wait_timeout's default
  std::uint32_t idle_transaction_timeout_s = 0;   ///< the same within a transaction; 0: no other
  std::uint32_t transaction_timeout_s = 0;        ///< a longer transaction is rolled back; 0: none
  std::uint32_t query_timeout_ms = 0;             ///< max_statement_time at first; 0: the server's
  std::uint32_t prepared_statements_max = 16384;  ///< of one session
  std::uint32_t failed_logins_max = 100;          ///< in a row from one address; 0: no limit
  std::uint32_t failed_logins_block_s = 60;       ///< so long no connection is taken from there
};

/// Connections for clients' statements, to each backend, all workers together.
struct PoolConfig {
  std::uint32_t connections_max = 1000;
  std::uint32_t connections_min = 0;   ///< kept open although idle, once somebody has logged in
  std::uint32_t waiters_max = 10000;   ///< sessions that may wait for one
  std::uint32_t wait_ms_max = 5000;    ///< and how long
  std::uint32_t idle_timeout_s = 300;  ///< idle ones above the minimum are closed
  std::uint32_t lifetime_s = 3600;     ///< of a connection, give or take a tenth
  std::uint32_t statements_max = 512;  ///< prepared on one connection
};

struct CommitConfig {
  std::uint32_t batch_writesets_max = 256;       ///< merged into one apply on a backend
  std::uint64_t batch_bytes_max = 1ULL << 20;    ///< row events of one apply
  std::uint32_t lane_interval_ms = 8;            ///< a busy lane waits for more, at most so long
  std::uint64_t index_keys_max = 1000000;        ///< certification index: keys
  std::uint32_t index_commits_max = 16384;       ///< certification index: commits
  std::uint32_t lane_stall_ms = 3;               ///< unanswered this long: look for a lock holder
  std::uint32_t lock_lookup_interval_ms = 120;   ///< between further looks; at least 110
  std::uint32_t group_wait_ms_max = 10000;       ///< a prepared branch whose rows never come
  std::uint64_t archive_bytes_max = 8ULL << 30;  ///< history kept for backends that catch up
  std::uint64_t disk_free_bytes_min = 64ULL << 20;  ///< below this, new commits are refused
};

struct SessionConfig {
  bool innodb_snapshot_isolation = true;  ///< set on every client-facing connection
  bool ignore_lock_tables = false;        ///< LOCK TABLES: OK without effect
  std::uint32_t autocommit_retries = 32;  ///< of a statement that lost a conflict; 0: none
};

struct AutoIncrementConfig {
  std::uint32_t increment = 16;  ///< at least the number of backends; never lower it later
};

struct SequencesConfig {
  /// Largest INCREMENT of a sequence: no two of its numbers are nearer than that. 1 or more; times
  /// AutoIncrementConfig::increment at most 65535.
  std::uint32_t increment_max = 1;
};

struct AdminConfig {
  std::string token;  ///< empty: no token, loopback addresses only
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };
enum class LogFormat : std::uint8_t { kText, kJson };

struct LogConfig {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  std::string file;  ///< empty: standard error
};

struct Config {
  std::string cluster_name = "consort";       ///< for people: in the log and the admin interface
  std::string data_dir = "/var/lib/consort";  ///< absolute, or relative to the config file
  std::uint32_t workers = 0;                  ///< threads that serve clients; 0: one per core
  CommitDurability durability = CommitDurability::kDurable;
  ReadConsistency read_consistency = ReadConsistency::kSession;
  bool read_affinity = true;                ///< a session's reads stay where its last one ran
  std::uint32_t read_wait_ms_max = 1000;    ///< how long a read waits for a fresh enough backend
  std::uint32_t shutdown_grace_ms = 10000;  ///< for what is under way when the process shall end
  ListenConfig listen;
  TlsConfig tls;
  BackendTls backend_tls;  ///< of every backend that has none of its own; files as in TlsConfig
  std::vector<BackendConfig> backends;
  AccountConfig account;
  AccountsConfig accounts;
  HealthConfig health;
  LimitsConfig limits;
  PoolConfig pool;
  CommitConfig commit;
  SessionConfig session;
  AutoIncrementConfig auto_increment;
  SequencesConfig sequences;
  AdminConfig admin;
  LogConfig log;

  [[nodiscard]] const BackendTls& tls_of(const BackendConfig& backend) const {
    return backend.tls ? *backend.tls : backend_tls;
  }

  /// Threads that serve clients: `workers`, or the number of cores, 1 to 64.
  [[nodiscard]] std::uint32_t workers_effective() const;

  /// The configuration in force as JSON for people, in the file's own shape, with passwords and
  /// tokens blanked.
  [[nodiscard]] std::string redacted() const;

  /// The same with them, to compare configurations: never to be shown.
  [[nodiscard]] std::string plain() const;
};

/// Reads `path`. Relative paths in it are taken from its folder. Errors name the file and the JSON
/// path: `etc/consort.json: $.backends[1].port: expected an integer 1..65535, got "x"`.
[[nodiscard]] Result<Config> load_config(const std::string& path);

/// The same for a text in memory; relative paths are taken from `base_dir`.
[[nodiscard]] Result<Config> parse_config(std::string_view json, const std::string& base_dir);

[[nodiscard]] std::string_view to_text(CommitDurability durability);
[[nodiscard]] std::string_view to_text(TlsVersion version);
[[nodiscard]] std::string_view to_text(TlsMode mode);
[[nodiscard]] std::string_view to_text(LogLevel level);
[[nodiscard]] std::string_view to_text(LogFormat format);

}  // namespace consort::proxy
