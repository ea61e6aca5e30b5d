// ProgramDesk: does what the real ProgramCourse says of each program that commits by itself, plays
// the session that runs it and the stream that follows its home's binlog, and has its parts and its
// result logged. Threads: none.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "certifier/apply_lane.h"
#include "proxy/commit/program_course.h"
#include "tests/sim/cluster.h"

namespace consort::sim {

class ProgramHost {
 public:
  ProgramHost() = default;
  ProgramHost(const ProgramHost&) = delete;
  ProgramHost& operator=(const ProgramHost&) = delete;
  virtual ~ProgramHost() = default;
  [[nodiscard]] virtual certifier::ApplyLane& program_lane(BackendId backend) = 0;
  [[nodiscard]] virtual Seqno append_program(certifier::Ddl program) = 0;
  virtual void append_part(BackendId home, const LoggedGroup& group, Seqno program) = 0;
  virtual void append_program_result(const certifier::DdlResult& result) = 0;
  /// The client has its answer: everything that `program` has committed is in the log.
  virtual void on_program_done(Seqno program, std::size_t parts) = 0;
};

class ProgramDesk {
 public:
  ProgramDesk(Cluster& cluster, ProgramHost& host) : cluster_(cluster), host_(host) {}

  /// Drops the session's connection; the server may go on with what it has.
  ~ProgramDesk();
  ProgramDesk(const ProgramDesk&) = delete;
  ProgramDesk& operator=(const ProgramDesk&) = delete;

  void request(BackendId home, std::string body);

  /// Nothing but a program's parts may get a seqno now.
  [[nodiscard]] bool under_way() const { return program_ && !cluster_.bugs.forget_pause; }

  [[nodiscard]] bool settled() const { return !program_ && waiting_.empty(); }

  void note(const certifier::LogEntry& entry, bool replaying);

  /// False: the turn is about no program.
  [[nodiscard]] bool on_turn(BackendId backend, const certifier::LaneTurn& turn);
  void on_marked(BackendId backend, Seqno program, const Gtid& marker);
  void on_lane_lost(BackendId backend);

  /// Time passes: a session, a stream, the desk itself.
  void step();

  /// The connection that runs the program there.
  [[nodiscard]] std::optional<ConnId> connection(BackendId backend) const;

 private:
  struct Program {
    Seqno seqno;
    proxy::ProgramCourse course;
    ConnId conn = 0;
    std::string sql;
    bool has_session = false;
    bool turn = false;
    bool fenced = false;
    bool sent = false;
    bool answered = false;  ///< with its last packet
    bool decided = false;
    GtidState logged = {};
    std::size_t parts = 0;
    std::optional<std::size_t> read = {};  ///< groups of the binlog that the stream has delivered
    std::uint64_t incarnation = 0;         ///< of the server that it reads from
  };

  void begin();
  void note_under_way(bool under_way);
  void step_session(Program& program);
  void step_stream(Program& program);
  void go_on();

  [[nodiscard]] ModelBackend& home(const Program& program) {
    return cluster_.backends[program.course.home().value];
  }

  Cluster& cluster_;
  ProgramHost& host_;
  std::deque<std::pair<BackendId, std::string>> waiting_;
  std::optional<Program> program_;
  std::set<Seqno> programs_;  ///< known
  std::map<Seqno, certifier::DdlOutcome> decided_;
};

/// The body of a procedure that commits by itself.
[[nodiscard]] std::string random_program(Cluster& cluster);

}  // namespace consort::sim
