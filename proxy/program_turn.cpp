#include "proxy/program_turn.h"

#include <utility>

namespace consort::proxy {

bool ProgramTurn::runs_alone(std::string_view body,
                             const std::string& schema,
                             const router::LexerOptions& options) {
  router::ProgramScan all = router::scan_program(body, options);
  bool alone = all.commits();
  for (const router::ObjectName& called : all.calls) {
    const CallVerdict verdict =
        ask_about(called.schema.empty() ? schema : called.schema, called.name);
    if (verdict == CallVerdict::kByText) {
      const router::ProgramScan said = router::scan_literals(body, options);
      alone = alone || said.commits();
      all.unfit = all.unfit || said.unfit || said.uncertain;
      all.renames = all.renames || said.renames;
      all.makes_function = all.makes_function || said.makes_function;
      all.makes_trigger = all.makes_trigger || said.makes_trigger;
      all.names_host = all.names_host || said.names_host;
    }
    alone = alone || verdict == CallVerdict::kAlone || verdict == CallVerdict::kAloneRenames ||
            verdict == CallVerdict::kAloneTemporary;
    all.renames = all.renames || verdict == CallVerdict::kAloneRenames;
    all.makes_temporary = all.makes_temporary || verdict == CallVerdict::kAloneTemporary;
  }
  const bool copies_sequence = positions_.sequences.any() && !all.copied.empty();
  all.unfit = all.unfit || (all.names_host && forgets_accounts());
  if (!alone || all.unfit || all.uncertain || copies_sequence ||
      (all.renames && all.makes_temporary)) {
    return false;
  }
  renames_plain_ = !all.makes_temporary;
  positions_.note_made(all.makes_function, all.makes_trigger);
  return true;
}

CallVerdict ProgramTurn::ask_about(const std::string& schema, const std::string& name) {
  std::unique_lock lock(mutex_);
  answer_.reset();
  const std::uint32_t number = ++questions_;
  lock.unlock();
  const bool posted = post_commit_(CallQuestion{session_, number, schema, name});
  lock.lock();
  if (posted) {
    changed_.wait(lock, [&] { return stopping_ || (answer_ && answer_->number == number); });
  }
  const bool answered =
      answer_ && answer_->number == number && !(answer_->known.names_host && forgets_accounts());
  return answered ? answer_->known.verdict : CallVerdict::kBranch;
}

bool ProgramTurn::forgets_accounts() const {
  return positions_.accounts_forgotten.load(std::memory_order_acquire);
}

std::optional<DdlTurn> ProgramTurn::ask(DdlRequest request) {
  request.session = session_;
  std::unique_lock lock(mutex_);
  turn_.reset();
  outcome_.reset();
  locked_ = false;
  asked_ = !stopping_;
  if (!asked_) {
    return std::nullopt;
  }
  lock.unlock();
  const bool posted = post_commit_(std::move(request));
  lock.lock();
  if (posted) {
    changed_.wait(lock, [this] { return stopping_ || turn_ || outcome_; });
  }
  asked_ = false;
  if (turn_ && stopping_) {
    (void)post_commit_(DdlExecuted{turn_->seqno, turn_->backend, DdlEnd::kNotExecuted});
    return std::nullopt;
  }
  locked_ = outcome_ && outcome_->lock_wait;
  return turn_;
}

std::optional<DdlOutcome> ProgramTurn::end(const DdlExecuted& executed) {
  (void)post_commit_(executed);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ends_ || outcome_; });
  return outcome_;
}

bool ProgramTurn::on_event(const CommitEvent& event) {
  const std::lock_guard lock(mutex_);
  if (const auto* answer = std::get_if<CallAnswer>(&event)) {
    if (answer->session.slot != session_.slot) {
      return false;
    }
    answer_ = *answer;
  } else if (const auto* turn = std::get_if<DdlTurn>(&event)) {
    if (turn->session.slot != session_.slot) {
      return false;
    }
    if (!asked_ || stopping_) {
      (void)post_commit_(DdlExecuted{turn->seqno, turn->backend, DdlEnd::kNotExecuted});
      return true;
    }
    turn_ = *turn;
  } else if (const auto* outcome = std::get_if<DdlOutcome>(&event)) {
    if (outcome->session.slot != session_.slot) {
      return false;
    }
    outcome_ = *outcome;
  } else {
    return false;
  }
  changed_.notify_all();
  return true;
}

void ProgramTurn::stop(bool ends) {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  ends_ = ends_ || ends;
  changed_.notify_all();
}

}  // namespace consort::proxy
