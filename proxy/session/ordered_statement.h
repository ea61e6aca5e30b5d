// OrderedStatement: a statement that all servers execute in the log's order (DDL, accounts, SET
// GLOBAL, programs that commit by themselves), from the request for its turn until its end.
// Threads: none; its session's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "proxy/commit/commit_messages.h"
#include "proxy/session/global_question.h"
#include "proxy/session/session_job.h"
#include "router/altered_rows.h"

namespace consort::proxy {

struct OrderedStatement {
  DdlRequest request;
  Buffer command;              ///< its COM_QUERY, also when it came prepared
  Seqno seqno;                 ///< of its turn
  unsigned looks_in_vain = 0;  ///< no backend serves: seen so often in a row
  bool changes_accounts = false;
  std::string timestamp;  ///< at which it is executed, everywhere; empty: its session's own
  std::optional<std::string> collation;  ///< the connection's, asked for; empty: not to be had
  OwnSchema schema = OwnSchema::kUnknown;
  bool fenced = false;  ///< no other connection executes DDL on the home, and ours alone may
  bool drops = false;   ///< maybe several objects, one after the other
  bool truncates = false;
  router::AlteredRows rows;
  RowOrder order = RowOrder::kUnknown;  ///< of the rows that it treats
  bool drops_tables = false;            ///< DROP TABLE
  bool rows_known = false;              ///< all servers will treat them alike
  std::vector<std::string> as_ever;     ///< the SETs that undo those for this statement
  bool copies = false;                  ///< CREATE TABLE .. LIKE
  bool copy_keeps_old = false;          ///< and IF NOT EXISTS
  bool copy_known = false;              ///< the home has said what is copied
  std::uint16_t error = 0;              ///< of its execution
  std::vector<GlobalQuestion> globals;  ///< of a SET GLOBAL: what it names, and what it was
  bool globals_known = false;
  unsigned globals_asked = 0;        ///< how often what they are now
  bool succeeded = false;            ///< the client's statement did
  std::vector<DdlTarget> dropped;    ///< perhaps sequences
  bool finished = false;             ///< and what came of it was told
  bool warnings_asked = false;       ///< the home has not yet told its warnings
  bool answers_behind_them = false;  ///< all else is done
  bool program = false;              ///< a CALL that commits by itself: session_program.cpp
  bool prepared = false;             ///< the program's CALL is a COM_STMT_EXECUTE
  bool running = false;              ///< the program's CALL was sent
  bool unrun = false;                ///< its turn came on another connection: it asks again
  bool was_open = false;             ///< the program has left a transaction open
  bool told_open = false;            ///< and its client was told
  bool left_reading = false;         ///< the same, but it has only read in it
  std::string transaction_state;     ///< as the home has told last while the program ran
  /// The number of the client's next packet, once it had reports of an execution that was lost.
  std::uint8_t reply_from = 0;

  /// Failed as it did, may it have treated some of its objects?
  [[nodiscard]] DdlEnd end_of_failure() const;
};

}  // namespace consort::proxy
