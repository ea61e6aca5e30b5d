#include "certifier/mysql_lane_sql.h"

#include <algorithm>

#include "certifier/ddl_fence.h"
#include "certifier/lane_sql.h"

namespace consort::certifier::mysql {
namespace {

constexpr std::uint16_t kLockWaitTimeout = 1205;

/// Where the binlog ends now, as "file:position".
constexpr std::string_view kBinlogEnd =
    "(SELECT CONCAT(LOCAL->>'$.binary_log_file',':',LOCAL->>'$.binary_log_position') "
    "FROM performance_schema.log_status)";

/// Where the statement ends that `sql` begins with: at a semicolon outside of its literals, which
/// sql_literal() has made.
std::size_t statement_end(std::string_view sql) {
  bool quoted = false;
  for (std::size_t at = 0; at < sql.size(); ++at) {
    if (quoted && sql[at] == '\\') {
      ++at;
    } else if (sql[at] == '\'') {
      quoted = !quoted;
    } else if (!quoted && sql[at] == ';') {
      return at;
    }
  }
  return sql.size();
}

std::string turn_lock(Seqno ddl) {
  return "'consort_turn_" + std::to_string(ddl.value) + "'";
}

}  // namespace

std::vector<std::string> lane_session_setup() {
  return {
      "SET SESSION sql_mode=''",
      "SET SESSION sql_log_bin=0,autocommit=1,completion_type=0,"
      "innodb_lock_wait_timeout=2,lock_wait_timeout=86400,max_execution_time=0,"
      "wait_timeout=31536000,sql_safe_updates=0,sql_big_selects=1,"
      "sql_select_limit=18446744073709551615,group_concat_max_len=1048576,foreign_key_checks=1,"
      "unique_checks=1,sql_require_primary_key=0,sql_generate_invisible_primary_key=0,"
      "binlog_rows_query_log_events=0,time_zone=DEFAULT,session_track_system_variables='',"
      "session_track_gtids=OFF",
      "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
      "SET NAMES utf8mb4",
      std::string(kLaneReleaseSql),
  };
}

std::vector<std::string> lane_session_reset(std::string_view session_set) {
  std::vector<std::string> out;
  for (const std::string_view name : variables_set_by(session_set)) {
    const bool has_default = !name.starts_with("rand_seed");  // the two: 1230. A lane has no RAND()
    if (has_default) {
      out.push_back("SET SESSION " + std::string(name) + "=DEFAULT");
    }
  }
  return out;
}

std::vector<std::string> create_procedures_sql() {
  return {
      "DROP PROCEDURE IF EXISTS consort.stop_unless",
      "CREATE PROCEDURE consort.stop_unless(fine BOOL, number INT, why VARCHAR(200)) "
      "BEGIN IF NOT IFNULL(fine,0) THEN "
      "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO=number,MESSAGE_TEXT=why; END IF; END",
      "DROP PROCEDURE IF EXISTS consort.take_any_packet",
      "CREATE PROCEDURE consort.take_any_packet() BEGIN DECLARE kept INT DEFAULT 0; "
      "BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; "
      "SELECT COUNT(*) INTO kept FROM consort.global_variables WHERE name='max_allowed_packet'; "
      "END; IF kept>0 AND @@session.max_allowed_packet<1073741824 THEN "
      "SET GLOBAL max_allowed_packet=1073741824; "
      "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO=1153,"
      "MESSAGE_TEXT='consort: connect again to take larger packets'; END IF; END",
      "DROP PROCEDURE IF EXISTS consort.attempt",
      "CREATE PROCEDURE consort.attempt(statement LONGTEXT) "
      "BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; "
      "SET @consort_1=statement; PREPARE consort_1 FROM @consort_1; EXECUTE consort_1; "
      "DEALLOCATE PREPARE consort_1; SET @consort_1=NULL; END",
      "DROP PROCEDURE IF EXISTS consort.restore_globals",
      "CREATE PROCEDURE consort.restore_globals() BEGIN "
      "DECLARE for_all LONGTEXT; DECLARE for_us LONGTEXT; DECLARE done BOOL DEFAULT 0; "
      "DECLARE kept CURSOR FOR SELECT CONCAT('SET GLOBAL `',REPLACE(name,'.','`.`'),'`=',"
      "IF(value IS NULL,'NULL',IF(is_text,QUOTE(value),value))),"
      "CONCAT('SET SESSION `',name,'`=DEFAULT') FROM consort.global_variables ORDER BY name; "
      "DECLARE CONTINUE HANDLER FOR NOT FOUND SET done=1; "
      "DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END; "
      "OPEN kept; each_one: LOOP FETCH kept INTO for_all,for_us; "
      "IF done THEN LEAVE each_one; END IF; "
      "CALL consort.attempt(for_all); CALL consort.attempt(for_us); END LOOP; CLOSE kept; END",
  };
}

std::string stop_unless_sql(std::string_view condition,
                            std::uint16_t number,
                            std::string_view why) {
  return "CALL consort.stop_unless(" + std::string(condition) + "," + std::to_string(number) +
         ",'" + std::string(why) + "')";
}

std::string ddl_fence_sql() {
  return stop_unless_sql("GET_LOCK('consort_ddl',2)<=>1", kLockWaitTimeout,
                         "consort: an earlier DDL statement still runs here");
}

std::string ddl_turn_fence_sql(Seqno seqno, std::string_view timestamp) {
  // The turn is looked for behind the lock, for which it may have waited until it was over. A power
  // of e that no number can be is the error.
  const std::string turn = "GET_LOCK('consort_ddl',2)<=>1 AND (IS_USED_LOCK(" + turn_lock(seqno) +
                           ") IS NOT NULL OR RELEASE_LOCK('consort_ddl')*0)";
  return timestamp.empty()
             ? "SELECT IF(" + turn + ",0,EXP(999)) LIMIT 1"
             : "SET SESSION timestamp=IF(" + turn + "," + std::string(timestamp) + ",EXP(999))";
}

std::vector<std::string> mark_ddl_sql(const LaneOwner& owner,
                                      Seqno ddl,
                                      const std::optional<std::string>& fingerprint) {
  return {
      "SELECT RELEASE_LOCK(CONCAT('consort_turn_',ddl)) FROM consort.ddl_mark WHERE id=1",
      "UPDATE consort.ddl_mark SET ddl=" + std::to_string(ddl.value) + ",ddl_before=" +
          fingerprint.value_or("NULL") + ",binlog_before=" + std::string(kBinlogEnd) +
          " WHERE id=1 AND EXISTS (SELECT 1 FROM consort.`position` WHERE id=1 AND owner=" +
          std::to_string(owner.value()) + " AND seqno=" + std::to_string(ddl.value - 1) +
          " FOR SHARE)",
      stop_unless_sql("ROW_COUNT()=1", kFencedErrno, "consort: another owner moves this position"),
      stop_unless_sql("GET_LOCK(" + turn_lock(ddl) + ",0)<=>1", kLockWaitTimeout,
                      "consort: another connection has this turn"),
  };
}

std::optional<std::vector<std::string>> set_globals_steps(std::string_view sql) {
  constexpr std::string_view kBegin = "BEGIN NOT ATOMIC ";
  constexpr std::string_view kAttempt = "EXECUTE IMMEDIATE ";
  if (!sql.starts_with(kBegin)) {
    return std::nullopt;
  }
  sql.remove_prefix(kBegin.size());
  std::vector<std::string> steps;
  while (!sql.empty()) {
    const std::size_t end = statement_end(sql);
    const std::string_view step = sql.substr(0, end);
    if (step.starts_with(kAttempt)) {
      steps.push_back("CALL consort.attempt(" + std::string(step.substr(kAttempt.size())) + ")");
    } else if (!step.starts_with("BEGIN ") && !step.starts_with("END")) {
      steps.emplace_back(step);
    }
    sql.remove_prefix(std::min(end + 2, sql.size()));  // and the blank behind it
  }
  return steps;
}

std::string ddl_done_check_sql(std::string_view fingerprint) {
  return stop_unless_sql(
      "NOT IFNULL(CAST((SELECT ddl_before FROM consort.ddl_mark WHERE id=1) AS BINARY)<>CAST(" +
          std::string(fingerprint) + " AS BINARY),0)",
      kDdlDoneErrno, "consort: it was executed already");
}

}  // namespace consort::certifier::mysql
