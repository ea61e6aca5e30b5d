#include "protocol/decode.h"

#include <algorithm>

#include "protocol/lenenc.h"

namespace consort::protocol {
namespace {

using namespace capability;

/// Types of session-track entries.
enum class SessionTrack : std::uint8_t {
  kSystemVariables = 0,
  kSchema = 1,
  kStateChange = 2,
  kGtids = 3,
  kTransactionCharacteristics = 4,
  kTransactionState = 5
};

constexpr std::uint8_t kHandshakeVersion = 10;

Error malformed(const char* what) {
  return make_error(DecodeError::kMalformed, std::string("malformed ") + what);
}

Error unexpected(const char* what) {
  return make_error(DecodeError::kUnexpectedPacket, std::string("expected ") + what);
}

/// Plugin data ends with a zero byte that is not part of the salt.
Bytes without_closing_zero(Bytes data) {
  return !data.empty() && data.back() == 0 ? data.first(data.size() - 1) : data;
}

/// Connection attributes, as many as the limits allow. False when they are cut off.
bool read_attributes(Reader& reader, std::vector<NameValue>& out) {
  if (reader.at_end()) {
    return true;  // some clients promise them and send none
  }
  Reader block(reader.lenenc_bytes());
  std::size_t bytes_left = kAttributeBytesMax;
  while (!block.at_end() && out.size() < kAttributesMax) {
    const std::string_view name = block.lenenc_text();
    const std::string_view value = block.lenenc_text();
    if (block.failed()) {
      return false;
    }
    if (name.size() + value.size() > bytes_left) {
      break;
    }
    bytes_left -= name.size() + value.size();
    out.emplace_back(name, value);
  }
  return !reader.failed();
}

Bytes read_auth_response(Reader& reader, std::uint64_t capabilities) {
  if ((capabilities & kPluginAuthLenenc) != 0) {
    return reader.lenenc_bytes();
  }
  if ((capabilities & kSecureConnection) != 0) {
    return reader.bytes(reader.u8());
  }
  return as_bytes(reader.nul_text());
}

/// Takes one session-track entry apart. False when it is malformed.
bool read_session_change(SessionTrack type, Bytes data, SessionChanges& out) {
  Reader reader(data);
  switch (type) {
    case SessionTrack::kSystemVariables:
      while (!reader.at_end()) {
        const std::string_view name = reader.lenenc_text();
        out.system_variables.emplace_back(name, reader.lenenc_text());
      }
      break;
    case SessionTrack::kSchema:
      out.schema = reader.lenenc_text();
      break;
    case SessionTrack::kStateChange:
      out.state_changed = as_text(reader.rest()) == "1";  // without a length of its own
      break;
    case SessionTrack::kGtids:
      reader.skip(1);  // how they are written: there is one way
      out.gtids = reader.lenenc_text();
      break;
    case SessionTrack::kTransactionCharacteristics:
      out.transaction_characteristics = reader.lenenc_text();
      break;
    case SessionTrack::kTransactionState:
      out.transaction_state = reader.lenenc_text();
      break;
    default:
      out.others.push_back(OtherSessionChange{static_cast<std::uint8_t>(type), data});
      break;
  }
  return !reader.failed();
}

/// MariaDB writes the block's length as a character of the default database's character set
/// (session_tracker.cc, Session_tracker::store): behind one zero for ucs2 and utf16, three for
/// utf32. Nothing stands behind a length that is zero.
void skip_padding(Reader& reader) {
  constexpr int kPaddingMax = 3;
  for (int i = 0; i < kPaddingMax && reader.remaining() > 1 && reader.peek() == 0; ++i) {
    reader.skip(1);
  }
}

bool read_session_changes(Reader& reader, SessionChanges& out) {
  skip_padding(reader);
  Reader block(reader.lenenc_bytes());
  while (!block.at_end()) {
    const auto type = static_cast<SessionTrack>(block.u8());
    const Bytes data = block.lenenc_bytes();
    if (block.failed() || !read_session_change(type, data, out)) {
      return false;
    }
  }
  return !reader.failed();
}

/// The info text. Servers write it with its length; a text without one is taken to the end.
std::string_view read_info(Reader& reader) {
  Reader attempt = reader;
  const std::string_view text = attempt.lenenc_text();
  if (attempt.failed()) {
    return as_text(reader.rest());
  }
  reader = attempt;
  return text;
}

}  // namespace

Result<HandshakeV10> decode_handshake(Bytes payload) {
  Reader reader(payload);
  if (reader.u8() != kHandshakeVersion) {
    return unexpected("a greeting of protocol version 10");
  }
  HandshakeV10 out;
  out.server_version = reader.nul_text();
  out.connection_id = reader.u32();
  const Bytes salt_front = reader.bytes(kSaltFrontBytes);
  out.salt.assign(salt_front.begin(), salt_front.end());
  reader.skip(1);
  out.capabilities = reader.u16();
  if (reader.failed()) {
    return malformed("greeting");
  }
  if (reader.at_end()) {
    return out;
  }
  out.collation = reader.u8();
  out.status = reader.u16();
  out.capabilities |= static_cast<std::uint64_t>(reader.u16()) << 16U;
  const std::size_t plugin_data_bytes = reader.u8();
  reader.skip(6);
  const std::uint64_t extended = reader.u32();
  if ((out.capabilities & kLongPassword) == 0) {
    out.capabilities |= extended << 32U;
  }
  if ((out.capabilities & kSecureConnection) != 0) {
    const std::size_t declared =
        plugin_data_bytes > kSaltFrontBytes ? plugin_data_bytes - kSaltFrontBytes : 0;
    append(out.salt, without_closing_zero(reader.bytes(std::max<std::size_t>(13, declared))));
  }
  if (reader.failed()) {
    return malformed("greeting");
  }
  if ((out.capabilities & kPluginAuth) != 0) {
    out.auth_plugin = reader.nul_text_or_rest();
  }
  return out;
}

Result<HandshakeResponse> decode_handshake_response(Bytes payload) {
  Reader reader(payload);
  HandshakeResponse out;
  out.capabilities = reader.u32();
  if (reader.failed() || (out.capabilities & kProtocol41) == 0) {
    return unexpected("a client of protocol 4.1");
  }
  out.packet_bytes_max = reader.u32();
  out.collation = reader.u8();
  reader.skip(kResponseFillerBytes);
  const std::uint64_t extended = reader.u32();
  if ((out.capabilities & kLongPassword) == 0) {
    out.capabilities |= extended << 32U;
  }
  if (reader.failed()) {
    return malformed("handshake response");
  }
  if (reader.at_end() && (out.capabilities & kSsl) != 0) {
    out.is_ssl_request = true;
    return out;
  }
  out.user = reader.nul_text();
  out.auth_response = read_auth_response(reader, out.capabilities);
  if ((out.capabilities & kConnectWithDb) != 0) {
    out.database = reader.nul_text_or_rest();
  }
  if ((out.capabilities & kPluginAuth) != 0) {
    out.auth_plugin = reader.nul_text_or_rest();
  }
  const bool attributes_ok =
      (out.capabilities & kConnectAttrs) == 0 || read_attributes(reader, out.attributes);
  if (reader.failed() || !attributes_ok) {
    return malformed("handshake response");
  }
  if ((out.capabilities & kZstdCompression) != 0 && !reader.at_end()) {
    out.zstd_level = reader.u8();
  }
  return out;
}

Result<AuthSwitchRequest> decode_auth_switch(Bytes payload) {
  Reader reader(payload);
  if (reader.u8() != kEofByte) {
    return unexpected("an authentication switch");
  }
  if (reader.at_end()) {
    return AuthSwitchRequest{"mysql_old_password", {}};
  }
  AuthSwitchRequest out;
  out.plugin = reader.nul_text_or_rest();
  out.data = reader.rest();
  // Other data than a scramble may end in a zero of its own.
  if (out.data.size() == kScrambleBytes + 1) {
    out.data = without_closing_zero(out.data);
  }
  return out;
}

Result<ChangeUser> decode_change_user(Bytes payload, std::uint64_t capabilities) {
  Reader reader(payload);
  if (reader.u8() != static_cast<std::uint8_t>(Command::kChangeUser)) {
    return unexpected("COM_CHANGE_USER");
  }
  ChangeUser out;
  out.user = reader.nul_text();
  out.auth_response = read_auth_response(reader, capabilities & ~kPluginAuthLenenc);
  out.database = reader.nul_text_or_rest();
  if (reader.remaining() >= 2) {
    out.collation = reader.u16();
    if ((capabilities & kPluginAuth) != 0 && !reader.at_end()) {
      out.auth_plugin = reader.nul_text_or_rest();
    }
  }
  const bool attributes_ok =
      (capabilities & kConnectAttrs) == 0 || read_attributes(reader, out.attributes);
  if (reader.failed() || !attributes_ok) {
    return malformed("COM_CHANGE_USER");
  }
  return out;
}

Result<OkPacket> decode_ok(Bytes payload, std::uint64_t capabilities) {
  Reader reader(payload);
  const std::uint8_t header = reader.u8();
  if (header != kOkByte && header != kEofByte) {
    return unexpected("an OK packet");
  }
  OkPacket out;
  if (header == kEofByte && (capabilities & kDeprecateEof) == 0) {
    const Result<EofPacket> eof = decode_eof(payload);
    if (!eof) {
      return eof.error();
    }
    out.status = eof->status;
    out.warnings = eof->warnings;
    return out;
  }
  out.affected_rows = reader.lenenc();
  out.last_insert_id = reader.lenenc();
  out.status = reader.u16();
  out.warnings = reader.u16();
  if (reader.failed()) {
    return malformed("OK packet");
  }
  if (reader.at_end()) {
    return out;
  }
  out.info = read_info(reader);
  const bool tracked =
      (capabilities & kSessionTrack) != 0 && (out.status & status_flag::kSessionStateChanged) != 0;
  if (tracked && !reader.at_end() && !read_session_changes(reader, out.changes)) {
    return malformed("session changes in an OK packet");
  }
  return out;
}

Result<EofPacket> decode_eof(Bytes payload) {
  Reader reader(payload);
  if (reader.u8() != kEofByte || payload.size() >= 9) {
    return unexpected("an EOF packet");
  }
  EofPacket out;
  out.warnings = reader.u16();
  out.status = reader.u16();
  if (reader.failed()) {
    return malformed("EOF packet");
  }
  return out;
}

Result<ErrPacket> decode_err(Bytes payload) {
  Reader reader(payload);
  if (reader.u8() != kErrByte) {
    return unexpected("an ERR packet");
  }
  ErrPacket out;
  out.code = reader.u16();
  if (reader.peek() == '#' && reader.remaining() >= 6) {
    reader.skip(1);
    out.state = as_text(reader.bytes(5));
  }
  out.message = as_text(reader.rest());
  if (reader.failed()) {
    return malformed("ERR packet");
  }
  return out;
}

SqlError sql_error_of(Bytes err_payload) {
  const Result<ErrPacket> err = decode_err(err_payload);
  if (!err) {
    return malformed_packet_error();
  }
  return SqlError{err->code, err->state.size() == 5 ? std::string(err->state) : "HY000",
                  std::string(err->message)};
}

Result<StmtPrepareOk> decode_prepare_ok(Bytes payload) {
  Reader reader(payload);
  if (reader.u8() != kOkByte) {
    return unexpected("a PREPARE_OK packet");
  }
  StmtPrepareOk out;
  out.statement_id = reader.u32();
  out.columns = reader.u16();
  out.parameters = reader.u16();
  if (reader.failed()) {
    return malformed("PREPARE_OK packet");
  }
  if (reader.remaining() >= 3) {
    reader.skip(1);
    out.warnings = reader.u16();
  }
  return out;
}

}  // namespace consort::protocol
