#include "router/own_schema.h"

#include "router/sql_lexer.h"

namespace consort::router {
namespace {

/// Byte by byte: a schema `Consort` is a client's.
constexpr std::string_view kOthers = "BINARY `Database`<>'consort'";

bool is_end(const Token& token) {
  return token.is(TokenKind::kEnd) || token.is(TokenKind::kSemicolon);
}

/// Up to the end of `token`, and what follows.
std::string_view until(std::string_view sql, const Token& token) {
  return sql.substr(0,
                    static_cast<std::size_t>(token.text.data() - sql.data()) + token.text.size());
}

}  // namespace

std::optional<std::string> without_own_schema(std::string_view sql,
                                              const Statement& statement,
                                              const LexerOptions& options) {
  if (statement.kind != StatementKind::kShow ||
      statement.flags.has_any({Flag::kMultiStatement, Flag::kUncertain, Flag::kSetStatement,
                               Flag::kConditionalComment})) {
    return std::nullopt;
  }
  SqlLexer lexer(sql, options);
  if (!lexer.next().is(Keyword::kShow)) {
    return std::nullopt;
  }
  const Token subject = lexer.next();
  if (!subject.is("DATABASES") && !subject.is("SCHEMAS")) {
    return std::nullopt;
  }
  const Token next = lexer.next();
  const std::string head(until(sql, subject));
  if (is_end(next)) {
    return head + " WHERE " + std::string(kOthers);
  }
  if (!next.is(Keyword::kWhere)) {
    return std::nullopt;
  }
  const Token first = lexer.next();
  Token last = first;
  for (Token token = first; !is_end(token); token = lexer.next()) {
    last = token;
  }
  if (is_end(first) || lexer.saw_uncertain_text()) {
    return std::nullopt;  // the server says what is wrong
  }
  const std::string_view condition =
      until(sql, last).substr(static_cast<std::size_t>(first.text.data() - sql.data()));
  return head + " WHERE (" + std::string(condition) + ") AND " + std::string(kOthers);
}

bool shows_grants(std::string_view sql, const Statement& statement, const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  return statement.kind == StatementKind::kShow &&
         !statement.flags.has_any({Flag::kMultiStatement, Flag::kUncertain}) &&
         lexer.next().is(Keyword::kShow) && lexer.next().is("GRANTS");
}

// The server quotes the schema's name as the session has it quoted, or not at all.
bool is_own_grant(std::string_view line) {
  constexpr std::string_view kOn = " ON ";
  constexpr std::string_view kProcedure = "PROCEDURE ";
  const std::size_t at = line.find(kOn);
  if (at == line.npos || !line.ends_with(" TO PUBLIC")) {
    return false;
  }
  std::string_view object = line.substr(at + kOn.size());
  if (object.starts_with(kProcedure)) {
    object.remove_prefix(kProcedure.size());
  }
  return object.starts_with("`consort`.") || object.starts_with("\"consort\".") ||
         object.starts_with("consort.");
}

}  // namespace consort::router
