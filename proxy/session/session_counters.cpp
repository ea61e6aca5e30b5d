// SessionCore: SHOW STATUS of the session, without what Consort's own statements have added.
#include "protocol/decode.h"
#include "protocol/encode.h"
#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/session_relay.h"

namespace consort::proxy {

using protocol::Command;

namespace {

constexpr std::size_t kStatusColumns = 2;  // name, value

/// What the client's statement asks for, whoever shapes the answer.
bool is_clients(ReplyRole role) {
  return role == ReplyRole::kClient || role == ReplyRole::kGrants || role == ReplyRole::kStatus;
}

/// Of the binary protocol: a zero, and which columns are NULL.
constexpr std::size_t kBinaryHead = 2;

Buffer shown_row(Bytes row, bool binary, const StatusCounters& counters) {
  const std::size_t head = binary ? kBinaryHead : 0;
  Buffer out;
  const auto values =
      row.size() < head ? std::nullopt : OwnResult::read_row(row.subspan(head), kStatusColumns);
  if (!values || !(*values)[0] || !(*values)[1]) {
    append(out, row);
    return out;
  }
  append(out, row.first(head));
  protocol::append_lenenc_text(out, *(*values)[0]);
  protocol::append_lenenc_text(out, counters.shown(*(*values)[0], *(*values)[1]));
  return out;
}

}  // namespace

/// `pieces` are packets, whose replies are expected already.
void SessionCore::note_sent(Channel channel, std::initializer_list<Bytes> pieces) {
  if (!counters_.count() || channel != Channel::kHome) {
    return;
  }
  std::vector<Bytes> commands;
  for (Bytes rest : pieces) {
    bool continued = false;  // a packet of 16 MiB goes on in the next
    while (const auto frame = protocol::peek_packet(rest)) {
      if (!continued && !frame->payload.empty()) {
        commands.push_back(frame->payload);
      }
      continued = frame->payload.size() == protocol::kMaxPayload;
      rest = rest.subspan(frame->bytes);
    }
  }
  std::erase_if(commands, [](Bytes command) {  // what has no reply
    return command[0] == static_cast<std::uint8_t>(Command::kStmtClose) ||
           command[0] == static_cast<std::uint8_t>(Command::kStmtSendLongData);
  });
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const std::size_t behind = commands.size() - i;
    if (home_lease_.replies() < behind || is_clients(home_lease_.reply_from_end(behind).role)) {
      continue;
    }
    if (commands[i][0] == static_cast<std::uint8_t>(Command::kInitDb)) {
      counters_.note_own("USE ", job_.wrapped);
    } else if (commands[i][0] == static_cast<std::uint8_t>(Command::kQuery)) {
      counters_.note_own(as_text(commands[i].subspan(1)), job_.wrapped);
    }
  }
}

void SessionCore::on_status(Channel channel, const ResponseStep& step) {
  Relay relay(MutableBytes{});
  if (step.control == protocol::ControlKind::kErr) {
    on_client_error(channel, protocol::sql_error_of(step.payload), reply_sequence_, relay);
    return;
  }
  if (own_rows_.wire().empty() || own_rows_.columns() != kStatusColumns) {
    job_.status_use = StatusUse::kNone;  // more than is kept: as they are
    send_job();
    return;
  }
  const bool binary = job_.kind == JobKind::kExecute;
  Buffer reply = rows_reply(own_rows_, owner_.capabilities, status_bits(), reply_sequence_, nullptr,
                            [&](Bytes row) { return shown_row(row, binary, counters_); });
  answer_with_rows(channel, relay, std::move(reply));
}

}  // namespace consort::proxy
