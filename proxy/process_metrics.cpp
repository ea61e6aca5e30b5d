#include "proxy/process_metrics.h"

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

namespace consort::proxy {

namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::optional<double> resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  if (!(statm >> total_pages >> resident_pages)) {
    return std::nullopt;
  }
  return static_cast<double>(resident_pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::optional<double> open_fds() {
  std::error_code error;
  const std::filesystem::directory_iterator first("/proc/self/fd", error);
  if (error) {
    return std::nullopt;
  }
  double count = 0;
  for (auto it = first; it != std::filesystem::directory_iterator(); it.increment(error)) {
    count += 1;
    if (error) {
      return std::nullopt;
    }
  }
  return count > 0 ? count - 1 : 0;  // without the one that lists them
}

/// Unix time at which the process started: field 22 of /proc/self/stat (ticks since boot), the
/// second field being a name in parentheses that may hold anything, plus the boot time.
std::optional<double> start_time() {
  std::ifstream stat_file("/proc/self/stat");
  const std::string stat((std::istreambuf_iterator<char>(stat_file)), {});
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) {
    return std::nullopt;
  }
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) {
    fields >> skipped;
  }
  double start_ticks = 0;
  timespec now{};
  timespec since_boot{};
  if (!(fields >> start_ticks) || clock_gettime(CLOCK_REALTIME, &now) != 0 ||
      clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0) {
    return std::nullopt;
  }
  return static_cast<double>(now.tv_sec - since_boot.tv_sec) +
         start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

void collect_process_metrics(MetricFamilies& families) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    add_counter(families, "process_cpu_seconds_total", "User and system CPU time spent",
                seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  if (const std::optional<double> bytes = resident_bytes()) {
    add_gauge(families, "process_resident_memory_bytes", "Memory held in RAM", *bytes);
  }
  if (const std::optional<double> count = open_fds()) {
    add_gauge(families, "process_open_fds", "Open file descriptors", *count);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    add_gauge(families, "process_max_fds", "Limit of open file descriptors",
              static_cast<double>(limit.rlim_cur));
  }
  if (const std::optional<double> unix_seconds = start_time()) {
    add_gauge(families, "process_start_time_seconds", "Unix time at which the process started",
              *unix_seconds);
  }
}

}  // namespace consort::proxy
