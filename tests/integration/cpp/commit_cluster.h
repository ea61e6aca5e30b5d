// CommitCluster: private servers with their controllers and a CommitLoop, and the workers' side of
// it played by the test: what sessions would get is kept until a test asks for it.
// Threads: expect_*() and post any; the rest the test's.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <mysql.h>

#include "base/branch_name.h"
#include "base/ids.h"
#include "proxy/backend_controller.h"
#include "proxy/commit/commit_loop.h"
#include "tests/integration/cpp/stoppable_server.h"
#include "tests/support/temp_dir.h"

namespace consort::test {

/// A blocking connection as a session's home would be: detached branches, no autocommit magic.
class SessionLink {
 public:
  explicit SessionLink(std::uint16_t port);
  ~SessionLink();
  SessionLink(const SessionLink&) = delete;
  SessionLink& operator=(const SessionLink&) = delete;

  /// Error number of the statement, 0 when it succeeded. Rows go to last_rows().
  unsigned run(const std::string& sql);
  /// run() that must succeed.
  void must(const std::string& sql);

  [[nodiscard]] const std::vector<std::vector<std::string>>& last_rows() const { return rows_; }

  [[nodiscard]] std::string first_cell() const {
    return rows_.empty() || rows_[0].empty() ? std::string() : rows_[0][0];
  }

  [[nodiscard]] std::uint64_t thread_id() { return mysql_thread_id(connection_); }

 private:
  MYSQL* connection_;
  std::vector<std::vector<std::string>> rows_;
};

class CommitCluster {
 public:
  /// Starts `servers_count` servers and creates consort.position on each.
  explicit CommitCluster(std::size_t servers_count, const std::vector<std::string>& options = {});
  ~CommitCluster();
  CommitCluster(const CommitCluster&) = delete;
  CommitCluster& operator=(const CommitCluster&) = delete;

  /// Starts a CommitLoop on the data directory. `change` may alter the options.
  void start_loop(const std::function<void(proxy::CommitOptions&)>& change = {});
  [[nodiscard]] Status try_start_loop(const std::function<void(proxy::CommitOptions&)>& change);
  void stop_loop();
  void wait_until_caught_up();
  void wait_until_caught_up(BackendId backend);
  /// Waits until every backend has applied everything that is in the log now.
  void wait_until_applied();

  [[nodiscard]] StoppableServer& server(std::size_t i) { return *servers_[i]; }

  [[nodiscard]] std::size_t size() const { return servers_.size(); }

  [[nodiscard]] proxy::CommitLoop& loop() { return *loop_; }

  [[nodiscard]] const proxy::AppliedPositions& positions() const { return positions_; }

  [[nodiscard]] const std::string& data_dir() const { return data_dir_.path(); }

  [[nodiscard]] Seqno applied(BackendId backend) const {
    return Seqno{positions_.applied[backend.value].load()};
  }

  /// A new branch of session `session`.
  [[nodiscard]] BranchId new_branch();
  [[nodiscard]] std::string xid(const BranchId& branch) const;

  /// What its session would tell of a branch that begins, is prepared and answered now.
  [[nodiscard]] proxy::BranchPrepared begun(BackendId home, const BranchId& branch) const;
  /// XA END and XA PREPARE on `link`, then BranchPrepared. False when the backend refused.
  bool prepare(SessionLink& link, BackendId home, const BranchId& branch);
  /// The verdict on a branch; waits for it.
  [[nodiscard]] proxy::BranchOutcome expect_outcome(const BranchId& branch);
  /// Begins, runs and commits one transaction.
  [[nodiscard]] proxy::BranchOutcome commit(SessionLink& link,
                                            BackendId home,
                                            const std::vector<std::string>& statements);

  /// Executes DDL as a session would: request, turn, outcome. The error on its home.
  unsigned ddl(BackendId home,
               const std::string& sql,
               const std::vector<proxy::DdlTarget>& targets);

  /// Only asks for a turn; names whose it will be.
  std::uint32_t request_ddl(BackendId home,
                            const std::string& sql,
                            const std::vector<proxy::DdlTarget>& targets);
  /// The turn of `slot`, waited for; nullopt when the statement is decided without it.
  [[nodiscard]] std::optional<proxy::DdlTurn> expect_turn(std::uint32_t slot);

  /// Called for AbortBranch and AbortTableUsers.
  std::function<void(const proxy::CommitEvent&)> on_abort;

  /// The same rows everywhere, compared by `query`.
  void expect_equal(const std::string& query);

  /// Every backend's lane reports, newest.
  [[nodiscard]] std::optional<proxy::LaneReport> report(BackendId backend);

 private:
  void on_event(proxy::CommitEvent event);

  proxy::AppliedPositions positions_;
  TempDir data_dir_;
  std::string cluster_id_;
  std::vector<std::unique_ptr<StoppableServer>> servers_;
  std::vector<std::unique_ptr<proxy::BackendController>> controllers_;
  std::unique_ptr<proxy::CommitLoop> loop_;

  std::mutex mutex_;
  std::condition_variable changed_;

  /// Outcomes are awaited by many threads: each looks at one of these.
  struct Verdicts {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<BranchId, proxy::BranchOutcome> outcomes;
  };

  std::array<Verdicts, 64> verdicts_;
  std::map<std::uint32_t, proxy::DdlTurn> turns_;  // by session slot
  std::map<std::uint32_t, proxy::DdlOutcome> ddl_outcomes_;
  std::map<std::uint8_t, proxy::LaneReport> reports_;
  std::uint64_t branches_ = 0;
  std::uint32_t sessions_ = 0;
};

}  // namespace consort::test
