// Messages: what the packets of the connection phase and the generic replies say, decoded.
// Views live as long as the payload they were decoded from, or as what the encoder's caller owns.
// Spec: MariaDB KB "Connection", "OK_Packet", "EOF_Packet", "ERR_Packet", "COM_STMT_PREPARE".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "protocol/constants.h"

namespace consort::protocol {

inline constexpr std::string_view kNativePlugin = "mysql_native_password";
inline constexpr std::string_view kClearPlugin = "mysql_clear_password";

/// A greeting carries this much of the salt in front of the capabilities, the rest behind them.
inline constexpr std::size_t kSaltFrontBytes = 8;
/// Zeros between the character set and the user of a client's answer.
inline constexpr std::size_t kResponseFillerBytes = 19;

/// A name and its value: a connection attribute, a changed system variable.
using NameValue = std::pair<std::string_view, std::string_view>;

/// The server's first packet.
struct HandshakeV10 {
  std::string_view server_version;
  std::uint32_t connection_id = 0;
  Buffer salt;  ///< auth plugin data without the closing zero: 20 bytes of scramble (8 from very
                ///< old servers)
  std::uint64_t capabilities = 0;
  std::uint16_t collation = 0;  ///< only its low byte travels
  std::uint16_t status = 0;
  std::string_view auth_plugin;
};

/// The client's answer to it. An SSLRequest decodes with `is_ssl_request` and empty texts.
struct HandshakeResponse {
  std::uint64_t capabilities = 0;
  std::uint32_t packet_bytes_max = 0;
  std::uint16_t collation = 0;
  bool is_ssl_request = false;
  std::string_view user;
  Bytes auth_response;
  std::string_view database;  ///< empty: none
  std::string_view auth_plugin;
  std::vector<NameValue> attributes;
  std::uint8_t zstd_level = 0;  ///< with kZstdCompression: how much it wants compressed; 0: unsaid
};

/// 0xFE in the connection phase. Servers of old ask for mysql_old_password by a lone 0xFE.
struct AuthSwitchRequest {
  std::string_view plugin;
  Bytes data;  ///< salt, without the closing zero
};

/// COM_CHANGE_USER.
struct ChangeUser {
  std::string_view user;
  Bytes auth_response;
  std::string_view database;
  std::optional<std::uint16_t> collation;
  std::string_view auth_plugin;
  std::vector<NameValue> attributes;
};

/// A session-track entry of a type that we do not take apart.
struct OtherSessionChange {
  std::uint8_t type = 0;
  Bytes data;
};

/// Session changes that an OK packet reports.
struct SessionChanges {
  std::vector<NameValue> system_variables;
  std::optional<std::string_view> schema;
  std::optional<std::string_view> transaction_characteristics;
  std::optional<std::string_view> transaction_state;
  /// MySQL, with session_track_gtids: the GTIDs that the statement wrote, "uuid:number".
  std::optional<std::string_view> gtids;
  std::optional<bool> state_changed;
  std::vector<OtherSessionChange> others;
  bool announced = false;  ///< the status flag says that there are some, even if there are none

  [[nodiscard]] bool empty() const {
    return system_variables.empty() && !schema && !transaction_characteristics &&
           !transaction_state && !gtids && !state_changed && others.empty() && !announced;
  }

  /// Value of the changed system variable `name`, or nullopt.
  [[nodiscard]] std::optional<std::string_view> find_variable(std::string_view name) const;
};

/// First byte of an OK packet: 0xFE where it takes the place of an EOF.
enum class OkHeader : std::uint8_t { kOk = kOkByte, kEof = kEofByte };

/// OK, in either form. `status` holds kSessionStateChanged when `changes` is not empty; the encoder
/// sees to that itself.
struct OkPacket {
  std::uint64_t affected_rows = 0;
  std::uint64_t last_insert_id = 0;
  std::uint16_t status = 0;
  std::uint16_t warnings = 0;
  std::string_view info;
  SessionChanges changes;
};

struct EofPacket {
  std::uint16_t warnings = 0;
  std::uint16_t status = 0;
};

struct ErrPacket {
  std::uint16_t code = 0;
  std::string_view state;  ///< empty where the server sent none
  std::string_view message;
};

/// The first packet of a reply to COM_STMT_PREPARE.
struct StmtPrepareOk {
  std::uint32_t statement_id = 0;
  std::uint16_t columns = 0;
  std::uint16_t parameters = 0;
  std::uint16_t warnings = 0;
};

}  // namespace consort::protocol
