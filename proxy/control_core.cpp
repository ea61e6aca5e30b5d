#include "proxy/control_core.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/server_kind.h"
#include "healthcheck/fact_tools.h"
#include "router/own_tracking.h"

namespace consort::proxy {

namespace {

using healthcheck::BackendState;
using healthcheck::Finding;
using healthcheck::Severity;
using Level = ControlLine::Level;

/// Each backend's findings are said once; this many are remembered.
constexpr std::size_t kSaidMax = 256;

Level level_of(BackendState state) {
  return state == BackendState::kSuspect || state == BackendState::kOffline ? Level::kWarning
                                                                            : Level::kInfo;
}

double to_ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

struct ControlCore::Backend {
  Backend(BackendId its_id,
          const BackendOptions& its_options,
          const ControlCoreOptions& all,
          TimePoint now)
      : id(its_id), options(its_options), weight(its_options.weight), health(all.health, now) {}

  BackendId id;
  BackendOptions options;
  std::uint32_t weight;
  healthcheck::BackendHealth health;
  healthcheck::ServerReport server;
  healthcheck::Facts facts;
  std::vector<Finding> findings;
  std::set<std::string> said;  ///< findings that stand in the log already
  std::uint64_t applied = 0;
  std::uint64_t probes = 0;
  std::uint64_t probes_failed = 0;
  std::optional<double> last_probe_ms;
  bool admitting = false;
  TimePoint next_admission{};
  BackendState shown_state = BackendState::kUnknown;  ///< in the last view
  std::string shown_reason;
  std::string shown_version;

  [[nodiscard]] std::uint64_t connections_max() const {
    const auto fact = facts.find("max_connections");
    return fact == facts.end() ? 0 : healthcheck::to_number(fact->second);
  }
};

ControlCore::ControlCore(const ControlCoreOptions& options, TimePoint now)
    : options_(options),
      read_consistency_(options.read_consistency),
      accounts_(options.accounts, options.backends.size(), now) {
  CHECK(!options.backends.empty());
  CHECK(options.backends.size() <= kBackendsMax);
  for (std::size_t i = 0; i < options.backends.size(); ++i) {
    const BackendId id{static_cast<std::uint8_t>(i)};
    backends_.push_back(std::make_unique<Backend>(id, options_.backends[i], options_, now));
  }
  view_ = build_view();
}

ControlCore::~ControlCore() = default;

void ControlCore::on_probe(BackendId id, const healthcheck::ProbeResult& result, TimePoint now) {
  Backend& backend = at(id);
  ++backend.probes;
  if (!result.ok()) {
    ++backend.probes_failed;
    backend.health.on_probe_failed(*result.failure, result.message, now);
    return;
  }
  const std::string& cluster = result.server.cluster;
  if (!cluster.empty() && !options_.cluster_id.empty() && cluster != options_.cluster_id) {
    ++backend.probes_failed;
    backend.health.on_probe_failed(
        healthcheck::ProbeFailure::kWrongServer,
        "its consort.position belongs to cluster " + cluster + ", ours is " + options_.cluster_id,
        now);
    return;
  }
  if (backend.server.uptime_s > result.server.uptime_s + 1) {
    say(Level::kInfo, "backend " + backend.options.name + ": the server has restarted");
    backend.next_admission = now;  // its settings may have changed
  }
  backend.server = result.server;
  backend.last_probe_ms = to_ms(result.ended - result.started);
  backend.health.on_probe_ok(result.started, now, result.server.paused);
}

void ControlCore::on_path_failure(BackendId id, healthcheck::PathFailure kind, TimePoint now) {
  at(id).health.on_path_failure(kind, now);
}

void ControlCore::on_lane(BackendId id,
                          healthcheck::LaneState lane,
                          Seqno applied,
                          std::string_view reason,
                          TimePoint now) {
  Backend& backend = at(id);
  backend.applied = applied.value;
  if (lane == healthcheck::LaneState::kInconsistent) {
    say(Level::kError, "backend " + backend.options.name +
                           ": its data differ from the log: " + std::string(reason));
  }
  backend.health.on_lane(lane, reason, now);
}

void ControlCore::on_operator(BackendId id, healthcheck::OperatorState wish, TimePoint now) {
  Backend& backend = at(id);
  say(Level::kInfo,
      "backend " + backend.options.name + ": an operator sets it " + std::string(to_text(wish)));
  backend.health.on_operator(wish, now);
}

void ControlCore::on_weights(const std::vector<BackendWeight>& weights) {
  for (const BackendWeight& each : weights) {
    view_dirty_ |= at(each.backend).weight != each.weight;
    at(each.backend).weight = each.weight;
  }
}

void ControlCore::on_read_consistency(ReadConsistency consistency) {
  view_dirty_ |= read_consistency_ != consistency;
  read_consistency_ = consistency;
}

void ControlCore::on_admission(BackendId id, AdmissionResult result, TimePoint now) {
  Backend& backend = at(id);
  backend.admitting = false;
  if (!result.facts.empty()) {
    if (backend.health.admitted()) {
      result.facts.merge(backend.facts);  // a quick look keeps what it left out
    }
    backend.facts = std::move(result.facts);
    for (const auto& each : backends_) {
      judge_preflight(*each);
    }
    view_dirty_ |= view_->stored_functions != may_have(healthcheck::kFactFunctions) ||
                   view_->triggers != may_have(healthcheck::kFactTriggers) ||
                   view_->lexer != lexer() || view_->resolves_names != resolves_names() ||
                   view_->forgets_accounts != forgets_accounts() ||
                   view_->packet_bytes_max != packet_bytes_max() ||
                   view_->kept_globals != kept_globals() ||
                   view_->backends[id.value].connections_max != backend.connections_max();
  }
  if (backend.health.admitted()) {
    backend.next_admission = now + options_.preflight_interval;
    return;  // a look at a serving backend only warns
  }
  if (!backend.health.needs_admission()) {
    backend.next_admission = now;
    return;  // it went down meanwhile
  }
  std::string refusal = result.error.empty() ? "" : "set-up: " + result.error;
  const std::string preflight = healthcheck::refusal(backend.findings);
  if (options_.preflight_refuses && !preflight.empty()) {
    refusal = preflight;
  }
  backend.next_admission =
      now + (refusal.empty() ? options_.preflight_interval : options_.admission_retry);
  backend.health.on_admission(refusal);
}

void ControlCore::on_accounts(BackendId id,
                              std::shared_ptr<const AccountSet> accounts,
                              Seqno as_of,
                              TimePoint now) {
  AccountWatch::Outcome outcome =
      accounts_.on_loaded(id, std::move(accounts), as_of, account_sources(), now);
  view_dirty_ |= outcome.adopted;
  tell_needed_accounts();
  if (!outcome.info.empty()) {
    say(Level::kInfo, std::move(outcome.info));
  }
  if (!outcome.warning.empty()) {
    say(Level::kWarning, std::move(outcome.warning));
  }
}

void ControlCore::on_account_request(TimePoint now) {
  accounts_.on_request(now);
}

void ControlCore::on_accounts_needed(Seqno as_of, TimePoint now) {
  accounts_.on_needed(as_of, now);
  view_dirty_ |= as_of > view_->accounts_as_of && as_of <= accounts_.as_of();
}

/// Accounts that a login waits for may be the same as before.
void ControlCore::tell_needed_accounts() {
  const Seqno needed = accounts_.needed();
  view_dirty_ |= needed > view_->accounts_as_of && needed <= accounts_.as_of();
}

ControlEffects ControlCore::advance(TimePoint now) {
  ControlEffects effects;
  for (const auto& backend : backends_) {
    advance_backend(*backend, now, effects);
  }
  effects.account_loads = accounts_.due(account_sources(), now);
  if (view_dirty_) {
    view_ = build_view();
    view_dirty_ = false;
    effects.view = view_;
  }
  effects.log.swap(lines_);
  return effects;
}

void ControlCore::advance_backend(Backend& backend, TimePoint now, ControlEffects& effects) {
  healthcheck::BackendHealth& health = backend.health;
  health.on_clock(now);
  if (health.probe_due(now)) {
    const healthcheck::ProbeRequest request{health.wants_fresh_connection(),
                                            health.wants_pause_look()};
    health.on_probe_started(now);
    effects.probes.push_back(ProbeEffect{backend.id, request});
  }
  if ((health.needs_admission() || health.admitted()) && !backend.admitting &&
      now >= backend.next_admission) {
    backend.admitting = true;
    effects.admissions.push_back(AdmissionEffect{backend.id, health.admitted()});
  }
  if (health.reach() == healthcheck::Reach::kDown) {
    backend.next_admission = now;  // when it returns, at once
  }
  if (health.state() != backend.shown_state) {
    const bool was_online = backend.shown_state == BackendState::kOnline;
    say(level_of(health.state()), "backend " + backend.options.name + ": " +
                                      std::string(to_text(backend.shown_state)) + " -> " +
                                      std::string(to_text(health.state())) +
                                      (health.reason().empty() ? "" : ": " + health.reason()));
    if (was_online) {
      accounts_.forget(backend.id);
    } else if (health.admitted()) {
      accounts_.on_request(now);
    }
  }
  if (health.state() != backend.shown_state || health.reason() != backend.shown_reason ||
      backend.server.version != backend.shown_version) {
    backend.shown_state = health.state();
    backend.shown_reason = health.reason();
    backend.shown_version = backend.server.version;
    view_dirty_ = true;
  }
}

std::vector<AccountSource> ControlCore::account_sources() const {
  std::vector<AccountSource> sources;
  for (const auto& backend : backends_) {
    sources.push_back({backend->options.name, backend->health.admitted(),
                       backend->health.state() == BackendState::kOnline});
  }
  return sources;
}

TimePoint ControlCore::next_wake() const {
  TimePoint next = accounts_.next_wake();
  for (const auto& backend : backends_) {
    next = std::min(next, backend->health.next_wake());
    if ((backend->health.needs_admission() || backend->health.admitted()) && !backend->admitting) {
      next = std::min(next, backend->next_admission);
    }
  }
  return next;
}

bool ControlCore::settled() const {
  bool any_admitted = false;
  for (const auto& backend : backends_) {
    if (!backend->health.judged()) {
      return false;
    }
    any_admitted |= backend->health.admitted();
  }
  return !any_admitted || accounts_.accounts() != nullptr;
}

std::vector<BackendStatus> ControlCore::statuses() const {
  std::vector<BackendStatus> out;
  for (const auto& backend : backends_) {
    BackendStatus& status = out.emplace_back();
    status.id = backend->id;
    status.name = backend->options.name;
    status.host = backend->options.host;
    status.port = backend->options.port;
    status.state = backend->health.state();
    status.reason = backend->health.reason();
    status.lane = backend->health.lane();
    status.operator_state = backend->health.operator_state();
    status.weight = backend->weight;
    status.failures = backend->health.failures();
    status.probes = backend->probes;
    status.probes_failed = backend->probes_failed;
    status.last_probe_ms = backend->last_probe_ms;
    status.next_probe = backend->health.next_wake();
    status.paused = backend->health.paused();
    status.read_only = backend->server.read_only;
    status.server_version = backend->server.version;
    status.connections_max = backend->connections_max();
    status.server_id = backend->server.server_id;
    status.uptime_s = backend->server.uptime_s;
    status.applied = backend->applied;
    status.position = backend->server.position;
    status.findings = backend->findings;
  }
  return out;
}

std::optional<BackendId> ControlCore::find(std::string_view name) const {
  for (const auto& backend : backends_) {
    if (backend->options.name == name) {
      return backend->id;
    }
  }
  return std::nullopt;
}

ControlCore::Backend& ControlCore::at(BackendId id) {
  CHECK(id.value < backends_.size());
  return *backends_[id.value];
}

void ControlCore::say(Level level, std::string text) {
  lines_.push_back(ControlLine{level, std::move(text)});
}

void ControlCore::judge_preflight(Backend& backend) {
  if (backend.facts.empty()) {
    return;
  }
  std::vector<healthcheck::NamedFacts> named;
  for (const auto& each : backends_) {
    named.push_back({each->options.name, each->facts.empty() ? nullptr : &each->facts});
  }
  backend.findings = healthcheck::check_backend(backend.facts, options_.cluster_id);
  std::vector<std::vector<Finding>> compared = healthcheck::compare_backends(named);
  for (Finding& finding : compared[backend.id.value]) {
    backend.findings.push_back(std::move(finding));
  }
  for (const Finding& finding : backend.findings) {
    if (backend.said.size() < kSaidMax && backend.said.insert(finding.what).second) {
      say(finding.severity == Severity::kError ? Level::kError : Level::kWarning,
          "backend " + backend.options.name + ": preflight: " + finding.what +
              " (mend: " + finding.mend + ")");
    }
  }
}

/// Whether a backend has something of what `fact` lists, or cannot be asked.
bool ControlCore::may_have(std::string_view fact) const {
  bool any_known = false;
  for (const auto& backend : backends_) {
    if (backend->facts.empty()) {
      continue;  // it does not serve before it was looked at
    }
    const auto found = backend->facts.find(fact);
    if (found == backend->facts.end() || !found->second.empty()) {
      return true;
    }
    any_known = true;
  }
  return !any_known;
}

router::LexerOptions ControlCore::lexer() const {
  router::LexerOptions options;
  std::optional<std::uint32_t> oldest;
  std::uint32_t newest = 0;
  bool all_known = !backends_.empty();
  std::optional<std::string_view> sql_mode;
  for (const auto& backend : backends_) {
    const auto version = backend->facts.find("version");
    const auto mode = backend->facts.find("sql_mode");
    all_known = all_known && version != backend->facts.end();
    if (version != backend->facts.end()) {
      const healthcheck::Version parsed = healthcheck::parse_version(version->second);
      const auto number =
          static_cast<std::uint32_t>(parsed.major * 10000 + parsed.minor * 100 + parsed.patch);
      oldest = std::min(oldest.value_or(number), number);
      newest = std::max(newest, number);
      options.mysql = options.mysql || !parsed.mariadb;
    }
    if (mode != backend->facts.end()) {
      options.doubtful = options.doubtful || sql_mode.value_or(mode->second) != mode->second;
      sql_mode = mode->second;
    }
  }
  options.server_version = oldest.value_or(options.server_version);
  options.newest_version = all_known ? newest : options.newest_version;
  const auto with_mode = router::with_sql_mode(options, sql_mode.value_or(""));
  options.doubtful = options.doubtful || !with_mode;
  return with_mode.value_or(options);
}

/// As the first backend that was looked at.
bool ControlCore::resolves_names() const {
  for (const auto& backend : backends_) {
    const auto skips = backend->facts.find("skip_name_resolve");
    if (skips != backend->facts.end()) {
      return skips->second == "OFF";
    }
  }
  return false;
}

/// One that was never looked at counts: it will execute what the others have, and may be such.
bool ControlCore::forgets_accounts() const {
  return std::any_of(backends_.begin(), backends_.end(), [](const auto& backend) {
    const auto skips = backend->facts.find("skip_name_resolve");
    return skips == backend->facts.end() || skips->second != "OFF";
  });
}

/// Of the first backend that keeps one: all have the same.
std::uint64_t ControlCore::packet_bytes_max() const {
  for (const auto& backend : backends_) {
    const auto kept = backend->facts.find(healthcheck::kFactPacketLimit);
    if (kept != backend->facts.end() && !kept->second.empty()) {
      return healthcheck::to_number(kept->second);
    }
  }
  return 0;
}

/// Likewise.
KeptGlobals ControlCore::kept_globals() const {
  KeptGlobals kept;
  for (const auto& backend : backends_) {
    for (const std::string_view name : healthcheck::kKeptGlobals) {
      const auto fact =
          backend->facts.find(std::string(healthcheck::kFactKeptGlobal) + std::string(name));
      if (fact != backend->facts.end() && !fact->second.empty()) {
        kept.emplace(name, fact->second);
      }
    }
    for (const std::string_view name : {kInteractiveTimeout, kMaxPasswordErrors, kSqlModeName,
                                        router::kTrackedSchema, router::kTrackedVariables}) {
      const auto fact = backend->facts.find(name);
      if (fact != backend->facts.end()) {
        kept.emplace(name, fact->second);
      }
    }
  }
  return kept;
}

std::shared_ptr<const ClusterView> ControlCore::build_view() const {
  auto view = std::make_shared<ClusterView>();
  view->version = view_ == nullptr ? 1 : view_->version + 1;
  view->accounts = accounts_.accounts();
  view->accounts_as_of = accounts_.as_of();
  view->read_consistency = read_consistency_;
  view->read_affinity = options_.read_affinity;
  view->read_wait_ms_max = options_.read_wait_ms_max;
  view->stored_functions = may_have(healthcheck::kFactFunctions);
  view->triggers = may_have(healthcheck::kFactTriggers);
  view->lexer = lexer();
  view->resolves_names = resolves_names();
  view->forgets_accounts = forgets_accounts();
  view->packet_bytes_max = packet_bytes_max();
  view->kept_globals = kept_globals();
  view->server_version = options_.server_version;
  bool collation_known = false;
  for (const auto& backend : backends_) {
    view->backends.push_back(BackendView{backend->id, backend->options.name, backend->options.host,
                                         backend->options.port, backend->health.state(),
                                         backend->weight, backend->health.reason(),
                                         backend->server.version, backend->connections_max()});
    const std::string& version = backend->server.version;
    if (!version.empty()) {
      const bool is_mysql = server_kind_of(version) == ServerKind::kMysql;
      view->mysql = view->mysql || is_mysql;
      view->mariadb = view->mariadb || !is_mysql;
    }
    const auto mapped = backend->facts.find("character_set_collations");
    view->maps_collations =
        view->maps_collations || (mapped != backend->facts.end() && !mapped->second.empty());
    if (view->server_version.empty()) {
      view->server_version = backend->server.version;
    }
    const auto collation = backend->facts.find(healthcheck::kFactCollationId);
    if (!collation_known && collation != backend->facts.end()) {
      const std::uint64_t id = healthcheck::to_number(collation->second);
      collation_known = id > 0 && id < 256;
      view->default_collation =
          collation_known ? static_cast<std::uint8_t>(id) : view->default_collation;
    }
  }
  return view;
}

}  // namespace consort::proxy
