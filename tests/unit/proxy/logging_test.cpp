// Logging: both formats on a file, and the limiter.
#include "proxy/logging.h"

#include <fstream>
#include <iterator>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

using namespace consort;
using namespace consort::proxy;

namespace {

std::string logged(LogFormat format, LogLevel level, std::string_view message) {
  const test::TempDir dir;
  LogConfig config;
  config.format = format;
  config.level = level;
  config.file = dir.path() + "/log";
  REQUIRE(setup_logging(config).ok());
  spdlog::debug("hidden");
  spdlog::warn("{}", message);
  spdlog::default_logger()->flush();
  std::ifstream file(config.file);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  REQUIRE(setup_logging(LogConfig{}).ok());
  return text;
}

}  // namespace

TEST_SUITE("logging") {
  TEST_CASE("text: time, level, thread, message") {
    const std::string line = logged(LogFormat::kText, LogLevel::kInfo, "lost backend=a");
    EXPECT(line.find("hidden") == std::string::npos);
    EXPECT(line.find("Z warning [") != std::string::npos);
    EXPECT(line.ends_with("] lost backend=a\n"));
  }

  TEST_CASE("json: any message gives one valid object per line") {
    const std::string message = "a \"quoted\" \\ back\n\ttab \x01 end";
    const std::string line = logged(LogFormat::kJson, LogLevel::kInfo, message);
    const auto json = nlohmann::json::parse(line);
    EXPECT(json["message"] == message);
    EXPECT(json["level"] == "warning");
    EXPECT(line.find('\n') == line.size() - 1);
  }

  TEST_CASE("level: what is below stays out") {
    EXPECT(logged(LogFormat::kText, LogLevel::kError, "x").empty());
    EXPECT(logged(LogFormat::kText, LogLevel::kDebug, "x").find("hidden") != std::string::npos);
  }

  TEST_CASE("a file that cannot be written is an error") {
    LogConfig config;
    config.file = "/dev/null/x/log";
    EXPECT(!setup_logging(config).ok());
  }

  TEST_CASE("LogLimiter: one per interval, the others are counted") {
    ManualClock clock;
    LogLimiter limiter(std::chrono::seconds(1));
    EXPECT(limiter.admit(clock.now()) == 0);
    EXPECT(limiter.admit(clock.now()) == std::nullopt);
    clock.advance(std::chrono::milliseconds(999));
    EXPECT(limiter.admit(clock.now()) == std::nullopt);
    clock.advance(std::chrono::milliseconds(1));
    EXPECT(limiter.admit(clock.now()) == 2);
    EXPECT(limiter.admit(clock.now()) == std::nullopt);
  }
}
