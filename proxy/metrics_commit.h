// collect_commit_metrics: what the commit thread counts, as Prometheus families.
// Threads: any; reads cells, writes none.
#pragma once

#include <string>
#include <vector>

#include "proxy/commit/commit_stats.h"
#include "proxy/metric_families.h"

namespace consort::proxy {

/// Lanes beyond `backend_names` are left out.
void collect_commit_metrics(MetricFamilies& families,
                            const CommitStats& stats,
                            const std::vector<std::string>& backend_names);

}  // namespace consort::proxy
