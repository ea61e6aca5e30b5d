// LoopWaker and LoopTasks: how other threads reach the commit thread. Shared by those who use them,
// so that what comes after the loop's end is dropped and touches nothing.
// Threads: wake() and post() any; attach(), detach(), drain() and close() the loop's.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "proxy/uv/async_wake.h"

namespace consort::proxy {

class LoopWaker {
 public:
  void wake() {
    MutexLock lock(mutex_);
    if (wake_ != nullptr) {
      wake_->wake();
    }
  }

  /// `wake` is used until detach().
  void attach(AsyncWake& wake) {
    MutexLock lock(mutex_);
    wake_ = &wake;
  }

  void detach() {
    MutexLock lock(mutex_);
    wake_ = nullptr;
  }

 private:
  Mutex mutex_;
  AsyncWake* wake_ GUARDED_BY(mutex_) = nullptr;
};

/// Closures that other threads give to the loop: answers of the controllers. Their number is
/// bounded by that of the commands asked (I8).
class LoopTasks {
 public:
  explicit LoopTasks(std::shared_ptr<LoopWaker> waker) : waker_(std::move(waker)) {}

  void post(std::function<void()> task) {
    bool first = false;
    {
      MutexLock lock(mutex_);
      if (closed_) {
        return;
      }
      first = tasks_.empty();
      tasks_.push_back(std::move(task));
    }
    if (first) {
      waker_->wake();
    }
  }

  /// Runs what was posted.
  void drain() {
    std::vector<std::function<void()>> tasks;
    {
      MutexLock lock(mutex_);
      tasks.swap(tasks_);
    }
    for (const std::function<void()>& task : tasks) {
      task();
    }
  }

  /// Drops what waits and what is posted from now on.
  void close() {
    std::vector<std::function<void()>> dropped;
    MutexLock lock(mutex_);
    closed_ = true;
    dropped.swap(tasks_);
  }

 private:
  const std::shared_ptr<LoopWaker> waker_;
  Mutex mutex_;
  bool closed_ GUARDED_BY(mutex_) = false;
  std::vector<std::function<void()>> tasks_ GUARDED_BY(mutex_);
};

}  // namespace consort::proxy
