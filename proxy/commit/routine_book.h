// RoutineBook: which procedures commit by themselves, as their bodies say (router/program_scan.h),
// and those that they call. Asks a backend with Consort's account, since a client need not be
// allowed to see a body; remembers until something about routines may have changed.
//
//   CallQuestion -> known? -> CallAnswer
//                -> a backend that has applied the last change of routines is asked for the bodies
//                   that lack; what has no answer in time runs in a branch, as if it said nothing
//
// Threads: the commit thread's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "certifier/writeset.h"
#include "healthcheck/server_link.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/commit_messages.h"
#include "router/program_opening.h"
#include "router/program_scan.h"

namespace consort::proxy {

/// What the book works with; all of it outlives the book.
struct RoutineBookParts {
  /// BackendController::run_sql(). `done` is called on the commit thread, unless the book is gone.
  std::function<bool(BackendId,
                     std::function<std::string(ServerKind)> sql,
                     std::function<void(Result<healthcheck::SqlRows>)>)>
      run_sql;
  AppliedPositions& positions;  ///< `routines` is the book's; notes what programs may make
  /// A backend that has applied everything up to there, and can be asked.
  std::function<std::optional<BackendId>(Seqno)> backend_at;
  std::function<void(CallAnswer)> tell;
};

class RoutineBook {
 public:
  explicit RoutineBook(RoutineBookParts parts) : parts_(std::move(parts)) {}

  void on_question(CallQuestion question);

  /// A DDL entry has `seqno`, now or in the log that was read.
  void on_ddl(const certifier::Ddl& ddl, Seqno seqno);
  /// Entries up to `seqno` may have made or changed routines: everything is forgotten.
  void forget(Seqno seqno);

  /// Answers what can be answered, asks for what lacks. When a backend may have come to where it
  /// can be asked, and every 50 ms or so.
  void process();

 private:
  /// Schema as it is written, name in lower case: as the server compares them.
  using Name = std::pair<std::string, std::string>;

  struct Routine {
    router::ProgramScan scan;
    router::ProgramOpening opening;
    std::string parameters;
  };

  struct Waiting {
    CallQuestion question;
    TimePoint deadline;
  };

  [[nodiscard]] std::optional<CallKnowledge> knowledge(const Name& name);
  void note_opening(const Name& name, CallKnowledge& known) const;
  [[nodiscard]] static Routine routine_of(const healthcheck::SqlRows& rows);
  [[nodiscard]] bool copies_sequence(const router::ProgramScan& scan, const std::string& schema);
  void ask(const Name& name);
  void on_body(const Name& name,
               std::uint64_t generation,
               const Result<healthcheck::SqlRows>& rows);
  [[nodiscard]] bool answer(const CallQuestion& question);

  RoutineBookParts parts_;
  SystemClock clock_;
  std::deque<Waiting> waiting_;
  std::map<Name, Routine> known_;
  std::set<Name> asked_;
  Seqno changed_at_;  ///< the newest entry that may have changed routines
};

}  // namespace consort::proxy
