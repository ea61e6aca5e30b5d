// SessionCore: SHOW PROCESSLIST and the number of sessions, as the one who asks and as one that is
// listed.
#include <algorithm>
#include <utility>

#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

using protocol::Command;

namespace {

/// Changes nothing: 1227 without the PROCESS privilege, whether it comes by a role or not.
constexpr std::string_view kProcessRightProbe =
    "SELECT 1 FROM information_schema.INNODB_CMP LIMIT 1";

/// Whoever reads information_schema.PROCESSLIST finds itself so.
constexpr std::string_view kFillsTable = "Filling schema table";

/// What the phases of a statement are called.
std::string_view state_of(SessionPhase phase) {
  switch (phase) {
    case SessionPhase::kAwaitingBackend:
      return "Waiting for a connection";
    case SessionPhase::kAwaitingTables:
      return "Waiting for table metadata lock";
    case SessionPhase::kRelaying:
      return "Executing";
    case SessionPhase::kPreparing:
    case SessionPhase::kCertifying:
      return "Commit";
    case SessionPhase::kRollingBack:
      return "Rollback";
    case SessionPhase::kOrdering:
      return "Waiting for its turn";
    case SessionPhase::kAskingOthers:
      return "starting";
    case SessionPhase::kDraining:
      return "Reading file";
    case SessionPhase::kIdle:
    case SessionPhase::kClosing:
      return "";
  }
  return "";
}

/// A statement's text as a server shows it.
std::string_view shown_text(std::string_view sql) {
  sql = sql.substr(0, kProcessInfoBytesMax);
  return sql.substr(0, sql.find_last_not_of(" \t\r\n;") + 1);
}

/// A character set's default collation, and the most bytes of its characters.
struct TextFormat {
  std::uint16_t collation;
  std::uint32_t bytes_of_character;
};

constexpr TextFormat kTextsOf4{45, 4};
constexpr TextFormat kTextsOf3{33, 3};
constexpr TextFormat kLatin1Texts{8, 1};
constexpr TextFormat kAsciiTexts{11, 1};

TextFormat text_format(std::string_view character_set) {
  return character_set.starts_with("utf8mb4") ? kTextsOf4
         : character_set.starts_with("utf8")  ? kTextsOf3
         : character_set == "ascii"           ? kAsciiTexts
                                              : kLatin1Texts;
}

/// Of what the client named when it logged in.
TextFormat text_format(std::uint16_t collation) {
  const bool mb3 = collation == 33 || collation == 83 || (collation >= 192 && collation <= 223);
  const bool mb4 = collation == 45 || collation == 46 || collation >= 224;
  return {collation, mb4 ? 4U : mb3 ? 3U : 1U};
}

}  // namespace

bool SessionCore::answer_about_sessions(std::string_view sql, bool binary) {
  job_.counts_sessions = asks_threads_connected(sql, lexer_options());
  const auto request = process_list_request(sql, lexer_options());
  if (!request && !job_.counts_sessions) {
    return false;
  }
  job_.full_list = request && request->full;
  job_.binary_list = binary;
  phase_ = SessionPhase::kAskingOthers;
  effects_.list_sessions(!job_.counts_sessions);
  return true;
}

void SessionCore::on_sessions(std::vector<ProcessRow> rows) {
  if (phase_ != SessionPhase::kAskingOthers) {
    return;  // the client is gone
  }
  processes_ = std::move(rows);
  if (job_.kills_user) {
    on_kill_candidates(std::exchange(processes_, {}));
    return;
  }
  if (transaction_.is(TransactionState::kMustAbort)) {
    const protocol::SqlError error = abort_error();
    transaction_over();
    reply_error(error);
    return;
  }
  const std::string_view own = effects_.user();
  if (job_.counts_sessions ||
      std::all_of(processes_.begin(), processes_.end(),
                  [own](const ProcessRow& row) { return row.user == own; })) {
    answer_processes();
    return;
  }
  job_.kind = JobKind::kProcesses;
  job_.channel = Channel::kHome;
  advance_job();
}

void SessionCore::send_process_check() {
  phase_ = SessionPhase::kAskingOthers;
  ask_home(kProcessRightProbe, ReplyRole::kProcessRight);
}

void SessionCore::on_process_right(bool granted) {
  job_.kind = JobKind::kNone;
  if (!granted) {
    std::erase_if(processes_,
                  [own = effects_.user()](const ProcessRow& row) { return row.user != own; });
  }
  answer_processes();
}

/// How this client gets rows of our own.
ProcessListFormat SessionCore::list_format(bool binary) const {
  ProcessListFormat format;
  format.binary = binary;
  format.capabilities = owner_.capabilities;
  const auto character_set = state_.variable("character_set_results");
  const TextFormat texts =
      character_set ? text_format(*character_set) : text_format(owner_.collation);
  format.collation = texts.collation;
  format.bytes_of_character = texts.bytes_of_character;
  format.status = status_bits();
  format.sequence = reply_sequence_;
  return format;
}

void SessionCore::answer_processes() {
  if (job_.process_table) {
    run_with_process_table();
    return;
  }
  ProcessListFormat format = list_format(job_.binary_list);
  format.full = job_.full_list;
  scratch_.clear();
  if (job_.counts_sessions) {
    append_threads_connected(scratch_, processes_.size(), format);
  } else {
    append_process_list(scratch_, std::move(processes_), format);
  }
  processes_.clear();
  if (job_.binary_list) {
    leave_out_definitions(scratch_);
  }
  tell_client({scratch_});
  Buffer().swap(scratch_);
  transaction_tracker_.on_rows();
  diagnostics_.set_row_count(-1);
  finish_command();
}

/// In a server's words where it has some for this.
std::string_view SessionCore::own_state() const {
  const DdlRequest& request = ordered_.request;
  const bool waits = phase_ == SessionPhase::kCertifying || phase_ == SessionPhase::kAwaitingTables;
  if (waits && effects_.locked_tables().all_read()) {
    return "Waiting for backup lock";
  }
  if (job_.kind == JobKind::kOrdered && !ordered_.changes_accounts && !request.sets_globals) {
    const bool of_schema = !request.targets.empty() && request.targets[0].table.empty();
    if (phase_ == SessionPhase::kAwaitingTables && of_schema) {
      return "Waiting for schema metadata lock";
    }
    if (phase_ == SessionPhase::kOrdering && ordered_.seqno == Seqno{}) {
      return state_of(SessionPhase::kAwaitingTables);  // others' transactions are in its way
    }
  }
  return state_of(phase_);
}

// What the client's command is, for the one who asks. Its text is a copy: a moment later it is
// gone.
void SessionCore::describe(ProcessRow& row, TimePoint now) {
  row.schema = state_.schema();
  row.query_id = process_query_id(owner_.connection_id, command_number_);
  if (phase_ == SessionPhase::kIdle || phase_ == SessionPhase::kClosing ||
      command_.size() <= protocol::kHeaderBytes) {
    row.command = "Sleep";
    return;
  }
  const std::uint8_t command = command_[protocol::kHeaderBytes];
  const bool asks_for_table = job_.process_table && phase_ == SessionPhase::kAskingOthers;
  row.command = process_command(command);
  row.state = asks_for_table ? kFillsTable : own_state();
  row.time = now - job_.began;
  const bool runs = phase_ == SessionPhase::kRelaying || phase_ == SessionPhase::kOrdering;
  if (runs && lease_of(job_.channel).owes_reply()) {
    const LeasedConnection& connection = lease_of(job_.channel).connection();
    row.place = {connection.backend, connection.thread_id};
  }
  const Bytes argument = Bytes(command_).subspan(protocol::kHeaderBytes + 1);
  if (creates_select()) {
    row.command = "Query";
    row.info = create_select_->sql.substr(0, kProcessInfoBytesMax);
  } else if (!job_.shown_sql.empty()) {
    row.info = shown_text(job_.shown_sql);
  } else if (command == static_cast<std::uint8_t>(Command::kQuery) ||
             command == static_cast<std::uint8_t>(Command::kStmtPrepare)) {
    row.info = shown_text(as_text(argument));
  } else if (const protocol::ClientStatement* statement = statements_.find(job_.statement_id)) {
    row.info = statement->sql.substr(0, kProcessInfoBytesMax);
  }
}

}  // namespace consort::proxy
