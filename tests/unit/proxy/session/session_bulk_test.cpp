// COM_STMT_BULK_EXECUTE, and executions of what was prepared last.
#include "proxy/session/session_core.h"
#include "tests/unit/proxy/session/prepare_script.h"

namespace consort::proxy {
namespace {

using protocol::Command;
constexpr std::string_view kInsert = "INSERT INTO t VALUES (?)";
constexpr std::uint64_t kAble = SessionScript::kClient | protocol::capability::kMariadbStmtBulk;

struct BulkScript : SessionScript {
  explicit BulkScript(std::uint64_t capabilities = kAble)
      : SessionScript({0xC1, 3, 16, {}}, capabilities) {}

  /// Two rows of one INT; 128 sends the type, too.
  void bulk(std::uint32_t client_id, std::uint16_t flags) {
    Buffer argument;
    append_le<4>(argument, client_id);
    append_le<2>(argument, flags);
    if ((flags & 128) != 0) {
      append_le<2>(argument, 3);
    }
    for (int i = 0; i < 2; ++i) {
      append_le<1>(argument, 0);
      append_le<4>(argument, 5);
    }
    command(Command::kStmtBulkExecute, argument);
  }
};

TEST_SUITE("session") {
  TEST_CASE("SessionCore: a bulk execution is one autocommit write") {
    BulkScript script;
    prepare_at_home(script, kInsert, 7, 1);
    script.bulk(1, 128);
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "BULK 7 with types", "XA END", "XA PREPARE"}));
    script.backend_ok(Channel::kHome);
    protocol::OkPacket ok;
    ok.affected_rows = 2;
    script.backend_ok(Channel::kHome, ok);
    script.backend_ok(Channel::kHome);
    script.backend_ok_gtid();
    EXPECT(script.answer().empty());
    script.outcome(BranchVerdict::kCommitted, 10);
    EXPECT(script.answer() == "OK 2");
    script.bulk(1, 0);  // the home has seen the types
    EXPECT(script.sent(Channel::kHome)[1] == "BULK 7");
  }

  TEST_CASE("SessionCore: a bulk execution is run again elsewhere, with its types") {
    BulkScript script;
    prepare_at_home(script, kInsert, 7, 1);
    script.query("BEGIN");
    script.bulk(1, 128);
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.query("ROLLBACK");
    script.sent(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.backend_ok(Channel::kHome);
    script.bulk(1, 0);
    EXPECT(script.sent(Channel::kHome)[1] == "BULK 7");
    script.lose(Channel::kHome);
    script.statements.clear();
    script.home = BackendId{1};
    script.core.on_retry_due();
    EXPECT(script.sent(Channel::kHome) == Texts{std::string(kInsert)});
    answer_prepare(script, Channel::kHome, 9, 1);
    EXPECT((script.sent(Channel::kHome) ==
            Texts{"XA START", "BULK 9 with types", "XA END", "XA PREPARE"}));
  }

  TEST_CASE("SessionCore: what is wrong with a bulk execution") {
    BulkScript unable(SessionScript::kClient);
    prepare_at_home(unable, kInsert, 7, 1);
    unable.bulk(1, 128);
    EXPECT(unable.answer() == "ERR 1295");
    BulkScript script;
    prepare_at_home(script, kInsert, 7, 1);
    script.bulk(2, 128);
    EXPECT(script.answer() == "ERR 1243");
    script.bulk(1, 0);
    EXPECT(script.answer() == "ERR 1210");  // of which types?
    const std::uint8_t torn[] = {1, 0, 0, 0, 128};
    script.command(Command::kStmtBulkExecute, torn);
    EXPECT(script.answer() == "ERR 1835");
    script.command(Command::kStmtBulkExecute, {});
    EXPECT(script.answer() == "ERR 1835");
    EXPECT(script.core.idle());
  }

  TEST_CASE("SessionCore: the statement prepared last, unless that failed") {
    constexpr std::uint32_t kLast = protocol::kLastPreparedId;
    BulkScript script;
    prepare_at_home(script, "SELECT 1 FROM t", 7);
    script.statements.clear();
    execute(script, kLast);
    EXPECT(script.sent(Channel::kRead) == Texts{"SELECT 1 FROM t"});
    answer_prepare(script, Channel::kRead, 5);
    EXPECT(script.sent(Channel::kRead) == Texts{"EXECUTE 5"});
    script.backend_rows(Channel::kRead);
    script.command(Command::kStmtPrepare, as_bytes("SELEC"));
    script.backend_error(Channel::kHome, 1064);
    execute(script, kLast);
    EXPECT(script.answer() == "ERR 1243");
  }

  TEST_CASE("SessionCore: commands that a server knows, and others") {
    struct Row {
      int command;
      std::uint8_t argument;
      std::string_view outcome;
    };

    constexpr Row kRows[] = {
        {0x00, 0, "ERR 1047"},   {0x04, 0, "home"},     {0x05, 'd', "ERR 1047"},
        {0x06, 'd', "ERR 1047"}, {0x07, 4, "home"},     {0x07, 64, "ERR 1235"},
        {0x07, 128, "ERR 1235"}, {0x08, 0, "ERR 1235"}, {0x09, 0, "home"},
        {0x0A, 0, "home"},       {0x0B, 0, "ERR 1047"}, {0x0D, 0, "home"},
        {0x0F, 0, "ERR 1047"},   {0x12, 0, "ERR 1235"}, {0x13, 0, "ERR 1047"},
        {0x15, 0, "ERR 1235"},   {0x1D, 0, "ERR 1047"}, {0x1E, 0, "ERR 1047"},
        {0x20, 0, "ERR 1047"},   {0xFE, 0, "ERR 1047"}, {0xFF, 0, "ERR 1047"},
    };
    for (const Row& row : kRows) {
      CAPTURE(row.command);
      SessionScript script;
      const std::uint8_t argument[] = {row.argument};
      script.command(static_cast<Command>(row.command), argument);
      const bool sent = script.sent(Channel::kHome).size() == 1;
      EXPECT((sent ? "home" : script.answer()) == row.outcome);
    }
  }
}

}  // namespace
}  // namespace consort::proxy
