// Diagnostics: what SHOW WARNINGS, SHOW ERRORS and ROW_COUNT() must say of the client's last
// statement, wherever it ran and whatever Consort has run on the home's connection since.
// Threads: none; its session's.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "protocol/sql_error.h"

namespace consort::proxy {

/// Conditions of one statement.
struct DiagnosticsCount {
  std::uint64_t all = 0;  ///< @@warning_count
  std::uint64_t errors = 0;
};

/// What was asked of a server in front of what makes it forget.
struct OwnDiagnostics {
  Buffer rows;  ///< the packets of SHOW WARNINGS' reply; empty: none
  std::optional<DiagnosticsCount> count;
  bool for_one_statement = false;  ///< MySQL forgets them at any statement that asks otherwise
};

class Diagnostics {
 public:
  /// As on a fresh connection.
  void reset() {
    row_count_ = 0;
    own_error_.reset();
    own_ = {};
  }

  // ---- what happens on the home's connection ----

  /// What it would show is another session's.
  void on_home_leased() {
    home_stale_ = true;
    home_holds_some_ = false;
  }

  /// What it would show is of a question of ours, and nothing that the client could ask for is lost
  /// with it.
  void on_home_asked() { on_home_leased(); }

  /// A command of ours may have left something there.
  void on_home_used() { home_stale_ = true; }

  /// It shows what the client is to see from here on.
  void on_home_renewed() { home_stale_ = false; }

  /// ROW_COUNT() of the home's connection is about to be ours: the client's is kept.
  void keep_row_count() { row_count_ = row_count_.value_or(home_row_count_); }

  // ---- what the client hears ----

  /// A statement begins that is to be executed. One that `asks` for diagnostics leaves them as they
  /// are; without a table a statement leaves a server's error.
  void on_statement(bool asks, bool names_tables) {
    if (asks) {
      return;
    }
    if (names_tables || own_.for_one_statement) {
      own_ = {};
    }
    if (names_tables) {
      own_error_.reset();
    }
  }

  /// The client's statement has ended on the home's connection. `any`: with warnings or an error.
  /// Without any it has cleared those before for certain only if it names tables.
  void on_ended_at_home(bool any, bool names_tables) {
    if (any) {
      own_ = {};
      home_stale_ = false;
      home_holds_some_ = true;
    } else if (names_tables) {
      home_holds_some_ = false;
    }
  }

  /// The same of another connection than the home's.
  void on_ended_elsewhere(bool any, bool names_tables) {
    if (any) {
      own_ = {};
    }
    home_stale_ = home_stale_ || any || names_tables;
    home_holds_some_ = home_holds_some_ && !home_stale_;
  }

  /// The client was sent an error by Consort.
  void on_own_error(const protocol::SqlError& error) {
    row_count_ = -1;
    own_error_ = error;
    own_ = {};
    home_stale_ = true;
  }

  /// The client has the home's error, which the home has forgotten.
  void on_home_error_forgotten(const protocol::SqlError& error) {
    own_error_ = error;
    home_stale_ = true;
  }

  /// What SHOW WARNINGS answers until the next statement.
  void set_own(OwnDiagnostics own) { own_ = std::move(own); }

  /// What ROW_COUNT() says where the home's connection would say otherwise; -1 behind rows and
  /// errors.
  void set_row_count(std::int64_t rows) { row_count_ = rows; }

  /// ROW_COUNT() is what the home's connection says: `rows`, as far as is known.
  void set_home_row_count(std::int64_t rows) {
    row_count_.reset();
    home_row_count_ = rows;
  }

  // ---- what is known ----

  [[nodiscard]] bool home_stale() const { return home_stale_; }

  /// The client's last statement left some on the home's connection.
  [[nodiscard]] bool home_holds_some() const { return home_holds_some_; }

  /// nullopt: what the home's connection says.
  [[nodiscard]] std::optional<std::int64_t> row_count() const { return row_count_; }

  [[nodiscard]] const std::optional<protocol::SqlError>& own_error() const { return own_error_; }

  [[nodiscard]] const OwnDiagnostics& own() const { return own_; }

 private:
  bool home_stale_ = true;
  bool home_holds_some_ = false;
  std::optional<std::int64_t> row_count_;
  std::int64_t home_row_count_ = 0;
  std::optional<protocol::SqlError> own_error_;
  OwnDiagnostics own_;
};

}  // namespace consort::proxy
