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
#include <unordered_set>
#include <variant>

#include "base/bytes.h"
#include "protocol/messages.h"
#include "protocol/query_attributes.h"
#include "protocol/sql_error.h"
#include "protocol/statement_map.h"
#include "proxy/session/effects.h"
#include "proxy/session/long_data.h"
#include "proxy/session/session_state.h"
#include "proxy/session/told_definitions.h"
#include "router/classification_cache.h"
#include "router/lexer_options.h"

namespace consort::proxy {

/// What a buffer of an idle session may keep.
inline constexpr std::size_t kRetainedBytesMax = 4096;

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
    SharedSettings settings;
    router::LexerOptions lexer;
  };

  /// A COM_STMT_PREPARE begins.
  void begin_prepare() { statements_.forget_newest(); }

  /// Who executes what.
  struct Execution {
    SessionId session;
    std::uint32_t client_id = 0;
    bool bulk = false;
    bool with_cursor = false;  ///< a request for one is passed on
    /// To send along: the backend connection has CLIENT_QUERY_ATTRIBUTES. nullptr: it has not.
    const protocol::QueryAttributes* attributes = nullptr;
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
  /// An execution of `from` becomes one of `to`, which has the same parameters: with their types
  /// and long data. REQUIRES: both exist.
  void take_over(std::uint32_t from, std::uint32_t to);
  /// Why the statement cannot be executed until it is reset.
  [[nodiscard]] std::optional<protocol::SqlError> long_data_error(std::uint32_t client_id);
  /// Its value for the statement's next execution has come that way.
  [[nodiscard]] bool has_long_data(std::uint32_t client_id, std::size_t parameter);
  /// COM_STMT_RESET: forgets its long data. False: the client has no such statement.
  bool reset(std::uint32_t client_id);

  /// What the client knows of their results' columns.
  [[nodiscard]] ToldDefinitions& told() { return told_; }

  // Cursors.
  /// Its rows wait at the home: to fetch.
  [[nodiscard]] bool has_cursor(std::uint32_t client_id) const {
    return cursors_.contains(client_id);
  }

  /// An execution did, so that a backend may have it prepared for that.
  [[nodiscard]] bool asked_for_cursor(std::uint32_t client_id) const {
    return !known_.at(client_id).cursor_key.empty();
  }

  [[nodiscard]] bool any_cursor() const { return !cursors_.empty(); }

  void note_cursor(std::uint32_t client_id, bool open);

  /// It was executed: its long data is used up. Nothing happens when it does not exist.
  void executed(std::uint32_t client_id);

  /// Under which a backend connection knows the statement. Statements with the same text share one
  /// there, but not those `with_cursor`: executing one closes its cursor. REQUIRES: it exists.
  [[nodiscard]] const std::string& backend_key(std::uint32_t client_id, bool with_cursor = false);

  /// The COM_STMT_EXECUTE (or BULK_EXECUTE) packets for a backend that knows the statement as
  /// `known`, behind those with its long data. `command`: the client's packets, which stay as they
  /// are, like the data: they may have to run on another connection. The view dies with the next
  /// call. An error is for the client.
  [[nodiscard]] std::variant<Bytes, protocol::SqlError> execution(const Execution& execution,
                                                                  Bytes command,
                                                                  BackendStatement& known);

  /// The statement has long data for a parameter that was bound on this backend connection, by
  /// whomever, as a number, date or time. MariaDB (10.11, 11.8) then takes an address of its own
  /// memory or the earlier value for the parameter, and COM_STMT_RESET does not mend it: the
  /// statement must be prepared again there.
  [[nodiscard]] bool long_data_spoils(std::uint32_t client_id, const BackendStatement& known);

  /// The statement's values are of other kinds than those that were bound on this backend
  /// connection first, by whomever. Where the text does not say of which type a parameter is
  /// (SELECT ?) MySQL (9.7) makes a value that comes later one of the first's type, a text a 0 say:
  /// the statement must be prepared again there.
  [[nodiscard]] bool types_spoil(std::uint32_t client_id, const BackendStatement& known);

  /// Gives the memory of a large execution back. Cheap when there was none.
  void shrink();

 private:
  /// What is kept of one statement besides what the client knows.
  struct Known {
    Context context;
    std::string backend_key;
    std::string cursor_key;  ///< where a cursor was asked for; else empty
    std::shared_ptr<const router::ClassifiedText> text;  ///< null before its first execution
  };

  LongData* long_data_of(std::uint32_t client_id);

  const Limits limits_;
  protocol::StatementMap statements_;
  std::unordered_map<std::uint32_t, Known> known_;
  std::unordered_map<std::uint32_t, LongData> long_data_;  // of statements that have any
  std::size_t long_data_bytes_ = 0;
  std::unordered_set<std::uint32_t> cursors_;  // of statements by their clients' ids
  ToldDefinitions told_;
  Buffer payload_;
  Buffer spliced_;
  Buffer attributed_;
  Buffer packets_;
};

}  // namespace consort::proxy
