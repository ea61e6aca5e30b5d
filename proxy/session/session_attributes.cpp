// SessionCore: the query attributes of a client of MySQL 8. They leave its command at once, which
// is then as any other client's, and go along with whatever is sent to MySQL servers on its behalf.
#include "protocol/query_attributes.h"
#include "proxy/session/session_core.h"

namespace consort::proxy {

using protocol::Command;

namespace {

protocol::SqlError error_of(const Error& error) {
  if (error.code == static_cast<int>(protocol::AttributesError::kTooFew)) {
    return {1210, "HY000", "Incorrect arguments to COM_STMT_EXECUTE"};
  }
  return protocol::malformed_packet_error();
}

}  // namespace

/// `plain`: the command without them. An error is for the client.
std::optional<protocol::SqlError> SessionCore::take_attributes(Bytes payload, Buffer& plain) {
  const auto kind = static_cast<Command>(payload[0]);
  if (kind == Command::kQuery) {
    const auto text = protocol::take_query_attributes(payload.subspan(1), attributes_);
    if (!text.ok()) {
      return error_of(text.error());
    }
    plain.push_back(payload[0]);
    append(plain, *text);
    return std::nullopt;
  }
  const auto id = protocol::statement_id_of(payload);
  const auto* statement =
      kind == Command::kStmtExecute && id.ok() ? statements_.find(*id) : nullptr;
  if (statement == nullptr) {  // an execution of what is not there hears so
    attributes_ = {};
    append(plain, payload);
    return std::nullopt;
  }
  const auto has_long_data = [this, &id](std::size_t parameter) {
    return statements_.has_long_data(*id, parameter);
  };
  const Status taken =
      protocol::take_execute_attributes(payload, *statement, has_long_data, attributes_, plain);
  return taken.ok() ? std::nullopt : std::optional(error_of(taken.error()));
}

}  // namespace consort::proxy
