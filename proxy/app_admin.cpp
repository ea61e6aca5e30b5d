// App, second part: what the admin port shows and changes.
#include <algorithm>
#include <future>
#include <iterator>

#include "proxy/app.h"
#include "proxy/session/backend_pool.h"
#include "proxy/session_states.h"
#include "router/session_traits.h"

namespace consort::proxy {
namespace {

constexpr std::chrono::seconds kWorkerAnswerMax{1};

std::uint64_t ms_since(TimePoint begin, TimePoint now) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now - begin).count());
}

std::string hex(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

SessionInfo session_info(const Session& session, const ClusterView& view, TimePoint now) {
  const SessionCore& core = session.core();
  SessionInfo info;
  info.id = session.id();
  info.connection_id = session.connection_id();
  info.user = session.user_name();
  info.client_address = session.client_address();
  if (const std::optional<TlsPeer> tls = session.tls()) {
    info.tls = tls->version + " " + tls->cipher;
  }
  if (const auto algorithm = session.compression()) {
    info.compression = protocol::to_text(*algorithm);
  }
  info.database = core.state().schema();
  info.state = session.authenticated() ? std::string(to_text(core.phase())) : "authenticating";
  if (core.home()) {
    info.home = view.backends[core.home()->value].name;
  }
  info.in_transaction = core.in_transaction();
  for (unsigned i = 0; i < router::kPinReasonsCount; ++i) {
    const auto reason = static_cast<router::PinReason>(i);
    if (core.pins().has(reason)) {
      info.pinned.emplace_back(router::to_text(reason));
    }
  }
  info.age_ms = ms_since(session.began(), now);
  info.state_age_ms = ms_since(session.last_active(), now);
  if (session.authenticated() && !core.idle()) {
    info.statement_kind = router::to_text(core.statement_kind());
    info.statement_digest = hex(core.statement_digest());
  }
  return info;
}

StatusInfo::Events events_info(const EventStats& stats) {
  return {stats.on.value() != 0,
          static_cast<std::uint64_t>(stats.scheduled.value()),
          static_cast<std::uint64_t>(stats.under_way.value()),
          stats.done.value(),
          stats.failed.value(),
          stats.lost.value(),
          stats.missed.value()};
}

}  // namespace

Result<StatusInfo> App::status() {
  StatusInfo info;
  const std::shared_ptr<const ClusterView> view = control_->view();
  const CommitStats& stats = commit_->stats();
  info.version = kVersion;
  info.cluster = cluster_id_;
  info.cluster_name = config_.cluster_name;
  info.epoch = commit_->identity().epoch;
  info.uptime_ms = ms_since(began_, std::chrono::steady_clock::now());
  info.topology = "certified";
  info.durability = to_text(config_.durability);
  info.read_consistency = view->read_consistency;
  info.workers = static_cast<std::uint32_t>(workers_.size());
  for (const std::unique_ptr<Worker>& worker : workers_) {
    info.sessions += static_cast<std::uint64_t>(worker->metrics().connections_current.value());
  }
  info.draining = draining_;
  info.connections_max = running().limits.connections_max;
  info.head = positions_.head.load();
  info.log_bytes = static_cast<std::uint64_t>(stats.archive_bytes.value());
  info.certified = stats.certified_passed.value();
  info.conflicts = stats.certified_failed.value();
  info.index_keys = static_cast<std::uint64_t>(stats.index_keys.value());
  info.events = events_info(events_->stats());
  for (const BackendStatus& backend : control_->snapshot()) {
    for (const healthcheck::Finding& finding : backend.findings) {
      info.warnings.push_back(backend.name + ": " + finding.what +
                              (finding.mend.empty() ? "" : ": " + finding.mend));
    }
  }
  return info;
}

Result<std::vector<BackendInfo>> App::backends() {
  std::vector<BackendInfo> infos;
  const std::uint64_t pool_max = running().pool.connections_max;
  const std::uint64_t head = positions_.head.load();
  for (const BackendStatus& status : control_->snapshot()) {
    const std::size_t at = status.id.value;
    BackendInfo info;
    info.id = status.id;
    info.name = status.name;
    info.host = status.host;
    info.port = status.port;
    info.state = status.state;
    info.reason = status.reason;
    info.wanted = status.operator_state;
    info.weight = status.weight;
    info.server_version = status.server_version;
    info.applied = positions_.applied[at].load();
    info.lag_entries = head > info.applied ? head - info.applied : 0;
    info.lane = healthcheck::to_text(status.lane);
    for (const std::unique_ptr<Worker>& worker : workers_) {
      info.connections_leased +=
          static_cast<std::uint64_t>(worker->metrics().pool_leased[at].value());
      info.connections_idle += static_cast<std::uint64_t>(worker->metrics().pool_idle[at].value());
      info.sessions_waiting +=
          static_cast<std::uint64_t>(worker->metrics().pool_waiting[at].value());
    }
    info.connections_max = pool_connections_max(pool_max, status.connections_max);
    info.sessions_home = worker_counts_->homes_of(status.id);
    info.probe_us = static_cast<std::uint64_t>(status.last_probe_ms.value_or(0) * 1000);
    for (const healthcheck::Finding& finding : status.findings) {
      info.preflight.push_back(finding.what + (finding.mend.empty() ? "" : ": " + finding.mend));
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

Result<SessionPage> App::sessions(std::size_t offset, std::size_t limit) {
  SessionPage page;
  for (const std::unique_ptr<Worker>& worker : workers_) {
    auto answer = std::make_shared<std::promise<std::vector<SessionInfo>>>();
    std::future<std::vector<SessionInfo>> future = answer->get_future();
    const bool posted = worker->post_task([answer](Worker& self) {
      std::vector<SessionInfo> infos;
      const TimePoint now = self.loop().now();
      self.for_each_session(
          [&](Session& session) { infos.push_back(session_info(session, self.view(), now)); });
      answer->set_value(std::move(infos));
    });
    if (!posted || future.wait_for(kWorkerAnswerMax) != std::future_status::ready) {
      return make_error(AdminErrorCode::kUnavailable, "a worker did not answer in time");
    }
    for (SessionInfo& info : future.get()) {
      if (page.total >= offset && page.sessions.size() < limit) {
        page.sessions.push_back(std::move(info));
      }
      ++page.total;
    }
  }
  return page;
}

// Each worker adds its sessions; the last one brings all to the one that asked. Nobody waits.
void App::list_sessions(SessionId to, bool with_states) {
  struct Gathered {
    Mutex mutex;
    std::vector<ProcessRow> rows GUARDED_BY(mutex);
    std::size_t workers_left GUARDED_BY(mutex) = 0;
  };

  const auto gathered = std::make_shared<Gathered>();
  // Before all are open the others have no sessions, and their list may still grow.
  const bool all = workers_open_.load(std::memory_order_acquire);
  const std::size_t count = all ? workers_.size() : 1;
  {
    const MutexLock lock(gathered->mutex);
    gathered->workers_left = count;
  }
  for (std::size_t i = 0; i < count; ++i) {
    Worker& worker = *workers_[all ? i : to.worker];
    worker.post_always([this, gathered, to, with_states](Worker& self) {
      std::vector<ProcessRow> rows;
      const TimePoint now = self.loop().now();
      self.for_each_session([&](Session& session) { rows.push_back(session.process_row(now)); });
      const MutexLock lock(gathered->mutex);
      gathered->rows.insert(gathered->rows.end(), std::make_move_iterator(rows.begin()),
                            std::make_move_iterator(rows.end()));
      if (--gathered->workers_left > 0) {
        return;
      }
      if (!with_states) {
        tell_sessions(to, std::move(gathered->rows));
        return;
      }
      if (EventScheduler* events = events_told_.load(std::memory_order_acquire)) {
        std::vector<ProcessRow> own = events->processes(self.globals().runs_events());
        gathered->rows.insert(gathered->rows.end(), std::make_move_iterator(own.begin()),
                              std::make_move_iterator(own.end()));
      }
      add_server_states(
          std::move(gathered->rows),
          [this](BackendId backend) -> BackendController& { return control_->controller(backend); },
          [this, to](std::vector<ProcessRow> complete) { tell_sessions(to, std::move(complete)); });
    });
  }
}

void App::tell_sessions(SessionId to, std::vector<ProcessRow> rows) {
  workers_[to.worker]->post_always([to, found = std::move(rows)](Worker& asking) mutable {
    if (Session* session = asking.find(to); session != nullptr) {
      session->core().on_sessions(std::move(found));
      session->pump();
    }
  });
}

Result<std::string> App::config_json() {
  return running().redacted();
}

Status App::set_backend_state(BackendId backend, healthcheck::OperatorState wanted) {
  return control_->set_backend_state(config_.backends[backend.value].name, wanted);
}

Status App::set_read_consistency(ReadConsistency value) {
  return control_->set_read_consistency(value);
}

Status App::set_weights(const std::vector<BackendWeight>& weights) {
  return control_->set_weights(weights);
}

}  // namespace consort::proxy
