#include "certifier/program_sql.h"

namespace consort::certifier {

std::string end_program_sql(std::uint64_t thread) {
  const std::string number = std::to_string(thread);
  return "BEGIN NOT ATOMIC DECLARE looks INT DEFAULT 0; "
         "DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; "
         "IF CONNECTION_ID()<>" +
         number + " THEN KILL HARD CONNECTION " + number +
         "; WHILE EXISTS(SELECT 1 FROM information_schema.PROCESSLIST WHERE ID=" + number +
         ") DO IF looks>=200 THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO=1205,"
         "MESSAGE_TEXT='consort: a program still runs here'; END IF; "
         "SET looks=looks+1; DO SLEEP(0.01); END WHILE; END IF; END";
}

std::string read_marked_binlog_sql(Seqno program) {
  return "SELECT binlog_before FROM consort.ddl_mark WHERE id=1 AND ddl=" +
         std::to_string(program.value);
}

std::string mark_program_end_sql(Seqno program) {
  return "BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; "
         "SET SESSION sql_log_bin=0; RESIGNAL; END; "
         "SET SESSION sql_log_bin=1; START TRANSACTION; "
         "INSERT INTO consort.ddl_mark (id,ddl) VALUES (2," +
         std::to_string(program.value) +
         "); DELETE FROM consort.ddl_mark WHERE id=2; COMMIT; SET SESSION sql_log_bin=0; END";
}

}  // namespace consort::certifier
