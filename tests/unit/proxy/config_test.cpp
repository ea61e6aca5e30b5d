// Config: the shipped file, defaults, and that each wrong thing is named by its JSON path.
#include "proxy/config.h"

#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

using namespace consort;
using namespace consort::proxy;

namespace {

using Json = nlohmann::ordered_json;

/// The least that a configuration must say.
const std::string kLeast = R"({
  "backends": [{"name": "a", "host": "h1"}, {"name": "b", "host": "h2", "port": 3307}],
  "account": {"user": "u", "password": "hush"}
})";

/// kLeast with `value` at JSON pointer `pointer`.
std::string with(const std::string& pointer, const Json& value) {
  Json json = Json::parse(kLeast);
  json[Json::json_pointer(pointer)] = value;
  return json.dump();
}

std::string error_of(const std::string& text) {
  const Result<Config> config = parse_config(text, "/base");
  return config.ok() ? "" : config.error().message;
}

struct Wrong {
  std::string pointer;
  Json value;
  std::string error;
};

std::set<std::string> pointers_of(const Json& json) {
  std::set<std::string> pointers;
  const Json flat = json.flatten();
  for (const auto& item : flat.items()) {
    pointers.insert(item.key());
  }
  return pointers;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

TEST_SUITE("config") {
  TEST_CASE("the least configuration takes every default") {
    const Result<Config> config = parse_config(kLeast, "/base");
    REQUIRE(config.ok());
    EXPECT(config->backends.size() == 2);
    EXPECT(config->backends[0].port == 3306);
    EXPECT(config->backends[1].port == 3307);
    EXPECT(config->backends[1].weight == 1);
    EXPECT_FALSE(config->backends[1].compression);
    EXPECT(config->account.password == "hush");
    EXPECT(config->listen.sql.port == 6033);
    EXPECT(config->durability == CommitDurability::kDurable);
    EXPECT(config->auto_increment.increment == 16);
    EXPECT(config->sequences.increment_max == 1);
  }

  TEST_CASE("values are taken") {
    std::string text = with("/durability", "relaxed");
    EXPECT(parse_config(text, "/")->durability == CommitDurability::kRelaxed);
    text = with("/read_consistency", "strong");
    EXPECT(parse_config(text, "/")->read_consistency == ReadConsistency::kStrong);
    text = with("/session/ignore_lock_tables", true);
    EXPECT(parse_config(text, "/")->session.ignore_lock_tables);
    text = with("/commit/archive_bytes_max", 1ULL << 40);
    EXPECT(parse_config(text, "/")->commit.archive_bytes_max == 1ULL << 40);
    text = with("/listen/sql", Json{{"address", "::1"}, {"port", 1}});
    EXPECT(parse_config(text, "/")->listen.sql.address == "::1");
    text = with("/tls", Json{{"certificate", "c"}, {"key", "/k"}, {"version_min", "1.3"}});
    EXPECT(parse_config(text, "/base")->tls.files.certificate == "/base/c");
    EXPECT(parse_config(text, "/base")->tls.files.key == "/k");
    EXPECT(parse_config(text, "/base")->tls.files.version_min == TlsVersion::kTls13);
    text = with("/backend_tls", Json{{"mode", "verify-identity"}, {"ca", "ca"}});
    EXPECT(parse_config(text, "/base")->backend_tls.mode == TlsMode::kVerifyIdentity);
    EXPECT(parse_config(text, "/base")->backend_tls.files.ca == "/base/ca");
    text = with("/backends/1/tls", Json{{"mode", "preferred"}});
    const Result<Config> one = parse_config(text, "/");
    REQUIRE(one.ok());
    EXPECT(one->tls_of(one->backends[0]).mode == TlsMode::kOff);
    EXPECT(one->tls_of(one->backends[1]).mode == TlsMode::kPreferred);
    text = with("/backends/1/compression", true);
    EXPECT(parse_config(text, "/")->backends[1].compression);
    text = with("/listen/compression", Json{"zstd"});
    EXPECT(!parse_config(text, "/")->listen.compression.zlib);
    EXPECT(parse_config(text, "/")->listen.compression.zstd);
    text = with("/listen/compression", Json::array());
    EXPECT(!parse_config(text, "/")->listen.compression.zstd);
    text = with("/listen/proxy_protocol_networks", Json{"10.0.0.0/8", "localhost"});
    EXPECT(parse_config(text, "/")->listen.proxy_protocol_networks.size() == 2);
    text = with("/limits/idle_transaction_timeout_s", 60);
    EXPECT(parse_config(text, "/")->limits.idle_transaction_timeout_s == 60);
    text = with("/limits/transaction_timeout_s", 30);
    EXPECT(parse_config(text, "/")->limits.transaction_timeout_s == 30);
    text = with("/limits/query_timeout_ms", 1500);
    EXPECT(parse_config(text, "/")->limits.query_timeout_ms == 1500);
    text = with("/limits/user_connections_max", 7);
    EXPECT(parse_config(text, "/")->limits.user_connections_max == 7);
    text = with("/log", Json{{"level", "warning"}, {"format", "json"}});
    EXPECT(parse_config(text, "/")->log.level == LogLevel::kWarning);
  }

  TEST_CASE("comments are allowed, trailing commas are not") {
    EXPECT(error_of("/* a */ " + kLeast + " // b").empty());
    EXPECT(error_of("{\n  \"backends\": [],\n}") == "line 3, column 1: not valid JSON");
    EXPECT(error_of("").find("not valid JSON") != std::string::npos);
    EXPECT(error_of("[]") == "$: expected an object");
  }

  TEST_CASE("relative paths are taken from the base folder") {
    EXPECT(parse_config(with("/data_dir", "x/../y"), "/base")->data_dir == "/base/y");
    EXPECT(parse_config(with("/data_dir", "/y"), "/base")->data_dir == "/y");
    EXPECT(parse_config(with("/log/file", "l"), "/base")->log.file == "/base/l");
    EXPECT(parse_config(with("/listen/socket", "s"), "/base")->listen.socket == "/base/s");
  }

  TEST_CASE("accounts and failed logins") {
    const std::string text =
        with("/accounts", Json{{"credentials_file", "passwords"}, {"clear_password", true}});
    const Result<Config> config = parse_config(text, "/base");
    REQUIRE(config.ok());
    EXPECT(config->accounts.credentials_file == "/base/passwords");
    EXPECT(config->accounts.clear_password);
    EXPECT(parse_config(with("/limits/failed_logins_max", 0), "/")->limits.failed_logins_max == 0);
    EXPECT(error_of(with("/limits/failed_logins_block_s", 0)).find("failed_logins_block_s") !=
           std::string::npos);
  }

  TEST_CASE("a wrong value is named by its path") {
    const Wrong table[] = {
        {"/backends/1/port", "x", "$.backends[1].port: expected an integer 1..65535, got \"x\""},
        {"/backends/1/port", 0, "$.backends[1].port: expected an integer 1..65535, got 0"},
        {"/backends/1/port", 65536, "$.backends[1].port: expected an integer 1..65535, got 65536"},
        {"/backends/1/port", -1, "$.backends[1].port: expected an integer 1..65535, got -1"},
        {"/backends/1/port", 1.5, "$.backends[1].port: expected an integer 1..65535, got 1.5"},
        {"/backends/0/name", "a b",
         "$.backends[0].name: expected letters, digits, '-', '_' and '.', got \"a b\""},
        {"/backends/0/name", "", "$.backends[0].name: expected a text that is not empty, got \"\""},
        {"/backends/1/name", "a", "$.backends[1].name: \"a\" is the name of $.backends[0]"},
        {"/backends/0/nam", 1, "$.backends[0].nam: unknown key"},
        {"/backends/0", 5, "$.backends[0]: expected an object"},
        {"/backends", Json::array(), "$.backends: expected 1..16 backends, got 0"},
        {"/backends", "x", "$.backends: expected an array, got \"x\""},
        {"/listn", Json::object(), "$.listn: unknown key"},
        {"/listen/sql/adress", "x", "$.listen.sql.adress: unknown key"},
        {"/listen/sql/address", "localhost",
         "$.listen.sql.address: expected an IPv4 or IPv6 address, got \"localhost\""},
        {"/listen/socket", "/" + std::string(107, 's'),
         "$.listen.socket: expected a path of at most 107 bytes, got /" + std::string(107, 's')},
        {"/listen/compression", Json{"zlib", "lz4"},
         "$.listen.compression: expected \"zlib\" and \"zstd\" at most once each, got \"lz4\""},
        {"/listen/compression", Json{"zlib", "zlib"},
         "$.listen.compression: expected \"zlib\" and \"zstd\" at most once each, got \"zlib\""},
        {"/listen/compression", "zlib", "$.listen.compression: expected an array, got \"zlib\""},
        {"/listen/proxy_protocol_networks", Json{7},
         "$.listen.proxy_protocol_networks: expected strings"},
        {"/listen/proxy_protocol_networks", Json{"10.0.0.1/8"},
         "$.listen.proxy_protocol_networks: expected a network such as 10.0.0.0/8 or fd00::/8, an "
         "address or localhost, got \"10.0.0.1/8\""},
        {"/listen/metrics/port", 6080,
         "$.listen: two of sql, admin and metrics have one address and port"},
        {"/listen/admin/address", "0.0.0.0",
         "$.listen.admin.address: other machines can reach 0.0.0.0: set $.admin.token or listen on "
         "127.0.0.1"},
        {"/durability", "fast", "$.durability: expected \"durable\" or \"relaxed\", got \"fast\""},
        {"/session/innodb_snapshot_isolation", 1,
         "$.session.innodb_snapshot_isolation: expected true or false, got 1"},
        {"/account/user", 1, "$.account.user: expected a string, got 1"},
        {"/account/password_file", "x",
         "$.account.password: expected either password or password_file"},
        {"/account/password", 12345, "$.account.password: expected a string of at most 1024 bytes"},
        {"/account", Json{{"user", "u"}, {"password_file", "/nonexistent-consort/such"}},
         "$.account.password_file: cannot read /nonexistent-consort/such: No such file or "
         "directory"},
        {"/account", nullptr, "$.account: expected an object, got null"},
        {"/sequences/increment_max", 4096,
         "$.sequences.increment_max: is 4096: times "
         "$.auto_increment.increment it is above 65535"},
        {"/auto_increment/increment", 1,
         "$.auto_increment.increment: is 1, below the number of backends, 2"},
        {"/health/failures_to_offline", 1,
         "$.health.failures_to_offline: expected an integer 2..100, got 1"},
        {"/limits/client_buffer_bytes_low", 262144,
         "$.limits.client_buffer_bytes_low: is not below client_buffer_bytes_high"},
        {"/commit/lock_lookup_interval_ms", 50,
         "$.commit.lock_lookup_interval_ms: expected an integer 110..60000, got 50"},
        {"/log/level", "loud",
         "$.log.level: expected \"debug\" or \"info\" or \"warning\" or \"error\", got \"loud\""},
        {"/tls/certificate", "c.pem", "$.tls.certificate: certificate and key go together"},
        {"/tls/key", "c.key", "$.tls.certificate: certificate and key go together"},
        {"/tls/ca", "ca.pem", "$.tls.ca: needs a certificate"},
        {"/tls/required", true, "$.tls.required: needs a certificate"},
        {"/tls/version_min", "1.1", "$.tls.version_min: expected \"1.2\" or \"1.3\", got \"1.1\""},
        {"/backend_tls/mode", "on",
         "$.backend_tls.mode: expected \"off\" or \"preferred\" or \"required\" or \"verify-ca\" "
         "or "
         "\"verify-identity\", got \"on\""},
        {"/backend_tls/mode", "verify-ca", "$.backend_tls.ca: \"verify-ca\" needs it"},
        {"/backend_tls", Json{{"mode", "required"}, {"ca", "ca.pem"}},
         "$.backend_tls.ca: only \"verify-ca\" and \"verify-identity\" look at it"},
        {"/backends/1/tls/key", "k",
         "$.backends[1].tls.certificate: certificate and key go together"},
        {"/backends/1/tls", "off", "$.backends[1].tls: expected an object, got \"off\""},
        {"/data_dir", "a\nb",
         "$.data_dir: expected at most 4096 bytes without control characters, got \"a\\nb\""},
    };
    for (const Wrong& wrong : table) {
      CAPTURE(wrong.pointer);
      EXPECT(error_of(with(wrong.pointer, wrong.value)) == wrong.error);
    }
  }

  TEST_CASE("missing and doubled keys are named") {
    EXPECT(error_of("{}") == "$.backends: missing\n$.account: missing");
    EXPECT(error_of(R"({"workers": 1, "workers": 2})") == "$.workers: given twice");
    EXPECT(error_of(R"({"backends": [{"name": "a"}, {"host": "x", "host": "y"}]})") ==
           "$.backends[1].host: given twice");
    EXPECT(error_of(R"({"a": {"b": {"c": 1}}, "d": {"b": 1, "c": 2, "b": 1}})") ==
           "$.d.b: given twice");
  }

  TEST_CASE("all problems are told, but not without end") {
    Json json = Json::parse(kLeast);
    for (int i = 0; i < 30; ++i) {
      json["k" + std::to_string(i)] = i;
    }
    const std::string error = error_of(json.dump());
    EXPECT(error.find("$.k0: unknown key\n$.k1: unknown key\n") == 0);
    EXPECT(error.find("and 20 more") != std::string::npos);
  }

  TEST_CASE("secrets appear neither in errors nor in the shown configuration") {
    const std::string text = with("/admin/token", "tell-nobody");
    const Result<Config> config = parse_config(text, "/");
    REQUIRE(config.ok());
    EXPECT(config->redacted().find("tell-nobody") == std::string::npos);
    EXPECT(config->redacted().find("hush") == std::string::npos);
    EXPECT(Json::parse(config->redacted())["admin"]["token"] == "***");
    const Json long_secret = std::string(2000, 's');
    EXPECT(error_of(with("/account/password", long_secret)).find("sss") == std::string::npos);
  }

  TEST_CASE("the shipped file holds every key with its default") {
    const std::string path = std::string(CONSORT_SOURCE_ROOT) + "/etc/consort.json";
    const Result<Config> shipped = load_config(path);
    CAPTURE(shipped.ok() ? std::string() : shipped.error().message);
    REQUIRE(shipped.ok());
    REQUIRE(shipped->backends.size() == 3);
    EXPECT(shipped->backends[2].port == 3313);
    Config defaults;
    defaults.backends = shipped->backends;
    defaults.account = shipped->account;
    EXPECT(shipped->redacted() == defaults.redacted());
    const Json file = Json::parse(read_file(path), nullptr, true, true);
    EXPECT(pointers_of(file) == pointers_of(Json::parse(shipped->redacted())));
  }

  TEST_CASE("the password may come from a file") {
    const test::TempDir dir;
    std::ofstream(dir.path() + "/pw") << "from file\nsecond line\n";
    std::ofstream(dir.path() + "/c.json") << R"({"backends": [{"name": "a", "host": "h"}],
             "account": {"user": "u", "password_file": "pw"}})";
    const Result<Config> config = load_config(dir.path() + "/c.json");
    REQUIRE(config.ok());
    EXPECT(config->account.password == "from file");
  }

  TEST_CASE("a file that is not there is named") {
    const test::TempDir dir;
    const std::string missing = dir.path() + "/missing";
    const Result<Config> config = load_config(missing);
    REQUIRE(!config.ok());
    EXPECT(config.error().message == missing + ": cannot read it: No such file or directory");
    const Json account = {{"user", "u"}, {"password_file", missing}};
    EXPECT(error_of(with("/account", account)) ==
           "$.account.password_file: cannot read " + missing + ": No such file or directory");
  }
}
