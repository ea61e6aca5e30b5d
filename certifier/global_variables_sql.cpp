#include "certifier/global_variables_sql.h"

#include "base/sql_identifier.h"
#include "certifier/lane_sql.h"

namespace consort::certifier {
namespace {

constexpr std::string_view kCreateTable =
    "CREATE TABLE IF NOT EXISTS consort.global_variables ("
    "name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL PRIMARY KEY,"
    "value LONGTEXT CHARACTER SET utf8mb4 COMMENT 'given to this server again when it comes back',"
    "is_text BOOLEAN NOT NULL"
    ") ENGINE=InnoDB; ";

std::string literal_of(const GlobalVariable& variable) {
  if (!variable.value) {
    return "NULL";
  }
  return variable.is_text ? sql_literal(*variable.value) : *variable.value;
}

std::string row_of(const GlobalVariable& variable) {
  return "(" + sql_literal(variable.name) + "," +
         (variable.value ? sql_literal(*variable.value) : "NULL") + "," +
         (variable.is_text ? "1" : "0") + ")";
}

/// A variable that this server does not know is found out when the statement is parsed: each has a
/// text of its own.
std::string execute(const std::string& statement) {
  return "EXECUTE IMMEDIATE " + sql_literal(statement) + "; ";
}

/// `a`, of a named key cache `hot`.`key_buffer_size`.
std::string quoted(const std::string& name) {
  const std::size_t dot = name.find('.');
  return dot == std::string::npos
             ? sql_identifier(name)
             : sql_identifier(name.substr(0, dot)) + "." + sql_identifier(name.substr(dot + 1));
}

}  // namespace

std::string set_globals_sql(std::span<const GlobalVariable> variables) {
  std::string rows;
  std::string statements;
  for (const GlobalVariable& variable : variables) {
    const std::string name = quoted(variable.name);
    rows += (rows.empty() ? "" : ",") + row_of(variable);
    statements += execute("SET GLOBAL " + name + "=" + literal_of(variable)) +
                  execute("SET SESSION " + name + "=DEFAULT");
  }
  return "BEGIN NOT ATOMIC " + std::string(kCreateTable) +
         "REPLACE INTO consort.global_variables (name,value,is_text) VALUES " + rows +
         "; BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; " + statements + "END; END";
}

}  // namespace consort::certifier
