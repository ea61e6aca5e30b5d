// The part of preflight.h that compares backends with each other.
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "healthcheck/fact_tools.h"
#include "healthcheck/preflight.h"

namespace consort::healthcheck {

namespace {

struct MustEqual {
  std::string_view variable;
  Severity severity;
  /// What a server does that does not know the variable; empty: it is not compared.
  std::string_view absent;
};

constexpr std::array kMustEqual = {
    MustEqual{"lower_case_table_names", Severity::kError, ""},
    // ALTER TABLE that numbers rows leaves a number out where this buffer is full, unless it
    // copies.
    MustEqual{"innodb_sort_buffer_size", Severity::kError, ""},
    MustEqual{"alter_algorithm", Severity::kWarning, ""},
    MustEqual{"max_allowed_packet", Severity::kWarning, ""},
    MustEqual{"character_set_server", Severity::kWarning, ""},
    MustEqual{"collation_server", Severity::kWarning, ""},
    MustEqual{"character_set_collations", Severity::kWarning, ""},
    MustEqual{"sql_mode", Severity::kWarning, ""},
    MustEqual{"old_mode", Severity::kWarning, ""},
    MustEqual{"explicit_defaults_for_timestamp", Severity::kWarning, ""},
    MustEqual{"default_storage_engine", Severity::kWarning, ""},
    MustEqual{"innodb_page_size", Severity::kWarning, ""},
    MustEqual{"innodb_default_row_format", Severity::kWarning, ""},
    MustEqual{"innodb_strict_mode", Severity::kWarning, ""},
    MustEqual{"sql_require_primary_key", Severity::kError, "off"},
    MustEqual{"log_bin_trust_function_creators", Severity::kWarning, ""},
    MustEqual{"foreign_key_checks", Severity::kWarning, ""},
    MustEqual{"check_constraint_checks", Severity::kWarning, ""},
};

/// By name where the brands differ: as MySQL 9.7 and MariaDB 10.11 refuse them (1231).
constexpr std::array<std::string_view, 14> kModesOfMariadb = {"POSTGRESQL",
                                                              "ORACLE",
                                                              "MSSQL",
                                                              "DB2",
                                                              "MAXDB",
                                                              "MYSQL323",
                                                              "MYSQL40",
                                                              "NO_KEY_OPTIONS",
                                                              "NO_TABLE_OPTIONS",
                                                              "NO_FIELD_OPTIONS",
                                                              "NO_AUTO_CREATE_USER",
                                                              "EMPTY_STRING_IS_NULL",
                                                              "SIMULTANEOUS_ASSIGNMENT",
                                                              "TIME_ROUND_FRACTIONAL"};
constexpr std::array<std::string_view, 1> kModesOfMysql = {"TIME_TRUNCATE_FRACTIONAL"};

bool holds_mode(std::string_view modes, std::string_view mode) {
  const std::string list = "," + std::string(modes) + ",";
  return list.find("," + std::string(mode) + ",") != std::string::npos;
}

/// `sql_mode` of a server with the modes that the other brand does not know.
void check_modes(const NamedFacts& server,
                 std::span<const std::string_view> unknown,
                 std::string_view other,
                 Findings& out) {
  const std::string modes = fact(*server.facts, "sql_mode");
  std::string names;
  for (const std::string_view mode : unknown) {
    if (holds_mode(modes, mode)) {
      names += (names.empty() ? "" : ", ") + std::string(mode);
    }
  }
  if (!names.empty()) {
    add(out, Severity::kError,
        "sql_mode on " + server.name + " has " + names + ", which " + std::string(other) +
            " does not know: what runs here would fail there",
        "SET GLOBAL sql_mode=REPLACE(@@GLOBAL.sql_mode,'<mode>',''); my.cnf: sql_mode=...");
  }
}

/// One table definition and one session must mean the same on both brands.
void compare_brands(const NamedFacts& mariadb, const NamedFacts& mysql, Findings& out) {
  constexpr std::string_view kCommon = "utf8mb4_general_ci";
  constexpr std::string_view kVariable = "default_collation_for_utf8mb4";
  check_modes(mariadb, kModesOfMariadb, mysql.name, out);
  check_modes(mysql, kModesOfMysql, mariadb.name, out);
  const auto standard = find(*mysql.facts, kVariable);
  if (standard && canonical(*standard) != kCommon) {
    add(out, Severity::kError,
        std::string(kVariable) + " is '" + std::string(*standard) + "' on " + mysql.name +
            ", and CHARSET utf8mb4 means " + std::string(kCommon) + " on " + mariadb.name +
            ": tables of one definition get different collations",
        "SET PERSIST default_collation_for_utf8mb4='utf8mb4_general_ci' on " + mysql.name);
  }
  for (const std::string_view name : {"character_set_server", "collation_server"}) {
    const auto left = find(*mariadb.facts, name);
    const auto right = find(*mysql.facts, name);
    if (left && right && canonical(*left) != canonical(*right)) {
      add(out, Severity::kError,
          std::string(name) + " is '" + std::string(*left) + "' on " + mariadb.name + ", '" +
              std::string(*right) + "' on " + mysql.name +
              ": schemas of one definition get different ones",
          "my.cnf: character_set_server=utf8mb4, collation_server=utf8mb4_general_ci on both");
    }
  }
}

/// `CHARSET utf8mb4` then means one collation here, another one there. Where the variable does not
/// exist (before MariaDB 11.2), that is as if it was empty.
void compare_collations(const NamedFacts& first,
                        const NamedFacts& later,
                        Severity severity,
                        Findings& out) {
  constexpr std::string_view kVariable = "character_set_collations";
  const bool known[] = {find(*first.facts, kVariable).has_value(),
                        find(*later.facts, kVariable).has_value()};
  const NamedFacts& has = known[0] ? first : later;
  const std::string value = fact(*has.facts, kVariable);
  if (known[0] != known[1] && !value.empty()) {
    add(out, severity,
        std::string(kVariable) + " is '" + value + "' on " + has.name + ", and " +
            (known[0] ? later : first).name +
            " does not know it: tables of one definition get different collations",
        "my.cnf on " + has.name + ": character_set_collations=''");
  }
}

std::string time_zone(const Facts& facts) {
  const std::string zone = fact(facts, "time_zone");
  return canonical(zone) == "system" ? fact(facts, "system_time_zone") : zone;
}

void compare_two(const NamedFacts& first, const NamedFacts& later, Findings& out) {
  const Facts& a = *first.facts;
  const Facts& b = *later.facts;
  const auto id = find(a, "server_id");
  if (id && id == find(b, "server_id")) {
    add(out, Severity::kError, "server_id is " + std::string(*id) + " on " + first.name + " too",
        "SET GLOBAL server_id=<a number of its own>; my.cnf: server_id=...");
  }
  const Version left_version = parse_version(fact(a, "version"));
  const Version right_version = parse_version(fact(b, "version"));
  const bool mixed = left_version.mariadb != right_version.mariadb;
  if (mixed) {
    compare_brands(left_version.mariadb ? first : later, left_version.mariadb ? later : first, out);
  }
  const auto value_of = [](const Facts& facts, const MustEqual& rule) {
    const auto value = find(facts, rule.variable);
    return value || rule.absent.empty() ? value : std::optional(rule.absent);
  };
  for (const MustEqual& rule : kMustEqual) {
    const auto left = value_of(a, rule);
    const auto right = value_of(b, rule);
    if (left && right && canonical(*left) != canonical(*right)) {
      const std::string name(rule.variable);
      add(out, rule.severity,
          name + " is '" + std::string(*right) + "', on " + first.name + " '" + std::string(*left) +
              "'",
          "my.cnf: " + name + "=" + std::string(*left) + " on both");
    }
  }
  compare_collations(first, later, mixed ? Severity::kError : Severity::kWarning, out);
  if (time_zone(a) != time_zone(b)) {
    add(out, Severity::kWarning,
        "time_zone is '" + time_zone(b) + "', on " + first.name + " '" + time_zone(a) + "'",
        "my.cnf: default_time_zone='+00:00' on both");
  }
  if (mixed || left_version.major != right_version.major ||
      left_version.minor != right_version.minor) {
    add(out, Severity::kWarning,
        "version is " + fact(b, "version") + ", on " + first.name + " " + fact(a, "version") +
            ": statements may behave differently",
        "run one release series on all backends, except while upgrading");
  }
}

}  // namespace

std::vector<std::vector<Finding>> compare_backends(std::span<const NamedFacts> backends) {
  std::vector<Findings> out(backends.size());
  for (std::size_t later = 0; later < backends.size(); ++later) {
    if (backends[later].facts == nullptr) {
      continue;
    }
    // Against every earlier one for the server_id; one that differs from the first in a setting
    // differs from all that equal the first, so a setting is told once.
    Findings& mine = out[later];
    for (std::size_t first = 0; first < later; ++first) {
      if (backends[first].facts == nullptr) {
        continue;
      }
      Findings pair;
      compare_two(backends[first], backends[later], pair);
      for (Finding& finding : pair) {
        const bool told = std::any_of(mine.begin(), mine.end(), [&](const Finding& other) {
          return other.what.substr(0, other.what.find(' ')) ==
                 finding.what.substr(0, finding.what.find(' '));
        });
        if (!told) {
          mine.push_back(std::move(finding));
        }
      }
    }
  }
  return out;
}

}  // namespace consort::healthcheck
