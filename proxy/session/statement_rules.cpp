#include "proxy/session/statement_rules.h"

#include <algorithm>
#include <array>

#include "base/sql_identifier.h"
#include "certifier/global_variables_sql.h"
#include "router/token.h"
#include "router/token_reader.h"

namespace consort::proxy {

using router::Flag;
using router::Statement;
using router::StatementKind;

bool flushes_privileges(const Statement& statement, std::string_view sql) {
  if (statement.kind != StatementKind::kFlush) {
    return false;
  }
  router::TokenReader reader(sql, {});
  reader.advance();
  reader.accept("LOCAL") || reader.accept("NO_WRITE_TO_BINLOG");
  while (!reader.ended() && !reader.token().is("TABLES") &&
         !reader.token().is(router::Keyword::kTable)) {
    if (reader.token().is("PRIVILEGES")) {
      return true;
    }
    reader.advance();
  }
  return false;
}

bool may_change_rows(const Statement& statement) {
  if (!statement.may_write()) {
    return false;
  }
  switch (statement.kind) {
    case StatementKind::kSelect:
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kReplace:
    case StatementKind::kLoadData:
    case StatementKind::kCall:
    case StatementKind::kDo:
    case StatementKind::kExecuteText:
    case StatementKind::kCompound:
    case StatementKind::kUnknown:
      return true;
    default:
      return statement.has(Flag::kExecutesInner);
  }
}

bool is_savepoint(StatementKind kind) {
  return kind == StatementKind::kSavepoint || kind == StatementKind::kReleaseSavepoint ||
         kind == StatementKind::kRollbackToSavepoint;
}

namespace {

std::string_view without_quotes(std::string_view value) {
  const bool quoted = value.size() > 2 && (value.front() == '\'' || value.front() == '"');
  return quoted ? value.substr(1, value.size() - 2) : value;
}

bool says_off(std::string_view text) {
  const std::string_view value = without_quotes(text);
  return value == "0" || router::equals_ignoring_case(value, "OFF") ||
         router::equals_ignoring_case(value, "FALSE");
}

bool says_on(std::string_view text) {
  const std::string_view value = without_quotes(text);
  return value == "1" || router::equals_ignoring_case(value, "ON") ||
         router::equals_ignoring_case(value, "TRUE");
}

/// Of the values of tx_isolation.
router::IsolationLevel isolation_named(std::string_view value) {
  for (const router::IsolationLevel level : kIsolationLevels) {
    std::string name(isolation_sql(level));
    std::replace(name.begin(), name.end(), ' ', '-');
    if (router::equals_ignoring_case(value, name)) {
      return level;
    }
  }
  return router::IsolationLevel::kUnset;
}

bool is_access(std::string_view name) {
  return router::equals_ignoring_case(name, "tx_read_only") ||
         router::equals_ignoring_case(name, "transaction_read_only");
}

/// Does, or in doubt may, a SET turn autocommit on? Off when it is off already changes nothing.
bool may_turn_autocommit_on(const Statement& statement) {
  if (statement.kind == StatementKind::kSetAutocommit) {
    return statement.autocommit_value;
  }
  if (!statement.has(Flag::kSetsAutocommit) || statement.settings.overflowed()) {
    return statement.has(Flag::kSetsAutocommit);
  }
  bool found = false;
  for (const router::SetItem& item : statement.settings) {
    if (router::equals_ignoring_case(item.name, "autocommit")) {
      found = true;
      if (!says_off(item.value)) {
        return true;
      }
    }
  }
  return !found;
}

}  // namespace

bool restarts_clock(const Statement& statement) {
  return std::any_of(
      statement.settings.begin(), statement.settings.end(), [](const router::SetItem& item) {
        return router::equals_ignoring_case(item.name, "timestamp") &&
               (item.value == "0" || router::equals_ignoring_case(item.value, "DEFAULT"));
      });
}

bool commits_first(const Statement& statement, bool autocommit) {
  return statement.has(Flag::kImplicitCommit) || (!autocommit && may_turn_autocommit_on(statement));
}

router::IsolationLevel next_isolation(const Statement& statement) {
  for (const router::SetItem& item : statement.settings) {
    if (router::equals_ignoring_case(item.name, "tx_isolation") ||
        router::equals_ignoring_case(item.name, "transaction_isolation")) {
      return isolation_named(without_quotes(item.value));
    }
  }
  return statement.transaction.isolation;
}

namespace {

/// FROM dual, FROM (SELECT 1) AS t: a list of tables without any.
bool names_no_table(const Statement& statement) {
  return statement.kind == StatementKind::kSelect && statement.tables.empty() &&
         !statement.tables.overflowed() &&
         !statement.flags.has_any({Flag::kUnknownFunction, Flag::kSequence, Flag::kUncertain,
                                   Flag::kConditionalComment});
}

}  // namespace

bool uses_engine(const Statement& statement, std::string_view schema) {
  const auto computed = [&](const router::TableRef& table) {
    return router::equals_ignoring_case(table.schema.empty() ? schema : table.schema,
                                        "information_schema");
  };
  if (!statement.has(Flag::kTouchesTables) || names_no_table(statement) ||
      statement.kind == StatementKind::kDescribe) {
    return false;
  }
  return statement.tables.overflowed() || statement.tables.empty() ||
         !std::all_of(statement.tables.begin(), statement.tables.end(), computed);
}

bool may_commit_inside(const Statement& statement) {
  switch (statement.kind) {
    case StatementKind::kCall:
    case StatementKind::kExecuteText:
    case StatementKind::kCompound:
    case StatementKind::kUnknown:
      return true;
    default:
      return statement.has(Flag::kUncertain);
  }
}

std::string_view isolation_sql(router::IsolationLevel level) {
  switch (level) {
    case router::IsolationLevel::kUnset:
      return "";
    case router::IsolationLevel::kReadUncommitted:
      return "READ UNCOMMITTED";
    case router::IsolationLevel::kReadCommitted:
      return "READ COMMITTED";
    case router::IsolationLevel::kRepeatableRead:
      return "REPEATABLE READ";
    case router::IsolationLevel::kSerializable:
      return "SERIALIZABLE";
  }
  return "";
}

bool runs_program(const Statement& statement) {
  return may_commit_inside(statement) || statement.has(Flag::kUnknownFunction);
}

bool is_parser_error(std::uint16_t code) {
  constexpr std::array<std::uint16_t, 35> kCodes = {
      1046,  // no database selected
      1059,  // identifier too long
      1063, 1064, 1065, 1066, 1103, 1115, 1144, 1149, 1193, 1221, 1273,
      1308, 1313, 1314, 1319, 1320, 1324, 1327, 1330, 1331, 1332, 1333,
      1335, 1336, 1351, 1415, 1422, 1425, 1426, 1427, 1439, 1470, 1901};
  static_assert(std::is_sorted(kCodes.begin(), kCodes.end()));
  return std::binary_search(kCodes.begin(), kCodes.end(), code);
}

bool refused_by_parser(const protocol::SqlError& error, ServerKind kind) {
  constexpr std::uint16_t kUnknownTable = 1109;
  switch (error.code) {
    case protocol::sql_code::kDbAccessDenied:
      return error.message.find("'information_schema'") != std::string::npos;
    case kUnknownTable:
      return kind == ServerKind::kMysql;
    default:
      return is_parser_error(error.code);
  }
}

bool fails_before_tables(std::uint16_t code) {
  constexpr std::array<std::uint16_t, 13> kCodes = {
      1044,                    // access denied to the database
      1049,                    // unknown database
      1109, 1142, 1143, 1146,  // no such table
      1227, 1231, 1232, 1243,  // no such prepared statement
      1305,                    // no such routine
      1370, 1792};             // READ ONLY
  static_assert(std::is_sorted(kCodes.begin(), kCodes.end()));
  return is_parser_error(code) || std::binary_search(kCodes.begin(), kCodes.end(), code);
}

bool is_maintenance(StatementKind kind) {
  switch (kind) {
    case StatementKind::kAnalyze:
    case StatementKind::kCheck:
    case StatementKind::kOptimize:
    case StatementKind::kRepair:
    case StatementKind::kFlush:
      return true;
    default:
      return false;
  }
}

bool reads_handler(const Statement& statement) {
  return statement.kind == StatementKind::kHandler && !statement.has(Flag::kOpensHandler) &&
         !statement.has(Flag::kClosesHandler);
}

bool sets_access(const Statement& statement) {
  return statement.transaction.access != router::AccessMode::kUnset ||
         std::any_of(statement.settings.begin(), statement.settings.end(),
                     [](const router::SetItem& item) { return is_access(item.name); });
}

std::optional<bool> next_read_only(const Statement& statement) {
  for (const router::SetItem& item : statement.settings) {
    if (is_access(item.name)) {
      return says_on(item.value)    ? std::optional(true)
             : says_off(item.value) ? std::optional(false)
                                    : std::nullopt;
    }
  }
  switch (statement.transaction.access) {
    case router::AccessMode::kReadOnly:
      return true;
    case router::AccessMode::kReadWrite:
      return false;
    default:
      return std::nullopt;
  }
}

bool reads_relations(const Statement& statement) {
  if (!statement.has(Flag::kTouchesTables) || statement.may_write() ||
      statement.has(Flag::kSetsAutocommit)) {
    return false;
  }
  switch (statement.kind) {
    case StatementKind::kSelect:
    case StatementKind::kDo:
    case StatementKind::kExplain:
    case StatementKind::kShow:
    case StatementKind::kSetUserVariable:
    case StatementKind::kSetSession:
      return true;
    default:
      return false;
  }
}

/// What changes data and names an unknown @variable makes it: NULL, but not as one that never was.
/// So does its EXPLAIN, and CREATE VIEW, which fails for it.
bool makes_variables(const Statement& statement) {
  if (statement.flags.has_any({Flag::kIntoVariable, Flag::kAssignsUserVariable})) {
    return true;
  }
  if (!statement.has(Flag::kReadsUserVariable)) {
    return false;
  }
  switch (statement.kind) {
    case StatementKind::kSelect:
    case StatementKind::kDo:
    case StatementKind::kShow:
    case StatementKind::kKill:
    case StatementKind::kSetUserVariable:
    case StatementKind::kSetSession:
      return may_change_rows(statement);
    default:
      return true;
  }
}

bool may_change_settings(StatementKind kind) {
  return kind == StatementKind::kExecuteText || kind == StatementKind::kCall ||
         kind == StatementKind::kCompound || kind == StatementKind::kUnknown;
}

bool leaves_traces(const Statement& statement, bool triggers) {
  return makes_variables(statement) ||
         statement.flags.has_any({Flag::kUnknownFunction, Flag::kUncertain, Flag::kSequence}) ||
         statement.kind == StatementKind::kUnknown || (triggers && may_change_rows(statement));
}

bool draws_numbers(StatementKind kind) {
  return kind == StatementKind::kInsert || kind == StatementKind::kReplace ||
         kind == StatementKind::kLoadData;
}

namespace {

/// A CREATE of such an object, or of one that the text does not tell for certain.
bool may_define(const Statement& statement, router::DdlObject object) {
  if (statement.kind != StatementKind::kDdl || statement.ddl.verb != router::DdlVerb::kCreate) {
    return false;
  }
  return statement.ddl.object == object || statement.ddl.object == router::DdlObject::kOther ||
         statement.ddl.object == router::DdlObject::kNone ||
         statement.flags.has_any({Flag::kUncertain, Flag::kConditionalComment});
}

}  // namespace

// A procedure does not count: only a CALL runs it, which is never taken for a read.
bool defines_function(const Statement& statement) {
  return may_define(statement, router::DdlObject::kRoutine);
}

bool defines_trigger(const Statement& statement) {
  return may_define(statement, router::DdlObject::kTrigger);
}

bool reads_under_locks(const Statement& statement) {
  switch (statement.kind) {
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kReplace:
      return !statement.flags.has_any(
          {Flag::kInnerQuery, Flag::kUnknownFunction, Flag::kSequence, Flag::kSetStatement,
           Flag::kExecutesInner, Flag::kReturnsRows, Flag::kUncertain, Flag::kConditionalComment});
    default:
      return false;
  }
}

QueryKind query_kind(const Statement& statement, bool prepared) {
  if (prepared) {
    return QueryKind::kExecute;
  }
  switch (statement.kind) {
    case StatementKind::kBegin:
      return QueryKind::kBegin;
    case StatementKind::kCommit:
      return QueryKind::kCommit;
    case StatementKind::kRollback:
      return QueryKind::kRollback;
    case StatementKind::kDdl:
    case StatementKind::kAccount:
      return QueryKind::kDdl;
    case StatementKind::kSetAutocommit:
    case StatementKind::kSetTransaction:
    case StatementKind::kSetSession:
    case StatementKind::kSetUserVariable:
    case StatementKind::kSetNames:
    case StatementKind::kUse:
      return QueryKind::kSet;
    case StatementKind::kSelect:
      return statement.may_write() ? QueryKind::kWrite : QueryKind::kRead;
    default:
      return may_change_rows(statement) ? QueryKind::kWrite : QueryKind::kOther;
  }
}

bool another_follows(const Statement& statement) {
  return statement.has(Flag::kMultiStatement) || has_comment(statement.rest);
}

bool names_engine(std::string_view sql) {
  return router::contains_ignoring_case(sql, "engine");
}

bool copies_definition(const Statement& statement) {
  if (statement.kind != StatementKind::kDdl || statement.ddl.verb != router::DdlVerb::kCreate ||
      statement.ddl.object != router::DdlObject::kTable || statement.tables.overflowed() ||
      statement.tables.size() != 2) {
    return false;
  }
  constexpr std::string_view kBetween = " \t\r\n`\"(";
  const std::string_view made = statement.tables[0].name;
  const router::TableRef& other = statement.tables[1];
  const char* begin = made.data() + made.size();
  const char* end = other.schema.empty() ? other.name.data() : other.schema.data();
  if (end <= begin) {
    return false;
  }
  std::string_view between(begin, static_cast<std::size_t>(end - begin));
  between.remove_prefix(std::min(between.find_first_not_of(kBetween), between.size()));
  between = between.substr(0, between.find_last_not_of(kBetween) + 1);
  return router::equals_ignoring_case(between, "LIKE");
}

std::string named_in_backticks(const router::TableRef& table) {
  const auto quoted = [](std::string_view inside_quotes) {
    return sql_identifier(router::identifier_text(inside_quotes));
  };
  return (table.schema.empty() ? "" : quoted(table.schema) + ".") + quoted(table.name);
}

namespace {

/// Rows of these schemas are each backend's own. Only what SET GLOBAL has kept an administrator may
/// delete, on all (docs/operations.md).
bool writes_system_tables(const Statement& statement, std::string_view schema) {
  if (!router::changes_rows(statement.kind)) {
    return false;
  }
  return std::any_of(
      statement.tables.begin(), statement.tables.end(), [schema](const router::TableRef& table) {
        const std::string_view named = table.schema.empty() ? schema : table.schema;
        const bool own = named == "consort" && table.name != certifier::kGlobalsTable;
        return table.role == router::TableRole::kWrite && (named == "mysql" || own);
      });
}

}  // namespace

std::string_view unsupported_feature(const Statement& statement, std::string_view schema) {
  if (statement.kind == StatementKind::kKill && !statement.kill.supported) {
    return "KILL with an expression that has effects of its own";
  }
  if (writes_system_tables(statement, schema)) {
    return "changing rows of the schemas mysql and consort (use CREATE USER, GRANT and the like)";
  }
  return {};
}

std::string_view lone_row_count(std::string_view sql) {
  constexpr std::string_view kSelect = "SELECT ";
  constexpr std::string_view kFunction = "ROW_COUNT()";
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  const auto same_ignoring_case = [](std::string_view a, std::string_view b) {
    const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char x, char y) { return upper(x) == upper(y); });
  };
  while (!sql.empty() && (is_space(sql.back()) || sql.back() == ';')) {
    sql.remove_suffix(1);
  }
  while (!sql.empty() && is_space(sql.front())) {
    sql.remove_prefix(1);
  }
  if (sql.size() != kSelect.size() + kFunction.size() ||
      !same_ignoring_case(sql.substr(0, kSelect.size()), kSelect) ||
      !same_ignoring_case(sql.substr(kSelect.size()), kFunction)) {
    return {};
  }
  return sql.substr(kSelect.size());
}

std::string_view names_collation(const Statement& statement) {
  std::string_view collation;
  for (const router::SetItem& item : statement.settings) {
    if (item.scope == router::SetScope::kNames) {
      collation = item.collation;
    }
  }
  if (collation.size() >= 2 &&
      (collation.front() == '\'' || collation.front() == '"' || collation.front() == '`')) {
    collation = collation.substr(1, collation.size() - 2);
  }
  const bool is_default = collation.size() == 7 && (collation[0] == 'D' || collation[0] == 'd');
  return is_default ? std::string_view() : collation;
}

bool sets_collation(const Statement& statement) {
  return may_change_settings(statement.kind) ||
         std::any_of(statement.settings.begin(), statement.settings.end(),
                     [](const router::SetItem& item) {
                       return item.scope == router::SetScope::kCharacterSet ||
                              router::equals_ignoring_case(item.name, "collation_connection") ||
                              router::equals_ignoring_case(item.name, "character_set_connection");
                     });
}

std::string whole_collation(std::string_view collation, std::string_view character_set) {
  constexpr std::string_view kOfMany = "uca1400_";
  std::string name(collation);
  return router::starts_ignoring_case(collation, kOfMany) ? std::string(character_set) + "_" + name
                                                          : name;
}

bool has_comment(std::string_view sql) {
  return sql.find_first_not_of(" \t\r\n;") != std::string_view::npos;
}

}  // namespace consort::proxy
