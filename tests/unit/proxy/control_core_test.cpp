#include "proxy/control_core.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/test.h"

using namespace consort::proxy;
using namespace consort::healthcheck;
using consort::BackendId;
using consort::ManualClock;
using consort::Seqno;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr const char* kCluster = "0badcafe-0000-4000-8000-000000000001";

ControlCoreOptions three_backends() {
  ControlCoreOptions options;
  options.cluster_id = kCluster;
  for (const char* name : {"a", "b", "c"}) {
    options.backends.push_back(BackendOptions{name, "127.0.0.1", 3306, 1});
  }
  return options;
}

std::shared_ptr<const AccountSet> accounts_of(const std::vector<std::string>& users) {
  std::vector<Account> accounts;
  for (const std::string& user : users) {
    Account account;
    account.user = user;
    account.host = "%";
    accounts.push_back(account);
  }
  return std::make_shared<AccountSet>(accounts);
}

/// Plays the shell: answers the core's effects as the backends of the script would.
struct Stage {
  struct Actor {
    std::optional<ProbeFailure> failure;  ///< what its probes come to
    Facts facts;
    std::string cluster = kCluster;
    std::uint64_t uptime_s = 100;
    bool lane_follows = true;  ///< the commit thread reports caught up when it may
    std::shared_ptr<const AccountSet> accounts = accounts_of({"app"});
    Seqno applied;
    int admissions = 0;
    int account_loads = 0;
  };

  ManualClock clock;
  ControlCore core;
  std::vector<Actor> actors;
  std::vector<std::string> log;
  std::vector<std::shared_ptr<const ClusterView>> views;

  explicit Stage(const ControlCoreOptions& options = three_backends())
      : core(options, clock.now()), actors(options.backends.size()) {
    for (std::size_t i = 0; i < actors.size(); ++i) {
      actors[i].facts = Facts{{"server_id", std::to_string(i + 1)},
                              {"version", "10.11.19-MariaDB"},
                              {"innodb_snapshot_isolation", "OFF"},
                              {std::string(kFactCollationId), "33"},
                              {std::string(kFactFunctions), ""}};
    }
  }

  /// One round of the loop; effects are answered a millisecond later. True when there were any.
  bool step() {
    const ControlEffects effects = core.advance(clock.now());
    clock.advance(milliseconds(1));
    for (const ControlLine& line : effects.log) {
      log.push_back(line.text);
    }
    if (effects.view != nullptr) {
      views.push_back(effects.view);
      report_lanes(*effects.view);
    }
    for (const ProbeEffect& probe : effects.probes) {
      answer_probe(probe.backend);
    }
    for (const AdmissionEffect& admission : effects.admissions) {
      const BackendId id = admission.backend;
      Actor& actor = actors[id.value];
      ++actor.admissions;
      core.on_admission(id, AdmissionResult{actor.facts, ""}, clock.now());
    }
    for (const BackendId id : effects.account_loads) {
      ++actors[id.value].account_loads;
      core.on_accounts(id, actors[id.value].accounts, actors[id.value].applied, clock.now());
    }
    return effects.view != nullptr || !effects.probes.empty() || !effects.admissions.empty() ||
           !effects.account_loads.empty();
  }

  void answer_probe(BackendId id) {
    const Actor& actor = actors[id.value];
    ProbeResult result;
    result.started = clock.now() - milliseconds(1);
    result.ended = clock.now();
    result.failure = actor.failure;
    result.server.version = "10.11.19-MariaDB";
    result.server.uptime_s = actor.uptime_s;
    result.server.cluster = actor.cluster;
    core.on_probe(id, result, clock.now());
  }

  void report_lanes(const ClusterView& view) {
    for (const BackendView& backend : view.backends) {
      if (backend.state == BackendState::kCatchingUp && actors[backend.id.value].lane_follows) {
        core.on_lane(backend.id, LaneState::kCaughtUp, Seqno{7}, "", clock.now());
      }
    }
  }

  void play(consort::Duration how_long) {
    const consort::TimePoint end = clock.now() + how_long;
    while (clock.now() < end) {
      if (step()) {
        continue;  // an answer wakes the loop
      }
      const consort::TimePoint wake = std::min(core.next_wake(), end);
      if (wake > clock.now()) {
        clock.advance(wake - clock.now());
      }
    }
  }

  [[nodiscard]] std::string states() const {
    std::string out;
    for (const BackendStatus& status : core.statuses()) {
      out += (out.empty() ? "" : " ") + std::string(to_text(status.state));
    }
    return out;
  }

  [[nodiscard]] bool logged(const std::string& part) const {
    return std::any_of(log.begin(), log.end(), [&](const std::string& line) {
      return line.find(part) != std::string::npos;
    });
  }

  [[nodiscard]] const ClusterView& view() const { return *core.view(); }
};

}  // namespace

TEST_SUITE("proxy") {
  TEST_CASE("ControlCore: brings every backend online and publishes it") {
    Stage stage;
    EXPECT(stage.states() == "unknown unknown unknown");
    EXPECT_FALSE(stage.core.settled());
    stage.play(seconds(1));
    EXPECT(stage.core.settled());
    EXPECT(stage.states() == "online online online");
    EXPECT(stage.view().backends.size() == 3);
    EXPECT(stage.view().server_version == "10.11.19-MariaDB");
    EXPECT(stage.view().default_collation == 33);
    REQUIRE(stage.view().accounts != nullptr);
    EXPECT(stage.view().accounts->accounts().size() == 1);
    EXPECT(stage.logged("backend b: catching_up -> online"));
    for (std::size_t i = 1; i < stage.views.size(); ++i) {
      EXPECT(stage.views[i]->version > stage.views[i - 1]->version);
    }
  }

  TEST_CASE("ControlCore: no view and no log line without a change") {
    Stage stage;
    stage.play(seconds(2));
    const std::size_t views = stage.views.size();
    const std::size_t lines = stage.log.size();
    stage.play(seconds(300));
    EXPECT(stage.views.size() == views);
    EXPECT(stage.log.size() == lines);
  }

  TEST_CASE("ControlCore: a refused connection ejects at once; back again it is admitted anew") {
    Stage stage;
    stage.play(seconds(2));
    stage.actors[1].failure = ProbeFailure::kRefused;
    stage.core.on_path_failure(BackendId{1}, PathFailure::kRefused, stage.clock.now());
    stage.step();
    EXPECT(stage.states() == "online offline online");
    EXPECT(stage.views.back()->backends[1].reason.find("refused") != std::string::npos);
    const int admissions = stage.actors[1].admissions;
    stage.play(seconds(10));
    EXPECT(stage.states() == "online offline online");
    stage.actors[1].failure.reset();
    stage.play(seconds(3));
    EXPECT(stage.states() == "online online online");
    EXPECT(stage.actors[1].admissions == admissions + 1);
  }

  TEST_CASE("ControlCore: a slow probe suspects, the next clears it") {
    Stage stage;
    stage.play(seconds(2));
    stage.actors[0].failure = ProbeFailure::kReadTimeout;
    for (int i = 0; i < 100 && stage.states() == "online online online"; ++i) {
      stage.play(milliseconds(20));
    }
    EXPECT(stage.states() == "suspect online online");
    stage.actors[0].failure.reset();
    stage.play(milliseconds(300));
    EXPECT(stage.states() == "online online online");
  }

  TEST_CASE("ControlCore: preflight errors keep it out until they are mended") {
    Stage stage;
    stage.actors[2].facts["server_id"] = "1";
    stage.actors[0].facts["binlog_format"] = "STATEMENT";
    stage.play(seconds(1));
    EXPECT(stage.core.settled());
    EXPECT(stage.states() == "offline online offline");
    EXPECT(stage.logged("binlog_format is STATEMENT"));
    EXPECT(stage.logged("server_id is 1 on a too"));
    EXPECT(stage.core.statuses()[0].reason.find("SET GLOBAL binlog_format='ROW'") !=
           std::string::npos);
    stage.actors[0].facts["binlog_format"] = "ROW";
    stage.actors[2].facts["server_id"] = "3";
    stage.play(seconds(6));
    EXPECT(stage.states() == "online online online");
    EXPECT(stage.core.statuses()[0].findings.empty());
  }

  TEST_CASE("ControlCore: a setting that goes wrong while it serves is told, not punished") {
    Stage stage;
    stage.play(seconds(2));
    stage.actors[0].facts["binlog_row_image"] = "MINIMAL";
    stage.play(seconds(61));
    EXPECT(stage.states() == "online online online");
    EXPECT(stage.logged("binlog_row_image is MINIMAL"));
    EXPECT(stage.core.statuses()[0].findings.size() == 1);
  }

  TEST_CASE("ControlCore: a server of another cluster is not the backend") {
    Stage stage;
    stage.actors[1].cluster = "somebody-else";
    stage.play(seconds(3));
    EXPECT(stage.states() == "online offline online");
    EXPECT(stage.core.statuses()[1].reason.find("somebody-else") != std::string::npos);
    EXPECT(stage.actors[1].admissions == 0);
  }

  TEST_CASE("ControlCore: a restart between two probes is seen, its settings are read again") {
    Stage stage;
    stage.play(seconds(2));
    const int admissions = stage.actors[0].admissions;
    stage.actors[0].uptime_s = 1;
    stage.play(seconds(2));
    EXPECT(stage.logged("a: the server has restarted"));
    EXPECT(stage.actors[0].admissions == admissions + 1);
    EXPECT(stage.states() == "online online online");
  }

  TEST_CASE("ControlCore: operators drain, stop and weigh; inconsistent waits for them") {
    Stage stage;
    stage.play(seconds(2));
    stage.core.on_operator(BackendId{0}, OperatorState::kDraining, stage.clock.now());
    stage.core.on_weights({{BackendId{1}, 5}});
    stage.core.on_read_consistency(ReadConsistency::kStrong);
    stage.step();
    EXPECT(stage.states() == "draining online online");
    EXPECT(stage.view().backends[1].weight == 5);
    EXPECT((stage.view().read_consistency == ReadConsistency::kStrong));
    stage.core.on_lane(BackendId{2}, LaneState::kInconsistent, Seqno{9}, "1032", stage.clock.now());
    stage.play(seconds(5));
    EXPECT(stage.states() == "draining online offline");
    stage.core.on_operator(BackendId{0}, OperatorState::kOnline, stage.clock.now());
    stage.core.on_operator(BackendId{2}, OperatorState::kOnline, stage.clock.now());
    stage.play(seconds(1));
    EXPECT(stage.states() == "online online online");
  }

  TEST_CASE("ControlCore: who waits for accounts gets a view of them, the same or not") {
    Stage stage;
    stage.play(seconds(1));
    REQUIRE((stage.view().accounts_as_of == Seqno{0}));
    for (Stage::Actor& actor : stage.actors) {
      actor.applied = Seqno{8};
    }
    stage.core.on_accounts_needed(Seqno{8}, stage.clock.now());
    stage.play(milliseconds(50));
    EXPECT((stage.view().accounts_as_of == Seqno{8}));
    // Read by chance before anybody asks: told when somebody does.
    for (Stage::Actor& actor : stage.actors) {
      actor.applied = Seqno{9};
    }
    stage.play(seconds(6));
    EXPECT((stage.view().accounts_as_of == Seqno{8}));
    const std::size_t views = stage.views.size();
    stage.core.on_accounts_needed(Seqno{9}, stage.clock.now());
    (void)stage.step();
    EXPECT(stage.views.size() == views + 1);
    EXPECT((stage.view().accounts_as_of == Seqno{9}));
  }

  TEST_CASE("ControlCore: the first online backend's accounts count, differences are told late") {
    Stage stage;
    stage.play(seconds(2));
    stage.actors[0].accounts = accounts_of({"app", "new"});
    stage.core.on_account_request(stage.clock.now());
    stage.play(milliseconds(700));
    EXPECT(stage.view().accounts->find("new", client_host("10.0.0.1")) != nullptr);
    EXPECT_FALSE(stage.logged("accounts differ"));
    stage.play(seconds(20));
    EXPECT(stage.logged("accounts differ"));
    EXPECT(stage.logged("'new'@'%'"));
    stage.actors[1].accounts = stage.actors[0].accounts;
    stage.actors[2].accounts = stage.actors[0].accounts;
    stage.play(seconds(20));
    EXPECT(stage.logged("the same on all online backends again"));
    const auto differs = [](const std::string& line) {
      return line.find("accounts differ") != std::string::npos;
    };
    EXPECT(std::count_if(stage.log.begin(), stage.log.end(), differs) == 1);
  }

  TEST_CASE("ControlCore: account requests in a storm are few refreshes") {
    Stage stage;
    stage.play(seconds(2));
    const int loads = stage.actors[0].account_loads;
    for (int i = 0; i < 1000; ++i) {
      stage.core.on_account_request(stage.clock.now());
      stage.play(milliseconds(1));
    }
    EXPECT(stage.actors[0].account_loads - loads <= 6);
    EXPECT(stage.actors[0].account_loads - loads >= 4);
  }

  TEST_CASE("ControlCore: stored functions exist until a backend says otherwise, or one has some") {
    Stage stage;
    EXPECT(stage.core.view()->stored_functions);
    stage.play(seconds(2));
    EXPECT_FALSE(stage.view().stored_functions);
    stage.actors[1].facts[std::string(kFactFunctions)] = "shop.next_price";
    stage.play(seconds(70));
    EXPECT(stage.view().stored_functions);
    stage.actors[1].facts[std::string(kFactFunctions)] = "";
    stage.play(seconds(70));
    EXPECT_FALSE(stage.view().stored_functions);

    Stage silent;
    silent.actors[2].facts.erase(std::string(kFactFunctions));  // it cannot be asked
    silent.play(seconds(2));
    EXPECT(silent.view().stored_functions);
  }

  TEST_CASE("ControlCore: SQL is read as the oldest backend reads it, in their common sql_mode") {
    Stage stage;
    stage.actors[1].facts["version"] = "10.6.7-MariaDB-log";
    for (Stage::Actor& actor : stage.actors) {
      actor.facts["sql_mode"] = "ANSI_QUOTES,STRICT_TRANS_TABLES";
    }
    stage.play(seconds(2));
    EXPECT(stage.view().lexer.server_version == 100607);
    EXPECT(stage.view().lexer.newest_version == 101119);
    EXPECT(stage.view().lexer.ansi_quotes);
    EXPECT_FALSE(stage.view().lexer.mysql);
    EXPECT_FALSE(stage.view().mysql);
    EXPECT(stage.view().mariadb);
    EXPECT_FALSE(stage.view().lexer.doubtful);
    stage.actors[2].facts["sql_mode"] = "STRICT_TRANS_TABLES";
    stage.play(seconds(70));
    EXPECT(stage.view().lexer.doubtful);
  }

  TEST_CASE("ControlCore: whether the servers look for their clients' names") {
    Stage stage;
    stage.play(seconds(2));
    EXPECT_FALSE(stage.view().resolves_names);  // not known
    stage.actors[0].facts["skip_name_resolve"] = "OFF";
    stage.play(seconds(70));
    EXPECT(stage.view().resolves_names);
    stage.actors[0].facts["skip_name_resolve"] = "ON";
    stage.play(seconds(70));
    EXPECT_FALSE(stage.view().resolves_names);
  }

  TEST_CASE("ControlCore: how many connections a server takes") {
    Stage stage;
    stage.play(seconds(2));
    EXPECT(stage.view().backends[1].connections_max == 0);  // not known
    stage.actors[1].facts["max_connections"] = "151";
    stage.play(seconds(70));
    EXPECT(stage.view().backends[1].connections_max == 151);
    EXPECT(stage.view().backends[0].connections_max == 0);
    EXPECT(stage.core.statuses()[1].connections_max == 151);
  }

  TEST_CASE("ControlCore: whether some server forgets accounts whose host is a name") {
    Stage stage;
    stage.play(seconds(2));
    EXPECT(stage.view().forgets_accounts);  // not known
    stage.actors[0].facts["skip_name_resolve"] = "OFF";
    stage.actors[1].facts["skip_name_resolve"] = "OFF";
    stage.play(seconds(70));
    EXPECT(stage.view().forgets_accounts);  // of one it is not
    stage.actors[2].facts["skip_name_resolve"] = "OFF";
    stage.play(seconds(70));
    EXPECT_FALSE(stage.view().forgets_accounts);
    stage.actors[2].facts["skip_name_resolve"] = "ON";
    stage.play(seconds(70));
    EXPECT(stage.view().forgets_accounts);
    EXPECT(stage.view().resolves_names);
  }

  TEST_CASE("ControlCore: settles with everything down") {
    Stage stage;
    for (Stage::Actor& actor : stage.actors) {
      actor.failure = ProbeFailure::kRefused;
    }
    stage.play(seconds(1));
    EXPECT(stage.core.settled());
    EXPECT(stage.states() == "offline offline offline");
    EXPECT(stage.core.find("b") == BackendId{1});
    EXPECT_FALSE(stage.core.find("x").has_value());
  }
}
