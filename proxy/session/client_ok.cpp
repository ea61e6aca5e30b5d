#include "proxy/session/client_ok.h"

#include <algorithm>

#include "protocol/packet_writer.h"
#include "router/own_tracking.h"

namespace consort::proxy {
namespace {

constexpr std::size_t kOldEofBytes = 5;
constexpr std::size_t kPlainOkBytes = 7;  // small numbers and no text

/// What a SET changes before it sets the list of variables is not told, but the status says that
/// something is.
void drop_unheard(const TrackingChange& change,
                  const protocol::SessionChanges& all,
                  protocol::SessionChanges& told) {
  const auto unheard = [&](const protocol::NameValue& variable) {
    return std::find(change.unheard.begin(), change.unheard.end(), variable.first) !=
           change.unheard.end();
  };
  std::erase_if(told.system_variables, unheard);
  told.announced = std::any_of(all.system_variables.begin(), all.system_variables.end(),
                               [&](const protocol::NameValue& variable) {
                                 return unheard(variable) && change.before.wants(variable.first);
                               });
}

/// The SET that ran assigns session_track_schema in place of the list (router::TrackingSet).
void tell_of_list(const TrackingChange& change,
                  const ClientTracking& tracking,
                  protocol::SessionChanges& told) {
  if (!change.sets_list) {
    return;
  }
  if (!change.sets_schema) {
    std::erase_if(told.system_variables, [](const protocol::NameValue& variable) {
      return variable.first == router::kTrackedSchema;
    });
  }
  if (tracking.wants(router::kTrackedVariables)) {
    told.system_variables.emplace_back(router::kTrackedVariables, tracking.list());
  }
}

protocol::OkPacket as_told(const protocol::OkPacket& ok, const ClientOkContext& context) {
  protocol::OkPacket told = ok;
  told.status = context.status;
  told.warnings = context.no_warnings ? std::uint16_t{0} : ok.warnings;
  context.tracking.filter(told.changes);
  if (context.change != nullptr) {
    drop_unheard(*context.change, ok.changes, told.changes);
    tell_of_list(*context.change, context.tracking, told.changes);
  }
  told.changes.others.clear();
  told.changes.transaction_characteristics.reset();
  told.changes.transaction_state.reset();
  context.transaction.tell(told.changes);
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
    const std::uint16_t changed =
        context.eof_changed ? protocol::status_flag::kSessionStateChanged : 0;
    (void)protocol::patch_eof_status(
        packet, static_cast<std::uint16_t>(client_eof_status(context.status) | changed));
    return packet;
  }
  const bool tracked = (step.status & protocol::status_flag::kSessionStateChanged) != 0;
  if (!tracked && step.payload.size() == kPlainOkBytes && !context.transaction.due() &&
      !context.no_warnings) {
    (void)protocol::patch_ok_status(packet, context.status);
    return packet;
  }
  out.clear();
  protocol::append_ok(out, as_told(ok, context), context.capabilities, step.sequence,
                      eof ? protocol::OkHeader::kEof : protocol::OkHeader::kOk);
  return out;
}

}  // namespace consort::proxy
