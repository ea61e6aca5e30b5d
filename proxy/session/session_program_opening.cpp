// SessionCore: a CALL that commits by itself, in a session that has a transaction open, or would
// open one. What such a program certainly does first is to end the transaction: then that is done
// for it, and it runs alone (decision 0044).
//
//   CALL in the branch -> 1399, and nothing has happened -> its opening is certain: the branch is
//   committed (certified, as any) or rolled back -> the CALL alone: session_program.cpp
//
// Where a handler would catch the 1399, the home is asked by a question instead.
#include <utility>

#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "router/program_opening.h"

namespace consort::proxy {

namespace {

constexpr std::uint16_t kXaRmFail = 1399;

CallOpening opening_of(router::FirstDeed deed) {
  switch (deed) {
    case router::FirstDeed::kCommits:
      return CallOpening::kCommits;
    case router::FirstDeed::kRollsBack:
      return CallOpening::kRollsBack;
    case router::FirstDeed::kUnknown:
    case router::FirstDeed::kCalls:
      break;
  }
  return CallOpening::kUncertain;
}

}  // namespace

/// With autocommit=0, and no transaction open: on a server it begins in none, too, and there is
/// nothing that it would end.
bool SessionCore::begins_with_end(const CallKnowledge& known) const {
  return !transaction_.open() && known.opening != CallOpening::kUncertain;
}

/// Of a compound statement that may run alone.
CallKnowledge SessionCore::block_knowledge(const router::ProgramScan& scan,
                                           std::string_view text) const {
  const router::ProgramOpening opening = router::program_opening(text, {}, lexer_options());
  return {scan.makes_temporary ? CallVerdict::kAloneTemporary : CallVerdict::kAlone,
          opening_of(opening.deed), scan.begins_transaction || scan.dynamic, scan.dynamic,
          opening.handled};
}

/// Of the program that has failed: it may have been another one, made by DDL, than was asked about.
std::optional<CallKnowledge> SessionCore::knowledge_again() {
  if (job_.statement_kind == router::StatementKind::kCompound) {
    return block_knowledge(router::scan_program(job_.call_text, lexer_options()), job_.call_text);
  }
  auto known = effects_.known_call(job_.called.schema, job_.called.name);
  if (!known || !runs_alone(*known)) {
    return std::nullopt;
  }
  if (!router::has_plain_arguments(job_.call_text, lexer_options())) {
    known->opening = CallOpening::kUncertain;
  }
  return known;
}

/// The program has failed in the client's transaction. Where it surely has done nothing before, and
/// nobody but its client hears of the error, the transaction is ended as it wants, and it runs
/// alone. True: that is under way. Else `error` is the client's.
bool SessionCore::ends_transaction_first(protocol::SqlError& error) {
  const bool in_branch = transaction_.is(TransactionState::kExecuting) && !job_.wrapped &&
                         error.message.find("ROLLBACK ONLY") == std::string::npos;
  if (error.code != kXaRmFail || job_.call_text.empty() || !in_branch || abort_requested_ ||
      kill_requested_) {
    return false;
  }
  const std::optional<CallKnowledge> known = may_run_alone() ? knowledge_again() : std::nullopt;
  const bool certain = known && known->opening != CallOpening::kUncertain && !known->handled;
  if (known && !certain) {
    error.message +=
        " (COMMIT or ROLLBACK before: inside a transaction a program that commits by itself runs "
        "only if it begins with that, for certain)";
  }
  if (!certain || reply_started_ || effects_.may_only_read()) {
    return false;
  }
  end_transaction_for(*known);
  return true;
}

void SessionCore::end_transaction_for(const CallKnowledge& known) {
  order_program(known.verdict != CallVerdict::kAloneTemporary);
  if (known.opening == CallOpening::kRollsBack) {
    begin_rollback(AfterCommit::kJob);
  } else {
    begin_commit(AfterCommit::kJob);
  }
}

/// A handler would catch 1399. So the home is asked before whether the CALL would come as far as
/// its body, which the transaction does not survive.
void SessionCore::plan_call_question(const CallKnowledge& known) {
  const bool certain =
      known.handled && known.parameters && known.opening != CallOpening::kUncertain;
  if (certain && job_.statement_kind != router::StatementKind::kCompound &&
      job_.kind == JobKind::kQuery &&
      router::has_plain_arguments(job_.call_text, lexer_options())) {
    job_.call_question =
        router::call_question(job_.call_text, *known.parameters, lexer_options()).value_or("");
  }
}

bool SessionCore::asks_call_question() {
  if (job_.call_question.empty()) {
    return false;
  }
  phase_ = SessionPhase::kRelaying;
  xa_buffer_.clear();
  append_preparation();  // an argument may be a variable that travelled
  protocol::append_command(xa_buffer_, protocol::Command::kQuery,
                           as_bytes(std::exchange(job_.call_question, {})));
  expect(Channel::kHome, ReplyRole::kCallQuestion, protocol::Command::kQuery);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
  return true;
}

/// Unless it would, or somebody has changed it since, it runs in the branch, and the server says
/// what is wrong.
void SessionCore::on_call_question(const protocol::SqlError* error) {
  constexpr std::uint16_t kWrongNumberOfArguments = 1318;
  const auto known =
      error != nullptr && error->code == kWrongNumberOfArguments && !effects_.may_only_read()
          ? knowledge_again()
          : std::nullopt;
  if (error != nullptr && (interrupted_for_lane(*error) || kill_requested_)) {
    fail_question(*error);
  } else if (known && known->opening != CallOpening::kUncertain) {
    end_transaction_for(*known);
  } else {
    send_job();
  }
}

/// Before it runs with autocommit=0: the home shall tell what it does in a transaction that it
/// leaves open, as it begins one whenever it reads a table.
void SessionCore::watch_program() {
  if (!autocommit_ && !transaction_tracker_.on()) {
    append_turn_setting("SET SESSION session_track_transaction_info=STATE");
    ordered_.as_ever.emplace_back("SET SESSION session_track_transaction_info=DEFAULT");
  }
}

/// In the transaction that it has left open, so that nothing is lost with that but its locks at
/// SERIALIZABLE.
bool SessionCore::has_only_read() {
  const std::string_view state = ordered_.transaction_state;
  constexpr std::string_view kImplicitWithReads = "IrR_sS";
  return !autocommit_ && !state.empty() && state.front() == 'I' &&
         state.find_first_not_of(kImplicitWithReads) == state.npos &&
         isolation_on(Channel::kHome) != "SERIALIZABLE";
}

}  // namespace consort::proxy
