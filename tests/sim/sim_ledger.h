// SimLedger: what clients did, saw and were told, and whether the log agrees: acknowledged work is
// in it exactly once and as it was done, refused work is not, and what was read is the state after
// one seqno, not older than the client's own commits.
// Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "tests/sim/model_rows.h"
#include "tests/sim/serial_oracle.h"

namespace consort::sim {

/// What a transaction has made of a row so far.
struct RowEffect {
  enum class Kind : std::uint8_t { kAdded, kSet, kGone };
  Kind kind = Kind::kAdded;
  std::int64_t value = 0;  ///< added, or set
  bool was_there = true;   ///< before the transaction
};

/// A row as a read showed it.
struct SeenRow {
  RowId row;
  std::optional<std::int64_t> value;
  std::optional<RowEffect> own;  ///< what the transaction had done to it before
};

/// A transaction, or a statement outside of one.
struct WorkRecord {
  enum class Told : std::uint8_t { kNothing, kDone, kUndone };

  std::size_t client = 0;
  Told told = Told::kNothing;
  std::vector<BranchId> branches;  ///< begun for it
  std::map<RowId, RowEffect> effects;
  std::vector<SeenRow> seen;
  Seqno at_least;  ///< the reads must be as new as this, and as the client's commits
  Seqno at_most;   ///< nothing newer existed
  bool any_age = false;
  /// A program committed by itself meanwhile: a read at its home sees that before the log has it.
  bool beside_program = false;
  /// `seen` is one row that a write outside of a transaction did not find. It may have begun early:
  /// then it has seen the client's own commits and, of others', what its home had applied.
  bool row_missing = false;
  std::optional<Seqno> ddl;
};

class SimLedger {
 public:
  /// The reference stays valid.
  [[nodiscard]] WorkRecord& open(std::size_t client) {
    records_.emplace_back();
    records_.back().client = client;
    return records_.back();
  }

  /// What is wrong, or empty. `may_lose`: acknowledged commits may be gone with a proxy. `refused`:
  /// a program's home was, with what it had committed last.
  [[nodiscard]] std::string check(const SerialOracle& oracle, bool may_lose, bool refused) const;

  [[nodiscard]] const std::deque<WorkRecord>& records() const { return records_; }

 private:
  std::deque<WorkRecord> records_;
};

}  // namespace consort::sim
