// ProgramDesk: brings programs that commit by themselves through the log (decision 0032). While one
// is under way nothing else gets a seqno: what its home's binlog shows is appended, in its order,
// as the program's parts; everybody else waits.
//
//   DdlRequest -> [the log is free of other work] -> entry durable -> its home's lane reaches it ->
//   the session runs it (DdlTurn .. DdlExecuted), parts are appended meanwhile -> the lane settles
//   it -> the stream has shown the end marker -> DdlResult durable -> DdlOutcome
//
// Threads: the commit thread's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/gtid.h"
#include "base/ids.h"
#include "certifier/key_builder.h"
#include "certifier/schema_catalog.h"
#include "certifier/sequencer.h"
#include "protocol/binlog_events.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/branch_desk.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/commit/commit_stats.h"
#include "proxy/commit/lane_connection.h"
#include "proxy/commit/log_keeper.h"
#include "proxy/commit/program_course.h"
#include "proxy/commit/table_loader.h"
#include "proxy/commit/table_locks.h"

namespace consort::proxy {

/// What the desk works with; all of it outlives the desk.
struct ProgramDeskParts {
  LogKeeper& log;
  certifier::Sequencer& sequencer;
  certifier::SchemaCatalog& catalog;
  certifier::KeyBuilder& keys;
  TableLoader& tables;
  BranchDesk& branches;
  const TableLocks& locks;
  AppliedPositions& positions;
  CommitStats& stats;
  std::function<LaneConnection&(BackendId)> lane;
  std::function<void(SessionId, CommitEvent)> tell;
  std::function<void()> accounts_changed;
  /// Looks for who holds what the connection waits for on the backend, and ends it.
  std::function<void(BackendId, std::uint64_t thread)> unblock;
};

class ProgramDesk {
 public:
  explicit ProgramDesk(ProgramDeskParts parts) : parts_(std::move(parts)) {}

  /// Nothing but a program's parts may get a seqno now.
  [[nodiscard]] bool under_way() const { return program_.has_value(); }

  /// The program under way, whose home's binlog is to be read from where it was marked as begun.
  [[nodiscard]] std::optional<Seqno> under_way_at(BackendId home) const;

  /// As far as lanes can come while the log ends at `head`.
  [[nodiscard]] Seqno reachable(Seqno head) const;

  // ---- from sessions ----

  /// REQUIRES: request.program_thread is set.
  void on_request(DdlRequest request);
  /// False: it is not about the program under way.
  [[nodiscard]] bool on_executed(const DdlExecuted& executed);

  // ---- from lanes; false: it is not about a program ----

  [[nodiscard]] bool on_reached(BackendId backend, const certifier::DdlReached& reached);
  [[nodiscard]] bool on_offer(BackendId backend, Seqno seqno);
  void on_marked(BackendId backend, Seqno seqno, const Gtid& marker);
  void on_lane_lost(BackendId backend);

  // ---- from binlogs ----

  /// True: it is the program's, or its marker, and taken.
  [[nodiscard]] bool on_group(BackendId home, protocol::BinlogGroup& group);
  /// Groups of the backend will never come.
  void on_stream_gap(BackendId home);

  // ---- from the log ----

  void on_restored(const certifier::LogEntry& entry);
  void on_durable(const certifier::LogEntry& entry);

  /// Orders the next program, appends parts that could not be appended at once. Once per turn.
  void process();
  /// Every 50 ms or so.
  void look_after();

 private:
  struct Program {
    Seqno seqno;
    ProgramCourse course;
    std::uint64_t thread = 0;
    std::optional<SessionId> session;
    GtidState logged;                            ///< its groups in the log
    Gtid half{};                                 ///< a group whose statement is, its rows are not
    std::deque<protocol::BinlogGroup> groups{};  ///< read, not appended yet
    bool renames_plain = false;                  ///< as DdlRequest; unknown of one from the log
    bool coarse = false;                         ///< definitions are not to be had any more
    bool decided = false;                        ///< its result is on its way into the log
    bool lost = false;                           ///< it was void
    bool accounts = false;                       ///< it may have changed accounts or rights
    bool names_moved = false;                    ///< a sequence's name may be another table's now
    unsigned looks = 0;                          ///< since the first group began to wait
  };

  struct Waiting {
    DdlRequest request;
    TimePoint deadline;
  };
  enum class Step : std::uint8_t { kDone, kHeld, kGap };

  void begin(const DdlRequest& request);
  void go_on();
  void over();

  // program_groups.cpp
  static Gtid gtid_of(const protocol::BinlogGroup& group);
  static bool is_our_branch(const protocol::BinlogGroup& group);
  [[nodiscard]] Step take(protocol::BinlogGroup& group);
  [[nodiscard]] Step take_rows(protocol::BinlogGroup& group);
  [[nodiscard]] Step take_statement(const protocol::BinlogGroup& group);
  [[nodiscard]] bool note_ddl(const protocol::BinlogGroup& group);
  void append_ddl(const protocol::BinlogGroup& group);
  [[nodiscard]] std::optional<Step> take_numbers(const protocol::BinlogGroup& group);
  [[nodiscard]] std::optional<bool> is_sequence(const protocol::BinlogTable& table);
  [[nodiscard]] bool has_definitions(const protocol::BinlogGroup& group);
  [[nodiscard]] Step nothing_stayed(const protocol::BinlogGroup& group);

  ProgramDeskParts parts_;
  SystemClock clock_;
  std::deque<Waiting> waiting_;
  std::optional<Program> program_;
};

}  // namespace consort::proxy
