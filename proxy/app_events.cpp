// App: what runs events, and what else works on a home as no session does.
#include "proxy/app.h"

namespace consort::proxy {

Status App::open_events() {
  const auto kill = [this](BackendId backend, std::uint64_t thread) {
    (void)control_->controller(backend).kill_connection(thread, [](const Result<Ok>&) {});
  };
  const auto new_process_id = [this](const std::function<void(std::uint32_t)>& take) {
    (void)workers_.front()->post_task(
        [take](Worker& worker) { take(worker.next_connection_id()); });
  };
  EventSchedulerParts parts{
      {},
      [this] { return control_->view(); },
      [this](CommitRequest request) { return commit_->post(std::move(request)); },
      kill,
      new_process_id,
      user_locks_,
      positions_,
      commit_->identity(),
      static_cast<std::uint16_t>(config_.workers_effective())};
  for (std::size_t i = 0; i < config_.backends.size(); ++i) {
    const BackendConfig& backend = config_.backends[i];
    parts.homes.push_back({BackendId{static_cast<std::uint8_t>(i)},
                           {backend.host, backend.port, config_.account.user,
                            config_.account.password, config_.tls_of(backend)},
                           setup_of(i, ServerKind::kMariadb),
                           setup_of(i, ServerKind::kMysql)});
  }
  open_aligner(parts.homes);
  events_ = std::make_unique<EventScheduler>(std::move(parts));
  events_told_.store(events_.get(), std::memory_order_release);
  return Ok{};
}

void App::open_aligner(std::vector<EventHome> homes) {
  TableAlignerParts parts{
      std::move(homes),
      [this](CommitRequest request) { return commit_->post(std::move(request)); },
      [this](SessionId session, CommitEvent event) {
        (void)workers_[session.worker]->post(std::move(event));
      },
      [this](BackendId backend, std::uint64_t thread) {
        (void)control_->controller(backend).kill_connection(thread, [](const Result<Ok>&) {});
      },
      positions_,
      commit_->identity(),
      static_cast<std::uint16_t>(config_.workers_effective() + 1),
      config_.limits.writeset_bytes_max};
  aligner_ = std::make_unique<TableAligner>(std::move(parts));
  aligner_told_.store(aligner_.get(), std::memory_order_release);
}

}  // namespace consort::proxy
