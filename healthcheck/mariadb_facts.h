// Collects the facts that preflight judges, from one backend.
// Threads: the one that owns the link.
#pragma once

#include "base/result.h"
#include "healthcheck/mariadb_link.h"
#include "healthcheck/preflight.h"

namespace consort::healthcheck {

/// Reads all global variables and the kFact... facts. What the server does not know or would take
/// too long over is left out; an error only when the variables cannot be read or the link breaks.
/// REQUIRES: link.connected().
[[nodiscard]] Result<Facts> mariadb_facts(MariadbLink& link);

}  // namespace consort::healthcheck
