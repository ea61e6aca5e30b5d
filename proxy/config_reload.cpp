#include "proxy/config_reload.h"

#include <nlohmann/json.hpp>

namespace consort::proxy {
namespace {

/// "/backends/1/weight" to "$.backends[1].weight".
std::string json_path(const std::string& pointer) {
  std::string path = "$";
  std::size_t at = 0;
  while (at < pointer.size()) {
    const std::size_t next = std::min(pointer.find('/', at + 1), pointer.size());
    const std::string step = pointer.substr(at + 1, next - at - 1);
    at = next;
    if (step == "-") {
      continue;  // one more at the array's end
    }
    const bool number = step.find_first_not_of("0123456789") == std::string::npos;
    path += number ? '[' + step + ']' : '.' + step;
  }
  return path;
}

std::vector<std::string> differences(const Config& a, const Config& b) {
  std::vector<std::string> paths;
  const auto patch =
      nlohmann::json::diff(nlohmann::json::parse(a.plain()), nlohmann::json::parse(b.plain()));
  for (const auto& step : patch) {
    paths.push_back(json_path(step.at("path").get<std::string>()));
  }
  return paths;
}

/// Takes from `fresh` what a running proxy can change.
void take_over(Config& running, const Config& fresh) {
  running.read_consistency = fresh.read_consistency;
  running.shutdown_grace_ms = fresh.shutdown_grace_ms;
  running.pool = fresh.pool;
  running.log.level = fresh.log.level;
  const LimitsConfig limits = running.limits;
  running.limits = fresh.limits;
  running.limits.writeset_bytes_max = limits.writeset_bytes_max;  // the commit thread's
  running.limits.idle_timeout_s = limits.idle_timeout_s;  // what every connection was told at first
  running.limits.query_timeout_ms = limits.query_timeout_ms;    // likewise
  running.limits.failed_logins_max = limits.failed_logins_max;  // LoginDesk's
  running.limits.failed_logins_block_s = limits.failed_logins_block_s;
  if (running.backends.size() == fresh.backends.size()) {
    for (std::size_t i = 0; i < fresh.backends.size(); ++i) {
      running.backends[i].weight = fresh.backends[i].weight;
    }
  }
}

}  // namespace

ConfigReload plan_reload(const Config& before, const Config& fresh) {
  ConfigReload plan;
  plan.config = before;
  take_over(plan.config, fresh);
  plan.changed = differences(before, plan.config);
  plan.needs_restart = differences(plan.config, fresh);
  return plan;
}

}  // namespace consort::proxy
