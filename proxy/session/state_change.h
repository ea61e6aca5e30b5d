// State change: what turns a connection that stands in one session's state into another's, with as
// little as possible. Pure. Threads: any.
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "base/server_kind.h"
#include "proxy/session/session_state.h"

namespace consort::proxy {

/// How far a connection is from a session's state; less is better.
enum class StateDistance : std::uint8_t {
  kNone,      ///< it stands in it
  kSchema,    ///< COM_INIT_DB
  kSettings,  ///< a SET, and perhaps that
  kReset,     ///< COM_RESET_CONNECTION, and perhaps those
  kUnusable   ///< it has a database and the session has none: there is no way back
};

/// What is known of an idle connection.
struct ConnectionState {
  std::string schema;
  SharedSettings settings;  ///< null: those of a fresh connection
  bool has_traces = false;  ///< of something else that a session left: user variables, seeds
  /// What its server had applied, at least, when it entered the schema.
  Seqno schema_as_of = {};
};

/// A schema that everybody may enter, to leave another one.
inline constexpr std::string_view kNeutralSchema = "information_schema";

[[nodiscard]] StateDistance distance(const ConnectionState& from, const SessionState& to);

/// One SET that gives the variables `to` in the place of `from`; empty when nothing differs,
/// nullopt when one has to go back to a default that no SET can name (a character set is the
/// login's, others are Consort's): a reset has to come before then.
/// On a server of `kind`; what that does not know stays with the session.
[[nodiscard]] std::optional<std::string> settings_change(const SessionSettings* from,
                                                         const SessionSettings* to,
                                                         ServerKind kind);

/// Was the connection in the schema before the session was, and may the schema have got another
/// default collation in between? Then it has to leave and enter it again.
[[nodiscard]] bool knows_old_schema(const ConnectionState& from, const SessionState& to);

}  // namespace consort::proxy
