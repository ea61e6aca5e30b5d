// SessionCore: open handlers (HANDLER .. OPEN) that stand in the way of DDL. A server keeps their
// tables' metadata locks until the session's next statement, which lets go of those that somebody
// waits for and opens them anew when they are read next. There only who wants the table waits that
// long; here it would be everybody's commits, and this session's next statement, which waits for
// them.
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

namespace {

/// DDL asks every 50 ms or so, for the first time before it can be waiting.
constexpr std::uint32_t kAskOfEvery = 4;

}  // namespace

/// DDL waits on the home, perhaps for a handler of this session.
void SessionCore::let_go_of_handlers() {
  const bool free = phase_ != SessionPhase::kClosing && home_lease_.held() &&
                    !home_lease_.owes_reply() && !home_lease_.inside_packet();
  if (!free || !pins_.has(router::PinReason::kHandler) ||
      ++handlers_asked_ % kAskOfEvery != kAskOfEvery / 2) {
    return;  // a statement that is under way comes to its end first
  }
  diagnostics_.keep_row_count();
  xa_buffer_.clear();
  protocol::append_command(xa_buffer_, protocol::Command::kQuery, as_bytes(kAskInsertId));
  expect(Channel::kHome, ReplyRole::kIgnored, protocol::Command::kQuery);
  effects_.send_backend(Channel::kHome, {xa_buffer_});
}

}  // namespace consort::proxy
