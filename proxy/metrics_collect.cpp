#include "proxy/metrics_collect.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "healthcheck/backend_state.h"
#include "proxy/metrics_commit.h"
#include "proxy/process_metrics.h"
#include "router/session_traits.h"

namespace consort::proxy {

namespace {

using healthcheck::BackendState;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr BackendState kBackendStates[] = {BackendState::kUnknown,    BackendState::kOnline,
                                           BackendState::kSuspect,    BackendState::kOffline,
                                           BackendState::kCatchingUp, BackendState::kDraining};

using Workers = std::vector<const WorkerMetrics*>;

/// Adds up one cell over all workers; `cell` picks it.
template <typename Cell>
double sum(const Workers& workers, Cell cell) {
  double total = 0;
  for (const WorkerMetrics* worker : workers) {
    total += as_sample(cell(*worker).value());
  }
  return total;
}

template <typename Histogram>
LatencySnapshot sum_histogram(const Workers& workers, Histogram histogram) {
  LatencySnapshot total;
  for (const WorkerMetrics* worker : workers) {
    total.merge(histogram(*worker).snapshot());
  }
  return total;
}

std::size_t backends_count(const MetricsSources& sources) {
  return std::min(sources.backend_names.size(), kBackendsMax);
}

/// A family with one sample per backend; `value` computes it from the backend's index.
template <typename Value>
void add_per_backend(MetricFamilies& families,
                     MetricType type,
                     std::string name,
                     std::string help,
                     const MetricsSources& sources,
                     Value value) {
  MetricFamily& family = add_family(families, type, std::move(name), std::move(help));
  for (std::size_t i = 0; i < backends_count(sources); ++i) {
    add_sample(family, value(i), {{"backend", sources.backend_names[i]}});
  }
}

void collect_events(MetricFamilies& out, const EventStats& events) {
  add_gauge(out, "consort_event_scheduler_on", "1: event_scheduler is ON",
            as_sample(events.on.value()));
  add_gauge(out, "consort_events", "Enabled events", as_sample(events.scheduled.value()));
  add_gauge(out, "consort_event_runs_under_way", "Runs of events now",
            as_sample(events.under_way.value()));
  MetricFamily& runs = add_family(out, MetricType::Counter, "consort_event_runs_total",
                                  "Runs of events that came to an end, by outcome");
  add_sample(runs, as_sample(events.done.value()), {{"result", "done"}});
  add_sample(runs, as_sample(events.failed.value()), {{"result", "failed"}});
  add_sample(runs, as_sample(events.lost.value()), {{"result", "lost"}});
  add_sample(runs, as_sample(events.missed.value()), {{"result", "missed"}});
  add_counter(out, "consort_event_mark_failures_total",
              "Times a run had to wait because the log did not take its mark",
              as_sample(events.mark_failures.value()));
}

void collect_connections(MetricFamilies& out, const Workers& workers) {
  add_counter(out, "consort_connections_accepted_total", "Client connections accepted",
              sum(
                  workers, [](const auto& w) -> auto& { return w.connections_accepted; }));
  add_gauge(out, "consort_connections", "Client connections open now",
            sum(
                workers, [](const auto& w) -> auto& { return w.connections_current; }));
  MetricFamily& refused = add_family(out, MetricType::Counter, "consort_connections_refused_total",
                                     "Client connections turned away, by reason");
  for (std::size_t i = 0; i < kRefusalReasonsCount; ++i) {
    add_sample(refused,
               sum(
                   workers, [i](const auto& w) -> auto& { return w.connections_refused[i]; }),
               {{"reason", std::string(to_text(static_cast<RefusalReason>(i)))}});
  }
  add_counter(out, "consort_authentication_failures_total", "Logins with wrong credentials",
              sum(
                  workers, [](const auto& w) -> auto& { return w.authentication_failures; }));
  add_counter(out, "consort_proxied_connections_total",
              "Client connections whose address came in a PROXY header",
              sum(
                  workers, [](const auto& w) -> auto& { return w.proxied_connections; }));
  add_counter(out, "consort_idle_connections_closed_total",
              "Client connections closed because nothing came for too long",
              sum(
                  workers, [](const auto& w) -> auto& { return w.idle_connections_closed; }));
  add_counter(out, "consort_transactions_timed_out_total",
              "Transactions rolled back because they lasted too long",
              sum(
                  workers, [](const auto& w) -> auto& { return w.transactions_timed_out; }));
  add_gauge(out, "consort_tls_connections", "Client connections open now that speak TLS",
            sum(
                workers, [](const auto& w) -> auto& { return w.tls_connections_current; }));
  add_counter(out, "consort_tls_connections_total", "TLS handshakes with clients that succeeded",
              sum(
                  workers, [](const auto& w) -> auto& { return w.tls_connections; }));
  add_counter(out, "consort_tls_handshake_failures_total",
              "TLS handshakes with clients that failed, broke off or took too long",
              sum(
                  workers, [](const auto& w) -> auto& { return w.tls_handshake_failures; }));
  add_gauge(out, "consort_compressed_connections", "Client connections open now that compress",
            sum(
                workers, [](const auto& w) -> auto& { return w.compressed_connections_current; }));
  add_counter(out, "consort_compressed_connections_total", "Client logins that chose compression",
              sum(
                  workers, [](const auto& w) -> auto& { return w.compressed_connections; }));
  add_counter(out, "consort_client_received_bytes_total", "Bytes received from clients",
              sum(
                  workers, [](const auto& w) -> auto& { return w.bytes_received; }));
  add_counter(out, "consort_client_sent_bytes_total", "Bytes sent to clients",
              sum(
                  workers, [](const auto& w) -> auto& { return w.bytes_sent; }));
}

void collect_queries(MetricFamilies& out, const MetricsSources& sources) {
  const Workers& workers = sources.workers;
  MetricFamily& queries = add_family(
      out, MetricType::Counter, "consort_queries_total",
      "Statements by kind and by the backend that ran them; backend \"none\": answered by Consort");
  for (std::size_t kind = 0; kind < kQueryKindsCount; ++kind) {
    const std::string kind_text(to_text(static_cast<QueryKind>(kind)));
    const auto add_slot = [&](std::size_t slot, const std::string& backend) {
      add_sample(queries,
                 sum(
                     workers, [=](const auto& w) -> auto& { return w.queries[kind][slot]; }),
                 {{"kind", kind_text}, {"backend", backend}});
    };
    for (std::size_t i = 0; i < backends_count(sources); ++i) {
      add_slot(i, sources.backend_names[i]);
    }
    add_slot(kNoBackendSlot, "none");
  }

  MetricFamily& duration = add_family(
      out, MetricType::Histogram, "consort_query_duration_seconds",
      "From a statement's last packet in to its reply's last packet out, by kind of statement");
  add_histogram(duration,
                sum_histogram(
                    workers, [](const auto& w) -> auto& { return w.read_latency; }),
                {{"kind", "read"}});
  add_histogram(duration,
                sum_histogram(
                    workers, [](const auto& w) -> auto& { return w.write_latency; }),
                {{"kind", "write"}});
  add_histogram(duration,
                sum_histogram(
                    workers, [](const auto& w) -> auto& { return w.commit_latency; }),
                {{"kind", "commit"}});

  MetricFamily& errors = add_family(out, MetricType::Counter, "consort_client_errors_total",
                                    "Error packets sent to clients, by class");
  for (std::size_t i = 0; i < kClientErrorClassesCount; ++i) {
    add_sample(errors,
               sum(
                   workers, [i](const auto& w) -> auto& { return w.client_errors[i]; }),
               {{"class", std::string(to_text(static_cast<ClientErrorClass>(i)))}});
  }
  add_counter(out, "consort_autocommit_retries_total",
              "Autocommit statements run again: their backend was lost, or they were too old",
              sum(
                  workers, [](const auto& w) -> auto& { return w.autocommit_retries; }));
  add_counter(out, "consort_freshness_waits_total",
              "Reads that waited for a backend to apply what they must see",
              sum(
                  workers, [](const auto& w) -> auto& { return w.freshness_waits; }));
}

void collect_sessions(MetricFamilies& out, const Workers& workers) {
  MetricFamily& pinned = add_family(out, MetricType::Gauge, "consort_sessions_pinned",
                                    "Sessions that cannot change their backend now, by reason");
  for (std::size_t i = 0; i < router::kPinReasonsCount; ++i) {
    add_sample(pinned,
               sum(
                   workers, [i](const auto& w) -> auto& { return w.sessions_pinned[i]; }),
               {{"reason", std::string(router::to_text(static_cast<router::PinReason>(i)))}});
  }
  MetricFamily& paused = add_family(
      out, MetricType::Counter, "consort_backpressure_pauses_total",
      "Times that reading from one side stopped because the other reads slowly, by the slow side");
  add_sample(paused,
             sum(
                 workers, [](const auto& w) -> auto& { return w.backpressure_from_client; }),
             {{"slow", "client"}});
  add_sample(paused,
             sum(
                 workers, [](const auto& w) -> auto& { return w.backpressure_from_backend; }),
             {{"slow", "backend"}});
  add_gauge(out, "consort_worker_mailbox_depth",
            "Messages that waited for the workers when they last looked",
            sum(
                workers, [](const auto& w) -> auto& { return w.mailbox_depth; }));
}

void collect_pools(MetricFamilies& out, const MetricsSources& sources) {
  const Workers& workers = sources.workers;
  MetricFamily& connections = add_family(out, MetricType::Gauge, "consort_pool_connections",
                                         "Connections to a backend, leased to a session or idle");
  for (std::size_t i = 0; i < backends_count(sources); ++i) {
    const std::string& name = sources.backend_names[i];
    add_sample(connections,
               sum(
                   workers, [i](const auto& w) -> auto& { return w.pool_leased[i]; }),
               {{"backend", name}, {"state", "leased"}});
    add_sample(connections,
               sum(
                   workers, [i](const auto& w) -> auto& { return w.pool_idle[i]; }),
               {{"backend", name}, {"state", "idle"}});
  }
  add_per_backend(out, MetricType::Counter, "consort_pool_connections_opened_total",
                  "Connections logged in to a backend", sources, [&](std::size_t i) {
                    return sum(
                        workers, [i](const auto& w) -> auto& { return w.pool_opened[i]; });
                  });
  add_per_backend(out, MetricType::Counter, "consort_pool_tls_connections_opened_total",
                  "Connections logged in to a backend through TLS", sources, [&](std::size_t i) {
                    return sum(
                        workers, [i](const auto& w) -> auto& { return w.pool_secured[i]; });
                  });
  add_per_backend(out, MetricType::Counter, "consort_pool_compressed_connections_opened_total",
                  "Connections logged in to a backend that are compressed", sources,
                  [&](std::size_t i) {
                    return sum(
                        workers, [i](const auto& w) -> auto& { return w.pool_compressed[i]; });
                  });
  add_per_backend(out, MetricType::Counter, "consort_pool_connection_failures_total",
                  "Connections to a backend that were refused, reset or denied", sources,
                  [&](std::size_t i) {
                    return sum(
                        workers, [i](const auto& w) -> auto& { return w.pool_failures[i]; });
                  });
  add_per_backend(out, MetricType::Counter, "consort_pool_waits_total",
                  "Times a session waited for a connection to a backend", sources,
                  [&](std::size_t i) {
                    return sum(
                        workers, [i](const auto& w) -> auto& { return w.pool_waits[i]; });
                  });
  add_per_backend(out, MetricType::Gauge, "consort_pool_waiting",
                  "Sessions that wait for a connection to a backend now", sources,
                  [&](std::size_t i) {
                    return sum(
                        workers, [i](const auto& w) -> auto& { return w.pool_waiting[i]; });
                  });
  add_per_backend(out, MetricType::Counter, "consort_pool_wait_timeouts_total",
                  "Times a session waited for a connection to a backend in vain", sources,
                  [&](std::size_t i) {
                    return sum(
                        workers, [i](const auto& w) -> auto& { return w.pool_wait_timeouts[i]; });
                  });
  add_per_backend(out, MetricType::Counter, "consort_pool_wait_refusals_total",
                  "Times as many as may wait for a connection to a backend waited already", sources,
                  [&](std::size_t i) {
                    return sum(
                        workers, [i](const auto& w) -> auto& { return w.pool_refusals[i]; });
                  });
  add_per_backend(out, MetricType::Counter, "consort_pool_state_changes_total",
                  "Leases for which the connection's state had to be changed first", sources,
                  [&](std::size_t i) {
                    return sum(
                        workers, [i](const auto& w) -> auto& { return w.pool_state_changes[i]; });
                  });
  add_per_backend(out, MetricType::Counter, "consort_pool_resets_total",
                  "And by COM_RESET_CONNECTION", sources, [&](std::size_t i) {
                    return sum(
                        workers, [i](const auto& w) -> auto& { return w.pool_resets[i]; });
                  });
  MetricFamily& waits =
      add_family(out, MetricType::Histogram, "consort_pool_wait_duration_seconds",
                 "How long sessions waited for a connection, whatever came of it");
  add_histogram(waits,
                sum_histogram(
                    workers, [](const auto& w) -> auto& { return w.pool_wait_latency; }),
                {});
}

void collect_health(MetricFamilies& out, const MetricsSources& sources) {
  const std::vector<BackendStatus> statuses = sources.backend_statuses();
  MetricFamily& states = add_family(out, MetricType::Gauge, "consort_backend_state",
                                    "1 for the state a backend is in, 0 for the others");
  for (const BackendStatus& status : statuses) {
    for (const BackendState state : kBackendStates) {
      add_sample(states, state == status.state ? 1 : 0,
                 {{"backend", status.name}, {"state", std::string(healthcheck::to_text(state))}});
    }
  }
  const auto add_each = [&](MetricType type, const char* name, const char* help, auto value) {
    MetricFamily& family = add_family(out, type, name, help);
    for (const BackendStatus& status : statuses) {
      add_sample(family, value(status), {{"backend", status.name}});
    }
  };
  add_each(MetricType::Counter, "consort_backend_probes_total", "Probes that ended",
           [](const BackendStatus& s) { return as_sample(s.probes); });
  add_each(MetricType::Counter, "consort_backend_probe_failures_total", "Probes that failed",
           [](const BackendStatus& s) { return as_sample(s.probes_failed); });
  add_each(MetricType::Gauge, "consort_backend_probe_duration_seconds",
           "How long the last successful probe took; 0: none has succeeded",
           [](const BackendStatus& s) { return s.last_probe_ms.value_or(0) / 1e3; });
  add_each(MetricType::Gauge, "consort_backend_paused",
           "1 while a backup or a global read lock stops its writers",
           [](const BackendStatus& s) { return s.paused ? 1.0 : 0.0; });
  add_each(MetricType::Gauge, "consort_backend_weight", "Its share of reads and of new homes",
           [](const BackendStatus& s) { return static_cast<double>(s.weight); });
  add_each(MetricType::Gauge, "consort_backend_preflight_findings",
           "Settings of the server that should be mended",
           [](const BackendStatus& s) { return static_cast<double>(s.findings.size()); });
}

void collect_positions(MetricFamilies& out, const MetricsSources& sources) {
  const AppliedPositions& positions = *sources.positions;
  const std::uint64_t head = positions.head.load(std::memory_order_relaxed);
  const auto applied = [&](std::size_t i) {
    return positions.applied[i].load(std::memory_order_relaxed);
  };
  add_gauge(out, "consort_log_head_seqno", "Newest seqno that clients may have been told of",
            as_sample(head));
  add_per_backend(out, MetricType::Gauge, "consort_backend_applied_seqno",
                  "Seqno up to which a backend has committed everything", sources,
                  [&](std::size_t i) { return as_sample(applied(i)); });
  add_per_backend(out, MetricType::Gauge, "consort_backend_lag_entries",
                  "Entries of the log that a backend has not applied yet", sources,
                  [&](std::size_t i) { return as_sample(head - std::min(head, applied(i))); });
}

}  // namespace

MetricFamilies collect_metrics(const MetricsSources& sources) {
  MetricFamilies families;
  families.reserve(96);
  MetricFamily& build =
      add_family(families, MetricType::Gauge, "consort_build_info", "1; the version is a label");
  add_sample(build, 1, {{"version", sources.version}});
  collect_connections(families, sources.workers);
  collect_queries(families, sources);
  collect_sessions(families, sources.workers);
  collect_pools(families, sources);
  if (sources.backend_statuses) {
    collect_health(families, sources);
  }
  if (sources.positions != nullptr) {
    collect_positions(families, sources);
  }
  if (sources.events != nullptr) {
    collect_events(families, *sources.events);
  }
  if (sources.commit != nullptr) {
    collect_commit_metrics(families, *sources.commit, sources.backend_names);
  }
  collect_process_metrics(families);
  return families;
}

}  // namespace consort::proxy
