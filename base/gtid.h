// Gtid: the name that a MariaDB server gives to one group of its binlog, and GtidState: which ones
// a server's binlog has, as @@gtid_binlog_state tells it.
// Spec: MariaDB KB "Global Transaction ID". Threads: none; values.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace consort {

/// Domain, server and sequence number. All zero: none.
struct Gtid {
  std::uint32_t domain = 0;
  std::uint32_t server = 0;
  std::uint64_t sequence = 0;
  friend auto operator<=>(const Gtid&, const Gtid&) = default;

  [[nodiscard]] bool any() const { return sequence != 0; }
};

/// "0-1-42". nullopt: it is no such text.
[[nodiscard]] std::optional<Gtid> parse_gtid_text(std::string_view text);

/// The newest sequence number of every domain and server. Within one domain and server they grow.
class GtidState {
 public:
  GtidState() = default;

  /// A list as @@gtid_binlog_state shows it, "0-1-42,0-2-7"; may be empty. nullopt: it is none.
  [[nodiscard]] static std::optional<GtidState> parse(std::string_view text);

  /// `gtid` was written.
  void add(const Gtid& gtid);

  /// `gtid`, or a newer one of its domain and server, was written.
  [[nodiscard]] bool contains(const Gtid& gtid) const;

 private:
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> newest_;
};

}  // namespace consort
