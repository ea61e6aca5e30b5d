// SessionCore: temporary tables. They live on the home's connection alone and pin the session to
// it; nothing of them reaches the binlog. Decision 0013.
#include <algorithm>

#include "certifier/lane_sql.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"
#include "router/token.h"

namespace consort::proxy {

using protocol::Command;
using router::DdlSubjects;
using router::Flag;
using router::Statement;
using router::StatementKind;

namespace {

/// What SHOW CREATE TABLE answers where no temporary table has the name: whoever made one may see
/// it. Other errors (a KILL QUERY) say nothing of the table.
bool denies_temporary(const protocol::SqlError& error) {
  switch (error.code) {
    case 1044:  // ER_DBACCESS_DENIED_ERROR
    case 1046:  // ER_NO_DB_ERROR
    case 1049:  // ER_BAD_DB_ERROR
    case 1109:  // ER_UNKNOWN_TABLE, of information_schema
    case 1142:  // ER_TABLEACCESS_DENIED_ERROR
    case 1146:  // ER_NO_SUCH_TABLE
      return true;
    default:
      return false;
  }
}

/// Asked in place of tables that cannot be temporary.
constexpr std::string_view kNotTemporary = "SELECT 0";

/// There SHOW CREATE TABLE calls every table a temporary one, but nobody can make any.
bool in_information_schema(const router::TableRef& table, std::string_view schema) {
  const std::string in =
      table.schema.empty() ? std::string(schema) : router::identifier_text(table.schema);
  return router::equals_ignoring_case(in, "information_schema");
}

}  // namespace

// A row change of nothing but temporary tables under autocommit needs no branch: it runs in a
// read-only transaction, in which the server lets it change those and nothing else. Where the names
// have deceived us it runs again as any write. In a branch such rows need care at its end.
void SessionCore::plan_temporary(const Statement& statement) {
  const bool ddl = statement.kind == StatementKind::kDdl;
  if (ddl) {
    temporary_after_ = temporary_;
    temporary_after_->note(statement, state_.schema());
    const bool copies = statement.has(Flag::kCreateSelect);
    const bool may_write_more =
        copies && (statement.has(Flag::kUnknownFunction) || effects_.stored_functions());
    if (may_write_more && !transaction_.open() && autocommit_) {
      job_.wrapped = true;
    }
    job_.keeps = copies;
    const bool may_run_outside = transaction_.open() ? !transaction_.traits().read_only : true;
    if (!copies && may_run_outside && !job_.commit_first) {
      job_.needs_branch = transaction_.on_backend();  // it begins no transaction
    }
    return;
  }
  if (!has_temporary()) {
    return;
  }
  if (job_.wrapped && !job_.sends_file &&
      temporary_.changes_only_these(statement, state_.schema())) {
    job_.wrapped = false;
    job_.read_only = true;
    return;
  }
  job_.keeps = temporary_.may_change(statement, state_.schema()) || effects_.stored_functions() ||
               effects_.triggers();
}

// The server knows which of a DDL statement's tables are temporary; names may mislead (a DROP that
// failed half way, capital letters), and what is executed here alone, or everywhere, for the wrong
// kind of table makes the backends differ. A program, a function in a SELECT say, may have left
// some behind whose names nobody told. True when it was asked.
bool SessionCore::ask_about_tables(const Statement& statement) {
  if (!(has_temporary() || a_program_may_have_run()) || statement.kind != StatementKind::kDdl ||
      !home_lease_.held() || statement.has(Flag::kUncertain) ||
      create_select_step() == CreateSelectStep::kCreate) {
    return false;
  }
  if (statement.tables.overflowed()) {
    if (may_have_temporary()) {
      job_.subjects = DdlSubjects::kMixed;
    }
    return false;  // else what a function may have left is no reason to refuse so many
  }
  const auto subjects = router::ddl_subjects(statement);
  if (job_.subjects_known) {
    job_.subjects = router::kind_of_subjects(statement, subjects_temporary_, state_.schema());
    return false;
  }
  if (subjects.empty()) {
    return false;
  }
  static_assert(router::kTablesMax + 8 <= ReplyQueue::kRepliesMax);
  static_assert(router::kTablesMax <= 8 * sizeof(subjects_temporary_));
  phase_ = SessionPhase::kRelaying;
  subjects_temporary_ = 0;
  subjects_answered_ = 0;
  subjects_error_.reset();
  xa_buffer_.clear();
  for (const router::TableRef& table : subjects) {
    const std::string sql = in_information_schema(table, state_.schema())
                                ? std::string(kNotTemporary)
                                : "SHOW CREATE TABLE " + named_in_backticks(table);
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(sql));
    expect(Channel::kHome, ReplyRole::kSubject, Command::kQuery);
  }
  effects_.send_backend(Channel::kHome, {xa_buffer_});
  return true;
}

/// A DROP TABLE of temporary tables and others: the home executes it as it is, the other servers
/// what is theirs of it.
void SessionCore::separate_temporary(const Statement& statement, std::string_view sql) {
  ordered_.request.sql = router::drop_of_plain(sql, statement, subjects_temporary_);
  std::vector<DdlTarget> plain;
  for (std::size_t at = 0; at < ordered_.request.targets.size(); ++at) {
    if ((subjects_temporary_ >> at & 1U) == 0) {
      plain.push_back(ordered_.request.targets[at]);
    }
  }
  ordered_.request.targets = std::move(plain);
  temporary_after_ = temporary_;
  temporary_after_->note(statement, state_.schema());
}

void SessionCore::on_subject(const protocol::SqlError* error) {
  static constexpr std::string_view kTemporary = "CREATE TEMPORARY ";
  const auto rows = own_rows_.rows();
  const bool temporary = error == nullptr && rows && rows->size() == 1 &&
                         rows->front().size() >= 2 &&
                         rows->front()[1].value_or("").starts_with(kTemporary);
  subjects_temporary_ |= temporary ? 1U << subjects_answered_ : 0;
  ++subjects_answered_;
  if (error != nullptr && !denies_temporary(*error)) {
    subjects_error_ = *error;
  }
  if (home_lease_.owes_reply()) {
    return;
  }
  if (subjects_error_) {
    fail_question(*subjects_error_);
    return;
  }
  job_.subjects_known = true;
  run_statement_again();
}

/// Before XA END: behind what changed temporary tables; and behind what may have called a stored
/// program, which may have set what our connection is to tell. Without it XA PREPARE's OK would not
/// say that something was written, and ask_whether_told() costs a round trip.
void SessionCore::append_mark() {
  home_tells_all_ = false;
  branch_marked_ = false;
  if (branch_keeps_) {
    expect(Channel::kHome, ReplyRole::kMarked, Command::kQuery);
    protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(certifier::kMarkBranchSql));
  }
  const bool may_have_called =
      job_.pins.added.has(router::PinReason::kUnknownState) ||
      (job_.wrapped ? job_.calls_unknown || pins_.has(router::PinReason::kUnknownState)
                    : a_program_may_have_run());
  if (may_have_called) {
    append_own_tracking(Channel::kHome, ReplyRole::kTellsAll);
  }
}

// The end of a branch whose rows of temporary tables nobody else may undo or keep: this session
// goes on only when it is done. With autocommit=0 the server takes neither statement.
void SessionCore::end_left_branch(const BranchOutcome& outcome) {
  phase_ = SessionPhase::kPreparing;  // should the connection be lost, the branch is abandoned
  left_outcome_ = outcome;
  xa_buffer_.clear();
  const auto append_set = [this](std::string_view sql) {
    if (!autocommit_) {
      expect(Channel::kHome, ReplyRole::kIgnored, Command::kQuery);
      protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(sql));
    }
  };
  append_set("SET autocommit=1");
  expect(Channel::kHome, ReplyRole::kLeftEnd, Command::kQuery);
  xa_command(outcome.verdict == BranchVerdict::kCommitted ? "XA COMMIT " : "XA ROLLBACK ",
             outcome.branch);
  append_set("SET autocommit=0");
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

void SessionCore::on_left_end(const protocol::SqlError* error) {
  constexpr std::uint16_t kRolledBack = 1402;  // XA_RBROLLBACK
  const BranchOutcome outcome = *std::exchange(left_outcome_, std::nullopt);
  const bool undone = error != nullptr && error->code == kRolledBack;
  if (error != nullptr && !(undone && outcome.verdict != BranchVerdict::kCommitted)) {
    lose(Channel::kHome);  // what became of the temporary tables, nobody knows
    return;
  }
  if (outcome.verdict == BranchVerdict::kRefused && held_.is_error()) {
    transaction_over();
    answer_held();  // the statement's own error says why
    return;
  }
  settle(outcome);
}

// A lane that replays a branch from the log undoes it first, and the rows of temporary tables with
// it. True when that may have happened to this session's: it is closed.
bool SessionCore::lost_kept_commit() {
  if (kept_commit_ == Seqno{}) {
    return false;
  }
  const bool replayed = has_temporary() && effects_.newest_replay(*home_) >= kept_commit_;
  kept_commit_ = {};
  if (replayed) {
    close_with(protocol::server_shutdown_error());
  }
  return replayed;
}

}  // namespace consort::proxy
