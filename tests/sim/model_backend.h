// ModelBackend: a MariaDB server as far as the commit path sees one. Rows with row locks, detached
// XA branches, the position row, a redo log that a power loss cuts, and connections that interpret
// the very SQL that the lane sends, one inner statement per step.
// What it imitates was measured on real servers: branches prepared outlive connections and crashes,
// shared locks end at PREPARE, a dropped connection's statement runs to its end, 1205 after a
// while. Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/branch_name.h"
#include "base/gtid.h"
#include "base/ids.h"
#include "certifier/lane_sql.h"
#include "tests/sim/model_rows.h"

namespace consort::sim {

using TrxId = std::uint64_t;
using ConnId = std::uint64_t;

/// What a client does inside its branch.
struct ClientOp {
  enum class Kind : std::uint8_t { kAdd, kLock, kInsert, kDelete };
  Kind kind = Kind::kAdd;
  RowId row;
  std::int64_t value = 0;  ///< added, or inserted
};

/// How a step ended. Waiting: it changed nothing, try again.
struct StepResult {
  enum class Kind : std::uint8_t { kDone, kWaiting, kFailed };
  Kind kind = Kind::kDone;
  std::uint16_t error = 0;
  std::string message;
  int affected_rows = 0;

  [[nodiscard]] bool done() const { return kind == Kind::kDone; }

  [[nodiscard]] bool waiting() const { return kind == Kind::kWaiting; }
};

/// The answer to one packet.
struct Reply {
  std::uint16_t error = 0;
  std::string message;
  std::vector<std::vector<std::string>> rows;
};

/// A group of the binlog that a client's program has left: what one COMMIT or DDL did. Nothing of
/// both: a lane's marker.
struct LoggedGroup {
  Gtid gtid;
  std::vector<RowOp> ops;
  std::string ddl;
};

/// Faults that tests plant in the server.
struct BackendBugs {
  bool ignore_compare_and_set = false;  ///< the position moves whoever asks
};

class ModelBackend {
 public:
  ModelBackend(std::uint32_t server,
               std::uint32_t cluster,
               std::string cluster_id,
               BackendBugs bugs);

  // ---- the server's life ----

  [[nodiscard]] bool up() const { return up_; }

  /// One more at each start: what was connected before is not any more.
  [[nodiscard]] std::uint64_t incarnation() const { return incarnation_; }

  /// How much redo a power loss could take.
  [[nodiscard]] std::size_t redo_unflushed() const { return redo_.size() - flushed_; }

  /// The server ends at once; the last `redo_lost` records of its redo log are gone.
  void crash(std::size_t redo_lost);
  void start();

  /// An operator puts a copy of `other` in its place. REQUIRES: it is up, and so is `other`.
  void become_copy_of(const ModelBackend& other);

  // ---- client sessions ----

  [[nodiscard]] TrxId begin_branch(const BranchId& branch);

  /// An error of 2013 means that the branch's connection is gone; after 1020 the branch is: the row
  /// is newer than what the branch has read (innodb_snapshot_isolation).
  [[nodiscard]] StepResult run(TrxId trx, const ClientOp& op);

  /// A consistent read of everything: the first one decides what all of this branch see.
  /// REQUIRES: the branch is active.
  [[nodiscard]] Data read(TrxId trx);

  /// XA END, XA PREPARE: nullopt when the branch is gone; no rows when it changed nothing, then it
  /// is rolled back.
  [[nodiscard]] std::optional<std::vector<RowOp>> prepare(TrxId trx);

  /// Ends an active branch, or its connection.
  void abort(TrxId trx);

  /// XA ROLLBACK of a prepared branch; nothing when there is none.
  void roll_back_branch(const BranchId& branch);

  // ---- connections that send SQL ----

  /// `logs`: what it executes comes to stand in the binlog.
  [[nodiscard]] ConnId connect(bool logs = true);
  [[nodiscard]] bool is_open(ConnId conn) const;
  void send(ConnId conn, std::string sql);

  /// Executes the next inner statement of what the connection has sent.
  void step(ConnId conn);
  [[nodiscard]] std::optional<Reply> take_reply(ConnId conn);

  /// The client is gone; what it has sent runs to its end.
  void drop(ConnId conn);
  void kill_query(ConnId conn);
  void kill(ConnId conn);

  /// Connections whose client is gone and whose statement still runs.
  [[nodiscard]] std::vector<ConnId> zombies() const;

  /// Who holds the lock that `conn` waits for.
  struct Holder {
    std::optional<TrxId> active_branch;
    std::optional<BranchId> prepared_branch;
    std::optional<ConnId> connection;
  };

  [[nodiscard]] std::optional<Holder> holder_for(ConnId conn) const;

  // ---- what tests look at ----

  [[nodiscard]] const Data& committed() const { return image_.data; }

  [[nodiscard]] const certifier::BackendPosition& position() const { return image_.position; }

  [[nodiscard]] std::vector<BranchId> prepared_branches() const;

  /// Does the binlog show a DDL behind where it ended when the last one was marked?
  [[nodiscard]] bool logged_ddl_since_mark() const {
    return image_.ddl_logged > image_.ddl_logged_at_mark;
  }

  /// Some connection has a statement under way.
  [[nodiscard]] bool statement_under_way() const;

  // ---- its binlog, as far as programs leave something there ----

  [[nodiscard]] const std::vector<LoggedGroup>& binlog() const { return image_.binlog; }

  /// Where it ended when the last DDL or program was marked.
  [[nodiscard]] std::size_t binlog_at_mark() const { return image_.binlog_at_mark; }

  /// What the connection executes is a client's program.
  [[nodiscard]] bool runs_program(ConnId conn) const;

 private:
  struct Trx {
    std::optional<BranchId> branch;
    bool prepared = false;
    std::map<RowId, std::optional<std::int64_t>> changes;
    std::optional<Data> read_view;
    std::set<RowId> exclusive;
    std::set<RowId> shared;
    std::optional<certifier::BackendPosition> position;
  };

  struct Image {
    Data data;
    certifier::BackendPosition position;
    std::map<BranchId, Trx> prepared;
    std::uint64_t ddl_logged = 0;
    std::uint64_t ddl_logged_at_mark = 0;
    std::vector<LoggedGroup> binlog;
    std::size_t binlog_at_mark = 0;
  };

  struct Redo {
    enum class Kind : std::uint8_t { kCommit, kPrepare, kCommitBranch, kRollBackBranch, kDdl };
    Kind kind = Kind::kCommit;
    Trx trx;
    BranchId branch;
    std::string ddl;
    bool logged = false;
    std::optional<LoggedGroup> group = {};  ///< it comes to stand in the binlog
  };

  struct Connection {
    ConnId id = 0;
    bool dropped = false;
    bool killed = false;
    bool logs = true;
    std::vector<std::string> program;  ///< inner statements of the packet under way
    std::size_t at = 0;
    bool compound = false;
    bool client_program = false;  ///< a CALL that commits by itself
    Gtid last_gtid;
    std::optional<std::uint64_t> disowner;  ///< Program::disowner
    std::optional<TrxId> trx;
    bool autocommit = false;    ///< `trx` is that of the present statement alone
    std::size_t binlog_at = 0;  ///< row events of the present BINLOG that are done
    int row_count = 0;
    int waits = 0;
    std::optional<TrxId> blocked_by;
    std::map<std::string, std::string> variables;
    std::vector<std::vector<std::string>> rows;
    std::optional<Reply> reply;
  };

  void write_redo(Redo record);
  static void redo_into(Image& image, const Redo& record);
  void commit(TrxId trx);
  void forget(TrxId trx);
  [[nodiscard]] std::optional<TrxId> find_branch(const BranchId& branch) const;
  [[nodiscard]] std::optional<std::int64_t> visible(const Trx& trx, RowId row) const;
  [[nodiscard]] std::optional<TrxId> lock_exclusive(TrxId trx, RowId row);
  [[nodiscard]] std::optional<TrxId> lock_shared(TrxId trx, RowId row);
  [[nodiscard]] std::optional<TrxId> holder_of(TrxId asking, RowId row, bool exclusive) const;
  [[nodiscard]] bool newer_than_view(const Trx& trx, RowId row) const;
  [[nodiscard]] StepResult lose_to_newer(TrxId trx);
  [[nodiscard]] StepResult insert_row(TrxId trx, const ClientOp& op);
  [[nodiscard]] StepResult delete_row(TrxId trx, const ClientOp& op);

  [[nodiscard]] StepResult execute(Connection& conn, std::string_view sql);
  [[nodiscard]] StepResult execute_binlog(Connection& conn, std::string_view sql);
  [[nodiscard]] StepResult move_position(
      Connection& conn, const std::pair<test::PositionImage, test::PositionImage>& move);
  [[nodiscard]] StepResult execute_position(Connection& conn, std::string_view sql);
  [[nodiscard]] StepResult execute_xa_end(std::string_view sql, bool commits);
  [[nodiscard]] StepResult take_ddl_fence(Connection& conn);
  [[nodiscard]] StepResult execute_in_program(Connection& conn, const std::string& sql);
  [[nodiscard]] StepResult end_program(Connection& conn, std::string_view sql);
  void commit_in_program(Connection& conn);
  [[nodiscard]] std::vector<RowOp> changes_of(const Trx& trx) const;
  [[nodiscard]] LoggedGroup next_group();
  [[nodiscard]] StepResult execute_ddl(Connection& conn, std::string_view sql);
  [[nodiscard]] StepResult apply(Connection& conn, const RowOp& op);
  void set_variables(Connection& conn, std::string_view sql);
  void finish(ConnId id, std::uint16_t error, std::string message);

  std::uint32_t server_;
  std::uint32_t cluster_;
  BackendBugs bugs_;
  bool exact_ = false;  ///< all that is committed is flushed
  bool up_ = true;
  std::uint64_t incarnation_ = 1;
  Image base_;
  Image image_;  ///< committed; its prepared branches live in trxs_
  std::vector<Redo> redo_;
  std::size_t flushed_ = 0;
  std::map<TrxId, Trx> trxs_;
  std::map<ConnId, Connection> connections_;
  std::optional<ConnId> ddl_fence_;  ///< who holds its lock, as long as that connection lives
  std::uint64_t next_id_ = 1;
};

}  // namespace consort::sim
