// Logging: where spdlog writes and how a line looks.
// A message is a short sentence followed by key=value pairs:
//   spdlog::warn("backend left rotation backend={} reason={}", name, reason);
// Threads: setup_logging() once, before others start; spdlog itself any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "proxy/config.h"

namespace consort::proxy {

/// Makes the default logger. text: `2024-05-01T12:00:00.123Z info  [41] message`; json: one object
/// per line with time, level, thread and message. Errors: the file cannot be written.
[[nodiscard]] Status setup_logging(const LogConfig& config);

/// From now on. Any thread.
void set_log_level(LogLevel level);

/// Appends `text` to `out` as the inside of a JSON string.
void append_json_escaped(std::string_view text, std::string& out);

/// Keeps a warning that may come a thousand times a second from filling the disk: lets one through
/// per interval and counts the others.
///   if (const auto held = limiter.admit(clock.now())) {
///     spdlog::warn("... held_back={}", *held);
///   }
/// Threads: none; its owner's.
class LogLimiter {
 public:
  explicit LogLimiter(Duration interval) : interval_(interval) {}

  /// How many were held back since the last one that went through; nullopt: hold this one back.
  [[nodiscard]] std::optional<std::uint64_t> admit(TimePoint now);

 private:
  const Duration interval_;
  std::optional<TimePoint> last_;
  std::uint64_t held_back_ = 0;
};

}  // namespace consort::proxy
