// SessionCore: cursors of prepared statements. A server keeps the rows of one in a table of its own
// until they are fetched, whatever becomes of the transaction: so the session stays with the
// connection to its home.
#include "base/check.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

using protocol::Command;

namespace {

/// Command, statement id, number of rows.
constexpr std::size_t kFetchBytes = 1 + 4 + 4;

}  // namespace

void SessionCore::on_fetch(Bytes payload) {
  const auto id = protocol::statement_id_of(payload);
  if (!id.ok() || payload.size() < kFetchBytes) {
    reply_error(protocol::malformed_packet_error());
    return;
  }
  const protocol::ClientStatement* statement = statements_.find(*id);
  if (statement == nullptr) {
    reply_error(protocol::unknown_statement_error(*id, "fetch"));
    return;
  }
  if (!statements_.has_cursor(statement->client_id)) {
    reply_error(protocol::no_open_cursor_error(*id));
    return;
  }
  CHECK(home_lease_.held());  // the session is pinned
  const BackendStatement* known = effects_.backend_statement(
      Channel::kHome, statements_.backend_key(statement->client_id, true));
  CHECK(known != nullptr);  // nobody closes one with a cursor
  job_.kind = JobKind::kFetch;
  job_.fetches = statement->client_id;
  phase_ = SessionPhase::kRelaying;
  effects_.metrics().count_query(job_.query_kind, *home_);
  xa_buffer_.clear();
  const std::size_t place = protocol::begin_packet(xa_buffer_);
  append(xa_buffer_, payload.first(kFetchBytes));
  store_le<4>(xa_buffer_.data() + place + protocol::kHeaderBytes + 1, known->id);
  protocol::finish_packet(xa_buffer_, place, 0);
  sent_command_ = Command::kStmtFetch;
  command_sequence_ = 0;
  expect(Channel::kHome, ReplyRole::kClient, Command::kStmtFetch);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

void SessionCore::on_statement_close(Bytes payload) {
  const auto id = protocol::statement_id_of(payload);
  const protocol::ClientStatement* statement = id.ok() ? statements_.find(*id) : nullptr;
  if (statement != nullptr) {
    const std::uint32_t client_id = statement->client_id;
    if (home_lease_.held() && statements_.asked_for_cursor(client_id)) {
      effects_.close_backend_statement(Channel::kHome, statements_.backend_key(client_id, true));
    }
    statements_.erase(client_id);
    pin_cursors();
  }
  finish_command();  // there is no reply
}

void SessionCore::on_statement_reset(Bytes payload) {
  const auto id = protocol::statement_id_of(payload);
  const protocol::ClientStatement* statement = id.ok() ? statements_.find(*id) : nullptr;
  if (statement == nullptr) {
    reply_error(protocol::unknown_statement_error(id.ok() ? *id : 0, "reset"));
    return;
  }
  const std::uint32_t client_id = statement->client_id;
  statements_.reset(client_id);
  if (statements_.has_cursor(client_id)) {
    close_cursor(client_id);
  }
  reply_ok();
}

/// The execution under way asks for a cursor, and runs where one can stay open.
bool SessionCore::passes_cursor() const {
  return job_.wants_cursor && job_.channel == Channel::kHome;
}

void SessionCore::note_cursor(const protocol::ResponseTracker::Step& step) {
  if (job_.kind == JobKind::kExecute && passes_cursor()) {
    job_.opened_cursor =
        job_.opened_cursor || (step.status & protocol::status_flag::kCursorExists) != 0;
  } else if (job_.kind == JobKind::kFetch &&
             (step.control == protocol::ControlKind::kErr ||
              (step.status & protocol::status_flag::kLastRowSent) != 0)) {
    statements_.note_cursor(job_.fetches, false);  // the server has closed it
    pin_cursors();
  }
}

/// The client has heard of the cursor that its execution opened.
void SessionCore::keep_cursor() {
  if (job_.opened_cursor) {
    statements_.note_cursor(job_.statement_id, true);
    pin_cursors();
  }
}

/// REQUIRES: it is open.
void SessionCore::close_cursor(std::uint32_t client_id) {
  CHECK(home_lease_.held());
  BackendStatement* known =
      effects_.backend_statement(Channel::kHome, statements_.backend_key(client_id, true));
  CHECK(known != nullptr);
  known->has_cursor = false;
  xa_buffer_.clear();
  const std::size_t place = protocol::begin_packet(xa_buffer_);
  xa_buffer_.push_back(static_cast<std::uint8_t>(Command::kStmtReset));
  append_le<4>(xa_buffer_, known->id);
  protocol::finish_packet(xa_buffer_, place, 0);
  expect(Channel::kHome, ReplyRole::kIgnored, Command::kStmtReset);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
  statements_.note_cursor(client_id, false);
  pin_cursors();
}

void SessionCore::pin_cursors() {
  router::PinSet pins = pins_;
  if (statements_.any_cursor()) {
    pins.add(router::PinReason::kOpenCursor);
  } else {
    pins.remove(router::PinReason::kOpenCursor);
  }
  set_pins(pins);
}

}  // namespace consort::proxy
