// EventScheduler: runs the events that clients have created, each once in the whole cluster, while
// SET GLOBAL event_scheduler=ON is kept. The servers' own schedulers are off. A run is marked in
// the log, and so on every server, before it begins: after a crash one may be missing, none is made
// twice. Decision 0033.
//
//   every second: is it switched on? -> the catalogue of one server -> EventQueue: what is due?
//     -> mark (log, all servers) -> a thread runs it (event_run.h) -> DROP EVENT behind the last
//     one
//
// Threads: one of its own, and one for each run. on_commit_event(): the commit thread; processes(),
// kill(), stats(), idle(): any; everything else: the owner's.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/ids.h"
#include "healthcheck/server_link.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/commit_loop.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/event_catalogue.h"
#include "proxy/event_queue.h"
#include "proxy/event_run.h"
#include "proxy/event_stats.h"
#include "proxy/session/kill.h"
#include "proxy/session/process_list.h"
#include "proxy/session/user_lock_home.h"

namespace consort::proxy {

struct EventSchedulerParts {
  std::vector<EventHome> homes;  ///< by BackendId
  std::function<std::shared_ptr<const ClusterView>()> view;
  std::function<bool(CommitRequest)> post_commit;
  std::function<void(BackendId, std::uint64_t thread)> kill;  ///< EventRunParts::kill
  /// Asks for a number as sessions have; `take` may be called later, on any thread.
  std::function<void(std::function<void(std::uint32_t)> take)> new_process_id;
  /// Runs take place where all sessions take their user locks.
  std::shared_ptr<UserLockHome> user_locks;
  AppliedPositions& positions;  ///< outlives the scheduler; it says what programs may make
  CommitIdentity identity;
  std::uint16_t worker = 0;  ///< SessionId::worker of what it asks the commit thread for
};

class EventScheduler {
 public:
  static constexpr std::size_t kRunsMax = 32;  ///< at the same time; more have to wait

  explicit EventScheduler(EventSchedulerParts parts);
  /// stop(), when that was not done.
  ~EventScheduler();
  EventScheduler(const EventScheduler&) = delete;
  EventScheduler& operator=(const EventScheduler&) = delete;

  /// Begins to work. Once, when commit events come.
  void start();

  /// Begins no run any more.
  void begin_drain() { draining_ = true; }

  /// Cuts off the runs that are under way; what is prepared is decided without them.
  void stop();
  void on_commit_event(const CommitEvent& event);
  /// A client's KILL of a run. nullopt: none has this number.
  [[nodiscard]] std::optional<KillVerdict> kill(const KillRequest& request);

  /// Nothing runs.
  [[nodiscard]] bool idle() const { return stats_.under_way.value() == 0; }

  [[nodiscard]] const EventStats& stats() const { return stats_; }

  /// What SHOW PROCESSLIST has of it: itself if it is `on`, as who asks knows, and the runs.
  [[nodiscard]] std::vector<ProcessRow> processes(bool on);

 private:
  struct Run {
    Run(EventRunParts parts, EventToRun to_run, DueEvent due)
        : run(std::move(parts), std::move(to_run)), event(std::move(due)) {}

    EventRun run;
    DueEvent event;
    std::shared_ptr<std::atomic<std::uint32_t>> process_id =
        std::make_shared<std::atomic<std::uint32_t>>(0);
    EventRun::End end = EventRun::End::kFailed;  ///< when `done`
    std::atomic<bool> done{false};
    std::thread thread;
  };

  /// Of a statement for all servers.
  struct Decided {
    bool known = false;  ///< else it may still happen
    Seqno seqno;         ///< 0: it was not ordered
  };

  void work();
  [[nodiscard]] bool await_look();
  void look();
  [[nodiscard]] bool connect();
  [[nodiscard]] bool read_switch();
  void switch_on(EventTime now);
  void give_number(const std::shared_ptr<std::atomic<std::uint32_t>>& process_id);
  void report_missed(EventTime now, EventCalendars& calendars);
  void clean_servers();
  void clean(const EventHome& home);
  void report_unknown();
  void begin(const DueEvent& event, EventTime now, EventCalendars& calendars);
  void end(const DueEvent& event);
  [[nodiscard]] bool is_under_way(const EventName& event);
  [[nodiscard]] bool has_program(std::string_view name);
  void start_run(const DueEvent& event, EventToRun to_run);
  void lose(const EventName& event, std::string_view why);
  void join_ended();
  [[nodiscard]] std::optional<EventHome> choose_home() const;
  /// On all servers, in the log's order.
  [[nodiscard]] Decided execute_everywhere(std::string sql);
  [[nodiscard]] bool await_applied(Seqno seqno);
  [[nodiscard]] bool sleep_until(std::chrono::system_clock::time_point moment);

  EventSchedulerParts parts_;
  EventStats stats_;
  std::optional<healthcheck::ServerLink> link_;  ///< to `asked_`
  BackendId asked_;
  std::uint64_t asked_from_ = 0;  ///< it is asked when it has applied this
  bool on_ = false;
  bool looked_ = false;  ///< at the switch, since the process began
  EventQueue queue_;
  std::vector<EventName> unknown_;  ///< as was reported
  std::uint64_t runs_ = 0;
  std::array<bool, kBackendsMax> clean_{};  ///< nothing was forgotten there since it is online
  std::atomic<bool> draining_{false};

  std::shared_ptr<std::atomic<std::uint32_t>> process_id_ =
      std::make_shared<std::atomic<std::uint32_t>>(0);
  std::atomic<EventTime> state_since_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::optional<bool> told_;  ///< what clients have SET GLOBAL since the process began
  bool told_anew_ = false;
  std::uint32_t slots_ = 0;
  std::map<std::uint32_t, Decided> decided_;  ///< statements that are waited for
  std::list<Run> under_way_;

  std::thread thread_;
};

}  // namespace consort::proxy
