// Create-select: CREATE TABLE .. SELECT as the statements that it is made of (decision 0027). The
// home collects the rows in a temporary table, which the server defines as it would the real one;
// then all servers create the real one, and the rows follow as a certified write.
//
//   (kReadText -> kEndTransaction ->) kCheckRights -> kCheckName (-> kPrepareCollect) -> kCollect
//     -> kReadWarnings -> kKeepCollected (-> kCountFirst) -> kSettle -> kReadDefinition
//     (-> kReadAgain)
//     -> kReadColumns (-> kReadLengths) -> kCreate (-> kSetAside) -> kFill (again when it loses)
//     -> kKeepFilled (-> kPutBack) -> kDropCollected -> kRestore (-> kCountLast) -> (answer)
//   kPrepareCollect, kCollect --- no temporary tables there ---> kReadCharacterSet (-> kLetCollect)
//     -> kPrepareCollect, kCollect
//   kCreate, kFill, kKeepFilled --- failed ---> (kTakeBack ->) kUndo (-> kPutBack)
//     -> kDropCollected
//   whatever failed before kSettle is the answer at once
//
// Texts and state only; SessionCore runs the steps. Threads: none; its session's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "protocol/sql_error.h"
#include "proxy/session/display_lengths.h"
#include "proxy/session/own_result.h"
#include "proxy/session/session_state.h"
#include "router/create_select.h"

namespace consort::proxy {

enum class CreateSelectStep : std::uint8_t {
  kNone,
  kReadText,          ///< PREPARE of the client's text: what is no statement ends no transaction
  kEndTransaction,    ///< as DDL does
  kCheckRights,       ///< PREPARE of it: rights and names are looked at, no more
  kCheckName,         ///< CREATE TABLE of nothing: is the name taken?
  kReadCharacterSet,  ///< of the schema, where the rows are collected in another one
  kLetCollect,        ///< there
  kPrepareCollect,    ///< where the client's statement has parameters
  kCollect,           ///< the temporary table: its answer is the client's
  kReadWarnings,      ///< of that
  kKeepCollected,     ///< COMMIT, with autocommit=0
  kCountFirst,        ///< behind FLUSH STATUS: the status, of which what follows is no part
  kSettle,            ///< settings under which definition and rows mean the same once more
  kReadDefinition,
  kReadAgain,  ///< in the client's character set
  kReadColumns,
  kReadLengths,
  kCreate,      ///< through the log
  kSetAside,    ///< a temporary table of the new one's name gets another one
  kFill,        ///< the rows
  kKeepFilled,  ///< COMMIT, with autocommit=0
  kTakeBack,    ///< ROLLBACK, likewise; also of what was not collected
  kUndo,        ///< the table goes again, through the log
  kPutBack,     ///< what was set aside
  kDropCollected,
  kRestore,   ///< what kSettle has set
  kCountLast  ///< the status
};

struct CreateSelectJob {
  CreateSelectStep step = CreateSelectStep::kNone;

  // What the client sent.
  std::string sql;
  std::uint8_t reply_sequence = 1;
  std::uint32_t statement_id = 0;  ///< of COM_STMT_EXECUTE; 0: COM_QUERY
  Buffer execution;                ///< its payload, where the statement has parameters
  std::string parameters;          ///< those of an EXECUTE .. USING
  std::uint32_t collect_id = 0;    ///< of kPrepareCollect; 0: none
  TimePoint began;
  router::CreateSelect parts;  ///< views into `sql`
  std::string target;          ///< the table as statements name it
  std::string schema;          ///< and what log and keys call it
  std::string table;
  bool reads_itself = false;
  bool is_hidden = false;  ///< by a temporary table of its name, whose rows it may select

  std::string collecting_schema;  ///< where the rows are collected; `schema`, or Consort's own
  std::string collected;          ///< the table, as statements name it

  Buffer reply;  ///< to the step under way

  // What the steps have found.
  std::string character_set;  ///< option that names the schema's
  std::string definition;     ///< of the collected table, as SHOW CREATE TABLE says it
  std::string columns;        ///< that take values
  DisplayLengths lengths;
  Seqno made_by;          ///< the log's entry that creates the table; 0: not known
  bool has_rows = false;  ///< the collected table is there
  bool settled = false;
  bool set_aside = false;
  bool counts = false;                                          ///< kCountFirst is done
  bool let_collect = false;                                     ///< kLetCollect was tried
  CreateSelectStep behind_take_back = CreateSelectStep::kNone;  ///< kNone: it has failed
  unsigned fills = 0;
  unsigned tries = 0;         ///< of a step that must succeed
  SessionState state_before;  ///< of kSettle

  // What the client hears: `error`, or this.
  std::optional<protocol::SqlError> error;
  std::uint64_t affected_rows = 0;
  std::uint64_t last_insert_id = 0;
  std::uint16_t warnings = 0;
  std::uint16_t status = 0;  ///< what the flags say of indexes
  std::string info;
  Buffer warning_rows;  ///< the reply to SHOW WARNINGS

  /// The table may be there without its rows.
  [[nodiscard]] bool unfilled() const { return made_by != Seqno{}; }
};

/// A reply to a step, as the client would have got it.
struct StepReply {
  std::optional<protocol::SqlError> error;
  std::uint64_t affected_rows = 0;
  std::uint64_t last_insert_id = 0;
  std::uint16_t warnings = 0;
  std::uint16_t status = 0;
  std::string_view info;  ///< a view into the packets
  std::uint32_t statement_id = 0;
  std::vector<OwnResult::Row> rows;  ///< views into the packets
};

/// `wire`: an OK or ERR packet. `capabilities`: the client's.
[[nodiscard]] StepReply read_ok_reply(Bytes wire, std::uint64_t capabilities);
/// `wire`: a result set in the text protocol, or an ERR packet. No rows where it is neither.
[[nodiscard]] StepReply read_rows_reply(Bytes wire, std::uint64_t capabilities);
/// `wire`: the reply to COM_STMT_PREPARE.
[[nodiscard]] StepReply read_prepare_reply(Bytes wire);

/// `result` as a reply of its own to a client with these capabilities; empty where it is too large.
/// `hides`: of a row's packet; null: none. `shows`: in such a packet's place.
[[nodiscard]] Buffer rows_reply(const OwnResult& result,
                                std::uint64_t capabilities,
                                std::uint16_t status,
                                std::uint8_t sequence = 1,
                                bool (*hides)(Bytes row) = nullptr,
                                const std::function<Buffer(Bytes row)>& shows = {});

/// Consort's own, for those who may make no temporary tables in the new table's.
inline constexpr std::string_view kConsortSchema = "consort";

/// The rows are collected in a temporary table of `schema`. Sessions do not see each other's.
void collect_in(CreateSelectJob& job, std::string_view schema);

/// Where the name is taken: error 1050, or OK with a note after IF NOT EXISTS. Else
/// kNoColumnsErrno: it creates nothing in any case.
[[nodiscard]] std::string check_name_sql(const CreateSelectJob& job);
inline constexpr std::uint16_t kNoColumnsErrno = 1113;
inline constexpr std::uint16_t kTableExistsErrno = 1050;

/// The client's statement with another table.
[[nodiscard]] std::string collect_sql(const CreateSelectJob& job);

/// An EXECUTE of it with the parameters of the client's. `backslash_escapes`: in literals.
[[nodiscard]] std::string execute_collect_sql(const CreateSelectJob& job, bool backslash_escapes);

/// The table option that says what `shown` (of SHOW CREATE DATABASE) says; empty: nothing found.
[[nodiscard]] std::string character_set_option(std::string_view shown);

/// What stands behind the name in `shown` (of SHOW CREATE TABLE of the collected table); empty:
/// nothing.
[[nodiscard]] std::string_view definition_in(std::string_view shown);

/// The columns that take values, of the rows of SHOW COLUMNS.
[[nodiscard]] std::string columns_in(const std::vector<OwnResult::Row>& rows);

[[nodiscard]] std::string create_sql(const CreateSelectJob& job);
[[nodiscard]] std::string fill_sql(const CreateSelectJob& job);

/// To a name that no client has a table of.
[[nodiscard]] std::string set_aside_sql(const CreateSelectJob& job);
[[nodiscard]] std::string put_back_sql(const CreateSelectJob& job);

/// An error's text with the client's table where it names the collected one.
[[nodiscard]] std::string with_target(std::string message, const CreateSelectJob& job);

}  // namespace consort::proxy
