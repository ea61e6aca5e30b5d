#include "protocol/row_events.h"

#include <string>
#include <vector>

#include "tests/support/test.h"
#include "tests/unit/protocol/binlog_bytes.h"

namespace consort::protocol {
namespace {

using test::EventWriter;
using test::from_hex;

// A table of a real server (10.11.19) and rows of it, checksums taken off the tail:
// t(id int primary key, c char(5), y year, u uuid, i inet6, b binary(4), v varchar(300) latin1,
// e enum('a','b'), j json, n int unsigned, f float, bb blob, long_u varchar(5000), unique(long_u))
constexpr std::string_view kTableMapBody =
    "15000000000001000164000174000e03fe0dfefefe0ffefc0304fc0f0811fe05fe10fe10fe042c01f7010404028813"
    "fe"
    "3f0101680308083f3f3f082e3f08042f0269640163017901750169016201760165016a016e0166026262066c6f6e67"
    "5f"
    "750d44425f524f575f484153485f310a010806050201610162080100";
constexpr std::string_view kUpdateBody =
    "15000000000001000eff3fff3f"
    "00c001000000026162780e123e4567e89b12d3a4564266554410000000000000000000000000000000010178020076"
    "7602"
    "020000007b7d040000000000c03f02007a7a0200757533b5020000000000"
    "00c001000000026162780e123e4567e89b12d3a4564266554410000000000000000000000000000000010178020076"
    "7602"
    "020000007b7d060000000000c03f02007a7a0200757533b5020000000000";

TableMap decode(const Buffer& event) {
  auto map = TableMap::decode(event);
  REQUIRE_MESSAGE(map.ok(), map.error().message);
  return std::move(map).value();
}

std::string hex(Bytes bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

TEST_SUITE("protocol") {
  TEST_CASE("TableMap: a real table with all metadata") {
    EventWriter e(false);
    const TableMap map = decode(e.event(19, kTableMapBody));
    EXPECT(map.schema() == "d");
    EXPECT(map.table() == "t");
    EXPECT(map.table_id() == 0x15);
    REQUIRE(map.columns().size() == 14);
    EXPECT(map.column_names().at(0) == "id");
    EXPECT(map.column_names().at(13) == "DB_ROW_HASH_1");
    REQUIRE(map.primary_key().size() == 1);
    EXPECT(map.primary_key()[0].column == 0);
    const auto& columns = map.columns();
    EXPECT_FALSE(columns[0].nullable);
    EXPECT(columns[1].nullable);
    EXPECT(columns[1].collation == 8);
    EXPECT(columns[1].kind == ValueKind::kText);
    EXPECT(columns[3].kind == ValueKind::kBinary);
    EXPECT(columns[6].length_bytes == 2);
    EXPECT(columns[7].type == ColumnType::kEnum);
    EXPECT(columns[7].fixed_bytes == 1);
    EXPECT(columns[8].collation == 46);
    EXPECT(columns[9].is_unsigned);
    EXPECT_FALSE(columns[0].is_unsigned);
    EXPECT(columns[10].kind == ValueKind::kFloat);
  }

  TEST_CASE("RowReader: an update of a real table") {
    EventWriter e(false);
    const TableMap map = decode(e.event(19, kTableMapBody));
    const Buffer event = e.event(24, kUpdateBody);
    std::vector<std::string> seen;
    const Status status = for_each_row(map, event, [&](const RowDiff& row) {
      EXPECT(row.change == RowChange::kUpdate);
      REQUIRE(row.before.size() == 14);
      REQUIRE(row.after.size() == 14);
      for (const std::size_t column : {0, 1, 3, 5, 6, 7, 8, 12}) {
        seen.push_back(hex(row.after[column].bytes));
      }
      EXPECT(hex(row.before[9].bytes) == "04000000");
      EXPECT(hex(row.after[9].bytes) == "06000000");
    });
    REQUIRE(status.ok());
    EXPECT(seen == std::vector<std::string>{
                       "01000000", "6162",
                       "123e4567e89b12d3a45642665544",  // zeros at its end are not logged
                       "78", "7676", "02", "7b7d", "7575"});
  }

  TEST_CASE("RowReader: cut short anywhere it fails and does not overrun") {
    EventWriter e(false);
    const TableMap map = decode(e.event(19, kTableMapBody));
    const Buffer body = from_hex(kUpdateBody);
    for (std::size_t bytes = 0; bytes < body.size(); ++bytes) {
      const Buffer event = e.event(24, Bytes(body).first(bytes));
      int rows = 0;
      const Status status = for_each_row(map, event, [&](const RowDiff&) { ++rows; });
      const bool no_row_begun = bytes == 13;
      EXPECT(status.ok() == no_row_begun);
      EXPECT(rows == 0);
    }
  }

  TEST_CASE("TableMap: cut short anywhere it fails or leaves the optional part out") {
    EventWriter e(false);
    const Buffer body = from_hex(kTableMapBody);
    for (std::size_t bytes = 0; bytes < body.size(); ++bytes) {
      static_cast<void>(TableMap::decode(e.event(19, Bytes(body).first(bytes))));
    }
    EXPECT_FALSE(TableMap::decode(e.event(19, Bytes(body).first(20))).ok());
  }

  TEST_CASE("TableMap: layout of each column type") {
    struct Layout {
      const char* name;
      const char* columns;  ///< count, types, metadata bytes, metadata, null bits
      std::uint32_t fixed_bytes;
      std::uint8_t length_bytes;
    };

    const Layout layouts[] = {
        {"tinyint", "01010000", 1, 0},           {"smallint", "01020000", 2, 0},
        {"mediumint", "01090000", 3, 0},         {"bigint", "01080000", 8, 0},
        {"float", "0104010400", 4, 0},           {"double", "0105010800", 8, 0},
        {"decimal(10,2)", "01f6020a0200", 5, 0}, {"decimal(65,30)", "01f602411e00", 30, 0},
        {"bit(13)", "011002050100", 2, 0},       {"date", "010a0000", 3, 0},
        {"timestamp(6)", "0111010600", 7, 0},    {"datetime(3)", "0112010300", 7, 0},
        {"time(1)", "0113010100", 4, 0},         {"year", "010d0000", 1, 0},
        {"char(10)", "01fe02fe0a00", 0, 1},      {"char(255)x4", "01fe02cefc00", 0, 2},
        {"char(64)x4", "01fe02ee0000", 0, 2},    {"varchar(255)", "010f02ff0000", 0, 1},
        {"varchar(256)", "010f02000100", 0, 2},  {"tinyblob", "01fc010100", 0, 1},
        {"longblob", "01fc010400", 0, 4},        {"set", "01fe02f80800", 8, 0},
        {"compressed", "018d02c80000", 0, 1},    {"geometry", "01ff010400", 0, 4}};
    EventWriter e(false);
    for (const Layout& layout : layouts) {
      INFO(layout.name);
      const TableMap map = decode(e.table_map(1, "t", layout.columns));
      REQUIRE(map.columns().size() == 1);
      EXPECT(map.columns()[0].fixed_bytes == layout.fixed_bytes);
      EXPECT(map.columns()[0].length_bytes == layout.length_bytes);
    }
    CAPTURE("char of 1020 bytes");
    EXPECT(decode(e.table_map(1, "t", "01fe02cefc00")).columns()[0].bytes_max == 1020);
    for (const char* uncut : {"01070000", "010b0000", "010c0000", "01000000", "01f30000"}) {
      EXPECT_FALSE(decode(e.table_map(1, "t", uncut)).can_cut_rows());
    }
  }

  TEST_CASE("TableMap and RowReader: every type of MySQL 9.7, with all metadata") {
    // ty (a TINYINT UNSIGNED, y YEAR, u INT UNSIGNED, d DECIMAL(20,5), bt BIT(11),
    // e ENUM('a','b') CHARACTER SET latin1, st SET('x','y') COLLATE utf8mb4_0900_as_cs, t TIME(3),
    // dt DATETIME(6), ts TIMESTAMP(2), g GEOMETRY, vec VECTOR(3), j JSON, bb BLOB,
    // tx TEXT COLLATE utf8mb4_ja_0900_as_cs, ch CHAR(100), bi BINARY(8), vb VARBINARY(300),
    // vc VARCHAR(300) COLLATE utf8mb4_0900_bin, bo BOOLEAN, fl FLOAT, db DOUBLE, lb LONGBLOB,
    // bigu BIGINT UNSIGNED, da DATE, inv INT UNSIGNED INVISIBLE)
    EventWriter e(false);
    const Buffer event =
        e.event(19,
                "7c0000000000010002747900027479001a010d03f610fefe131211fff2f5fcfcfefe0f0f010405fc"
                "080a031b14050301f701f8010306020404040202ee90fe082c01b004040804ffffff030102e18002"
                "0d3f02fc2f0103fcff0006fc35010701000d0103044a016101790175016402627401650273740174"
                "026474027473016703766563016a02626202747802636802626902766202766302626f02666c0264"
                "62026c62046269677502646103696e760b0408fc160105050201780179060502016101620c04ffff"
                "ff80");
    const TableMap map = decode(event);
    REQUIRE(map.can_cut_rows());
    REQUIRE(map.columns().size() == 26);
    EXPECT(map.column_names().front() == "a");
    EXPECT(map.column_names().back() == "inv");
    std::string collations;
    std::string without_sign;
    for (std::size_t i = 0; i < map.columns().size(); ++i) {
      const ColumnLayout& column = map.columns()[i];
      if (column.kind == ValueKind::kText) {
        collations += map.column_names()[i] + "=" + std::to_string(column.collation) + " ";
      }
      without_sign += column.is_unsigned ? map.column_names()[i] + " " : "";
    }
    EXPECT(collations == "tx=303 ch=255 vc=309 ");
    EXPECT(without_sign == "a y u bigu inv ");
    // (1,2020,4000000000,123.45,b'10101','b','x,y','12:34:56.789','2020-01-02 03:04:05.678901',
    // '2020-01-02 03:04:05.12',POINT(1 2),'[1,2,3]','{"a":1}','blob','text','char','bin','varbin',
    // 'vc',true,1.5,2.5,'lb',18446744073709551615,'2020-02-02',NULL)
    const Buffer insert =
        e.event(30,
                "7c0000000000110002001affffffff00000002017800286bee8000000000007b00afc80015020380"
                "c8b81ed299a54431050a5bf55e0d5da50c19000000000000000101000000000000000000f03f0000"
                "0000000000400c0000000000803f00000040000040400d0000000001000c000b0001000501006104"
                "00626c6f620400746578740400636861720362696e060076617262696e02007663010000c03f0000"
                "000000000440020000006c62ffffffffffffffff42c80f");
    std::vector<RowDiff> rows;
    REQUIRE(for_each_row(map, insert, [&](const RowDiff& row) { rows.push_back(row); }).ok());
    REQUIRE(rows.size() == 1);
    const RowImage& row = rows[0].after;
    EXPECT(hex(row[0].bytes) == "01");
    EXPECT(hex(row[2].bytes) == "00286bee");
    EXPECT(hex(row[4].bytes) == "0015");
    EXPECT(hex(row[5].bytes) == "02");
    EXPECT(hex(row[6].bytes) == "03");
    EXPECT(hex(row[7].bytes) == "80c8b81ed2");
    EXPECT(row[10].bytes.size() == 25);
    EXPECT(hex(row[11].bytes) == "0000803f0000004000004040");
    EXPECT(row[12].kind == ValueKind::kBinary);
    EXPECT(row[12].bytes.size() == 13);
    EXPECT(as_text(row[13].bytes) == "blob");
    EXPECT(as_text(row[14].bytes) == "text");
    EXPECT(as_text(row[15].bytes) == "char");
    EXPECT(as_text(row[16].bytes) == "bin");
    EXPECT(as_text(row[17].bytes) == "varbin");
    EXPECT(as_text(row[18].bytes) == "vc");
    EXPECT(as_text(row[22].bytes) == "lb");
    EXPECT(hex(row[23].bytes) == "ffffffffffffffff");
    EXPECT(row[25].kind == ValueKind::kNull);
  }

  TEST_CASE("RowReader: version 2 events, NULLs and partial images") {
    EventWriter e(false);
    const TableMap map = decode(e.table_map(1, "t",
                                            "03"
                                            "030f03"
                                            "02"
                                            "0a00"
                                            "07"));
    // Extra bytes 2 + 3; columns 1 and 3 only; second row has a NULL.
    const Buffer event = e.event(30,
                                 "0100000000000100"
                                 "0500aabbcc"
                                 "03"
                                 "05"
                                 "00"
                                 "01000000"
                                 "02000000"
                                 "02"
                                 "03000000");
    std::vector<RowDiff> rows;
    REQUIRE(for_each_row(map, event, [&](const RowDiff& row) { rows.push_back(row); }).ok());
    REQUIRE(rows.size() == 2);
    EXPECT(rows[0].change == RowChange::kInsert);
    EXPECT(rows[0].before.empty());
    EXPECT_FALSE(rows[0].after[1].present);
    EXPECT(hex(rows[0].after[2].bytes) == "02000000");
    EXPECT(rows[1].after[2].kind == ValueKind::kNull);
    EXPECT(hex(rows[1].after[0].bytes) == "03000000");
  }

  TEST_CASE("visit_group_rows and the foreign key flag") {
    EventWriter e(false);
    BinlogGroupReader reader;
    std::optional<BinlogGroup> group;
    for (const Buffer& event : {e.rotate("b.1"), e.format_description(), e.gtid(1, 0x44),
                                e.table_map(1, "a"), e.table_map(2, "b"), e.insert(1, 7, 0),
                                e.insert(1, 8), e.table_map(1, "b"),  // the id again, another table
                                e.insert(1, 9), e.xa_prepare()}) {
      auto output = reader.feed(event);
      REQUIRE(output.ok());
      if (output->has_value() && std::holds_alternative<BinlogGroup>(**output)) {
        group = std::move(std::get<BinlogGroup>(**output));
      }
    }
    REQUIRE(group.has_value());

    class Recorder final : public GroupRowsVisitor {
     public:
      Status on_table(const TableMap& map) override {
        log += map.table() + ":";
        return Ok{};
      }

      void on_row(const RowDiff& row) override {
        log += std::to_string(row.after[0].bytes[0]) + " ";
      }

      void on_uncut_rows(const TableMap& map) override { log += map.table() + "? "; }

      Status on_table_without_rows(const TableMap& map) override {
        log += "(" + map.table() + ") ";
        return Ok{};
      }

      std::string log;
    };

    Recorder recorder;
    REQUIRE(visit_group_rows(*group, recorder).ok());
    EXPECT(recorder.log == "a:7 8 (b) b:9 ");

    set_no_foreign_key_checks(*group, true,
                              [](const TableName& name) { return name.table == "b"; });
    std::string flags;
    for (const EventSpan& span : group->spans) {
      if (span.type != BinlogEventType::kTableMap) {
        flags +=
            std::to_string(load_le<2>(group->event(span).data() + kBinlogHeaderBytes + 6)) + " ";
      }
    }
    EXPECT(flags == "0 1 3 ");
    set_no_foreign_key_checks(*group, false, [](const TableName&) { return true; });
    EXPECT(group->spans.back().flags == kRowsStatementEnd);
  }
}

}  // namespace
}  // namespace consort::protocol
