// SessionCore: statements whose text the server reads first. DDL above all commits the open
// transaction before it runs, but what the server cannot read commits nothing: the home is asked to
// prepare the text before the transaction is committed for it (decision 0020). And what Consort
// refuses as it cannot read it the server may not be able to read either: then its error says more.
#include "protocol/decode.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"

namespace consort::proxy {

using protocol::Command;
using protocol::ControlKind;
using protocol::ResponseTracker;

namespace {

/// Longer texts are not asked about.
constexpr std::size_t kTextBytesMax = 1 << 20;

/// Ends the statement or the transaction, whatever it was sent for.
bool ends_statement(std::uint16_t code) {
  switch (code) {
    case protocol::sql_code::kDeadlock:
    case protocol::sql_code::kQueryInterrupted:
    case protocol::sql_code::kStatementTimeout:
      return true;
    default:
      return false;
  }
}

}  // namespace

/// What ends the transaction before it runs, or is refused, and whose text says so; empty: none.
std::string SessionCore::text_to_read() const {
  if (job_.kind == JobKind::kOrdered) {
    return ordered_.request.sql;
  }
  const bool maintains =
      job_.kind == JobKind::kQuery && is_maintenance(job_.statement_kind) &&
      command_[protocol::kHeaderBytes] == static_cast<std::uint8_t>(Command::kQuery);
  if (!maintains && job_.kind != JobKind::kRefused) {
    return {};
  }
  const Buffer payload = protocol::join_payload(command_);
  return std::string(as_text(Bytes(payload).subspan(1)));
}

/// True when it was asked, or waits for a connection to ask.
bool SessionCore::asks_whether_readable() {
  if (job_.text_read || job_.statement_id != 0 || creates_select()) {
    return false;  // one that came prepared has been read
  }
  const std::string sql = text_to_read();
  if (sql.empty() || sql.size() > kTextBytesMax) {
    return false;
  }
  if (!transaction_.on_backend()) {
    phase_ = SessionPhase::kAwaitingBackend;
    if (!acquire_home()) {
      return true;
    }
  }
  ask_to_read(sql);
  return true;
}

void SessionCore::ask_to_read(std::string_view sql) {
  phase_ = SessionPhase::kRelaying;
  xa_buffer_.clear();
  protocol::append_command(xa_buffer_, Command::kStmtPrepare, as_bytes(sql));
  expect(Channel::kHome, ReplyRole::kReadable, Command::kStmtPrepare);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

/// `may_be_unreadable`: it came as text, of which the server may say something else.
void SessionCore::refuse(protocol::SqlError error, bool may_be_unreadable) {
  if (!may_be_unreadable) {
    reply_error(error);
    return;
  }
  job_.refusal = std::move(error);
  job_.kind = JobKind::kRefused;
  advance_job();
}

/// The text is read: either it says what the server says of it, or it goes on.
void SessionCore::go_on_read() {
  job_.text_read = true;
  advance_job();
}

void SessionCore::on_readable(const ResponseTracker::Step& step) {
  if (step.kind == ResponseTracker::StepKind::kControl && step.control == ControlKind::kErr) {
    const protocol::SqlError error = protocol::sql_error_of(step.payload);
    if (refused_by_parser(error, lease_of(Channel::kHome).connection().kind)) {
      reply_error(error);
    } else if (ends_statement(error.code)) {
      fail_question(error);
    } else {  // of tables or rights: a server looks at them when it has committed
      go_on_read();
    }
    return;
  }
  if (step.kind == ResponseTracker::StepKind::kControl && step.control == ControlKind::kPrepareOk) {
    const auto prepared = protocol::decode_prepare_ok(step.payload);
    job_.text_statement = prepared.ok() ? prepared->statement_id : 0;
  }
  if (!step.last) {
    return;
  }
  Buffer id;
  append_le<4>(id, job_.text_statement);
  xa_buffer_.clear();
  protocol::append_command(xa_buffer_, Command::kStmtClose, id);  // no reply comes
  effects_.send_backend(Channel::kHome, {xa_buffer_});
  go_on_read();
}

}  // namespace consort::proxy
