// SessionCore: several statements in one query. Each is classified, routed and committed by itself,
// as a command of its own; the client sees one command with several results.
#include "base/check.h"
#include "protocol/lenenc.h"
#include "protocol/packet_writer.h"
#include "proxy/session/session_core.h"
#include "proxy/session/statement_rules.h"
#include "router/sql_lexer.h"

namespace consort::proxy {

using protocol::Command;
using router::Flag;
using router::Statement;
using router::StatementKind;

namespace {

constexpr std::uint16_t kMultiStatementsOn = 0;
constexpr std::uint16_t kMultiStatementsOff = 1;
/// Statements of a program's body, behind which its end is looked for.
constexpr int kLookAheadMax = 64;

/// No statement can begin like this: the server finds a syntax error here, and shows the text from
/// there on.
bool surely_wrong(const Statement& first) {
  return first.kind == StatementKind::kEmpty ||
         (first.kind == StatementKind::kUnknown && first.tables.empty());
}

bool defines_program(const Statement& statement) {
  using router::DdlObject;
  const DdlObject object = statement.ddl.object;
  return statement.kind == StatementKind::kDdl &&
         (object == DdlObject::kRoutine || object == DdlObject::kProcedure ||
          object == DdlObject::kTrigger || object == DdlObject::kEvent ||
          object == DdlObject::kOther);
}

/// Behind the `;` that seems to end a stored program's definition something follows that only its
/// body can hold: it has blocks without BEGIN, which the scan does not follow.
bool cuts_a_program(const Statement& first, const router::LexerOptions& options) {
  if (!defines_program(first)) {
    return false;
  }
  std::string_view rest = first.rest;
  for (int i = 0; i < kLookAheadMax && !rest.empty(); ++i) {
    const router::Token token = router::SqlLexer(rest, options).next();
    if (token.is(router::Keyword::kEnd) || token.is("ELSE") || token.is("ELSEIF") ||
        token.is("UNTIL")) {
      return true;
    }
    rest = router::classify(rest, options).rest;
  }
  return false;
}

}  // namespace

void SessionCore::on_next_statement() {
  CHECK(next_statement_due());
  if (creates_select()) {
    go_on_create_select();
    return;
  }
  begin_command();
  reply_sequence_ = 1;
  run_next_statement();
}

void SessionCore::run_text(std::string_view sql) {
  CHECK(idle());
  begin_command();
  reply_sequence_ = 1;
  multi_.begin(sql, reply_sequence_);
  run_next_statement();
}

void SessionCore::run_next_statement() {
  const std::string_view text = multi_.rest();
  // Now, not all at the beginning: a statement may change what the next one's quotes mean.
  const Statement statement = router::classify(text, lexer_options());
  const bool several = another_follows(statement);
  if (several && statement.has(Flag::kUncertain)) {
    reply_error(protocol::not_supported_error(
        "several statements in one query where it is uncertain where one ends"));
    return;
  }
  const bool whole =
      several && (surely_wrong(statement) || cuts_a_program(statement, lexer_options()));
  std::string_view sql = text;
  std::string_view rest;
  if (several && !whole) {
    rest = statement.rest;
    sql.remove_suffix(rest.size() + 1);
  }
  multi_.advance_to(rest);
  command_.clear();
  const std::uint8_t next = protocol::append_command(command_, Command::kQuery, as_bytes(sql));
  command_sequence_ = static_cast<std::uint8_t>(next - 1);
  if (whole) {
    run_unseparated(sql, statement, JobKind::kQuery);
  } else {
    run_query(sql, several ? router::classify(sql, lexer_options()) : statement);
  }
}

// The server takes the text for one statement: it finds a syntax error, or it knows better than our
// lexer where the first one ends (the body of a stored program, say). Nothing but the beginning of
// the text has been looked at.
void SessionCore::run_unseparated(std::string_view sql, const Statement& first, JobKind kind) {
  Statement whole;
  whole.digest = first.digest;
  if (is_ordered(first.kind)) {
    whole = first;
    whole.tables = {};  // there may be more
    whole.flags.clear(Flag::kMultiStatement);
  } else {
    whole.kind = StatementKind::kUnknown;
    whole.flags.set(Flag::kTouchesTables);
  }
  run_statement(whole, sql, kind);
}

void SessionCore::set_option(Bytes argument) {
  protocol::Reader reader(argument);
  const std::uint16_t option = reader.at_end() ? kMultiStatementsOn : reader.u16();
  if (option != kMultiStatementsOn && option != kMultiStatementsOff) {
    reply_error(protocol::unknown_command_error());
    return;
  }
  multi_statements_ = option == kMultiStatementsOn;
  protocol::OkPacket ok;
  ok.status = status_bits();
  transaction_tracker_.on_rows();  // its EOF packet counts as such
  if ((owner_.capabilities & protocol::capability::kDeprecateEof) != 0) {
    transaction_tracker_.tell(ok.changes);
  } else if (transaction_tracker_.due()) {
    ok.status |= protocol::status_flag::kSessionStateChanged;
    transaction_tracker_.on_untold();
  }
  scratch_.clear();
  protocol::append_ok(scratch_, ok, owner_.capabilities, reply_sequence_, protocol::OkHeader::kEof);
  tell_client({scratch_});
  finish_command();
}

}  // namespace consort::proxy
