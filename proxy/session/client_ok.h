// Client OK: how a backend's OK or EOF packet is told to the client: the status flags of a single
// server, and only those session changes that the client has asked for. Pure.
// Threads: any.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "protocol/messages.h"
#include "protocol/response_tracker.h"
#include "proxy/session/client_tracking.h"
#include "proxy/session/transaction_tracker.h"

namespace consort::proxy {

/// What the client's packet depends on besides the backend's.
struct ClientOkContext {
  std::uint16_t status = 0;        ///< the client's flags
  std::uint64_t capabilities = 0;  ///< the client's
  const ClientTracking& tracking;
  TransactionTracker& transaction;         ///< what is due there is told
  const TrackingChange* change = nullptr;  ///< of the statement; null: none
  bool eof_changed = false;  ///< an EOF packet of the old form says that something has changed
  bool no_warnings = false;  ///< those that the backend counts are not for the client
};

/// Of an EOF packet of the old form, which has no room for session changes: without the flag for
/// those that only Consort asked for.
[[nodiscard]] std::uint16_t client_eof_status(std::uint16_t status);

/// Makes `packet` (whole, as it came) ready for the client: in place where its length does not
/// change, else in `out`. `ok`: what it says. The view is one of the two.
[[nodiscard]] Bytes client_ok(const protocol::ResponseTracker::Step& step,
                              MutableBytes packet,
                              const protocol::OkPacket& ok,
                              const ClientOkContext& context,
                              Buffer& out);

}  // namespace consort::proxy
