#include "protocol/query_settings.h"

#include <string>
#include <utility>

#include "protocol/client_collations.h"
#include "tests/support/test.h"
#include "tests/unit/protocol/binlog_bytes.h"

namespace {

using namespace consort;
using protocol::query_settings_sql;

Buffer logged_bytes(std::string_view digits) {
  return protocol::test::from_hex(digits);
}

// As MariaDB 10.11 has logged them.
const std::string kHead =
    "000080000d"
    "010f00040100000000"
    "0603737464"
    "0303000100"
    "04080008000500";
const std::string kCreateTable = kHead +
                                 "070400"
                                 "814f08000000000000";
const std::string kCreateEvent = kHead +
                                 "05062b30333a3030"
                                 "070400"
                                 "0b04726f6f74093132372e302e302e31";

}  // namespace

TEST_SUITE("protocol") {
  TEST_CASE("query_settings_sql: what a session had set") {
    const std::string head =
        "SET SESSION foreign_key_checks=0,SESSION unique_checks=0,"
        "SESSION check_constraint_checks=0,SESSION explicit_defaults_for_timestamp=1,"
        "SESSION sql_mode=17039375,SESSION auto_increment_increment=3,"
        "SESSION auto_increment_offset=1,SESSION character_set_client=8,"
        "SESSION collation_connection=8,SESSION collation_server=5,";
    EXPECT(query_settings_sql(logged_bytes(kCreateTable), 0, ServerKind::kMariadb) ==
           head + "SESSION lc_time_names=4");
    EXPECT(query_settings_sql(logged_bytes(kCreateEvent), 0, ServerKind::kMariadb) ==
           head + "SESSION time_zone=X'2B30333A3030',SESSION lc_time_names=4");
  }

  TEST_CASE("number_of_character_set: also of what a server takes by no other number") {
    for (const auto& [collation, number] : {std::pair{8, 8},
                                            {46, 45},
                                            {224, 45},
                                            {33, 33},
                                            {192, 33},
                                            {47, 8},
                                            {2048, 33},
                                            {2303, 33},
                                            {2304, 45},
                                            {2559, 45}}) {
      EXPECT(protocol::number_of_character_set(static_cast<std::uint16_t>(collation)) == number);
    }
  }

  TEST_CASE("query_settings_sql: the time at which it began") {
    EXPECT(query_settings_sql({}, 1700000000, ServerKind::kMariadb) ==
           "SET SESSION timestamp=1700000000.000000");
    EXPECT(query_settings_sql(logged_bytes("80410001"), 5, ServerKind::kMariadb) ==
           "SET SESSION timestamp=5.065601");
  }

  TEST_CASE("query_settings_sql: no variables, no statement") {
    EXPECT(query_settings_sql({}, 0, ServerKind::kMariadb) == "");
  }

  TEST_CASE("query_settings_sql: what is cut short is none") {
    const Buffer whole = logged_bytes(kCreateEvent);
    std::size_t refused = 0;
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
      refused += query_settings_sql(Bytes(whole).first(bytes), 0, ServerKind::kMariadb) ? 0 : 1;
    }
    EXPECT(refused == whole.size() - 8);  // in front of each of the eight variables it can be cut
  }

  TEST_CASE("query_settings_sql: ends at a variable that it does not know") {
    EXPECT(query_settings_sql(logged_bytes("010f00040100000000"
                                           "ff01"),
                              0, ServerKind::kMariadb) == "SET SESSION sql_mode=17039375");
  }

  TEST_CASE("query_settings_sql: as MySQL 9.7 logs them") {
    const std::string charsets =
        "SESSION character_set_client=45,SESSION collation_connection=45,"
        "SESSION collation_server=255";
    // CREATE DATABASE t; CREATE TABLE; CREATE VIEW with foreign_key_checks=0 and an invoker.
    EXPECT(query_settings_sql(logged_bytes("0000000000"
                                           "012000a04500000000"
                                           "0603737464"
                                           "042d002d00ff00"
                                           "0c017400"
                                           "110400000000000000"
                                           "12ff00"
                                           "1400"),
                              0, ServerKind::kMysql) ==
           "SET SESSION foreign_key_checks=1,SESSION unique_checks=1,SESSION sql_mode=1168113696," +
               charsets +
               ",SESSION default_collation_for_utf8mb4=255,SESSION default_table_encryption=0");
    EXPECT(query_settings_sql(logged_bytes("0000000004"
                                           "012f000400000000"
                                           "00"
                                           "0603737464"
                                           "042d002d00ff00"
                                           "0b04726f6f74096c6f63616c686f7374"
                                           "0c02740075656e00"
                                           "0d40e201"
                                           "1001"
                                           "113600000000000000"
                                           "12ff00"
                                           "1301"),
                              7, ServerKind::kMysql) ==
           "SET SESSION foreign_key_checks=0,SESSION unique_checks=1,SESSION sql_mode=262191," +
               charsets +
               ",SESSION explicit_defaults_for_timestamp=1,"
               "SESSION default_collation_for_utf8mb4=255,SESSION sql_require_primary_key=1,"
               "SESSION timestamp=7.123456");
    // More schemas than are told; one whose name is cut.
    EXPECT(query_settings_sql(logged_bytes("0cfe1301"), 0, ServerKind::kMysql) ==
           "SET SESSION sql_require_primary_key=1");
    EXPECT_FALSE(query_settings_sql(logged_bytes("0c0174"), 0, ServerKind::kMysql));
    EXPECT_FALSE(query_settings_sql(logged_bytes("0c027400"), 0, ServerKind::kMysql));
    // What MariaDB does not write ends it there, and the other way round.
    EXPECT(query_settings_sql(logged_bytes("1301"), 0, ServerKind::kMariadb) == "");
    EXPECT(query_settings_sql(logged_bytes("80410001"), 0, ServerKind::kMysql) == "");
  }
}
