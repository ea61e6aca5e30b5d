// Mutex: std::mutex with clang's thread-safety annotations, so -Wthread-safety checks its use.
// Guards a few values between threads, never I/O.
#pragma once

#include <mutex>

#if defined(__clang__)
#define CONSORT_TSA(x) __attribute__((x))
#else
#define CONSORT_TSA(x)
#endif

#define GUARDED_BY(x) CONSORT_TSA(guarded_by(x))

namespace consort {

class CONSORT_TSA(capability("mutex")) Mutex {
 public:
  void lock() CONSORT_TSA(acquire_capability()) { mutex_.lock(); }

  void unlock() CONSORT_TSA(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class CONSORT_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) CONSORT_TSA(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }

  ~MutexLock() CONSORT_TSA(release_capability()) { mutex_.unlock(); }

  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace consort
