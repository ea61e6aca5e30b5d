#include "tests/sim/sim_statements.h"

#include "tests/sim/model_sql.h"

namespace consort::sim {
namespace {

/// The digits behind the first `name`. REQUIRES: they are there.
std::uint64_t number_at(const std::string& sql, std::string_view name) {
  return number_behind(sql, name).value();
}

}  // namespace

std::string to_sql(const SimStatement& statement) {
  const std::string table = "t" + std::to_string(statement.op.row.table);
  const std::string id = std::to_string(statement.op.row.id);
  const std::string value = std::to_string(statement.op.value);
  if (statement.reads_table) {
    return "SELECT id, v FROM " + table;
  }
  switch (statement.op.kind) {
    case ClientOp::Kind::kAdd:
      return "UPDATE " + table + " SET v=v+" + value + " WHERE id=" + id;
    case ClientOp::Kind::kLock:
      return "SELECT v FROM " + table + " WHERE id=" + id + " FOR UPDATE";
    case ClientOp::Kind::kInsert:
      return "INSERT INTO " + table + " (id, v) VALUES (" + id + ", " + value + ")";
    case ClientOp::Kind::kDelete:
      return "DELETE FROM " + table + " WHERE id=" + id;
  }
  return {};
}

std::optional<SimStatement> parse_statement(const std::string& sql) {
  SimStatement statement;
  ClientOp& op = statement.op;
  const auto row = [&sql](std::string_view before_table, std::string_view before_id) {
    return RowId{static_cast<std::uint8_t>(number_at(sql, before_table)),
                 static_cast<std::uint32_t>(number_at(sql, before_id))};
  };
  if (sql.starts_with("SELECT id, v FROM t")) {
    statement.reads_table = true;
    op.row.table = static_cast<std::uint8_t>(number_at(sql, "FROM t"));
  } else if (sql.starts_with("UPDATE t")) {
    op = {ClientOp::Kind::kAdd, row("UPDATE t", "id="),
          static_cast<std::int64_t>(number_at(sql, "v=v+"))};
  } else if (sql.ends_with(" FOR UPDATE")) {
    op = {ClientOp::Kind::kLock, row("FROM t", "id="), 0};
  } else if (sql.starts_with("INSERT INTO t")) {
    op = {ClientOp::Kind::kInsert, row("INTO t", "VALUES ("),
          static_cast<std::int64_t>(number_at(sql.substr(sql.rfind(',')), ", "))};
  } else if (sql.starts_with("DELETE FROM t")) {
    op = {ClientOp::Kind::kDelete, row("FROM t", "id="), 0};
  } else {
    return std::nullopt;
  }
  return statement;
}

}  // namespace consort::sim
