#include "healthcheck/backend_health.h"

#include <string>
#include <vector>

#include "tests/support/test.h"

using namespace consort::healthcheck;
using consort::Duration;
using consort::ManualClock;
using std::chrono::milliseconds;

namespace {

/// A backend's health under a clock of its own.
struct Patient {
  ManualClock clock;
  HealthOptions options;
  BackendHealth health{options, clock.now()};

  explicit Patient(const HealthOptions& wanted = {})
      : options(wanted), health(wanted, clock.now()) {}

  void start() {
    clock.advance(milliseconds(100));
    health.on_probe_started(clock.now());
  }

  void probe_ok(bool paused = false) {
    start();
    const auto started = clock.now();
    clock.advance(milliseconds(1));
    health.on_probe_ok(started, clock.now(), paused);
  }

  void probe_fails(ProbeFailure failure) {
    start();
    health.on_probe_failed(failure, "said the test", clock.now());
  }

  void path_fails(PathFailure failure) { health.on_path_failure(failure, clock.now()); }

  void lane(LaneState state) { health.on_lane(state, "", clock.now()); }

  void wish(OperatorState state) { health.on_operator(state, clock.now()); }

  void come_up() {
    for (int i = 0; i < 4 && !health.needs_admission(); ++i) {
      probe_ok();
    }
    health.on_admission("");
    lane(LaneState::kCaughtUp);
  }

  [[nodiscard]] std::string state() const { return std::string(to_text(health.state())); }
};

}  // namespace

TEST_SUITE("healthcheck") {
  TEST_CASE("BackendHealth: becomes online by probe, admission and lane, each told in its reason") {
    Patient patient;
    EXPECT(patient.state() == "unknown");
    EXPECT(patient.health.probe_due(patient.clock.now()));
    patient.probe_ok();
    EXPECT(patient.state() == "unknown");
    EXPECT(patient.health.needs_admission());
    EXPECT(patient.health.reason().find("preflight") != std::string::npos);
    patient.health.on_admission("");
    EXPECT_FALSE(patient.health.needs_admission());
    EXPECT(patient.state() == "catching_up");
    patient.lane(LaneState::kCatchingUp);
    EXPECT(patient.state() == "catching_up");
    patient.lane(LaneState::kCaughtUp);
    EXPECT(patient.state() == "online");
    EXPECT(patient.health.reason().empty());
  }

  TEST_CASE("BackendHealth: a refused admission keeps it out and says why") {
    Patient patient;
    patient.probe_ok();
    patient.health.on_admission("binlog_format is STATEMENT");
    patient.lane(LaneState::kCaughtUp);
    EXPECT(patient.state() == "offline");
    EXPECT(patient.health.reason() == "binlog_format is STATEMENT");
    patient.health.on_admission("");
    EXPECT(patient.state() == "online");
  }

  TEST_CASE("BackendHealth: what each failure does to an online backend") {
    struct Row {
      ProbeFailure failure;
      std::vector<std::string> states;  // after the 1st, 2nd, 3rd in a row
    };

    const std::vector<Row> rows = {
        {ProbeFailure::kRefused, {"offline"}},
        {ProbeFailure::kWrongServer, {"offline"}},
        {ProbeFailure::kConnectTimeout, {"suspect", "suspect", "offline"}},
        {ProbeFailure::kReadTimeout, {"suspect", "suspect", "offline"}},
        {ProbeFailure::kReset, {"suspect", "suspect", "offline"}},
        {ProbeFailure::kLoginRefused, {"suspect", "suspect", "offline"}},
        {ProbeFailure::kServerError, {"suspect", "suspect", "offline"}},
        {ProbeFailure::kOverloaded, {"suspect", "suspect", "suspect", "suspect", "suspect"}},
    };
    for (const Row& row : rows) {
      CAPTURE(to_text(row.failure));
      Patient patient;
      patient.come_up();
      REQUIRE(patient.state() == "online");
      for (const std::string& state : row.states) {
        patient.probe_fails(row.failure);
        EXPECT(patient.state() == state);
        EXPECT(patient.health.reason().find(to_text(row.failure)) != std::string::npos);
      }
    }
  }

  TEST_CASE("BackendHealth: overload between slow probes does not make one slow probe eject") {
    Patient patient;
    patient.come_up();
    for (int i = 0; i < 5; ++i) {
      patient.probe_fails(ProbeFailure::kOverloaded);
    }
    patient.probe_fails(ProbeFailure::kReadTimeout);
    EXPECT(patient.state() == "suspect");
    EXPECT(patient.health.failures() == 1);
  }

  TEST_CASE("BackendHealth: one lost packet is forgotten by the next good probe") {
    Patient patient;
    patient.come_up();
    for (int i = 0; i < 10; ++i) {
      patient.probe_fails(ProbeFailure::kReadTimeout);
      EXPECT(patient.state() == "suspect");
      EXPECT((patient.health.next_wake() - patient.clock.now() == patient.options.intervals.quick));
      patient.probe_ok();
      EXPECT(patient.state() == "online");
    }
  }

  TEST_CASE("BackendHealth: refused on the data path ejects at once, a reset asks at once") {
    Patient patient;
    patient.come_up();
    patient.clock.advance(milliseconds(500));
    patient.path_fails(PathFailure::kReset);
    EXPECT(patient.state() == "suspect");
    EXPECT(patient.health.probe_due(patient.clock.now()));
    EXPECT(patient.health.wants_fresh_connection());
    patient.probe_ok();
    EXPECT(patient.state() == "online");
    EXPECT_FALSE(patient.health.wants_fresh_connection());
    patient.path_fails(PathFailure::kRefused);
    EXPECT(patient.state() == "offline");
  }

  TEST_CASE("BackendHealth: a probe from before the suspicion does not clear it") {
    Patient patient;
    patient.come_up();
    patient.start();
    const auto started = patient.clock.now();
    patient.clock.advance(milliseconds(5));
    patient.path_fails(PathFailure::kReset);
    patient.clock.advance(milliseconds(60));
    patient.health.on_probe_ok(started, patient.clock.now(), false);
    EXPECT(patient.state() == "suspect");
    EXPECT(patient.health.probe_due(patient.clock.now()));
    patient.probe_ok();
    EXPECT(patient.state() == "online");
  }

  TEST_CASE("BackendHealth: comes back by good probes, a new admission and a new lane report") {
    Patient patient;
    patient.come_up();
    patient.probe_fails(ProbeFailure::kRefused);
    patient.probe_ok();
    EXPECT(patient.state() == "offline");  // returning: one good probe is not enough
    patient.probe_fails(ProbeFailure::kReadTimeout);
    EXPECT(patient.state() == "offline");
    patient.probe_ok();
    patient.probe_ok();
    EXPECT(patient.health.needs_admission());
    EXPECT(patient.state() == "offline");
    patient.health.on_admission("");
    EXPECT(patient.state() == "catching_up");  // the old lane report does not count
    patient.lane(LaneState::kCaughtUp);
    EXPECT(patient.state() == "online");
  }

  TEST_CASE("BackendHealth: with returns_after 1 a single good probe brings it back") {
    HealthOptions options;
    options.returns_after = 1;
    Patient patient(options);
    patient.come_up();
    patient.probe_fails(ProbeFailure::kRefused);
    patient.probe_ok();
    EXPECT(patient.health.needs_admission());
  }

  TEST_CASE("BackendHealth: backs off while it is down, and path failures do not hasten it") {
    Patient patient;
    patient.come_up();
    Duration last{};
    for (int i = 0; i < 8; ++i) {
      patient.probe_fails(ProbeFailure::kRefused);
      const Duration wait = patient.health.next_wake() - patient.clock.now();
      EXPECT((wait >= last));
      EXPECT((wait <= patient.options.intervals.backoff_max));
      last = wait;
    }
    EXPECT((last == patient.options.intervals.backoff_max));
    patient.path_fails(PathFailure::kRefused);
    EXPECT((patient.health.next_wake() - patient.clock.now() == last));
  }

  TEST_CASE("BackendHealth: a probe that never ends counts as failed") {
    Patient patient;
    patient.come_up();
    for (int i = 0; i < 3; ++i) {
      patient.start();
      EXPECT_FALSE(patient.health.probe_due(patient.clock.now() + milliseconds(5000)));
      patient.clock.advance(patient.options.probe_deadline);
      patient.health.on_clock(patient.clock.now());
    }
    EXPECT(patient.state() == "offline");
  }

  TEST_CASE("BackendHealth: a pause is shown but changes no state") {
    Patient patient;
    patient.come_up();
    patient.lane(LaneState::kPaused);
    EXPECT(patient.state() == "online");
    EXPECT(patient.health.paused());
    EXPECT(patient.health.wants_pause_look());
    patient.lane(LaneState::kCaughtUp);
    EXPECT_FALSE(patient.health.paused());
    patient.lane(LaneState::kCatchingUp);
    patient.lane(LaneState::kPaused);
    EXPECT(patient.state() == "catching_up");
    patient.probe_ok(true);
    EXPECT(patient.health.paused());
  }

  TEST_CASE("BackendHealth: a lost lane takes it out of rotation and asks at once") {
    Patient patient;
    patient.come_up();
    patient.clock.advance(milliseconds(500));
    patient.lane(LaneState::kLost);
    EXPECT(patient.state() == "catching_up");
    EXPECT(patient.health.probe_due(patient.clock.now()));
  }

  TEST_CASE("BackendHealth: inconsistent sticks until an operator says online") {
    Patient patient;
    patient.come_up();
    patient.health.on_lane(LaneState::kInconsistent, "1032 on t.a", patient.clock.now());
    EXPECT(patient.state() == "offline");
    EXPECT(patient.health.reason().find("1032 on t.a") != std::string::npos);
    patient.lane(LaneState::kCaughtUp);
    patient.probe_ok();
    EXPECT(patient.state() == "offline");
    patient.probe_fails(ProbeFailure::kRefused);
    patient.come_up();
    EXPECT(patient.state() == "offline");
    patient.wish(OperatorState::kOnline);
    EXPECT(patient.state() == "online");
  }

  TEST_CASE("BackendHealth: operator states") {
    Patient patient;
    patient.come_up();
    patient.wish(OperatorState::kDraining);
    EXPECT(patient.state() == "draining");
    patient.probe_fails(ProbeFailure::kReadTimeout);
    EXPECT(patient.state() == "draining");
    patient.probe_ok();
    patient.wish(OperatorState::kOffline);
    EXPECT(patient.state() == "offline");
    patient.wish(OperatorState::kOnline);  // so soon that the lane never stopped
    EXPECT(patient.state() == "online");
    patient.wish(OperatorState::kOffline);
    patient.lane(LaneState::kLost);
    patient.wish(OperatorState::kOnline);
    EXPECT(patient.state() == "catching_up");
  }

  TEST_CASE("BackendHealth: without a lane it is online by probe and admission") {
    HealthOptions options;
    options.needs_lane = false;
    Patient patient(options);
    patient.probe_ok();
    patient.health.on_admission("");
    EXPECT(patient.state() == "online");
  }

  TEST_CASE("BackendHealth: any order of events keeps its promises") {
    std::uint64_t seed = 20240611;
    CAPTURE(seed);
    const auto next = [&seed](std::uint64_t below) {
      seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
      return (seed >> 33) % below;
    };
    Patient patient;
    for (int i = 0; i < 50000; ++i) {
      const std::string before = patient.state();
      const std::uint64_t event = next(8);
      std::uint64_t kind = 0;
      switch (event) {
        case 0:
        case 1:
          patient.probe_ok(next(2) == 0);
          break;
        case 2:
          kind = next(8);
          patient.probe_fails(static_cast<ProbeFailure>(kind));
          break;
        case 3:
          kind = next(3);
          patient.path_fails(static_cast<PathFailure>(kind));
          break;
        case 4:
          patient.lane(static_cast<LaneState>(next(5)));
          break;
        case 5:
          patient.wish(static_cast<OperatorState>(next(3)));
          break;
        case 6:
          patient.health.on_admission(next(4) == 0 ? "no" : "");
          break;
        default:
          patient.clock.advance(milliseconds(next(3000)));
          patient.health.on_clock(patient.clock.now());
      }
      const BackendHealth& health = patient.health;
      if (health.state() == BackendState::kOnline) {
        EXPECT((health.reach() == Reach::kUp));
        EXPECT((health.operator_state() == OperatorState::kOnline));
        EXPECT(health.reason().empty());
      } else {
        EXPECT_FALSE(health.reason().empty());
      }
      if (before == "online" && event == 2 && patient.state() == "offline") {
        EXPECT((kind == static_cast<std::uint64_t>(ProbeFailure::kRefused) ||
                kind == static_cast<std::uint64_t>(ProbeFailure::kWrongServer)));
      }
    }
  }
}
