#include "router/altered_rows.h"

#include <string>

#include "tests/support/test.h"

using namespace consort::router;

namespace {

std::string told(std::string_view sql) {
  const AlteredRows rows = altered_rows(sql, {});
  return std::string(rows.numbered ? "numbered " : "") + (rows.thinned_out ? "thinned_out " : "") +
         rows.own_value;
}

}  // namespace

TEST_SUITE("route") {
  TEST_CASE("altered_rows: what every server does alike") {
    for (const char* sql :
         {"ALTER TABLE t ADD a INT, ADD INDEX (a), DROP COLUMN b",
          "ALTER TABLE t ADD a DATETIME DEFAULT NOW(), ADD b TIMESTAMP(6) DEFAULT "
          "CURRENT_TIMESTAMP(6)",
          "ALTER TABLE t ADD a INT DEFAULT 5 CHECK (uuid_of(a) > 1), ADD b INT DEFAULT -1",
          "ALTER TABLE t ADD COLUMN a VARCHAR(36) DEFAULT 'UUID()' COMMENT '(RAND())'",
          "ALTER TABLE t ADD a JSON DEFAULT (JSON_OBJECT('a', CAST(1 AS CHAR(10))))",
          "ALTER TABLE t ADD a INT DEFAULT (b + 1) REFERENCES p(id)",
          "ALTER TABLE t AUTO_INCREMENT = 5", "ALTER TABLE t ENGINE=InnoDB AUTO_INCREMENT 5",
          "ALTER TABLE t ALTER a SET DEFAULT (UUID()), ADD b INT",
          "ALTER TABLE t MODIFY a CHAR(36) DEFAULT (UUID())", "ALTER TABLE `ignore` ADD a INT"}) {
      CAPTURE(sql);
      EXPECT(told(sql).empty());
    }
  }

  TEST_CASE("altered_rows: numbered rows") {
    for (const char* sql : {"ALTER TABLE t ADD id INT NOT NULL AUTO_INCREMENT PRIMARY KEY",
                            "alter online table t modify id int auto_increment",
                            "ALTER TABLE t ADD (a INT, id INT AUTO_INCREMENT, KEY (id))",
                            "ALTER TABLE t CHANGE a id INT AUTO_INCREMENT, AUTO_INCREMENT=100",
                            "ALTER TABLE t ADD id SERIAL"}) {
      CAPTURE(sql);
      EXPECT(told(sql) == "numbered ");
    }
  }

  TEST_CASE("altered_rows: rows that are left out") {
    EXPECT(told("ALTER IGNORE TABLE t ADD UNIQUE (a)") == "thinned_out ");
    EXPECT(told("ALTER ONLINE IGNORE TABLE t ADD id INT AUTO_INCREMENT KEY") ==
           "numbered thinned_out ");
  }

  TEST_CASE("altered_rows: values that are a server's, an account's or a row's own") {
    struct Row {
      const char* column;
      const char* found;
    };

    for (const Row& row : {Row{"u CHAR(36) DEFAULT (UUID())", "UUID"},
                           {"u CHAR(36) DEFAULT uuid()", "uuid"},
                           {"u INT DEFAULT (1 + @@server_id)", "@@server_id"},
                           {"u INT DEFAULT (@a)", "@a"},
                           {"u TEXT DEFAULT (CONCAT('x', CURRENT_USER))", "CURRENT_USER"},
                           {"u TEXT DEFAULT CURRENT_USER", "CURRENT_USER"},
                           {"u TEXT DEFAULT CURRENT_USER()", "CURRENT_USER"},
                           {"u DATETIME DEFAULT (SYSDATE())", "SYSDATE"},
                           {"u INT DEFAULT NEXT VALUE FOR s", "NEXT"},
                           {"u INT DEFAULT (NEXTVAL(s))", "NEXTVAL"},
                           {"u INT DEFAULT (s.nextval)", "nextval"},
                           {"u INT DEFAULT (`f`(1))", "`f`"},
                           {"u INT DEFAULT (load_file('x'))", "load_file"},
                           {"(a INT DEFAULT 1, u INT DEFAULT (CONNECTION_ID()))", "CONNECTION_ID"},
                           {"a INT DEFAULT 1, ADD u DOUBLE DEFAULT (ABS(RAND()))", "RAND"}}) {
      CAPTURE(row.column);
      EXPECT(told("ALTER TABLE d.t ADD " + std::string(row.column)) == row.found);
    }
  }
}
