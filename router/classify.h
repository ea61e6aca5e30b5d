// The classifier's parts, one per family of statements. Each begins behind the verb, fills in `out`
// and may stop anywhere: StatementScan::finish() reads the rest. A form that is not understood is
// left as kUnknown, which goes home as a write.
// Private to the classifier.
#pragma once

#include "router/statement.h"
#include "router/statement_scan.h"

namespace consort::router {

/// Finds the verb at the current token and reads the statement.
void classify_statement(StatementScan& scan, Statement& out);

// classify_transaction.cpp
void classify_begin(StatementScan& scan, Statement& out);
void classify_start(StatementScan& scan, Statement& out);
void classify_commit(StatementScan& scan, Statement& out);
void classify_rollback(StatementScan& scan, Statement& out);
void classify_savepoint(StatementScan& scan, Statement& out);
void classify_release(StatementScan& scan, Statement& out);
void classify_set_transaction(StatementScan& scan, Statement& out, SetScope scope);

// classify_set.cpp
void classify_set(StatementScan& scan, Statement& out);

// classify_ddl.cpp
void classify_create(StatementScan& scan, Statement& out);
void classify_alter(StatementScan& scan, Statement& out);
void classify_drop(StatementScan& scan, Statement& out);
void classify_rename(StatementScan& scan, Statement& out);
void classify_truncate(StatementScan& scan, Statement& out);

// classify_account.cpp
/// GRANT and REVOKE; CREATE, ALTER, DROP and RENAME of users and roles, behind USER or ROLE.
void classify_account(StatementScan& scan, Statement& out);
void classify_create_role(StatementScan& scan, Statement& out);
void classify_set_password(StatementScan& scan, Statement& out);
void classify_set_default_role(StatementScan& scan, Statement& out);

// classify_admin.cpp
void classify_show(StatementScan& scan, Statement& out);
void classify_kill(StatementScan& scan, Statement& out);
void classify_reset(StatementScan& scan, Statement& out);
void classify_flush(StatementScan& scan, Statement& out);
void classify_lock(StatementScan& scan, Statement& out);
void classify_unlock(StatementScan& scan, Statement& out);
void classify_backup(StatementScan& scan, Statement& out);
/// Behind HANDLER.
void classify_handler(StatementScan& scan, Statement& out);
void classify_execute(StatementScan& scan, Statement& out);
/// ANALYZE, OPTIMIZE, CHECK and REPAIR behind their verb: TABLE and a list of tables.
void classify_maintenance(StatementScan& scan, Statement& out, StatementKind kind);

}  // namespace consort::router
