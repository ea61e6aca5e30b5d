#include "certifier/ddl_fence.h"

#include <set>
#include <vector>

#include "certifier/lane_sql.h"
#include "certifier/mysql_lane_sql.h"
#include "certifier/sql_words.h"

namespace consort::certifier {
namespace {

/// A name as InnoDB spells it in its own tables.
std::string innodb_name(std::string_view name) {
  return "CONVERT(CAST(CONVERT(" + sql_literal(name) + " USING filename) AS BINARY) USING utf8mb3)";
}

/// MySQL knows no such conversion: a character that is spelled in another way, as "@" and some
/// more, matches any such. A table more among those that are compared does no harm.
std::string innodb_pattern(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if ((static_cast<unsigned char>(c) & 0xC0U) == 0x80U) {
      continue;  // of the same character
    }
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += plain ? std::string(1, c) : c == '_' ? "\\_" : "@%";
  }
  return out;
}

/// What tells that `column` names the table `target`, a partition of it, or a table in it where it
/// is a schema.
std::vector<std::string> naming_conditions(std::string_view column,
                                           const DdlObject& target,
                                           ServerKind kind) {
  const std::string name(column);
  if (kind == ServerKind::kMysql) {
    const auto like = [&name](const std::string& pattern) {
      return name + " LIKE " + sql_literal(pattern);
    };
    const std::string schema = innodb_pattern(target.schema) + "/";
    if (target.table.empty()) {
      return {like(schema + "%")};
    }
    const std::string table = schema + innodb_pattern(target.table);
    return {like(table), like(table + "#p#%")};
  }
  const std::string schema = "CONCAT(" + innodb_name(target.schema) + ",'/')";
  if (target.table.empty()) {
    return {"LOCATE(" + schema + "," + name + ")=1"};
  }
  const std::string table = "CONCAT(" + schema + "," + innodb_name(target.table) + ")";
  return {name + "=" + table, "LOCATE(CONCAT(" + table + ",'#P#')," + name + ")=1"};
}

/// Whether `column` names one of the statement's tables or a partition of one.
std::string names_target(std::string_view column,
                         std::span<const DdlObject> targets,
                         ServerKind kind) {
  std::set<std::string> conditions;
  for (const DdlObject& target : targets) {
    if (!target.schema.empty()) {  // else accounts
      const std::vector<std::string> of_it = naming_conditions(column, target, kind);
      conditions.insert(of_it.begin(), of_it.end());
    }
  }
  std::string any;
  for (const std::string& condition : conditions) {
    any += (any.empty() ? "" : " OR ") + condition;
  }
  return any;
}

/// One aggregate over rows of InnoDB's own tables.
std::string list_of(std::string_view what, std::string_view from, std::string_view where) {
  return "(SELECT GROUP_CONCAT(" + std::string(what) + ") FROM information_schema." +
         std::string(from) + " WHERE " + std::string(where) + ")";
}

}  // namespace

std::optional<std::string> ddl_fingerprint_sql(const Ddl& ddl, ServerKind kind) {
  // These two are all or nothing. DROP of several tables is not, and may be repeated.
  const std::string verb = first_word(ddl.sql);
  const std::string tables = names_target("t.NAME", ddl.targets, kind);
  if ((verb != "ALTER" && verb != "RENAME") || tables.empty()) {
    return std::nullopt;
  }
  const std::string innodb = kind == ServerKind::kMysql ? "INNODB_" : "INNODB_SYS_";
  const std::string joined = innodb + "TABLES t JOIN information_schema." + innodb;
  const std::string all =
      "CONCAT_WS('|'," +
      list_of("t.NAME,':',t.TABLE_ID ORDER BY t.NAME", innodb + "TABLES t", tables) + "," +
      list_of("i.INDEX_ID,':',i.NAME ORDER BY i.INDEX_ID",
              joined + "INDEXES i ON i.TABLE_ID=t.TABLE_ID", tables) +
      "," +
      list_of(
          "c.TABLE_ID,':',c.POS,':',c.NAME,':',c.PRTYPE,':',c.LEN "
          "ORDER BY c.TABLE_ID,c.POS",
          joined + "COLUMNS c ON c.TABLE_ID=t.TABLE_ID", tables) +
      "," +
      list_of("f.ID ORDER BY f.ID", innodb + "FOREIGN f",
              names_target("f.FOR_NAME", ddl.targets, kind)) +
      ")";
  // MySQL has no MD5() any more; the mark has room for 32 characters.
  return kind == ServerKind::kMysql ? "LEFT(SHA2(" + all + ",256),32)" : "MD5(" + all + ")";
}

std::string ddl_fence_sql(ServerKind kind) {
  return kind == ServerKind::kMysql ? mysql::ddl_fence_sql() : std::string(kDdlFenceSql);
}

std::string_view ddl_release_sql(ServerKind kind) {
  return kind == ServerKind::kMysql ? mysql::kLaneReleaseSql : kDdlReleaseSql;
}

std::string ddl_done_check_sql(std::string_view fingerprint) {
  return "IF CAST((SELECT ddl_before FROM consort.ddl_mark WHERE id=1) AS BINARY)<>CAST(" +
         std::string(fingerprint) + " AS BINARY) THEN SIGNAL SQLSTATE '45C52' SET MYSQL_ERRNO=" +
         std::to_string(kDdlDoneErrno) +
         ",MESSAGE_TEXT='consort: it was executed already'; END IF; ";
}

}  // namespace consort::certifier
