#include "router/program_ddl.h"

#include "router/altered_rows.h"
#include "router/host_account.h"
#include "router/moved_tablespace.h"
#include "router/sequence_text.h"
#include "router/statement.h"
#include "router/token.h"

namespace consort::router {
namespace {

bool may_make(const Statement& statement, DdlObject object) {
  return statement.ddl.verb == DdlVerb::kCreate &&
         (statement.ddl.object == object || statement.ddl.object == DdlObject::kOther ||
          statement.ddl.object == DdlObject::kNone ||
          statement.flags.has_any({Flag::kUncertain, Flag::kConditionalComment}));
}

/// What the text cannot tell counts as if it made a sequence.
bool is_about_sequences(std::string_view sql,
                        const Statement& statement,
                        const LexerOptions& options) {
  const bool unread =
      statement.flags.has_any({Flag::kUncertain, Flag::kMultiStatement, Flag::kConditionalComment});
  if (unread && contains_ignoring_case(sql, "sequence")) {
    return true;
  }
  return (statement.ddl.object == DdlObject::kSequence && statement.ddl.verb != DdlVerb::kDrop) ||
         !shared_sequence(sql, statement, options, 1).refused.empty();
}

/// It means whoever executes it, and the binlog has it as it was written.
bool is_about_its_account(std::string_view sql, const Statement& statement) {
  const bool alters_event =
      statement.ddl.verb == DdlVerb::kAlter && statement.ddl.object == DdlObject::kEvent;
  return statement.flags.has_any({Flag::kCurrentUser, Flag::kCreatorsRole}) ||
         (alters_event && !contains_ignoring_case(sql, "definer"));
}

/// Where a server keeps a table's files, and files that come and go: its own business.
bool is_about_files(std::string_view sql, const Statement& statement, const LexerOptions& options) {
  return moves_tablespace(sql, statement, options) ||
         (statement.ddl.object == DdlObject::kTable && contains_ignoring_case(sql, "directory"));
}

}  // namespace

ProgramDdl program_ddl(std::string_view sql, const LexerOptions& options) {
  const Statement statement = classify(sql, options);
  const bool alters = statement.ddl.verb == DdlVerb::kAlter || starts_ignoring_case(sql, "ALTER");
  ProgramDdl ddl;
  ddl.differs = (alters && altered_rows(sql, options).any()) ||
                is_about_sequences(sql, statement, options) ||
                is_about_files(sql, statement, options) || is_about_its_account(sql, statement) ||
                statement.ddl.object == DdlObject::kServer;
  ddl.makes_function = may_make(statement, DdlObject::kRoutine);
  ddl.makes_trigger = may_make(statement, DdlObject::kTrigger);
  ddl.accounts = changes_accounts(statement.kind) ||
                 statement.flags.has_any({Flag::kUncertain, Flag::kMultiStatement});
  ddl.names_host =
      changes_accounts(statement.kind) && account_by_host_name(sql, options).has_value();
  ddl.renames = alters || statement.ddl.verb == DdlVerb::kRename;
  const bool unread =
      statement.kind == StatementKind::kUnknown ||
      statement.flags.has_any({Flag::kUncertain, Flag::kMultiStatement, Flag::kConditionalComment});
  ddl.renames_any = statement.ddl.verb == DdlVerb::kRename ||
                    (unread && !alters && contains_ignoring_case(sql, "rename"));
  const bool replaces = statement.ddl.verb == DdlVerb::kCreate &&
                        statement.ddl.object == DdlObject::kTable &&
                        contains_ignoring_case(sql, "replace");
  ddl.drops = ddl.renames || replaces || statement.ddl.verb == DdlVerb::kDrop;
  ddl.whole_schema = statement.ddl.object == DdlObject::kDatabase ||
                     statement.tables.overflowed() ||
                     statement.flags.has_any({Flag::kUncertain, Flag::kMultiStatement});
  const bool copies = statement.ddl.verb == DdlVerb::kCreate &&
                      statement.ddl.object == DdlObject::kTable &&
                      !statement.has(Flag::kCreateSelect);
  for (const TableRef& table : statement.tables) {
    ddl.tables.push_back({identifier_text(table.schema), identifier_text(table.name)});
    if (copies && ddl.tables.size() > 1) {
      ddl.copied.push_back(ddl.tables.back());
    }
  }
  return ddl;
}

}  // namespace consort::router
