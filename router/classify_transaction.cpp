// BEGIN, START TRANSACTION, COMMIT, ROLLBACK, SAVEPOINT and SET TRANSACTION.
#include "router/classify.h"

namespace consort::router {
namespace {

/// READ ONLY or READ WRITE; kUnset when neither stands here.
AccessMode read_access_mode(StatementScan& scan) {
  if (!scan.accept("READ")) {
    return AccessMode::kUnset;
  }
  if (scan.accept("ONLY")) {
    return AccessMode::kReadOnly;
  }
  return scan.accept("WRITE") ? AccessMode::kReadWrite : AccessMode::kUnset;
}

bool read_begin_option(StatementScan& scan, TransactionOptions& options) {
  if (scan.accept(Keyword::kWith)) {
    options.consistent_snapshot = scan.accept("CONSISTENT") && scan.accept("SNAPSHOT");
    return options.consistent_snapshot;
  }
  const AccessMode access = read_access_mode(scan);
  if (access == AccessMode::kUnset || options.access != AccessMode::kUnset) {
    return false;
  }
  options.access = access;
  return true;
}

IsolationLevel read_isolation_level(StatementScan& scan) {
  if (scan.accept("SERIALIZABLE")) {
    return IsolationLevel::kSerializable;
  }
  if (scan.accept("REPEATABLE")) {
    return scan.accept("READ") ? IsolationLevel::kRepeatableRead : IsolationLevel::kUnset;
  }
  if (!scan.accept("READ")) {
    return IsolationLevel::kUnset;
  }
  if (scan.accept("COMMITTED")) {
    return IsolationLevel::kReadCommitted;
  }
  return scan.accept("UNCOMMITTED") ? IsolationLevel::kReadUncommitted : IsolationLevel::kUnset;
}

/// [WORK] [AND [NO] CHAIN] [[NO] RELEASE], to the end.
bool read_completion(StatementScan& scan, TransactionOptions& options) {
  scan.accept("WORK");
  if (scan.accept("AND")) {
    options.chain = scan.accept("NO") ? Choice::kNo : Choice::kYes;
    if (!scan.accept("CHAIN")) {
      return false;
    }
  }
  const bool no = scan.accept("NO");
  if (scan.accept(Keyword::kRelease)) {
    options.release = no ? Choice::kNo : Choice::kYes;
  } else if (no) {
    return false;
  }
  const bool contradictory = options.chain == Choice::kYes && options.release == Choice::kYes;
  return scan.ended() && !contradictory;
}

/// A name that ends the statement.
bool read_last_name(StatementScan& scan, Statement& out) {
  if (!scan.token().is_name()) {
    return false;
  }
  out.name = scan.token().name();
  scan.advance();
  return scan.ended();
}

}  // namespace

void classify_begin(StatementScan& scan, Statement& out) {
  const bool alone = scan.ended() || (scan.accept("WORK") && scan.ended());
  if (alone && !scan.options().oracle) {
    out.kind = StatementKind::kBegin;
    return;
  }
  out.kind = StatementKind::kCompound;  // BEGIN NOT ATOMIC, or a block of sql_mode ORACLE
  scan.enter_program(1);
}

void classify_start(StatementScan& scan, Statement& out) {
  if (scan.accept("SLAVE") || scan.accept("REPLICA") || scan.accept("ALL") ||
      scan.accept("GROUP_REPLICATION")) {
    out.kind = StatementKind::kServerAdmin;
    return;
  }
  if (!scan.accept("TRANSACTION")) {
    out.kind = StatementKind::kUnknown;
    return;
  }
  TransactionOptions options;
  bool valid = scan.ended() || read_begin_option(scan, options);
  while (valid && scan.accept(TokenKind::kComma)) {
    valid = read_begin_option(scan, options);
  }
  if (valid && scan.ended()) {
    out.kind = StatementKind::kBegin;
    out.transaction = options;
  }
}

void classify_commit(StatementScan& scan, Statement& out) {
  if (read_completion(scan, out.transaction)) {
    out.kind = StatementKind::kCommit;
  }
}

void classify_rollback(StatementScan& scan, Statement& out) {
  scan.accept("WORK");
  if (scan.accept(Keyword::kTo)) {
    if (scan.accept(Keyword::kSavepoint) && scan.ended()) {
      out.kind = StatementKind::kRollbackToSavepoint;  // ROLLBACK TO savepoint: its name
      out.name = scan.previous().name();
    } else if (read_last_name(scan, out)) {
      out.kind = StatementKind::kRollbackToSavepoint;
    }
  } else if (read_completion(scan, out.transaction)) {
    out.kind = StatementKind::kRollback;
  }
}

void classify_savepoint(StatementScan& scan, Statement& out) {
  if (read_last_name(scan, out)) {
    out.kind = StatementKind::kSavepoint;
  }
}

void classify_release(StatementScan& scan, Statement& out) {
  if (scan.accept(Keyword::kSavepoint) && read_last_name(scan, out)) {
    out.kind = StatementKind::kReleaseSavepoint;
  }
}

void classify_set_transaction(StatementScan& scan, Statement& out, SetScope scope) {
  TransactionOptions options;
  options.scope = scope;
  do {
    if (scan.accept("ISOLATION")) {
      if (!scan.accept("LEVEL") || options.isolation != IsolationLevel::kUnset) {
        return;
      }
      options.isolation = read_isolation_level(scan);
      if (options.isolation == IsolationLevel::kUnset) {
        return;
      }
    } else {
      const AccessMode access = read_access_mode(scan);
      if (access == AccessMode::kUnset || options.access != AccessMode::kUnset) {
        return;
      }
      options.access = access;
    }
  } while (scan.accept(TokenKind::kComma));
  if (scan.ended()) {
    out.kind = StatementKind::kSetTransaction;
    out.transaction = options;
    if (scope == SetScope::kGlobal) {
      out.flags.set(Flag::kSetsGlobal);
    }
  }
}

}  // namespace consort::router
