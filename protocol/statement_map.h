// StatementMap: a client's prepared statements, by the id the client knows.
// Backends know them under other ids; the texts are kept so that any backend can prepare them.
// Spec: MariaDB KB "COM_STMT_EXECUTE". Threads: none; one session owns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/messages.h"

namespace consort::protocol {

/// In a command: "the statement prepared last" (MariaDB's direct execution).
inline constexpr std::uint32_t kLastPreparedId = 0xFFFFFFFF;

// A COM_STMT_EXECUTE payload: command, id, flags and iteration count in front of the NULL bitmap.
inline constexpr std::size_t kExecuteFlagsOffset = 5;
inline constexpr std::size_t kExecuteFixedBytes = 10;
/// Of one parameter's type.
inline constexpr std::size_t kParameterTypeBytes = 2;

struct ClientStatement {
  std::uint32_t client_id = 0;
  std::string sql;
  std::uint16_t parameters = 0;
  std::uint16_t columns = 0;
  Buffer parameter_types;           ///< two bytes each, as last bound by the client; empty: never
  std::uint64_t types_version = 0;  ///< one more whenever they change; 0: never bound
};

enum class StatementError : std::uint8_t {
  kTooMany = 1,  ///< answer 1461
  kMalformed,    ///< answer 1835
  kUnknown,      ///< answer 1243
  kNeverBound    ///< answer 1210: parameters without types, and none were bound before
};

class StatementMap {
 public:
  explicit StatementMap(std::size_t statements_max = 1024) : statements_max_(statements_max) {}

  /// Registers a statement that a backend has prepared. Its client id is `client_id`. The reference
  /// dies at erase() or clear(). Errors: kTooMany.
  [[nodiscard]] Result<ClientStatement*> add(std::string sql, const StmtPrepareOk& prepared);

  /// False when one more does not fit: to be asked before a backend prepares it.
  [[nodiscard]] bool has_room() const { return statements_.size() < statements_max_; }

  /// The statement of a client's id; kLastPreparedId names the newest. nullptr: none.
  [[nodiscard]] ClientStatement* find(std::uint32_t client_id);

  /// A PREPARE begins: should it fail, kLastPreparedId names none.
  void forget_newest() { newest_id_ = 0; }

  void erase(std::uint32_t client_id);
  /// All of them (COM_RESET_CONNECTION, COM_CHANGE_USER). Ids go on counting.
  void clear();

  [[nodiscard]] std::size_t size() const { return statements_.size(); }

  [[nodiscard]] std::size_t statements_max() const { return statements_max_; }

  /// Calls `visit(const ClientStatement&)` for each, in no order.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const auto& [id, statement] : statements_) {
      visit(statement);
    }
  }

 private:
  const std::size_t statements_max_;
  std::unordered_map<std::uint32_t, ClientStatement> statements_;
  std::uint32_t next_id_ = 1;
  std::uint32_t newest_id_ = 0;
};

/// Statement id of a COM_STMT_EXECUTE, BULK_EXECUTE, CLOSE, RESET, FETCH or SEND_LONG_DATA payload.
[[nodiscard]] Result<std::uint32_t> statement_id_of(Bytes payload);

/// Overwrites it in place. REQUIRES: statement_id_of(payload) is ok.
void patch_statement_id(MutableBytes payload, std::uint32_t statement_id);

/// True when a COM_STMT_EXECUTE payload asks for a cursor. Servers know no other kind than that for
/// reading only.
[[nodiscard]] bool execute_wants_cursor(Bytes payload);

/// Remembers the parameter types that come with a COM_STMT_EXECUTE payload. To be called for each
/// one, also when no backend will run it: the client sends them once, whatever the answer is.
/// Errors: kMalformed.
[[nodiscard]] Status bind_types(Bytes payload, ClientStatement& statement);

/// The same for a COM_STMT_BULK_EXECUTE payload.
[[nodiscard]] Status bind_bulk_types(Bytes payload, ClientStatement& statement);

/// Where an execution goes.
struct ExecuteTarget {
  std::uint32_t statement_id = 0;   ///< the backend's
  std::uint64_t types_version = 0;  ///< ClientStatement::types_version this backend saw last
  /// Pass a request for a cursor on: the session then stays with this backend connection until the
  /// statement is closed, reset or executed again. False: the backend answers with all rows at
  /// once. A server may do so, yet libmariadb 3.3's C API then fails with "Commands out of sync"
  /// (as it does on a plain server with EXPLAIN).
  bool keep_cursor = false;
};

/// How a COM_STMT_EXECUTE payload was made ready.
enum class ExecuteRewrite : std::uint8_t {
  kInPlace,  ///< `payload` itself: send it
  kSpliced   ///< `out` holds another payload, with the types: send that
};

/// Makes a client's COM_STMT_EXECUTE ready for a backend: its statement id, its cursor, and the
/// types the client bound before when it left them out but the backend has not seen them.
/// Afterwards the backend has seen statement.types_version. Binds types itself, too.
/// Errors: kMalformed, kNeverBound.
[[nodiscard]] Result<ExecuteRewrite> rewrite_execute(MutableBytes payload,
                                                     ClientStatement& statement,
                                                     const ExecuteTarget& target,
                                                     Buffer& out);

/// The same for a COM_STMT_BULK_EXECUTE payload.
[[nodiscard]] Result<ExecuteRewrite> rewrite_bulk_execute(MutableBytes payload,
                                                          ClientStatement& statement,
                                                          const ExecuteTarget& target,
                                                          Buffer& out);

}  // namespace consort::protocol
