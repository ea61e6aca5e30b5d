// SessionCore: SHOW GRANTS. A server shows PUBLIC's rights beside one's own, and Consort has given
// PUBLIC some to its own schema, which are nothing of its clients'.
#include "protocol/decode.h"
#include "proxy/session/session_core.h"
#include "proxy/session/session_relay.h"
#include "router/own_schema.h"

namespace consort::proxy {

namespace {

bool is_own_grant_row(Bytes payload) {
  const auto row = OwnResult::read_row(payload, 1);
  return row && router::is_own_grant((*row)[0].value_or(""));
}

/// Of the binary protocol: a zero, which columns are NULL, the values.
bool is_own_binary_row(Bytes payload) {
  constexpr std::size_t kHead = 2;
  return payload.size() > kHead && is_own_grant_row(payload.subspan(kHead));
}

}  // namespace

void SessionCore::on_grants(Channel channel, const ResponseStep& step) {
  Relay relay(MutableBytes{});
  if (step.control == protocol::ControlKind::kErr) {
    on_client_error(channel, protocol::sql_error_of(step.payload), reply_sequence_, relay);
    return;
  }
  if (own_rows_.wire().empty()) {  // more than is kept: as they are
    job_.shows_grants = false;
    send_job();
    return;
  }
  Buffer reply = rows_reply(own_rows_, owner_.capabilities, status_bits(), reply_sequence_,
                            job_.kind == JobKind::kExecute ? is_own_binary_row : is_own_grant_row);
  answer_with_rows(channel, relay, std::move(reply));
}

/// The client has the whole of a server's result set, in our words.
void SessionCore::answer_with_rows(Channel channel, Relay& relay, Buffer reply) {
  if (job_.kind == JobKind::kExecute) {
    leave_out_definitions(reply);
  }
  note_summary({}, true);
  flush(relay, reply);
  transaction_tracker_.on_rows();
  on_client_done(channel, relay, true);
}

}  // namespace consort::proxy
