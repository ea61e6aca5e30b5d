// Prepared statements in scripts: what a backend answers, what a client sends.
#pragma once

#include <string_view>

#include "protocol/encode.h"
#include "tests/support/test.h"
#include "tests/unit/proxy/session/session_script.h"

namespace consort::proxy {

/// A backend has prepared a statement under `id`, with so many parameters.
inline void answer_prepare(SessionScript& script,
                           Channel channel,
                           std::uint32_t id,
                           std::uint16_t parameters = 0) {
  protocol::StmtPrepareOk prepared;
  prepared.statement_id = id;
  prepared.parameters = parameters;
  Buffer payload;
  protocol::encode_prepare_ok(payload, prepared);
  Buffer reply;
  std::uint8_t next = protocol::append_packet(reply, payload, 1);
  for (std::uint16_t i = 0; i < parameters; ++i) {
    next = protocol::append_packet(reply, as_bytes("parameter definition"), next);
  }
  script.feed(channel, reply);
}

/// The client prepares `sql`, the home knows it as `id`.
inline void prepare_at_home(SessionScript& script,
                            std::string_view sql,
                            std::uint32_t id,
                            std::uint16_t parameters = 0) {
  script.command(protocol::Command::kStmtPrepare, as_bytes(sql));
  REQUIRE(script.sent(Channel::kHome).size() == 1);
  answer_prepare(script, Channel::kHome, id, parameters);
  REQUIRE(script.core.idle());
}

/// COM_STMT_EXECUTE of a statement without parameters. `flags`: 1 asks for a cursor.
inline void execute(SessionScript& script, std::uint32_t client_id, std::uint8_t flags = 0) {
  Buffer argument;
  append_le<4>(argument, client_id);
  append_le<1>(argument, flags);
  append_le<4>(argument, 1);
  script.command(protocol::Command::kStmtExecute, argument);
}

/// COM_STMT_CLOSE, COM_STMT_RESET.
inline void about_statement(SessionScript& script,
                            protocol::Command command,
                            std::uint32_t client_id) {
  Buffer argument;
  append_le<4>(argument, client_id);
  script.command(command, argument);
}

}  // namespace consort::proxy
