// MemoryLog: a commit log whose disk the simulation holds in its hand: what was appended becomes
// durable when it says so, and a crash keeps any prefix of the rest (a torn tail).
// Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "certifier/commit_log.h"

namespace consort::sim {

class MemoryLog final : public certifier::CommitLog {
 public:
  void start(certifier::CommitLogObserver& observer) override;
  void append(Buffer record, std::uint64_t token) override;

  void release(std::uint64_t /*index*/) override {}

  /// The disk finished the next `records_max` records, or what there is.
  void sync(std::size_t records_max);

  /// The process ended. `records_kept` of those not yet durable reached the disk all the same.
  void crash(std::size_t records_kept);

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

  /// What is on disk.
  [[nodiscard]] const std::vector<Buffer>& durable() const { return durable_; }

 private:
  struct Waiting {
    Buffer record;
    std::uint64_t token = 0;
  };

  certifier::CommitLogObserver* observer_ = nullptr;
  std::vector<Buffer> durable_;
  std::deque<Waiting> waiting_;
};

}  // namespace consort::sim
