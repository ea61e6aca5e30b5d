// The part of preflight.h that compares backends with each other.
#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "healthcheck/fact_tools.h"
#include "healthcheck/preflight.h"

namespace consort::healthcheck {

namespace {

struct MustEqual {
  std::string_view variable;
  Severity severity;
};

constexpr std::array kMustEqual = {
    MustEqual{"lower_case_table_names", Severity::kError},
    // ALTER TABLE that numbers rows leaves a number out where this buffer is full, unless it
    // copies.
    MustEqual{"innodb_sort_buffer_size", Severity::kError},
    MustEqual{"alter_algorithm", Severity::kWarning},
    MustEqual{"max_allowed_packet", Severity::kWarning},
    MustEqual{"character_set_server", Severity::kWarning},
    MustEqual{"collation_server", Severity::kWarning},
    MustEqual{"character_set_collations", Severity::kWarning},
    MustEqual{"sql_mode", Severity::kWarning},
    MustEqual{"old_mode", Severity::kWarning},
    MustEqual{"explicit_defaults_for_timestamp", Severity::kWarning},
    MustEqual{"default_storage_engine", Severity::kWarning},
    MustEqual{"innodb_page_size", Severity::kWarning},
    MustEqual{"innodb_default_row_format", Severity::kWarning},
    MustEqual{"innodb_strict_mode", Severity::kWarning},
    MustEqual{"log_bin_trust_function_creators", Severity::kWarning},
    MustEqual{"foreign_key_checks", Severity::kWarning},
    MustEqual{"check_constraint_checks", Severity::kWarning},
};

/// `CHARSET utf8mb4` then means one collation here, another one there. Where the variable does not
/// exist (before MariaDB 11.2), that is as if it was empty.
void compare_collations(const NamedFacts& first, const NamedFacts& later, Findings& out) {
  constexpr std::string_view kVariable = "character_set_collations";
  const bool known[] = {find(*first.facts, kVariable).has_value(),
                        find(*later.facts, kVariable).has_value()};
  const NamedFacts& has = known[0] ? first : later;
  const std::string value = fact(*has.facts, kVariable);
  if (known[0] != known[1] && !value.empty()) {
    add(out, Severity::kWarning,
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
  for (const MustEqual& rule : kMustEqual) {
    const auto left = find(a, rule.variable);
    const auto right = find(b, rule.variable);
    if (left && right && canonical(*left) != canonical(*right)) {
      const std::string name(rule.variable);
      add(out, rule.severity,
          name + " is '" + std::string(*right) + "', on " + first.name + " '" + std::string(*left) +
              "'",
          "my.cnf: " + name + "=" + std::string(*left) + " on both");
    }
  }
  compare_collations(first, later, out);
  if (time_zone(a) != time_zone(b)) {
    add(out, Severity::kWarning,
        "time_zone is '" + time_zone(b) + "', on " + first.name + " '" + time_zone(a) + "'",
        "my.cnf: default_time_zone='+00:00' on both");
  }
  const Version left = parse_version(fact(a, "version"));
  const Version right = parse_version(fact(b, "version"));
  if (left.mariadb != right.mariadb || left.major != right.major || left.minor != right.minor) {
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
