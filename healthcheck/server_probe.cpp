#include "healthcheck/server_probe.h"

#include <charconv>
#include <string>
#include <string_view>
#include <utility>

namespace consort::healthcheck {

namespace {

constexpr int kNoSuchTable = 1146;
constexpr int kNoSuchDatabase = 1049;

/// Uptime is a status, not a variable.
std::string look_sql(ServerKind kind) {
  return std::string("SELECT @@server_id, @@version, @@read_only, VARIABLE_VALUE FROM ") +
         (kind == ServerKind::kMysql ? "performance_schema.global_status"
                                     : "information_schema.GLOBAL_STATUS") +
         " WHERE VARIABLE_NAME='UPTIME'";
}

std::string pause_sql(ServerKind kind) {
  return "SELECT COUNT(*) FROM " + std::string(process_table(kind)) +
         " WHERE STATE IN ('Waiting for backup lock', 'Waiting for global read lock')";
}

constexpr std::string_view kLookWithoutUptime = "SELECT @@server_id, @@version, @@read_only";
constexpr std::string_view kPosition = "SELECT seqno, cluster FROM consort.`position` WHERE id=1";

std::uint64_t number(const std::optional<std::string>& cell) {
  std::uint64_t value = 0;
  if (cell) {
    std::from_chars(cell->data(), cell->data() + cell->size(), value);
  }
  return value;
}

/// Fills `report`; an error only when the server cannot be said to be well.
Status look(ServerLink& link, const ProbeRequest& request, ServerReport& report) {
  const ServerKind kind = link.kind();
  auto answer = link.query(look_sql(kind));
  if (!answer.ok() && link.connected()) {
    answer = link.query(kLookWithoutUptime);
  }
  if (!answer.ok()) {
    return answer.error();
  }
  if (answer->rows.empty() || answer->rows[0].size() < 3) {
    return make_error("the probe's statement gave no row");
  }
  const auto& row = answer->rows[0];
  report.server_id = static_cast<std::uint32_t>(number(row[0]));
  report.version = row[1].value_or("");
  report.read_only = row[2].value_or("0") != "0";
  report.uptime_s = row.size() > 3 ? number(row[3]) : 0;

  const auto position = link.query(kPosition);
  if (position.ok() && !position->rows.empty()) {
    report.position = number(position->rows[0][0]);
    report.cluster = position->rows[0][1].value_or("");
  } else if (!position.ok() && position.error().code != kNoSuchTable &&
             position.error().code != kNoSuchDatabase) {
    return position.error();
  }
  if (request.look_for_pause) {
    const auto waiting = link.query(pause_sql(kind));
    if (!waiting.ok() && !link.connected()) {
      return waiting.error();
    }
    report.paused = waiting.ok() && waiting->first() != "0";
  }
  return Ok{};
}

}  // namespace

ProbeResult ServerProbe::run(const ProbeRequest& request) {
  ProbeResult result;
  result.started = clock_.now();
  if (request.fresh_connection) {
    link_.close();
  }
  Status status = link_.connect();
  if (status.ok()) {
    status = look(link_, request, result.server);
  }
  result.ended = clock_.now();
  if (!status.ok()) {
    const bool answered_late = result.ended - result.started >= link_.timeouts().read;
    ProbeFailure failure =
        classify_error(static_cast<unsigned>(status.error().code), status.error().message);
    if (failure == ProbeFailure::kReset && answered_late) {
      failure = ProbeFailure::kReadTimeout;  // libmariadb has one number for both
    }
    result.failure = failure;
    result.message = status.error().message;
  }
  return result;
}

}  // namespace consort::healthcheck
