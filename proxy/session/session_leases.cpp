// SessionCore: getting a backend connection that is fresh enough, and trying again.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

namespace {

constexpr std::chrono::milliseconds kRetryDelay{50};
// Seqnos that a home may be behind a session which does not wait for it.
constexpr std::uint64_t kHeldLagMax = 128;

}  // namespace

bool SessionCore::home_usable() {
  const bool may_stay = (home_lease_.held() && !pins_.empty()) || job_.uses_locks;
  return home_ && (effects_.serves(*home_) || (may_stay && effects_.tolerates(*home_)));
}

bool SessionCore::acquire_home() {
  if (job_.uses_locks && !at_lock_home()) {
    return false;
  }
  if (transaction_.on_backend()) {
    CHECK(home_lease_.held());
    return true;
  }
  if (waits_for_kill()) {
    return false;
  }
  if (!home_usable()) {
    choose_new_home();
    if (!home_) {
      return false;
    }
  }
  if (job_.kind == JobKind::kOrdered && !job_.commit_first && !ordered_.program &&
      !lacks_ddl_collation()) {
    return true;  // its turn may come on another backend: leased then
  }
  const Seqno needed = needed_at_home();
  if (effects_.applied(*home_) < needed) {
    effects_.metrics().freshness_waits.add();
    effects_.wait_applied(*home_, false, needed);
    return false;
  }
  if (!home_lease_.held()) {
    effects_.lease(Channel::kHome, *home_);
    return false;
  }
  return !lost_kept_commit();
}

// What the home must have applied before the statement may begin there.
Seqno SessionCore::needed_at_home() {
  if (effects_.read_consistency() == ReadConsistency::kStrong) {
    return std::max(commits_.newest(), effects_.head());
  }
  if (!meets_held_commits()) {
    return commits_.newest();
  }
  // Not too far ahead of the lane: it would fall behind for good, and conflicts with it grow.
  const std::uint64_t newest = commits_.newest().value;
  const Seqno near{newest > kHeldLagMax ? newest - kHeldLagMax : 0};
  return std::max(near, commits_.newest_not_held(*home_, effects_.lane_generation(*home_)));
}

// Whether the statement cannot miss a commit of this session that its home still holds as a
// prepared branch: whatever it reads, it reads under locks, and waits for the branch's where they
// meet. Nobody else's statement hides in it (a function's, a trigger's SELECT takes no locks), and
// the isolation level makes none of its reads lock-free. Decision 0010.
bool SessionCore::meets_held_commits() {
  if (!job_.reads_under_locks || !home_lease_.held() || has_temporary() ||
      next_transaction_.pending() || effects_.stored_functions() || effects_.triggers() ||
      state_.variable("innodb_lock_wait_timeout")) {
    return false;
  }
  // At SERIALIZABLE the server opens a read view before it locks the first row, and what is
  // committed while the statement waits is a changed record (1020, measured).
  return isolation_on(Channel::kHome) == "REPEATABLE-READ";
}

std::string_view SessionCore::isolation_on(Channel channel) {
  auto isolation = state_.variable("tx_isolation");
  isolation = isolation ? isolation : state_.variable("transaction_isolation");
  return isolation.value_or(lease_of(channel).connection().isolation);
}

void SessionCore::choose_new_home() {
  if (home_lease_.held()) {
    if (!pins_.empty()) {
      give_back(Channel::kHome, false);
      close_with(protocol::server_shutdown_error());
      home_.reset();
      return;
    }
    give_back(Channel::kHome, true);
  }
  const SessionEffects::Choice choice = effects_.choose_home();
  if (choice.found) {
    home_ = choice.backend;
    return;
  }
  home_.reset();
  retry_job();
}

bool SessionCore::acquire_reader() {
  if (read_lease_.held()) {
    if (effects_.applied(read_lease_.connection().backend) >= job_.at_least) {
      return true;
    }
    give_back(Channel::kRead, true);  // a crash took commits from it while the lease was made
  }
  if (job_.any_backend) {
    const SessionEffects::Choice choice = effects_.choose_reader(job_.at_least);
    if (!choice.found) {
      if (!job_.waited && job_.at_least.value > 0) {
        effects_.metrics().freshness_waits.add();
        effects_.wait_applied(home_.value_or(BackendId{}), true, job_.at_least);
      } else {
        retry_job();
      }
      return false;
    }
    job_.backend = choice.backend;
  } else if (effects_.applied(job_.backend) < job_.at_least) {
    effects_.wait_applied(job_.backend, false, job_.at_least);
    return false;
  }
  if (home_lease_.held() && home_ == job_.backend && !home_kill_.pending()) {
    job_.channel = Channel::kHome;  // one connection less
    return true;
  }
  effects_.lease(Channel::kRead, job_.backend);
  return false;
}

void SessionCore::retry_job() {
  // Nothing of the command has happened; another backend, or the same a little later, may do.
  if (++job_.attempts > options_.attempts_max) {
    effects_.metrics().count_client_error(ClientErrorClass::kUnavailable);
    fail_job(lease_error_ ? *lease_error_
                          : protocol::no_backend_error("no backend is online and fresh enough"));
    return;
  }
  if (job_.reader) {
    job_.channel = Channel::kRead;
  }
  job_.begun = false;
  job_.begins_alone = false;
  watches_order_ = false;
  phase_ = SessionPhase::kAwaitingBackend;
  effects_.retry_after(kRetryDelay);
}

/// No connection can be had for the command.
void SessionCore::fail_job(const protocol::SqlError& error) {
  // Only START TRANSACTION has begun nothing then. Another statement that fails ends no
  // transaction: what follows it would commit by itself.
  if (job_.kind == JobKind::kSnapshot) {
    transaction_over();
  }
  if (job_.kind == JobKind::kLogin) {
    refuse_login(error);
  } else {
    reply_error(error);
  }
}

void SessionCore::on_retry_due() {
  if (std::exchange(watches_order_, false)) {
    if (phase_ == SessionPhase::kOrdering) {
      look_at_order();
    }
    return;
  }
  if (phase_ == SessionPhase::kAwaitingBackend) {
    if (job_.channel == Channel::kHome && job_.kind != JobKind::kNone && !home_lease_.held() &&
        !pins_.empty()) {
      close_with(protocol::server_shutdown_error());
      return;
    }
    job_.waited = false;
    advance_job();
  }
}

void SessionCore::on_applied() {
  if (phase_ == SessionPhase::kAwaitingBackend) {
    advance_job();
  }
}

void SessionCore::on_applied_timeout() {
  if (phase_ != SessionPhase::kAwaitingBackend) {
    return;
  }
  job_.waited = true;
  if (job_.channel == Channel::kHome && !home_lease_.held()) {
    home_.reset();  // its lane stands still: another home may be further
  }
  retry_job();
}

void SessionCore::on_leased(Channel channel, const LeasedConnection& connection) {
  lease_of(channel).take(connection);
  if (channel == Channel::kHome) {
    home_kill_ = {};
    diagnostics_.on_home_leased();
    home_has_traces_ = false;
    home_settings_doubtful_ = false;
    home_left_schema_ = false;
    home_transaction_settings_stale_ = next_transaction_.pending();  // it was said elsewhere
    insert_id_.on_home_leased(connection.insert_id);
    yielding_ = false;
    moving_ = false;
    variables_stay_ = false;
  } else {
    read_kill_ = {};
  }
  if (phase_ == SessionPhase::kOrdering) {
    send_job();
  } else if (phase_ == SessionPhase::kAwaitingBackend) {
    advance_job();
  }
}

/// Its schema is gone, which no other connection can enter any more: the home's is in it.
bool SessionCore::reads_at_home_instead(Channel channel, const protocol::SqlError& error) const {
  constexpr std::uint16_t kNoSuchSchema = 1049;
  return channel == Channel::kRead && error.code == kNoSuchSchema && home_lease_.held() &&
         !home_left_schema_ && job_.any_backend;
}

/// The session goes on without a variable that no new connection takes any more.
bool SessionCore::gives_up_setting(const protocol::SqlError& error) {
  const std::optional<std::string_view> name = state_.refused_variable(error.code, error.message);
  if (!name) {
    return false;
  }
  if (read_lease_.held()) {  // it still has the variable
    give_back(Channel::kRead, false);
  }
  home_has_traces_ = home_has_traces_ || home_lease_.held();
  state_.forget_variable(*name);
  return true;
}

void SessionCore::on_lease_failed(Channel channel, const LeaseFailure& failure) {
  if (phase_ != SessionPhase::kAwaitingBackend && phase_ != SessionPhase::kOrdering) {
    return;
  }
  if (!failure.retryable && gives_up_setting(failure.error)) {
    if (phase_ == SessionPhase::kOrdering) {
      effects_.lease(Channel::kHome, *home_);
    } else {
      advance_job();
    }
    return;
  }
  if (phase_ == SessionPhase::kOrdering && !failure.retryable) {
    refuse_turn(failure.error);
    return;
  }
  if (phase_ == SessionPhase::kOrdering) {
    (void)effects_.post_commit(DdlExecuted{ordered_.seqno, *home_, DdlEnd::kLost});
    return;  // the commit thread gives another turn, or decides
  }
  if (reads_at_home_instead(channel, failure.error)) {
    job_.any_backend = false;
    job_.backend = *home_;
    advance_job();
    return;
  }
  if (!failure.retryable) {
    fail_job(failure.error);
    return;
  }
  lease_error_ = failure.error;
  if (channel == Channel::kHome) {
    home_.reset();
  }
  retry_job();
}

void SessionCore::give_back(Channel channel, bool reusable) {
  // A reply, or a KILL QUERY, that is still to come would reach whoever leases the connection next.
  KillTicket& kill = channel == Channel::kHome ? home_kill_ : read_kill_;
  kill.withdraw();
  reusable = reusable && !lease_of(channel).owes_reply() && !kill.pending();
  if (channel == Channel::kHome) {
    reusable = reusable && !home_left_schema_;
    insert_id_.on_home_left();
    taken_numbers_.on_home_left();
  }
  lease_of(channel).forget();
  effects_.release(channel, reusable);
}

}  // namespace consort::proxy
