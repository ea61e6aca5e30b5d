#include "proxy/metrics_commit.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "healthcheck/backend_health.h"

namespace consort::proxy {

namespace {

using healthcheck::LaneState;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr LaneState kLaneStates[] = {LaneState::kLost, LaneState::kCatchingUp, LaneState::kCaughtUp,
                                     LaneState::kPaused, LaneState::kInconsistent};

struct CounterCell {
  const char* name;
  const char* help;
  Counter LaneStats::*cell;
};

constexpr CounterCell kLaneCounters[] = {
    {"consort_lane_batches_total", "Batches that a backend answered with OK", &LaneStats::batches},
    {"consort_lane_batch_failures_total", "Batches that a backend answered with an error",
     &LaneStats::batch_failures},
    {"consort_lane_local_commits_total", "Prepared branches committed on their home",
     &LaneStats::local_commits},
    {"consort_lane_remote_applies_total", "Writesets of other homes applied",
     &LaneStats::remote_applies},
    {"consort_lane_stalls_total", "Times a batch took so long that the lock holder was looked up",
     &LaneStats::stalls},
    {"consort_lane_holders_aborted_total",
     "Open transactions ended because the lane waited for their locks",
     &LaneStats::holders_aborted},
    {"consort_lane_replays_total", "Certified branches rolled back and applied from the log",
     &LaneStats::replays},
    {"consort_lane_reconnects_total", "Connections a lane has made", &LaneStats::reconnects},
    {"consort_lane_captured_groups_total", "Branches seen in a backend's binlog",
     &LaneStats::captured_groups},
    {"consort_lane_foreign_groups_total",
     "Rows changed past Consort, or in non-transactional tables", &LaneStats::foreign_groups},
    {"consort_lane_stream_bytes_total", "Bytes received of a backend's binlog",
     &LaneStats::stream_bytes},
};

void collect_certification(MetricFamilies& out, const CommitStats& stats) {
  MetricFamily& verdicts = add_family(out, MetricType::Counter, "consort_certifications_total",
                                      "Transactions that came to be certified, by outcome");
  const auto add_result = [&](const char* result, const Counter& cell) {
    add_sample(verdicts, as_sample(cell.value()), {{"result", result}});
  };
  add_result("passed", stats.certified_passed);
  add_result("conflict", stats.certified_failed);
  add_result("too_old", stats.certified_too_old);
  add_result("locked", stats.certified_locked);
  add_result("refused", stats.refused);
  add_result("home_lost", stats.home_lost);
  add_counter(out, "consort_branches_abandoned_total",
              "Branches whose XA PREPARE was sent but not answered",
              as_sample(stats.branches_abandoned.value()));
  add_counter(out, "consort_empty_groups_total", "Prepared branches without rows",
              as_sample(stats.empty_groups.value()));
  MetricFamily& ddl = add_family(out, MetricType::Counter, "consort_ddl_total",
                                 "Statements run everywhere through the log, by result");
  add_sample(ddl, as_sample(stats.ddl_executed.value()), {{"result", "executed"}});
  add_sample(ddl, as_sample(stats.ddl_failed.value()), {{"result", "failed"}});
  add_gauge(out, "consort_certification_index_keys", "Keys in the certification index",
            as_sample(stats.index_keys.value()));
  add_gauge(out, "consort_branches_behind_lanes",
            "Prepared branches that wait for lanes which do not keep up",
            as_sample(stats.branches_behind_lanes.value()));
  add_gauge(out, "consort_pending_branches",
            "Prepared branches that wait for their rows or for a table's definition",
            as_sample(stats.pending_branches.value()));
}

void collect_table_locks(MetricFamilies& out, const CommitStats& stats) {
  add_gauge(out, "consort_tables_locked", "Tables that sessions hold by LOCK TABLES",
            as_sample(stats.tables_locked.value()));
  add_gauge(out, "consort_table_lock_waiters",
            "Sessions whose LOCK TABLES, or whose statement on a locked table, waits",
            as_sample(stats.table_lock_waiters.value()));
  add_gauge(out, "consort_branches_behind_table_locks",
            "Prepared branches that wait for the end of a READ lock",
            as_sample(stats.branches_behind_locks.value()));
  add_counter(out, "consort_table_lock_timeouts_total",
              "Waits for locked tables that ended with 1205",
              as_sample(stats.table_lock_timeouts.value()));
}

void collect_programs(MetricFamilies& out, const CommitStats& stats) {
  add_counter(out, "consort_programs_total",
              "Procedures that commit by themselves, which ran alone",
              as_sample(stats.programs.value()));
  add_counter(out, "consort_programs_lost_total",
              "Those of which nobody knows what they committed last",
              as_sample(stats.programs_lost.value()));
  add_counter(out, "consort_program_groups_total", "Transactions and DDL committed by those",
              as_sample(stats.program_groups.value()));
  add_gauge(out, "consort_program_running", "1 while one runs: nobody else commits",
            as_sample(stats.program_running.value()));
}

void collect_log(MetricFamilies& out, const CommitStats& stats) {
  add_counter(out, "consort_log_entries_total", "Entries appended to the commit log",
              as_sample(stats.log_entries.value()));
  add_counter(out, "consort_log_bytes_total", "Bytes appended to the commit log",
              as_sample(stats.log_bytes.value()));
  add_counter(out, "consort_log_refusals_total", "Commits refused because the disk is nearly full",
              as_sample(stats.log_refusals.value()));
  add_gauge(out, "consort_log_unacknowledged_entries", "Entries not yet durable",
            as_sample(stats.log_unacknowledged.value()));
  add_gauge(out, "consort_log_accepting", "0 while commits are refused for want of disk space",
            as_sample(stats.log_accepting.value()));
  add_gauge(out, "consort_log_disk_free_bytes", "Free space where the commit log is",
            as_sample(stats.disk_free_bytes.value()));
  add_gauge(out, "consort_log_last_seqno", "Newest seqno in the commit log",
            as_sample(stats.head.value()));
  add_gauge(out, "consort_archive_bytes", "History kept for backends that catch up",
            as_sample(stats.archive_bytes.value()));
  add_gauge(out, "consort_archive_first_seqno", "Oldest seqno of that history",
            as_sample(stats.archive_first_seqno.value()));
  add_gauge(out, "consort_commit_mailbox_depth",
            "Requests that waited for the commit thread when it last looked",
            as_sample(stats.mailbox_depth.value()));
  add_counter(out, "consort_commit_requests_dropped_total",
              "Requests to the commit thread refused because its mailbox was full",
              as_sample(stats.requests_dropped.value()));
}

void collect_phases(MetricFamilies& out, const CommitStats& stats) {
  MetricFamily& phases = add_family(
      out, MetricType::Histogram, "consort_commit_phase_duration_seconds",
      "Phases of a commit: capture (prepared until its rows are here), log (handed to the log "
      "until durable), total (prepared until the outcome is told)");
  add_histogram(phases, stats.capture_latency.snapshot(), {{"phase", "capture"}});
  add_histogram(phases, stats.append_latency.snapshot(), {{"phase", "log"}});
  add_histogram(phases, stats.commit_latency.snapshot(), {{"phase", "total"}});
}

void collect_lanes(MetricFamilies& out,
                   const CommitStats& stats,
                   const std::vector<std::string>& names) {
  const std::size_t count = std::min(names.size(), stats.lanes.size());
  MetricFamily& states = add_family(out, MetricType::Gauge, "consort_lane_state",
                                    "1 for the state a backend's lane is in, 0 for the others");
  for (std::size_t i = 0; i < count; ++i) {
    for (const LaneState state : kLaneStates) {
      const bool now = stats.lanes[i].state.value() == static_cast<std::int64_t>(state);
      add_sample(states, now ? 1 : 0,
                 {{"backend", names[i]}, {"state", std::string(healthcheck::to_text(state))}});
    }
  }
  for (const CounterCell& counter : kLaneCounters) {
    MetricFamily& family = add_family(out, MetricType::Counter, counter.name, counter.help);
    for (std::size_t i = 0; i < count; ++i) {
      add_sample(family, as_sample((stats.lanes[i].*counter.cell).value()),
                 {{"backend", names[i]}});
    }
  }
  const auto add_queue = [&](const char* name, const char* help, Gauge LaneStats::*cell) {
    MetricFamily& family = add_family(out, MetricType::Gauge, name, help);
    for (std::size_t i = 0; i < count; ++i) {
      add_sample(family, as_sample((stats.lanes[i].*cell).value()), {{"backend", names[i]}});
    }
  };
  add_queue("consort_lane_queue_entries", "Durable entries that wait for the lane",
            &LaneStats::queue_entries);
  add_queue("consort_lane_queue_bytes", "Bytes of the entries that wait for the lane",
            &LaneStats::queue_bytes);
  MetricFamily& applies =
      add_family(out, MetricType::Histogram, "consort_lane_apply_duration_seconds",
                 "A batch, from sending it to its answer");
  for (std::size_t i = 0; i < count; ++i) {
    add_histogram(applies, stats.lanes[i].apply_latency.snapshot(), {{"backend", names[i]}});
  }
}

}  // namespace

void collect_commit_metrics(MetricFamilies& families,
                            const CommitStats& stats,
                            const std::vector<std::string>& backend_names) {
  collect_certification(families, stats);
  collect_table_locks(families, stats);
  collect_programs(families, stats);
  collect_phases(families, stats);
  collect_log(families, stats);
  collect_lanes(families, stats, backend_names);
}

}  // namespace consort::proxy
