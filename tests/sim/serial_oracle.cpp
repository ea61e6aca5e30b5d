#include "tests/sim/serial_oracle.h"

#include <utility>

namespace consort::sim {
namespace {

using certifier::DdlOutcome;
using certifier::LogEntry;

std::string at(Seqno seqno) {
  return " at seqno " + std::to_string(seqno.value);
}

}  // namespace

std::string SerialOracle::read(const std::vector<Buffer>& records) {
  for (; records_read_ < records.size(); ++records_read_) {
    auto fed = assembler_.feed(records[records_read_]);
    if (!fed.ok()) {
      return "log: " + fed.error().message;
    }
    if (*fed) {
      auto entry = certifier::decode_entry(**fed);
      if (!entry.ok()) {
        return "log: " + entry.error().message;
      }
      if (std::string wrong = take(std::move(entry).value()); !wrong.empty()) {
        return wrong;
      }
    }
  }
  return advance();
}

std::string SerialOracle::take(LogEntry entry) {
  if (const auto* result = std::get_if<certifier::DdlResult>(&entry.body)) {
    if (!results_.emplace(result->ddl, result->outcome).second) {
      return "a second result for the DDL" + at(result->ddl);
    }
    open_program_ = result->ddl == open_program_ ? Seqno{} : open_program_;
  }
  if (!entry.takes_seqno()) {
    return {};
  }
  if (entry.seqno != head_.next()) {
    return "seqnos are not dense" + at(entry.seqno);  // I3
  }
  head_ = entry.seqno;
  if (entry.is_program()) {
    open_program_ = entry.seqno;
  }
  if (const certifier::ProgramPart* part = entry.part()) {
    if (part->program != open_program_) {
      return "a part of a program that is not under way" + at(entry.seqno);
    }
    ++parts_[part->program];
    const certifier::Writeset* rows = entry.writeset();
    part_at_[entry.seqno] = {part->program, rows != nullptr ? rows->home : entry.ddl()->home};
  } else if (open_program_ != Seqno{} && !entry.is_program()) {
    return "something else than a part of the program under way" + at(entry.seqno);
  }
  if (const certifier::Writeset* writeset = entry.writeset()) {
    const Logged logged{entry.seqno, decode_rows(writeset->payload)};
    if (!writeset->part.any() && !branches_.emplace(writeset->branch, logged).second) {
      return "a branch twice" + at(entry.seqno);
    }
  }
  undecided_.push_back(std::move(entry));
  return {};
}

std::string SerialOracle::advance() {
  while (!undecided_.empty()) {
    const LogEntry& entry = undecided_.front();
    Data data = states_.back();
    if (const certifier::Writeset* writeset = entry.writeset()) {
      if (std::string wrong = execute(*writeset, entry.seqno, data); !wrong.empty()) {
        return wrong;
      }
    } else {
      const auto result = results_.find(entry.seqno);
      const bool part = entry.part() != nullptr;  // its home has executed it
      if (result == results_.end() && !part) {
        return {};
      }
      const DdlOutcome outcome = part ? DdlOutcome::kRun : result->second;
      if (certifier::runs(outcome)) {
        const std::uint16_t error = data.execute_ddl(entry.ddl()->sql);
        if (error != 0 && outcome == DdlOutcome::kRun) {
          return "a DDL that cannot have succeeded" + at(entry.seqno);
        }
      }
    }
    states_.push_back(std::move(data));
    undecided_.pop_front();
  }
  return {};
}

std::string SerialOracle::execute(const certifier::Writeset& writeset, Seqno seqno, Data& data) {
  for (const RowOp& op : decode_rows(writeset.payload)) {
    const auto before = data.value(op.row);
    const bool fits = op.change == RowChange::kInsert ? !before : before == op.before;
    if (!fits) {
      return "lost update: row " + std::to_string(op.row.table) + "/" + std::to_string(op.row.id) +
             " was " + (before ? std::to_string(*before) : "absent") + ", its transaction saw " +
             std::to_string(op.before) + at(seqno);  // I10
    }
    data.set(op.row, op.change == RowChange::kDelete ? std::nullopt : std::optional(op.after));
  }
  for (const auto& [row, value] : data.rows) {
    if (row.table == kChildren && !data.value({kParents, static_cast<std::uint32_t>(value)})) {
      return "a child without its parent" + at(seqno);
    }
  }
  return {};
}

const Data* SerialOracle::after(Seqno seqno) const {
  return seqno.value < states_.size() ? &states_[seqno.value] : nullptr;
}

std::optional<Seqno> SerialOracle::seqno_of(const BranchId& branch) const {
  const auto found = branches_.find(branch);
  return found == branches_.end() ? std::nullopt : std::optional(found->second.seqno);
}

std::optional<DdlOutcome> SerialOracle::ddl_result(Seqno seqno) const {
  const auto found = results_.find(seqno);
  return found == results_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace consort::sim
