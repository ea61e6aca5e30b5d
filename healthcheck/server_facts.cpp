#include "healthcheck/server_facts.h"

#include <array>
#include <cctype>
#include <string_view>
#include <utility>

namespace consort::healthcheck {

namespace {

/// A statement whose rows become one fact, joined with ", ".
struct FactQuery {
  std::string_view fact;
  std::string_view sql;
};

// Each costs the server a second at most. Where one does not exist (another brand or version) the
// next of the same name is tried.
constexpr std::array kQueries = {
    FactQuery{kFactAccount,
              "SELECT CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@',"
              " QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))"},
    FactQuery{kFactPrivileges,
              "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE ="
              " CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''',"
              " SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')"},
    FactQuery{kFactMayGrant,
              "SELECT MIN(IS_GRANTABLE) FROM information_schema.USER_PRIVILEGES WHERE GRANTEE ="
              " CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''',"
              " SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')"},
    FactQuery{kFactInnodb, "SELECT SUPPORT FROM information_schema.ENGINES WHERE ENGINE='InnoDB'"},
    FactQuery{kFactEvents,
              "SELECT CONCAT(EVENT_SCHEMA, '.', EVENT_NAME) FROM information_schema.EVENTS"
              " WHERE STATUS='ENABLED' AND EVENT_SCHEMA <> 'sys' LIMIT 5"},
    FactQuery{kFactOtherEngines,
              "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, ' (', ENGINE, ')')"
              " FROM information_schema.TABLES WHERE TABLE_TYPE='BASE TABLE' AND"
              " ENGINE <> 'InnoDB' AND TABLE_SCHEMA NOT IN"
              " ('mysql', 'sys', 'information_schema', 'performance_schema') LIMIT 5"},
    FactQuery{kFactKeyless,
              "SELECT REPLACE(t.NAME, '/', '.') FROM information_schema.INNODB_SYS_INDEXES i"
              " JOIN information_schema.INNODB_SYS_TABLES t ON t.TABLE_ID = i.TABLE_ID"
              " WHERE i.NAME='GEN_CLUST_INDEX' AND t.NAME NOT LIKE 'mysql/%'"
              " AND t.NAME NOT LIKE 'consort/%' LIMIT 5"},
    FactQuery{kFactKeyless,
              "SELECT REPLACE(t.NAME, '/', '.') FROM information_schema.INNODB_INDEXES i"
              " JOIN information_schema.INNODB_TABLES t ON t.TABLE_ID = i.TABLE_ID"
              " WHERE i.NAME='GEN_CLUST_INDEX' AND t.NAME NOT LIKE 'mysql/%'"
              " AND t.NAME NOT LIKE 'consort/%' LIMIT 5"},
    // A package in Oracle's mode has functions, too.
    FactQuery{kFactFunctions,
              "SELECT CONCAT(db, '.', name) FROM mysql.proc"
              " WHERE type IN ('FUNCTION', 'PACKAGE BODY')"
              " AND NOT (db='sys' AND definer='mariadb.sys@localhost') LIMIT 5"},
    FactQuery{kFactFunctions,
              "SELECT CONCAT(ROUTINE_SCHEMA, '.', ROUTINE_NAME) FROM information_schema.ROUTINES"
              " WHERE ROUTINE_TYPE='FUNCTION' AND ROUTINE_SCHEMA <> 'sys' LIMIT 5"},
    FactQuery{kFactTriggers,
              "SELECT CONCAT(TRIGGER_SCHEMA, '.', TRIGGER_NAME) FROM information_schema.TRIGGERS"
              " WHERE TRIGGER_SCHEMA <> 'sys' LIMIT 5"},
    FactQuery{kFactCluster, "SELECT cluster FROM consort.`position` LIMIT 1"},
    FactQuery{kFactPacketLimit,
              "SELECT value FROM consort.global_variables WHERE name='max_allowed_packet'"},
    FactQuery{kFactCollationId,
              "SELECT ID FROM information_schema.COLLATIONS WHERE COLLATION_NAME="
              "@@GLOBAL.collation_server"},
};

std::string lower(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return out;
}

/// `select`, which begins with the word, for a second at most.
std::string limited(std::string_view select, ServerKind kind) {
  constexpr std::string_view kWord = "SELECT";
  if (kind == ServerKind::kMariadb) {
    return "SET STATEMENT max_statement_time=1 FOR " + std::string(select);
  }
  return "SELECT /*+ MAX_EXECUTION_TIME(1000) */" + std::string(select.substr(kWord.size()));
}

std::string join_first_column(const SqlRows& rows) {
  std::string out;
  for (const auto& row : rows.rows) {
    out += (out.empty() ? "" : ", ") + row[0].value_or("");
  }
  return out;
}

/// Cells of the columns that exist, as "name=value" of the non-empty ones.
std::string named_cells(const SqlRows& rows, std::span<const std::string_view> wanted) {
  std::string out;
  for (const auto& row : rows.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      for (const std::string_view name : wanted) {
        if (rows.columns[i] == name && row[i] && !row[i]->empty()) {
          out += (out.empty() ? "" : ", ") + std::string(name) + "=" + *row[i];
        }
      }
    }
  }
  return out;
}

/// The first of the statements that the server knows; an error only when the link broke.
Result<SqlRows> first_known(ServerLink& link, std::span<const std::string_view> statements) {
  for (const std::string_view sql : statements) {
    auto rows = link.query(sql);
    if (rows.ok() || !link.connected()) {
      return rows;
    }
  }
  return SqlRows{};
}

Status add_replication(ServerLink& link, Facts& facts) {
  constexpr std::array<std::string_view, 2> kStatus = {"SHOW ALL SLAVES STATUS",
                                                       "SHOW REPLICA STATUS"};
  constexpr std::array<std::string_view, 2> kMaster = {"Master_Host", "Source_Host"};
  constexpr std::array<std::string_view, 2> kLog = {"SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"};
  constexpr std::array<std::string_view, 2> kFilter = {"Binlog_Do_DB", "Binlog_Ignore_DB"};
  const auto replicas = first_known(link, kStatus);
  if (!replicas.ok()) {
    return replicas.error();
  }
  facts[std::string(kFactReplicaOf)] = named_cells(*replicas, kMaster);
  const auto log = first_known(link, kLog);
  if (!log.ok()) {
    return log.error();
  }
  facts[std::string(kFactBinlogFilters)] = named_cells(*log, kFilter);
  return Ok{};
}

/// Each has a fact, so that one which is kept no longer is known to be gone.
Status add_kept_globals(ServerLink& link, Facts& facts) {
  for (const std::string_view name : kKeptGlobals) {
    facts[std::string(kFactKeptGlobal) + std::string(name)] = "";
  }
  const auto rows = link.query("SELECT name, value FROM consort.global_variables");
  if (!rows.ok()) {
    return link.connected() ? Status(Ok{}) : Status(rows.error());
  }
  for (const auto& row : rows->rows) {
    const auto fact = facts.find(std::string(kFactKeptGlobal) + lower(row[0].value_or("")));
    if (fact != facts.end()) {
      fact->second = row[1].value_or("");
    }
  }
  return Ok{};
}

}  // namespace

Result<Facts> server_facts(ServerLink& link, FactsDepth depth) {
  auto variables = link.query("SHOW GLOBAL VARIABLES");
  if (!variables.ok()) {
    return variables.error();
  }
  Facts facts;
  for (const auto& row : variables->rows) {
    facts[lower(row[0].value_or(""))] = row[1].value_or("");
  }
  for (const FactQuery& query : kQueries) {
    const bool slow =
        query.fact == kFactEvents || query.fact == kFactOtherEngines || query.fact == kFactKeyless;
    if (facts.contains(query.fact) || (slow && depth == FactsDepth::kSettings)) {
      continue;
    }
    const auto rows = link.query(limited(query.sql, link.kind()));
    if (rows.ok()) {
      facts[std::string(query.fact)] = join_first_column(*rows);
    } else if (!link.connected()) {
      return rows.error();
    }
  }
  const Status kept = add_kept_globals(link, facts);
  if (!kept.ok()) {
    return kept.error();
  }
  const Status replication = add_replication(link, facts);
  if (!replication.ok()) {
    return replication.error();
  }
  return facts;
}

}  // namespace consort::healthcheck
