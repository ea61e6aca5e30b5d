// Statement rules: what a session makes of a classified statement: whether it needs a branch, how
// it is counted, what this version does not do. Pure.
// Threads: any.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/server_kind.h"
#include "protocol/sql_error.h"
#include "proxy/metrics.h"
#include "router/statement.h"

namespace consort::proxy {

/// FLUSH PRIVILEGES, alone or among other things to be flushed.
[[nodiscard]] bool flushes_privileges(const router::Statement& statement, std::string_view sql);

/// Its row changes need a branch of their own under autocommit.
[[nodiscard]] bool may_change_rows(const router::Statement& statement);

[[nodiscard]] bool is_savepoint(router::StatementKind kind);

/// SET timestamp = DEFAULT, among others perhaps: the session's clock runs again.
[[nodiscard]] bool restarts_clock(const router::Statement& statement);

/// It ends an open transaction by itself. `autocommit`: the session's, before the statement.
[[nodiscard]] bool commits_first(const router::Statement& statement, bool autocommit);

/// The isolation level that a SET TRANSACTION or SET @@tx_isolation names; kUnset: none, or one
/// that its text does not show.
[[nodiscard]] router::IsolationLevel next_isolation(const router::Statement& statement);

/// It reads or writes tables that a storage engine has; those of information_schema are in none.
[[nodiscard]] bool uses_engine(const router::Statement& statement, std::string_view schema);

/// Does it run what its text does not show: a procedure, a function, a prepared or unknown
/// statement?
[[nodiscard]] bool runs_program(const router::Statement& statement);
/// May it, or what it runs, say COMMIT and go on? Functions and triggers may not.
[[nodiscard]] bool may_commit_inside(const router::Statement& statement);
/// All but kUnset.
inline constexpr std::array kIsolationLevels = {
    router::IsolationLevel::kReadUncommitted, router::IsolationLevel::kReadCommitted,
    router::IsolationLevel::kRepeatableRead, router::IsolationLevel::kSerializable};
/// The level as SET TRANSACTION names it; empty: kUnset.
[[nodiscard]] std::string_view isolation_sql(router::IsolationLevel level);
/// An error of a statement that has not come as far as to open its tables (MariaDB 10.11): the
/// server keeps for the next one what SET TRANSACTION said.
[[nodiscard]] bool fails_before_tables(std::uint16_t code);
/// An error of the server's parser (MariaDB 10.11), which commits no transaction, whatever the
/// statement would do.
[[nodiscard]] bool is_parser_error(std::uint16_t code);
/// The same of what PREPARE says of a text. The parser itself knows which tables information_schema
/// has, and that nobody may change them; MariaDB reads definitions of the others when it has
/// committed, MySQL before.
[[nodiscard]] bool refused_by_parser(const protocol::SqlError& error, ServerKind kind);
/// ANALYZE, CHECK, OPTIMIZE, REPAIR TABLE, FLUSH: commits, and is no DDL.
[[nodiscard]] bool is_maintenance(router::StatementKind kind);
/// HANDLER .. READ: with autocommit=0 it begins a transaction, as a SELECT does.
[[nodiscard]] bool reads_handler(const router::Statement& statement);
/// Does it say whether transactions are READ ONLY?
[[nodiscard]] bool sets_access(const router::Statement& statement);

/// Whether such a statement makes the next transaction read only; nullopt: it says nothing of that,
/// or nothing that its text shows.
[[nodiscard]] std::optional<bool> next_read_only(const router::Statement& statement);

/// It reads tables or views and may run in a transaction of its own as well as without one.
[[nodiscard]] bool reads_relations(const router::Statement& statement);

/// It executes what its text does not tell: perhaps a SET.
[[nodiscard]] bool may_change_settings(router::StatementKind kind);

/// It may leave something on its connection that is neither a variable which the server reports nor
/// a reason to pin the session: user variables that a function or a trigger assigns.
[[nodiscard]] bool leaves_traces(const router::Statement& statement, bool triggers);

/// It makes @variables where it is executed, perhaps: also where it is only prepared.
[[nodiscard]] bool makes_variables(const router::Statement& statement);

/// It gives rows the next AUTO_INCREMENT numbers.
[[nodiscard]] bool draws_numbers(router::StatementKind kind);

/// It may define a stored function.
[[nodiscard]] bool defines_function(const router::Statement& statement);

/// It may define a trigger.
[[nodiscard]] bool defines_trigger(const router::Statement& statement);

/// A row change that reads rows only under locks, at REPEATABLE READ or above and where no function
/// and no trigger reads for it: no query inside it, no full-text search (which sees what is
/// committed, whatever the locks). It returns no rows, so that it may be run again.
[[nodiscard]] bool reads_under_locks(const router::Statement& statement);

/// As which it is counted. `prepared`: it came as COM_STMT_EXECUTE.
[[nodiscard]] QueryKind query_kind(const router::Statement& statement, bool prepared);

/// The server of a client with several statements in one query takes the rest of the text for one
/// more: a comment, too.
[[nodiscard]] bool another_follows(const router::Statement& statement);

/// A CREATE TEMPORARY TABLE that may say ENGINE: its text has the word.
[[nodiscard]] bool names_engine(std::string_view sql);

/// CREATE TABLE .. LIKE: the server takes the other table's engine, and "partition" for one.
[[nodiscard]] bool copies_definition(const router::Statement& statement);

/// A table as a statement may name it: in backticks, with its schema where the client gave one.
[[nodiscard]] std::string named_in_backticks(const router::TableRef& table);

/// What this version refuses although the server could do it; empty: nothing. `schema`: the
/// session's.
[[nodiscard]] std::string_view unsupported_feature(const router::Statement& statement,
                                                   std::string_view schema);

/// The call in a statement that asks for nothing but ROW_COUNT(), as it is spelt; else empty.
[[nodiscard]] std::string_view lone_row_count(std::string_view sql);

/// The collation of SET NAMES .. COLLATE; empty without one. The server does not report it.
[[nodiscard]] std::string_view names_collation(const router::Statement& statement);

/// It may set collation_connection otherwise than by SET NAMES: by its name, as that of the schema
/// (SET CHARACTER SET), or in a text that is not seen.
[[nodiscard]] bool sets_collation(const router::Statement& statement);

/// Since MariaDB 10.10 the newest ones are of many character sets, and SET NAMES takes their names
/// without it. A variable does not.
[[nodiscard]] std::string whole_collation(std::string_view collation,
                                          std::string_view character_set);

/// Of a statement without tokens: something other than blanks and semicolons is in it.
[[nodiscard]] bool has_comment(std::string_view sql);

}  // namespace consort::proxy
