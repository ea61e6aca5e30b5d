// Takes the lane's SQL apart for the model backend. Knows exactly what certifier/lane_sql.h writes.
// Threads: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace consort::sim {

/// The statements of a packet: those inside a compound statement, or the packet itself.
struct Program {
  bool compound = false;
  /// Owner that disowns the position when a branch is gone (vanished_branch_handler_sql()).
  std::optional<std::uint64_t> disowner;
  std::vector<std::string> statements;
};

[[nodiscard]] Program parse_program(std::string_view packet);

/// `UPDATE consort.position` or `consort.ddl_mark`: what it sets and on which condition.
struct PositionUpdate {
  std::string column;  ///< ddl or owner
  std::uint64_t value = 0;
  std::optional<std::uint64_t> owner;
  std::optional<std::uint64_t> owner_below;
  std::optional<std::uint64_t> seqno;
};

[[nodiscard]] PositionUpdate parse_position_update(std::string_view sql);

/// The branch in `XA COMMIT '<gtrid>',...`. REQUIRES: it is one of ours.
[[nodiscard]] BranchId parse_branch(std::string_view sql, std::uint32_t cluster);

/// The text between the first and the last quote.
[[nodiscard]] std::string_view quoted(std::string_view sql);

/// The decimal number behind `name` in `sql`, if it occurs.
[[nodiscard]] std::optional<std::uint64_t> number_behind(std::string_view sql,
                                                         std::string_view name);

}  // namespace consort::sim
