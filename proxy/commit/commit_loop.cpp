#include "proxy/commit/commit_loop.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <random>
#include <unistd.h>
#include <utility>

#include "proxy/commit/commit_thread.h"

namespace consort::proxy {
namespace {

constexpr std::size_t kClusterIdDigits = 32;
constexpr std::string_view kDigits = "0123456789abcdef";

bool is_cluster_id(std::string_view text) {
  return text.size() == kClusterIdDigits &&
         text.find_first_not_of(kDigits) == std::string_view::npos;
}

std::string make_cluster_id() {
  std::random_device random;
  std::string id;
  while (id.size() < kClusterIdDigits) {
    id += kDigits[random() % kDigits.size()];
  }
  return id;
}

Error system_error(const std::string& what) {
  return make_error(what + ": " + std::strerror(errno));
}

// Written under another name, synced, then renamed: it is there whole or not at all.
Status write_cluster_id(const std::string& path, const std::string& id) {
  const std::string made = path + ".new";
  const int fd = ::open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    return system_error("creating " + made);
  }
  const std::string line = id + "\n";
  const bool written = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                       ::fsync(fd) == 0;
  const Error failure = system_error("writing " + made);
  ::close(fd);
  if (!written) {
    return failure;
  }
  if (::rename(made.c_str(), path.c_str()) != 0) {
    return system_error("renaming " + made);
  }
  return Ok{};
}

}  // namespace

Result<std::string> load_or_create_cluster_id(const std::string& data_dir) {
  std::error_code error;
  std::filesystem::create_directories(data_dir, error);
  if (error) {
    return make_error("creating " + data_dir + ": " + error.message());
  }
  const std::string path = data_dir + "/cluster_id";
  std::ifstream file(path);
  std::string id;
  if (file && std::getline(file, id)) {
    return is_cluster_id(id) ? Result<std::string>(id)
                             : make_error(path + " does not hold 32 hex digits");
  }
  if (std::filesystem::exists(data_dir + "/raft/metadata1", error)) {
    return make_error(path + " is missing, but a commit log is there: restore it");
  }
  id = make_cluster_id();
  const Status written = write_cluster_id(path, id);
  return written.ok() ? Result<std::string>(id) : written.error();
}

std::uint32_t cluster_of(const std::string& cluster_id) {
  std::uint32_t cluster = 0;
  for (const char digit : cluster_id.substr(0, 8)) {
    cluster = cluster << 4 | static_cast<std::uint32_t>(kDigits.find(digit) & 15);
  }
  return cluster;
}

CommitLoop::CommitLoop(std::unique_ptr<Thread> thread) : thread_(std::move(thread)) {}

CommitLoop::~CommitLoop() = default;

Result<std::unique_ptr<CommitLoop>> CommitLoop::start(CommitOptions options,
                                                      CommitHooks hooks,
                                                      AppliedPositions& positions) {
  auto thread = std::make_unique<Thread>(std::move(options), std::move(hooks), positions);
  const Status started = thread->start();
  if (!started.ok()) {
    return started.error();
  }
  return std::unique_ptr<CommitLoop>(new CommitLoop(std::move(thread)));
}

bool CommitLoop::post(CommitRequest request) {
  return thread_->post(std::move(request));
}

void CommitLoop::set_backend(BackendId backend, bool reachable) {
  thread_->set_backend(backend, reachable);
}

void CommitLoop::stop() {
  thread_->stop();
}

const CommitIdentity& CommitLoop::identity() const {
  return thread_->identity();
}

const CommitStats& CommitLoop::stats() const {
  return thread_->stats();
}

}  // namespace consort::proxy
