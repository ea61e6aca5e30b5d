#include "proxy/backend_controller.h"

#include <algorithm>
#include <utility>

#include <mysql.h>

#include "base/check.h"
#include "healthcheck/server_probe.h"
#include "proxy/branch_rollback.h"

namespace consort::proxy {

namespace {

using healthcheck::ServerLink;
using healthcheck::SqlRows;

Result<Ok> kill(ServerLink& link, std::string_view what, std::uint64_t thread_id) {
  const auto killed = link.query("KILL " + std::string(what) + " " + std::to_string(thread_id));
  if (!killed.ok() && killed.error().code != healthcheck::kNoSuchThread) {
    return killed.error();
  }
  return Ok{};
}

std::string holder_sql(ServerKind kind, std::uint64_t thread_id) {
  if (kind == ServerKind::kMysql) {
    // THREAD_ID of a detached branch's locks is still that of who has prepared it: INNODB_TRX knows
    // that it has none. A waiting request is of its own thread.
    return "SELECT b.trx_mysql_thread_id, b.trx_id,"
           " CONCAT('`', l.OBJECT_SCHEMA, '`.`', l.OBJECT_NAME, '`'), l.INDEX_NAME, l.LOCK_DATA,"
           " b.trx_requested_lock_id IS NOT NULL"
           " FROM performance_schema.threads t"
           " JOIN performance_schema.data_lock_waits w ON w.REQUESTING_THREAD_ID = t.THREAD_ID"
           " JOIN information_schema.INNODB_TRX b"
           " ON b.trx_id = w.BLOCKING_ENGINE_TRANSACTION_ID"
           " LEFT JOIN performance_schema.data_locks l"
           " ON l.ENGINE_LOCK_ID = w.BLOCKING_ENGINE_LOCK_ID"
           " WHERE t.PROCESSLIST_ID = " +
           std::to_string(thread_id) +
           " ORDER BY w.BLOCKING_ENGINE_LOCK_ID <=> b.trx_requested_lock_id LIMIT 1";
  }
  return "SELECT b.trx_mysql_thread_id, b.trx_id, l.lock_table, l.lock_index, l.lock_data,"
         " b.trx_requested_lock_id IS NOT NULL"
         " FROM information_schema.INNODB_TRX r"
         " JOIN information_schema.INNODB_LOCK_WAITS w ON w.requesting_trx_id = r.trx_id"
         " JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id"
         " LEFT JOIN information_schema.INNODB_LOCKS l ON l.lock_id = w.blocking_lock_id"
         " WHERE r.trx_mysql_thread_id = " +
         std::to_string(thread_id) +
         // Who only stands in line before the lane, behind the holder, is shown as blocking, too.
         " ORDER BY w.blocking_lock_id <=> b.trx_requested_lock_id LIMIT 1";
}

Result<std::optional<LockHolder>> look_up_holder(ServerLink& link, std::uint64_t lane_thread_id) {
  const auto rows = link.query(holder_sql(link.kind(), lane_thread_id));
  if (!rows.ok()) {
    return rows.error();
  }
  if (rows->rows.empty()) {
    return std::optional<LockHolder>();
  }
  const auto& row = rows->rows[0];
  LockHolder holder;
  holder.thread_id = healthcheck::cell_number(row[0]);
  holder.trx_id = healthcheck::cell_number(row[1]);
  holder.table = row[2].value_or("");
  holder.index = row[3].value_or("");
  holder.lock_data = row[4].value_or("");
  holder.waits = healthcheck::cell_number(row[5]) != 0;
  return std::optional<LockHolder>(std::move(holder));
}

}  // namespace

BackendController::BackendController(ControllerOptions options)
    : options_(std::move(options)),
      link_(options_.target, options_.timeouts),
      mailbox_(options_.commands_max),
      connect_gap_(options_.reconnect_gap) {}

BackendController::~BackendController() {
  stop();
}

void BackendController::start() {
  CHECK(!thread_.joinable());
  thread_ = std::thread([this] { thread_main(); });
}

void BackendController::stop() {
  mailbox_.close();
  if (thread_.joinable()) {
    thread_.join();
  }
}

bool BackendController::roll_back_branch(const RollBackBranch& what, Done<BranchEnd> done) {
  auto rollback = std::make_shared<BranchRollback>(options_.cluster, what,
                                                   clock_.now() + options_.rollback_max);
  return post(
      [this, rollback, done = std::move(done)](ServerLink* link, const Error& why_not) -> Retry {
        if (link == nullptr) {
          done(why_not);
          return std::nullopt;
        }
        const BranchRollback::Step step = rollback->step(*link, clock_.now());
        if (step.result) {
          done(*step.result);
          return std::nullopt;
        }
        return step.again_after;
      });
}

bool BackendController::kill_query(std::uint64_t thread_id, KillTicket ticket, Done<Ok> done) {
  return post_work<Ok>(
      Repeat::kOnce,
      [thread_id, ticket = std::move(ticket)](ServerLink& link) -> Result<Ok> {
        if (!ticket.begin()) {
          return Ok{};
        }
        Result<Ok> killed = kill(link, "QUERY", thread_id);
        ticket.end(link.connected());
        return killed;
      },
      std::move(done));
}

bool BackendController::kill_connection(std::uint64_t thread_id, Done<Ok> done) {
  return post_work<Ok>(
      Repeat::kOnce, [thread_id](ServerLink& link) { return kill(link, "CONNECTION", thread_id); },
      std::move(done));
}

bool BackendController::find_lock_holder(std::uint64_t lane_thread_id,
                                         Done<std::optional<LockHolder>> done) {
  return post_work<std::optional<LockHolder>>(
      Repeat::kOnce,
      [lane_thread_id](ServerLink& link) { return look_up_holder(link, lane_thread_id); },
      std::move(done));
}

bool BackendController::load_accounts(Done<std::shared_ptr<const AccountSet>> done) {
  return post_work<std::shared_ptr<const AccountSet>>(
      Repeat::kOnce,
      [](ServerLink& link) -> Result<std::shared_ptr<const AccountSet>> {
        auto accounts = proxy::load_accounts(link.handle());
        if (!accounts.ok() && healthcheck::is_link_error(accounts.error().code)) {
          link.close();
        }
        return accounts;
      },
      std::move(done));
}

bool BackendController::xa_recover(Done<std::vector<PreparedBranch>> done) {
  return post_work<std::vector<PreparedBranch>>(Repeat::kOnce, list_prepared_branches,
                                                std::move(done));
}

bool BackendController::run_sql(std::string sql, Done<SqlRows> done) {
  return post_work<SqlRows>(
      Repeat::kNever, [sql = std::move(sql)](ServerLink& link) { return link.query(sql); },
      std::move(done));
}

bool BackendController::run_sql(std::function<std::string(ServerKind)> sql, Done<SqlRows> done) {
  return post_work<SqlRows>(
      Repeat::kNever,
      [sql = std::move(sql)](ServerLink& link) { return link.query(sql(link.kind())); },
      std::move(done));
}

bool BackendController::run(std::function<Status(ServerLink&)> work, Done<Ok> done) {
  return post_work<Ok>(
      Repeat::kNever,
      [work = std::move(work)](ServerLink& link) -> Result<Ok> {
        Status status = work(link);
        if (!status.ok() && healthcheck::is_link_error(status.error().code)) {
          link.close();
        }
        return status;
      },
      std::move(done));
}

bool BackendController::probe(const healthcheck::ProbeRequest& request,
                              std::function<void(healthcheck::ProbeResult)> done) {
  Command command;
  command.urgent = true;
  command.connects_by_itself = true;
  command.attempt = [this, request, done = std::move(done)](ServerLink* link,
                                                            const Error& why_not) -> Retry {
    healthcheck::ProbeResult result;
    if (link == nullptr) {  // the controller stops
      result.failure = healthcheck::ProbeFailure::kReset;
      result.message = why_not.message;
    } else {
      result = healthcheck::ServerProbe(*link, clock_).run(request);
      note_connection(link->connected(), make_error(result.message));
    }
    done(std::move(result));
    return std::nullopt;
  };
  return mailbox_.post(std::move(command));
}

template <typename T>
bool BackendController::post_work(Repeat repeat,
                                  std::function<Result<T>(ServerLink&)> work,
                                  Done<T> done) {
  auto repeats_left = std::make_shared<int>(repeat == Repeat::kOnce ? 1 : 0);
  return post([work = std::move(work), done = std::move(done), repeats_left](
                  ServerLink* link, const Error& why_not) -> Retry {
    if (link == nullptr) {
      done(why_not);
      return std::nullopt;
    }
    Result<T> result = work(*link);
    if (!result.ok() && !link->connected() && (*repeats_left)-- > 0) {
      return Duration::zero();  // the connection may have been dead for long: once more on a new
                                // one
    }
    done(std::move(result));
    return std::nullopt;
  });
}

bool BackendController::post(Attempt attempt) {
  Command command;
  command.attempt = std::move(attempt);
  return mailbox_.post(std::move(command));
}

void BackendController::thread_main() {
  std::vector<Command> arrived;
  const auto take = [this, &arrived](TimePoint deadline) {
    const bool open = mailbox_.wait_until(deadline, arrived);
    std::move(arrived.begin(), arrived.end(), std::back_inserter(commands_));
    return open;
  };
  while (take(next_due())) {
    run_due();
  }
  const Error why_not = make_error(options_.name + ": the controller stopped");
  for (const Command& command : commands_) {
    static_cast<void>(command.attempt(nullptr, why_not));
  }
  commands_.clear();
  link_.close();
  mysql_thread_end();
}

/// Runs one due command: the urgent before the others, then the oldest. Then looks at the mailbox
/// again, so that a probe never waits behind a whole queue.
void BackendController::run_due() {
  const TimePoint now = clock_.now();
  auto chosen = commands_.end();
  for (auto it = commands_.begin(); it != commands_.end(); ++it) {
    if (it->due <= now && (chosen == commands_.end() || (it->urgent && !chosen->urgent))) {
      chosen = it;
    }
  }
  if (chosen == commands_.end()) {
    return;
  }
  Command command = std::move(*chosen);
  commands_.erase(chosen);
  const Retry retry = run_one(command);
  if (retry) {
    command.due = clock_.now() + *retry;
    commands_.push_back(std::move(command));
  }
}

BackendController::Retry BackendController::run_one(const Command& command) {
  if (!command.connects_by_itself && !link_.connected()) {
    if (clock_.now() < next_connect_) {
      return command.attempt(nullptr, connect_error_);
    }
    const Status status = link_.connect();
    note_connection(status.ok(), status.ok() ? Error{} : status.error());
    if (!status.ok()) {
      return command.attempt(nullptr, connect_error_);
    }
  }
  return command.attempt(&link_, Error{});
}

void BackendController::note_connection(bool connected, const Error& why_not) {
  if (connected) {
    connect_gap_ = options_.reconnect_gap;
    next_connect_ = TimePoint{};
    return;
  }
  connect_error_ = Error{why_not.code, options_.name + ": not connected: " + why_not.message};
  next_connect_ = clock_.now() + connect_gap_;
  connect_gap_ = std::min(connect_gap_ * 2, options_.reconnect_gap_max);
}

TimePoint BackendController::next_due() const {
  TimePoint next = clock_.now() + std::chrono::hours(1);
  for (const Command& command : commands_) {
    next = std::min(next, command.due);
  }
  return next;
}

}  // namespace consort::proxy
