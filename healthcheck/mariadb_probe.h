// MariadbProbe: looks at a backend through its control connection.
// Threads: the one that owns the link.
#pragma once

#include "healthcheck/mariadb_link.h"
#include "healthcheck/probe.h"

namespace consort::healthcheck {

class MariadbProbe final : public Probe {
 public:
  /// `link` and `clock` must outlive the probe.
  MariadbProbe(MariadbLink& link, const Clock& clock) : link_(link), clock_(clock) {}

  [[nodiscard]] ProbeResult run(const ProbeRequest& request) override;

 private:
  MariadbLink& link_;
  const Clock& clock_;
};

}  // namespace consort::healthcheck
