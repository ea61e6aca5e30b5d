#include "certifier/lane_sql.h"

#include <array>

#include "certifier/ddl_fence.h"

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

std::string changed_once_or_fenced(std::string_view update) {
  std::string out(update);
  out +=
      "; IF ROW_COUNT()<>1 THEN SIGNAL SQLSTATE '45C51' SET MYSQL_ERRNO=30451,"
      "MESSAGE_TEXT='consort: another owner moves this position'; END IF; ";
  return out;
}

std::string where_owner_at(const LaneOwner& owner, Seqno seqno) {
  return " WHERE id=1 AND owner=" + std::to_string(owner.value()) +
         " AND seqno=" + std::to_string(seqno.value);
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

std::string sql_identifier(std::string_view name) {
  std::string out = "`";
  for (const char c : name) {
    out.append(c == '`' ? 2 : 1, c);
  }
  out += '`';
  return out;
}

std::vector<std::string> lane_session_setup() {
  // No pseudo_slave_mode: BINLOG's format description sets it and setting it to 0 drops that. No
  // innodb_snapshot_isolation: it is not known everywhere and means nothing at READ COMMITTED.
  // lock_wait_timeout stays long: a backup's lock pauses the lane, it does not fail it.
  return {
      "SET SESSION sql_mode='',sql_log_bin=0,autocommit=1,completion_type=0,"
      "innodb_lock_wait_timeout=2,lock_wait_timeout=86400,max_statement_time=0,"
      "wait_timeout=31536000,foreign_key_checks=1,unique_checks=1,check_constraint_checks=1,"
      "binlog_annotate_row_events=0,time_zone=DEFAULT,session_track_system_variables=''",
      "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
      "SET NAMES utf8mb4",
      std::string(kDdlReleaseSql),
  };
}

std::vector<std::string> create_position_sql(std::string_view cluster_id) {
  return {
      "CREATE DATABASE IF NOT EXISTS consort",
      "CREATE TABLE IF NOT EXISTS consort.`position` ("
      "id TINYINT UNSIGNED NOT NULL PRIMARY KEY,"
      "cluster VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,"
      "owner BIGINT UNSIGNED NOT NULL COMMENT 'run and connection of the proxy that moves it',"
      "seqno BIGINT UNSIGNED NOT NULL COMMENT 'applied up to here',"
      "ddl BIGINT UNSIGNED NOT NULL COMMENT 'last DDL entry begun here',"
      "ddl_before CHAR(32) CHARACTER SET ascii COMMENT 'its tables before it'"
      ") ENGINE=InnoDB",
      "INSERT IGNORE INTO consort.`position` (id,cluster,owner,seqno,ddl) VALUES (1," +
          sql_literal(cluster_id) + ",0,0,0)",
  };
}

std::string upgrade_position_sql() {
  // ADD COLUMN IF NOT EXISTS would wait for every reader of the table even when there is nothing to
  // add.
  return "BEGIN NOT ATOMIC IF NOT EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE "
         "TABLE_SCHEMA='consort' AND TABLE_NAME='position' AND COLUMN_NAME='ddl_before') THEN "
         "ALTER TABLE consort.`position` ADD COLUMN ddl_before CHAR(32) CHARACTER SET ascii "
         "COMMENT 'its tables before it'; END IF; END";
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
  return "SELECT cluster,owner,seqno,ddl FROM consort.`position` WHERE id=1";
}

std::string move_position_sql(const LaneOwner& owner, Seqno from, Seqno to) {
  return changed_once_or_fenced("UPDATE consort.`position` SET seqno=" + std::to_string(to.value) +
                                where_owner_at(owner, from));
}

std::string mark_ddl_sql(const LaneOwner& owner,
                         Seqno ddl,
                         const std::optional<std::string>& fingerprint) {
  return changed_once_or_fenced("UPDATE consort.`position` SET ddl=" + std::to_string(ddl.value) +
                                ",ddl_before=" + fingerprint.value_or("NULL") +
                                where_owner_at(owner, Seqno{ddl.value - 1}));
}

std::string vanished_branch_handler_sql(const LaneOwner& owner) {
  // Should the update fail, 1397 is reported all the same: the lane tries once more then.
  return "DECLARE EXIT HANDLER FOR 1397 BEGIN ROLLBACK; BEGIN DECLARE CONTINUE HANDLER FOR "
         "SQLEXCEPTION BEGIN END; " +
         disown_position_sql(owner) + "; END; RESIGNAL; END; ";
}

std::string compound_sql(std::string_view body, std::string_view handlers) {
  std::string out =
      "BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END; ";
  out += handlers;
  out += body;
  out += "END";
  return out;
}

}  // namespace consort::certifier
