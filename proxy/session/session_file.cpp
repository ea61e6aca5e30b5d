// SessionCore: LOAD DATA LOCAL: the client's file on its way to the home.
#include "base/check.h"
#include "protocol/packet_reader.h"
#include "proxy/session/session_core.h"
#include "proxy/session/session_relay.h"

namespace consort::proxy {

void SessionCore::ask_for_file(const protocol::ResponseTracker::Step& step, Relay& relay) {
  relay.pass_packet();
  flush(relay);
  file_ = {};
  file_.wanted = true;
  const auto home_sequence = static_cast<std::uint8_t>(step.sequence + 1);
  file_.sequence = multi_.active() ? multi_.sequence() : home_sequence;
  file_.ahead = static_cast<std::uint8_t>(file_.sequence - home_sequence);
}

void SessionCore::on_file_packet(Bytes wire, std::uint8_t sequence) {
  CHECK(file_.wanted);
  if (sequence != file_.sequence) {
    reply_sequence_ = static_cast<std::uint8_t>(sequence + 1);
    close_with(protocol::packets_out_of_order_error());
    return;
  }
  const std::size_t payload_bytes = wire.size() - protocol::kHeaderBytes;
  const bool ends = payload_bytes == 0 && !file_.continues;
  file_.continues = payload_bytes == protocol::kMaxPayload;
  file_.sequence = static_cast<std::uint8_t>(sequence + 1);
  file_.wanted = !ends;
  multi_.on_client_packet(sequence);
  if (phase_ == SessionPhase::kDraining) {
    if (ends) {
      reply_sequence_ = file_.sequence;
      effects_.metrics().count_client_error(ClientErrorClass::kConflict);
      reply_error(file_.why_not);
    }
    return;
  }
  const auto home_sequence = static_cast<std::uint8_t>(sequence - file_.ahead);
  if (ends) {
    home_lease_.note_file_sent(home_sequence);
  }
  const std::uint8_t header[] = {wire[0], wire[1], wire[2], home_sequence};
  effects_.send_file({header, wire.subspan(protocol::kHeaderBytes)});
}

// The client reads no answer before it has sent its file (nor does the server send one). What is
// left of it leads nowhere, and it cannot be had again.
void SessionCore::give_up_file(const protocol::SqlError& error) {
  file_.why_not = error;
  phase_ = SessionPhase::kDraining;
}

}  // namespace consort::proxy
