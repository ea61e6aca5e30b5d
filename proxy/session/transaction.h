// Transaction: where a session's transaction stands, and what its XA branch is called.
// Lazy: BEGIN reaches no backend; the first statement starts the branch.
//
//            BEGIN                statement             COMMIT               outcome
//   kNone ----------> kOpen -----------------> kExecuting -------> kCertifying ------> kNone
//     |                 |  COMMIT, ROLLBACK        |   |                               ^
//     |                 +------------> kNone       |   | ROLLBACK, deadlock ------------+
//     |  autocommit=0: first statement             |   | aborted by the cluster
//     +--------------------------------------------+   v
//     |                                             kMustAbort ---- next statement: 1213 --> kNone
//     |  READ ONLY: the same, in a branch that the server keeps from writing (decision 0020);
//     |  beside temporary tables kReadOnly in the place of kExecuting, a plain transaction
// Threads: none; its session's.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "base/state_machine.h"

namespace consort::proxy {

enum class TransactionState : std::uint8_t {
  kNone,        ///< no transaction
  kOpen,        ///< begun by the client, nothing sent yet
  kExecuting,   ///< its branch is active on the home
  kReadOnly,    ///< a plain read-only transaction is active on the home
  kCertifying,  ///< XA PREPARE was sent
  kMustAbort    ///< rolled back by the cluster; the client does not know yet
};

inline constexpr Transition<TransactionState> kTransactionMoves[] = {
    {TransactionState::kNone, TransactionState::kOpen},
    {TransactionState::kNone, TransactionState::kExecuting},
    {TransactionState::kOpen, TransactionState::kNone},
    {TransactionState::kOpen, TransactionState::kExecuting},
    {TransactionState::kOpen, TransactionState::kReadOnly},
    {TransactionState::kExecuting, TransactionState::kNone},
    {TransactionState::kExecuting, TransactionState::kCertifying},
    {TransactionState::kExecuting, TransactionState::kMustAbort},
    {TransactionState::kReadOnly, TransactionState::kNone},
    {TransactionState::kReadOnly, TransactionState::kMustAbort},
    {TransactionState::kCertifying, TransactionState::kNone},
    {TransactionState::kMustAbort, TransactionState::kNone},
};

/// What BEGIN or START TRANSACTION asked for.
struct TransactionTraits {
  bool read_only = false;
  bool consistent_snapshot = false;
};

class Transaction {
 public:
  [[nodiscard]] TransactionState state() const { return machine_.state(); }

  [[nodiscard]] bool is(TransactionState state) const { return machine_.is(state); }

  /// As the client sees it: SERVER_STATUS_IN_TRANS.
  [[nodiscard]] bool open() const { return !is(TransactionState::kNone); }

  /// Something of it lives on the home backend.
  [[nodiscard]] bool on_backend() const {
    return is(TransactionState::kExecuting) || is(TransactionState::kReadOnly) ||
           is(TransactionState::kCertifying);
  }

  [[nodiscard]] const TransactionTraits& traits() const { return traits_; }

  [[nodiscard]] const BranchId& branch() const { return branch_; }

  /// False when every statement so far only read: it needs no PREPARE.
  [[nodiscard]] bool may_have_written() const { return may_have_written_; }

  void note_write() { may_have_written_ = true; }

  void begin(TransactionTraits traits) {
    machine_.move(TransactionState::kOpen);
    traits_ = traits;
    may_have_written_ = false;
  }

  /// Its first statement goes to the home, in `branch`; `plain`: in a plain read-only transaction.
  void start(const BranchId& branch, bool plain) {
    if (is(TransactionState::kNone)) {
      traits_ = {};
      may_have_written_ = false;
    }
    machine_.move(plain ? TransactionState::kReadOnly : TransactionState::kExecuting);
    branch_ = branch;
  }

  void certify() { machine_.move(TransactionState::kCertifying); }

  void must_abort() { machine_.move(TransactionState::kMustAbort); }

  void end() {
    if (open()) {
      machine_.move(TransactionState::kNone);
    }
  }

 private:
  StateMachine<TransactionState> machine_{TransactionState::kNone, kTransactionMoves};
  TransactionTraits traits_;
  BranchId branch_;
  bool may_have_written_ = false;
};

}  // namespace consort::proxy
