#include "proxy/session/pooled_connection.h"

#include "protocol/packet_writer.h"

namespace consort::proxy {

void PooledConnection::add_statement(std::string_view key, std::uint32_t id) {
  if (const auto closed = statements_.add(key, id, statements_max_)) {
    send_statement_close(*closed);
  }
}

void PooledConnection::close_statement(std::string_view key) {
  if (const auto closed = statements_.remove(key)) {
    send_statement_close(*closed);
  }
}

/// No reply comes. The server counts statements, and its maximum is for all sessions.
void PooledConnection::send_statement_close(std::uint32_t id) {
  Buffer argument;
  append_le<4>(argument, id);
  Buffer command;
  protocol::append_command(command, protocol::Command::kStmtClose, argument);
  wire_->send({command});
}

}  // namespace consort::proxy
