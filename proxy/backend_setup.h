// prepare_backend: preflight facts, and Consort's own schema on a backend where it lacks.
// Threads: the one that owns the link.
#pragma once

#include <string_view>

#include "base/result.h"
#include "healthcheck/server_link.h"
#include "proxy/control_core.h"

namespace consort::proxy {

/// Whether a backend without a position may begin at seqno 0: only while the log is empty, when all
/// backends are taken to hold the same data. Later it would be a stranger.
struct BackendFounding {
  std::string_view cluster_id;
  bool allowed = false;
};

/// Reads the facts into `result.facts`; then, unless they refuse the backend by themselves, creates
/// consort.position, which on MariaDB everybody may read, and on MySQL the procedures that lanes
/// call. What is there already is not touched, so that a backup's lock does not keep a backend out.
/// Errors: a statement failed, the link broke, or the
/// backend is a stranger. REQUIRES: link.connected().
[[nodiscard]] Status prepare_backend(healthcheck::ServerLink& link,
                                     const BackendFounding& founding,
                                     AdmissionResult& result);

/// Reads the facts that are quick to read, while the backend serves. Changes nothing.
/// REQUIRES: link.connected().
[[nodiscard]] Status look_at_settings(healthcheck::ServerLink& link, AdmissionResult& result);

}  // namespace consort::proxy
