// SHOW, KILL, FLUSH, LOCK, EXECUTE and table maintenance.
#include "router/classify.h"

namespace consort::router {
namespace {

/// Words behind SHOW that speak of one server, or of one connection's past.
constexpr std::string_view kServerLocalWords[] = {
    "STATUS",
    "PROCESSLIST",
    "ENGINE",
    "MASTER",
    "BINARY",
    "BINLOG",
    "SLAVE",
    "RELAYLOG",
    "REPLICA",
    "REPLICAS",
    "SLAVES",
    "ALL",
    "OPEN",
    "PROFILE",
    "PROFILES",
    "EXPLAIN",
    "INDEX_STATISTICS",
    "USER_STATISTICS",
    "CLIENT_STATISTICS",
    "TABLE_STATISTICS",
    "LOCALES",
    "CONTRIBUTORS",
    "MUTEX",
    "HOST_CACHE",
    "QUERY_RESPONSE_TIME",
};

bool is_server_local(const Token& token) {
  for (const std::string_view word : kServerLocalWords) {
    if (token.is(word)) {
      return true;
    }
  }
  return false;
}

bool parse_number(std::string_view text, std::uint64_t& value) {
  constexpr std::size_t kDigitsMax = 19;
  if (text.empty() || text.size() > kDigitsMax) {
    return false;
  }
  value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return false;
    }
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

/// `text` is `()`.
bool is_empty_call(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t open = text.find_first_not_of(kBlanks);
  return open != text.npos && text[open] == '(' && !text.empty() && text.back() == ')' &&
         text.find_first_not_of(kBlanks, open + 1) == text.size() - 1;
}

}  // namespace

// The words in front decide; the rest may hold any expression (SHOW .. WHERE f(x)).
void classify_show(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kShow;
  if (scan.token().is("COUNT")) {  // COUNT(*) WARNINGS
    out.flags.set(Flag::kDiagnostics);
    scan.advance();
  }
  constexpr int kWordsMax = 2;  // SHOW [FULL | GLOBAL | ..] <subject>
  for (int i = 0; i < kWordsMax && scan.token().is(TokenKind::kWord); ++i) {
    if (scan.token().is("WARNINGS") || scan.token().is("ERRORS")) {
      out.flags.set(Flag::kDiagnostics);
    } else if (is_server_local(scan.token())) {
      out.flags.set(Flag::kServerLocal);
    } else if (scan.token().is("CREATE") || scan.token().is(Keyword::kFrom) ||
               scan.token().is(Keyword::kWhere)) {
      break;
    }
    scan.advance();
  }
  scan.scan_body(StatementScan::Body::kQuery);
}

void classify_kill(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kKill;
  KillInfo& kill = out.kill;
  scan.accept("HARD") || scan.accept("SOFT");
  if (scan.accept("QUERY")) {
    kill.query_only = true;
    kill.target = scan.accept("ID") ? KillTarget::kQueryId : KillTarget::kConnection;
  } else {
    scan.accept("CONNECTION");
  }
  if (kill.target == KillTarget::kConnection && scan.accept("USER")) {
    kill.target = KillTarget::kUser;
  }
  if (scan.ended()) {
    // A syntax error, or a column: the server's to say.
    kill.operand = kill.target == KillTarget::kUser ? scan.previous().text : std::string_view();
    kill.target = KillTarget::kConnection;
    kill.supported = true;
    return;
  }
  const Token first = scan.token();
  if (kill.target == KillTarget::kUser) {
    while (!scan.ended()) {
      scan.advance();
    }
  } else {
    while (scan.accept(TokenKind::kOpenParen)) {  // or the word in front would be a function's name
    }
    scan.scan_expression({});
  }
  const Token last = scan.previous();
  kill.operand = std::string_view(
      first.text.data(),
      static_cast<std::size_t>(last.text.data() + last.text.size() - first.text.data()));
  kill.is_number = first.is(TokenKind::kNumber) && kill.operand.size() == first.text.size() &&
                   parse_number(first.text, kill.id);
  kill.own = first.is("CONNECTION_ID") && is_empty_call(kill.operand.substr(first.text.size()));
  kill.supported = scan.ended() &&
                   !out.flags.has_any({Flag::kUserLock, Flag::kSequence, Flag::kAssignsUserVariable,
                                       Flag::kSetsLastInsertId, Flag::kLockingRead,
                                       Flag::kIntoOutfile, Flag::kFoundRows, Flag::kDiagnostics});
}

void classify_flush(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kFlush;
  out.flags.set(Flag::kImplicitCommit);
  while (!scan.ended()) {
    if (scan.token().is(Keyword::kLock) || scan.token().is("EXPORT")) {
      out.flags.set(Flag::kLocksTables);
    }
    scan.advance();
  }
}

// RESET QUERY CACHE, and what concerns the binlog or replication
void classify_reset(StatementScan& scan, Statement& out) {
  if (scan.accept("QUERY") && scan.accept(Keyword::kCache)) {
    out.kind = StatementKind::kFlush;
    out.flags.set(Flag::kImplicitCommit);
    if (!scan.ended()) {
      out.kind = StatementKind::kServerAdmin;  // , MASTER
    }
  } else {
    out.kind = StatementKind::kServerAdmin;
  }
}

void classify_lock(StatementScan& scan, Statement& out) {
  if (scan.accept("INSTANCE") || scan.accept("BINLOG")) {
    out.kind = StatementKind::kServerAdmin;
    return;
  }
  if (!scan.accept("TABLES") && !scan.accept(Keyword::kTable)) {
    out.kind = StatementKind::kUnknown;
    return;
  }
  out.kind = StatementKind::kLockTables;
  out.flags.set(Flag::kImplicitCommit);
  while (scan.read_table(TableRole::kRead)) {
    while (!scan.ended() && !scan.accept(TokenKind::kComma)) {
      scan.advance();  // [AS alias] READ [LOCAL] | WRITE
    }
  }
}

void classify_unlock(StatementScan& scan, Statement& out) {
  if (scan.accept("INSTANCE") || scan.accept("BINLOG")) {
    out.kind = StatementKind::kServerAdmin;
  } else if ((scan.accept("TABLES") || scan.accept(Keyword::kTable)) && scan.ended()) {
    out.kind = StatementKind::kUnlockTables;
  } else {
    out.kind = StatementKind::kUnknown;
  }
}

// BACKUP STAGE, LOCK, UNLOCK. MySQL's BACKUP TABLE of old is a syntax error.
void classify_backup(StatementScan& scan, Statement& out) {
  const bool known =
      scan.accept("STAGE") || scan.accept(Keyword::kLock) || scan.accept(Keyword::kUnlock);
  out.kind = known ? StatementKind::kServerAdmin : StatementKind::kUnknown;
}

// HANDLER t OPEN [[AS] name]; HANDLER name READ ..; HANDLER name CLOSE
void classify_handler(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kHandler;
  if (!scan.token().is_name()) {
    return;
  }
  out.name = scan.token().name();
  scan.advance();
  if (scan.accept(TokenKind::kDot) && scan.token().is_name()) {
    out.name = scan.token().name();
    scan.advance();
  }
  if (scan.accept("OPEN")) {
    out.flags.set(Flag::kOpensHandler);
    scan.accept(Keyword::kAs);
    if (scan.token().is_name()) {
      out.name = scan.token().name();
      scan.advance();
    }
  } else if (scan.accept("CLOSE")) {
    out.flags.set(Flag::kClosesHandler);
  }
}

void classify_execute(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kExecuteText;
  out.flags.set(Flag::kTouchesTables);
  if (!scan.token().is("IMMEDIATE")) {
    out.name = scan.token().name();
  }
  scan.scan_body(StatementScan::Body::kQuery);  // USING @a, @b
}

void classify_maintenance(StatementScan& scan, Statement& out, StatementKind kind) {
  scan.accept("LOCAL") || scan.accept("NO_WRITE_TO_BINLOG");
  if (!scan.accept(Keyword::kTable) && !scan.accept("TABLES") && !scan.accept("VIEW")) {
    return;
  }
  out.kind = kind;
  if (kind != StatementKind::kChecksum) {
    out.flags.set(Flag::kImplicitCommit);
  }
  do {
    if (!scan.read_table(TableRole::kRead)) {
      return;
    }
  } while (scan.accept(TokenKind::kComma));
}

}  // namespace consort::router
