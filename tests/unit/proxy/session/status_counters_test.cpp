#include "proxy/session/status_counters.h"

#include "router/classify.h"
#include "tests/support/test.h"

namespace {

using namespace consort;
using namespace consort::proxy;
using router::StatementKind;

StatusUse use(std::string_view sql) {
  return status_use(sql, router::classify(sql, {}), {});
}

}  // namespace

TEST_SUITE("proxy/session") {
  TEST_CASE("StatusCounters: which statements they concern") {
    for (const char* const sql : {"SHOW STATUS", "show /* c */ session status LIKE 'Com%'",
                                  "SHOW LOCAL STATUS WHERE Value > 0"}) {
      EXPECT((use(sql) == StatusUse::kShow));
    }
    for (const char* const sql : {"FLUSH STATUS", "FLUSH LOCAL STATUS", "FLUSH HOSTS, STATUS"}) {
      EXPECT((use(sql) == StatusUse::kFlush));
    }
    for (const char* const sql :
         {"SHOW GLOBAL STATUS", "SHOW TABLE STATUS", "SHOW ENGINE INNODB STATUS", "FLUSH TABLES",
          "SELECT 'STATUS'", "SHOW"}) {
      EXPECT((use(sql) == StatusUse::kNone));
    }
  }

  TEST_CASE("StatusCounters: Consort's own statements do not count") {
    StatusCounters counters;
    EXPECT_FALSE(counters.count());
    counters.begin();
    EXPECT(counters.count());
    EXPECT(counters.shown("Questions", "7") == "7");
    for (const char* const sql :
         {"XA START 'a','',1", "START TRANSACTION", "XA END 'a','',1", "XA PREPARE 'a','',1"}) {
      counters.note_own(sql, true);
    }
    EXPECT(counters.shown("Questions", "7") == "3");
    EXPECT(counters.shown("Com_begin", "1") == "0");
    EXPECT(counters.shown("Com_xa_start", "1") == "0");
    EXPECT(counters.shown("Handler_prepare", "4") == "2");
    EXPECT(counters.shown("Handler_commit", "2") == "2");
    EXPECT(counters.shown("Questions", "3") == "0");  // never below
    EXPECT(counters.shown("Questions", "x") == "x");
    counters.note_unchanged();
    EXPECT(counters.shown("Handler_prepare", "3") == "2");
    counters.note_own("CALL consort.mark_branch()", false);
    EXPECT(counters.shown("Com_insert", "3") == "2");
    EXPECT(counters.shown("Com_call_procedure", "1") == "0");
    counters.begin();
    EXPECT(counters.shown("Handler_prepare", "4") == "4");
    counters.end();
    EXPECT_FALSE(counters.count());
  }

  TEST_CASE("StatusCounters: what is added between two looks is Consort's") {
    StatusCounters counters;
    counters.begin();
    const auto rows = [](std::string_view read, std::string_view threads) {
      return std::vector<OwnResult::Row>{{"Rows_read", read}, {"Threads_connected", threads}};
    };
    counters.begin_steps(rows("5", "1"), {false, true});
    counters.note_own("XA START 'a','',1", true);
    counters.note_unchanged();
    counters.end_steps(rows("12", "3"));
    EXPECT(counters.shown("Rows_read", "13") == "6");
    EXPECT(counters.shown("Threads_connected", "3") == "3");
    EXPECT(counters.shown("Com_xa_start", "1") == "1");
    EXPECT(counters.shown("Questions", "4") == "2");
    EXPECT(counters.shown("Com_create_table", "1") == "1");
    EXPECT(counters.shown("Com_create_temporary_table", "1") == "0");
    EXPECT(counters.shown("Handler_commit", "1") == "2");
    EXPECT(counters.shown("Handler_prepare", "0") == "2");
    EXPECT(counters.shown("Rows_tmp_read", "2") == "0");
    counters.note_own("XA END 'a','',1", true);  // again as ever
    EXPECT(counters.shown("Com_xa_end", "1") == "0");
    counters.begin();
    counters.begin_steps(rows("5", "1"), {true, false});
    counters.end_steps({});  // it could not be had
    EXPECT(counters.shown("Rows_read", "13") == "13");
    EXPECT(counters.shown("Com_create_table", "0") == "1");
    EXPECT(counters.shown("Handler_prepare", "0") == "0");
  }

  TEST_CASE("StatusCounters: a client's COMMIT counts, though its branch is committed elsewhere") {
    StatusCounters counters;
    counters.begin();
    counters.note_answered(StatementKind::kBegin);
    counters.note_own("XA START 'a','',1", false);
    counters.note_own("START TRANSACTION", false);
    counters.note_answered(StatementKind::kCommit);
    counters.note_own("XA END 'a','',1", false);
    counters.note_own("XA PREPARE 'a','',1", false);
    counters.note_answered(StatementKind::kSelect);  // a server has had it
    EXPECT(counters.shown("Com_begin", "1") == "1");
    EXPECT(counters.shown("Com_commit", "0") == "1");
    EXPECT(counters.shown("Handler_commit", "2") == "4");
    EXPECT(counters.shown("Handler_prepare", "4") == "4");
    EXPECT(counters.shown("Questions", "5") == "3");
  }
}
