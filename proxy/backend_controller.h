// BackendController: one thread and one blocking control connection per backend.
// Other threads post commands; each command's `done` is called on the controller's thread, exactly
// once, also when the controller stops (with an error). `done` must not block: it posts the result
// into its owner's mailbox. Nothing takes longer than the link's timeouts, and while the backend
// cannot be reached commands fail at once, so a hung server never fills the queue.
// Threads: post methods any; start() and stop() the owner.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/branch_name.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/server_kind.h"
#include "healthcheck/preflight.h"
#include "healthcheck/probe.h"
#include "healthcheck/server_link.h"
#include "proxy/accounts.h"
#include "proxy/blocking_mailbox.h"
#include "proxy/session/kill_ticket.h"

namespace consort::certifier {
struct TableDefinition;
}

namespace consort::proxy {

struct ControllerOptions {
  BackendId backend;
  std::string name;  ///< for log lines
  healthcheck::LinkTarget target;
  healthcheck::LinkTimeouts timeouts;
  std::uint32_t cluster = 0;        ///< the cluster id's first 32 bits: in branch names
  std::size_t commands_max = 1024;  ///< waiting commands (I8)
  Duration reconnect_gap = std::chrono::milliseconds(100);  ///< after a failed connect; doubles
  Duration reconnect_gap_max = std::chrono::milliseconds(2000);
  Duration rollback_max = std::chrono::seconds(10);  ///< how long roll_back_branch() keeps trying
};

/// What became of a branch that must go.
enum class BranchEnd : std::uint8_t {
  kRolledBack,  ///< it was there and is gone now
  kNotThere     ///< no such branch, and nobody is left who could still prepare it
};

/// Which branch to roll back. `owner_thread` is the backend's id of the connection that began it:
/// it is killed first, since it may still be about to prepare (0: that connection is surely gone).
struct RollBackBranch {
  BranchId branch;
  std::uint64_t owner_thread = 0;
};

/// Who holds the lock that a lane waits for.
struct LockHolder {
  std::uint64_t thread_id = 0;  ///< 0: a detached branch
  std::uint64_t trx_id = 0;
  std::string table;  ///< `schema`.`table`, as InnoDB writes it
  std::string index;
  std::string lock_data;  ///< the locked row's key, as InnoDB writes it; may be empty
  bool waits = false;     ///< for a lock itself
};

/// One of our prepared branches. Foreign ones are left out.
struct PreparedBranch {
  std::uint32_t cluster = 0;
  BranchId branch;
};

class BackendController {
 public:
  template <typename T>
  using Done = std::function<void(Result<T>)>;

  explicit BackendController(ControllerOptions options);
  ~BackendController();
  BackendController(const BackendController&) = delete;
  BackendController& operator=(const BackendController&) = delete;

  void start();
  /// Answers what waits with an error and ends the thread, within the timeouts.
  void stop();

  // Each returns false when the queue is full or the controller stopped: `done` will not be called.
  // Error::code is MySQL's error number where the server or the client library gave one.

  /// Does not come back before the branch is surely gone; an error means: unknown, try again.
  [[nodiscard]] bool roll_back_branch(const RollBackBranch& what, Done<BranchEnd> done);

  /// Ends a running statement (1317 for its client), unless it is not wanted any more. A thread
  /// that is gone is a success. REQUIRES: ticket.issued().
  [[nodiscard]] bool kill_query(std::uint64_t thread_id, KillTicket ticket, Done<Ok> done);

  /// Ends a connection. A thread that is gone is a success.
  [[nodiscard]] bool kill_connection(std::uint64_t thread_id, Done<Ok> done);

  /// Who blocks the lane's connection; nullopt: it waits for no row lock. The server refreshes this
  /// only when nobody asked for 100 ms: ask no sooner than 120 ms after the last time.
  [[nodiscard]] bool find_lock_holder(std::uint64_t lane_thread_id,
                                      Done<std::optional<LockHolder>> done);

  /// The definition of a table, for keys. Error::code is a CatalogError.
  [[nodiscard]] bool load_table(std::string schema,
                                std::string table,
                                Done<certifier::TableDefinition> done);

  [[nodiscard]] bool load_accounts(Done<std::shared_ptr<const AccountSet>> done);

  /// Our prepared branches, of any cluster id and epoch.
  [[nodiscard]] bool xa_recover(Done<std::vector<PreparedBranch>> done);

  /// Any one statement, for set-up and look-ups. Must be short: the read timeout ends it.
  [[nodiscard]] bool run_sql(std::string sql, Done<healthcheck::SqlRows> done);

  /// Likewise, where the brands of servers are asked differently.
  [[nodiscard]] bool run_sql(std::function<std::string(ServerKind)> sql,
                             Done<healthcheck::SqlRows> done);

  /// Anything else that needs the connection; called on the controller's thread while connected.
  /// A link error that it returns closes the connection.
  [[nodiscard]] bool run(std::function<Status(healthcheck::ServerLink&)> work, Done<Ok> done);

  /// Goes ahead of everything that waits.
  [[nodiscard]] bool probe(const healthcheck::ProbeRequest& request,
                           std::function<void(healthcheck::ProbeResult)> done);

  [[nodiscard]] std::size_t queue_depth() const { return mailbox_.depth(); }

  [[nodiscard]] const ControllerOptions& options() const { return options_; }

 private:
  /// What one attempt came to: nullopt: answered; else: try again after this time.
  using Retry = std::optional<Duration>;
  /// Gets the connected link, or null with the reason why there is none; then it must answer.
  using Attempt = std::function<Retry(healthcheck::ServerLink*, const Error& why_not)>;

  struct Command {
    Attempt attempt;
    TimePoint due{};
    bool urgent = false;
    bool connects_by_itself = false;  ///< the probe: it measures the connect too
  };

  /// Whether a command may be sent again when the link broke while it was under way.
  enum class Repeat : std::uint8_t { kNever, kOnce };

  template <typename T>
  [[nodiscard]] bool post_work(Repeat repeat,
                               std::function<Result<T>(healthcheck::ServerLink&)> work,
                               Done<T> done);
  [[nodiscard]] bool post(Attempt attempt);
  void thread_main();
  void run_due();
  [[nodiscard]] Retry run_one(const Command& command);
  void note_connection(bool connected, const Error& why_not);
  [[nodiscard]] TimePoint next_due() const;

  const ControllerOptions options_;
  SystemClock clock_;
  healthcheck::ServerLink link_;
  BlockingMailbox<Command> mailbox_;
  std::vector<Command> commands_;  ///< taken, not yet answered; the thread's
  TimePoint next_connect_{};
  Duration connect_gap_;
  Error connect_error_;
  std::thread thread_;
};

}  // namespace consort::proxy
