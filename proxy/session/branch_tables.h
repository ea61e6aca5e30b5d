// BranchTables: which tables an open branch has used, so that DDL asks only those for whom it
// waits. Small: names are kept as hashes, and in doubt the answer is yes.
// Threads: none; its session's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/commit/commit_messages.h"
#include "router/statement.h"

namespace consort::proxy {

class BranchTables {
 public:
  /// `schema`: the session's, for tables named without one.
  void note(const router::Statement& statement, std::string_view schema);
  [[nodiscard]] bool uses(const DdlTarget& target) const;

  /// It has read rows under locks: FOR UPDATE and the like.
  [[nodiscard]] bool locks_rows() const { return locks_rows_; }

  void clear();

 private:
  static constexpr std::size_t kTablesMax = 16;

  std::array<std::uint64_t, kTablesMax> hashes_{};
  std::array<std::uint64_t, kTablesMax> schemas_{};
  std::uint8_t count_ = 0;
  bool any_ = false;
  bool locks_rows_ = false;
};

}  // namespace consort::proxy
