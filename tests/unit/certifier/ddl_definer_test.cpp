#include "certifier/ddl_definer.h"

#include <string>
#include <utility>
#include <vector>

#include "tests/support/test.h"

namespace consort::certifier {

TEST_SUITE("certifier") {
  TEST_CASE("with_definer: makes the definer of stored objects explicit") {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"CREATE VIEW v AS SELECT 1", "CREATE DEFINER=`u`@`h%` VIEW v AS SELECT 1"},
        {"create or replace view v as select 1",
         "create or replace DEFINER=`u`@`h%` view v as select 1"},
        {"CREATE ALGORITHM = MERGE SQL SECURITY INVOKER VIEW v AS SELECT 1",
         "CREATE ALGORITHM = MERGE DEFINER=`u`@`h%` SQL SECURITY INVOKER VIEW v AS SELECT 1"},
        {"/* c */ CREATE -- x\n TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @a=1",
         "/* c */ CREATE -- x\n DEFINER=`u`@`h%` TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET "
         "@a=1"},
        {"CREATE PROCEDURE p() SELECT 1", "CREATE DEFINER=`u`@`h%` PROCEDURE p() SELECT 1"},
        {"CREATE AGGREGATE FUNCTION f() RETURNS INT BEGIN RETURN 1; END",
         "CREATE DEFINER=`u`@`h%` AGGREGATE FUNCTION f() RETURNS INT BEGIN RETURN 1; END"},
        {"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
         "CREATE DEFINER=`u`@`h%` EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1"},
        {"ALTER VIEW v AS SELECT 2", "ALTER DEFINER=`u`@`h%` VIEW v AS SELECT 2"},
        {"ALTER EVENT e DISABLE", "ALTER DEFINER=`u`@`h%` EVENT e DISABLE"},
        {"CREATE OR REPLACE DEFINER = CURRENT_USER PROCEDURE p() SELECT 1",
         "CREATE OR REPLACE DEFINER = `u`@`h%` PROCEDURE p() SELECT 1"},
        {"CREATE ALGORITHM=MERGE DEFINER=current_user ( ) VIEW v AS SELECT 1",
         "CREATE ALGORITHM=MERGE DEFINER=`u`@`h%` VIEW v AS SELECT 1"},
        {"/*!50106 CREATE*/ /*!50117 DEFINER=CURRENT_USER()*/ /*!50106 EVENT e DO SELECT 1 */",
         "/*!50106 CREATE*/ /*!50117 DEFINER=`u`@`h%`*/ /*!50106 EVENT e DO SELECT 1 */"},
        {"/*!50001 CREATE VIEW v AS SELECT 1 */",
         "/*!50001 CREATE DEFINER=`u`@`h%` VIEW v AS SELECT 1 */"},
        {"CREATE /*!50799 DEFINER=a@b */ VIEW v AS SELECT 1",  // which MariaDB does not execute
         "CREATE /*!50799 DEFINER=a@b */ DEFINER=`u`@`h%` VIEW v AS SELECT 1"},
        {"CREATE /*! */ /*M!100100 VIEW*/ v AS SELECT 1",
         "CREATE /*! */ /*M!100100 DEFINER=`u`@`h%` VIEW*/ v AS SELECT 1"},
    };
    for (const auto& [sql, wanted] : cases) {
      EXPECT(with_definer(sql, "u@h%") == wanted);
    }
  }

  TEST_CASE("with_definer: leaves everything else alone") {
    const std::vector<std::string> same = {
        "CREATE DEFINER=a@b VIEW v AS SELECT 1",
        "/*!50106 CREATE*/ /*!50117 DEFINER=a@b*/ /*!50106 EVENT e DO SELECT 1 */",
        "CREATE TABLE view (a INT)",
        "CREATE FUNCTION f RETURNS STRING SONAME 'f.so'",
        "ALTER PROCEDURE p COMMENT 'x'",
        "ALTER TABLE t ADD COLUMN view INT",
        "DROP VIEW v",
        "/*!50001 DROP VIEW v */",
        "GRANT ALL ON *.* TO u",
        "",
        "CREATE",
        "CREATE 'unfinished",
    };
    for (const std::string& sql : same) {
      EXPECT(with_definer(sql, "u@h") == sql);
    }
    EXPECT(with_definer("CREATE VIEW v AS SELECT 1", "") == "CREATE VIEW v AS SELECT 1");
  }

  TEST_CASE("with_definer: says so where servers would disagree about the definer") {
    for (const std::string_view sql :
         {"CREATE /*!101100 DEFINER=a@b */ VIEW v AS SELECT 1", "/*M!110800 CREATE */ VIEW v",
          "CREATE DEFINER=CURRENT_ROLE PROCEDURE p() SELECT 1"}) {
      CAPTURE(sql);
      EXPECT_FALSE(with_definer(sql, "u@h").has_value());
    }
  }
}

}  // namespace consort::certifier
