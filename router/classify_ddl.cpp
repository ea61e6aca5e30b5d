// CREATE, ALTER, DROP, RENAME and TRUNCATE.
#include "router/classify.h"

namespace consort::router {
namespace {

struct ObjectWord {
  std::string_view word;
  DdlObject object;
};

constexpr ObjectWord kObjects[] = {
    {"TABLE", DdlObject::kTable},       {"VIEW", DdlObject::kView},
    {"INDEX", DdlObject::kIndex},       {"DATABASE", DdlObject::kDatabase},
    {"SCHEMA", DdlObject::kDatabase},   {"PROCEDURE", DdlObject::kProcedure},
    {"FUNCTION", DdlObject::kRoutine},  {"PACKAGE", DdlObject::kRoutine},
    {"TRIGGER", DdlObject::kTrigger},   {"EVENT", DdlObject::kEvent},
    {"SEQUENCE", DdlObject::kSequence}, {"SERVER", DdlObject::kServer},
    {"TABLESPACE", DdlObject::kOther},  {"LOGFILE", DdlObject::kOther},
    {"TABLES", DdlObject::kTable},  // DROP TABLES
};

/// What may stand between the verb and the object is short: OR REPLACE, ALGORITHM, DEFINER, SQL
/// SECURITY, TEMPORARY, UNIQUE ...
constexpr int kModifiersMax = 32;

DdlObject find_object(const Token& token) {
  for (const ObjectWord& known : kObjects) {
    if (token.is(known.word)) {
      return known.object;
    }
  }
  return DdlObject::kNone;
}

/// DEFINER = user[@host], CURRENT_USER or a role: the name may look like an object's word.
void skip_definer(StatementScan& scan) {
  if (scan.token().is_operator("=")) {
    scan.advance();
    scan.advance();
    scan.accept(TokenKind::kUserVariable);
  }
}

/// Goes behind the word that says what is defined. Accounts are told by `kind`.
bool read_object(StatementScan& scan, Statement& out, DdlVerb verb) {
  for (int i = 0; i < kModifiersMax && !scan.ended(); ++i) {
    const bool role = scan.token().is("ROLE");
    if (role || scan.token().is("USER")) {
      scan.advance();
      const bool creates_role = role && verb == DdlVerb::kCreate;
      creates_role ? classify_create_role(scan, out) : classify_account(scan, out);
      return false;
    }
    const DdlObject object = find_object(scan.token());
    const bool temporary = scan.token().is("TEMPORARY");
    const bool definer = scan.token().is("DEFINER");
    scan.advance();
    if (object != DdlObject::kNone) {
      out.kind = StatementKind::kDdl;
      out.ddl = {verb, object};
      return true;
    }
    if (temporary) {
      out.flags.set(Flag::kTemporary);
    }
    if (definer) {
      skip_definer(scan);
    }
  }
  return false;
}

void skip_existence(StatementScan& scan) {
  if (scan.accept(Keyword::kIf)) {
    scan.accept("NOT");
    scan.accept("EXISTS");
  }
}

bool read_schema(StatementScan& scan, Statement& out) {
  if (!scan.token().is_name()) {
    return false;
  }
  out.tables.push_back(TableRef{scan.token().name(), {}, TableRole::kDdl});
  scan.advance();
  return true;
}

/// Goes behind ON and reads the table: of an index or a trigger.
void read_table_behind_on(StatementScan& scan) {
  while (!scan.ended() && !scan.accept("ON")) {
    scan.advance();
  }
  scan.read_table(TableRole::kDdl);
}

void read_table_list(StatementScan& scan) {
  do {
    skip_existence(scan);
    if (!scan.read_table(TableRole::kDdl)) {
      return;
    }
  } while (scan.accept(TokenKind::kComma));
}

/// Where in a CREATE TABLE the query may begin that it copies: in no parentheses but those right in
/// front of it. What begins in an expression, of a partition or a default, is none; servers refuse
/// it.
class QueryPlace {
 public:
  /// REQUIRES: every token is shown, in order.
  void pass(const Token& token, const Token& before) {
    if (token.is(TokenKind::kOpenParen)) {
      if (opened_ == 0) {
        of_partition_ =
            partitioned_ && (before.is("LIST") || before.is("RANGE") || before.is("HASH"));
      }
      ++depth_;
      ++opened_;
      return;
    }
    depth_ -= token.is(TokenKind::kCloseParen) ? 1 : 0;
    opened_ = 0;
    partitioned_ = partitioned_ || (token.is("BY") && before.is("PARTITION"));
  }

  [[nodiscard]] bool here() const { return depth_ == 0 || (opened_ == depth_ && !of_partition_); }

 private:
  int depth_ = 0;
  int opened_ = 0;  ///< parentheses right before the next token
  bool of_partition_ = false;
  bool partitioned_ = false;
};

/// The rest of CREATE TABLE, ALTER TABLE: other tables it names, or the query it copies.
void scan_definition(StatementScan& scan, Statement& out) {
  QueryPlace query;
  while (!scan.ended()) {
    const Token& token = scan.token();
    if (token.is(Keyword::kSelect) && out.ddl.verb == DdlVerb::kCreate && query.here()) {
      out.flags.set(Flag::kCreateSelect);
      scan.scan_body(StatementScan::Body::kQuery);
      return;
    }
    if (token.is(Keyword::kValues) && out.ddl.verb == DdlVerb::kCreate && query.here()) {
      query.pass(token, scan.previous());
      scan.advance();  // also of a partition: VALUES LESS THAN (..), VALUES IN (..)
      if (scan.token().is(TokenKind::kOpenParen)) {
        out.flags.set(Flag::kCreateSelect);
        scan.scan_body(StatementScan::Body::kQuery);
        return;
      }
      continue;
    }
    const bool names_table = token.is(Keyword::kReferences) || token.is("LIKE") ||
                             token.is(Keyword::kRename) ||
                             (token.is(Keyword::kTable) && scan.previous().is(Keyword::kWith));
    const bool renames = token.is(Keyword::kRename);
    query.pass(token, scan.previous());
    scan.advance();
    if (!names_table) {
      continue;
    }
    if (renames) {  // RENAME [TO|AS|=] t, but also RENAME COLUMN a TO b and RENAME INDEX
      if (scan.token().is("COLUMN") || scan.token().is("INDEX") || scan.token().is("KEY")) {
        scan.advance();
        continue;
      }
      if (!scan.accept(Keyword::kTo) && !scan.accept(Keyword::kAs) &&
          scan.token().is_operator("=")) {
        scan.advance();
      }
    }
    scan.read_table(TableRole::kDdl);
  }
}

/// CREATE VIEW v [(columns)] AS query; ALTER VIEW likewise.
void scan_view(StatementScan& scan) {
  while (!scan.ended() && !scan.accept(Keyword::kAs)) {
    scan.advance();
  }
  scan.scan_body(StatementScan::Body::kQuery);
}

void read_definition(StatementScan& scan, Statement& out) {
  switch (out.ddl.object) {
    case DdlObject::kTable:
      scan.accept(Keyword::kIf) && scan.accept("NOT") && scan.accept("EXISTS");
      scan.accept("EXISTS");
      if (scan.read_table(TableRole::kDdl)) {
        scan_definition(scan, out);
      }
      break;
    case DdlObject::kView:
      skip_existence(scan);
      scan.read_table(TableRole::kDdl);
      scan_view(scan);
      break;
    case DdlObject::kSequence:
      skip_existence(scan);
      scan.read_table(TableRole::kDdl);
      break;
    case DdlObject::kIndex:
      read_table_behind_on(scan);
      break;
    case DdlObject::kDatabase:
      skip_existence(scan);
      read_schema(scan, out);
      break;
    case DdlObject::kTrigger:
      scan.enter_program(0);
      read_table_behind_on(scan);
      break;
    case DdlObject::kRoutine:
    case DdlObject::kProcedure:
    case DdlObject::kEvent:
      scan.enter_program(0);
      break;
    default:
      break;
  }
}

void settle_commit(Statement& out) {
  const bool keeps_transaction = out.has(Flag::kTemporary) && out.ddl.verb != DdlVerb::kAlter;
  if (out.kind == StatementKind::kDdl && !keeps_transaction) {
    out.flags.set(Flag::kImplicitCommit);
  }
}

}  // namespace

void classify_create(StatementScan& scan, Statement& out) {
  if (read_object(scan, out, DdlVerb::kCreate)) {
    read_definition(scan, out);
  }
  settle_commit(out);
}

void classify_alter(StatementScan& scan, Statement& out) {
  if (scan.token().is("INSTANCE")) {
    out.kind = StatementKind::kServerAdmin;
    return;
  }
  if (read_object(scan, out, DdlVerb::kAlter)) {
    read_definition(scan, out);
  }
  settle_commit(out);
}

void classify_drop(StatementScan& scan, Statement& out) {
  if (scan.accept(Keyword::kPrepare)) {
    out.kind = StatementKind::kDeallocateText;
    out.name = scan.token().name();
    return;
  }
  if (read_object(scan, out, DdlVerb::kDrop)) {
    switch (out.ddl.object) {
      case DdlObject::kTable:
      case DdlObject::kView:
      case DdlObject::kSequence:
        read_table_list(scan);
        break;
      case DdlObject::kDatabase:
        skip_existence(scan);
        read_schema(scan, out);
        break;
      case DdlObject::kIndex:
        read_table_behind_on(scan);
        break;
      case DdlObject::kTrigger:  // its table is not named: take the schema's
        skip_existence(scan);
        out.tables.push_back(TableRef{{}, {}, TableRole::kDdl});
        break;
      default:
        break;
    }
  }
  settle_commit(out);
}

void classify_rename(StatementScan& scan, Statement& out) {
  if (scan.accept("USER")) {
    classify_account(scan, out);
    return;
  }
  if (!scan.accept(Keyword::kTable) && !scan.accept("TABLES")) {
    return;
  }
  out.kind = StatementKind::kDdl;
  out.ddl = {DdlVerb::kRename, DdlObject::kTable};
  do {
    skip_existence(scan);
    scan.read_table(TableRole::kDdl);
    while (!scan.ended() && !scan.accept(Keyword::kTo)) {
      scan.advance();  // WAIT n
    }
    scan.read_table(TableRole::kDdl);
  } while (scan.accept(TokenKind::kComma));
  settle_commit(out);
}

void classify_truncate(StatementScan& scan, Statement& out) {
  scan.accept(Keyword::kTable);
  if (scan.read_table(TableRole::kDdl)) {
    out.kind = StatementKind::kDdl;
    out.ddl = {DdlVerb::kTruncate, DdlObject::kTable};
    settle_commit(out);
  }
}

}  // namespace consort::router
