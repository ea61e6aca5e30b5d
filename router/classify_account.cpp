// Accounts, roles, grants and passwords. Every backend executes them, each as its own account:
// what means "whoever runs this" must be told apart.
#include "router/classify.h"

namespace consort::router {
namespace {

/// Scans to the end; true when `word` was seen.
bool scan_for(StatementScan& scan,
              Statement& out,
              std::string_view word,
              std::string_view other = {}) {
  bool seen = false;
  while (!scan.ended()) {
    seen = seen || scan.token().is(word) || (!other.empty() && scan.token().is(other));
    if (scan.token().is("CURRENT_USER") || scan.token().is("CURRENT_ROLE")) {
      out.flags.set(Flag::kCurrentUser);
    }
    scan.advance();
  }
  return seen;
}

/// An account statement that means the current user unless one of the words is in it.
void classify_unless(StatementScan& scan,
                     Statement& out,
                     std::string_view word,
                     std::string_view other = {}) {
  if (!scan_for(scan, out, word, other)) {
    out.flags.set(Flag::kCurrentUser);
  }
}

}  // namespace

void classify_account(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kAccount;
  scan_for(scan, out, {});
}

// Without WITH ADMIN the role's administrator is whoever creates it.
void classify_create_role(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kAccount;
  if (!scan_for(scan, out, "ADMIN")) {
    out.flags.set(Flag::kCreatorsRole);
  }
}

void classify_set_password(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kSetPassword;
  classify_unless(scan, out, "FOR");
}

void classify_set_default_role(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kAccount;
  classify_unless(scan, out, "FOR", "TO");  // MariaDB's word, MySQL's
}

}  // namespace consort::router
