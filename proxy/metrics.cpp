#include "proxy/metrics.h"

namespace consort::proxy {

std::string_view to_text(QueryKind kind) {
  switch (kind) {
    case QueryKind::kRead:
      return "read";
    case QueryKind::kWrite:
      return "write";
    case QueryKind::kBegin:
      return "begin";
    case QueryKind::kCommit:
      return "commit";
    case QueryKind::kRollback:
      return "rollback";
    case QueryKind::kDdl:
      return "ddl";
    case QueryKind::kSet:
      return "set";
    case QueryKind::kPrepare:
      return "prepare";
    case QueryKind::kExecute:
      return "execute";
    case QueryKind::kOther:
      return "other";
  }
  return "other";
}

std::string_view to_text(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kTooManyConnections:
      return "too_many_connections";
    case RefusalReason::kNoBackend:
      return "no_backend";
    case RefusalReason::kShuttingDown:
      return "shutting_down";
    case RefusalReason::kHandshakeTimeout:
      return "handshake_timeout";
    case RefusalReason::kHandshakeMalformed:
      return "handshake_malformed";
    case RefusalReason::kProxyHeader:
      return "proxy_header";
    case RefusalReason::kAddressBlocked:
      return "address_blocked";
    case RefusalReason::kTooManyOfAccount:
      return "too_many_of_account";
  }
  return "other";
}

std::string_view to_text(ClientErrorClass error_class) {
  switch (error_class) {
    case ClientErrorClass::kBackend:
      return "backend";
    case ClientErrorClass::kConflict:
      return "conflict";
    case ClientErrorClass::kProtocol:
      return "protocol";
    case ClientErrorClass::kAccessDenied:
      return "access_denied";
    case ClientErrorClass::kUnsupported:
      return "unsupported";
    case ClientErrorClass::kUnavailable:
      return "unavailable";
    case ClientErrorClass::kTimeout:
      return "timeout";
    case ClientErrorClass::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace consort::proxy
