// SessionState: what a session has set on its connection, so that another connection can be given
// the same. Learned from the server's own session tracking in OK packets, never guessed from SET
// syntax. Threads: none; its session's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace consort::proxy {

/// A literal that means `text` whatever the sql_mode and collation_connection.
[[nodiscard]] std::string sql_text_literal(std::string_view text);

class SessionState {
 public:
  /// Notes that the server reported `name` to be `value` now. Variables that Consort owns and
  /// variables that only report (last_gtid, timestamps of the connection) are ignored.
  void set_variable(std::string_view name, std::string_view value);

  void set_schema(std::string_view schema) { schema_ = schema; }

  [[nodiscard]] const std::string& schema() const { return schema_; }

  /// The value if the session changed it.
  [[nodiscard]] std::optional<std::string_view> variable(std::string_view name) const;

  /// Has the session set a collation_connection of ucs2, utf16 or utf32? Then the bytes of a
  /// literal are not those of its text. True in doubt.
  [[nodiscard]] bool literals_are_wide() const;

  [[nodiscard]] bool has_variables() const { return !variables_.empty(); }

  /// One SET statement that gives a fresh connection the same variables; empty when there are none.
  [[nodiscard]] std::string set_statement() const;

  /// The same for a connection whose sql_mode and character sets may be anything: what the session
  /// did not change is told, too. `collation`: that its client named when it logged in.
  [[nodiscard]] std::string whole_set_statement(std::uint16_t collation) const;

  /// Equal states have equal fingerprints; the schema is not in it. 0: nothing was changed.
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }

  /// Back to a fresh connection's state.
  void reset();

 private:
  void append_variables(std::string& sql) const;
  void forget(std::string_view name);

  struct Variable {
    std::string name;
    std::string value;
  };

  void update_fingerprint();

  std::vector<Variable> variables_;  // sorted by name
  std::string schema_;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace consort::proxy
