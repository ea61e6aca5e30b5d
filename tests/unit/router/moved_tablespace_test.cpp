#include "router/moved_tablespace.h"

#include "tests/support/test.h"

using namespace consort::router;

namespace {

bool moves(std::string_view sql) {
  return moves_tablespace(sql, classify(sql), {});
}

}  // namespace

TEST_SUITE("route") {
  TEST_CASE("moves_tablespace: a table's file that comes or goes") {
    for (const char* sql : {"ALTER TABLE t DISCARD TABLESPACE", "alter table d.t import tablespace",
                            "ALTER TABLE IF EXISTS `t` WAIT 3 /* c */ IMPORT /* d */ TABLESPACE",
                            "ALTER TABLE t DISCARD PARTITION p0, p1 TABLESPACE",
                            "ALTER TABLE t /*!50000 DISCARD */ TABLESPACE"}) {
      CAPTURE(sql);
      EXPECT(moves(sql));
    }
  }

  TEST_CASE("moves_tablespace: everything else stays where it is") {
    for (const char* sql :
         {"ALTER TABLE t TABLESPACE s", "ALTER TABLE t ADD discard INT, TABLESPACE = import",
          "ALTER TABLE t COMMENT 'DISCARD TABLESPACE'", "ALTER TABLE t ADD `import` INT",
          "ALTER TABLE `import` TRUNCATE PARTITION p", "SELECT 'ALTER TABLE t DISCARD TABLESPACE'",
          "ALTER TABLESPACE x", "CREATE TABLE t (a INT) TABLESPACE x",
          "ALTER TABLE t DROP PARTITION p"}) {
      CAPTURE(sql);
      EXPECT(!moves(sql));
    }
  }
}
