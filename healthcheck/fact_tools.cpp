#include "healthcheck/fact_tools.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <utility>

namespace consort::healthcheck {

void add(Findings& out, Severity severity, std::string what, std::string_view mend) {
  out.push_back(Finding{severity, std::move(what), std::string(mend)});
}

std::optional<std::string_view> find(const Facts& facts, std::string_view name) {
  const auto found = facts.find(name);
  if (found == facts.end()) {
    return std::nullopt;
  }
  return std::string_view(found->second);
}

std::string fact(const Facts& facts, std::string_view name) {
  return std::string(find(facts, name).value_or(""));
}

std::string canonical(std::string_view value) {
  std::string out;
  for (const char c : value) {
    out.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return out == "1" ? "on" : out == "0" ? "off" : out;
}

std::uint64_t to_number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t comma = text.find(", ");
    out.emplace_back(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 2);
  }
  return out;
}

Version parse_version(std::string_view text) {
  Version version;
  version.mariadb = text.find("MariaDB") != std::string_view::npos;
  std::array<std::uint64_t*, 3> parts = {&version.major, &version.minor, &version.patch};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (std::uint64_t* part : parts) {
    at = std::from_chars(at, end, *part).ptr;
    if (at == end || *at != '.') {
      break;
    }
    ++at;
  }
  return version;
}

}  // namespace consort::healthcheck
