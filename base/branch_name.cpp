#include "base/branch_name.h"

#include <charconv>
#include <system_error>

namespace consort {
namespace {

constexpr std::string_view kPrefix = "consort-";

void append_hex(std::string& out, std::uint64_t value) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16);
  out.append(digits, end.ptr);
}

/// Reads hex digits up to `stop` (or the end when 0) and removes both from `text`.
template <typename T>
std::optional<T> take_hex(std::string_view& text, char stop) {
  const std::size_t length = stop == '\0' ? text.size() : text.find(stop);
  if (length == std::string_view::npos || length == 0) {
    return std::nullopt;
  }
  T value{};
  const char* end = text.data() + length;
  const auto parsed = std::from_chars(text.data(), end, value, 16);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return std::nullopt;
  }
  text.remove_prefix(stop == '\0' ? length : length + 1);
  return value;
}

}  // namespace

std::string branch_gtrid(std::uint32_t cluster, const BranchId& branch) {
  std::string out(kPrefix);
  append_hex(out, cluster);
  out += '-';
  append_hex(out, branch.epoch);
  out += '-';
  append_hex(out, branch.worker);
  out += '-';
  append_hex(out, branch.counter);
  return out;
}

std::string branch_xid_sql(std::uint32_t cluster, const BranchId& branch) {
  return "'" + branch_gtrid(cluster, branch) + "','',1131376243";
}

std::string branch_xid_hex_sql(std::uint32_t cluster, const BranchId& branch) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out = "X'";
  for (const char c : branch_gtrid(cluster, branch)) {
    const auto byte = static_cast<unsigned char>(c);
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out + "','',1131376243";
}

std::optional<ParsedBranch> parse_branch_gtrid(std::string_view gtrid) {
  if (!gtrid.starts_with(kPrefix)) {
    return std::nullopt;
  }
  gtrid.remove_prefix(kPrefix.size());
  const auto cluster = take_hex<std::uint32_t>(gtrid, '-');
  const auto epoch = take_hex<std::uint32_t>(gtrid, '-');
  const auto worker = take_hex<std::uint16_t>(gtrid, '-');
  const auto counter = take_hex<std::uint64_t>(gtrid, '\0');
  if (!cluster || !epoch || !worker || !counter) {
    return std::nullopt;
  }
  return ParsedBranch{*cluster, BranchId{*epoch, *worker, *counter}};
}

}  // namespace consort
