#include "proxy/backend_setup.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/server_kind.h"
#include "certifier/lane_sql.h"
#include "certifier/mysql_lane_sql.h"
#include "healthcheck/server_facts.h"

namespace consort::proxy {

namespace {

/// A statement that some servers do not know: only a broken link is an error.
Status attempt(healthcheck::ServerLink& link, std::string_view sql) {
  const auto done = link.query(sql);
  if (!done.ok() && !link.connected()) {
    return done.error();
  }
  return Ok{};
}

Status run_all(healthcheck::ServerLink& link, const std::vector<std::string>& statements) {
  for (const std::string& sql : statements) {
    const auto done = link.query(sql);
    if (!done.ok()) {
      return Error{done.error().code, done.error().message + " in: " + sql};
    }
  }
  return Ok{};
}

/// Does `count_sql` count `wanted` rights? Errors: the link is lost. What a server cannot tell it
/// has not.
Result<bool> has_granted(healthcheck::ServerLink& link,
                         std::string_view count_sql,
                         std::string_view wanted) {
  const auto granted = link.query(count_sql);
  if (!granted.ok() && !link.connected()) {
    return granted.error();
  }
  return granted.ok() && granted->first() == wanted;
}

/// Sessions read the position with their clients' accounts (MariaDB 10.11 has PUBLIC).
Status let_everybody_read(healthcheck::ServerLink& link) {
  const Result<bool> granted =
      has_granted(link,
                  "SELECT COUNT(*) FROM mysql.tables_priv"
                  " WHERE User='PUBLIC' AND Db='consort' AND Table_name IN ('position','ddl_mark')",
                  "2");
  if (!granted.ok()) {
    return granted.error();
  }
  if (*granted) {
    return Ok{};
  }
  if (Status done = attempt(link, "GRANT SELECT ON consort.`position` TO PUBLIC"); !done.ok()) {
    return done;
  }
  return attempt(link, "GRANT SELECT ON consort.ddl_mark TO PUBLIC");
}

/// For sessions with temporary tables.
Status let_everybody_mark(healthcheck::ServerLink& link) {
  const Result<bool> granted =
      has_granted(link,
                  "SELECT COUNT(*) FROM mysql.procs_priv p JOIN mysql.proc r ON r.db=p.Db AND "
                  "r.name=p.Routine_name WHERE p.User='PUBLIC' AND p.Db='consort' AND "
                  "r.name='mark_branch' AND r.body LIKE '%branch_marks%'",
                  "1");
  if (!granted.ok()) {
    return granted.error();
  }
  if (*granted) {
    return Ok{};
  }
  for (const std::string& sql : certifier::create_branch_mark_sql()) {
    if (Status done = attempt(link, sql); !done.ok()) {
      return done;
    }
  }
  return Ok{};
}

/// For CREATE TABLE .. SELECT. Earlier versions have let everybody collect, and clients saw it.
Status let_everybody_collect(healthcheck::ServerLink& link) {
  const Result<bool> granted =
      has_granted(link,
                  "SELECT COUNT(*) FROM mysql.procs_priv WHERE User='PUBLIC' AND Db='consort' AND "
                  "Routine_name='let_collect'",
                  "1");
  if (!granted.ok()) {
    return granted.error();
  }
  if (*granted) {
    return Ok{};
  }
  if (Status done = attempt(link, "REVOKE CREATE TEMPORARY TABLES ON consort.* FROM PUBLIC");
      !done.ok()) {
    return done;
  }
  for (const std::string& sql : certifier::create_let_collect_sql()) {
    if (Status done = attempt(link, sql); !done.ok()) {
      return done;
    }
  }
  return Ok{};
}

/// What only MariaDB knows or lets everybody have.
Status prepare_mariadb(healthcheck::ServerLink& link) {
  // Tables of other engines cannot be certified: their rows survive a rollback. New connections
  // inherit this, so neither clients nor lanes create one.
  if (Status enforced = attempt(link, "SET GLOBAL enforce_storage_engine='InnoDB'");
      !enforced.ok()) {
    return enforced;
  }
  if (Status readable = let_everybody_read(link); !readable.ok()) {
    return readable;
  }
  if (Status marked = let_everybody_mark(link); !marked.ok()) {
    return marked;
  }
  return let_everybody_collect(link);
}

/// Whether each procedure that `statements` create is there, as they create it.
Result<bool> has_procedures(healthcheck::ServerLink& link,
                            const std::vector<std::string>& statements) {
  const auto rows = link.query(
      "SELECT ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES"
      " WHERE ROUTINE_SCHEMA='consort' AND ROUTINE_TYPE='PROCEDURE'");
  if (!rows.ok()) {
    return rows.error();
  }
  for (const std::string& sql : statements) {
    const bool there =
        !sql.starts_with("CREATE ") ||
        std::any_of(rows->rows.begin(), rows->rows.end(), [&sql](const auto& row) {
          return sql.starts_with("CREATE PROCEDURE consort." + row[0].value_or("") + "(") &&
                 sql.ends_with(") " + row[1].value_or("?"));
        });
    if (!there) {
      return false;
    }
  }
  return true;
}

Status prepare_mysql(healthcheck::ServerLink& link) {
  const std::vector<std::string> statements = certifier::mysql::create_procedures_sql();
  const Result<bool> there = has_procedures(link, statements);
  if (!there.ok()) {
    return there.error();
  }
  return *there ? Status(Ok{}) : run_all(link, statements);
}

}  // namespace

Status prepare_backend(healthcheck::ServerLink& link,
                       const BackendFounding& founding,
                       AdmissionResult& result) {
  auto facts = healthcheck::server_facts(link, healthcheck::FactsDepth::kTables);
  if (!facts.ok()) {
    return facts.error();
  }
  const auto known = facts->find(healthcheck::kFactCluster);
  const bool has_position = known != facts->end() && !known->second.empty();
  const bool refused =
      !healthcheck::refusal(healthcheck::check_backend(*facts, founding.cluster_id)).empty();
  result.facts = std::move(*facts);
  if (refused) {
    return Ok{};
  }
  if (!has_position && !founding.allowed) {
    return make_error(
        "it has no consort.position, so it is no copy of this cluster's data: restore it from a "
        "backup "
        "of another backend");
  }
  const bool mysql = link.kind() == ServerKind::kMysql;
  std::vector<std::string> statements;
  if (!has_position) {
    if (mysql) {  // the position must have no key, one of the server's own neither
      statements.emplace_back(
          "SET SESSION sql_require_primary_key=OFF, sql_generate_invisible_primary_key=OFF");
    }
    for (std::string& sql : certifier::create_position_sql(founding.cluster_id)) {
      statements.push_back(std::move(sql));
    }
  } else if (!mysql) {
    statements.push_back(certifier::upgrade_position_sql());
  }
  if (Status done = run_all(link, statements); !done.ok()) {
    return done;
  }
  return mysql ? prepare_mysql(link) : prepare_mariadb(link);
}

Status look_at_settings(healthcheck::ServerLink& link, AdmissionResult& result) {
  auto facts = healthcheck::server_facts(link, healthcheck::FactsDepth::kSettings);
  if (!facts.ok()) {
    return facts.error();
  }
  result.facts = std::move(*facts);
  return Ok{};
}

}  // namespace consort::proxy
