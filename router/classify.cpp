// classify(): finds the verb, hands over to the family, then draws the conclusions.
#include "router/classify.h"

#include "router/sequence_text.h"

namespace consort::router {
namespace {

using Body = StatementScan::Body;

void scan_write(StatementScan& scan, Statement& out, StatementKind kind, Body body) {
  scan.note_write();
  scan.advance();
  out.kind = kind;
  out.flags.set(Flag::kTouchesTables);
  scan.scan_body(body);
}

/// `kind` and then anything: an expression, names, options.
void scan_any(StatementScan& scan, Statement& out, StatementKind kind) {
  out.kind = kind;
  scan.scan_body(Body::kQuery);
}

/// SELECT, VALUES, TABLE, `(` or WITH; WITH may lead to a row change (MySQL).
void classify_query(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kSelect;
  if (scan.token().is(Keyword::kTable)) {
    scan.advance();
    scan.read_table(TableRole::kRead);
  }
  scan.scan_body(Body::kQuery);
  if (scan.saw_write_word()) {
    out.kind = StatementKind::kUnknown;
  }
}

void classify_cache(StatementScan& scan, Statement& out) {
  out.kind = scan.accept("INDEX") ? StatementKind::kIndexCache : StatementKind::kUnknown;
}

void classify_load(StatementScan& scan, Statement& out) {
  if (!scan.accept("DATA") && !scan.accept("XML")) {
    classify_cache(scan, out);  // LOAD INDEX INTO CACHE; the rest is of old
    return;
  }
  out.kind = StatementKind::kLoadData;
  out.flags.set(Flag::kTouchesTables);
  scan.accept("LOW_PRIORITY") || scan.accept("CONCURRENT");
  if (scan.accept("LOCAL")) {
    out.flags.set(Flag::kLocalInfile);
  }
  while (!scan.ended() && !scan.accept(Keyword::kTable)) {
    scan.advance();
  }
  scan.read_table(TableRole::kWrite);
  scan.scan_body(Body::kQuery);
  if (out.has(Flag::kReadsUserVariable)) {
    out.flags.set(Flag::kAssignsUserVariable);  // (column, @variable)
  }
}

void classify_call(StatementScan& scan, Statement& out) {
  out.flags.set(Flag::kTouchesTables);
  scan_any(scan, out, StatementKind::kCall);
  if (out.has(Flag::kReadsUserVariable)) {
    out.flags.set(Flag::kAssignsUserVariable);  // OUT parameters
  }
}

bool begins_statement(const Token& token) {
  switch (token.keyword) {
    case Keyword::kSelect:
    case Keyword::kWith:
    case Keyword::kInsert:
    case Keyword::kUpdate:
    case Keyword::kDelete:
    case Keyword::kReplace:
    case Keyword::kTable:
    case Keyword::kValues:
      return true;
    default:
      return token.is(TokenKind::kOpenParen);
  }
}

/// [EXTENDED | PARTITIONS | ANALYZE] [FORMAT = name]
void skip_plan_options(StatementScan& scan) {
  scan.accept("EXTENDED") || scan.accept("PARTITIONS") || scan.accept(Keyword::kAnalyze);
  if (scan.token().is("FORMAT")) {
    scan.advance();
    if (scan.token().is_operator("=")) {
      scan.advance();
      scan.advance();
    }
  }
}

void classify_explain(StatementScan& scan, Statement& out) {
  skip_plan_options(scan);
  if (begins_statement(scan.token())) {
    classify_statement(scan, out);
    out.kind = StatementKind::kExplain;
    return;
  }
  if (scan.accept(Keyword::kFor)) {  // FOR CONNECTION id
    out.kind = StatementKind::kExplain;
    out.flags.set(Flag::kServerLocal);
    return;
  }
  if (scan.read_table(TableRole::kRead)) {
    out.kind = StatementKind::kDescribe;
  }
}

void classify_analyze(StatementScan& scan, Statement& out) {
  skip_plan_options(scan);
  if (begins_statement(scan.token()) && !scan.token().is(Keyword::kTable)) {
    classify_statement(scan, out);
    out.flags.set(Flag::kExecutesInner);
    return;
  }
  classify_maintenance(scan, out, StatementKind::kAnalyze);
}

void classify_use(StatementScan& scan, Statement& out) {
  if (!scan.token().is_name()) {
    return;
  }
  out.name = scan.token().name();
  scan.advance();
  if (scan.ended()) {
    out.kind = StatementKind::kUse;
  }
}

void classify_prepare(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kPrepareText;
  out.name = scan.token().name();
}

void classify_deallocate(StatementScan& scan, Statement& out) {
  if (scan.accept(Keyword::kPrepare) && scan.token().is_name()) {
    out.kind = StatementKind::kDeallocateText;
    out.name = scan.token().name();
  }
}

void classify_diagnostics(StatementScan& scan, Statement& out) {
  out.flags.set(Flag::kDiagnostics);
  scan_any(scan, out, StatementKind::kDiagnostics);
  if (out.has(Flag::kReadsUserVariable)) {
    out.flags.set(Flag::kAssignsUserVariable);  // GET DIAGNOSTICS @x = ..
  }
}

/// IF, LOOP and other compound statements without BEGIN: where they end is not looked for.
void classify_compound(StatementScan& scan, Statement& out) {
  out.kind = StatementKind::kCompound;
  scan.enter_program(StatementScan::kNeverEnds);
}

/// `label: BEGIN ..`, `<<label>> ..` or nothing that we know.
void classify_other(StatementScan& scan, Statement& out) {
  const bool angle = scan.token().is_operator("<<");
  const bool name = scan.token().is_name();
  scan.advance();
  if (angle || (name && scan.token().is_operator(":"))) {
    classify_compound(scan, out);
  }
}

/// Row changes and queries: their scan begins at the verb.
bool classify_body(StatementScan& scan, Statement& out) {
  switch (scan.token().keyword) {
    case Keyword::kSelect:
    case Keyword::kWith:
    case Keyword::kTable:
    case Keyword::kValues:
    case Keyword::kValue:
      classify_query(scan, out);
      return true;
    case Keyword::kInsert:
      scan_write(scan, out, StatementKind::kInsert, Body::kWriteTable);
      return true;
    case Keyword::kReplace:
      scan_write(scan, out, StatementKind::kReplace, Body::kWriteTable);
      return true;
    case Keyword::kUpdate:
      scan_write(scan, out, StatementKind::kUpdate, Body::kUpdate);
      return true;
    case Keyword::kDelete:
      scan_write(scan, out, StatementKind::kDelete, Body::kDelete);
      return true;
    default:
      return false;
  }
}

/// A family's function, called behind the verb.
struct Family {
  Keyword verb;
  void (*classify)(StatementScan& scan, Statement& out);
};

template <StatementKind kKind>
void only_kind(StatementScan&, Statement& out) {
  out.kind = kKind;
}

/// Of an empty text nothing is executed: a server says who may not, or that it is too short.
void classify_binlog(StatementScan& scan, Statement& out) {
  const bool empty = scan.token().is(TokenKind::kString) && scan.token().text.size() == 2;
  out.kind = empty ? StatementKind::kUnknown : StatementKind::kBinlog;
}

template <StatementKind kKind>
void any_body(StatementScan& scan, Statement& out) {
  scan_any(scan, out, kKind);
}

template <StatementKind kKind>
void maintenance(StatementScan& scan, Statement& out) {
  classify_maintenance(scan, out, kKind);
}

constexpr Family kFamilies[] = {
    {Keyword::kSet, classify_set},
    {Keyword::kBegin, classify_begin},
    {Keyword::kCommit, classify_commit},
    {Keyword::kRollback, classify_rollback},
    {Keyword::kStart, classify_start},
    {Keyword::kSavepoint, classify_savepoint},
    {Keyword::kRelease, classify_release},
    {Keyword::kShow, classify_show},
    {Keyword::kUse, classify_use},
    {Keyword::kCall, classify_call},
    {Keyword::kDo, any_body<StatementKind::kDo>},
    {Keyword::kLoad, classify_load},
    {Keyword::kExplain, classify_explain},
    {Keyword::kDescribe, classify_explain},
    {Keyword::kDesc, classify_explain},
    {Keyword::kAnalyze, classify_analyze},
    {Keyword::kCreate, classify_create},
    {Keyword::kAlter, classify_alter},
    {Keyword::kDrop, classify_drop},
    {Keyword::kRename, classify_rename},
    {Keyword::kTruncate, classify_truncate},
    {Keyword::kGrant, classify_account},
    {Keyword::kRevoke, classify_account},
    {Keyword::kLock, classify_lock},
    {Keyword::kUnlock, classify_unlock},
    {Keyword::kFlush, classify_flush},
    {Keyword::kOptimize, maintenance<StatementKind::kOptimize>},
    {Keyword::kCheck, maintenance<StatementKind::kCheck>},
    {Keyword::kRepair, maintenance<StatementKind::kRepair>},
    {Keyword::kChecksum, maintenance<StatementKind::kChecksum>},
    {Keyword::kPrepare, classify_prepare},
    {Keyword::kExecute, classify_execute},
    {Keyword::kDeallocate, classify_deallocate},
    {Keyword::kHandler, classify_handler},
    {Keyword::kXa, only_kind<StatementKind::kXa>},
    {Keyword::kKill, classify_kill},
    {Keyword::kHelp, only_kind<StatementKind::kHelp>},
    {Keyword::kShutdown, only_kind<StatementKind::kShutdown>},
    {Keyword::kRestart, only_kind<StatementKind::kShutdown>},
    {Keyword::kBinlog, classify_binlog},
    {Keyword::kChange, only_kind<StatementKind::kServerAdmin>},
    {Keyword::kStop, only_kind<StatementKind::kServerAdmin>},
    {Keyword::kReset, classify_reset},
    {Keyword::kPurge, only_kind<StatementKind::kFlush>},  // of the binlog that SHOW shows
    {Keyword::kBackup, classify_backup},
    {Keyword::kInstall, only_kind<StatementKind::kServerAdmin>},
    {Keyword::kUninstall, only_kind<StatementKind::kServerAdmin>},
    {Keyword::kCache, classify_cache},
    {Keyword::kClone, only_kind<StatementKind::kServerAdmin>},
    {Keyword::kImport, only_kind<StatementKind::kServerAdmin>},
    {Keyword::kGet, classify_diagnostics},
    {Keyword::kSignal, classify_diagnostics},
    {Keyword::kResignal, classify_diagnostics},
    {Keyword::kIf, classify_compound},
    {Keyword::kCase, classify_compound},
    {Keyword::kLoop, classify_compound},
    {Keyword::kWhile, classify_compound},
    {Keyword::kRepeat, classify_compound},
    {Keyword::kFor, classify_compound},
    {Keyword::kDeclare, classify_compound},
};

/// Kinds that change no data unless what they contain does.
bool only_reads(StatementKind kind) {
  switch (kind) {
    case StatementKind::kUnknown:
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kReplace:
    case StatementKind::kLoadData:
    case StatementKind::kCall:
    case StatementKind::kSetPassword:
    case StatementKind::kDdl:
    case StatementKind::kAccount:
    case StatementKind::kExecuteText:
    case StatementKind::kXa:
    case StatementKind::kShutdown:
    case StatementKind::kServerAdmin:
    case StatementKind::kBinlog:
    case StatementKind::kCompound:
      return false;
    default:
      return true;
  }
}

/// SETVAL by itself is executed on every server, as ALTER SEQUENCE is; it commits nothing.
void note_raised_sequence(std::string_view sql, const LexerOptions& options, Statement& out) {
  if (out.kind != StatementKind::kSelect && out.kind != StatementKind::kDo) {
    return;
  }
  if (const std::optional<TableRef> sequence = raised_sequence(sql, options)) {
    out.kind = StatementKind::kDdl;
    out.ddl = {DdlVerb::kAlter, DdlObject::kSequence};
    out.tables.push_back(*sequence);
  }
}

void draw_conclusions(Statement& out, bool saw_write_word) {
  Flags& flags = out.flags;
  if (out.kind == StatementKind::kEmpty && flags.has(Flag::kUncertain)) {
    out.kind = StatementKind::kUnknown;
  }
  if (out.kind == StatementKind::kUnknown || out.kind == StatementKind::kCompound) {
    flags.set(Flag::kTouchesTables);
  }
  if (changes_accounts(out.kind)) {
    flags.set(Flag::kImplicitCommit);
  }
  if (only_reads(out.kind) && !saw_write_word &&
      !flags.has_any(
          {Flag::kUnknownFunction, Flag::kSequence, Flag::kMultiStatement, Flag::kUncertain})) {
    flags.set(Flag::kReadsOnly);
  }
}

}  // namespace

void classify_statement(StatementScan& scan, Statement& out) {
  out.kind = scan.ended() ? StatementKind::kEmpty : StatementKind::kUnknown;
  if (scan.token().is(TokenKind::kOpenParen)) {
    classify_query(scan, out);
    return;
  }
  if (classify_body(scan, out)) {
    return;
  }
  for (const Family& family : kFamilies) {
    if (scan.token().is(family.verb)) {
      scan.advance();
      family.classify(scan, out);
      return;
    }
  }
  classify_other(scan, out);
}

Statement classify(std::string_view sql, const LexerOptions& options) {
  Statement out;
  StatementScan scan(sql, options, out);
  classify_statement(scan, out);
  scan.finish();
  draw_conclusions(out, scan.saw_write_word());
  if (out.has(Flag::kSequence) && !out.has(Flag::kMultiStatement)) {
    note_raised_sequence(sql, options, out);
  }
  return out;
}

}  // namespace consort::router
