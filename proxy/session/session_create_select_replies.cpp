// SessionCore: what comes of the steps of a CREATE TABLE .. SELECT, and its answer.
#include <algorithm>
#include <utility>

#include "protocol/packet_writer.h"
#include "proxy/session/ascii_text.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"

namespace consort::proxy {

using Step = CreateSelectStep;

namespace {

constexpr unsigned kFillsMax = 10;
constexpr unsigned kTriesMax = 3;
constexpr std::uint16_t kOfIndexes =
    protocol::status_flag::kNoGoodIndexUsed | protocol::status_flag::kNoIndexUsed;
constexpr std::string_view kUndefined = "a table that SHOW CREATE TABLE does not tell";

/// A character that a character set lacks becomes one.
auto question_marks(std::string_view text) {
  return std::count(text.begin(), text.end(), '?');
}

protocol::SqlError reads_itself_error(const std::string& table) {
  return {1093, "HY000",
          "Table '" + table +
              "' is specified twice, both as a target for 'CREATE' and as a separate source for "
              "data"};
}

}  // namespace

/// The step's reply is here. REQUIRES: creates_select().
void SessionCore::go_on_create_select() {
  CreateSelectJob& job = *create_select_;
  switch (job.step) {
    case Step::kReadCharacterSet:
    case Step::kReadDefinition:
    case Step::kReadAgain:
    case Step::kReadColumns:
    case Step::kReadLengths:
    case Step::kReadWarnings:
    case Step::kCountFirst:
    case Step::kCountLast:
      on_step_rows(read_rows_reply(job.reply, owner_.capabilities));
      return;
    case Step::kReadText: {
      const StepReply reply = read_prepare_reply(job.reply);
      if (reply.error && refused_by_parser(*reply.error, ServerKind::kMariadb)) {
        answer_with_step();
        return;
      }
      forget_step_statement(reply.statement_id);
      run_step(Step::kEndTransaction);
      return;
    }
    case Step::kCheckRights: {
      const StepReply reply = read_prepare_reply(job.reply);
      if (reply.error) {
        answer_with_step();
        return;
      }
      forget_step_statement(reply.statement_id);
      if (job.reads_itself && job.parts.or_replace) {
        fail_create_select(reads_itself_error(job.table));
        return;
      }
      run_step(job.parts.or_replace ? collecting_step() : Step::kCheckName);
      return;
    }
    case Step::kPrepareCollect: {
      const StepReply reply = read_prepare_reply(job.reply);
      if (reply.error) {
        on_step_not_collected(*reply.error);
        return;
      }
      job.collect_id = reply.statement_id;
      run_step(Step::kCollect);
      return;
    }
    case Step::kNone:
      return;
    default:
      on_step_done(read_ok_reply(job.reply, owner_.capabilities));
      return;
  }
}

CreateSelectStep SessionCore::collecting_step() const {
  return create_select_->execution.empty() ? Step::kCollect : Step::kPrepareCollect;
}

CreateSelectStep SessionCore::step_behind_collected() const {
  return counters_.count() ? Step::kCountFirst : Step::kSettle;
}

void SessionCore::forget_step_statement(std::uint32_t statement_id) {
  if (statement_id == 0 || statements_.find(statement_id) == nullptr) {
    return;
  }
  const CreateSelectJob& job = *create_select_;
  const bool clients_too = job.step == Step::kCheckRights && job.statement_id != 0;
  if (home_lease_.held() && !clients_too) {
    effects_.close_backend_statement(Channel::kHome, statements_.backend_key(statement_id));
  }
  statements_.erase(statement_id);
}

void SessionCore::on_step_rows(const StepReply& reply) {
  CreateSelectJob& job = *create_select_;
  if (job.step == Step::kCountLast) {
    counters_.end_steps(reply.rows);
    job.counts = false;
    end_steps();
    return;
  }
  if (reply.error) {
    fail_create_select(*reply.error);
    return;
  }
  const auto value = [&](std::size_t column) {
    const bool there = reply.rows.size() == 1 && reply.rows[0].size() > column;
    return there ? reply.rows[0][column].value_or("") : std::string_view();
  };
  switch (job.step) {
    case Step::kReadCharacterSet:
      job.character_set = character_set_option(value(1));
      run_step(collecting_step());
      return;
    case Step::kReadDefinition:
    case Step::kReadAgain: {
      const std::string_view definition = definition_in(value(1));
      const bool again = job.step == Step::kReadAgain;
      const bool lossy = again && question_marks(definition) != question_marks(job.definition);
      if (definition.empty() || lossy) {
        fail_create_select(protocol::not_supported_error(
            lossy ? "names that the session's character set has no characters for" : kUndefined));
        return;
      }
      job.definition = definition;
      run_step(again || is_ascii(definition) ? Step::kReadColumns : Step::kReadAgain);
      return;
    }
    case Step::kReadWarnings:
      job.warning_rows = std::move(job.reply);
      run_step(transaction_.open() ? Step::kKeepCollected : step_behind_collected());
      return;
    case Step::kCountFirst:
      counters_.begin_steps(reply.rows, {job.parts.or_replace, job.affected_rows > 0});
      job.counts = true;
      run_step(Step::kSettle);
      return;
    case Step::kReadLengths:
      job.lengths.read(job.reply, owner_.capabilities);
      run_step(Step::kCreate);
      return;
    default:
      job.columns = columns_in(reply.rows);
      if (job.parts.keys.empty()) {
        job.lengths = DisplayLengths(reply.rows, job.definition);
      }
      run_step(job.lengths.empty() ? Step::kCreate : Step::kReadLengths);
      return;
  }
}

void SessionCore::on_step_done(const StepReply& reply) {
  CreateSelectJob& job = *create_select_;
  switch (job.step) {
    case Step::kEndTransaction:
      reply.error ? answer_with_step() : run_step(Step::kCheckRights);
      return;
    case Step::kCheckName:
      if (reply.error && reply.error->code == kNoColumnsErrno) {
        run_step(collecting_step());
      } else {
        answer_with_step();  // it is taken: nothing is selected
      }
      return;
    case Step::kCollect:
      forget_step_statement(std::exchange(job.collect_id, 0));
      if (reply.error) {
        on_step_not_collected(*reply.error);
        return;
      }
      job.has_rows = true;
      job.affected_rows = reply.affected_rows;
      job.last_insert_id = reply.last_insert_id;
      job.warnings = reply.warnings;
      job.status = reply.status & kOfIndexes;
      job.info = reply.info;
      if (job.warnings == 0) {
        job.warning_rows.clear();
      }
      run_step(job.warnings > 0 && job.warning_rows.empty() ? Step::kReadWarnings
               : transaction_.open()                        ? Step::kKeepCollected
                                                            : step_behind_collected());
      return;
    case Step::kLetCollect:
      run_step(collecting_step());  // it says whether that was enough
      return;
    case Step::kKeepCollected:
    case Step::kSettle:
      if (reply.error) {
        fail_create_select(*reply.error);
      } else {
        run_step(job.step == Step::kSettle ? Step::kReadDefinition : step_behind_collected());
      }
      return;
    case Step::kCreate:
      if (reply.error) {
        fail_create_select(*reply.error);
      } else if (job.affected_rows > 0) {
        run_step(job.is_hidden ? Step::kSetAside : Step::kFill);
      } else {
        job.made_by = {};
        run_step(Step::kDropCollected);
      }
      return;
    case Step::kSetAside:
      if (reply.error) {
        fail_create_select(*reply.error);
      } else {
        job.set_aside = true;
        run_step(Step::kFill);
      }
      return;
    case Step::kPutBack:
      on_step_put_back(reply);
      return;
    case Step::kFill:
    case Step::kKeepFilled:
      on_step_filled(reply);
      return;
    case Step::kTakeBack: {
      const Step next = std::exchange(job.behind_take_back, Step::kNone);
      job.error || next == Step::kNone ? clean_up_steps() : run_step(next);
      return;
    }
    case Step::kUndo:
      clean_up_steps();
      return;
    case Step::kDropCollected:
      if (reply.error && ++job.tries < kTriesMax) {  // a KILL QUERY that came late
        run_step(Step::kDropCollected);
        return;
      }
      job.has_rows = false;
      job.tries = 0;
      clean_up_steps();
      return;
    case Step::kRestore:
      on_step_restored(reply);
      return;
    default:
      return;
  }
}

void SessionCore::on_step_filled(const StepReply& reply) {
  CreateSelectJob& job = *create_select_;
  if (!reply.error && job.step == Step::kFill && transaction_.open()) {
    run_step(Step::kKeepFilled);
  } else if (!reply.error) {
    job.made_by = {};  // what it was made for is there
    clean_up_steps();
  } else if (reply.error->code == protocol::sql_code::kDeadlock && job.fills < kFillsMax &&
             !transaction_.open()) {
    run_step(Step::kFill);  // DDL on every server stood in its way: nobody else knows the table yet
  } else {
    fail_create_select(*reply.error);
  }
}

void SessionCore::on_step_put_back(const StepReply& reply) {
  CreateSelectJob& job = *create_select_;
  if (reply.error && ++job.tries < kTriesMax) {
    run_step(Step::kPutBack);
    return;
  }
  if (reply.error) {
    close_with(*reply.error);  // its temporary table has another name
    return;
  }
  job.set_aside = false;
  job.tries = 0;
  clean_up_steps();
}

void SessionCore::on_step_restored(const StepReply& reply) {
  CreateSelectJob& job = *create_select_;
  if (reply.error && ++job.tries < kTriesMax) {
    run_step(Step::kRestore);
    return;
  }
  if (reply.error) {
    close_with(*reply.error);  // its settings are not the client's
    return;
  }
  state_ = job.state_before;
  job.settled = false;
  job.counts ? run_step(Step::kCountLast) : end_steps();
}

void SessionCore::end_steps() {
  CreateSelectJob& job = *create_select_;
  const bool taken = job.error && job.error->code == kTableExistsErrno && job.parts.if_not_exists;
  if (taken) {  // meanwhile: the server says how that is told
    job.error.reset();
    run_step(Step::kCheckName);
  } else {
    answer_create_select();
  }
}

/// Nothing is to be left of what the steps have done.
void SessionCore::fail_create_select(const protocol::SqlError& error) {
  CreateSelectJob& job = *create_select_;
  job.error = error;
  job.error->message = with_target(std::move(job.error->message), job);
  if (transaction_.open()) {
    run_step(Step::kTakeBack);
  } else {
    clean_up_steps();
  }
}

void SessionCore::clean_up_steps() {
  const CreateSelectJob& job = *create_select_;
  if (job.unfilled()) {
    run_step(Step::kUndo);
  } else if (job.set_aside) {
    run_step(Step::kPutBack);
  } else if (job.has_rows) {
    run_step(Step::kDropCollected);
  } else if (job.settled) {
    run_step(Step::kRestore);
  } else {
    answer_create_select();
  }
}

/// Who may not make temporary tables where the new one will be collects in Consort's schema.
void SessionCore::on_step_not_collected(const protocol::SqlError& error) {
  CreateSelectJob& job = *create_select_;
  const bool no_right = error.code == protocol::sql_code::kDbAccessDenied &&
                        error.message.ends_with("'" + job.collecting_schema + "'");
  const bool in_own = job.collecting_schema == kConsortSchema;
  if (no_right && !(in_own && job.let_collect)) {
    collect_in(job, kConsortSchema);
    const Step next = in_own                          ? Step::kLetCollect
                      : job.parts.names_character_set ? collecting_step()
                                                      : Step::kReadCharacterSet;
    job.behind_take_back = next;
    run_step(transaction_.open() ? Step::kTakeBack : next);
  } else if (no_right) {
    fail_create_select(
        protocol::not_supported_error("CREATE TABLE .. SELECT by an account without CREATE "
                                      "TEMPORARY TABLES in the table's schema "
                                      "or on consort.*"));
  } else if (transaction_.open()) {
    fail_create_select(error);
  } else {
    answer_with_step();
  }
}

/// The step's own reply is the client's, and the home's SHOW WARNINGS is, too.
void SessionCore::answer_with_step() {
  CreateSelectJob& job = *create_select_;
  const Buffer packet = std::move(job.reply);
  const StepReply reply = read_ok_reply(packet, owner_.capabilities);
  if (reply.error) {
    const std::string message = with_target(reply.error->message, job);
    if (packet.empty() || message != reply.error->message) {
      job.error = reply.error;
      job.error->message = message;
      answer_create_select();
      return;
    }
  }
  OwnDiagnostics own{std::move(job.warning_rows), {}};
  leave_create_select();
  diagnostics_.set_own(std::move(own));  // in a branch: the home's are of its end
  if (reply.error) {
    multi_.drop_rest();
  }
  scratch_ = packet;
  scratch_[3] = reply_sequence_;
  send_reply();
}

void SessionCore::answer_create_select() {
  CreateSelectJob& job = *create_select_;
  if (const auto error = std::move(job.error)) {
    leave_create_select();
    reply_error(*error);
    return;
  }
  const std::string info = std::move(job.info);
  OwnDiagnostics own{std::move(job.warning_rows), DiagnosticsCount{job.warnings, 0}};
  protocol::OkPacket ok;
  ok.affected_rows = job.affected_rows;
  ok.last_insert_id = job.last_insert_id;
  ok.warnings = job.warnings;
  ok.info = info;
  const std::uint16_t of_indexes = job.status;
  found_rows_.end_stored(router::classify(job.sql, lexer_options()), job.sql, job.affected_rows);
  leave_create_select();
  ok.status = status_bits() | of_indexes;
  diagnostics_.set_row_count(static_cast<std::int64_t>(ok.affected_rows));
  diagnostics_.on_home_used();  // it has executed other statements since
  diagnostics_.set_own(std::move(own));
  scratch_.clear();
  protocol::append_ok(scratch_, ok, owner_.capabilities, reply_sequence_);
  send_reply();
}

/// From here on the client hears what it is told.
void SessionCore::leave_create_select() {
  reply_sequence_ = create_select_->reply_sequence;
  job_.statement_id = create_select_->statement_id;
  *create_select_ = {};
}

/// It cannot go on: what it has made goes again.
void SessionCore::abandon_create_select() {
  if (creates_select()) {
    post_unfilled();
    leave_create_select();
  }
}

void SessionCore::post_unfilled() {
  const CreateSelectJob& job = *create_select_;
  if (!job.unfilled()) {
    return;
  }
  TableUnfilled unfilled;
  unfilled.made_by = job.made_by;
  DdlRequest& drop = unfilled.drop;
  drop.session = effects_.session_id();
  drop.home = home_.value_or(BackendId{});
  drop.sql = "DROP TABLE IF EXISTS " + job.target;
  drop.schema = state_.schema();
  drop.user = owner_.definer;
  drop.session_set = state_.whole_set_statement(owner_.collation);
  drop.targets.push_back({job.schema, job.table});
  (void)effects_.post_commit(std::move(unfilled));
}

}  // namespace consort::proxy
