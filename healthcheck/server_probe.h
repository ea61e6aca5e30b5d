// ServerProbe: looks at a backend through its control connection.
// Threads: the one that owns the link.
#pragma once

#include "healthcheck/probe.h"
#include "healthcheck/server_link.h"

namespace consort::healthcheck {

class ServerProbe final : public Probe {
 public:
  /// `link` and `clock` must outlive the probe.
  ServerProbe(ServerLink& link, const Clock& clock) : link_(link), clock_(clock) {}

  [[nodiscard]] ProbeResult run(const ProbeRequest& request) override;

 private:
  ServerLink& link_;
  const Clock& clock_;
};

}  // namespace consort::healthcheck
