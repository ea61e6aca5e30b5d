// ReplyQueue: which replies a backend connection owes, in order, and what each is for.
// Commands are pipelined; replies come in the same order.
// Threads: none; its session's.
#pragma once

#include <array>
#include <cstdint>

#include "base/check.h"
#include "protocol/constants.h"

namespace consort::proxy {

/// Whose reply it is.
enum class ReplyRole : std::uint8_t {
  kClient,    ///< the client's own command: relay it
  kSetup,     ///< ours, must succeed: START TRANSACTION READ ONLY, XA START, SELECT for a snapshot
  kInsertId,  ///< ours, must succeed: SET of what this session needs, LAST_INSERT_ID() say
  kInsertIdAsked,   ///< tells what LAST_INSERT_ID() is, before the connection is given back
  kVariablesAsked,  ///< the same of @variables
  kVariables,       ///< ours, must succeed: SET of this session's @variables
  kXaEnd,           ///< of a COMMIT
  kXaPrepare,       ///< of a COMMIT
  kXaRollback,      ///< ends a branch; failures mean that it is gone already
  kRollbackReply,   ///< the last step of a ROLLBACK the client waits for
  kPlainEnd,        ///< COMMIT or ROLLBACK of a plain read-only transaction
  kReadOnlyEnd,     ///< COMMIT behind a client's read that ran in a transaction of its own
  kDdlFence,        ///< ours alone may execute DDL now: certifier/ddl_fence.h
  kSchemaLook,      ///< whether the schema is still there
  kSchemaAgain,     ///< leaves the schema and enters it again
  kTurnSetting,     ///< what a connection is only for an ordered statement; must succeed
  kKillRight,       ///< whether the client may end other users' sessions
  kKillValue,       ///< the number that the client's KILL means
  kProcessRight,    ///< whether the client may see other users' sessions
  kPreparedText,    ///< the text that the client's PREPARE .. FROM prepares
  kImmediateText,   ///< the text that the client's EXECUTE IMMEDIATE executes
  kReadable,        ///< whether the server can read the text of a statement that commits first
  kSubject,         ///< whether one of a DDL statement's tables is temporary
  kHeldLocks,       ///< whether the session holds a user lock
  kCollation,       ///< what collation_server is, where session tracking has not told
  kDdlCollation,    ///< what collation_connection is, which the lanes need
  kGrants,          ///< the client's SHOW GRANTS: all but what Consort has granted is relayed
  kStatus,          ///< the client's SHOW STATUS: less what Consort's own statements have added
  kWarnings,        ///< of the client's statement, before others of ours take their place
  kRows,            ///< whether an ALTER TABLE would treat its rows alike on all servers
  kCopy,            ///< whether a CREATE TABLE .. LIKE copies a partitioned table
  kGlobals,         ///< what the variables of a SET GLOBAL are
  kNewGlobals,      ///< and what they are behind it
  kTracking,        ///< what a SET of session_track_* means
  kMarked,          ///< has the branch in the binlog, whatever it has changed
  kTellsAll,        ///< makes the home's connection tell of everything
  kAskedTold,       ///< whether it has told of everything, asked behind an XA PREPARE
  kTableCheck,      ///< LOCK TABLES and UNLOCK TABLES, to see whether the client may
  kReprepare,       ///< a client's statement prepared again on this connection
  kLeftEnd,         ///< XA COMMIT or XA ROLLBACK of a branch that was left to the session
  kCallQuestion,    ///< whether a CALL would come as far as its body
  kLeftOpen,        ///< whether a program has left a transaction open
  kIgnored          ///< result does not matter
};

/// Its rows are the answer to a question of the session's own: OwnResult.
[[nodiscard]] constexpr bool tells_rows(ReplyRole role) {
  switch (role) {
    case ReplyRole::kVariablesAsked:
    case ReplyRole::kKillValue:
    case ReplyRole::kPreparedText:
    case ReplyRole::kImmediateText:
    case ReplyRole::kSubject:
    case ReplyRole::kHeldLocks:
    case ReplyRole::kCollation:
    case ReplyRole::kDdlCollation:
    case ReplyRole::kGrants:
    case ReplyRole::kStatus:
    case ReplyRole::kWarnings:
    case ReplyRole::kRows:
    case ReplyRole::kCopy:
    case ReplyRole::kGlobals:
    case ReplyRole::kNewGlobals:
    case ReplyRole::kTracking:
    case ReplyRole::kLeftOpen:
      return true;
    default:
      return false;
  }
}

struct ExpectedReply {
  ReplyRole role = ReplyRole::kIgnored;
  protocol::Command command = protocol::Command::kQuery;
  std::uint8_t command_sequence = 0;
  bool gathers_definitions = false;  ///< as ResponseTracker::gather_definitions() does
};

class ReplyQueue {
 public:
  static constexpr std::size_t kRepliesMax = 48;

  void push(ExpectedReply reply) {
    CHECK(count_ < kRepliesMax);
    replies_[(first_ + count_) % kRepliesMax] = reply;
    ++count_;
  }

  [[nodiscard]] bool empty() const { return count_ == 0; }

  [[nodiscard]] std::size_t size() const { return count_; }

  [[nodiscard]] const ExpectedReply& front() const {
    CHECK(count_ > 0);
    return replies_[first_];
  }

  /// 1: the last one. REQUIRES: 0 < place <= size().
  [[nodiscard]] const ExpectedReply& from_end(std::size_t place) const {
    CHECK(place > 0 && place <= count_);
    return replies_[(first_ + count_ - place) % kRepliesMax];
  }

  void pop() {
    CHECK(count_ > 0);
    first_ = static_cast<std::uint8_t>((first_ + 1) % kRepliesMax);
    --count_;
  }

  void clear() {
    first_ = 0;
    count_ = 0;
  }

 private:
  std::array<ExpectedReply, kRepliesMax> replies_;
  std::uint8_t first_ = 0;
  std::uint8_t count_ = 0;
};

}  // namespace consort::proxy
