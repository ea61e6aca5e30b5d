// ControlLoop with two real servers: bootstrap, crash, return, hang, operators, accounts. The test
// plays the commit thread: it reports a lane caught up when the view says "catching up".
#include <chrono>
#include <functional>
#include <memory>
#include <spdlog/spdlog.h>
#include <string>
#include <thread>

#include "proxy/control_loop.h"
#include "tests/integration/cpp/stoppable_server.h"
#include "tests/support/test.h"

using namespace consort;
using namespace consort::proxy;
using consort::test::StoppableServer;
using healthcheck::BackendState;
using healthcheck::LaneState;
using healthcheck::LinkTarget;
using healthcheck::LinkTimeouts;
using healthcheck::OperatorState;
using healthcheck::PathFailure;
using healthcheck::ServerLink;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Steady = std::chrono::steady_clock;

namespace {

constexpr const char* kCluster = "c0ffee01-0000-4000-8000-000000000001";

std::string sql(const StoppableServer& server, const std::string& text) {
  ServerLink link(LinkTarget{"127.0.0.1", server.port(), "root", "", {}},
                  LinkTimeouts{seconds(5), seconds(5)});
  REQUIRE(link.connect().ok());
  const auto rows = link.query(text);
  REQUIRE_MESSAGE(rows.ok(), (rows.ok() ? "" : rows.error().message));
  return rows->first();
}

struct Stage {
  StoppableServer one{21, {"--sql-mode=STRICT_TRANS_TABLES"}};
  StoppableServer two{22, {"--sql-mode=STRICT_TRANS_TABLES"}};
  std::unique_ptr<ControlLoop> loop;
  std::thread thread;

  explicit Stage(const std::string& cluster = kCluster) {
    one.start();
    two.start();
    for (const StoppableServer* server : {&one, &two}) {
      sql(*server, "CREATE USER consort@'%' IDENTIFIED BY 'secret'");
      sql(*server, "GRANT ALL PRIVILEGES ON *.* TO consort@'%' WITH GRANT OPTION");
      sql(*server, "CREATE USER app@'%' IDENTIFIED BY 'x'");
    }
    ControlOptions options;
    options.core.cluster_id = cluster;
    options.core.backends = {{"one", "127.0.0.1", one.port(), 1},
                             {"two", "127.0.0.1", two.port(), 1}};
    options.core.admission_retry = milliseconds(500);
    options.core.accounts.interval = milliseconds(500);
    options.core.health.intervals.steady = milliseconds(200);
    options.core.health.intervals.quick = milliseconds(50);
    options.account = {"consort", "secret"};
    options.timeouts = LinkTimeouts{seconds(1), seconds(1)};
    loop = std::make_unique<ControlLoop>(std::move(options));
    loop->on_view([this](const std::shared_ptr<const ClusterView>& view) {
      for (const BackendView& backend : view->backends) {
        if (backend.state == BackendState::kCatchingUp) {
          loop->report_lane(backend.id, LaneState::kCaughtUp, Seqno{1});
        }
      }
    });
  }

  ~Stage() {
    loop->stop();
    if (thread.joinable()) {
      thread.join();
    }
  }

  void run() {
    thread = std::thread([this] { loop->run(); });
  }

  [[nodiscard]] std::string states() const {
    std::string out;
    const auto view = loop->view();
    for (const BackendView& backend : view->backends) {
      out += (out.empty() ? "" : " ") + std::string(to_text(backend.state));
    }
    return out;
  }

  /// How long until `wanted` holds, or fails.
  Steady::duration wait_for(const std::string& what, const std::function<bool()>& wanted) const {
    const auto began = Steady::now();
    while (!wanted()) {
      CAPTURE(states());
      REQUIRE_MESSAGE(Steady::now() - began < seconds(20), what);
      std::this_thread::sleep_for(milliseconds(5));
    }
    return Steady::now() - began;
  }

  Steady::duration wait_states(const std::string& wanted) const {
    return wait_for(wanted, [&] { return states() == wanted; });
  }
};

}  // namespace

TEST_SUITE("integration") {
  TEST_CASE("ControlLoop: bootstraps, survives crashes and hangs, obeys operators") {
    spdlog::set_level(spdlog::level::off);
    Stage stage;
    const auto statuses = stage.loop->bootstrap();
    REQUIRE(statuses.size() == 2);
    for (const BackendStatus& status : statuses) {
      CAPTURE(status.reason);
      EXPECT((status.state == BackendState::kCatchingUp || status.state == BackendState::kOnline));
      EXPECT(status.last_probe_ms.has_value());
    }
    REQUIRE(stage.loop->view()->accounts != nullptr);
    EXPECT(stage.loop->view()->server_version.find("MariaDB") != std::string::npos);
    stage.run();
    stage.wait_states("online online");

    // Consort's schema is there, and not in the binlog.
    for (const StoppableServer* server : {&stage.one, &stage.two}) {
      EXPECT(sql(*server, "SELECT cluster FROM consort.`position` WHERE id=1") == kCluster);
      EXPECT(sql(*server, "SELECT seqno FROM consort.`position` WHERE id=1") == "0");
      EXPECT(sql(*server,
                 "SELECT COUNT(*) FROM mysql.tables_priv WHERE User='PUBLIC'"
                 " AND Db='consort'") == "2");
    }

    // A crash: a session's refused connection ejects at once.
    stage.two.crash();
    stage.loop->report_backend_failure(BackendId{1}, PathFailure::kRefused);
    EXPECT((stage.wait_states("online offline") < milliseconds(500)));
    stage.two.start();
    EXPECT((stage.wait_states("online online") < seconds(5)));

    // A crash that only the probes see.
    stage.one.crash();
    EXPECT((stage.wait_states("offline online") < seconds(2)));
    stage.one.start();
    stage.wait_states("online online");

    // A hang: suspect first, then offline; it serves again by itself.
    stage.two.freeze();
    stage.wait_states("online suspect");
    EXPECT((stage.wait_states("online offline") < seconds(8)));
    stage.two.thaw();
    stage.wait_states("online online");

    EXPECT_FALSE(stage.loop->set_backend_state("three", OperatorState::kOffline).ok());
    EXPECT(stage.loop->set_backend_state("two", OperatorState::kDraining).ok());
    stage.wait_states("online draining");
    EXPECT(stage.loop->set_backend_state("two", OperatorState::kOnline).ok());
    stage.wait_states("online online");
    EXPECT(stage.loop->set_weights({{BackendId{0}, 7}, {BackendId{1}, 3}}).ok());
    EXPECT_FALSE(stage.loop->set_weights({{BackendId{0}, 1}, {BackendId{2}, 1}}).ok());
    EXPECT(stage.loop->set_read_consistency(ReadConsistency::kStrong).ok());
    stage.wait_for("weight and consistency", [&] {
      const auto view = stage.loop->view();
      return view->backends[0].weight == 7 && view->backends[1].weight == 3 &&
             view->read_consistency == ReadConsistency::kStrong;
    });

    stage.loop->report_lane(BackendId{0}, LaneState::kInconsistent, Seqno{3}, "1032 on d.t");
    stage.wait_states("offline online");
    EXPECT(stage.loop->snapshot()[0].reason.find("1032 on d.t") != std::string::npos);
    EXPECT(stage.loop->set_backend_state("one", OperatorState::kOnline).ok());
    stage.wait_states("online online");
  }

  TEST_CASE("ControlLoop: accounts are followed; preflight keeps an unfit backend out") {
    Stage stage;
    sql(stage.two, "SET GLOBAL binlog_row_image='MINIMAL'");
    const auto statuses = stage.loop->bootstrap();
    EXPECT((statuses[1].state == BackendState::kOffline));
    EXPECT(statuses[1].reason.find("binlog_row_image is MINIMAL") != std::string::npos);
    EXPECT(sql(stage.two, "SHOW DATABASES LIKE 'consort'").empty());  // nothing was changed there
    stage.run();
    stage.wait_states("online offline");
    sql(stage.two, "SET GLOBAL binlog_row_image='FULL'");
    stage.wait_states("online online");
    EXPECT(stage.loop->snapshot()[1].findings.empty());

    sql(stage.one, "CREATE USER late@'%' IDENTIFIED BY 'y'");
    stage.loop->request_account_refresh();
    EXPECT((stage.wait_for("the new account", [&] {
      return stage.loop->view()->accounts->find("late", client_host("10.0.0.1")) != nullptr;
    }) < milliseconds(700)));
  }

  TEST_CASE("ControlLoop: brings the tables of an earlier version up to this one's") {
    for (const bool has_fingerprint : {false, true}) {
      CAPTURE(has_fingerprint);
      Stage stage;
      sql(stage.two, "CREATE DATABASE consort");
      sql(stage.two,
          "CREATE TABLE consort.`position` (id TINYINT UNSIGNED NOT NULL PRIMARY KEY, cluster "
          "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, owner BIGINT UNSIGNED NOT "
          "NULL, seqno BIGINT UNSIGNED NOT NULL, ddl BIGINT UNSIGNED NOT NULL" +
              std::string(has_fingerprint ? ", ddl_before CHAR(32) CHARACTER SET ascii)" : ")"));
      sql(stage.two, "INSERT INTO consort.`position` SET id=1, cluster='" + std::string(kCluster) +
                         "', owner=5, seqno=7, ddl=6");
      if (has_fingerprint) {
        sql(stage.two, "UPDATE consort.`position` SET ddl_before='abc'");
      }
      (void)stage.loop->bootstrap();
      EXPECT(
          sql(stage.two, "SELECT CONCAT_WS(',',id,cluster,owner,seqno) FROM consort.`position`") ==
          "1," + std::string(kCluster) + ",5,7");
      EXPECT(sql(stage.two,
                 "SELECT CONCAT_WS(',',id,ddl,ddl_before,binlog_before) FROM consort.ddl_mark") ==
             (has_fingerprint ? "1,6,abc" : "1,6"));
      EXPECT(sql(stage.two,
                 "SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA='consort' "
                 "AND TABLE_NAME='position'") == "0");
    }
  }

  TEST_CASE("ControlLoop: bootstraps with a backend missing, and with another cluster's") {
    Stage stage;
    stage.one.stop();
    sql(stage.two, "CREATE DATABASE consort");
    sql(stage.two,
        "CREATE TABLE consort.`position` (id INT PRIMARY KEY, cluster CHAR(36),"
        " owner BIGINT, seqno BIGINT, ddl BIGINT)");
    sql(stage.two, "INSERT INTO consort.`position` VALUES (1, 'another', 0, 5, 0)");
    const auto statuses = stage.loop->bootstrap();
    EXPECT(stage.states() == "offline offline");
    EXPECT(statuses[0].reason.find("refused") != std::string::npos);
    EXPECT(statuses[1].reason.find("another") != std::string::npos);
    EXPECT(sql(stage.two, "SELECT seqno FROM consort.`position`") == "5");
    stage.run();
    stage.one.start();
    stage.wait_states("online offline");
  }
}
