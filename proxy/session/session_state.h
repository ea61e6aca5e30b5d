// SessionState: what a session has set on its connection, so that another connection can be given
// the same. Learned from the server's own session tracking in OK packets, never guessed from SET
// syntax. Threads: none; its session's.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/server_kind.h"

namespace consort::proxy {

/// A literal that means `text` whatever the sql_mode and collation_connection.
[[nodiscard]] std::string sql_text_literal(std::string_view text);

/// For a SET: how a connection counts AUTO_INCREMENT.
[[nodiscard]] std::string counting_settings(std::string_view increment, std::string_view offset);

/// What a session has set. Immutable: the session and the connections that stand in its state share
/// it.
struct SessionSettings {
  struct Variable {
    std::string name;
    std::string value;
    friend bool operator==(const Variable&, const Variable&) = default;
  };

  std::vector<Variable> variables;  ///< sorted by name
  std::uint64_t fingerprint = 0;    ///< equal settings have equal ones; 0: no variables
};

/// Null: nothing was set.
using SharedSettings = std::shared_ptr<const SessionSettings>;

/// A literal that means the variable's value whatever the sql_mode: numbers bare, text as a
/// hexadecimal literal, NULL for the '' by which the server reports it.
void append_setting_value(std::string& out, std::string_view name, std::string_view value);

class SessionState {
 public:
  /// Notes that the server reported `name` to be `value` now. Variables that Consort owns and
  /// variables that only report (last_gtid, timestamps of the connection) are ignored.
  void set_variable(std::string_view name, std::string_view value);

  /// The session has what its connection had from the start.
  void forget_variable(std::string_view name);

  /// What a session that set `name` leaves on its connection is not in this state.
  [[nodiscard]] static bool leaves_traces(std::string_view name);

  /// It has entered `schema`: what belonged to the one before is gone. `as_of`: the newest entry
  /// by then that may have given a schema another default collation.
  void set_schema(std::string_view schema, Seqno as_of);

  [[nodiscard]] Seqno schema_as_of() const { return schema_as_of_; }

  /// Of what this session has set, a variable that a server does not take any more and answers with
  /// `error`: it names a table or a directory that is gone, or the query cache is off by now. A
  /// session of a server's own would have kept it, with no effect.
  [[nodiscard]] std::optional<std::string_view> refused_variable(std::uint16_t error,
                                                                 std::string_view message) const;

  /// Is `name` set anew whenever a connection enters a schema?
  [[nodiscard]] static bool belongs_to_schema(std::string_view name);

  /// After COM_RESET_CONNECTION it is still in its schema, but with the server's collation in the
  /// place of the schema's (as MariaDB does it).
  void stay_in_schema();

  [[nodiscard]] const std::string& schema() const { return schema_; }

  /// The value if the session changed it.
  [[nodiscard]] std::optional<std::string_view> variable(std::string_view name) const;

  /// One that counts seconds; nullopt: not set, or no number.
  [[nodiscard]] std::optional<std::chrono::seconds> seconds(std::string_view name) const;

  /// Has the session set a collation_connection of ucs2, utf16 or utf32? Then the bytes of a
  /// literal are not those of its text. True in doubt.
  [[nodiscard]] bool literals_are_wide() const;

  [[nodiscard]] bool has_variables() const { return settings_ != nullptr; }

  [[nodiscard]] const SharedSettings& settings() const { return settings_; }

  /// One SET statement that gives a fresh connection the same variables; empty when there are none.
  [[nodiscard]] std::string set_statement(ServerKind kind = ServerKind::kMariadb) const;

  /// One of those alone that belong to the schema, for a connection that has just entered it.
  [[nodiscard]] std::string schema_set_statement() const;

  /// The same for a connection whose sql_mode and character sets may be anything: what the session
  /// did not change is told, too. `collation`: that its client named when it logged in.
  [[nodiscard]] std::string whole_set_statement(std::uint16_t collation) const;

  /// One of what gives a text its meaning when it is prepared: sql_mode and character sets.
  [[nodiscard]] static std::string reading_set_statement(const SharedSettings& settings,
                                                         std::uint16_t collation);
  /// An SQL expression for the session's sql_mode, on any connection of any server.
  [[nodiscard]] std::string sql_mode_expression() const;
  /// A SET statement that gives `name` back the value the session knows, or the server's default.
  [[nodiscard]] std::string set_statement_of(std::string_view name) const;

  /// Equal states have equal fingerprints; the schema is not in it. 0: nothing was changed.
  [[nodiscard]] std::uint64_t fingerprint() const { return settings_ ? settings_->fingerprint : 0; }

  /// Back to a fresh connection's state.
  void reset();

 private:
  SharedSettings settings_;
  std::string schema_;
  Seqno schema_as_of_;
};

}  // namespace consort::proxy
