#include "proxy/admin/connection_queue.h"

#include <utility>

namespace consort::proxy {

namespace {

thread_local bool refusing_now = false;

}  // namespace

ConnectionQueue::ConnectionQueue(std::size_t threads, std::size_t waiting_max)
    : waiting_max_(waiting_max) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { serve(); });
  }
}

void ConnectionQueue::enqueue(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() < waiting_max_) {
      waiting_.push_back(std::move(task));
      changed_.notify_one();
      return;
    }
  }
  refusing_now = true;
  task();
  refusing_now = false;
}

void ConnectionQueue::shutdown() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

bool ConnectionQueue::refusing() {
  return refusing_now;
}

void ConnectionQueue::serve() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) {
        return;
      }
      task = std::move(waiting_.front());
      waiting_.pop_front();
    }
    task();
  }
}

}  // namespace consort::proxy
