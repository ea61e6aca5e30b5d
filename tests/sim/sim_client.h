// SimClient: a client of a session: sends statements by chance, reads the packets that come back,
// and writes into the ledger what it did and was told.
// Threads: none.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "protocol/constants.h"
#include "protocol/messages.h"
#include "tests/sim/cluster.h"
#include "tests/sim/sim_ledger.h"
#include "tests/sim/sim_statements.h"

namespace consort::sim {

class SimClient {
 public:
  static constexpr std::uint64_t kCapabilities =
      protocol::capability::kProtocol41 | protocol::capability::kDeprecateEof;

  using Fail = std::function<void(std::string)>;

  SimClient(Cluster& cluster, SimLedger& ledger, std::size_t number, Fail fail)
      : cluster_(cluster), ledger_(ledger), number_(number), fail_(std::move(fail)) {}

  /// The next statement; nullopt: it hangs up, for `closing` says that no more work is wanted.
  /// REQUIRES: !waiting().
  [[nodiscard]] std::optional<std::string> next(bool closing, Seqno at_least);

  /// An answer is due.
  [[nodiscard]] bool waiting() const { return doing_ != Doing::kNothing; }

  /// Bytes from the session. `newest`: the newest durable seqno.
  void receive(Bytes bytes, Seqno newest);

  // What the session does for it.
  void on_branch(const BranchId& branch) { record_->branches.push_back(branch); }

  void on_ddl(Seqno seqno) { record_->ddl = seqno; }

  /// A server was asked whose age the proxy does not know for sure.
  void on_any_age() { record_->any_age = true; }

 private:
  enum class Doing : std::uint8_t { kNothing, kStatement, kBegin, kCommit, kRollback, kDdl };

  struct Answer {
    std::uint16_t error = 0;
    std::uint64_t affected_rows = 0;
    std::uint16_t status = 0;
    std::map<std::uint32_t, std::int64_t> rows;
  };

  [[nodiscard]] std::string next_in_transaction(bool closing);
  [[nodiscard]] std::string begin();
  [[nodiscard]] std::string delete_again();
  [[nodiscard]] std::string statement(bool reads);
  void take_packet(Bytes payload);
  void finish(Seqno newest);
  void finish_statement(Seqno newest);
  [[nodiscard]] bool has_own(RowId row) const;
  void note_effect();
  void note_seen(Seqno newest);
  void note_missing(Seqno newest);
  void end(WorkRecord::Told told);
  void fail(const std::string& reason);

  Cluster& cluster_;
  SimLedger& ledger_;
  const std::size_t number_;
  Fail fail_;

  Doing doing_ = Doing::kNothing;
  WorkRecord* record_ = nullptr;
  SimStatement statement_;
  std::optional<RowId> last_inserted_;  ///< it often deletes that next
  std::string sql_;
  bool in_transaction_ = false;
  bool read_only_ = false;
  bool gives_up_ = false;  ///< rolls back next
  int statements_left_ = 0;

  Buffer unread_;
  std::uint8_t sequence_ = 1;
  int packets_ = 0;
  std::uint64_t programs_at_ = 0;  ///< Cluster::program_ends when it was sent
  bool complete_ = false;
  bool dismissed_ = false;  ///< the session has ended its connection
  Answer answer_;
};

/// What clients do to rows, by chance.
[[nodiscard]] ClientOp random_op(Cluster& cluster);
[[nodiscard]] std::string random_ddl(Cluster& cluster);

}  // namespace consort::sim
