// What a backend's error means to the lane that got it.
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "certifier/writeset.h"

namespace consort::certifier {

/// What the shell does after a failed turn. After kRetry, kResync and kBackOff the lane is unsure
/// how far the turn got: read the position and XA RECOVER again, plan_recovery(), and
/// ApplyLane::on_connected().
enum class LaneAction : std::uint8_t {
  kRetry,         ///< a lock stood in the way (1205, 1213): abort its holder first
  kResync,        ///< interrupted: nothing to abort
  kBackOff,       ///< the backend lacks a resource or is read-only: wait before trying again
  kGoOn,          ///< the failed DDL counts as executed, or its failure decides: ask next_turn()
  kInconsistent,  ///< this backend differs: take it out, loudly. The lane stops
  kFenced,        ///< another owner moves this backend: end the process, loudly. The lane stops
};

/// Classifies the error of any statement of a lane. An error it does not know means a difference;
/// so does 1397: a certified branch that the lane still counted on is gone.
[[nodiscard]] LaneAction classify_lane_error(std::uint16_t error);

/// The backend takes no packet of this size, or could not build one. The lane cannot go on until
/// somebody raises max_allowed_packet there, and then only on a new connection.
inline constexpr std::uint16_t kPacketTooLargeErrno = 1153;

/// GRANT or REVOKE of a role by somebody who is not its administrator.
inline constexpr std::uint16_t kNoRoleAdminErrno = 1698;

/// True for errors that a DDL statement gives when it was already executed: the object exists, or
/// exists no more. Means success only where the statement may have run before.
[[nodiscard]] bool ddl_already_applied(std::uint16_t error);

/// True for errors of a statement about several objects or accounts of which it may have treated
/// some. The others execute such a statement, too, and get the same error.
[[nodiscard]] bool ddl_partly_applied(std::uint16_t error);

/// What a DDL's result on the backend that executed it first means for the others. `error` 0: it
/// succeeded. nullopt: the error is transient and decides nothing, execute it again.
[[nodiscard]] std::optional<DdlOutcome> ddl_outcome(std::uint16_t error);

/// CREATE OR REPLACE of a table, sequence, account or role: MariaDB 10.11 drops the old one first,
/// and where the new one cannot be made the old one is gone. True in doubt.
[[nodiscard]] bool drops_before_creating(std::string_view sql);

/// A plugin, a password: what is wrong with one account that a statement makes, and may be right on
/// a server that is set up in another way.
[[nodiscard]] bool is_of_its_account(std::uint16_t error);

/// The account that executed a DDL may not do so: the server has done nothing of it.
[[nodiscard]] bool is_denial(std::uint16_t error);

}  // namespace consort::certifier
