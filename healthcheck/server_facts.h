// Collects the facts that preflight judges, from one backend.
// Threads: the one that owns the link.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "healthcheck/preflight.h"
#include "healthcheck/server_link.h"

namespace consort::healthcheck {

/// Whether to look at the tables too, which may take a second or two with many of them.
enum class FactsDepth : std::uint8_t { kSettings, kTables };

/// Reads all global variables and the kFact... facts. What the server does not know or would take
/// too long over is left out; an error only when the variables cannot be read or the link breaks.
/// REQUIRES: link.connected().
[[nodiscard]] Result<Facts> server_facts(ServerLink& link, FactsDepth depth);

}  // namespace consort::healthcheck
