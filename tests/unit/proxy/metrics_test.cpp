#include <httplib.h>
#include <memory>
#include <netinet/in.h>
#include <set>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <prometheus/text_serializer.h>

#include "proxy/metrics_collect.h"
#include "proxy/metrics_server.h"
#include "tests/support/test.h"

namespace consort::proxy {
namespace {

/// Two workers, two named backends.
struct Fixture {
  std::unique_ptr<WorkerMetrics> first = std::make_unique<WorkerMetrics>();
  std::unique_ptr<WorkerMetrics> second = std::make_unique<WorkerMetrics>();
  std::unique_ptr<CommitStats> commit = std::make_unique<CommitStats>();
  AppliedPositions positions;
  std::vector<BackendStatus> statuses = std::vector<BackendStatus>(2);

  Fixture() {
    statuses[0].name = "db1";
    statuses[1].name = "db2";
  }

  [[nodiscard]] MetricsSources sources() const {
    MetricsSources sources;
    sources.workers = {first.get(), second.get()};
    sources.commit = commit.get();
    sources.backend_statuses = [this] { return statuses; };
    sources.positions = &positions;
    sources.backend_names = {"db1", "db2"};
    sources.version = "1.2.3";
    return sources;
  }

  [[nodiscard]] std::string text() const {
    return prometheus::TextSerializer().Serialize(collect_metrics(sources()));
  }
};

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

/// A loopback port with a listener on it that lives as long as this.
class TakenPort {
 public:
  TakenPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(listen(fd_, 1) == 0);
    REQUIRE(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
  }

  ~TakenPort() { close(fd_); }

  TakenPort(const TakenPort&) = delete;
  TakenPort& operator=(const TakenPort&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

TEST_SUITE("proxy") {
  TEST_CASE("collect_metrics: adds up the workers") {
    Fixture fixture;
    fixture.first->connections_accepted.add(3);
    fixture.second->connections_accepted.add();
    fixture.first->connections_current.add(2);
    fixture.second->connections_current.add();
    fixture.second->connections_current.sub();
    fixture.first->count_query(QueryKind::kRead, BackendId{1});
    fixture.second->count_query(QueryKind::kRead, BackendId{1});
    fixture.second->count_local_query(QueryKind::kBegin);
    fixture.first->count_refused(RefusalReason::kNoBackend);
    fixture.first->count_client_error(ClientErrorClass::kConflict);
    fixture.second->sessions_pinned[0].set(4);
    fixture.second->pool_idle[0].set(7);
    const std::string text = fixture.text();
    EXPECT(has_line(text, "consort_build_info{version=\"1.2.3\"} 1"));
    EXPECT(has_line(text, "consort_connections_accepted_total 4"));
    EXPECT(has_line(text, "consort_connections 2"));
    EXPECT(has_line(text, "consort_queries_total{kind=\"read\",backend=\"db2\"} 2"));
    EXPECT(has_line(text, "consort_queries_total{kind=\"read\",backend=\"db1\"} 0"));
    EXPECT(has_line(text, "consort_queries_total{kind=\"begin\",backend=\"none\"} 1"));
    EXPECT(has_line(text, "consort_connections_refused_total{reason=\"no_backend\"} 1"));
    EXPECT(has_line(text, "consort_client_errors_total{class=\"conflict\"} 1"));
    EXPECT(has_line(text, "consort_sessions_pinned{reason=\"temporary_table\"} 4"));
    EXPECT(has_line(text, "consort_pool_connections{backend=\"db1\",state=\"idle\"} 7"));
  }

  TEST_CASE("collect_metrics: histograms are cumulative, in seconds, summed over workers") {
    Fixture fixture;
    fixture.first->commit_latency.record(std::chrono::microseconds(3));
    fixture.second->commit_latency.record(std::chrono::milliseconds(1));
    fixture.second->commit_latency.record(std::chrono::minutes(2));
    const std::string text = fixture.text();
    const std::string name = "consort_query_duration_seconds";
    EXPECT(has_line(text, name + "_count{kind=\"commit\"} 3"));
    EXPECT(has_line(text, name + "_bucket{kind=\"commit\",le=\"2e-06\"} 0"));
    EXPECT(has_line(text, name + "_bucket{kind=\"commit\",le=\"3e-06\"} 1"));
    EXPECT(has_line(text, name + "_bucket{kind=\"commit\",le=\"0.001024\"} 2"));
    EXPECT(has_line(text, name + "_bucket{kind=\"commit\",le=\"67.108864\"} 2"));
    EXPECT(has_line(text, name + "_bucket{kind=\"commit\",le=\"+Inf\"} 3"));
    EXPECT(text.find(name + "_sum{kind=\"commit\"} 120.001003") != std::string::npos);
  }

  TEST_CASE("collect_metrics: exactly one state per backend is 1") {
    Fixture fixture;
    fixture.statuses[0].state = healthcheck::BackendState::kOnline;
    fixture.statuses[0].probes = 9;
    fixture.statuses[0].last_probe_ms = 1.5;
    fixture.statuses[1].state = healthcheck::BackendState::kCatchingUp;
    fixture.statuses[1].paused = true;
    const std::string text = fixture.text();
    EXPECT(has_line(text, "consort_backend_state{backend=\"db1\",state=\"online\"} 1"));
    EXPECT(has_line(text, "consort_backend_state{backend=\"db1\",state=\"unknown\"} 0"));
    EXPECT(has_line(text, "consort_backend_state{backend=\"db2\",state=\"catching_up\"} 1"));
    EXPECT(has_line(text, "consort_backend_state{backend=\"db2\",state=\"online\"} 0"));
    EXPECT(has_line(text, "consort_backend_probes_total{backend=\"db1\"} 9"));
    EXPECT(has_line(text, "consort_backend_probe_duration_seconds{backend=\"db1\"} 0.0015"));
    EXPECT(has_line(text, "consort_backend_probe_duration_seconds{backend=\"db2\"} 0"));
    EXPECT(has_line(text, "consort_backend_paused{backend=\"db2\"} 1"));
  }

  TEST_CASE("collect_metrics: the commit thread's cells") {
    Fixture fixture;
    fixture.commit->certified_passed.add(5);
    fixture.commit->certified_failed.add(2);
    fixture.commit->append_latency.record(std::chrono::milliseconds(1));
    fixture.commit->lanes[1].remote_applies.add(3);
    fixture.commit->lanes[1].queue_entries.set(7);
    fixture.commit->lanes[0].state.set(static_cast<int>(healthcheck::LaneState::kCaughtUp));
    fixture.commit->lanes[0].apply_latency.record(std::chrono::microseconds(200));
    const std::string text = fixture.text();
    EXPECT(has_line(text, "consort_certifications_total{result=\"passed\"} 5"));
    EXPECT(has_line(text, "consort_certifications_total{result=\"conflict\"} 2"));
    EXPECT(has_line(text, "consort_commit_phase_duration_seconds_count{phase=\"log\"} 1"));
    EXPECT(has_line(text, "consort_lane_remote_applies_total{backend=\"db2\"} 3"));
    EXPECT(has_line(text, "consort_lane_queue_entries{backend=\"db2\"} 7"));
    EXPECT(has_line(text, "consort_lane_state{backend=\"db1\",state=\"" +
                              std::string(to_text(healthcheck::LaneState::kCaughtUp)) + "\"} 1"));
    EXPECT(has_line(text, "consort_lane_apply_duration_seconds_count{backend=\"db1\"} 1"));
  }

  TEST_CASE("collect_metrics: lag is head minus applied and never negative") {
    Fixture fixture;
    fixture.positions.head = 100;
    fixture.positions.applied[0] = 97;
    fixture.positions.applied[1] = 101;
    const std::string text = fixture.text();
    EXPECT(has_line(text, "consort_log_head_seqno 100"));
    EXPECT(has_line(text, "consort_backend_applied_seqno{backend=\"db1\"} 97"));
    EXPECT(has_line(text, "consort_backend_lag_entries{backend=\"db1\"} 3"));
    EXPECT(has_line(text, "consort_backend_lag_entries{backend=\"db2\"} 0"));
  }

  TEST_CASE(
      "collect_metrics: every family has a name of ours, a help text and a unit in its place") {
    const Fixture fixture;
    std::set<std::string> names;
    for (const prometheus::MetricFamily& family : collect_metrics(fixture.sources())) {
      CAPTURE(family.name);
      EXPECT((family.name.starts_with("consort_") || family.name.starts_with("process_")));
      EXPECT(names.insert(family.name).second);
      EXPECT_FALSE(family.help.empty());
      EXPECT_FALSE(family.metric.empty());
      EXPECT(family.name.ends_with("_total") == (family.type == prometheus::MetricType::Counter));
      if (family.type == prometheus::MetricType::Histogram) {
        EXPECT(family.name.ends_with("_duration_seconds"));
      }
    }
  }

  TEST_CASE("collect_metrics: works without workers, backends, positions and commits") {
    const std::string text = prometheus::TextSerializer().Serialize(collect_metrics({}));
    EXPECT(has_line(text, "consort_connections 0"));
    EXPECT(text.find("consort_backend_state{") == std::string::npos);
  }

  TEST_CASE("collect_metrics: backends beyond the tables' bound are not read") {
    const Fixture fixture;
    MetricsSources sources = fixture.sources();
    sources.backend_names.assign(kBackendsMax + 3, "db");
    const MetricFamilies families = collect_metrics(sources);
    for (const prometheus::MetricFamily& family : families) {
      if (family.name == "consort_pool_waits_total") {
        EXPECT(family.metric.size() == kBackendsMax);
      }
      if (family.name == "consort_lane_batches_total") {
        EXPECT(family.metric.size() == kBackendsMax);
      }
    }
  }

  TEST_CASE("MetricsServer: serves /metrics and nothing else") {
    Fixture fixture;
    fixture.first->connections_accepted.add(42);
    auto server = MetricsServer::start({.host = "127.0.0.1", .port = 0}, fixture.sources());
    REQUIRE(server.ok());
    REQUIRE(server.value()->port() != 0);
    httplib::Client client("127.0.0.1", server.value()->port());
    const auto reply = client.Get("/metrics");
    REQUIRE(reply);
    EXPECT(reply->status == 200);
    EXPECT(has_line(reply->body, "consort_connections_accepted_total 42"));
    const auto missing = client.Get("/etc/passwd");
    REQUIRE(missing);
    EXPECT(missing->status == 404);
  }

  TEST_CASE("MetricsServer: says what is wrong with its address") {
    const TakenPort taken;
    const auto in_use = MetricsServer::start({.host = "127.0.0.1", .port = taken.port()}, {});
    REQUIRE_FALSE(in_use.ok());
    const std::string wanted = "127.0.0.1:" + std::to_string(taken.port());
    EXPECT(in_use.error().message.find(wanted) != std::string::npos);
    EXPECT(in_use.error().message.find("Address already in use") != std::string::npos);

    const auto not_ours = MetricsServer::start({.host = "192.0.2.1", .port = 0}, {});
    REQUIRE_FALSE(not_ours.ok());
    EXPECT(not_ours.error().message.find("Cannot assign") != std::string::npos);

    const auto not_an_address = MetricsServer::start({.host = "300.1.1.1", .port = 0}, {});
    EXPECT_FALSE(not_an_address.ok());
  }
}

}  // namespace
}  // namespace consort::proxy
