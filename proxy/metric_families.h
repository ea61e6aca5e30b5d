// Builders of Prometheus metric families out of cells and snapshots.
// Threads: none; used within one scrape.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "proxy/latency_histogram.h"

namespace consort::proxy {

using MetricFamilies = std::vector<prometheus::MetricFamily>;
using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

/// Adds a family without samples and returns it, to be filled at once: the reference dies when the
/// next family is added.
prometheus::MetricFamily& add_family(MetricFamilies& families,
                                     prometheus::MetricType type,
                                     std::string name,
                                     std::string help);

/// Adds one sample to a counter or gauge family.
void add_sample(prometheus::MetricFamily& family, double value, MetricLabels labels = {});

/// Adds one sample to a histogram family; bounds become seconds.
void add_histogram(prometheus::MetricFamily& family,
                   const LatencySnapshot& snapshot,
                   MetricLabels labels = {});

/// A whole family of one unlabelled sample.
void add_counter(MetricFamilies& families, std::string name, std::string help, double value);
void add_gauge(MetricFamilies& families, std::string name, std::string help, double value);

/// Lossless below 2^53.
[[nodiscard]] inline double as_sample(std::uint64_t value) {
  return static_cast<double>(value);
}

[[nodiscard]] inline double as_sample(std::int64_t value) {
  return static_cast<double>(value);
}

}  // namespace consort::proxy
