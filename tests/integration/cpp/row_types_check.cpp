// Rows of every column type, written in plain transactions and XA branches on one server, decoded
// from its binlog and applied on a second one by BINLOG.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "protocol/row_events.h"
#include "tests/integration/cpp/server_pair.h"
#include "tests/support/test.h"

namespace consort::test {
namespace {

using protocol::TableMap;

struct ColumnCase {
  std::string type;
  std::vector<std::string> values;  ///< literals
  bool is_string = false;           ///< its bytes are those of HEX(), but for trailing padding
};

std::string many(const char* prefix, int count) {
  std::string list;
  for (int i = 0; i < count; ++i) {
    list += (i > 0 ? ",'" : "'") + std::string(prefix) + std::to_string(i) + "'";
  }
  return list;
}

std::vector<ColumnCase> number_cases() {
  return {{"TINYINT", {"-128", "127", "0"}},
          {"TINYINT UNSIGNED", {"0", "255"}},
          {"SMALLINT", {"-32768", "32767"}},
          {"MEDIUMINT", {"-8388608", "8388607"}},
          {"INT", {"-2147483648", "2147483647"}},
          {"INT(5) UNSIGNED ZEROFILL", {"7", "4294967295"}},
          {"BIGINT", {"-9223372036854775808", "9223372036854775807"}},
          {"BIGINT UNSIGNED", {"0", "18446744073709551615"}},
          {"BOOLEAN", {"TRUE", "FALSE"}},
          {"BIT(1)", {"b'1'", "b'0'"}},
          {"BIT(8)", {"b'10000001'", "0"}},
          {"BIT(13)", {"b'1010101010101'", "1"}},
          {"BIT(64)", {"18446744073709551615", "1"}},
          {"FLOAT", {"1.5", "-0.0", "3.4e38", "1e-38"}},
          {"FLOAT(7,3)", {"1234.567", "-1.25"}},
          {"DOUBLE", {"2.5", "-0.0", "1.7e308", "5e-324"}},
          {"DECIMAL(1,0)", {"9", "-9"}},
          {"DECIMAL(5,5)", {"0.12345", "-0.99999"}},
          {"DECIMAL(10,2)", {"12345678.90", "-0.01"}},
          {"DECIMAL(30,12)", {"123456789012345678.123456789012", "-1"}},
          {"DECIMAL(65,30)", {"99999999999999999999999999999999999.5", "0"}}};
}

std::vector<ColumnCase> temporal_cases() {
  std::vector<ColumnCase> cases{{"DATE", {"'2024-02-29'", "'1000-01-01'", "'9999-12-31'"}},
                                {"YEAR", {"1901", "2155", "0"}}};
  for (int digits = 0; digits <= 6; ++digits) {
    const std::string size = "(" + std::to_string(digits) + ")";
    cases.push_back({"TIME" + size, {"'-838:59:58.999999'", "'12:34:56.123456'", "'00:00:00'"}});
    cases.push_back({"DATETIME" + size, {"'2024-02-29 23:59:59.654321'", "'1000-01-01 00:00:00'"}});
    cases.push_back(
        {"TIMESTAMP" + size, {"'2024-02-29 23:59:59.654321'", "'1970-01-02 00:00:01'"}});
  }
  return cases;
}

std::vector<ColumnCase> string_cases() {
  const std::string accents = "'Zoë ßtraße 日本 😀'";
  return {{"CHAR(0)", {"''"}, true},
          {"CHAR(1)", {"'x'", "''"}, true},
          {"CHAR(10) CHARACTER SET latin1", {"'abc  '", "'Zo\xC3\xAB'"}, true},
          {"CHAR(63) CHARACTER SET utf8mb4", {accents, "''"}, true},
          {"CHAR(64) CHARACTER SET utf8mb4", {accents, "REPEAT('😀',64)"}, true},
          {"CHAR(80) CHARACTER SET utf8mb3", {"'Zoë'", "REPEAT('ß',80)"}, true},
          {"CHAR(255) CHARACTER SET utf8mb4", {accents, "REPEAT('日',255)"}, true},
          {"BINARY(1)", {"'x'", "x'00'"}, true},
          {"BINARY(16)", {"x'00FF00'", "REPEAT(x'AB',16)"}, true},
          {"BINARY(255)", {"REPEAT(x'AB',255)", "''"}, true},
          {"VARCHAR(1) CHARACTER SET latin1", {"'x'", "' '"}, true},
          {"VARCHAR(63) CHARACTER SET utf8mb4", {accents, "'trailing  '"}, true},
          {"VARCHAR(64) CHARACTER SET utf8mb4", {accents, "''"}, true},
          {"VARCHAR(255) CHARACTER SET latin1", {"REPEAT('q',255)", "'a'"}, true},
          {"VARCHAR(256) CHARACTER SET latin1", {"REPEAT('q',256)", "'a'"}, true},
          {"VARCHAR(16000) CHARACTER SET utf8mb4", {"REPEAT('日',16000)", "'a'"}, true},
          {"VARCHAR(20) CHARACTER SET utf16", {"'Zoë 😀'", "'a '"}, true},
          {"VARCHAR(20) CHARACTER SET ucs2", {"'Zoë'", "'a '"}, true},
          {"CHAR(20) CHARACTER SET utf32", {"'Zoë 😀'", "'a'"}, true},
          {"CHAR(20) CHARACTER SET gbk", {"'日本'", "'a'"}, true},
          {"VARCHAR(20) CHARACTER SET sjis", {"'日本'", "'a'"}, true},
          {"VARBINARY(255)", {"x'0001'", "x'00'"}, true},
          {"VARBINARY(1000)", {"REPEAT(x'00FF',500)", "''"}, true},
          {"TINYTEXT", {"REPEAT('t',255)", "''"}, true},
          {"TEXT CHARACTER SET utf8mb4", {"REPEAT('日',3000)", accents}, true},
          {"MEDIUMTEXT", {"REPEAT('m',70000)", "'m'"}, true},
          {"LONGTEXT", {"REPEAT('l',200000)", "'l'"}, true},
          {"TINYBLOB", {"x'00'", "''"}, true},
          {"BLOB", {"REPEAT(x'00',60000)", "x'FF'"}, true},
          {"MEDIUMBLOB", {"REPEAT(x'01',70000)", "x'FF'"}, true},
          {"LONGBLOB", {"REPEAT(x'02',200000)", "x'FF'"}, true},
          {"JSON", {"'{\"a\": [1, 2, {\"b\": null}]}'", "'[]'"}, true}};
}

std::vector<ColumnCase> other_cases() {
  return {{"VARCHAR(100) COMPRESSED", {"REPEAT('c',100)", "'c'"}},
          {"VARCHAR(500) COMPRESSED", {"REPEAT('c',500)", "''"}},
          {"VARBINARY(200) COMPRESSED", {"REPEAT('c',200)", "'x'"}},
          {"TEXT COMPRESSED", {"REPEAT('c',5000)", "'c'"}},
          {"MEDIUMBLOB COMPRESSED", {"REPEAT('c',100000)", "'c'"}},
          {"ENUM('a','b','c')", {"'a'", "'c'"}},
          {"ENUM(" + many("e", 300) + ")", {"'e0'", "'e299'"}},
          {"SET('a','b','c')", {"'a,c'", "''"}},
          {"SET(" + many("s", 20) + ")", {"'s0,s19'", "''"}},
          {"SET(" + many("s", 64) + ")", {"'s0,s63'", "'s33'"}},
          {"GEOMETRY", {"ST_GeomFromText('LINESTRING(0 0,1 1,2 3)')", "POINT(1,2)"}},
          {"POINT", {"POINT(3,4)", "POINT(0,0)"}},
          {"UUID",
           {"'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'"}},
          {"INET4", {"'1.2.3.4'", "'0.0.0.0'"}},
          {"INET6", {"'::1'", "'ffff::ffff'"}}};
}

std::vector<ColumnCase> all_cases() {
  std::vector<ColumnCase> cases;
  for (const auto& part : {number_cases(), temporal_cases(), string_cases(), other_cases()}) {
    cases.insert(cases.end(), part.begin(), part.end());
  }
  return cases;
}

/// Statements that insert, change and delete rows of a table (id, c).
std::vector<std::string> work_on(const std::string& table, const ColumnCase& column) {
  std::vector<std::string> statements;
  int id = 0;
  for (const std::string& value : column.values) {
    for (const char* again : {"", " "}) {
      statements.push_back("INSERT INTO " + table + " VALUES(" + std::to_string(++id) + "," +
                           value + ")" + again);
    }
  }
  const std::string last = column.values.back();
  statements.push_back("INSERT INTO " + table + " VALUES(50,NULL),(51," + last + "),(52,NULL)");
  statements.push_back("UPDATE " + table + " SET c=" + column.values.front() + " WHERE id>=51");
  statements.push_back("UPDATE " + table + " SET c=NULL WHERE id=51");
  statements.push_back("UPDATE " + table + " SET id=id+100 WHERE id=52");
  statements.push_back("DELETE FROM " + table + " WHERE id=2");
  return statements;
}

/// What the decoder made of the last column of each row: id -> newest value in hex, or "\N".
class LastValues final : public protocol::GroupRowsVisitor {
 public:
  Status on_table(const TableMap& map) override {
    table_ = map.table();
    return Ok{};
  }

  void on_uncut_rows(const TableMap& map) override { uncut_.insert(map.table()); }

  Status on_table_without_rows(const TableMap& /*map*/) override { return Ok{}; }

  void on_row(const RowDiff& row) override {
    if (row.change != RowChange::kInsert) {
      values_[table_].erase(id_of(row.before));
    }
    if (row.change != RowChange::kDelete) {
      values_[table_][id_of(row.after)] = hex_of(row.after[1]);
    }
  }

  [[nodiscard]] const std::map<int, std::string>& values(const std::string& table) {
    return values_[table];
  }

  [[nodiscard]] const std::set<std::string>& uncut() const { return uncut_; }

 private:
  static int id_of(const RowImage& image) {
    REQUIRE(image.size() == 2);
    REQUIRE(image[0].bytes.size() == 4);
    return static_cast<int>(load_le<4>(image[0].bytes.data()));
  }

  static std::string hex_of(const ColumnValue& value) {
    if (value.kind == ValueKind::kNull) {
      return "\\N";
    }
    std::string hex;
    for (const std::uint8_t byte : value.bytes) {
      constexpr char kDigits[] = "0123456789ABCDEF";
      hex += {kDigits[byte >> 4], kDigits[byte & 15]};
    }
    return hex;
  }

  std::string table_;
  std::set<std::string> uncut_;
  std::map<std::string, std::map<int, std::string>> values_;
};

std::string without_padding(std::string hex, const std::string& type) {
  const bool wide = type.find("utf16") != std::string::npos ||
                    type.find("ucs2") != std::string::npos ||
                    type.find("utf32") != std::string::npos;
  const std::string pad = type.starts_with("BINARY") ? "00" : wide ? "0020" : "20";
  while (hex.ends_with(pad) || (wide && hex.ends_with("0000"))) {
    hex.resize(hex.size() - (hex.ends_with(pad) ? pad.size() : 4));
  }
  return hex;
}

std::string table_name(const char* prefix, std::size_t i) {
  return prefix + std::to_string(i);
}

struct CheckOptions {
  const char* prefix = "";  ///< of table names
  const char* key = "PRIMARY KEY";
  bool old_formats = false;
};

/// Captures work on a table per column case, applies it elsewhere, compares.
void check_cases(const std::vector<ColumnCase>& cases, const CheckOptions& options) {
  const char* const prefix = options.prefix;
  const char* const key = options.key;
  ServerPair& pair = ServerPair::instance();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    pair.on_both("CREATE TABLE " + table_name(prefix, i) + "(id INT NOT NULL " + key + ", c " +
                 cases[i].type + " NULL)");
  }
  const Dump dump = pair.capture([&] {
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const std::string branch = table_name(prefix, i);
      run_branch(pair.client(), branch, work_on(table_name(prefix, i), cases[i]));
      run_sql(pair.client(), "XA COMMIT '" + branch + "'");
    }
  });
  LastValues decoded;
  for (const auto& group : dump.groups) {
    if (group.kind == protocol::BinlogGroupKind::kXaPrepared) {
      REQUIRE_FALSE(group.unfit.has_value());
      const Status status = visit_group_rows(group, decoded);
      REQUIRE_MESSAGE(status.ok(), status.error().message);
    }
  }
  pair.apply(dump);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string table = table_name(prefix, i);
    INFO(cases[i].type);
    pair.expect_equal(table);
    const bool is_uncut = options.old_formats && cases[i].type != "DATE" && cases[i].type != "YEAR";
    EXPECT(decoded.uncut().contains(table) == is_uncut);
    if (!cases[i].is_string) {
      continue;
    }
    std::map<int, std::string> stored;
    for (const auto& row : run_sql(pair.client(), "SELECT id,HEX(c) FROM " + table)) {
      stored[std::stoi(row[0])] = without_padding(row[1], cases[i].type);
    }
    std::map<int, std::string> seen = decoded.values(table);
    for (auto& [id, hex] : seen) {
      hex = without_padding(hex, cases[i].type);
    }
    EXPECT(seen == stored);
  }
}

/// `collations`: rows of name, character set, id.
void check_collations(const SqlRows& collations) {
  ServerPair& pair = ServerPair::instance();
  std::string columns;
  for (std::size_t i = 0; i < collations.size(); ++i) {
    columns += ", c" + std::to_string(i) + " TINYTEXT CHARACTER SET " + collations[i][1] +
               " COLLATE " + collations[i][0];
  }
  run_sql(pair.client(), "CREATE OR REPLACE TABLE collated(id INT PRIMARY KEY" + columns + ")");
  const Dump dump =
      pair.capture([&] { run_sql(pair.client(), "INSERT INTO collated(id) VALUES(1)"); });
  REQUIRE(dump.groups.size() == 1);
  const auto& group = dump.groups[0];
  const Result<TableMap> map = TableMap::decode(group.event(group.spans[0]));
  REQUIRE(map.ok());
  REQUIRE(map->columns().size() == collations.size() + 1);
  for (std::size_t i = 0; i < collations.size(); ++i) {
    EXPECT(map->columns()[i + 1].collation == std::stoi(collations[i][2]));
    EXPECT(map->column_names()[i + 1] == "c" + std::to_string(i));
  }
  REQUIRE(map->primary_key().size() == 1);
  EXPECT(map->primary_key()[0].column == 0);
}

TEST_SUITE("row_events") {
  TEST_CASE("every column type survives decode and BINLOG, by primary key") {
    check_cases(all_cases(), {.prefix = "typed"});
  }

  TEST_CASE("every column type survives decode and BINLOG, without any key") {
    check_cases(all_cases(), {.prefix = "keyless", .key = ""});
  }

  TEST_CASE("the same without optional metadata and without checksums") {
    ServerPair& pair = ServerPair::instance();
    run_sql(pair.client(), "SET GLOBAL binlog_row_metadata='NO_LOG'");
    run_sql(pair.client(), "SET GLOBAL binlog_checksum='NONE'");
    check_cases(all_cases(), {.prefix = "bare"});
    run_sql(pair.client(), "SET GLOBAL binlog_checksum='CRC32'");
    run_sql(pair.client(), "SET GLOBAL binlog_row_metadata='MINIMAL'");
    check_cases(string_cases(), {.prefix = "minimal"});
    run_sql(pair.client(), "SET GLOBAL binlog_row_metadata='FULL'");
  }

  TEST_CASE("temporal columns in their old formats") {
    ServerPair& pair = ServerPair::instance();
    for (MYSQL* connection : {pair.client(), pair.lane()}) {
      run_sql(connection, "SET GLOBAL mysql56_temporal_format=OFF");
    }
    check_cases(temporal_cases(), {.prefix = "old_temporal", .old_formats = true});
    for (MYSQL* connection : {pair.client(), pair.lane()}) {
      run_sql(connection, "SET GLOBAL mysql56_temporal_format=ON");
    }
  }

  TEST_CASE("collations and names in the table map are the catalog's") {
    ServerPair& pair = ServerPair::instance();
    const SqlRows collations = run_sql(pair.client(),
                                       "SELECT FULL_COLLATION_NAME,CHARACTER_SET_NAME,ID FROM "
                                       "information_schema.COLLATION_CHARACTER_SET_APPLICABILITY "
                                       "WHERE ID IS NOT NULL AND ID<>63 ORDER BY ID");
    constexpr std::size_t kColumnsPerTable = 150;
    for (std::size_t i = 0; i < collations.size(); i += kColumnsPerTable) {
      const std::size_t end = std::min(i + kColumnsPerTable, collations.size());
      check_collations({collations.begin() + static_cast<std::ptrdiff_t>(i),
                        collations.begin() + static_cast<std::ptrdiff_t>(end)});
    }
  }
}

}  // namespace
}  // namespace consort::test
