// ConnectionQueue: the threads that serve httplib's connections, with a bound on those that wait.
// A connection that does not fit is handed to its task at once, with refusing() true.
// Threads: enqueue() and shutdown() the accepting thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <httplib.h>
#include <mutex>
#include <thread>
#include <vector>

namespace consort::proxy {

class ConnectionQueue final : public httplib::TaskQueue {
 public:
  ConnectionQueue(std::size_t threads, std::size_t waiting_max);

  void enqueue(std::function<void()> task) override;

  /// Runs what waits, then ends the threads.
  void shutdown() override;

  /// True inside a task that must turn its connection away.
  [[nodiscard]] static bool refusing();

 private:
  void serve();

  const std::size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace consort::proxy
