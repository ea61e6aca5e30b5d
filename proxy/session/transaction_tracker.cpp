#include "proxy/session/transaction_tracker.h"

#include "proxy/session/statement_rules.h"

namespace consort::proxy {

using router::AccessMode;
using router::IsolationLevel;

namespace {

constexpr std::string_view kSetLevel = "SET TRANSACTION ISOLATION LEVEL ";
constexpr std::string_view kReadOnly = "READ ONLY";
constexpr std::string_view kReadWrite = "READ WRITE";

std::string_view to_text(AccessMode access) {
  return access == AccessMode::kReadOnly ? kReadOnly : kReadWrite;
}

}  // namespace

void TransactionTracker::set_level(std::string_view value) {
  const bool was_on = on();
  if (value == "STATE" || value == "1") {
    level_ = Level::kState;
  } else if (value == "CHARACTERISTICS" || value == "2") {
    level_ = Level::kCharacteristics;
  } else {
    level_ = Level::kOff;
    return;
  }
  if (!was_on) {
    state_ = told_ = kEmpty;
    state_due_ = true;
  }
  characteristics_due_ = characteristics_due_ || level_ == Level::kCharacteristics;
  note_change();
}

// As the server does it, characteristics change whatever the level; where they are not told, the
// packet's flag alone says that something has changed.
void TransactionTracker::begin(AccessMode access, bool snapshot) {
  if (!on()) {
    return;
  }
  if (access != AccessMode::kUnset) {
    access_ = access;
  }
  snapshot_ = snapshot;
  state_ = snapshot ? "T_R_____" : "T_______";
  characteristics_due_ = true;
  note_change();
}

void TransactionTracker::end() {
  if (on()) {
    characteristics_due_ = characteristics_due_ || state_[kKind] == 'T';
    state_ = kEmpty;
    snapshot_ = false;
    note_change();
  }
}

void TransactionTracker::use_up_next() {
  if (on() &&
      (access_ != AccessMode::kUnset || isolation_ != IsolationLevel::kUnset || next_unknown_)) {
    access_ = AccessMode::kUnset;
    isolation_ = IsolationLevel::kUnset;
    next_unknown_ = false;
    characteristics_due_ = true;
    note_change();
  }
}

void TransactionTracker::on_rows() {
  if (on() && open()) {
    state_[kRows] = 'S';
    note_change();
  }
}

void TransactionTracker::on_state(std::string_view state, bool autocommit) {
  if (!on() || state.size() != kEmpty.size()) {
    return;
  }
  if (!open()) {
    const bool uses_tables = state.substr(1, 4) != kEmpty.substr(1, 4);
    if (autocommit || !uses_tables) {
      return;  // tracking began amid the transaction: it does not know this one
    }
    state_[kKind] = 'I';
  }
  state_.replace(kKind + 1, kRows - 1, state.substr(kKind + 1, kRows - 1));
  if (snapshot_) {
    state_[kReads] = 'R';
  }
  note_change();
}

void TransactionTracker::change_next(AccessMode access, IsolationLevel isolation) {
  if (on()) {
    characteristics_due_ = characteristics_due_ || access != access_ || isolation != isolation_;
    access_ = access;
    isolation_ = isolation;
    note_change();
  }
}

void TransactionTracker::set_next(AccessMode access, IsolationLevel isolation) {
  change_next(access == AccessMode::kUnset ? access_ : access,
              isolation == IsolationLevel::kUnset ? isolation_ : isolation);
}

void TransactionTracker::unset_next(AccessMode access, IsolationLevel isolation) {
  change_next(access == AccessMode::kUnset ? access_ : AccessMode::kUnset,
              isolation == IsolationLevel::kUnset ? isolation_ : IsolationLevel::kUnset);
}

void TransactionTracker::on_next(std::string_view characteristics) {
  AccessMode access = AccessMode::kUnset;
  IsolationLevel isolation = IsolationLevel::kUnset;
  if (const std::size_t at = characteristics.find(kSetLevel); at != std::string_view::npos) {
    const std::string_view name = characteristics.substr(at + kSetLevel.size());
    for (const IsolationLevel level : kIsolationLevels) {
      isolation = name.starts_with(isolation_sql(level)) ? level : isolation;
    }
  }
  if (characteristics.find("TRANSACTION READ ONLY") != std::string_view::npos) {
    access = AccessMode::kReadOnly;
  } else if (characteristics.find("TRANSACTION READ WRITE") != std::string_view::npos) {
    access = AccessMode::kReadWrite;
  }
  change_next(access, isolation);
}

void TransactionTracker::on_next_changed() {
  if (on()) {
    next_unknown_ = !next_unknown_;
    characteristics_due_ = true;
    note_change();
  }
}

void TransactionTracker::tell(protocol::SessionChanges& changes) {
  if (!due()) {
    return;
  }
  if (state_due_ || state_ != told_) {
    told_ = state_;
    changes.transaction_state = told_;
  }
  changes.announced = true;
  if (characteristics_due_ && level_ == Level::kCharacteristics) {
    build_characteristics();
    changes.transaction_characteristics = characteristics_;
  }
  changed_ = false;
  state_due_ = false;
  characteristics_due_ = false;
}

void TransactionTracker::build_characteristics() {
  std::string& out = characteristics_;
  out.clear();
  if (isolation_ != IsolationLevel::kUnset) {
    out.append(kSetLevel).append(isolation_sql(isolation_)).append("; ");
  }
  const bool says_access = access_ != AccessMode::kUnset;
  if (state_[kKind] == 'T') {
    out += "START TRANSACTION";
    if (snapshot_) {
      out += says_access ? " WITH CONSISTENT SNAPSHOT," : " WITH CONSISTENT SNAPSHOT";
    }
    if (says_access) {
      out.append(" ").append(to_text(access_));
    }
    out += "; ";
  } else if (says_access) {
    out.append("SET TRANSACTION ").append(to_text(access_)).append("; ");
  }
  if (!out.empty()) {
    out.pop_back();
  }
}

}  // namespace consort::proxy
