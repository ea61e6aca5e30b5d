#include "protocol/encode.h"

#include <algorithm>

#include "base/check.h"
#include "protocol/lenenc.h"

namespace consort::protocol {
namespace {

using namespace capability;

constexpr std::size_t kGreetingSaltBytes = 20;

void append_zeros(Buffer& out, std::size_t count) {
  out.resize(out.size() + count);
}

void append_high_bits(Buffer& out, std::uint64_t capabilities) {
  const bool mariadb = (capabilities & kLongPassword) == 0;
  append_le<4>(out, mariadb ? capabilities >> 32U : 0);
}

void append_attributes(Buffer& out, const std::vector<NameValue>& attributes) {
  Buffer block;
  for (const NameValue& attribute : attributes) {
    append_lenenc_text(block, attribute.first);
    append_lenenc_text(block, attribute.second);
  }
  append_lenenc_bytes(out, block);
}

void append_change(Buffer& out, std::uint8_t type, Bytes data) {
  out.push_back(type);
  append_lenenc_bytes(out, data);
}

/// An entry whose data is one text with its length.
void append_text_change(Buffer& out, std::uint8_t type, std::string_view text) {
  out.push_back(type);
  append_lenenc(out, lenenc_size(text.size()) + text.size());
  append_lenenc_text(out, text);
}

Buffer session_changes_block(const SessionChanges& changes) {
  Buffer block;
  for (const NameValue& variable : changes.system_variables) {
    Buffer data;
    append_lenenc_text(data, variable.first);
    append_lenenc_text(data, variable.second);
    append_change(block, 0, data);
  }
  if (changes.schema) {
    append_text_change(block, 1, *changes.schema);
  }
  if (changes.state_changed) {
    append_change(block, 2, as_bytes(*changes.state_changed ? "1" : "0"));
  }
  if (changes.gtids) {
    Buffer data(1);
    append_lenenc_text(data, *changes.gtids);
    append_change(block, 3, data);
  }
  for (const OtherSessionChange& other : changes.others) {
    append_change(block, other.type, other.data);
  }
  if (changes.transaction_state) {
    append_text_change(block, 5, *changes.transaction_state);
  }
  if (changes.transaction_characteristics) {
    append_text_change(block, 4, *changes.transaction_characteristics);
  }
  return block;
}

/// What HandshakeResponse41 begins with, and all that an SSLRequest is.
void append_response_head(Buffer& out, const HandshakeResponse& response) {
  CHECK((response.capabilities & kProtocol41) != 0);
  append_le<4>(out, response.capabilities);
  append_le<4>(out, response.packet_bytes_max);
  append_le<1>(out, response.collation);
  append_zeros(out, kResponseFillerBytes);
  append_high_bits(out, response.capabilities);
}

}  // namespace

void encode_handshake(Buffer& out, const HandshakeV10& handshake) {
  CHECK(handshake.salt.size() == kGreetingSaltBytes);
  const Bytes salt = handshake.salt;
  out.push_back(10);
  append_nul_text(out, handshake.server_version);
  append_le<4>(out, handshake.connection_id);
  append(out, salt.first(kSaltFrontBytes));
  out.push_back(0);
  append_le<2>(out, handshake.capabilities);
  append_le<1>(out, handshake.collation);
  append_le<2>(out, handshake.status);
  append_le<2>(out, handshake.capabilities >> 16U);
  const bool plugins = (handshake.capabilities & kPluginAuth) != 0;
  append_le<1>(out, plugins ? kGreetingSaltBytes + 1 : 0);
  append_zeros(out, 6);
  append_high_bits(out, handshake.capabilities);
  append(out, salt.subspan(kSaltFrontBytes));
  out.push_back(0);
  if (plugins) {
    append_nul_text(out, handshake.auth_plugin);
  }
}

void encode_ssl_request(Buffer& out, const HandshakeResponse& response) {
  CHECK((response.capabilities & kSsl) != 0);
  append_response_head(out, response);
}

void encode_handshake_response(Buffer& out, const HandshakeResponse& response) {
  const std::uint64_t capabilities = response.capabilities;
  CHECK((capabilities & kSecureConnection) != 0);
  CHECK(response.auth_response.size() < 0xFB);
  append_response_head(out, response);
  append_nul_text(out, response.user);
  append_lenenc_bytes(out, response.auth_response);  // one byte of length, with either flag
  if ((capabilities & kConnectWithDb) != 0) {
    append_nul_text(out, response.database);
  }
  if ((capabilities & kPluginAuth) != 0) {
    append_nul_text(out, response.auth_plugin);
  }
  if ((capabilities & kConnectAttrs) != 0) {
    append_attributes(out, response.attributes);
  }
  if ((capabilities & kZstdCompression) != 0) {
    out.push_back(response.zstd_level);
  }
}

void encode_auth_switch(Buffer& out, const AuthSwitchRequest& request) {
  out.push_back(kEofByte);
  append_nul_text(out, request.plugin);
  append(out, request.data);
  // A scramble is closed by a zero; the random bytes of other plugins stand alone.
  if (request.data.size() == kScrambleBytes) {
    out.push_back(0);
  }
}

void encode_change_user(Buffer& out, const ChangeUser& change, std::uint64_t capabilities) {
  CHECK(change.auth_response.size() <= 0xFF);
  append_le<1>(out, static_cast<std::uint8_t>(Command::kChangeUser));
  append_nul_text(out, change.user);
  append_le<1>(out, change.auth_response.size());
  append(out, change.auth_response);
  append_nul_text(out, change.database);
  append_le<2>(out, change.collation.value_or(kUtf8mb4GeneralCi));
  if ((capabilities & kPluginAuth) != 0) {
    append_nul_text(out, change.auth_plugin);
  }
  if ((capabilities & kConnectAttrs) != 0) {
    append_attributes(out, change.attributes);
  }
}

void encode_ok(Buffer& out, const OkPacket& ok, std::uint64_t capabilities, OkHeader header) {
  if (header == OkHeader::kEof && (capabilities & kDeprecateEof) == 0) {
    encode_eof(out, EofPacket{ok.warnings, ok.status});
    return;
  }
  const bool changed = (capabilities & kSessionTrack) != 0 && !ok.changes.empty();
  const auto status =
      static_cast<std::uint16_t>(changed ? ok.status | status_flag::kSessionStateChanged
                                         : ok.status & ~status_flag::kSessionStateChanged);
  out.push_back(static_cast<std::uint8_t>(header));
  append_lenenc(out, ok.affected_rows);
  append_lenenc(out, ok.last_insert_id);
  append_le<2>(out, status);
  append_le<2>(out, ok.warnings);
  if (changed || !ok.info.empty()) {
    append_lenenc_text(out, ok.info);
  }
  if (changed) {
    append_lenenc_bytes(out, session_changes_block(ok.changes));
  }
}

void encode_eof(Buffer& out, const EofPacket& eof) {
  out.push_back(kEofByte);
  append_le<2>(out, eof.warnings);
  append_le<2>(out, eof.status);
}

void encode_err(Buffer& out, const ErrPacket& err) {
  out.push_back(kErrByte);
  append_le<2>(out, err.code);
  out.push_back('#');
  append(out, err.state.size() == 5 ? err.state : std::string_view("HY000"));
  append(out, err.message);
}

void encode_prepare_ok(Buffer& out, const StmtPrepareOk& prepare) {
  out.push_back(kOkByte);
  append_le<4>(out, prepare.statement_id);
  append_le<2>(out, prepare.columns);
  append_le<2>(out, prepare.parameters);
  out.push_back(0);
  append_le<2>(out, prepare.warnings);
}

}  // namespace consort::protocol
