#include "proxy/config_reload.h"

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

Config parsed(const std::string& more) {
  Result<Config> config = parse_config(
      R"({"account": {"user": "u", "password": "p"}, "backends": [{"name": "a", "host": "h1"},)"
      R"( {"name": "b", "host": "h2"}])" +
          more + "}",
      ".");
  REQUIRE(config.ok());
  return *config;
}

using Paths = std::vector<std::string>;

TEST_SUITE("config") {
  TEST_CASE("plan_reload: nothing differs") {
    const ConfigReload plan = plan_reload(parsed(""), parsed(""));
    EXPECT(plan.changed.empty());
    EXPECT(plan.needs_restart.empty());
  }

  TEST_CASE("plan_reload: takes over what it can and names the rest") {
    const Config before = parsed("");
    Config fresh = parsed(R"(, "workers": 3, "read_consistency": "strong",
        "pool": {"connections_max": 5}, "limits": {"writeset_bytes_max": 65536,
        "idle_timeout_s": 7, "login_timeout_ms": 700}, "log": {"level": "debug", "format": "json"})");
    fresh.backends[1].weight = 4;
    fresh.backends[0].port = 3307;
    fresh.account.password = "other";
    const ConfigReload plan = plan_reload(before, fresh);
    EXPECT((plan.changed == Paths{"$.backends[1].weight", "$.limits.login_timeout_ms",
                                  "$.log.level", "$.pool.connections_max", "$.read_consistency"}));
    EXPECT((plan.needs_restart == Paths{"$.account.password", "$.backends[0].port",
                                        "$.limits.idle_timeout_s", "$.limits.writeset_bytes_max",
                                        "$.log.format", "$.workers"}));
    EXPECT(plan.config.pool.connections_max == 5);
    EXPECT(plan.config.backends[1].weight == 4);
    EXPECT(plan.config.backends[0].port == 3306);
    EXPECT(plan.config.limits.writeset_bytes_max == before.limits.writeset_bytes_max);
    EXPECT(plan.config.workers == before.workers);
  }

  TEST_CASE("plan_reload: another backend needs a restart, whatever its weight") {
    const Config before = parsed("");
    Config fresh = before;
    fresh.backends.push_back({"c", "h3", 3306, 9, {}});
    fresh.backends[0].weight = 2;
    const ConfigReload plan = plan_reload(before, fresh);
    EXPECT(plan.changed.empty());
    EXPECT((plan.needs_restart == Paths{"$.backends[0].weight", "$.backends"}));
  }

  TEST_CASE("Config: secrets are in what is compared and not in what is shown") {
    const Config config = parsed(R"(, "admin": {"token": "t0ken"})");
    EXPECT(config.plain().find("t0ken") != std::string::npos);
    EXPECT(config.redacted().find("t0ken") == std::string::npos);
  }
}

}  // namespace
}  // namespace consort::proxy
