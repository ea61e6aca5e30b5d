// StatusCounters: what SHOW STATUS of a session would be without Consort's own statements on its
// connection. Since a FLUSH STATUS, which sets the server's counters to zero, it is noted what
// those statements have added (measured on MariaDB 10.11), and what the client's have not that
// never went to a server.
// Threads: none; its session's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session/own_result.h"
#include "router/lexer_options.h"
#include "router/statement.h"

namespace consort::proxy {

/// What a statement has to do with the counters.
enum class StatusUse : std::uint8_t {
  kNone,
  kFlush,  ///< FLUSH STATUS
  kShow,   ///< SHOW [SESSION | LOCAL] STATUS, of whatever names
};

[[nodiscard]] StatusUse status_use(std::string_view sql,
                                   const router::Statement& statement,
                                   const router::LexerOptions& options);

/// What a CREATE TABLE .. SELECT would have counted depends on it.
struct CreateSelectCounted {
  bool or_replace = false;
  bool any_rows = false;
};

class StatusCounters {
 public:
  /// The server's are zero.
  void begin();

  /// The session has another connection, or is another one.
  void end();

  [[nodiscard]] bool count() const { return counts_; }

  /// Consort's own `sql` was sent. `wrapped`: around an autocommit statement of the client's, whose
  /// COMMIT would have been none of its own.
  void note_own(std::string_view sql, bool wrapped);

  /// XA PREPARE of an autocommit statement has found no change.
  void note_unchanged();

  /// The client's BEGIN, COMMIT or ROLLBACK, which Consort answers itself.
  void note_answered(router::StatementKind kind);

  /// CREATE TABLE .. SELECT has run the client's query, and goes on with statements of Consort's
  /// own (decision 0027): `rows` are those of SHOW SESSION STATUS. Until end_steps() nothing is
  /// noted.
  void begin_steps(const std::vector<OwnResult::Row>& rows, CreateSelectCounted counted);

  /// What the counters have grown by since is Consort's.
  void end_steps(const std::vector<OwnResult::Row>& rows);

  /// What the client is shown of a counter for which the server has `value`.
  [[nodiscard]] std::string shown(std::string_view name, std::string_view value) const;

 private:
  void add(std::string_view name, std::int64_t by) {
    if (counts_ && !in_steps_) {
      own_[std::string(name)] += by;
    }
  }

  bool counts_ = false;
  bool in_steps_ = false;
  std::map<std::string, std::int64_t, std::less<>> before_steps_;
  std::map<std::string, std::int64_t, std::less<>>
      own_;  ///< in the server's value, not the client's
};

}  // namespace consort::proxy
