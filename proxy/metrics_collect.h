// collect_metrics: everything that is counted, as Prometheus families.
// Names, labels and meanings: docs/operations.md. Threads: any; reads cells, writes none.
#pragma once

#include "proxy/metric_families.h"
#include "proxy/metrics_server.h"

namespace consort::proxy {

/// One scrape. Backends beyond MetricsSources::backend_names are left out.
[[nodiscard]] MetricFamilies collect_metrics(const MetricsSources& sources);

}  // namespace consort::proxy
