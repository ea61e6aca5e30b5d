#include "proxy/commit/ddl_traces.h"

#include <algorithm>
#include <charconv>

#include "certifier/lane_errors.h"
#include "certifier/lane_sql.h"
#include "certifier/sql_words.h"

namespace consort::proxy {
namespace {

using certifier::DdlTraces;

constexpr std::size_t kEventsMax = 1000;  // of one question
constexpr std::uint64_t kFirstPosition = 4;

// Columns of SHOW BINLOG EVENTS.
constexpr std::size_t kType = 2;
constexpr std::size_t kEnd = 4;
constexpr std::size_t kInfo = 5;
constexpr std::size_t kColumns = 6;

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

/// Without the "use `schema`; " that the server shows in front.
std::string_view without_use(std::string_view logged) {
  constexpr std::string_view kUse = "use `";
  if (!logged.starts_with(kUse)) {
    return logged;
  }
  std::size_t at = kUse.size();
  for (; at < logged.size(); ++at) {
    if (logged[at] == '`' && logged.substr(at, 2) == "``") {
      ++at;  // a part of the name
    } else if (logged[at] == '`') {
      break;
    }
  }
  return logged.substr(std::min(at + std::string_view("`; ").size(), logged.size()));
}

/// Nor the session's settings, which it shows behind that: "set foreign_key_checks=0, ..; ".
std::string_view statement_in(std::string_view logged) {
  constexpr std::string_view kSet = "set ";
  logged = without_use(logged);
  if (!logged.starts_with(kSet)) {
    return logged;
  }
  const std::size_t end = logged.find_first_not_of("abcdefghijklmnopqrstuvwxyz_=0123456789@, ");
  return end != logged.npos && logged.substr(end, 2) == "; " ? logged.substr(end + 2) : logged;
}

}  // namespace

DdlTraceReader::DdlTraceReader(std::string_view sql)
    : verb_(certifier::first_word(sql)),
      drops_first_(certifier::drops_before_creating(sql)),
      selects_(verb_ == "CREATE" && sql.find(" SELECT ") != sql.npos) {}

std::string DdlTraceReader::question() const {
  switch (step_) {
    case Step::kMark:
      return std::string(certifier::kReadMarkedBinlogSql);
    case Step::kEvents:
      return "SHOW BINLOG EVENTS IN " + certifier::sql_literal(file_) + " FROM " +
             std::to_string(position_) + " LIMIT " + std::to_string(kEventsMax);
    case Step::kFiles:
      break;
  }
  return "SHOW BINARY LOGS";
}

std::optional<DdlTraces> DdlTraceReader::on_reply(const SqlReply& reply) {
  if (!reply.ok()) {
    return DdlTraces::kUnknown;  // purged, cut off by a crash, reset
  }
  switch (step_) {
    case Step::kMark:
      return on_mark(reply);
    case Step::kEvents:
      return on_events(reply);
    case Step::kFiles:
      break;
  }
  return on_files(reply);
}

std::optional<DdlTraces> DdlTraceReader::on_mark(const SqlReply& reply) {
  if (reply.rows.size() != 1 || reply.rows[0].size() != 1 || !reply.rows[0][0]) {
    return DdlTraces::kUnknown;
  }
  const std::string& mark = *reply.rows[0][0];
  const std::size_t colon = mark.rfind(':');
  const auto position = colon == std::string::npos
                            ? std::nullopt
                            : number_of(std::string_view(mark).substr(colon + 1));
  if (!position || colon == 0) {
    return DdlTraces::kUnknown;
  }
  file_ = mark.substr(0, colon);
  position_ = *position;
  step_ = Step::kEvents;
  return std::nullopt;
}

std::optional<DdlTraces> DdlTraceReader::on_events(const SqlReply& reply) {
  for (const auto& row : reply.rows) {
    const bool whole = row.size() == kColumns && row[kType] && row[kEnd] && row[kInfo];
    const auto end = whole ? number_of(*row[kEnd]) : std::nullopt;
    if (!end) {
      return DdlTraces::kUnknown;
    }
    position_ = *end;
    const std::string_view info = *row[kInfo];
    if (*row[kType] == "Query" && in_ddl_ && is_like(statement_in(info))) {
      return DdlTraces::kRan;
    }
    // MariaDB: "BEGIN GTID .." and "XA START .. GTID .." are transactions. CREATE TABLE .. SELECT
    // is one. MySQL says BEGIN or XA START in the Query event behind the GTID, which is_like()
    // sees.
    const bool begins = info.starts_with("GTID ") || info.starts_with("SET @@SESSION.GTID_NEXT") ||
                        (selects_ && info.starts_with("BEGIN GTID "));
    in_ddl_ = row[kType]->starts_with("Gtid") ? begins : in_ddl_ && *row[kType] != "Query";
  }
  step_ = reply.rows.size() < kEventsMax ? Step::kFiles : Step::kEvents;
  return std::nullopt;
}

std::optional<DdlTraces> DdlTraceReader::on_files(const SqlReply& reply) {
  const auto named = [this](const auto& row) { return !row.empty() && row[0] == file_; };
  const auto found = std::find_if(reply.rows.begin(), reply.rows.end(), named);
  if (found == reply.rows.end()) {
    return DdlTraces::kUnknown;
  }
  const auto next = found + 1;
  if (next == reply.rows.end()) {
    return DdlTraces::kNone;
  }
  if (next->empty() || !next->front()) {
    return DdlTraces::kUnknown;
  }
  file_ = *next->front();
  position_ = kFirstPosition;
  in_ddl_ = false;
  step_ = Step::kEvents;
  return std::nullopt;
}

// The server writes some of them in its own words, but with another first one only where it is told
// here. XA COMMIT and
// XA ROLLBACK commit themselves, too.
bool DdlTraceReader::is_like(std::string_view logged) const {
  const std::string verb = certifier::first_word(logged);
  if (verb_ == "SET" && verb == "ALTER") {
    return true;  // MySQL logs SET PASSWORD as ALTER USER
  }
  return verb_.empty() ? verb != "XA" && verb != "BEGIN"
                       : verb == verb_ || (drops_first_ && verb == "DROP");
}

}  // namespace consort::proxy
