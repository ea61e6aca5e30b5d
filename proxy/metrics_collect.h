// collect_metrics: everything that is counted, as Prometheus families.
// Names, labels and meanings: docs/operations.md. Threads: any; reads cells, writes none.
#pragma once

#include "proxy/metric_families.h"
#include "proxy/metrics.h"

namespace consort::proxy {

/// One scrape. Samples of backends and pin reasons without a name are left out.
[[nodiscard]] MetricFamilies collect_metrics(const MetricsSources& sources);

}  // namespace consort::proxy
