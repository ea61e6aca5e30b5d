#include "certifier/sequence_reserve.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "base/sql_identifier.h"
#include "certifier/writeset.h"

namespace consort::certifier {
namespace {

constexpr std::size_t kFixedBytes = 8 + 8 + 4;

/// `a` - `b`, at least the smallest number.
std::int64_t saturated_difference(std::int64_t a, std::uint64_t b) {
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  const auto step = static_cast<std::int64_t>(
      std::min<std::uint64_t>(b, std::numeric_limits<std::int64_t>::max()));
  return a < kMin + step ? kMin : a - step;
}

bool take_name(Bytes& rest, std::string& name) {
  if (rest.size() < 4) {
    return false;
  }
  const std::uint64_t size = load_le<4>(rest.data());
  if (size > rest.size() - 4) {
    return false;
  }
  name.assign(as_text(rest.subspan(4, size)));
  rest = rest.subspan(4 + size);
  return true;
}

bool take_reserve(Bytes& rest, SequenceReserve& out) {
  if (!take_name(rest, out.schema) || !take_name(rest, out.table) || rest.size() < kFixedBytes) {
    return false;
  }
  out.next = static_cast<std::int64_t>(load_le<8>(rest.data()));
  out.cache = load_le<8>(rest.data() + 8);
  out.step = static_cast<std::uint32_t>(load_le<4>(rest.data() + 16));
  rest = rest.subspan(kFixedBytes);
  return out.cache <= kSequenceCacheMax;
}

}  // namespace

Buffer encode_reserves(std::span<const SequenceReserve> reserves) {
  Buffer out;
  for (const SequenceReserve& reserve : reserves) {
    for (const std::string* name : {&reserve.schema, &reserve.table}) {
      append_le<4>(out, name->size());
      append(out, *name);
    }
    append_le<8>(out, static_cast<std::uint64_t>(reserve.next));
    append_le<8>(out, reserve.cache);
    append_le<4>(out, reserve.step);
  }
  return out;
}

Result<std::vector<SequenceReserve>> decode_reserves(Bytes payload) {
  std::vector<SequenceReserve> reserves;
  while (!payload.empty()) {
    SequenceReserve reserve;
    if (!take_reserve(payload, reserve)) {
      return make_error(DecodeError::kMalformed, "numbers of a sequence");
    }
    reserves.push_back(std::move(reserve));
  }
  return reserves;
}

std::string raise_sequence_sql(const SequenceReserve& reserve, RaiseTo to) {
  const std::uint64_t cache = std::max<std::uint64_t>(reserve.cache, 1);
  const std::int64_t value = to == RaiseTo::kRangeEnd
                                 ? reserve.next
                                 : saturated_difference(reserve.next, cache * reserve.step);
  // Dropped, renamed, or another thing by that name now: then nobody takes numbers of it. One that
  // has run out stays so.
  return "BEGIN DECLARE CONTINUE HANDLER FOR 1049,1146,1347,4084,4089,4091 BEGIN END; DO SETVAL(" +
         sql_identifier(reserve.schema) + "." + sql_identifier(reserve.table) + "," +
         std::to_string(value) + ",0); END; ";
}

namespace {

/// `body` for each sequence, whose quoted name is found.name.
std::string for_each_sequence(const std::string& body) {
  return "FOR found IN (SELECT TABLE_SCHEMA,TABLE_NAME,CONCAT('`',REPLACE(TABLE_SCHEMA,'`','``'),"
         "'`.`',REPLACE(TABLE_NAME,'`','``'),'`') AS name FROM information_schema.TABLES "
         "WHERE TABLE_TYPE='SEQUENCE') DO " +
         body + "END FOR; ";
}

}  // namespace

std::string share_sequences_sql(const SequenceSteps& steps) {
  const std::string step = std::to_string(steps.step);
  const std::string offset = std::to_string(steps.offset);
  // What was reserved under another step reaches farther: the largest that may still be in force
  // is kept until everything has been raised.
  return "BEGIN NOT ATOMIC DECLARE kept BIGINT DEFAULT NULL; DECLARE anew BOOL DEFAULT "
         "@@global.auto_increment_increment<>" +
         step + " OR @@global.auto_increment_offset<>" + offset +
         "; CREATE TABLE IF NOT EXISTS consort.sequences (id TINYINT UNSIGNED NOT NULL PRIMARY KEY,"
         "step INT UNSIGNED NOT NULL COMMENT 'between two numbers of one server, or more'"
         ") ENGINE=InnoDB; "
         "SELECT MAX(s.step) INTO kept FROM consort.sequences s; "
         "IF IFNULL(kept,0)<" +
         step + " THEN REPLACE INTO consort.sequences VALUES (1," + step +
         "); END IF; "
         "IF anew THEN SET GLOBAL auto_increment_increment=" +
         step + "; SET GLOBAL auto_increment_offset=" + offset + "; END IF; " +
         for_each_sequence(
             "IF anew THEN EXECUTE IMMEDIATE CONCAT('FLUSH TABLES ',found.name); END IF; "
             "BEGIN DECLARE EXIT HANDLER FOR 1032 BEGIN "
             "EXECUTE IMMEDIATE CONCAT('DROP SEQUENCE ',found.name); END; "
             "EXECUTE IMMEDIATE CONCAT('SELECT `increment`,cycle_option,cache_size "
             "INTO @consort_1,@consort_2,@consort_3 FROM ',found.name); "
             "IF @consort_2<>0 OR @consort_1 NOT BETWEEN 0 AND " +
             std::to_string(steps.increment_max) + " OR @consort_3>" +
             std::to_string(kSequenceCacheMax) +
             " THEN SET @consort_4=LEFT(CONCAT('consort: sequence ',found.name,' would give "
             "numbers twice: DROP it, or ALTER SEQUENCE .. INCREMENT BY 0 CACHE 1000 NOCYCLE'),"
             "128); SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO=1235,MESSAGE_TEXT=@consort_4; END IF; "
             "IF @consort_1<>0 THEN "
             "EXECUTE IMMEDIATE CONCAT('ALTER SEQUENCE ',found.name,' INCREMENT BY 0'); END IF; "
             "END; ") +
         "END";
}

std::string begin_sequences_sql(const SequenceSteps& steps) {
  const std::string step = std::to_string(steps.step);
  const std::string spare = "GREATEST(cache_size*" + std::to_string(kSequenceSpareCaches) + "," +
                            std::to_string(kSequenceSpareNumbers) + ")";
  return "BEGIN NOT ATOMIC DECLARE wide BIGINT DEFAULT " + step +
         "; SELECT GREATEST(wide,s.step) INTO wide FROM consort.sequences s; "
         "CREATE OR REPLACE TEMPORARY TABLE consort.begun_sequences (schema_name VARCHAR(64) "
         "CHARACTER SET utf8mb4,table_name VARCHAR(64) CHARACTER SET utf8mb4,next_value BIGINT,"
         "cache_size BIGINT) ENGINE=InnoDB; " +
         for_each_sequence(
             "EXECUTE IMMEDIATE CONCAT('SELECT LEAST(CAST(next_not_cached_value AS DECIMAL(30))+" +
             spare +
             "*',wide,',9223372036854775807) INTO @consort_1 FROM ',found.name); "
             "BEGIN DECLARE CONTINUE HANDLER FOR 4084 BEGIN END; "
             "EXECUTE IMMEDIATE CONCAT('DO SETVAL(',found.name,',',@consort_1,',0)'); END; "
             "EXECUTE IMMEDIATE CONCAT('INSERT INTO consort.begun_sequences SELECT ?,?,"
             "next_not_cached_value,cache_size FROM ',found.name) "
             "USING found.TABLE_SCHEMA,found.TABLE_NAME; ") +
         "FLUSH LOCAL ENGINE LOGS; "
         "IF wide<>" +
         step + " THEN REPLACE INTO consort.sequences VALUES (1," + step + "); END IF; END";
}

}  // namespace consort::certifier
