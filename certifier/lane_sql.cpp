#include "certifier/lane_sql.h"

#include <array>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "certifier/ddl_fence.h"
#include "certifier/mysql_lane_sql.h"

namespace consort::certifier {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::size_t kPairsCount = 4096;

/// Two characters for every 12 bits: half the look-ups.
constexpr auto kPairs = [] {
  std::array<char, kPairsCount * 2> pairs{};
  for (std::size_t i = 0; i < kPairsCount; ++i) {
    pairs[2 * i] = kDigits[i >> 6];
    pairs[2 * i + 1] = kDigits[i & 63];
  }
  return pairs;
}();

char* put_pair(char* out, std::uint32_t bits) {
  const std::size_t pair = bits;
  out[0] = kPairs[2 * pair];
  out[1] = kPairs[2 * pair + 1];
  return out + 2;
}

}  // namespace

void append_base64(std::string& out, Bytes bytes) {
  const std::size_t at = out.size();
  out.resize(at + (bytes.size() + 2) / 3 * 4);
  char* to = out.data() + at;
  const std::uint8_t* from = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 3; left -= 3, from += 3) {
    to = put_pair(to, (from[0] << 4) | (from[1] >> 4));
    to = put_pair(to, ((from[1] & 15) << 8) | from[2]);
  }
  if (left > 0) {
    const std::uint32_t second = left == 2 ? from[1] : 0;
    to = put_pair(to, (from[0] << 4) | (second >> 4));
    to[0] = left == 2 ? kDigits[(second & 15) << 2] : '=';
    to[1] = '=';
  }
}

std::string base64(Bytes bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

std::string sql_literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\0') {
      out += "\\0";
    } else {
      out += c;
    }
  }
  out += '\'';
  return out;
}

std::vector<std::string> lane_session_setup() {
  // No pseudo_slave_mode: BINLOG's format description sets it and setting it to 0 drops that. No
  // innodb_snapshot_isolation: it is not known everywhere and means nothing at READ COMMITTED.
  // lock_wait_timeout stays long: a backup's lock pauses the lane, it does not fail it.
  // The mode first and alone: under EMPTY_STRING_IS_NULL no '' is a text, under ORACLE no compound
  // statement what it is here. A compound statement cannot change it: it puts it back at its end.
  return {
      "SET SESSION sql_mode=0",
      "SET SESSION sql_log_bin=0,autocommit=1,completion_type=0,"
      "innodb_lock_wait_timeout=2,lock_wait_timeout=86400,max_statement_time=0,"
      "wait_timeout=31536000,sql_safe_updates=0,sql_big_selects=1,"
      "sql_select_limit=18446744073709551615,group_concat_max_len=1048576,foreign_key_checks=1,"
      "unique_checks=1,check_constraint_checks=1,"
      "binlog_annotate_row_events=0,time_zone=DEFAULT,session_track_system_variables=''",
      "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
      "SET NAMES utf8mb4",
      std::string(kDdlReleaseSql),
  };
}

std::vector<std::string_view> variables_set_by(std::string_view session_set) {
  // Values are hexadecimal or numbers: the word stands before names only.
  constexpr std::string_view kWord = "SESSION ";
  std::vector<std::string_view> names;
  for (auto at = session_set.find(kWord); at != std::string_view::npos;
       at = session_set.find(kWord, at)) {
    at += kWord.size();
    names.push_back(session_set.substr(at, session_set.find('=', at) - at));
  }
  return names;
}

std::string lane_session_reset(std::string_view session_set) {
  std::string out;
  for (const std::string_view name : variables_set_by(session_set)) {
    out +=
        out.empty() ? "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; " : "";
    out.append("SET SESSION ").append(name).append("=DEFAULT; ");
  }
  return out.empty() ? out : out + "END";
}

std::vector<std::string> lane_session_renewal(ServerKind kind, std::string_view session_set) {
  const bool mysql = kind == ServerKind::kMysql;
  std::vector<std::string> statements = mysql ? mysql::lane_session_setup() : lane_session_setup();
  std::vector<std::string> reset;
  if (mysql) {
    reset = mysql::lane_session_reset(session_set);
  } else if (std::string sql = lane_session_reset(session_set); !sql.empty()) {
    reset.push_back(std::move(sql));
  }
  statements.insert(statements.begin() + 1,  // behind the sql_mode
                    std::make_move_iterator(reset.begin()), std::make_move_iterator(reset.end()));
  return statements;
}

namespace {

constexpr std::string_view kCreateDdlMark =
    "CREATE TABLE IF NOT EXISTS consort.ddl_mark ("
    "id TINYINT UNSIGNED NOT NULL PRIMARY KEY,"
    "ddl BIGINT UNSIGNED NOT NULL COMMENT 'last DDL entry begun here',"
    "ddl_before CHAR(32) CHARACTER SET ascii COMMENT 'its tables before it',"
    "binlog_before VARCHAR(600) COMMENT 'where the binlog ended then'"
    ") ENGINE=InnoDB";

/// Outside a transaction with a consistent snapshot these two say where the binlog ends now.
constexpr std::string_view kBinlogEnd =
    "(SELECT CONCAT(MAX(IF(VARIABLE_NAME='BINLOG_SNAPSHOT_FILE',VARIABLE_VALUE,NULL)),':',"
    "MAX(IF(VARIABLE_NAME='BINLOG_SNAPSHOT_POSITION',VARIABLE_VALUE,NULL))) "
    "FROM information_schema.GLOBAL_STATUS "
    "WHERE VARIABLE_NAME IN ('BINLOG_SNAPSHOT_FILE','BINLOG_SNAPSHOT_POSITION'))";

}  // namespace

std::vector<std::string> create_position_sql(std::string_view cluster_id) {
  // No key: see position_events(), which spells these columns.
  return {
      "CREATE DATABASE IF NOT EXISTS consort",
      "CREATE TABLE IF NOT EXISTS consort.`position` ("
      "id TINYINT UNSIGNED NOT NULL,"
      "cluster VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,"
      "owner BIGINT UNSIGNED NOT NULL COMMENT 'run and connection of the proxy that moves it',"
      "seqno BIGINT UNSIGNED NOT NULL COMMENT 'applied up to here'"
      ") ENGINE=InnoDB",
      std::string(kCreateDdlMark),
      "INSERT IGNORE INTO consort.ddl_mark (id,ddl) VALUES (1,0)",
      "INSERT INTO consort.`position` (id,cluster,owner,seqno) SELECT 1," +
          sql_literal(cluster_id) +
          ",0,0 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM consort.`position`)",
  };
}

std::vector<std::string> create_branch_mark_sql() {
  // InnoDB has the new row when it finds the old one in the index, and takes it back. What stays is
  // that the branch has changed a table which is not temporary, so that XA PREPARE takes it
  // seriously. Without the old row it would be a change of its own. REPLACE keeps what accounts may
  // do with the procedure.
  return {
      "CREATE TABLE IF NOT EXISTS consort.branch_marks (marked TINYINT NULL UNIQUE) ENGINE=InnoDB",
      "INSERT IGNORE INTO consort.branch_marks VALUES (1)",
      "CREATE OR REPLACE PROCEDURE consort.mark_branch() MODIFIES SQL DATA SQL SECURITY DEFINER "
      "IF EXISTS (SELECT 1 FROM consort.branch_marks WHERE marked=1) THEN "
      "INSERT IGNORE INTO consort.branch_marks VALUES (1); END IF",
      "GRANT EXECUTE ON PROCEDURE consort.mark_branch TO PUBLIC",
  };
}

std::vector<std::string> create_let_collect_sql() {
  return {
      "CREATE PROCEDURE IF NOT EXISTS consort.let_collect() MODIFIES SQL DATA SQL SECURITY DEFINER "
      "GRANT CREATE TEMPORARY TABLES ON consort.* TO PUBLIC",
      "GRANT EXECUTE ON PROCEDURE consort.let_collect TO PUBLIC",
  };
}

std::string upgrade_position_sql() {
  // IF EXISTS in the ALTERs would wait for every reader of the table even when there is nothing to
  // do.
  return "BEGIN NOT ATOMIC IF EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE "
         "TABLE_SCHEMA='consort' AND TABLE_NAME='position' AND COLUMN_NAME='ddl') THEN "
         "ALTER TABLE consort.`position` ADD COLUMN IF NOT EXISTS ddl_before CHAR(32) CHARACTER "
         "SET "
         "ascii; " +
         std::string(kCreateDdlMark) +
         "; INSERT IGNORE INTO consort.ddl_mark (id,ddl,ddl_before) SELECT id,ddl,ddl_before FROM "
         "consort.`position`; ALTER TABLE consort.`position` DROP PRIMARY KEY, DROP COLUMN ddl, "
         "DROP COLUMN ddl_before; END IF; "
         "IF NOT EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='consort' AND "
         "TABLE_NAME='ddl_mark' AND COLUMN_NAME='binlog_before') THEN "
         "ALTER TABLE consort.ddl_mark ADD COLUMN IF NOT EXISTS binlog_before VARCHAR(600); "
         "END IF; END";
}

std::string claim_position_sql(const LaneOwner& owner) {
  const std::string value = std::to_string(owner.value());
  return "UPDATE consort.`position` SET owner=" + value + " WHERE id=1 AND owner<" + value;
}

std::string disown_position_sql(const LaneOwner& owner) {
  return "UPDATE consort.`position` SET cluster=" + sql_literal(kDisownedCluster) +
         " WHERE id=1 AND owner=" + std::to_string(owner.value());
}

std::string read_position_sql() {
  return "SELECT p.cluster,p.owner,p.seqno,m.ddl FROM consort.`position` p JOIN consort.ddl_mark m "
         "ON m.id=p.id WHERE p.id=1";
}

Buffer position_events(const PositionMove& move) {
  constexpr std::uint8_t kTableMapType = 19;
  constexpr std::uint8_t kUpdateRowsType = 24;
  static constexpr std::uint8_t kTableId[6] = {1, 0, 0, 0, 0, 0};
  constexpr std::uint8_t kColumns = 4;
  constexpr std::uint8_t kTypes[kColumns] = {1, 15, 8, 8};  // TINYINT, VARCHAR, BIGINT twice
  constexpr std::uint8_t kClusterBytesMax = 64;
  CHECK(move.cluster_id.size() <= kClusterBytesMax);
  Buffer out;
  const auto begin = [&out](std::uint8_t type) {
    const std::size_t at = out.size();
    append_le<4>(out, 0);  // when: nothing here asks
    append_le<1>(out, type);
    append_le<4>(out, 1);  // server id: any
    append_le<4>(out, 0);  // length: end() knows
    append_le<4>(out, 0);  // place in the binlog
    append_le<2>(out, 0);  // flags
    append(out, kTableId);
    append_le<2>(out, 1);  // of a TABLE_MAP: bits are exact; of rows: they end the statement
    return at;
  };
  const auto end = [&out](std::size_t at) { store_le<4>(out.data() + at + 9, out.size() - at); };
  const auto append_name = [&out](std::string_view name) {
    append_le<1>(out, name.size());
    append(out, name);
    append_le<1>(out, 0);
  };
  const std::size_t map_at = begin(kTableMapType);
  append_name("consort");
  append_name("position");
  append_le<1>(out, kColumns);
  append(out, kTypes);
  append_le<1>(out, 2);  // bytes of metadata: VARCHAR's length
  append_le<2>(out, kClusterBytesMax);
  append_le<1>(out, 0);  // no column may be NULL
  end(map_at);
  const std::size_t rows_at = begin(kUpdateRowsType);
  append_le<1>(out, kColumns);
  append_le<1>(out, 0x0F);  // all columns, before and
  append_le<1>(out, 0x0F);  // after
  for (const Seqno seqno : {move.from, move.to}) {
    append_le<1>(out, 0xF0);  // none is NULL
    append_le<1>(out, 1);     // id
    append_le<1>(out, move.cluster_id.size());
    append(out, move.cluster_id);
    append_le<8>(out, move.owner.value());
    append_le<8>(out, seqno.value);
  }
  end(rows_at);
  return out;
}

std::string mark_ddl_sql(const LaneOwner& owner,
                         Seqno ddl,
                         const std::optional<std::string>& fingerprint) {
  return "UPDATE consort.ddl_mark SET ddl=" + std::to_string(ddl.value) +
         ",ddl_before=" + fingerprint.value_or("NULL") +
         ",binlog_before=" + std::string(kBinlogEnd) +
         " WHERE id=1 AND EXISTS (SELECT 1 FROM consort.`position` WHERE id=1 AND owner=" +
         std::to_string(owner.value()) + " AND seqno=" + std::to_string(ddl.value - 1) +
         " LOCK IN SHARE MODE); IF ROW_COUNT()<>1 THEN SIGNAL SQLSTATE '45C51' SET "
         "MYSQL_ERRNO=30451,"
         "MESSAGE_TEXT='consort: another owner moves this position'; END IF; ";
}

std::string vanished_branch_handler_sql(const LaneOwner& owner) {
  // Should the update fail, 1397 is reported all the same: the lane tries once more then.
  return "DECLARE EXIT HANDLER FOR 1397 BEGIN ROLLBACK; BEGIN DECLARE CONTINUE HANDLER FOR "
         "SQLEXCEPTION BEGIN END; " +
         disown_position_sql(owner) + "; END; RESIGNAL; END; ";
}

std::string compound_sql(std::string_view body, OnError on_error, std::string_view handlers) {
  std::string out = "BEGIN NOT ATOMIC ";
  if (on_error == OnError::kRollBack) {
    out += "DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END; ";
  }
  out += handlers;
  out += body;
  out += "END";
  return out;
}

}  // namespace consort::certifier
