// SimSession: the real SessionCore between a simulated client and model backends: performs its
// effects as the libuv shell does, but every lease, byte, loss and message comes when chance says.
// Threads: none.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "proxy/session/session_core.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_proxy.h"

namespace consort::sim {

/// What a session finds around it. All of it outlives the session.
struct SessionWorld {
  Cluster& cluster;
  SimProxy& proxy;
  SimNetwork& network;
  const SerialOracle& oracle;
  proxy::WorkerMetrics& metrics;
  std::uint64_t& branches_begun;
  bool& stored_function_defined;
  std::function<void(std::string)> fail;
};

class SimSession final : public proxy::SessionEffects {
 public:
  SimSession(const SessionWorld& world, SessionId id, SimLedger& ledger, std::size_t client);

  /// As when the proxy ends: its connections stay open until the network closes them.
  ~SimSession() override = default;
  SimSession(const SimSession&) = delete;
  SimSession& operator=(const SimSession&) = delete;

  /// One small thing happens to it.
  void step(bool closing);

  /// A message of the commit thread is on its way to it.
  void post(const proxy::CommitEvent& event) { inbox_.push_back(event); }

  /// Nothing is left of it.
  [[nodiscard]] bool ended() const { return ended_; }

  [[nodiscard]] SessionId session_id() const override { return id_; }

 private:
  struct Line {
    ConnectionPtr connection;
    std::optional<BackendId> leasing;
    Buffer unread;  ///< arrived, and not used by the core yet
    std::uint64_t leases = 0;
  };

  struct AppliedWait {
    BackendId backend;
    bool any = false;
    Seqno seqno;
  };

  // SessionEffects
  void send_client(std::initializer_list<Bytes> pieces) override;

  void close_client() override { client_gone_ = true; }

  void deny_change(const protocol::SqlError&, std::uint8_t) override {}  // nobody changes here

  bool read_only() override { return false; }

  bool runs_events() override { return false; }

  bool may_only_read() override { return false; }

  proxy::KeptGlobals first_settings(std::uint64_t) override { return {}; }

  void lease(proxy::Channel channel, BackendId backend) override;
  void release(proxy::Channel channel, bool reusable) override;
  void send_backend(proxy::Channel channel, std::initializer_list<Bytes> pieces) override;

  proxy::BackendStatement* backend_statement(proxy::Channel, std::string_view) override {
    return nullptr;
  }

  void add_backend_statement(proxy::Channel, std::string_view, std::uint32_t) override {}

  void close_backend_statement(proxy::Channel, std::string_view) override {}

  Choice choose_reader(Seqno at_least) override;

  Choice choose_home() override { return choose_reader(Seqno{}); }

  Choice choose_named(std::string_view) override { return {}; }

  bool serves(BackendId backend) override { return world_.proxy.serves(backend); }

  bool tolerates(BackendId backend) override { return world_.proxy.serves(backend); }

  Seqno applied(BackendId backend) override { return world_.proxy.applied(backend); }

  std::uint32_t lane_generation(BackendId backend) override;

  Seqno newest_replay(BackendId backend) override {
    return world_.cluster.bugs.forget_early ? Seqno{} : world_.proxy.newest_replay(backend);
  }

  Seqno head() override;

  const proxy::LockedTableFilter& locked_tables() override { return locked_tables_; }

  proxy::KnownSequences& sequences() override { return sequences_; }

  std::optional<BackendId> behind(Seqno) override { return std::nullopt; }

  Seqno globals_seen() override { return {}; }

  Seqno globals_changed_at() override { return {}; }

  Seqno schemas_changed() override { return {}; }

  proxy::ReadConsistency read_consistency() override;

  router::LexerOptions default_lexer_options() override { return {}; }

  bool stored_functions() override {
    return world_.cluster.profile.stored_functions || world_.stored_function_defined;
  }

  void note_stored_function() override { world_.stored_function_defined = true; }

  bool triggers() override { return false; }

  bool forgets_accounts() override { return false; }

  void note_trigger() override {}

  std::optional<proxy::UserLockHome::Place> user_lock_home() override { return std::nullopt; }

  void count_user_lock_holder(int) override {}

  void wait_applied(BackendId backend, bool any, Seqno seqno) override {
    applied_wait_ = AppliedWait{backend, any, seqno};
  }

  std::uint64_t wall_clock_us() override { return 1'700'000'000'000'000; }

  void retry_after(std::chrono::milliseconds) override { retry_due_ = true; }

  void stop_waiting() override {}  // nobody kills here

  bool post_kill(const proxy::KillOrder&) override { return false; }

  void list_sessions(bool) override {}  // nor looks at the others

  std::string_view user() override { return "sim"; }

  BranchId next_branch() override;
  bool post_commit(proxy::CommitRequest request) override;

  void kill_query(BackendId backend, std::uint64_t thread_id, proxy::KillTicket ticket) override {
    kills_.push_back({backend, thread_id, std::move(ticket)});
  }

  void kill_connection(BackendId, std::uint64_t) override {}  // no client kills here

  proxy::WorkerMetrics& metrics() override { return world_.metrics; }

  router::ClassificationCache& classifications() override { return classifications_; }

  std::optional<proxy::CallKnowledge> known_call(std::string_view, std::string_view) override {
    return proxy::CallKnowledge{};
  }

  // What may happen to it. False: not now.
  [[nodiscard]] bool step_inbox();
  [[nodiscard]] bool step_line(proxy::Channel channel);
  [[nodiscard]] bool step_timers();
  [[nodiscard]] bool step_client(bool closing);
  void deliver(const proxy::CommitEvent& event);
  void finish_lease(proxy::Channel channel);
  void read(proxy::Channel channel);
  void lose(proxy::Channel channel);
  void plant_mistakes(proxy::BranchPrepared& prepared);

  [[nodiscard]] Line& line(proxy::Channel channel) {
    return lines_[static_cast<std::size_t>(channel)];
  }

  struct Kill {
    BackendId backend;
    ConnId connection;
    proxy::KillTicket ticket;
  };

  SessionWorld world_;
  const SessionId id_;
  SimClient client_;
  std::array<Line, 2> lines_;
  std::deque<proxy::CommitEvent> inbox_;
  std::deque<Kill> kills_;
  std::optional<AppliedWait> applied_wait_;
  std::optional<BranchId> refused_;  ///< prepared, and the commit thread does not know
  bool retry_due_ = false;
  bool client_gone_ = false;  ///< its connection is closed, by whomever
  bool ended_ = false;
  router::ClassificationCache classifications_;
  proxy::LockedTableFilter locked_tables_;  // nobody locks tables here
  proxy::KnownSequences sequences_;         // and there are none
  proxy::SessionCore core_;
};

}  // namespace consort::sim
