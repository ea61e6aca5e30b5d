// KILL: what one session asks of another, and the answer. The worker that owns the victim carries
// it out: `KillRequest` goes to it, `KillAnswer` comes back. Threads: values, sent between workers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"

namespace consort::proxy {

/// What the client wrote.
struct KillOrder {
  std::uint64_t connection_id = 0;  ///< Consort's, of the victim's handshake
  bool query_only = false;          ///< its statement, not its connection
  bool any_owner = false;           ///< the killer may end other users' sessions
  /// Only if it is still at this command: SessionCore::command_number().
  std::optional<std::uint32_t> command = std::nullopt;
};

/// KILL USER under way.
struct UserKill {
  std::string user;
  std::string host;                 ///< "%": any
  std::vector<std::uint32_t> left;  ///< connections to be ended yet
  std::uint64_t killed = 0;
  bool own = false;  ///< the killer's own is among them: after its answer
};

struct KillRequest {
  SessionId from;
  std::string user;  ///< of the killer, as it logged in
  KillOrder order;
};

enum class KillVerdict : std::uint8_t { kDone, kUnknown, kNotOwner };

struct KillAnswer {
  SessionId to;
  KillVerdict verdict = KillVerdict::kUnknown;
};

}  // namespace consort::proxy
