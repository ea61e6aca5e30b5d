// DumpClient: reads a server's binlog over a plain blocking socket, as root without a password.
// Threads: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "protocol/binlog_events.h"

namespace consort::test {

/// Everything a server's binlog holds from `from` to its present end.
struct Dump {
  std::vector<protocol::BinlogGroup> groups;
  std::vector<Buffer> events;  ///< as received
  Buffer format_description;
  protocol::BinlogPosition end;
};

/// Reads to the end; a doctest failure when the stream breaks or cannot be decoded.
[[nodiscard]] Dump read_dump(std::uint16_t port,
                             const protocol::BinlogPosition& from,
                             const protocol::BinlogGroupReader::Limits& limits = {});

}  // namespace consort::test
