// Decode: payloads to messages. Peer input: every error is a Result, nothing is trusted.
// Threads: any.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/messages.h"
#include "protocol/sql_error.h"

namespace consort::protocol {

/// Codes of Error::code from the decoders.
enum class DecodeError : std::uint8_t {
  kMalformed = 1,    ///< ends too early, or a length does not fit
  kUnexpectedPacket  ///< a well-formed packet of another kind
};

/// Most name-value pairs and bytes that connection attributes may have; the rest is left out.
inline constexpr std::size_t kAttributesMax = 64;
inline constexpr std::size_t kAttributeBytesMax = 4096;

[[nodiscard]] Result<HandshakeV10> decode_handshake(Bytes payload);

/// Errors: kUnexpectedPacket when the client does not speak protocol 4.1.
[[nodiscard]] Result<HandshakeResponse> decode_handshake_response(Bytes payload);

[[nodiscard]] Result<AuthSwitchRequest> decode_auth_switch(Bytes payload);

/// `capabilities`: as agreed at login.
[[nodiscard]] Result<ChangeUser> decode_change_user(Bytes payload, std::uint64_t capabilities);

/// An OK packet with header 0x00 or 0xFE, or an EOF packet of the old form (which yields its status
/// and warnings). `capabilities`: those agreed with who sent it.
[[nodiscard]] Result<OkPacket> decode_ok(Bytes payload, std::uint64_t capabilities);

[[nodiscard]] Result<EofPacket> decode_eof(Bytes payload);

[[nodiscard]] Result<ErrPacket> decode_err(Bytes payload);

/// An ERR packet as an error to pass on; a text of our own when it cannot be read.
[[nodiscard]] SqlError sql_error_of(Bytes err_payload);

[[nodiscard]] Result<StmtPrepareOk> decode_prepare_ok(Bytes payload);

}  // namespace consort::protocol
