// PreparedStatements: a session's prepared statements and what it takes to run one on a backend
// connection that may not know it yet.
// Threads: none; its session's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "base/bytes.h"
#include "protocol/messages.h"
#include "protocol/sql_error.h"
#include "protocol/statement_map.h"
#include "proxy/session/effects.h"
#include "router/lexer_options.h"

namespace consort::proxy {

class PreparedStatements {
 public:
  explicit PreparedStatements(std::size_t statements_max) : statements_(statements_max) {}

  [[nodiscard]] bool has_room() const { return statements_.has_room(); }

  [[nodiscard]] std::size_t statements_max() const { return statements_.statements_max(); }

  /// nullptr: the client has no such statement.
  [[nodiscard]] protocol::ClientStatement* find(std::uint32_t client_id) {
    return statements_.find(client_id);
  }

  /// In what state of the session a statement was prepared: it goes on meaning what it meant then.
  struct Context {
    std::string schema;
    std::uint64_t fingerprint = 0;  ///< SessionState::fingerprint()
    router::LexerOptions lexer;
  };

  /// Registers what a backend has prepared. REQUIRES: has_room().
  const protocol::ClientStatement& add(const std::string& sql,
                                       Context context,
                                       const protocol::StmtPrepareOk& prepared);
  /// REQUIRES: the statement exists.
  [[nodiscard]] const Context& context(std::uint32_t client_id);
  void erase(std::uint32_t client_id);
  void clear();

  /// Under which a backend connection knows the statement. REQUIRES: it exists.
  [[nodiscard]] std::string backend_key(std::uint32_t client_id);

  /// The COM_STMT_EXECUTE packets for a backend that knows the statement as `known`. `command`: the
  /// client's packets, which stay as they are: they may have to run on another connection. The view
  /// dies with the next call. An error is for the client.
  [[nodiscard]] std::variant<Bytes, protocol::SqlError> execution(std::uint32_t client_id,
                                                                  Bytes command,
                                                                  SessionId session,
                                                                  BackendStatement& known);

  /// Gives the memory of a large execution back.
  void shrink();

 private:
  protocol::StatementMap statements_;
  std::unordered_map<std::uint32_t, Context> contexts_;
  Buffer payload_;
  Buffer spliced_;
  Buffer packets_;
};

}  // namespace consort::proxy
