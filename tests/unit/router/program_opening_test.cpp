#include "router/program_opening.h"

#include <string>

#include "tests/support/test.h"

using namespace consort::router;

namespace {

/// "commits", "rolls back", "calls d.q", "?", with ", handled".
std::string opening(std::string_view body, std::string_view parameters = "n INT, OUT o INT") {
  const ProgramOpening opening = program_opening(body, parameters, {});
  std::string said = opening.deed == FirstDeed::kCommits     ? "commits"
                     : opening.deed == FirstDeed::kRollsBack ? "rolls back"
                     : opening.deed == FirstDeed::kCalls
                         ? "calls " + opening.called.schema + "." + opening.called.name
                         : "?";
  return said + (opening.handled ? ", handled" : "");
}

}  // namespace

TEST_SUITE("route") {
  TEST_CASE("program_opening: what ends the transaction first") {
    for (const char* body :
         {"COMMIT", "commit work", "BEGIN START TRANSACTION READ ONLY; SELECT 1; COMMIT; END",
          "BEGIN COMMIT; END", "TRUNCATE TABLE t", "l: BEGIN DROP TABLE a; END l",
          "BEGIN CREATE OR REPLACE TABLE a (b INT); END", "BEGIN NOT ATOMIC COMMIT; END",
          "BEGIN DECLARE a, b INT DEFAULT 5; DECLARE c CURSOR FOR SELECT 1 FROM t; COMMIT; END",
          "BEGIN DECLARE a CONDITION FOR 1062; RENAME TABLE a TO b; END",
          "BEGIN DECLARE d DATETIME DEFAULT NOW(); SET d = CURDATE(), n = n + 1; COMMIT; END",
          "BEGIN SET o = 0; SET @a = 'x', @b := NULL; GRANT SELECT ON d.* TO a; END",
          "BEGIN LOOP START TRANSACTION; END LOOP; END", "REPEAT COMMIT; UNTIL 1 END REPEAT",
          "BEGIN BEGIN DECLARE v VARCHAR(20) DEFAULT CONCAT('a', n); COMMIT; END; END"}) {
      CAPTURE(body);
      EXPECT(opening(body) == "commits");
    }
    EXPECT(opening("ROLLBACK") == "rolls back");
    EXPECT(opening("BEGIN ROLLBACK WORK; INSERT t VALUES (1); END") == "rolls back");
  }

  TEST_CASE("program_opening: what does something before, or may do it") {
    for (const char* body : {"",
                             "BEGIN END",
                             "INSERT INTO t VALUES (1)",
                             "BEGIN SELECT 1; COMMIT; END",
                             "BEGIN IF n THEN COMMIT; END IF; END",
                             "BEGIN WHILE n DO COMMIT; END WHILE; END",
                             "BEGIN SET n = (SELECT MAX(a) FROM t); COMMIT; END",
                             "BEGIN SET n = f(1); COMMIT; END",
                             "BEGIN DECLARE a INT DEFAULT NEXTVAL(s); COMMIT; END",
                             "BEGIN DECLARE a INT DEFAULT s.nextval; COMMIT; END",
                             "BEGIN DECLARE a INT DEFAULT NEXT VALUE FOR s; COMMIT; END",
                             "BEGIN DECLARE a INT DEFAULT GET_LOCK('a', 1); COMMIT; END",
                             "BEGIN DECLARE a TYPE OF t.a; COMMIT; END",
                             "BEGIN SET n = LAST_INSERT_ID(); COMMIT; END",
                             "BEGIN SET n = @@in_transaction; COMMIT; END",
                             "BEGIN SET n = ROW_COUNT(); COMMIT; END",
                             "BEGIN SET @a = @a + 1; COMMIT; END",
                             "BEGIN SET @a = n; COMMIT; END",
                             "BEGIN SET n = (@a := 1); COMMIT; END",
                             "BEGIN SET autocommit = 0; COMMIT; END",
                             "BEGIN SET SESSION sql_mode = ''; COMMIT; END",
                             "BEGIN SET @@x = 1; COMMIT; END",
                             "BEGIN SET unknown = 1; COMMIT; END",
                             "BEGIN SET NAMES latin1; COMMIT; END",
                             "BEGIN ROLLBACK TO SAVEPOINT a; END",
                             "BEGIN ROLLBACK WORK TO a; END",
                             "BEGIN COMMIT AND CHAIN; END",
                             "BEGIN SAVEPOINT a; COMMIT; END",
                             "CREATE TEMPORARY TABLE t (a INT)",
                             "CREATE OR REPLACE TEMPORARY TABLE t (a INT)",
                             "DROP TEMPORARY TABLE t",
                             "BEGIN DROP PREPARE s; COMMIT; END",
                             "BEGIN OPEN c; COMMIT; END",
                             "BEGIN EXECUTE IMMEDIATE 'COMMIT'; END",
                             "BEGIN COMMIT; EXCEPTION WHEN OTHERS THEN INSERT t VALUES (1); END",
                             "BEGIN /*!999999 INSERT t VALUES (1); */ COMMIT; END",
                             "BEGIN COMMIT 'unended"}) {
      CAPTURE(body);
      EXPECT(opening(body) == "?");
    }
  }

  TEST_CASE("program_opening: parameters and variables may be set, settings may not") {
    EXPECT(opening("BEGIN SET autocommit = 0; COMMIT; END", "autocommit INT") == "commits");
    EXPECT(opening("BEGIN DECLARE `a b` INT; SET `a b` = 1; COMMIT; END", "") == "commits");
    EXPECT(opening("BEGIN SET n = 1; COMMIT; END", "") == "?");
  }

  TEST_CASE("program_opening: what it calls decides, if its arguments are plain") {
    EXPECT(opening("CALL q") == "calls .q");
    EXPECT(opening("BEGIN SET o = 1; CALL d.`Q`(n, 'a', @b, NULL); COMMIT; END") == "calls d.Q");
    EXPECT(opening("BEGIN CALL q(); END") == "calls .q");
    EXPECT(opening("BEGIN CALL q((SELECT 1 FROM t)); END") == "?");
    EXPECT(opening("BEGIN CALL q(f()); END") == "?");
  }

  TEST_CASE("program_opening: a handler is passed over, and told of") {
    for (const char* handler :
         {"EXIT HANDLER FOR SQLEXCEPTION ROLLBACK", "CONTINUE HANDLER FOR NOT FOUND SET n = 1",
          "EXIT HANDLER FOR SQLSTATE VALUE '23000', 1062, SQLWARNING INSERT t VALUES (1)",
          "EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; IF n THEN RESIGNAL; END IF; END",
          "EXIT HANDLER FOR SQLSTATE '23000' BEGIN CASE n WHEN 1 THEN ROLLBACK; END CASE; "
          "SET n = CASE n WHEN 1 THEN 2 END; BEGIN END; END"}) {
      CAPTURE(handler);
      EXPECT(opening("BEGIN DECLARE " + std::string(handler) + "; START TRANSACTION; END") ==
             "commits, handled");
    }
    EXPECT(opening("BEGIN DECLARE EXIT HANDLER FOR 1062 IF n THEN ROLLBACK; END IF; COMMIT; END") ==
           "?, handled");
    EXPECT(opening("BEGIN COMMIT; BEGIN DECLARE EXIT HANDLER FOR 1062 SET n = 1; END; END") ==
           "commits");
  }

  TEST_CASE("program_opening: what stands in front may depend on parameters") {
    const auto is_constant = [](std::string_view body) {
      return program_opening(body, "n INT", {}).constant;
    };
    EXPECT(
        is_constant("BEGIN DECLARE a INT DEFAULT 5; SET n = LENGTH('abc'), @b = 1; COMMIT; END"));
    EXPECT_FALSE(is_constant("BEGIN DECLARE a INT DEFAULT n; COMMIT; END"));
    EXPECT_FALSE(is_constant("BEGIN DECLARE a INT; SET n = a; COMMIT; END"));
    EXPECT_FALSE(is_constant("BEGIN SET n = @a; COMMIT; END"));
    EXPECT_FALSE(is_constant("BEGIN CALL q(n); END"));
  }

  TEST_CASE("has_plain_arguments: of a CALL") {
    for (const char* call : {"CALL p", "CALL p()", "/* a */ CALL `d`.p (1, 'b', @c, ?, -1.5);",
                             "call p(NOW(), NULL)"}) {
      CAPTURE(call);
      EXPECT(has_plain_arguments(call, {}));
    }
    for (const char* call :
         {"CALL p((SELECT 1 FROM t))", "CALL p(f(1))", "CALL p(NEXTVAL(s))", "CALL p(@a := 1)",
          "CALL p(ROW_COUNT())", "SELECT 1", "CALL p(1", "CALL p(1) x"}) {
      CAPTURE(call);
      EXPECT_FALSE(has_plain_arguments(call, {}));
    }
  }

  TEST_CASE("call_question: evaluates what is given, and gives one argument too many") {
    const auto question = [](std::string_view call, std::string_view parameters) {
      return call_question(call, parameters, {}).value_or("none");
    };
    EXPECT(question("CALL p", "") == "BEGIN NOT ATOMIC CALL p(NULL); END");
    EXPECT(question("call d.`p` ();", "") == "BEGIN NOT ATOMIC call d.`p`(NULL); END");
    EXPECT(question("CALL p(1, CONCAT('a,', 'b'), @o)",
                    "IN n DECIMAL(10, 2) UNSIGNED, `a b` ENUM('x', ','), OUT o INT") ==
           "BEGIN NOT ATOMIC DECLARE `consort 0` DECIMAL(10, 2) UNSIGNED DEFAULT (1); "
           "DECLARE `consort 1` ENUM('x', ',') DEFAULT (CONCAT('a,', 'b')); "
           "CALL p(1,CONCAT('a,', 'b'),@o,NULL); END");
    EXPECT(question("CALL p(@a)", "n INT") ==
           "BEGIN NOT ATOMIC DECLARE `consort 0` INT DEFAULT (@a); CALL p(@a,NULL); END");
    EXPECT(question("CALL p(@a)", "INOUT n INT") ==
           "BEGIN NOT ATOMIC DECLARE `consort 0` INT DEFAULT (@a); CALL p(@a,NULL); END");
    for (const char* parameters : {"OUT n INT", "INOUT n INT"}) {
      EXPECT(question("CALL p(1)", parameters) == "none");
      EXPECT(question("CALL p(@a + 1)", parameters) == "none");
    }
    EXPECT(question("CALL p(?)", "n INT") == "none");
    EXPECT(question("CALL p(1, 2)", "n INT") == "none");
    EXPECT(question("CALL p()", "n INT") == "none");
    EXPECT(question("CALL p(1)", "n ENUM('\xE4')") == "none");
  }
}
