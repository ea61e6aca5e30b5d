// What the preflight rules share: reading facts, comparing values, versions.
// Threads: any; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "healthcheck/preflight.h"

namespace consort::healthcheck {

using Findings = std::vector<Finding>;

/// Appends a finding.
void add(Findings& out, Severity severity, std::string what, std::string_view mend);

[[nodiscard]] std::optional<std::string_view> find(const Facts& facts, std::string_view name);

/// The fact's value; empty when it is not known.
[[nodiscard]] std::string fact(const Facts& facts, std::string_view name);

/// In lower case, with 1 and 0 as "on" and "off": how values are compared.
[[nodiscard]] std::string canonical(std::string_view value);

/// Digits at the beginning; 0 without any.
[[nodiscard]] std::uint64_t to_number(std::string_view text);

/// Parts between ", ".
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

struct Version {
  bool mariadb = false;
  std::uint64_t major = 0;
  std::uint64_t minor = 0;
  std::uint64_t patch = 0;

  [[nodiscard]] bool at_least(std::uint64_t a, std::uint64_t b, std::uint64_t c) const {
    return std::tie(major, minor, patch) >= std::tie(a, b, c);
  }
};

/// Reads @@version.
[[nodiscard]] Version parse_version(std::string_view text);

}  // namespace consort::healthcheck
