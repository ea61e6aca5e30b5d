#include "proxy/session/prepared_statements.h"

#include "base/check.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"

namespace consort::proxy {

using protocol::ClientStatement;
using protocol::SqlError;

const ClientStatement& PreparedStatements::add(const std::string& sql,
                                               Context context,
                                               const protocol::StmtPrepareOk& prepared) {
  const auto added = statements_.add(sql, prepared);
  CHECK(added.ok());
  contexts_[(*added)->client_id] = std::move(context);
  return **added;
}

const PreparedStatements::Context& PreparedStatements::context(std::uint32_t client_id) {
  return contexts_.at(client_id);
}

void PreparedStatements::erase(std::uint32_t client_id) {
  if (const ClientStatement* statement = find(client_id); statement != nullptr) {
    contexts_.erase(statement->client_id);
    statements_.erase(client_id);
  }
}

void PreparedStatements::clear() {
  statements_.clear();
  contexts_.clear();
}

std::string PreparedStatements::backend_key(std::uint32_t client_id) {
  const ClientStatement* statement = find(client_id);
  CHECK(statement != nullptr);
  const Context& prepared_in = context(statement->client_id);
  std::string key = prepared_in.schema;
  key += '\0';
  key += std::to_string(prepared_in.fingerprint);
  key += '\0';
  key += statement->sql;
  return key;
}

std::variant<Bytes, SqlError> PreparedStatements::execution(std::uint32_t client_id,
                                                            Bytes command,
                                                            SessionId session,
                                                            BackendStatement& known) {
  ClientStatement* statement = find(client_id);
  CHECK(statement != nullptr);
  if (command.size() > protocol::kMaxPayload) {
    payload_ = protocol::join_payload(command);
  } else {
    const Bytes payload = command.subspan(protocol::kHeaderBytes);
    payload_.assign(payload.begin(), payload.end());
  }
  const StatementOwner owner{session, client_id};
  const protocol::ExecuteTarget target{known.id,
                                       known.types_owner == owner ? known.types_version : 0};
  const auto rewritten = protocol::rewrite_execute(payload_, *statement, target, spliced_);
  if (!rewritten.ok()) {
    return rewritten.error().code == static_cast<int>(protocol::StatementError::kNeverBound)
               ? SqlError{1210, "HY000", "Incorrect arguments to EXECUTE"}
               : protocol::malformed_packet_error();
  }
  known.types_owner = owner;
  known.types_version = statement->types_version;
  packets_.clear();
  protocol::append_packet(
      packets_,
      *rewritten == protocol::ExecuteRewrite::kSpliced ? Bytes(spliced_) : Bytes(payload_), 0);
  return Bytes(packets_);
}

void PreparedStatements::shrink() {
  Buffer().swap(payload_);
  Buffer().swap(spliced_);
  Buffer().swap(packets_);
}

}  // namespace consort::proxy
