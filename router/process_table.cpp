#include "router/process_table.h"

#include <algorithm>
#include <cstddef>

#include "router/sql_lexer.h"

namespace consort::router {
namespace {

constexpr std::string_view kProcessSchema = "information_schema";
constexpr std::string_view kProcessTable = "PROCESSLIST";

bool is_process_table(const TableRef& table, std::string_view schema) {
  return table.role == TableRole::kRead && equals_ignoring_case(table.name, kProcessTable) &&
         equals_ignoring_case(table.schema.empty() ? schema : table.schema, kProcessSchema);
}

bool may_take_rows(const Statement& statement) {
  if (statement.flags.has_any(
          {Flag::kUncertain, Flag::kMultiStatement, Flag::kConditionalComment}) ||
      statement.tables.overflowed()) {
    return false;
  }
  return is_evaluated_at_once(statement.kind) || statement.has(Flag::kCreateSelect);
}

/// What may stand behind a table and is not its alias: the server reserves these words.
constexpr std::string_view kNoAlias[] = {
    "CROSS", "EXCEPT",    "FETCH",     "FOR",   "FORCE", "GROUP",         "HAVING", "IGNORE",
    "INNER", "INTERSECT", "INTO",      "JOIN",  "LEFT",  "LIMIT",         "LOCK",   "NATURAL",
    "ON",    "OFFSET",    "ORDER",     "RIGHT", "SET",   "STRAIGHT_JOIN", "UNION",  "PARTITION",
    "USE",   "PROCEDURE", "RETURNING", "USING", "WHERE", "VALUES",        "WINDOW",
};

bool is_alias(const Token& token) {
  return token.is_name() && std::none_of(std::begin(kNoAlias), std::end(kNoAlias),
                                         [&](std::string_view word) { return token.is(word); });
}

/// Writes the new text while it goes through the old one's tokens.
class TableReplacer {
 public:
  TableReplacer(std::string_view sql,
                const Statement& statement,
                std::string_view schema,
                const LexerOptions& options,
                std::string_view table)
      : sql_(sql), statement_(statement), schema_(schema), table_(table), lexer_(sql, options) {}

  std::optional<std::string> run() {
    Token token = lexer_.next();
    while (!token.is(TokenKind::kEnd)) {
      if (token.is(TokenKind::kInvalid)) {
        return std::nullopt;
      }
      saw_with_ = saw_with_ || token.is(Keyword::kWith);
      token = token.is_name() ? take_name(token) : lexer_.next();
    }
    // A name of a common table expression hides the table's own.
    if (lexer_.saw_uncertain_text() || (saw_with_ && unqualified_)) {
      return std::nullopt;
    }
    out_ += sql_.substr(copied_);
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::size_t begin_of(const Token& token) const {
    return static_cast<std::size_t>(token.text.data() - sql_.data());
  }

  [[nodiscard]] std::size_t end_of(const Token& token) const {
    return begin_of(token) + token.text.size();
  }

  /// Is `token` the name, or its schema, of one of the statement's tables that are meant?
  [[nodiscard]] const TableRef* table_at(const Token& token) const {
    for (const TableRef& table : statement_.tables) {
      const char* at = token.name().data();
      if ((at == table.name.data() || (!table.schema.empty() && at == table.schema.data())) &&
          is_process_table(table, schema_)) {
        return &table;
      }
    }
    return nullptr;
  }

  /// Returns the token behind what was taken.
  Token take_name(const Token& first) {
    if (const TableRef* table = table_at(first); table != nullptr) {
      return take_table(first, *table);
    }
    Token next = lexer_.next();
    if (!equals_ignoring_case(first.name(), kProcessSchema) || !next.is(TokenKind::kDot)) {
      return next;
    }
    // information_schema.PROCESSLIST.ID: no schema stands in front of an alias.
    next = lexer_.next();
    if (!next.is_name() || !equals_ignoring_case(next.name(), kProcessTable)) {
      return next;
    }
    const Token name = next;
    next = lexer_.next();
    if (next.is(TokenKind::kDot)) {
      out_ += sql_.substr(copied_, begin_of(first) - copied_);
      copied_ = begin_of(name);
    }
    return next;
  }

  Token take_table(const Token& first, const TableRef& table) {
    unqualified_ = unqualified_ || table.schema.empty();
    Token last = first;
    while (last.name().data() != table.name.data()) {
      last = lexer_.next();
    }
    out_ += sql_.substr(copied_, begin_of(first) - copied_);
    out_ += table_;
    copied_ = end_of(last);
    Token next = lexer_.next();
    if (!next.is(Keyword::kAs) && !is_alias(next)) {
      out_ += " AS ";
      out_ += last.text;
    }
    return next;
  }

  const std::string_view sql_;
  const Statement& statement_;
  const std::string_view schema_;
  const std::string_view table_;
  SqlLexer lexer_;
  std::string out_;
  std::size_t copied_ = 0;  ///< of sql_
  bool saw_with_ = false;
  bool unqualified_ = false;  ///< some place names no schema
};

}  // namespace

bool names_process_table(const Statement& statement) {
  return std::any_of(statement.tables.begin(), statement.tables.end(), [](const TableRef& table) {
    return equals_ignoring_case(table.name, kProcessTable);
  });
}

bool reads_process_table(const Statement& statement, std::string_view schema) {
  return may_take_rows(statement) &&
         std::any_of(statement.tables.begin(), statement.tables.end(),
                     [&](const TableRef& table) { return is_process_table(table, schema); });
}

std::optional<std::string> with_process_table(std::string_view sql,
                                              const Statement& statement,
                                              std::string_view schema,
                                              const LexerOptions& options,
                                              std::string_view table) {
  if (in_doubt(sql, options)) {
    return std::nullopt;
  }
  return TableReplacer(sql, statement, schema, options, table).run();
}

}  // namespace consort::router
