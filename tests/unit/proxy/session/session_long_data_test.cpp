// COM_STMT_SEND_LONG_DATA: kept until the execution, sent to whichever backend executes.
#include "proxy/session/session_core.h"
#include "tests/unit/proxy/session/prepare_script.h"

namespace consort::proxy {
namespace {

using protocol::Command;
constexpr std::uint16_t kBlob = 0xFC;

/// Prepares `sql` on the home as its statement 7. The client knows it as 1.
void prepare(SessionScript& script, std::string_view sql) {
  prepare_at_home(script, sql, 7, 1);
}

void long_data(SessionScript& script, std::string_view data, std::uint16_t parameter = 0) {
  Buffer argument{1, 0, 0, 0};
  append_le<2>(argument, parameter);
  append(argument, data);
  script.command(Command::kStmtSendLongData, argument);
  REQUIRE(script.answer().empty());
  REQUIRE(script.core.idle());
}

/// With types, without any value: that came before.
void execute(SessionScript& script) {
  Buffer argument{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  append_le<2>(argument, kBlob);
  script.command(Command::kStmtExecute, argument);
}

/// Bound as a number of eight bytes, or as a date (its length 0: none).
void execute_number(SessionScript& script, std::uint8_t type, std::uint8_t client_id = 1) {
  Buffer argument{client_id, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, type, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  script.command(Command::kStmtExecute, argument);
}

void reset(SessionScript& script) {
  const std::uint8_t id[] = {1, 0, 0, 0};
  script.command(Command::kStmtReset, id);
}

constexpr std::string_view kInsertBlob = "INSERT INTO t VALUES (?)";

TEST_SUITE("session") {
  TEST_CASE("SessionCore: long data goes in front of its execution, once") {
    SessionScript script;
    prepare(script, kInsertBlob);
    long_data(script, "ab");
    long_data(script, "cd");
    EXPECT(script.sent(Channel::kHome).empty());
    execute(script);
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "LONG DATA 7/0 abcd", "EXECUTE 7", "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    EXPECT(script.answer() == "OK");
    // Whoever executes it next on that connection must find nothing of it.
    execute(script);
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"RESET 7", "XA START", "EXECUTE 7", "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: a retried execution has its long data") {
    SessionScript script;
    prepare(script, kInsertBlob);
    long_data(script, "ab");
    execute(script);
    script.sent(Channel::kHome);
    script.lose(Channel::kHome);
    script.statements.clear();  // the next connection knows nothing
    script.core.on_retry_due();
    EXPECT(script.sent(Channel::kHome) == Texts{std::string(kInsertBlob)});
    answer_prepare(script, Channel::kHome, 9, 1);
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "LONG DATA 9/0 ab", "EXECUTE 9", "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: aborted by the lane while a statement is prepared again") {
    SessionScript script;
    prepare(script, "UPDATE t SET v=?");
    script.statements.clear();
    script.query("BEGIN");
    script.query("UPDATE t SET v=1");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_error(Channel::kHome, 1399);
    script.backend_ok(Channel::kHome);
    script.answer();
    execute(script);
    EXPECT(script.sent(Channel::kHome) == Texts{"UPDATE t SET v=?"});
    script.core.on_abort_branch();
    script.backend_error(Channel::kHome, 1317);
    EXPECT(script.answer() == "ERR 1213");
    EXPECT((script.sent(Channel::kHome) == Texts{"XA END", "XA ROLLBACK"}));
    EXPECT_FALSE(script.core.in_transaction());
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: long data of a read goes to the reader, in a transaction to the home") {
    SessionScript script;
    prepare(script, "SELECT ? FROM t");
    long_data(script, "ab");
    execute(script);
    EXPECT((script.sent(Channel::kRead) == Texts{"LONG DATA 7/0 ab", "EXECUTE 7"}));
    script.backend_rows(Channel::kRead);
    script.query("BEGIN");
    long_data(script, "cd");
    execute(script);
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"RESET 7", "XA START", "LONG DATA 7/0 cd", "EXECUTE 7"}));
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    execute(script);
    EXPECT((script.sent(Channel::kHome) == Texts{"RESET 7", "EXECUTE 7"}));
    script.backend_ok(Channel::kHome);
    script.backend_rows(Channel::kHome);
    execute(script);
    EXPECT((script.sent(Channel::kHome) == Texts{"EXECUTE 7"}));
  }

  TEST_CASE("SessionCore: a parameter that was a number before does not become long data") {
    // The server takes long data for such a value, until the statement is prepared again.
    SessionScript script;
    prepare(script, "SELECT ? FROM t");
    execute_number(script, 0x08);
    EXPECT(script.sent(Channel::kRead) == Texts{"EXECUTE 7"});
    script.backend_rows(Channel::kRead);
    execute(script);  // bound as text in between, perhaps on another connection
    EXPECT(script.sent(Channel::kRead) == Texts{"EXECUTE 7"});
    script.backend_rows(Channel::kRead);
    long_data(script, "ab");
    execute(script);
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT ? FROM t"});
    answer_prepare(script, Channel::kRead, 8, 1);
    EXPECT((script.sent(Channel::kRead) == Texts{"LONG DATA 8/0 ab", "EXECUTE 8"}));
    script.backend_rows(Channel::kRead);
    long_data(script, "cd");
    execute(script);
    EXPECT((script.sent(Channel::kRead) == Texts{"RESET 8", "LONG DATA 8/0 cd", "EXECUTE 8"}));
  }

  TEST_CASE("SessionCore: what another statement of the same text bound counts as well") {
    SessionScript script;
    prepare(script, "SELECT ? FROM t");
    script.command(Command::kStmtPrepare, as_bytes("SELECT ? FROM t"));
    script.sent(Channel::kHome);
    answer_prepare(script, Channel::kHome, 9, 1);
    execute_number(script, 0x0C, 2);
    EXPECT(script.sent(Channel::kRead) == Texts{"EXECUTE 9"});
    script.backend_rows(Channel::kRead);
    long_data(script, "ab");
    execute(script);
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT ? FROM t"});
  }

  TEST_CASE("SessionCore: long data beside a number is executed at once") {
    SessionScript script;
    prepare_at_home(script, "SELECT ?, ? FROM t", 7, 2);
    for (const char* reset : {"", "RESET 7"}) {
      long_data(script, "ab", 1);
      Buffer argument{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0x08, 0};
      append_le<2>(argument, kBlob);
      append_le<8>(argument, 5);
      script.command(Command::kStmtExecute, argument);
      Texts expected{"LONG DATA 7/1 ab", "EXECUTE 7"};
      if (*reset != '\0') {
        expected.insert(expected.begin(), reset);
      }
      EXPECT(script.sent(Channel::kRead) == expected);
      script.backend_rows(Channel::kRead);
    }
  }

  TEST_CASE("SessionCore: COM_STMT_RESET forgets long data") {
    SessionScript script;
    prepare(script, "SELECT ? FROM t");
    long_data(script, "ab");
    reset(script);
    EXPECT(script.answer() == "OK");
    execute(script);
    EXPECT((script.sent(Channel::kRead) == Texts{"EXECUTE 7"}));
  }

  TEST_CASE("SessionCore: wrong long data fails each execution until COM_STMT_RESET") {
    SessionScript script;
    prepare(script, "SELECT ? FROM t");
    long_data(script, "ab", 1);
    execute(script);
    EXPECT(script.answer() == "ERR 1210");
    execute(script);
    EXPECT(script.answer() == "ERR 1210");
    reset(script);
    execute(script);
    EXPECT((script.sent(Channel::kRead) == Texts{"EXECUTE 7"}));
  }

  TEST_CASE("SessionCore: long data of all statements together has a limit") {
    SessionScript script({0xC1, 3, 16, {}, 10});
    prepare(script, "SELECT ? FROM t");
    for (int round = 0; round < 3; ++round) {
      long_data(script, "0123456789");
      execute(script);
      const Texts sent = script.sent(Channel::kRead);
      EXPECT(sent.back() == "EXECUTE 7");
      if (sent.front() == "RESET 7") {
        script.backend_ok(Channel::kRead);
      }
      script.backend_rows(Channel::kRead);
    }
    long_data(script, "012345");
    long_data(script, "67890");
    execute(script);
    EXPECT(script.answer() == "ERR 1105");
    reset(script);
    long_data(script, "0123456789");
    execute(script);
    EXPECT(script.sent(Channel::kRead).back() == "EXECUTE 7");
  }

  TEST_CASE("SessionCore: long data for no statement is ignored") {
    SessionScript script;
    long_data(script, "ab");
    EXPECT(script.answer().empty());
    script.query("SELECT 1 FROM t");
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT 1 FROM t"});
  }
}

}  // namespace
}  // namespace consort::proxy
