#include "tests/sim/model_sql.h"

#include <charconv>

#include "base/branch_name.h"
#include "base/check.h"
#include "certifier/ddl_fence.h"

namespace consort::sim {
namespace {

constexpr std::string_view kCompoundHead = "BEGIN NOT ATOMIC ";
constexpr std::string_view kRollBackAtError =
    "DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END; ";

constexpr std::string_view kVanishedBranch = "DECLARE EXIT HANDLER FOR 1397 ";

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

/// What a client's procedure does, one after the other.
std::vector<std::string> statements_of(std::string_view body) {
  std::vector<std::string> statements;
  while (!body.empty()) {
    const std::size_t end = body.find(';');
    statements.emplace_back(trim(body.substr(0, end)));
    body = end == body.npos ? std::string_view() : body.substr(end + 1);
  }
  return statements;
}

}  // namespace

Program parse_program(std::string_view packet) {
  const auto has = [packet](std::string_view text) { return packet.find(text) != packet.npos; };
  if (packet.starts_with("CALL ")) {
    return {false, std::nullopt, statements_of(quoted(packet))};
  }
  if (!packet.starts_with("BEGIN NOT ATOMIC") || has("GET_LOCK(_latin1'consort_ddl'") ||
      has("consort: a program still runs here") || has("consort.ddl_mark WHERE id=2")) {
    return {false, std::nullopt, {std::string(packet)}};
  }
  CHECK(packet.starts_with(kCompoundHead));
  CHECK(packet.ends_with("END"));
  packet.remove_prefix(kCompoundHead.size());
  const bool rolls_back = packet.starts_with(kRollBackAtError);
  packet.remove_prefix(rolls_back ? kRollBackAtError.size() : 0);
  CHECK(rolls_back || packet.find("START TRANSACTION") == packet.npos);
  Program program;
  program.compound = true;
  if (packet.starts_with(kVanishedBranch)) {
    constexpr std::string_view kEnd = "END; RESIGNAL; END; ";
    program.disowner = number_behind(packet, "owner=");
    packet.remove_prefix(packet.find(kEnd) + kEnd.size());
  }
  packet.remove_suffix(3);
  bool in_quotes = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < packet.size(); ++i) {
    in_quotes = in_quotes != (packet[i] == '\'');
    if (packet[i] == ';' && !in_quotes) {
      program.statements.emplace_back(trim(packet.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  CHECK(trim(packet.substr(begin)).empty());
  return program;
}

std::optional<std::uint64_t> number_behind(std::string_view sql, std::string_view name) {
  const std::size_t at = sql.find(name);
  if (at == sql.npos) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  const char* from = sql.data() + at + name.size();
  const auto parsed = std::from_chars(from, sql.data() + sql.size(), value);
  CHECK(parsed.ec == std::errc());
  return value;
}

PositionUpdate parse_position_update(std::string_view sql) {
  const std::string_view set = sql.substr(sql.find(" SET ") + 5);
  const std::string_view where = sql.substr(sql.find(" WHERE id=1 AND "));
  PositionUpdate update;
  update.column = set.substr(0, set.find('='));
  CHECK(sql.starts_with(update.column == "ddl" ? "UPDATE consort.ddl_mark SET "
                                               : "UPDATE consort.`position` SET "));
  update.value = *number_behind(set, "=");
  update.owner = number_behind(where, "owner=");
  update.owner_below = number_behind(where, "owner<");
  update.seqno = number_behind(where, "seqno=");
  return update;
}

std::string_view quoted(std::string_view sql) {
  const std::size_t from = sql.find('\'');
  CHECK(from != sql.npos);
  return sql.substr(from + 1, sql.rfind('\'') - from - 1);
}

BranchId parse_branch(std::string_view sql, std::uint32_t cluster) {
  const std::string_view names = quoted(sql);
  const auto parsed = parse_branch_gtrid(names.substr(0, names.find('\'')));
  CHECK(parsed.has_value());
  CHECK(parsed->cluster == cluster);
  CHECK(sql.ends_with("',''," + std::to_string(kXaFormatId)));
  return parsed->branch;
}

}  // namespace consort::sim
