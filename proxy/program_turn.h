// ProgramTurn: the turn in the log's order of a program that commits by itself (decision 0032), for
// a thread that blocks: a run of an event whose body does. What a session does by its phases.
//
//   does it? (CallQuestion for what it calls) -> ask() DdlRequest -> DdlTurn -> the thread executes
//   it -> end() DdlExecuted -> DdlOutcome
//
// Threads: on_event() the commit thread; stop() any; everything else the thread that blocks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "base/ids.h"
#include "proxy/cluster_view.h"
#include "proxy/commit/commit_messages.h"
#include "router/program_scan.h"

namespace consort::proxy {

class ProgramTurn {
 public:
  using Post = std::function<bool(CommitRequest)>;

  ProgramTurn(Post post_commit, SessionId session, AppliedPositions& positions)
      : post_commit_(std::move(post_commit)), session_(session), positions_(positions) {}

  /// As far as is known no branch can hold it, and it can run alone. `schema`: what its names mean
  /// without one; the body's literals count where it, or what it calls, executes text.
  [[nodiscard]] bool runs_alone(std::string_view body,
                                const std::string& schema,
                                const router::LexerOptions& options);

  /// It makes no temporary tables. Behind runs_alone().
  [[nodiscard]] bool renames_plain() const { return renames_plain_; }

  /// Waits for its turn. nullopt: it has none and will have none; `why` tells.
  [[nodiscard]] std::optional<DdlTurn> ask(DdlRequest request);

  /// Of the last ask() that was in vain: others hold tables by LOCK TABLES.
  [[nodiscard]] bool locked() const { return locked_; }

  /// It was executed, or not at all. What the commit thread says of it then; nullopt: Consort ends.
  [[nodiscard]] std::optional<DdlOutcome> end(const DdlExecuted& executed);

  /// True: it is about this turn.
  [[nodiscard]] bool on_event(const CommitEvent& event);
  /// It is not to run any more: a turn that comes later is given back. `ends`: Consort does, and
  /// what was executed is settled at its next start.
  void stop(bool ends);

 private:
  [[nodiscard]] bool forgets_accounts() const;
  [[nodiscard]] CallVerdict ask_about(const std::string& schema, const std::string& name);

  Post post_commit_;
  const SessionId session_;
  AppliedPositions& positions_;
  bool renames_plain_ = false;
  bool locked_ = false;
  std::uint32_t questions_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool ends_ = false;
  bool asked_ = false;  ///< a turn may come, and is wanted
  std::optional<CallAnswer> answer_;
  std::optional<DdlTurn> turn_;
  std::optional<DdlOutcome> outcome_;
};

}  // namespace consort::proxy
