// Encode: messages to payloads, appended to a buffer (frame them with packet_writer.h).
// Threads: any.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "protocol/messages.h"

namespace consort::protocol {

/// MariaDB's extended capabilities are written only when kLongPassword is not announced.
/// REQUIRES: salt of 20 bytes.
void encode_handshake(Buffer& out, const HandshakeV10& handshake);

/// Writes what `response.capabilities` promises: database, plugin and attributes only with their
/// flag. REQUIRES: kProtocol41 and kSecureConnection; an auth response below 251 bytes.
void encode_handshake_response(Buffer& out, const HandshakeResponse& response);

/// The head of that alone, which asks for TLS. REQUIRES: kProtocol41 and kSsl.
void encode_ssl_request(Buffer& out, const HandshakeResponse& response);

void encode_auth_switch(Buffer& out, const AuthSwitchRequest& request);

/// REQUIRES: an auth response below 256 bytes.
void encode_change_user(Buffer& out, const ChangeUser& change, std::uint64_t capabilities);

/// Writes what a client with `capabilities` expects: session changes only with kSessionTrack; with
/// header kEof and without kDeprecateEof an EOF packet of the old form.
void encode_ok(Buffer& out, const OkPacket& ok, std::uint64_t capabilities, OkHeader header);

void encode_eof(Buffer& out, const EofPacket& eof);

/// `state` must have five characters; "HY000" replaces anything else.
void encode_err(Buffer& out, const ErrPacket& err);

void encode_prepare_ok(Buffer& out, const StmtPrepareOk& prepare);

}  // namespace consort::protocol
