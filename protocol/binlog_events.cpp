#include "protocol/binlog_events.h"

#include <charconv>

#include "base/check.h"

namespace consort::protocol {
namespace {

constexpr std::uint8_t kComBinlogDump = 0x12;
constexpr std::uint16_t kDumpNonBlocking = 0x01;

template <typename Number>
bool take_number(std::string_view& rest, Number& number) {
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (parsed.ec != std::errc()) {
    return false;
  }
  rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest.data()));
  return true;
}

bool take_dash(std::string_view& rest) {
  if (!rest.starts_with('-')) {
    return false;
  }
  rest.remove_prefix(1);
  return true;
}

}  // namespace

std::string to_string(const BinlogGtid& gtid) {
  return std::to_string(gtid.domain) + '-' + std::to_string(gtid.server) + '-' +
         std::to_string(gtid.sequence);
}

std::optional<BinlogGtid> parse_gtid(std::string_view text) {
  BinlogGtid gtid;
  const bool parsed = take_number(text, gtid.domain) && take_dash(text) &&
                      take_number(text, gtid.server) && take_dash(text) &&
                      take_number(text, gtid.sequence) && text.empty();
  return parsed ? std::optional(gtid) : std::nullopt;
}

Buffer encode_binlog_dump(const BinlogDumpRequest& request) {
  Buffer out;
  out.push_back(kComBinlogDump);
  append_le<4>(out, request.from.offset);
  append_le<2>(out, request.stop_at_end ? kDumpNonBlocking : 0);
  append_le<4>(out, request.server_id);
  append(out, request.from.file);
  return out;
}

std::vector<std::string> binlog_dump_settings(std::uint32_t heartbeat_ms) {
  const std::string heartbeat_ns = std::to_string(std::uint64_t{heartbeat_ms} * 1'000'000);
  // MariaDB reads the names with "master", MySQL those with "source" and, for now, the others too.
  return {
      // Without capability 4 MariaDB rewrites GTID events and breaks XA groups.
      "SET @mariadb_slave_capability=4",
      // Files keep the checksum they were written with; this one is for events made on the fly.
      "SET @master_binlog_checksum=@@global.binlog_checksum,"
      "@source_binlog_checksum=@@global.binlog_checksum",
      "SET @master_heartbeat_period=" + heartbeat_ns + ",@source_heartbeat_period=" + heartbeat_ns,
  };
}

}  // namespace consort::protocol
