#include "tests/sim/sim_ledger.h"

#include <algorithm>

namespace consort::sim {
namespace {

using Told = WorkRecord::Told;

/// The row of `op` is what `effect` says it must be.
bool fits(const RowEffect& effect, const RowOp* op) {
  switch (effect.kind) {
    case RowEffect::Kind::kAdded:
      return op != nullptr && op->change == RowChange::kUpdate &&
             op->after - op->before == effect.value;
    case RowEffect::Kind::kSet:
      if (op == nullptr) {
        return effect.was_there;  // deleted and inserted as it was
      }
      return op->after == effect.value &&
             op->change == (effect.was_there ? RowChange::kUpdate : RowChange::kInsert);
    case RowEffect::Kind::kGone:
      return effect.was_there ? op != nullptr && op->change == RowChange::kDelete : op == nullptr;
  }
  return false;
}

/// Nothing of it needs to be in the log.
bool leaves_nothing(const WorkRecord& record) {
  return std::all_of(record.effects.begin(), record.effects.end(),
                     [](const auto& effect) { return fits(effect.second, nullptr); });
}

bool same_rows(const WorkRecord& record, const std::vector<RowOp>& ops) {
  for (const RowOp& op : ops) {
    if (!record.effects.contains(op.row)) {
      return false;
    }
  }
  return std::all_of(record.effects.begin(), record.effects.end(), [&ops](const auto& effect) {
    const auto op = std::find_if(ops.begin(), ops.end(),
                                 [&effect](const RowOp& o) { return o.row == effect.first; });
    return fits(effect.second, op == ops.end() ? nullptr : &*op);
  });
}

std::optional<std::int64_t> expected(const SeenRow& seen, const Data& data) {
  if (!seen.own) {
    return data.value(seen.row);
  }
  switch (seen.own->kind) {
    case RowEffect::Kind::kAdded: {
      const auto before = data.value(seen.row);
      return before ? std::optional(*before + seen.own->value) : std::nullopt;
    }
    case RowEffect::Kind::kSet:
      return seen.own->value;
    case RowEffect::Kind::kGone:
      break;
  }
  return std::nullopt;
}

bool explains(const Data& data, const std::vector<SeenRow>& seen) {
  return std::all_of(seen.begin(), seen.end(),
                     [&data](const SeenRow& row) { return expected(row, data) == row.value; });
}

std::string describe(const WorkRecord& record) {
  std::string text = "client " + std::to_string(record.client) + ", branches";
  for (const BranchId& branch : record.branches) {
    text += " " + std::to_string(branch.epoch) + "/" + std::to_string(branch.counter);
  }
  for (const SeenRow& seen : record.seen) {
    text += " " + std::to_string(seen.row.table) + "/" + std::to_string(seen.row.id) + "=" +
            (seen.value ? std::to_string(*seen.value) : "-");
  }
  return text;
}

std::string check_commit(const WorkRecord& record, const SerialOracle& oracle, bool may_lose) {
  std::vector<BranchId> logged;
  std::copy_if(record.branches.begin(), record.branches.end(), std::back_inserter(logged),
               [&oracle](const BranchId& branch) { return oracle.has_branch(branch); });
  if (logged.size() > 1) {
    return "it was executed twice";
  }
  if (record.told == Told::kUndone && !logged.empty()) {
    return "its client was told that it did not happen, but it is in the log";
  }
  if (record.told != Told::kDone) {
    return {};
  }
  if (logged.empty()) {
    return leaves_nothing(record) || may_lose ? "" : "an acknowledged commit is lost";  // I4
  }
  return same_rows(record, oracle.rows_of(logged[0])) ? ""
                                                      : "the log has other rows than the client";
}

std::string check_ddl(const WorkRecord& record, const SerialOracle& oracle, bool may_lose) {
  if (!record.ddl || record.told == Told::kNothing) {
    return {};
  }
  const auto result = oracle.ddl_result(*record.ddl);
  const bool ran = result && certifier::runs(*result);
  if (record.told == Told::kDone && !ran && !may_lose) {
    return "a DDL is acknowledged that did not run";
  }
  return {};
}

/// Newest seqnos of a client's acknowledged work.
struct OwnWork {
  Seqno any;
  Seqno ddl;
  std::map<RowId, Seqno> rows;
};

Seqno must_see(const WorkRecord& record, OwnWork& own) {
  if (record.any_age) {
    return Seqno{0};
  }
  return record.row_missing ? std::max(own.ddl, own.rows[record.seen.front().row])
                            : std::max(own.any, record.at_least);
}

std::string check_reads(const WorkRecord& record,
                        const SerialOracle& oracle,
                        Seqno from,
                        bool refused) {
  if (record.seen.empty() || (record.beside_program && refused)) {
    return {};
  }
  const Seqno at_most = record.beside_program ? oracle.head() : record.at_most;
  for (Seqno seqno = from; seqno <= at_most; seqno = seqno.next()) {
    const Data* data = oracle.after(seqno);
    if (data != nullptr && explains(*data, record.seen)) {
      return {};
    }
  }
  return "no state from seqno " + std::to_string(from.value) + " to " +
         std::to_string(at_most.value) + " explains what was read";
}

}  // namespace

std::string SimLedger::check(const SerialOracle& oracle, bool may_lose, bool refused) const {
  std::map<std::size_t, OwnWork> clients;
  for (const WorkRecord& record : records_) {
    OwnWork& own = clients[record.client];
    std::string wrong = check_commit(record, oracle, may_lose);
    wrong = wrong.empty() ? check_ddl(record, oracle, may_lose) : wrong;
    wrong = wrong.empty() ? check_reads(record, oracle, must_see(record, own), refused) : wrong;
    if (!wrong.empty()) {
      return wrong + " (" + describe(record) + ")";
    }
    if (record.told == Told::kDone) {
      for (const BranchId& branch : record.branches) {
        const Seqno seqno = oracle.seqno_of(branch).value_or(Seqno{});
        own.any = std::max(own.any, seqno);
        for (const auto& [row, effect] : record.effects) {
          own.rows[row] = std::max(own.rows[row], seqno);
        }
      }
      own.ddl = std::max(own.ddl, record.ddl.value_or(Seqno{}));
      own.any = std::max(own.any, own.ddl);
    }
  }
  return {};
}

}  // namespace consort::sim
