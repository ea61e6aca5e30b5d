#include "proxy/commit/routine_book.h"

#include <string>
#include <tuple>
#include <vector>

#include "tests/support/test.h"

namespace consort::proxy {
namespace {

using healthcheck::SqlRows;

/// A book with one backend that is asked by hand.
class Book {
 public:
  struct Asked {
    std::string sql;
    std::string mysql;  ///< of a server of that brand
    std::function<void(Result<SqlRows>)> told;
  };

  void ask(const std::string& name) { book.on_question({{0, 1, 1}, ++number, "d", name}); }

  /// The oldest question's answer; nullptr: there is no such procedure.
  void tell(const char* body) {
    REQUIRE_FALSE(asked.empty());
    const Asked first = asked.front();
    asked.erase(asked.begin());
    SqlRows rows;
    if (body != nullptr) {
      rows.rows.push_back(
          {std::string("STRICT_TRANS_TABLES"), std::string(body), std::string("n INT")});
    }
    first.told(rows);
  }

  /// What sessions were told since the last look: "branch ", "alone ", "text ", with ! when it
  /// holds only once.
  std::string told() {
    std::string text;
    for (const CallAnswer& answer : std::exchange(answers, {})) {
      text += answer.known.verdict == CallVerdict::kBranch           ? "branch"
              : answer.known.verdict == CallVerdict::kAlone          ? "alone"
              : answer.known.verdict == CallVerdict::kAloneRenames   ? "renames"
              : answer.known.verdict == CallVerdict::kAloneTemporary ? "temporary"
                                                                     : "text";
      last = answer.known;
      text += answer.generation == 0 ? "! " : " ";
    }
    return text;
  }

  /// How the procedure begins that was told of last.
  [[nodiscard]] std::string opening() const {
    return std::string(last.opening == CallOpening::kCommits     ? "commits"
                       : last.opening == CallOpening::kRollsBack ? "rolls back"
                                                                 : "uncertain") +
           (last.handled ? ", handled" : "") + (last.parameters ? " of " + *last.parameters : "");
  }

  std::vector<Asked> asked;
  std::vector<CallAnswer> answers;
  CallKnowledge last;
  AppliedPositions positions;
  Seqno applied{10};
  std::uint32_t number = 0;
  RoutineBook book{RoutineBookParts{
      [this](BackendId,
             const std::function<std::string(ServerKind)>& sql,
             std::function<void(Result<SqlRows>)> told) {
        asked.push_back({sql(ServerKind::kMariadb), sql(ServerKind::kMysql), std::move(told)});
        return true;
      },
      positions,
      [this](Seqno seqno) { return seqno <= applied ? std::optional(BackendId{1}) : std::nullopt; },
      [this](CallAnswer answer) { answers.push_back(std::move(answer)); }}};
};

certifier::Ddl ddl(const char* sql) {
  certifier::Ddl made;
  made.sql = sql;
  return made;
}

TEST_SUITE("commit") {
  TEST_CASE("RoutineBook: asks for a body once, and knows it then") {
    Book book;
    book.ask("P");
    book.ask("p");
    REQUIRE(book.asked.size() == 1);
    EXPECT(book.asked[0].sql.find("mysql.proc") != std::string::npos);
    EXPECT(book.asked[0].mysql.find("FROM information_schema.ROUTINES") != std::string::npos);
    EXPECT(book.told().empty());
    book.tell("BEGIN COMMIT; END");
    EXPECT(book.told() == "alone alone ");
    book.ask("p");
    EXPECT(book.told() == "alone ");
    EXPECT(book.asked.empty());
  }

  TEST_CASE("RoutineBook: a procedure does what those do that it calls") {
    Book book;
    book.ask("p");
    book.tell("BEGIN CALL q(); CALL p(); END");
    EXPECT(book.told().empty());
    REQUIRE(book.asked.size() == 1);
    EXPECT(book.asked[0].sql.find('q') != std::string::npos);
    book.tell("BEGIN TRUNCATE t; END");
    EXPECT(book.told() == "alone ");
    book.ask("q");
    EXPECT(book.told() == "alone ");
  }

  TEST_CASE("RoutineBook: tells what names an account by a host's name") {
    Book book;
    book.ask("p");
    book.tell("BEGIN COMMIT; CALL q(); END");
    book.tell("BEGIN GRANT r TO u@localhost; END");
    EXPECT(book.told() == "alone ");
    EXPECT_FALSE(book.last.names_host);
    book.book.forget(Seqno{});
    book.ask("p");
    book.tell("BEGIN COMMIT; CALL q(); END");
    book.tell("BEGIN GRANT r TO u@web1; END");
    EXPECT(book.told() == "alone ");
    EXPECT(book.last.names_host);
  }

  TEST_CASE("RoutineBook: tells what renames tables, and what makes temporary ones") {
    for (const auto& [body, verdict] :
         {std::pair{"BEGIN COMMIT; RENAME TABLE a TO b; END", "renames "},
          std::pair{"BEGIN COMMIT; EXECUTE IMMEDIATE 'RENAME TABLE a TO b'; END", "renames "},
          std::pair{"BEGIN CREATE TEMPORARY TABLE t (a INT); COMMIT; END", "temporary "},
          std::pair{"BEGIN CREATE TEMPORARY TABLE t (a INT); END", "branch "}}) {
      Book book;
      book.ask("p");
      book.tell(body);
      CAPTURE(body);
      EXPECT(book.told() == verdict);
    }
  }

  TEST_CASE("RoutineBook: tells what a procedure does first, or what it calls first does") {
    for (const auto& [body, called, opening] :
         {std::tuple{"BEGIN SET n = 1; COMMIT; END", "", "commits"},
          std::tuple{"BEGIN SET m = 1; COMMIT; END", "", "uncertain"},
          std::tuple{"BEGIN UPDATE t SET a=1; COMMIT; END", "", "uncertain"},
          std::tuple{"BEGIN CALL q(n); COMMIT; END", "TRUNCATE t", "commits"},
          std::tuple{"BEGIN CALL q(); COMMIT; END", "ROLLBACK", "rolls back"},
          std::tuple{"BEGIN CALL q(); COMMIT; END", "INSERT t VALUES (1)", "uncertain"},
          std::tuple{"BEGIN CALL q(); COMMIT; END", "CALL q()", "uncertain"},
          std::tuple{"BEGIN CALL q(); COMMIT; END",
                     "BEGIN DECLARE EXIT HANDLER FOR 1062 SET n = 2; COMMIT; END",
                     "commits, handled of n INT"},
          std::tuple{"BEGIN CALL q(n); COMMIT; END",
                     "BEGIN DECLARE EXIT HANDLER FOR 1062 SET n = 2; COMMIT; END",
                     "commits, handled"}}) {
      Book book;
      book.ask("p");
      book.tell(body);
      if (!book.asked.empty()) {
        book.tell(called);
      }
      CAPTURE(body);
      CAPTURE(called);
      EXPECT(book.told() == "alone ");
      EXPECT(book.opening() == opening);
    }
  }

  TEST_CASE("RoutineBook: what others could not be told of stays in its branch") {
    for (const char* body : {"BEGIN COMMIT; XA START 'a'; END", "BEGIN COMMIT; CALL q(); END",
                             "BEGIN CREATE TEMPORARY TABLE t (a INT); RENAME TABLE t TO u; END",
                             "BEGIN UPDATE t SET a=1; END"}) {
      Book book;
      book.ask("p");
      book.tell(body);
      if (!book.asked.empty()) {
        book.tell("BEGIN SET sql_log_bin=0; END");
      }
      CAPTURE(body);
      EXPECT(book.told() == "branch ");
    }
    Book book;
    book.ask("p");
    book.tell(nullptr);
    EXPECT(book.told() == "branch ");
    book.ask("q");
    book.tell("EXECUTE IMMEDIATE @a");
    EXPECT(book.told() == "text ");
  }

  TEST_CASE("RoutineBook: forgets what DDL may have changed, and asks who has applied that") {
    Book book;
    book.ask("p");
    book.tell("BEGIN COMMIT; END");
    (void)book.told();
    const auto generation = book.positions.routines.load();
    book.book.on_ddl(ddl("ALTER TABLE t ADD a INT"), Seqno{11});
    EXPECT(book.positions.routines.load() == generation);
    book.book.on_ddl(ddl("CREATE OR REPLACE Procedure p() SELECT 1"), Seqno{12});
    EXPECT(book.positions.routines.load() > generation);
    book.ask("p");
    EXPECT(book.asked.empty());
    book.applied = Seqno{12};
    book.book.process();
    REQUIRE(book.asked.size() == 1);
    book.tell("SELECT 1");
    EXPECT(book.told() == "branch ");
  }

  TEST_CASE("RoutineBook: a copy of a sequence would give other servers' numbers") {
    Book book;
    book.ask("p");
    book.tell("CREATE TABLE t LIKE s");
    EXPECT(book.told() == "alone ");
    book.positions.sequences.add("d", "s");
    book.book.on_ddl(ddl("CREATE SEQUENCE s"), Seqno{5});
    book.ask("p");
    book.tell("CREATE TABLE t LIKE s");
    EXPECT(book.told() == "branch ");
    book.ask("q");
    book.tell("CREATE TABLE t LIKE other.s");
    EXPECT(book.told() == "alone ");
  }

  TEST_CASE("RoutineBook: says before it runs what reads may call then") {
    Book book;
    book.ask("p");
    book.tell("BEGIN COMMIT; CREATE TABLE t (a INT); END");
    EXPECT_FALSE(book.positions.functions_made.load());
    book.ask("q");
    book.tell("CREATE FUNCTION f() RETURNS INT RETURN 1");
    EXPECT(book.told() == "alone alone ");
    EXPECT(book.positions.functions_made.load());
    EXPECT_FALSE(book.positions.triggers_made.load());
  }

  TEST_CASE("RoutineBook: an answer that a change has overtaken counts for nothing") {
    Book book;
    book.ask("p");
    book.book.on_ddl(ddl("DROP DATABASE d"), Seqno{9});
    book.tell("BEGIN COMMIT; END");
    EXPECT(book.told().empty());
    book.book.process();
    book.tell(nullptr);
    EXPECT(book.told() == "branch ");
  }

  TEST_CASE("RoutineBook: a backend that could not tell is asked again") {
    Book book;
    book.ask("p");
    const Book::Asked first = book.asked.front();
    book.asked.clear();
    first.told(Error{1, "lost"});
    EXPECT(book.told().empty());
    book.book.process();
    book.tell("COMMIT");
    EXPECT(book.told() == "alone ");
  }
}

}  // namespace
}  // namespace consort::proxy
