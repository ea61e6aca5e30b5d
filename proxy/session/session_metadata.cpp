// SessionCore: the columns of a result, for clients that keep in mind what they were told of them
// (MARIADB_CLIENT_CACHE_METADATA). Behind the number of columns stands for them whether their
// definitions follow; those of an execution do not where the client was told the same, to the byte,
// when the statement was prepared or executed last. No backend connection has that capability: a
// server compares with what its own connection has told, and that may have been another session.
// Decision 0035.
#include <utility>

#include "base/check.h"
#include "protocol/lenenc.h"
#include "protocol/packet_reader.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/session_relay.h"

namespace consort::proxy {

using router::StatementKind;

namespace {

/// A server tells all of what comes out of a program, each time.
bool runs_as_program(StatementKind kind) {
  return kind == StatementKind::kCall || kind == StatementKind::kCompound ||
         kind == StatementKind::kUnknown;
}

}  // namespace

bool SessionCore::keeps_metadata() const {
  return (owner_.capabilities & protocol::capability::kMariadbCacheMetadata) != 0;
}

/// True when the client knows `definitions`, the first result of an execution's reply. Otherwise
/// they will have been told when the reply is.
bool SessionCore::knows_definitions(Bytes definitions) {
  const bool first = !std::exchange(job_.told_columns, true);
  job_.telling.clear();
  if (job_.statement_id == 0 || creates_select() || runs_as_program(job_.statement_kind)) {
    return false;
  }
  if (first && statements_.told().knows(job_.statement_id, definitions)) {
    return true;
  }
  statements_.told().erase(job_.statement_id);
  if (first) {
    job_.telling.assign(definitions.begin(), definitions.end());
  }
  return false;
}

/// A server that has prepared a statement again says in the reply when it has another number of
/// columns then. Here the one that executes it may just have prepared it for the first time, or
/// again for another session.
void SessionCore::note_columns(std::uint64_t columns) {
  const protocol::ClientStatement* statement = statements_.find(job_.statement_id);
  const bool known = statement != nullptr && statement->columns != 0;
  if (!known || job_.columns != 0 || runs_as_program(job_.statement_kind)) {
    return;
  }
  job_.columns = columns;
  job_.other_columns = columns != statement->columns;
}

/// The reply to an execution is complete, and the client has it.
void SessionCore::note_told() {
  if (job_.other_columns.value_or(false)) {
    if (protocol::ClientStatement* statement = statements_.find(job_.statement_id)) {
      statement->columns = static_cast<std::uint16_t>(job_.columns);
    }
  }
  if (!job_.telling.empty()) {
    statements_.told().note(job_.statement_id, job_.telling);
    Buffer().swap(job_.telling);
  }
}

/// The packet with the number of columns, as such a client gets it.
void SessionCore::tell_column_count(Channel channel, const ResponseStep& step, Relay& relay) {
  const bool known = knows_definitions(step.definitions);
  if (known) {
    lease_of(channel).drop_definitions();
  }
  flush(relay);
  scratch_.clear();
  protocol::append_column_count(scratch_, {step.columns, !known}, owner_.capabilities,
                                step.sequence);
  relay.put_first(scratch_);
}

/// The same of a whole result set of our own, which answers an execution.
void SessionCore::leave_out_definitions(Buffer& reply) {
  if (!keeps_metadata()) {
    return;
  }
  const auto count = protocol::peek_packet(reply);
  CHECK(count.has_value());
  const std::uint64_t columns = protocol::Reader(count->payload).lenenc();
  Bytes behind = Bytes(reply).subspan(count->bytes);
  for (std::uint64_t i = 0; i < columns; ++i) {
    const auto definition = protocol::peek_packet(behind);
    CHECK(definition.has_value());
    behind = behind.subspan(definition->bytes);
  }
  const std::size_t end = reply.size() - behind.size();
  const bool known = knows_definitions(Bytes(reply).subspan(count->bytes, end - count->bytes));
  note_told();
  if (!known) {
    return;
  }
  Buffer shorter;
  std::uint8_t sequence = protocol::append_column_count(shorter, {columns, false},
                                                        owner_.capabilities, count->sequence);
  while (const auto packet = protocol::peek_packet(behind)) {
    sequence = protocol::append_packet(shorter, packet->payload, sequence);
    behind = behind.subspan(packet->bytes);
  }
  reply = std::move(shorter);
}

}  // namespace consort::proxy
