// The SQL by which every backend gets, and after a restart has again, the values that clients have
// SET GLOBAL (decision 0028). They are kept in consort.global_variables of each backend: deleting a
// row there, through Consort, ends that. Texts only; each was tried on MariaDB 10.11.
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace consort::certifier {

/// A global variable's value. REQUIRES: the name has letters, digits and underscores only, and at
/// most one dot: of a named key cache (hot.key_buffer_size).
struct GlobalVariable {
  std::string name;                  ///< in lower case, but for a cache's
  std::optional<std::string> value;  ///< utf8mb4; nullopt: NULL
  bool is_text = true;               ///< to be quoted; else a number
  friend bool operator==(const GlobalVariable&, const GlobalVariable&) = default;
};

/// Where they are kept, as DdlObject spells it.
inline constexpr std::string_view kGlobalsTable = "global_variables";

/// A lane's statement: keeps the values and gives them to the server and to the lane's own session.
/// Fails where they cannot be kept. What this server does not take (another version's variable, a
/// plugin's that it lacks) is left out without an error. To be followed by lane_session_setup().
[[nodiscard]] std::string set_globals_sql(std::span<const GlobalVariable> variables);

/// A lane's statement, behind lane_session_setup(). What clients have SET GLOBAL max_allowed_packet
/// to is for them: a lane's session takes packets of any length, and a session has what was global
/// at its login. Fails with kConnectAgainErrno where it has less, and the next login gets enough;
/// the value that is kept is global again by kRestoreGlobalsSql. What nobody has SET through
/// Consort stays as it is.
inline constexpr std::string_view kTakeAnyPacketSql =
    "BEGIN NOT ATOMIC DECLARE kept INT DEFAULT 0; "
    "BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; "
    "SELECT COUNT(*) INTO kept FROM consort.global_variables WHERE name='max_allowed_packet'; END; "
    "IF kept>0 AND @@session.max_allowed_packet<1073741824 THEN "
    "SET GLOBAL max_allowed_packet=1073741824; "
    "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO=1153,"
    "MESSAGE_TEXT='consort: connect again to take larger packets'; END IF; END";
inline constexpr std::uint16_t kConnectAgainErrno = 1153;

/// A lane's statement, when it has connected: gives the values that are kept to the server and to
/// the lane's own session. Never fails for want of a table or because of a value. To be followed by
/// lane_session_setup().
inline constexpr std::string_view kRestoreGlobalsSql =
    "BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END; "
    "FOR kept IN (SELECT CONCAT('SET GLOBAL `',REPLACE(name,'.','`.`'),'`=',IF(value IS "
    "NULL,'NULL',"
    "IF(is_text,QUOTE(value),value))) AS for_all,CONCAT('SET SESSION `',name,'`=DEFAULT') AS "
    "for_us "
    "FROM consort.global_variables ORDER BY name) DO "
    "BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; "
    "EXECUTE IMMEDIATE kept.for_all; EXECUTE IMMEDIATE kept.for_us; END; END FOR; END";

/// In place of a client's SET GLOBAL where its session did not execute it: fails, always.
inline constexpr std::string_view kNoGlobalsSql =
    "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO=1105,"
    "MESSAGE_TEXT='consort: the session of this SET GLOBAL is gone'";

}  // namespace consort::certifier
