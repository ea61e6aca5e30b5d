// FoundRows: what FOUND_ROWS() must say where the home's connection would say something else: the
// read ran on another server, or statements of Consort's own have come since. What a statement does
// to it was measured with MariaDB 10.11. Threads: none; its session's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "router/statement.h"

namespace consort::proxy {

class FoundRows {
 public:
  /// A statement of the client begins, `sql` its text. `programs`: triggers may run queries of
  /// their own.
  void begin(const router::Statement& statement, std::string_view sql, bool programs);

  /// It has succeeded, and has sent so many rows.
  void end(std::uint64_t rows);

  /// A CREATE TABLE .. SELECT has stored so many rows.
  void end_stored(const router::Statement& statement, std::string_view sql, std::uint64_t rows);

  /// As on a fresh connection.
  void reset();

  /// nullopt: what the home says is right, or as right as can be.
  [[nodiscard]] std::optional<std::uint64_t> value() const;

 private:
  std::optional<std::uint64_t> rows_;
  std::string text_;     ///< of the SELECT that has found them: looked at when somebody asks
  bool counts_ = false;  ///< the statement under way is a SELECT that may tell
};

}  // namespace consort::proxy
