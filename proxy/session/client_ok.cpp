#include "proxy/session/client_ok.h"

#include <string_view>

#include "protocol/packet_writer.h"

namespace consort::proxy {
namespace {

constexpr std::size_t kOldEofBytes = 5;
constexpr std::size_t kPlainOkBytes = 7;  // small numbers and no text

/// In MariaDB's default session_track_system_variables; we ask the backends for more.
bool client_tracks(std::string_view variable) {
  return variable == "autocommit" || variable == "character_set_client" ||
         variable == "character_set_connection" || variable == "character_set_results" ||
         variable == "time_zone" || variable == "redirect_url";
}

protocol::OkPacket as_told(const protocol::OkPacket& ok, std::uint16_t status) {
  protocol::OkPacket told = ok;
  told.status = status;
  std::erase_if(told.changes.system_variables,
                [](const protocol::NameValue& variable) { return !client_tracks(variable.first); });
  told.changes.others.clear();
  told.changes.transaction_characteristics.reset();
  told.changes.transaction_state.reset();
  told.changes.state_changed.reset();
  if (!told.changes.empty()) {
    told.status |= protocol::status_flag::kSessionStateChanged;
  }
  return told;
}

}  // namespace

std::uint16_t client_eof_status(std::uint16_t status) {
  return static_cast<std::uint16_t>(status & ~protocol::status_flag::kSessionStateChanged);
}

Bytes client_ok(const protocol::ResponseTracker::Step& step,
                MutableBytes packet,
                const protocol::OkPacket& ok,
                const ClientOkContext& context,
                Buffer& out) {
  const bool eof = step.control == protocol::ControlKind::kEof;
  if (eof && step.payload.size() == kOldEofBytes) {
    (void)protocol::patch_eof_status(packet, client_eof_status(context.status));
    return packet;
  }
  const bool tracked = (step.status & protocol::status_flag::kSessionStateChanged) != 0;
  if (!tracked && step.payload.size() == kPlainOkBytes) {
    (void)protocol::patch_ok_status(packet, context.status);
    return packet;
  }
  out.clear();
  protocol::append_ok(out, as_told(ok, context.status), context.capabilities, step.sequence,
                      eof ? protocol::OkHeader::kEof : protocol::OkHeader::kOk);
  return out;
}

}  // namespace consort::proxy
