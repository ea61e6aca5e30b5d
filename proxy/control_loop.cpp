#include "proxy/control_loop.h"

#include <algorithm>
#include <charconv>
#include <spdlog/spdlog.h>
#include <utility>

#include "base/atomic_max.h"
#include "base/check.h"
#include "proxy/backend_setup.h"

namespace consort::proxy {

namespace {

/// First 32 bits of a UUID's text: what branch names hold.
std::uint32_t cluster_number(std::string_view cluster_id) {
  std::uint32_t number = 0;
  const std::string_view head = cluster_id.substr(0, 8);
  std::from_chars(head.data(), head.data() + head.size(), number, 16);
  return number;
}

void write_log(const ControlLine& line) {
  switch (line.level) {
    case ControlLine::Level::kInfo:
      spdlog::info("{}", line.text);
      break;
    case ControlLine::Level::kWarning:
      spdlog::warn("{}", line.text);
      break;
    case ControlLine::Level::kError:
      spdlog::error("{}", line.text);
      break;
  }
}

}  // namespace

ControlLoop::ControlLoop(ControlOptions options)
    : options_(std::move(options)),
      core_(options_.core, clock_.now()),
      mailbox_(options_.events_max),
      statuses_(core_.statuses()),
      view_(core_.view()) {
  for (std::size_t i = 0; i < options_.core.backends.size(); ++i) {
    const BackendOptions& backend = options_.core.backends[i];
    ControllerOptions controller;
    controller.backend = BackendId{static_cast<std::uint8_t>(i)};
    controller.name = backend.name;
    controller.target = {backend.host, backend.port, options_.account.user,
                         options_.account.password,
                         i < options_.tls.size() ? options_.tls[i] : BackendTls{}};
    controller.timeouts = options_.timeouts;
    controller.cluster = cluster_number(options_.core.cluster_id);
    controllers_.push_back(std::make_unique<BackendController>(std::move(controller)));
  }
}

ControlLoop::~ControlLoop() {
  for (const auto& controller : controllers_) {
    controller->stop();
  }
}

void ControlLoop::on_view(ViewCallback callback) {
  callbacks_.push_back(std::move(callback));
}

std::vector<BackendStatus> ControlLoop::bootstrap() {
  for (const auto& controller : controllers_) {
    controller->start();
  }
  const TimePoint deadline = clock_.now() + options_.bootstrap_max;
  step(clock_.now());
  while (!core_.settled() && clock_.now() < deadline && !stopping_) {
    step(deadline);
  }
  return snapshot();
}

void ControlLoop::run() {
  while (!stopping_) {
    step(clock_.now() + std::chrono::hours(1));
  }
}

void ControlLoop::stop() {
  stopping_ = true;
  mailbox_.wake();
}

BackendController& ControlLoop::controller(BackendId backend) {
  CHECK(backend.value < controllers_.size());
  return *controllers_[backend.value];
}

void ControlLoop::report_backend_failure(BackendId backend, healthcheck::PathFailure kind) {
  // A storm of these says nothing new and must not crowd out the rest.
  if (mailbox_.depth() < options_.events_max / 2) {
    post([backend, kind](ControlCore& core, TimePoint now) {
      core.on_path_failure(backend, kind, now);
    });
  }
}

void ControlLoop::report_lane(BackendId backend,
                              healthcheck::LaneState lane,
                              Seqno applied,
                              std::string reason) {
  post([backend, lane, applied, reason = std::move(reason)](ControlCore& core, TimePoint now) {
    core.on_lane(backend, lane, applied, reason, now);
  });
}

Status ControlLoop::set_backend_state(std::string_view name, healthcheck::OperatorState wish) {
  const auto backend = find_backend(name);
  if (!backend.ok()) {
    return backend.error();
  }
  post(
      [id = *backend, wish](ControlCore& core, TimePoint now) { core.on_operator(id, wish, now); });
  return Ok{};
}

Status ControlLoop::set_weights(const std::vector<BackendWeight>& weights) {
  for (const BackendWeight& each : weights) {
    if (each.backend.value >= controllers_.size()) {
      return make_error("there is no backend " + std::to_string(each.backend.value));
    }
  }
  post([weights](ControlCore& core, TimePoint) { core.on_weights(weights); });
  return Ok{};
}

Status ControlLoop::set_read_consistency(ReadConsistency consistency) {
  if (consistency > ReadConsistency::kStrong) {
    return make_error("no such read consistency");
  }
  post([consistency](ControlCore& core, TimePoint) { core.on_read_consistency(consistency); });
  return Ok{};
}

void ControlLoop::request_account_refresh() {
  if (!refresh_requested_.exchange(true)) {
    post([this](ControlCore& core, TimePoint now) {
      refresh_requested_ = false;
      core.on_account_request(now);
    });
  }
}

void ControlLoop::need_accounts(Seqno as_of) {
  raise_to(accounts_needed_, as_of.value);
  if (!accounts_need_posted_.exchange(true)) {
    post([this](ControlCore& core, TimePoint now) {
      accounts_need_posted_ = false;
      core.on_accounts_needed(Seqno{accounts_needed_}, now);
    });
  }
}

std::vector<BackendStatus> ControlLoop::snapshot() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return statuses_;
}

std::shared_ptr<const ClusterView> ControlLoop::view() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return view_;
}

Result<BackendId> ControlLoop::find_backend(std::string_view name) const {
  for (std::size_t i = 0; i < options_.core.backends.size(); ++i) {
    if (options_.core.backends[i].name == name) {
      return BackendId{static_cast<std::uint8_t>(i)};
    }
  }
  return make_error("no backend is named '" + std::string(name) + "'");
}

void ControlLoop::post(Event event) {
  if (!mailbox_.post(std::move(event))) {
    spdlog::error("control: the mailbox is full, an event is lost");
  }
}

/// Sleeps until something happens, `latest` at most, then does what follows from it.
void ControlLoop::step(TimePoint latest) {
  mailbox_.wait_until(std::min(core_.next_wake(), latest), events_);
  const TimePoint now = clock_.now();
  for (const Event& event : events_) {
    event(core_, now);
  }
  perform(core_.advance(now));
}

void ControlLoop::perform(const ControlEffects& effects) {
  for (const ControlLine& line : effects.log) {
    write_log(line);
  }
  for (const ProbeEffect& probe : effects.probes) {
    begin_probe(probe);
  }
  for (const AdmissionEffect& admission : effects.admissions) {
    begin_admission(admission);
  }
  for (const BackendId backend : effects.account_loads) {
    begin_account_load(backend);
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    statuses_ = core_.statuses();
    view_ = core_.view();
  }
  if (effects.view != nullptr) {
    for (const ViewCallback& callback : callbacks_) {
      callback(effects.view);
    }
  }
}

void ControlLoop::begin_probe(const ProbeEffect& effect) {
  const BackendId backend = effect.backend;
  const bool taken =
      controller(backend).probe(effect.request, [this, backend](healthcheck::ProbeResult result) {
        post([backend, result = std::move(result)](ControlCore& core, TimePoint now) {
          core.on_probe(backend, result, now);
        });
      });
  if (!taken) {
    spdlog::error("backend {}: its control queue is full, a probe is left out",
                  controller(backend).options().name);
  }
}

void ControlLoop::begin_admission(const AdmissionEffect& effect) {
  const BackendId backend = effect.backend;
  auto result = std::make_shared<AdmissionResult>();
  const auto answer = [this, backend, result](const Status& status) {
    if (!status.ok() && result->error.empty()) {
      result->error = status.error().message;
    }
    post([backend, result](ControlCore& core, TimePoint now) {
      core.on_admission(backend, std::move(*result), now);
    });
  };
  const bool taken = controller(backend).run(
      [this, result, serving = effect.serving](healthcheck::ServerLink& link) {
        if (serving) {
          return look_at_settings(link, *result);
        }
        const bool may_found = !options_.may_found || options_.may_found();
        return prepare_backend(link, {options_.core.cluster_id, may_found}, *result);
      },
      [answer](Status status) { answer(status); });
  if (!taken) {
    answer(make_error("the control queue is full"));
  }
}

void ControlLoop::begin_account_load(BackendId backend) {
  const Seqno as_of = options_.applied ? options_.applied(backend) : Seqno{};  // before the look
  const auto answer = [this, backend, as_of](Result<std::shared_ptr<const AccountSet>> result) {
    if (!result.ok()) {
      spdlog::warn("backend {}: cannot read its accounts: {}",
                   options_.core.backends[backend.value].name, result.error().message);
    }
    post(
        [backend, as_of, accounts = result.ok() ? *result : nullptr](
            ControlCore& core, TimePoint now) { core.on_accounts(backend, accounts, as_of, now); });
  };
  if (!controller(backend).load_accounts(answer)) {
    answer(make_error("the control queue is full"));
  }
}

}  // namespace consort::proxy
