// Statements as short texts, so that tables of them can be compared and read.
#pragma once

#include <string>
#include <string_view>

#include "router/router.h"
#include "router/statement.h"
#include "tests/support/test.h"

namespace consort::router {

/// Flags in the order of the enum: "reads_only touches_tables".
inline std::string flags_text(const Statement& statement) {
  std::string text;
  for (unsigned i = 0; i < kFlagsCount; ++i) {
    const auto flag = static_cast<Flag>(i);
    if (statement.has(flag)) {
      text += (text.empty() ? "" : " ") + std::string(to_text(flag));
    }
  }
  return text;
}

/// "r:a w:db.b d:c" for a table read, one written and one defined.
inline std::string tables_text(const Statement& statement) {
  std::string text;
  for (const TableRef& table : statement.tables) {
    text += text.empty() ? "" : " ";
    text += table.role == TableRole::kRead ? "r:" : table.role == TableRole::kWrite ? "w:" : "d:";
    text += table.schema.empty() ? "" : std::string(table.schema) + ".";
    text += table.name.empty() ? "*" : std::string(table.name);
  }
  return text;
}

/// "session x=1" and so on, separated by "; ".
inline std::string settings_text(const Statement& statement) {
  constexpr std::string_view kScopes[] = {"", "session ", "global ", "@", "names ", "charset "};
  std::string text;
  for (const SetItem& item : statement.settings) {
    text += text.empty() ? "" : "; ";
    text += kScopes[static_cast<unsigned>(item.scope)];
    text += std::string(item.name) + "=" + std::string(item.value);
    text += item.collation.empty() ? "" : " collate " + std::string(item.collation);
    text += item.guarded ? " guarded" : "";
  }
  return text;
}

/// "home/write" for a session in autocommit without any state.
inline std::string route_text(const Statement& statement, const SessionTraits& session = {}) {
  const Route route = decide(statement, session);
  return std::string(to_text(route.target)) + "/" + std::string(to_text(route.reason));
}

/// A row of a table: a text and what is said of it.
struct Case {
  std::string_view sql;
  std::string_view kind;
  std::string_view flags;
  std::string_view tables;
  std::string_view route;
};

template <std::size_t N>
void expect_all(const Case (&table)[N]) {
  for (const Case& row : table) {
    CAPTURE(row.sql);
    const Statement statement = classify(row.sql);
    EXPECT(to_text(statement.kind) == row.kind);
    EXPECT(flags_text(statement) == row.flags);
    EXPECT(tables_text(statement) == row.tables);
    EXPECT(route_text(statement) == row.route);
  }
}

}  // namespace consort::router
