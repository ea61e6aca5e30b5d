#include "proxy/metric_families.h"

#include <utility>

namespace consort::proxy {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily& add_family(MetricFamilies& families,
                         MetricType type,
                         std::string name,
                         std::string help) {
  MetricFamily& family = families.emplace_back();
  family.type = type;
  family.name = std::move(name);
  family.help = std::move(help);
  return family;
}

void add_sample(MetricFamily& family, double value, MetricLabels labels) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  if (family.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
}

void add_histogram(MetricFamily& family, const LatencySnapshot& snapshot, MetricLabels labels) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  ClientMetric::Histogram& histogram = metric.histogram;
  histogram.bucket.reserve(kLatencyBoundsCount);
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < kLatencyBoundsCount; ++i) {
    cumulative += snapshot.counts[i];
    histogram.bucket.push_back({cumulative, static_cast<double>(latency_bound_us(i)) / 1e6});
  }
  histogram.sample_count = cumulative + snapshot.counts[kLatencyBoundsCount];
  histogram.sample_sum = static_cast<double>(snapshot.sum_ns) / 1e9;
}

void add_counter(MetricFamilies& families, std::string name, std::string help, double value) {
  add_sample(add_family(families, MetricType::Counter, std::move(name), std::move(help)), value);
}

void add_gauge(MetricFamilies& families, std::string name, std::string help, double value) {
  add_sample(add_family(families, MetricType::Gauge, std::move(name), std::move(help)), value);
}

}  // namespace consort::proxy
