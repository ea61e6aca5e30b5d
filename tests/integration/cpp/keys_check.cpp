// Keys of real statements: two statements run from the same state, as if on two homes, must
// conflict when they cannot both happen, and should not when they can.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "certifier/collation_weights.h"
#include "certifier/key_builder.h"
#include "certifier/schema_catalog.h"
#include "proxy/catalog_loader.h"
#include "proxy/group_keys.h"
#include "tests/integration/cpp/server_pair.h"
#include "tests/support/test.h"

namespace consort::test {
namespace {

using certifier::KeyBuilder;
using certifier::SchemaCatalog;
using certifier::TableDefinition;
using certifier::TableRef;

/// The rule of base/row_key.h.
bool holds_conflict(KeyHold a, KeyHold b) {
  const KeyHold low = std::min(a, b);
  const KeyHold high = std::max(a, b);
  return high == KeyHold::kExclusive || (low == KeyHold::kUpdate && high == KeyHold::kUpdate);
}

bool keys_conflict(const std::vector<RowKey>& a, const std::vector<RowKey>& b) {
  return std::any_of(a.begin(), a.end(), [&](const RowKey& mine) {
    return std::any_of(b.begin(), b.end(), [&](const RowKey& other) {
      return mine.hash == other.hash && holds_conflict(mine.hold, other.hold);
    });
  });
}

/// Loads what a group needs and makes its keys.
class KeyMaker {
 public:
  explicit KeyMaker(const certifier::CollationWeights* weights) : builder_(catalog_, weights) {}

  std::vector<RowKey> keys(const protocol::BinlogGroup& group) {
    for (;;) {
      const std::vector<TableRef> missing = proxy::group_missing_tables(group, builder_);
      if (missing.empty()) {
        break;
      }
      for (const TableRef& name : missing) {
        load(name);
      }
    }
    auto keys = proxy::group_keys(group, builder_);
    REQUIRE_MESSAGE(keys.ok(), keys.error().message);
    return std::move(keys).value();
  }

  std::vector<RowKey> keys_of(const std::vector<std::string>& statements) {
    ServerPair& pair = ServerPair::instance();
    const std::string name = "keys" + std::to_string(++branches_);
    const Dump dump = pair.capture([&] {
      run_branch(pair.client(), name, statements);
      try_sql(pair.client(), "XA ROLLBACK '" + name + "'");
    });
    for (const auto& group : dump.groups) {
      if (group.kind == protocol::BinlogGroupKind::kXaPrepared) {
        return keys(group);
      }
    }
    FAIL("no rows of: ", statements.front());
    return {};
  }

 private:
  void load(const TableRef& name) {
    auto definition = proxy::load_table_definition(ServerPair::instance().client(), name);
    if (definition.ok()) {
      catalog_.put(std::move(definition).value());
    } else {
      REQUIRE(definition.error().code == static_cast<int>(proxy::CatalogError::kTableMissing));
      catalog_.put(certifier::absent_table(name));
    }
  }

  SchemaCatalog catalog_;
  KeyBuilder builder_;
  int branches_ = 0;
};

enum class Expect { kConflict, kNone, kAnyway };  // kAnyway: no need to, but it may

struct Meeting {
  std::string a;
  std::string b;
  Expect expect = Expect::kConflict;
};

void check_meetings(const certifier::CollationWeights* weights,
                    const std::vector<std::string>& schema,
                    const std::vector<Meeting>& meetings) {
  ServerPair& pair = ServerPair::instance();
  for (const std::string& statement : schema) {
    run_sql(pair.client(), statement);
  }
  KeyMaker maker(weights);
  for (const Meeting& meeting : meetings) {
    const bool conflict = keys_conflict(maker.keys_of({meeting.a}), maker.keys_of({meeting.b}));
    if (meeting.expect != Expect::kAnyway) {
      EXPECT_MESSAGE(conflict == (meeting.expect == Expect::kConflict), meeting.a, " / ",
                     meeting.b);
    }
  }
}

constexpr Expect kNone = Expect::kNone;

TEST_SUITE("keys") {
  TEST_CASE("primary and unique keys") {
    check_meetings(nullptr,
                   {"CREATE TABLE k(id INT PRIMARY KEY, u INT, v INT, UNIQUE(u))",
                    "INSERT INTO k VALUES(1,1,0),(2,2,0),(3,NULL,0)"},
                   {{"INSERT INTO k VALUES(10,10,0)", "INSERT INTO k VALUES(11,11,0)", kNone},
                    {"INSERT INTO k VALUES(10,10,0)", "INSERT INTO k VALUES(10,11,0)"},
                    {"INSERT INTO k VALUES(10,10,0)", "INSERT INTO k VALUES(11,10,0)"},
                    {"INSERT INTO k VALUES(10,NULL,0)", "INSERT INTO k VALUES(11,NULL,0)", kNone},
                    {"UPDATE k SET v=1 WHERE id=1", "UPDATE k SET v=2 WHERE id=2", kNone},
                    {"UPDATE k SET v=1 WHERE id=1", "UPDATE k SET v=2 WHERE id=1"},
                    {"UPDATE k SET v=1 WHERE id=1", "DELETE FROM k WHERE id=1"},
                    {"UPDATE k SET u=7 WHERE id=1", "INSERT INTO k VALUES(10,7,0)"},
                    {"UPDATE k SET u=7 WHERE id=1", "UPDATE k SET u=7 WHERE id=2"},
                    {"UPDATE k SET u=7 WHERE id=1", "UPDATE k SET u=8 WHERE id=2", kNone},
                    {"UPDATE k SET id=9 WHERE id=1", "INSERT INTO k VALUES(9,10,0)"},
                    {"UPDATE k SET id=9 WHERE id=1", "UPDATE k SET v=1 WHERE id=1"},
                    {"UPDATE k SET v=1 WHERE id=3", "UPDATE k SET v=2 WHERE u IS NULL"},
                    {"REPLACE INTO k VALUES(1,2,0)", "UPDATE k SET v=1 WHERE id=2"}});
  }

  TEST_CASE("values that are equal without having equal bytes") {
    check_meetings(
        nullptr,
        {"CREATE TABLE eq_double(a DOUBLE PRIMARY KEY)",
         "CREATE TABLE eq_float(a FLOAT PRIMARY KEY)",
         "CREATE TABLE eq_binary(a BINARY(4), b VARBINARY(9), UNIQUE(a), UNIQUE(b))",
         "CREATE TABLE eq_prefix(id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET utf8mb4 COLLATE "
         "utf8mb4_bin, b BLOB, UNIQUE(a(3)), UNIQUE(b(2)))",
         "CREATE TABLE eq_char(a CHAR(9) CHARACTER SET latin1 COLLATE latin1_bin PRIMARY KEY)",
         "CREATE TABLE eq_wide(a VARCHAR(9) CHARACTER SET utf16 COLLATE utf16_bin PRIMARY KEY)",
         "CREATE TABLE eq_types(a DECIMAL(9,3), b BIT(12), c ENUM('x','y'), d DATETIME(3), e YEAR, "
         "f UUID, g INET6, PRIMARY KEY(a,b,c,d,e,f,g))"},
        {{"INSERT INTO eq_double VALUES(-0.0)", "INSERT INTO eq_double VALUES(0)"},
         {"INSERT INTO eq_double VALUES(1)", "INSERT INTO eq_double VALUES(0)", kNone},
         {"INSERT INTO eq_float VALUES(-0.0)", "INSERT INTO eq_float VALUES(0)"},
         {"INSERT INTO eq_binary VALUES('a','a')", "INSERT INTO eq_binary VALUES('a\\0','b')"},
         {"INSERT INTO eq_binary VALUES('a','a')", "INSERT INTO eq_binary VALUES('b','b')", kNone},
         {"INSERT INTO eq_prefix VALUES(1,'日本語x','a')",
          "INSERT INTO eq_prefix VALUES(2,'日本語y','b')"},
         {"INSERT INTO eq_prefix VALUES(1,'日本x','a')",
          "INSERT INTO eq_prefix VALUES(2,'日本y','b')", kNone},
         {"INSERT INTO eq_prefix VALUES(1,'a','xyz')", "INSERT INTO eq_prefix VALUES(2,'b','xya')"},
         {"INSERT INTO eq_char VALUES('a  ')", "INSERT INTO eq_char VALUES('a')"},
         {"INSERT INTO eq_char VALUES('a')", "INSERT INTO eq_char VALUES('A')", kNone},
         {"INSERT INTO eq_wide VALUES('a ')", "INSERT INTO eq_wide VALUES('a')"},
         {"INSERT INTO eq_wide VALUES('a')", "INSERT INTO eq_wide VALUES('b')", kNone},
         {"INSERT INTO eq_types VALUES(1.5,3,'x','2024-01-01 00:00:00.5',2024,UUID(),'::1')",
          "INSERT INTO eq_types VALUES(1.5,3,'x','2024-01-01 00:00:00.5',2024,UUID(),'::1')",
          kNone},
         {"INSERT INTO eq_types "
          "VALUES(1.5,3,'x',NOW(),2024,'123e4567-e89b-12d3-a456-426655440000','::1')",
          "INSERT INTO eq_types "
          "VALUES(1.50,b'11',1,NOW(),24,'123E4567E89B12D3A456426655440000','0::1')",
          Expect::kAnyway}});
  }

  TEST_CASE("texts, without weights") {
    check_meetings(
        nullptr,
        {"CREATE TABLE t1(id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET utf8mb4 COLLATE "
         "utf8mb4_general_ci, UNIQUE(a))",
         "CREATE TABLE t2(id INT PRIMARY KEY, g INT, a VARCHAR(20) CHARACTER SET utf8mb4 COLLATE "
         "utf8mb4_unicode_ci, UNIQUE(g,a))",
         "CREATE TABLE t3(a VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_danish_ci PRIMARY "
         "KEY, "
         "v INT)",
         "INSERT INTO t1 VALUES(1,'one'),(2,'zwölf')", "INSERT INTO t3 VALUES('one',0),('two',0)"},
        {{"INSERT INTO t1 VALUES(10,'ab')", "INSERT INTO t1 VALUES(11,'cd')", kNone},
         {"INSERT INTO t1 VALUES(10,'ab')", "INSERT INTO t1 VALUES(11,'AB  ')"},
         {"INSERT INTO t1 VALUES(10,'äb')", "INSERT INTO t1 VALUES(11,'ab')"},
         {"INSERT INTO t1 VALUES(10,'äb')", "INSERT INTO t1 VALUES(11,'Ab')"},
         {"INSERT INTO t1 VALUES(10,'äb')", "INSERT INTO t1 VALUES(11,'âb')"},
         {"UPDATE t1 SET a='äb' WHERE id=1", "INSERT INTO t1 VALUES(11,'ab')"},
         {"INSERT INTO t1 VALUES(10,'äb')", "INSERT INTO t1 VALUES(11,'xy')", Expect::kAnyway},
         // What was there before is told apart by its bytes.
         {"UPDATE t1 SET id=5 WHERE id=2", "INSERT INTO t1 VALUES(11,'ab')", kNone},
         {"DELETE FROM t1 WHERE a='zwölf'", "INSERT INTO t1 VALUES(11,'äb')", kNone},
         {"DELETE FROM t1 WHERE a='zwölf'", "DELETE FROM t1 WHERE a='ZWÖLF'"},
         {"INSERT INTO t2 VALUES(10,1,'ä')", "INSERT INTO t2 VALUES(11,1,'a')"},
         {"INSERT INTO t2 VALUES(10,1,'ä')", "INSERT INTO t2 VALUES(11,2,'a')", kNone},
         {"INSERT INTO t3 VALUES('aa',0)", "INSERT INTO t3 VALUES('å',0)"},
         {"INSERT INTO t3 VALUES('aa',0)", "INSERT INTO t3 VALUES('xy',0)", Expect::kAnyway},
         {"UPDATE t3 SET v=1 WHERE a='one'", "UPDATE t3 SET v=1 WHERE a='two'", kNone},
         {"UPDATE t3 SET v=1 WHERE a='one'", "UPDATE t3 SET v=2 WHERE a='One'"}});
  }

  TEST_CASE("texts, with weights") {
    auto weights = proxy::load_collation_weights(ServerPair::instance().client());
    REQUIRE(weights.ok());
    check_meetings(
        weights->get(),
        {"CREATE TABLE w1(id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET utf8mb4 COLLATE "
         "utf8mb4_unicode_ci, UNIQUE(a))",
         "CREATE TABLE w2(id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET latin1, UNIQUE(a))",
         "CREATE TABLE w3(id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET utf8mb4 COLLATE "
         "utf8mb4_uca1400_ai_ci, UNIQUE(a(3)))"},
        {{"INSERT INTO w1 VALUES(10,'äb')", "INSERT INTO w1 VALUES(11,'xy')", kNone},
         {"INSERT INTO w1 VALUES(10,'äb')", "INSERT INTO w1 VALUES(11,'AB ')"},
         {"INSERT INTO w1 VALUES(10,'äb')", "INSERT INTO w1 VALUES(11,'Âb')"},
         {"INSERT INTO w1 VALUES(10,'straße')", "INSERT INTO w1 VALUES(11,'STRASSE')"},
         {"INSERT INTO w1 VALUES(10,'日本')", "INSERT INTO w1 VALUES(11,'中国')", kNone},
         {"INSERT INTO w1 VALUES(10,'日本')", "INSERT INTO w1 VALUES(11,'日本 ')"},
         {"INSERT INTO w1 VALUES(10,CONCAT('e',_utf16 x'0301'))", "INSERT INTO w1 VALUES(11,'é')"},
         {"INSERT INTO w1 VALUES(10,'😀')", "INSERT INTO w1 VALUES(11,'😁')"},
         {"INSERT INTO w2 VALUES(10,'Zoë')", "INSERT INTO w2 VALUES(11,'zoe')"},
         {"INSERT INTO w2 VALUES(10,'Zoë')", "INSERT INTO w2 VALUES(11,'zoa')", kNone},
         {"INSERT INTO w3 VALUES(10,'éèê1')", "INSERT INTO w3 VALUES(11,'EEE2')"},
         {"INSERT INTO w3 VALUES(10,'éè1')", "INSERT INTO w3 VALUES(11,'EE2')", kNone}});
  }

  TEST_CASE("foreign keys") {
    check_meetings(
        nullptr,
        {"CREATE TABLE p(id INT PRIMARY KEY, a INT, b VARCHAR(9) COLLATE latin1_bin, c VARCHAR(9), "
         "n "
         "INT, v INT, UNIQUE(a,b), UNIQUE(c), KEY(n))",
         "CREATE TABLE c1(id INT PRIMARY KEY, p INT, v INT, FOREIGN KEY(p) REFERENCES p(id))",
         "CREATE TABLE c2(id INT PRIMARY KEY, y VARCHAR(20) COLLATE latin1_bin, x INT, "
         "FOREIGN KEY(x,y) REFERENCES p(a,b))",
         "CREATE TABLE c3(id INT PRIMARY KEY, c VARCHAR(20), FOREIGN KEY(c) REFERENCES p(c))",
         "CREATE TABLE c4(id INT PRIMARY KEY, n INT, FOREIGN KEY(n) REFERENCES p(n))",
         "INSERT INTO p VALUES(1,1,'x','\xC3\xA9t',1,0),(2,2,'y','b',2,0),(3,3,'z','c',3,0)",
         "INSERT INTO c1 VALUES(1,2,0)"},
        {{"INSERT INTO c1 VALUES(10,1,0)", "DELETE FROM p WHERE id=1"},
         {"INSERT INTO c1 VALUES(10,1,0)", "UPDATE p SET id=9 WHERE id=1"},
         {"INSERT INTO c1 VALUES(10,1,0)", "UPDATE p SET v=9 WHERE id=1", kNone},
         {"INSERT INTO c1 VALUES(10,1,0)", "DELETE FROM p WHERE id=3", kNone},
         {"INSERT INTO c1 VALUES(10,1,0)", "INSERT INTO c1 VALUES(11,1,0)", kNone},
         {"INSERT INTO c1 VALUES(10,NULL,0)", "DELETE FROM p WHERE id=1", kNone},
         {"UPDATE c1 SET p=1 WHERE id=1", "DELETE FROM p WHERE id=1"},
         {"UPDATE c1 SET v=1 WHERE id=1", "DELETE FROM p WHERE id=1", kNone},
         {"INSERT INTO c2 VALUES(10,'x',1)", "DELETE FROM p WHERE id=1"},
         {"INSERT INTO c2 VALUES(10,'x',1)", "UPDATE p SET b='q' WHERE id=1"},
         {"INSERT INTO c2 VALUES(10,'x',1)", "UPDATE p SET v=1 WHERE id=1", kNone},
         {"INSERT INTO c2 VALUES(10,'x',NULL)", "UPDATE p SET b='q' WHERE id=1", kNone},
         {"INSERT INTO c3 VALUES(10,'ET')", "DELETE FROM p WHERE id=1"},
         {"INSERT INTO c3 VALUES(10,'ET')", "UPDATE p SET v=1 WHERE id=1", kNone},
         {"INSERT INTO c4 VALUES(10,1)", "DELETE FROM p WHERE id=1"},
         {"INSERT INTO c4 VALUES(10,1)", "UPDATE p SET n=7 WHERE id=1"},
         {"INSERT INTO c4 VALUES(10,1)", "UPDATE p SET v=7 WHERE id=1", kNone}});
  }

  TEST_CASE("cascades reach tables that log no rows") {
    check_meetings(nullptr,
                   {"CREATE TABLE g(id INT PRIMARY KEY, v INT)",
                    "CREATE TABLE h(id INT PRIMARY KEY, g INT, v INT, FOREIGN KEY(g) REFERENCES "
                    "g(id) ON DELETE "
                    "CASCADE ON UPDATE CASCADE)",
                    "CREATE TABLE i(id INT PRIMARY KEY, h INT, FOREIGN KEY(h) REFERENCES h(id))",
                    "CREATE TABLE tree(id INT PRIMARY KEY, up INT, v INT, FOREIGN KEY(up) "
                    "REFERENCES tree(id) ON "
                    "DELETE CASCADE)",
                    "INSERT INTO g VALUES(1,0),(2,0)", "INSERT INTO h VALUES(1,1,0),(2,2,0)",
                    "INSERT INTO tree VALUES(1,NULL,0),(2,1,0),(3,2,0),(4,NULL,0)"},
                   {{"DELETE FROM g WHERE id=1", "UPDATE h SET v=1 WHERE id=1"},
                    {"DELETE FROM g WHERE id=1", "INSERT INTO i VALUES(1,1)"},
                    {"UPDATE g SET id=9 WHERE id=1", "UPDATE h SET v=1 WHERE id=1"},
                    {"UPDATE g SET v=9 WHERE id=1", "UPDATE h SET v=1 WHERE id=1", kNone},
                    {"DELETE FROM g WHERE id=1", "INSERT INTO h VALUES(9,2,0)"},
                    {"UPDATE g SET id=9 WHERE id=1", "INSERT INTO h VALUES(9,1,0)"},
                    {"DELETE FROM tree WHERE id=1", "UPDATE tree SET v=1 WHERE id=3"},
                    {"UPDATE tree SET v=2 WHERE id=1", "UPDATE tree SET v=1 WHERE id=3", kNone}});
  }

  TEST_CASE("tables of unusual kinds") {
    check_meetings(
        nullptr,
        {"CREATE TABLE none(a INT, b VARCHAR(9))", "INSERT INTO none VALUES(1,'x'),(2,'y')",
         "CREATE TABLE longu(id INT PRIMARY KEY, u VARCHAR(5000), v INT, UNIQUE(u))",
         "CREATE TABLE over_(id INT PRIMARY KEY, a INT, s DATE, e DATE, PERIOD FOR p(s,e), "
         "UNIQUE(a, p WITHOUT OVERLAPS))",
         "CREATE TABLE ver(id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
         "CREATE TABLE gen(id INT PRIMARY KEY, a INT, g INT AS (a % 10) VIRTUAL, UNIQUE(g))",
         "CREATE TABLE part(id INT PRIMARY KEY, v INT) PARTITION BY HASH(id) PARTITIONS 4",
         "CREATE TABLE nullu(a INT, b INT, UNIQUE(a))",
         "CREATE TABLE `Qu``oted é`(id INT PRIMARY KEY, `c``é` INT, UNIQUE(`c``é`))",
         "CREATE TABLE hidden(id INT INVISIBLE PRIMARY KEY AUTO_INCREMENT, a INT)",
         "INSERT INTO ver VALUES(1,0),(2,0)", "INSERT INTO longu VALUES(1,'one',0),(2,'two',0)",
         "INSERT INTO over_ VALUES(9,9,'2020-01-01','2020-02-01')",
         "INSERT INTO nullu VALUES(1,1),(NULL,2),(NULL,3)"},
        {{"UPDATE none SET b='z' WHERE a=1", "UPDATE none SET b='w' WHERE a=1"},
         {"UPDATE none SET b='z' WHERE a=1", "DELETE FROM none WHERE a=1"},
         {"UPDATE none SET b='z' WHERE a=1", "UPDATE none SET b='w' WHERE a=2", kNone},
         {"INSERT INTO longu VALUES(10,'abc',0)", "INSERT INTO longu VALUES(11,'ABC ',0)"},
         {"INSERT INTO longu VALUES(10,'abc',0)", "INSERT INTO longu VALUES(11,'abd',0)", kNone},
         {"UPDATE longu SET v=1 WHERE id=1", "UPDATE longu SET v=1 WHERE id=2", kNone},
         {"INSERT INTO over_ VALUES(1,1,'2024-01-01','2024-03-01')",
          "INSERT INTO over_ VALUES(2,1,'2024-02-01','2024-04-01')"},
         {"UPDATE over_ SET s='2020-01-02' WHERE id=9",
          "INSERT INTO over_ VALUES(2,1,'2024-02-01','2024-04-01')", Expect::kAnyway},
         {"UPDATE ver SET v=1 WHERE id=1", "UPDATE ver SET v=2 WHERE id=1"},
         {"UPDATE ver SET v=1 WHERE id=1", "UPDATE ver SET v=2 WHERE id=2", kNone},
         {"INSERT INTO gen(id,a) VALUES(1,5)", "INSERT INTO gen(id,a) VALUES(2,15)"},
         {"INSERT INTO gen(id,a) VALUES(1,5)", "INSERT INTO gen(id,a) VALUES(2,16)", kNone},
         {"INSERT INTO part VALUES(1,1)", "INSERT INTO part VALUES(1,2)"},
         {"INSERT INTO part VALUES(1,1)", "INSERT INTO part VALUES(5,2)", kNone},
         {"UPDATE nullu SET b=9 WHERE b=2", "UPDATE nullu SET b=8 WHERE b=2"},
         {"UPDATE nullu SET b=9 WHERE b=2", "UPDATE nullu SET b=8 WHERE b=3", kNone},
         {"INSERT INTO nullu VALUES(5,1)", "INSERT INTO nullu VALUES(5,2)"},
         {"INSERT INTO `Qu``oted é` VALUES(1,5)", "INSERT INTO `Qu``oted é` VALUES(2,5)"},
         {"INSERT INTO `Qu``oted é` VALUES(1,5)", "INSERT INTO `Qu``oted é` VALUES(2,6)", kNone},
         {"INSERT INTO hidden(id,a) VALUES(7,1)", "INSERT INTO hidden(id,a) VALUES(7,2)"}});
  }

  TEST_CASE("DDL meets rows of its table only") {
    run_sql(ServerPair::instance().client(), "CREATE TABLE ddl(id INT PRIMARY KEY)");
    KeyMaker maker(nullptr);
    const std::vector<RowKey> keys = maker.keys_of({"INSERT INTO ddl VALUES(1)"});
    EXPECT(keys_conflict(keys, certifier::ddl_keys("rows", "DDL")));
    EXPECT(keys_conflict(keys, certifier::ddl_keys("rows", "")));
    EXPECT_FALSE(keys_conflict(keys, certifier::ddl_keys("rows", "ddl2")));
    EXPECT_FALSE(keys_conflict(keys, certifier::ddl_keys("rows2", "")));
    EXPECT_FALSE(keys_conflict(keys, certifier::ddl_keys("", "")));
    EXPECT(keys_conflict(certifier::ddl_keys("rows", "ddl"), certifier::ddl_keys("rows", "")));
  }

  TEST_CASE("definitions") {
    MYSQL* client = ServerPair::instance().client();
    run_sql(client, "CREATE DATABASE `dé-f`");
    run_sql(client, "CREATE TABLE `dé-f`.`p/1 x`(id INT PRIMARY KEY, s TEXT, e ENUM('a'))");
    run_sql(client,
            "CREATE TABLE def_child(id INT PRIMARY KEY, p INT, "
            "FOREIGN KEY fk(p) REFERENCES `dé-f`.`p/1 x`(id) ON DELETE SET NULL)");
    run_sql(client, "CREATE VIEW def_view AS SELECT 1");
    run_sql(client, "CREATE SEQUENCE def_sequence");
    run_sql(client, "CREATE TABLE def_aria(id INT PRIMARY KEY) ENGINE=Aria");
    const auto load = [&](const char* schema, const char* table) {
      return proxy::load_table_definition(client, {schema, table});
    };
    const auto parent = load("dé-f", "p/1 x");
    REQUIRE(parent.ok());
    REQUIRE(parent->referenced_by.size() == 1);
    EXPECT(parent->referenced_by[0].child == TableRef{"rows", "def_child"});
    EXPECT(parent->referenced_by[0].cascades_on_delete);
    EXPECT_FALSE(parent->referenced_by[0].cascades_on_update);
    EXPECT(parent->columns.at(1).is_text);
    EXPECT(parent->columns.at(1).collation_id != 0);
    EXPECT_FALSE(parent->columns.at(2).is_text);
    const auto child = load("rows", "def_child");
    REQUIRE(child.ok());
    REQUIRE(child->foreign_keys.size() == 1);
    EXPECT(child->foreign_keys[0].parent == TableRef{"dé-f", "p/1 x"});
    EXPECT(child->is_transactional);
    EXPECT_FALSE(load("rows", "def_aria")->is_transactional);
    EXPECT(load("rows", "def_sequence")->is_sequence);
    for (const char* name : {"def_view", "def_nothing"}) {
      const auto missing = load("rows", name);
      REQUIRE_FALSE(missing.ok());
      EXPECT(missing.error().code == static_cast<int>(proxy::CatalogError::kTableMissing));
    }
  }
}

TEST_SUITE("mysql_keys") {
  TEST_CASE("keys with expressions, prefixes, and columns that nobody sees") {
    run_sql(ServerPair::instance().client(), "SET sql_generate_invisible_primary_key=1");
    run_sql(ServerPair::instance().client(), "CREATE TABLE gipk(v INT)");
    run_sql(ServerPair::instance().client(), "SET sql_generate_invisible_primary_key=0");
    check_meetings(
        nullptr,
        {"CREATE TABLE fx(id INT PRIMARY KEY, v VARCHAR(20), w INT, UNIQUE KEY e((LOWER(v))))",
         "CREATE TABLE fx2(id INT PRIMARY KEY, a INT, b INT, UNIQUE KEY e(a,(ABS(b)) DESC))",
         "CREATE TABLE fx3(id INT PRIMARY KEY, Ab INT, `Él` INT, w INT, g INT AS (w+1) VIRTUAL, "
         "UNIQUE KEY e((aB+1)), UNIQUE KEY f((`éL`+1)), KEY h((g+1)))",
         "INSERT INTO fx2 VALUES(1,1,1)", "INSERT INTO fx3(id,Ab,`Él`,w) VALUES(1,1,1,1)",
         "CREATE TABLE mv(id INT PRIMARY KEY, j JSON, UNIQUE KEY e((CAST(j->'$.a' AS UNSIGNED "
         "ARRAY))))",
         "CREATE TABLE fxonly(v INT, w INT, UNIQUE KEY e((v+1)))",
         "CREATE TABLE pre(id INT PRIMARY KEY, t TEXT, b BLOB, UNIQUE(t(3)), UNIQUE(b(2)))",
         "CREATE TABLE des(id INT, v INT, PRIMARY KEY(id DESC))",
         "CREATE TABLE inv(id INT PRIMARY KEY, u INT INVISIBLE UNIQUE, k INT, UNIQUE KEY ik(k) "
         "INVISIBLE)",
         "CREATE TABLE gen(id INT PRIMARY KEY, a INT, g INT AS (a % 10) VIRTUAL, UNIQUE(g))",
         "CREATE TABLE eq_types(a DECIMAL(9,3), b BIT(12), c ENUM('x','y'), d DATETIME(3), e YEAR, "
         "f TIME(2), g TIMESTAMP(4), h SET('p','q'), PRIMARY KEY(a,b,c,d,e,f,g,h))",
         "INSERT INTO gipk VALUES(1),(1)", "INSERT INTO fx VALUES(1,'one',0),(2,'two',0)",
         "INSERT INTO fxonly VALUES(1,1),(2,2)"},
        {{"INSERT INTO fx VALUES(10,'ab',0)", "INSERT INTO fx VALUES(11,'AB',0)"},
         {"UPDATE fx SET v='ab' WHERE id=1", "UPDATE fx SET v='AB' WHERE id=2"},
         // What its expressions name stays as it is.
         {"UPDATE fx SET w=1 WHERE id=1", "UPDATE fx SET w=1 WHERE id=2", kNone},
         {"UPDATE fx SET w=1 WHERE id=1", "INSERT INTO fx VALUES(11,'AB',0)", kNone},
         {"UPDATE fx SET w=1 WHERE id=1", "UPDATE fx SET w=2 WHERE id=1"},
         {"UPDATE fx2 SET a=2 WHERE id=1", "INSERT INTO fx2 VALUES(11,2,-1)"},
         {"UPDATE fx3 SET Ab=2 WHERE id=1", "INSERT INTO fx3(id,Ab,`Él`,w) VALUES(11,2,0,0)"},
         {"UPDATE fx3 SET `Él`=2 WHERE id=1", "INSERT INTO fx3(id,Ab,`Él`,w) VALUES(11,0,2,0)"},
         {"UPDATE fx3 SET w=2 WHERE id=1", "INSERT INTO fx3(id,Ab,`Él`,w) VALUES(11,2,2,0)", kNone},
         {"DELETE FROM fx WHERE id=1", "DELETE FROM fx WHERE id=2", kNone},
         {"INSERT INTO fx2 VALUES(10,1,5)", "INSERT INTO fx2 VALUES(11,1,-5)"},
         {"INSERT INTO mv VALUES(10,'{\"a\":[1,2]}')", "INSERT INTO mv VALUES(11,'{\"a\":[2,3]}')"},
         {"INSERT INTO fxonly VALUES(7,1)", "INSERT INTO fxonly VALUES(7,2)"},
         {"UPDATE fxonly SET w=5 WHERE v=1", "UPDATE fxonly SET w=6 WHERE v=1"},
         {"INSERT INTO pre VALUES(1,'abcd','a')", "INSERT INTO pre VALUES(2,'ABCe','b')"},
         {"INSERT INTO pre VALUES(1,'abcd','a')", "INSERT INTO pre VALUES(2,'abd','b')", kNone},
         {"INSERT INTO pre VALUES(1,'a','xyz')", "INSERT INTO pre VALUES(2,'b','xya')"},
         {"INSERT INTO des VALUES(1,1)", "INSERT INTO des VALUES(1,2)"},
         {"INSERT INTO des VALUES(1,1)", "INSERT INTO des VALUES(2,2)", kNone},
         {"INSERT INTO inv(id,u) VALUES(1,5)", "INSERT INTO inv(id,u) VALUES(2,5)"},
         {"INSERT INTO inv(id,k) VALUES(1,5)", "INSERT INTO inv(id,k) VALUES(2,5)"},
         {"INSERT INTO inv(id,k) VALUES(1,5)", "INSERT INTO inv(id,k) VALUES(2,6)", kNone},
         {"INSERT INTO gen(id,a) VALUES(1,5)", "INSERT INTO gen(id,a) VALUES(2,15)"},
         {"INSERT INTO gen(id,a) VALUES(1,5)", "INSERT INTO gen(id,a) VALUES(2,16)", kNone},
         {"UPDATE gipk SET v=2 WHERE my_row_id=1", "UPDATE gipk SET v=3 WHERE my_row_id=2", kNone},
         {"UPDATE gipk SET v=2 WHERE my_row_id=1", "DELETE FROM gipk WHERE my_row_id=1"},
         {"INSERT INTO eq_types VALUES(1.5,3,'x','2024-01-01 00:00:00.5',2024,'1:2:3.45',"
          "'2024-01-01 00:00:00.1234','p,q')",
          "INSERT INTO eq_types VALUES(1.50,b'11',1,'2024-01-01 00:00:00.500',24,'01:02:03.45',"
          "'2024-01-01 00:00:00.1234',3)"},
         {"INSERT INTO eq_types VALUES(1.5,3,'x','2024-01-01 00:00:00.5',2024,'1:2:3.45',"
          "'2024-01-01 00:00:00.1234','p,q')",
          "INSERT INTO eq_types VALUES(1.5,3,'x','2024-01-01 00:00:00.5',2024,'1:2:3.45',"
          "'2024-01-01 00:00:00.1235','p,q')",
          kNone}});
  }

  TEST_CASE("texts") {
    const auto weights = proxy::load_collation_weights(ServerPair::instance().client());
    REQUIRE(weights.ok());
    REQUIRE(weights.value()->find("utf8mb4_0900_ai_ci") != nullptr);
    REQUIRE(weights.value()->find("latin1_swedish_ci") != nullptr);
    check_meetings(
        weights->get(),
        {"CREATE TABLE x1(id INT PRIMARY KEY, a VARCHAR(20), UNIQUE(a)) COLLATE utf8mb4_0900_ai_ci",
         "CREATE TABLE x2(id INT PRIMARY KEY, a VARCHAR(20), UNIQUE(a)) COLLATE utf8mb4_0900_as_cs",
         "CREATE TABLE x3(id INT PRIMARY KEY, a VARCHAR(20), UNIQUE(a)) COLLATE utf8mb4_0900_bin",
         "CREATE TABLE x4(id INT PRIMARY KEY, a VARCHAR(20), UNIQUE(a)) COLLATE "
         "utf8mb4_da_0900_ai_ci",
         "CREATE TABLE x5(id INT PRIMARY KEY, a VARCHAR(20), UNIQUE(a)) COLLATE "
         "utf8mb4_hu_0900_ai_ci",
         "CREATE TABLE x6(id INT PRIMARY KEY, a VARCHAR(20), UNIQUE(a(3))) COLLATE "
         "utf8mb4_0900_ai_ci",
         "INSERT INTO x5 VALUES(1,'one'),(2,'two')"},
        {{"INSERT INTO x1 VALUES(1,'ab')", "INSERT INTO x1 VALUES(2,'cd')", kNone},
         {"INSERT INTO x1 VALUES(1,'ab')", "INSERT INTO x1 VALUES(2,'ÄB')"},
         {"INSERT INTO x1 VALUES(1,'ab')", "INSERT INTO x1 VALUES(2,'äc')", kNone},
         {"INSERT INTO x1 VALUES(1,'straße')", "INSERT INTO x1 VALUES(2,'STRASSE')"},
         {"INSERT INTO x1 VALUES(1,'é')", "INSERT INTO x1 VALUES(2,CONCAT('e',_utf16 x'0301'))"},
         {"INSERT INTO x1 VALUES(1,'ab')",
          "INSERT INTO x1 VALUES(2,CONCAT('a',_utf16 x'200b','b'))"},
         {"INSERT INTO x1 VALUES(1,'ab')", "INSERT INTO x1 VALUES(2,CONCAT('a','\\0','b'))"},
         {"INSERT INTO x1 VALUES(1,'日本')", "INSERT INTO x1 VALUES(2,'中国')", kNone},
         {"INSERT INTO x1 VALUES(1,'日本')", "INSERT INTO x1 VALUES(2,'日本')"},
         {"INSERT INTO x1 VALUES(1,'a')", "INSERT INTO x1 VALUES(2,'a ')", Expect::kAnyway},
         {"INSERT INTO x2 VALUES(1,'é')", "INSERT INTO x2 VALUES(2,CONCAT('e',_utf16 x'0301'))"},
         {"INSERT INTO x2 VALUES(1,'ab')", "INSERT INTO x2 VALUES(2,'ac')", kNone},
         {"INSERT INTO x3 VALUES(1,'ab')", "INSERT INTO x3 VALUES(2,'AB')", kNone},
         {"INSERT INTO x3 VALUES(1,'é')", "INSERT INTO x3 VALUES(2,'é')"},
         {"INSERT INTO x4 VALUES(1,'aa')", "INSERT INTO x4 VALUES(2,'å')"},
         {"INSERT INTO x4 VALUES(1,'aa')", "INSERT INTO x4 VALUES(2,'bb')", kNone},
         {"INSERT INTO x5 VALUES(10,'accs')", "INSERT INTO x5 VALUES(11,'acscs')"},
         {"UPDATE x5 SET id=7 WHERE a='one'", "UPDATE x5 SET id=8 WHERE a='two'", kNone},
         {"INSERT INTO x6 VALUES(1,'éèê1')", "INSERT INTO x6 VALUES(2,'EEE2')"},
         {"INSERT INTO x6 VALUES(1,'éè1')", "INSERT INTO x6 VALUES(2,'EE2')", kNone}});
  }

  TEST_CASE("foreign keys, cascades, and definitions") {
    MYSQL* client = ServerPair::instance().client();
    check_meetings(
        nullptr,
        {"CREATE TABLE p(id INT PRIMARY KEY, v INT)",
         "CREATE TABLE c(id INT PRIMARY KEY, p INT, v INT, FOREIGN KEY(p) REFERENCES p(id) ON "
         "DELETE CASCADE ON UPDATE CASCADE)",
         "INSERT INTO p VALUES(1,0),(2,0),(3,0)", "INSERT INTO c VALUES(1,1,0),(2,2,0)"},
        {{"DELETE FROM p WHERE id=1", "UPDATE c SET v=1 WHERE id=1"},
         {"DELETE FROM p WHERE id=3", "INSERT INTO c VALUES(9,3,0)"},
         {"UPDATE p SET v=9 WHERE id=1", "UPDATE c SET v=1 WHERE id=1", kNone},
         {"INSERT INTO c VALUES(10,1,0)", "INSERT INTO c VALUES(11,1,0)", kNone}});
    run_sql(client, "CREATE DATABASE `dé-f`");
    run_sql(client, "CREATE TABLE `dé-f`.`p/1 x`(id INT PRIMARY KEY, s TEXT, e ENUM('a'))");
    run_sql(client,
            "CREATE TABLE def_child(id INT PRIMARY KEY, p INT, "
            "FOREIGN KEY fk(p) REFERENCES `dé-f`.`p/1 x`(id) ON DELETE SET NULL)");
    run_sql(client, "CREATE TABLE def_myisam(id INT PRIMARY KEY) ENGINE=MyISAM");
    run_sql(client, "CREATE VIEW def_view AS SELECT 1");
    const auto parent = proxy::load_table_definition(client, {"dé-f", "p/1 x"});
    REQUIRE(parent.ok());
    REQUIRE(parent->referenced_by.size() == 1);
    EXPECT(parent->referenced_by[0].child == TableRef{"rows", "def_child"});
    EXPECT(parent->referenced_by[0].cascades_on_delete);
    EXPECT_FALSE(parent->referenced_by[0].cascades_on_update);
    EXPECT(parent->columns.at(1).collation_id == 255);
    const auto child = proxy::load_table_definition(client, {"rows", "def_child"});
    REQUIRE(child.ok());
    REQUIRE(child->foreign_keys.size() == 1);
    EXPECT(child->foreign_keys[0].parent == TableRef{"dé-f", "p/1 x"});
    EXPECT_FALSE(proxy::load_table_definition(client, {"rows", "def_myisam"})->is_transactional);
    EXPECT_FALSE(proxy::load_table_definition(client, {"rows", "def_view"}).ok());
    run_sql(client, "SET show_gipk_in_create_table_and_information_schema=OFF");
    const auto hidden = proxy::load_table_definition(client, {"rows", "gipk"});
    REQUIRE(hidden.ok());
    EXPECT(hidden->columns.size() == 2);
    EXPECT(hidden->unique_keys.size() == 1);
  }
}

}  // namespace
}  // namespace consort::test
