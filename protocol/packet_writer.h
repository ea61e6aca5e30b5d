// Packet writer: puts payloads into packets, split at 0xFFFFFF bytes.
// Every function returns the sequence id for the packet after the last one written.
// Spec: MariaDB KB "0 - Packet". Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "protocol/messages.h"
#include "protocol/sql_error.h"

namespace consort::protocol {

/// Appends `payload` as one or more packets, the first numbered `sequence`.
std::uint8_t append_packet(Buffer& out, Bytes payload, std::uint8_t sequence);

/// Appends a command of one byte and an argument: COM_QUERY with its text and so on, numbered 0.
std::uint8_t append_command(Buffer& out, Command command, Bytes argument);

/// Leaves room for a header; the caller appends the payload and then calls finish_packet() with
/// the returned place.
[[nodiscard]] std::size_t begin_packet(Buffer& out);

/// Fills in the header at `place`; splits the payload when it is too long for one packet.
std::uint8_t finish_packet(Buffer& out, std::size_t place, std::uint8_t sequence);

/// Appends an OK packet for a client with `capabilities` (see encode_ok).
std::uint8_t append_ok(Buffer& out,
                       const OkPacket& ok,
                       std::uint64_t capabilities,
                       std::uint8_t sequence,
                       OkHeader header = OkHeader::kOk);

/// Appends an ERR packet.
std::uint8_t append_err(Buffer& out, const SqlError& error, std::uint8_t sequence);

/// How many columns a result set has.
struct ColumnCount {
  std::uint64_t columns = 0;
  bool definitions_follow = true;  ///< false only for clients with kMariadbCacheMetadata
};

/// Appends the packet with which a result set begins for a client with `capabilities`.
std::uint8_t append_column_count(Buffer& out,
                                 const ColumnCount& count,
                                 std::uint64_t capabilities,
                                 std::uint8_t sequence);

/// Appends an EOF packet of the old form (5 bytes).
std::uint8_t append_eof(Buffer& out, const EofPacket& eof, std::uint8_t sequence);

}  // namespace consort::protocol
