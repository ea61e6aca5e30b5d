// ServerConnection: the server's end of a session's connection: takes command packets, executes
// them on a model backend one small step at a time, and answers with the packets a server sends.
// It knows XA, read-only transactions, the statements of sim_statements.h, and DDL.
// Closed by the other end it still executes what it has been sent, as a server does.
// Threads: none.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "protocol/constants.h"
#include "protocol/messages.h"
#include "tests/sim/cluster.h"
#include "tests/sim/sim_statements.h"

namespace consort::sim {

/// Told of every branch that is prepared with rows, as the binlog stream is.
using PreparedHook = std::function<void(BackendId, const BranchId&, const std::vector<RowOp>& ops)>;

class ServerConnection {
 public:
  static constexpr std::uint64_t kCapabilities = protocol::capability::kProtocol41 |
                                                 protocol::capability::kDeprecateEof |
                                                 protocol::capability::kSessionTrack;

  /// REQUIRES: the backend is up.
  ServerConnection(Cluster& cluster, BackendId backend, const PreparedHook& on_prepared);

  [[nodiscard]] BackendId backend_id() const { return backend_; }

  [[nodiscard]] ConnId id() const { return id_; }

  /// LAST_INSERT_ID() there.
  [[nodiscard]] std::uint64_t insert_id() const { return insert_id_; }

  /// The server still has it.
  [[nodiscard]] bool open() const { return server().is_open(id_); }

  // ---- the other end ----

  void send(Bytes commands);

  /// Replies that were not taken yet.
  [[nodiscard]] Buffer& replies() { return replies_; }

  /// The other end is gone. What was sent is executed, or with `lost` never arrives.
  void close(bool lost);

  [[nodiscard]] bool closed() const { return closed_; }

  /// Nothing is under way, no transaction is open: anybody may use it next.
  [[nodiscard]] bool clean() const;

  // ---- the server ----

  /// Executes the next bit of what was sent. False: there is nothing.
  bool step();
  void kill_query();
  void kill();

  /// The branch that is active here.
  [[nodiscard]] std::optional<TrxId> active() const { return trx_; }

 private:
  //  kNone --XA START--> kActive --XA END--> kEnded --PREPARE, ROLLBACK--> kNone
  //                        | 1213, 1020
  //                        v
  //                      kRollbackOnly --XA ROLLBACK--> kNone
  enum class Branch : std::uint8_t { kNone, kActive, kEnded, kRollbackOnly };

  [[nodiscard]] ModelBackend& server() const { return cluster_.backends[backend_.value]; }

  [[nodiscard]] bool execute(const std::string& sql);
  void interrupt(const std::string& sql);
  void execute_xa(std::string_view sql);
  void prepare(const BranchId& branch);
  void roll_back(const BranchId& branch);
  [[nodiscard]] bool execute_statement(const SimStatement& statement);
  [[nodiscard]] bool execute_on_rows(const SimStatement& statement);
  [[nodiscard]] bool execute_elsewhere(const std::string& sql);
  void read(const SimStatement& statement);
  void end_branch(Branch state);
  void answer_ok(protocol::OkPacket ok = {});
  void answer_error(std::uint16_t code, const std::string& message);
  void answer_rows(const std::vector<std::vector<std::string>>& rows);

  Cluster& cluster_;
  const BackendId backend_;
  const PreparedHook& on_prepared_;
  const ConnId id_;
  std::deque<std::string> commands_;
  Buffer replies_;
  Branch branch_ = Branch::kNone;
  std::optional<TrxId> trx_;
  bool read_only_ = false;         ///< in a plain read-only transaction
  bool next_reads_ = false;        ///< the next transaction may only read
  std::optional<Data> read_view_;  ///< of it
  bool doomed_ = false;            ///< in a transaction that must end with the connection
  bool under_way_ = false;         ///< the server itself executes the front
  bool blind_ = false;             ///< tells of no variable, which a program may ask for
  int waits_ = 0;
  bool killed_ = false;
  bool closed_ = false;
  std::uint64_t insert_id_ = 0;
  std::uint64_t insert_ids_ = 0;  ///< drawn by writes, so that sessions have one to keep
};

}  // namespace consort::sim
