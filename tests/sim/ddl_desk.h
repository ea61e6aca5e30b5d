// DdlDesk: does what the real DdlCourse says of each DDL, plays sessions that the simulation has
// not, and has the results logged. The least that the protocol in apply_lane.h needs. Threads:
// none.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "certifier/apply_lane.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/commit/ddl_course.h"
#include "tests/sim/cluster.h"

namespace consort::sim {

class DdlHost {
 public:
  DdlHost() = default;
  DdlHost(const DdlHost&) = delete;
  DdlHost& operator=(const DdlHost&) = delete;
  virtual ~DdlHost() = default;
  [[nodiscard]] virtual certifier::ApplyLane& lane_of(BackendId backend) = 0;
  virtual void append_result(const certifier::DdlResult& result) = 0;
  virtual void tell(proxy::CommitEvent event) = 0;
  virtual void fail(std::string reason) = 0;
};

class DdlDesk {
 public:
  DdlDesk(Cluster& cluster, DdlHost& host) : cluster_(cluster), host_(host) {}

  /// Drops the sessions' connections; the servers may go on with what they have.
  ~DdlDesk();
  DdlDesk(const DdlDesk&) = delete;
  DdlDesk& operator=(const DdlDesk&) = delete;

  /// A DDL of this run whose session waits. nullopt: the desk itself plays it.
  void add_session(Seqno seqno, std::optional<SessionId> session) { sessions_[seqno] = session; }

  /// What became of it in the session's hands.
  void on_executed(const proxy::DdlExecuted& executed);

  void note(const certifier::LogEntry& entry);
  void on_turn(BackendId backend, const certifier::LaneTurn& turn);

  /// The lane starts over, or is lost: what it was told or told us no longer counts.
  void on_interrupted(BackendId backend, bool lost);
  void step();

  /// The connection on which a session executes a DDL there.
  [[nodiscard]] std::optional<ConnId> connection(BackendId backend) const;

  [[nodiscard]] bool settled() const { return undecided_.empty(); }

 private:
  struct Undecided {
    certifier::Ddl ddl;
    proxy::DdlCourse course;
    std::optional<ConnId> conn;  ///< of a session that is played here, in its turn
    bool fenced = false;
    bool sent = false;
    bool result_appended = false;
  };

  void go_on(Seqno seqno, Undecided& ddl);
  void take(const proxy::DdlExecuted& executed, Undecided& ddl);
  void look(BackendId backend, const certifier::DdlLook& look);
  void execute(Seqno seqno, Undecided& ddl);
  void end_turn(Undecided& ddl, bool server_side);
  [[nodiscard]] std::optional<SessionId> session_of(Seqno seqno) const;
  void offer(Seqno seqno, BackendId backend, Undecided& ddl);
  void abort_users(const Undecided& ddl);
  void decide(Seqno seqno, Undecided& ddl, certifier::DdlOutcome outcome);

  Cluster& cluster_;
  DdlHost& host_;
  std::map<Seqno, Undecided> undecided_;
  std::map<Seqno, certifier::DdlOutcome> decided_;
  std::map<Seqno, std::optional<SessionId>> sessions_;  ///< that live
};

}  // namespace consort::sim
