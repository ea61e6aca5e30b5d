// SessionCore: a CALL that commits by itself (decision 0032). The commit thread knows from the
// procedure's body; then it runs alone, on the home's connection, when its turn in the log has
// come: as an ordered statement, of which the others execute what the home has committed.
//
//   CALL -> known? -> no: CallQuestion, kAskingOthers -> CallAnswer
//        -> in a branch, as any; or request_order() -> DdlTurn -> fence -> the CALL -> what it left
//           open is rolled back -> DdlExecuted -> DdlOutcome -> the last packet
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "router/program_scan.h"
#include "router/token.h"

namespace consort::proxy {

using protocol::Command;
using router::Statement;
using router::StatementKind;

namespace {

constexpr std::string_view kAskLeft = "SELECT @@in_transaction,@@autocommit";

/// A procedure has ended well amid a transaction.
protocol::SqlError program_left_open_error() {
  return {1105, "HY000",
          "The procedure has left a transaction open, which is rolled back: end it inside the "
          "procedure, or begin it outside"};
}

}  // namespace

/// Nothing of the session's hangs on its running in a branch, but for the open transaction that it
/// ends first.
bool SessionCore::may_run_alone() const {
  const bool whole = job_.kind == JobKind::kQuery ||
                     (job_.kind == JobKind::kExecute && !job_.bulk && !job_.wants_cursor);
  const bool reads_only =
      next_reads_only() || (transaction_.open() && transaction_.traits().read_only);
  return whole && (job_.wrapped || job_.needs_branch) && job_.channel == Channel::kHome &&
         !next_transaction_.pending() && !reads_only && own_tables_.only_writes() &&
         !owner_.password_expired;
}

/// Of the home's binlog nobody can tell whether what is renamed is a temporary table (decision
/// 0032). A program before may have left some.
bool SessionCore::may_have_temporary() const {
  return has_temporary() || pins_.has(router::PinReason::kUnknownState);
}

/// True: the statement runs alone, or the commit thread's answer tells whether it does.
bool SessionCore::plan_program(const Statement& statement) {
  const bool text = job_.kind == JobKind::kQuery;
  const bool executes = text && statement.kind == StatementKind::kExecuteText;
  const bool compound = text && statement.kind == StatementKind::kCompound;
  if (!(statement.kind == StatementKind::kCall || executes || compound) || !may_run_alone()) {
    return false;
  }
  if (job_.kind == JobKind::kExecute) {
    const auto& context = statements_.context(job_.statement_id);
    return plan_call(statements_.find(job_.statement_id)->sql, context.schema);
  }
  if (command_.size() >= protocol::kHeaderBytes + protocol::kMaxPayload) {
    return false;  // not looked at
  }
  const std::string_view sql = as_text(Bytes(command_).subspan(protocol::kHeaderBytes + 1));
  if (compound) {
    return plan_compound(sql);
  }
  if (!executes) {
    return plan_call(std::string(sql), state_.schema());
  }
  const auto executed = router::executed_text(sql, lexer_options());
  const auto found =
      executed ? prepared_calls_.find(router::lower_case(executed->name)) : prepared_calls_.end();
  if (found == prepared_calls_.end()) {
    return false;  // EXECUTE IMMEDIATE: on_immediate_text()
  }
  return plan_call(found->second.second, found->second.first);
}

/// `schema`: as it was when the CALL was prepared.
bool SessionCore::plan_call(std::string text, std::string_view schema) {
  const auto called = router::called_procedure(text, lexer_options());
  if (!called || !may_run_alone()) {
    return false;
  }
  std::string in = called->schema.empty() ? std::string(schema) : called->schema;
  job_.call_text = std::move(text);
  job_.called = {in, called->name};
  if (const std::optional<CallKnowledge> known = effects_.known_call(in, called->name)) {
    job_.may_prepare = job_.may_prepare && known->dynamic;
    return runs_alone(*known) && run_program(*known);
  }
  CallQuestion question{effects_.session_id(), ++call_questions_, std::move(in), called->name};
  if (!effects_.post_commit(std::move(question))) {
    return false;
  }
  phase_ = SessionPhase::kAskingOthers;
  job_.asks_about_call = true;
  return true;
}

/// BEGIN NOT ATOMIC and the like: its own words tell. What it calls is not looked at.
bool SessionCore::plan_compound(std::string_view text) {
  const router::ProgramScan scan = router::scan_program(text, lexer_options());
  const bool fit = !scan.unfit && !scan.uncertain && !(scan.renames && scan.makes_temporary) &&
                   !may_not_name(scan.names_host);
  if (!scan.commits() || !fit || !scan.calls.empty() || copies_sequence(scan) ||
      (scan.renames && may_have_temporary())) {
    return false;
  }
  note_made(scan);
  job_.call_text.assign(text);
  return run_program(block_knowledge(scan, text));
}

/// PREPARE has succeeded.
void SessionCore::note_prepared_call(std::string_view name, std::string text) {
  constexpr std::size_t kCallsMax = 64;
  if (prepared_calls_.size() < kCallsMax) {
    prepared_calls_[router::lower_case(name)] = {std::string(state_.schema()), std::move(text)};
  }
}

void SessionCore::forget_prepared_call(const Statement& statement) {
  if (!prepared_calls_.empty() && (statement.kind == StatementKind::kPrepareText ||
                                   statement.kind == StatementKind::kDeallocateText)) {
    prepared_calls_.erase(router::lower_case(router::identifier_text(statement.name)));
  }
}

void SessionCore::on_call_answer(const CallAnswer& answer) {
  if (phase_ != SessionPhase::kAskingOthers || !job_.asks_about_call ||
      answer.number != call_questions_) {
    return;
  }
  job_.asks_about_call = false;
  if (transaction_.is(TransactionState::kMustAbort)) {  // its home was lost meanwhile
    const protocol::SqlError error = abort_error();
    transaction_over();
    effects_.metrics().count_client_error(ClientErrorClass::kConflict);
    reply_error(error);
    return;
  }
  job_.may_prepare = job_.may_prepare && answer.known.dynamic;
  if (!runs_alone(answer.known) || !run_program(answer.known)) {
    advance_job();
  }
}

bool SessionCore::runs_alone(const CallKnowledge& known) {
  const CallVerdict verdict = known.verdict;
  if (verdict == CallVerdict::kBranch || may_not_name(known.names_host)) {
    return false;
  }
  const router::ProgramScan said = router::scan_literals(job_.call_text, lexer_options());
  if (verdict != CallVerdict::kByText) {
    const bool renames = verdict == CallVerdict::kAloneRenames || said.renames;
    const bool temporary = verdict == CallVerdict::kAloneTemporary || may_have_temporary();
    return !(renames && temporary);
  }
  if (!said.commits() || may_not_name(said.names_host) || said.unfit || said.uncertain ||
      said.renames || copies_sequence(said)) {
    return false;
  }
  note_made(said);
  return true;
}

/// CREATE TABLE .. LIKE a sequence. In whose schema a text names it is not known: in any.
bool SessionCore::copies_sequence(const router::ProgramScan& scan) {
  return effects_.sequences().any() && !scan.copied.empty();
}

/// What reads may call from now on.
void SessionCore::note_made(const router::ProgramScan& scan) {
  if (scan.makes_function) {
    effects_.note_stored_function();
  }
  if (scan.makes_trigger) {
    effects_.note_trigger();
  }
}

/// True: it is on its way. False: it runs in the branch, where it may turn out that it has to end
/// the transaction first.
bool SessionCore::run_program(const CallKnowledge& known) {
  if (effects_.mysql()) {
    reply_error(protocol::not_supported_error(
        "programs that commit by themselves, where a server is MySQL"));
    return true;
  }
  const bool renames_plain = known.verdict != CallVerdict::kAloneTemporary;
  const bool ends_none = job_.wrapped || begins_with_end(known);
  if (!own_tables_.empty() && (known.begins || !job_.wrapped)) {
    return false;  // it would end LOCK TABLES, too
  }
  if (ends_none && effects_.may_only_read()) {
    reply_error(read_only_server_error());  // at no commit of its own anybody could say so
    return true;
  }
  if (!ends_none) {
    plan_call_question(known);
    return false;
  }
  order_program(renames_plain);
  advance_job();
  return true;
}

/// `renames_plain`: as far as the program's own words tell.
void SessionCore::order_program(bool renames_plain) {
  ordered_ = {};
  ordered_.program = true;
  ordered_.request.sql = job_.call_text;
  ordered_.request.schema = state_.schema();
  ordered_.request.user = owner_.definer;
  ordered_.request.renames_plain = renames_plain && !may_have_temporary();
  ordered_.prepared = job_.kind == JobKind::kExecute;
  job_.kind = JobKind::kOrdered;
  job_.wrapped = job_.needs_branch = job_.keeps = false;
}

/// The connection that the log is to name can execute it at once. False: it is being prepared there
/// first.
bool SessionCore::program_is_ready() {
  if (ordered_.program && ordered_.prepared &&
      effects_.backend_statement(Channel::kHome, execution_key()) == nullptr) {
    reprepare();
    return false;
  }
  return true;
}

/// It is this connection's turn, and only this connection's: the log names it.
bool SessionCore::has_program_turn(BackendId backend) const {
  return home_lease_.held() && home_ == backend &&
         home_lease_.connection().thread_id == ordered_.request.program_thread;
}

/// The client's last OK. True: it is replaced by an error.
bool SessionCore::left_open(std::uint16_t status, protocol::SqlError& error) {
  if (job_.kind != JobKind::kOrdered || !ordered_.program ||
      (status & protocol::status_flag::kInTransaction) == 0) {
    return false;
  }
  if (has_only_read()) {
    ordered_.left_reading = true;
    transaction_.begin({});  // the client has one, in which nothing has happened
    transaction_tracker_.begin(router::AccessMode::kUnset, false);
    return false;
  }
  ordered_.told_open = true;
  error = program_left_open_error();
  return true;
}

/// A program that failed may have left a transaction open, which would be in no branch. True: that
/// is asked, and ended.
bool SessionCore::ends_open_transaction(bool succeeded) {
  if (!ordered_.program || succeeded) {
    return false;
  }
  xa_buffer_.clear();
  protocol::append_command(xa_buffer_, Command::kQuery, as_bytes(kAskLeft));
  expect(Channel::kHome, ReplyRole::kLeftOpen, Command::kQuery);
  append_plain_rollback();
  effects_.send_backend(Channel::kHome, {xa_buffer_});
  return true;
}

/// An error tells of no variable that has changed.
void SessionCore::on_left_open(const protocol::SqlError* error) {
  const auto rows = own_rows_.rows();
  const bool known = error == nullptr && rows && rows->size() == 1 && rows->front().size() == 2;
  ordered_.was_open = !known || rows->front()[0] != "0";
  if (known) {
    autocommit_ = rows->front()[1] == "1";
    state_.set_variable("autocommit", autocommit_ ? "ON" : "OFF");
  }
  finish_ordered(false);
}

/// Its client knows nothing of the rollback: what comes next but a ROLLBACK, a look at the error or
/// the choice of a database fails with 1213, and the transaction is over. True: it has failed.
bool SessionCore::meets_lost_transaction(const Statement& statement) {
  if (job_.asks_diagnostics || statement.kind == StatementKind::kUse) {
    return false;
  }
  lost_transaction_ = false;
  if (statement.kind == StatementKind::kRollback) {
    return false;
  }
  effects_.metrics().count_client_error(ClientErrorClass::kConflict);
  reply_error(protocol::deadlock_error());
  return true;
}

}  // namespace consort::proxy
