// Config reload: which of a new configuration's values a running proxy takes over, and which have
// to wait for its next start. Pure. Threads: any.
#pragma once

#include <string>
#include <vector>

#include "proxy/config.h"

namespace consort::proxy {

struct ConfigReload {
  Config config;                           ///< the running one with what could be taken over
  std::vector<std::string> changed;        ///< JSON paths that are in force now
  std::vector<std::string> needs_restart;  ///< JSON paths that differ and are not
};

/// `before`: the file as it was read last. Only what differs from that is taken over: what an
/// operator changed meanwhile through the admin interface stays.
[[nodiscard]] ConfigReload plan_reload(const Config& before, const Config& fresh);

}  // namespace consort::proxy
