// PreparedStatements: a session's prepared statements and what it takes to run one on a backend
// connection that may not know it yet.
// Threads: none; its session's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "base/bytes.h"
#include "protocol/messages.h"
#include "protocol/sql_error.h"
#include "protocol/statement_map.h"
#include "proxy/session/effects.h"
#include "proxy/session/long_data.h"
#include "router/classification_cache.h"
#include "router/lexer_options.h"

namespace consort::proxy {

class PreparedStatements {
 public:
  struct Limits {
    std::size_t statements_max = 4096;
    std::size_t long_data_bytes_max = 64 << 20;  ///< of all statements together
  };

  explicit PreparedStatements(const Limits& limits)
      : limits_(limits), statements_(limits.statements_max) {}

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
  /// What the statement is, read with `options`. Lives until the statement is classified again or
  /// erased. REQUIRES: the statement exists.
  [[nodiscard]] const router::Statement& classified(std::uint32_t client_id,
                                                    const router::LexerOptions& options,
                                                    router::ClassificationCache& cache);
  void erase(std::uint32_t client_id);
  void clear();

  /// A COM_STMT_SEND_LONG_DATA payload, for the statement's next execution. Has no reply: what is
  /// wrong shows in long_data_error().
  void add_long_data(Bytes payload);
  /// Why the statement cannot be executed until it is reset.
  [[nodiscard]] std::optional<protocol::SqlError> long_data_error(std::uint32_t client_id);
  /// COM_STMT_RESET: forgets its long data. False: the client has no such statement.
  bool reset(std::uint32_t client_id);
  /// It was executed: its long data is used up. Nothing happens when it does not exist.
  void executed(std::uint32_t client_id);

  /// Under which a backend connection knows the statement. REQUIRES: it exists.
  [[nodiscard]] const std::string& backend_key(std::uint32_t client_id) const;

  /// The COM_STMT_EXECUTE packets for a backend that knows the statement as `known`, behind those
  /// with its long data. `command`: the client's packets, which stay as they are, like the data:
  /// they may have to run on another connection. The view dies with the next call. An error is for
  /// the client.
  [[nodiscard]] std::variant<Bytes, protocol::SqlError> execution(std::uint32_t client_id,
                                                                  Bytes command,
                                                                  SessionId session,
                                                                  BackendStatement& known);

  /// Gives the memory of a large execution back. Cheap when there was none.
  void shrink();

 private:
  /// What is kept of one statement besides what the client knows.
  struct Known {
    Context context;
    std::string backend_key;
    std::shared_ptr<const router::ClassifiedText> text;  ///< null before its first execution
  };

  LongData* long_data_of(std::uint32_t client_id);

  const Limits limits_;
  protocol::StatementMap statements_;
  std::unordered_map<std::uint32_t, Known> known_;
  std::unordered_map<std::uint32_t, LongData> long_data_;  // of statements that have any
  std::size_t long_data_bytes_ = 0;
  Buffer payload_;
  Buffer spliced_;
  Buffer packets_;
};

}  // namespace consort::proxy
