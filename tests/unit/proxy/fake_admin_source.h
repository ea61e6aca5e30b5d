// FakeAdminSource: three backends and a few sessions, and a record of what was asked of them.
// Threads: any.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "proxy/admin/admin_source.h"

namespace consort::proxy {

class FakeAdminSource final : public AdminSource {
 public:
  FakeAdminSource() {
    for (std::uint8_t i = 0; i < 3; ++i) {
      BackendInfo backend;
      backend.id = BackendId{i};
      backend.name = "db" + std::to_string(i + 1);
      backend.host = "127.0.0.1";
      backend.port = static_cast<std::uint16_t>(3311 + i);
      backend.state = healthcheck::BackendState::kOnline;
      backends_.push_back(backend);
    }
  }

  /// Every method fails with this from now on.
  void fail_with(AdminErrorCode code, std::string message) {
    const MutexLock lock(mutex_);
    failure_ = make_error(code, std::move(message));
  }

  void set_states(healthcheck::BackendState state) {
    const MutexLock lock(mutex_);
    for (BackendInfo& backend : backends_) {
      backend.state = state;
    }
  }

  void add_session(SessionInfo session) {
    const MutexLock lock(mutex_);
    sessions_.push_back(std::move(session));
  }

  [[nodiscard]] BackendInfo backend(std::size_t index) const {
    const MutexLock lock(mutex_);
    return backends_[index];
  }

  [[nodiscard]] ReadConsistency read_consistency() const {
    const MutexLock lock(mutex_);
    return status_.read_consistency;
  }

  Result<StatusInfo> status() override {
    const MutexLock lock(mutex_);
    if (failure_) {
      return *failure_;
    }
    status_.version = "0.1.0";
    status_.durability = "durable";
    status_.head = 42;
    return status_;
  }

  Result<std::vector<BackendInfo>> backends() override {
    const MutexLock lock(mutex_);
    if (failure_) {
      return *failure_;
    }
    return backends_;
  }

  Result<SessionPage> sessions(std::size_t offset, std::size_t limit) override {
    const MutexLock lock(mutex_);
    if (failure_) {
      return *failure_;
    }
    SessionPage page;
    page.total = sessions_.size();
    for (std::size_t i = offset; i < sessions_.size() && page.sessions.size() < limit; ++i) {
      page.sessions.push_back(sessions_[i]);
    }
    return page;
  }

  Result<std::string> config_json() override {
    const MutexLock lock(mutex_);
    if (failure_) {
      return *failure_;
    }
    return std::string(R"({"listen": {"sql": "127.0.0.1:6033"},
      "admin": {"token": "tiger"}, "service_account": {"user": "consort", "Password": "lion"},
      "backends": [{"name": "db1", "passwd": "puma"}, {"name": "db2", "passwd": ""}]})");
  }

  Status set_backend_state(BackendId backend, healthcheck::OperatorState wanted) override {
    const MutexLock lock(mutex_);
    if (failure_) {
      return *failure_;
    }
    backends_[backend.value].wanted = wanted;
    return Ok{};
  }

  Status set_read_consistency(ReadConsistency value) override {
    const MutexLock lock(mutex_);
    if (failure_) {
      return *failure_;
    }
    status_.read_consistency = value;
    return Ok{};
  }

  Result<ReloadInfo> reload_config() override {
    const MutexLock lock(mutex_);
    if (failure_) {
      return *failure_;
    }
    return ReloadInfo{{"$.pool.wait_ms_max"}, {"$.workers"}};
  }

  void set_draining() {
    const MutexLock lock(mutex_);
    status_.draining = true;
  }

  Status reload_tls() override {
    const MutexLock lock(mutex_);
    if (failure_) {
      return *failure_;
    }
    ++reloads_;
    return Ok{};
  }

  [[nodiscard]] int reloads() const {
    const MutexLock lock(mutex_);
    return reloads_;
  }

  Status set_weights(const std::vector<BackendWeight>& weights) override {
    const MutexLock lock(mutex_);
    if (failure_) {
      return *failure_;
    }
    for (const BackendWeight& weight : weights) {
      backends_[weight.backend.value].weight = weight.weight;
    }
    return Ok{};
  }

 private:
  mutable Mutex mutex_;
  std::vector<BackendInfo> backends_ GUARDED_BY(mutex_);
  std::vector<SessionInfo> sessions_ GUARDED_BY(mutex_);
  StatusInfo status_ GUARDED_BY(mutex_);
  int reloads_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> failure_ GUARDED_BY(mutex_);
};

}  // namespace consort::proxy
