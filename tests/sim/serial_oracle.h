// SerialOracle: executes the durable log one entry after the other. What it holds after entry n is
// what every backend at position n must hold, and every row image in the log must fit it: then the
// concurrent execution equals a serial one in log order.
// Threads: none.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "certifier/entry_chunks.h"
#include "certifier/writeset.h"
#include "tests/sim/model_rows.h"

namespace consort::sim {

class SerialOracle {
 public:
  explicit SerialOracle(certifier::EntryLimits limits) : assembler_(limits) {}

  /// Reads what is new in `records`. What is wrong with it, or empty.
  [[nodiscard]] std::string read(const std::vector<Buffer>& records);

  /// The newest durable seqno.
  [[nodiscard]] Seqno head() const { return head_; }

  /// The data after `seqno`; null while a DDL before it is undecided.
  [[nodiscard]] const Data* after(Seqno seqno) const;

  [[nodiscard]] bool has_branch(const BranchId& branch) const { return branches_.contains(branch); }

  [[nodiscard]] std::optional<Seqno> seqno_of(const BranchId& branch) const;

  /// The rows of a logged branch. REQUIRES: has_branch().
  [[nodiscard]] const std::vector<RowOp>& rows_of(const BranchId& branch) const {
    return branches_.at(branch).rows;
  }

  /// What was decided about a DDL; nullopt: nothing yet.
  [[nodiscard]] std::optional<certifier::DdlOutcome> ddl_result(Seqno seqno) const;

  /// A part of a program, and where that ran.
  struct Part {
    Seqno program;
    BackendId home;
  };

  /// The entry of `seqno`, when it is one.
  [[nodiscard]] std::optional<Part> part_at(Seqno seqno) const {
    const auto found = part_at_.find(seqno);
    return found == part_at_.end() ? std::nullopt : std::optional(found->second);
  }

  /// How many parts of the program the log has.
  [[nodiscard]] std::size_t parts_of(Seqno program) const {
    const auto found = parts_.find(program);
    return found == parts_.end() ? 0 : found->second;
  }

  /// How many entries were executed.
  [[nodiscard]] std::size_t executed() const { return states_.size() - 1; }

 private:
  struct Logged {
    Seqno seqno;
    std::vector<RowOp> rows;
  };

  [[nodiscard]] std::string take(certifier::LogEntry entry);
  [[nodiscard]] std::string execute(const certifier::Writeset& writeset, Seqno seqno, Data& data);
  [[nodiscard]] std::string advance();

  certifier::EntryAssembler assembler_;
  std::size_t records_read_ = 0;
  Seqno head_;
  std::deque<certifier::LogEntry> undecided_;  ///< from the first DDL without a result
  std::map<Seqno, certifier::DdlOutcome> results_;
  Seqno open_program_;  ///< without a result
  std::map<Seqno, std::size_t> parts_;
  std::map<Seqno, Part> part_at_;
  std::map<BranchId, Logged> branches_;
  std::vector<Data> states_{initial_data()};  ///< index = seqno
};

}  // namespace consort::sim
