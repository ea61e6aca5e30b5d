// App: what runs events.
#include "proxy/app.h"

namespace consort::proxy {

Status App::open_events() {
  const auto kill = [this](BackendId backend, std::uint64_t thread) {
    (void)control_->controller(backend).kill_connection(thread, [](const Result<Ok>&) {});
  };
  const auto new_process_id = [this](std::function<void(std::uint32_t)> take) {
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
                           setup_of(i)});
  }
  events_ = std::make_unique<EventScheduler>(std::move(parts));
  events_told_.store(events_.get(), std::memory_order_release);
  return Ok{};
}

}  // namespace consort::proxy
