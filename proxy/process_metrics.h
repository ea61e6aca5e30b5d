// ProcessMetrics: what the operating system knows of this process, under Prometheus' usual names.
// Threads: any.
#pragma once

#include "proxy/metric_families.h"

namespace consort::proxy {

/// Adds process_* families. What cannot be read is left out.
void collect_process_metrics(MetricFamilies& families);

}  // namespace consort::proxy
