#include "router/prepared_text.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "router/process_table.h"
#include "router/sql_lexer.h"

namespace consort::router {
namespace {

constexpr std::string_view kAsk = "SELECT ";
/// Its parameters may be what a text of PREPARE may be: no stored functions, which might write.
constexpr std::string_view kAskStrictly = "EXECUTE IMMEDIATE 'SELECT ?' USING ";

bool is_value(const Token& token) {
  return token.is(TokenKind::kUserVariable) ||
         (token.is(TokenKind::kString) && (token.text[0] == '\'' || token.text[0] == '"'));
}

/// The lexer's next tokens up to the statement's end, or to USING outside parentheses. nullopt:
/// there is none, or the text cannot be read with certainty.
std::optional<std::string_view> read_expressions(SqlLexer& lexer, bool& using_follows) {
  using_follows = false;
  const Token first = lexer.next();
  Token last;
  std::size_t depth = 0;
  for (Token token = first;; token = lexer.next()) {
    if (token.is(TokenKind::kSemicolon) && !lexer.next().is(TokenKind::kEnd)) {
      return std::nullopt;
    }
    using_follows = depth == 0 && token.is(Keyword::kUsing);
    if (token.is(TokenKind::kSemicolon) || token.is(TokenKind::kEnd) || using_follows) {
      break;
    }
    depth += token.is(TokenKind::kOpenParen) ? 1 : 0;
    depth -= token.is(TokenKind::kCloseParen) && depth > 0 ? 1 : 0;
    last = token;
  }
  if (last.text.empty() || lexer.saw_uncertain_text() || lexer.saw_conditional_comment()) {
    return std::nullopt;
  }
  const char* begin = first.text.data();
  return std::string_view(begin,
                          static_cast<std::size_t>(last.text.data() - begin) + last.text.size());
}

bool is_lone_value(std::string_view expression, const LexerOptions& options) {
  SqlLexer lexer(expression, options);
  return is_value(lexer.next()) && lexer.next().is(TokenKind::kEnd);
}

/// The value of what `statement` selects may be asked for, and then be computed once more.
bool has_no_effect(const Statement& statement) {
  return statement.kind == StatementKind::kSelect &&
         !statement.flags.has_any({Flag::kAssignsUserVariable, Flag::kIntoVariable,
                                   Flag::kIntoOutfile, Flag::kSetsLastInsertId, Flag::kFoundRows,
                                   Flag::kRowCount, Flag::kDiagnostics, Flag::kUserLock,
                                   Flag::kTakesUserLock, Flag::kReleasesUserLocks, Flag::kSequence,
                                   Flag::kMultiStatement, Flag::kPlaceholders, Flag::kUncertain});
}

std::optional<TextSource> read_source(SqlLexer& lexer, const LexerOptions& options) {
  bool has_parameters = false;
  const auto expression = read_expressions(lexer, has_parameters);
  if (!expression) {
    return std::nullopt;
  }
  TextSource source{*expression, {}};
  if (!is_lone_value(*expression, options)) {
    const std::string sql = std::string(kAsk) + std::string(*expression);
    const Statement statement = classify(sql, options);
    if (!has_no_effect(statement)) {
      return std::nullopt;
    }
    source.calls_unknown = statement.has(Flag::kUnknownFunction);
  }
  if (has_parameters) {
    const auto parameters = read_expressions(lexer, has_parameters);
    if (!parameters || has_parameters) {
      return std::nullopt;
    }
    source.parameters = *parameters;
  }
  return source;
}

/// Expressions separated by commas. nullopt: there is something else.
std::optional<std::vector<std::string_view>> split_parameters(std::string_view list,
                                                              const LexerOptions& options) {
  std::vector<std::string_view> parameters;
  if (list.empty()) {
    return parameters;
  }
  SqlLexer lexer(list, options);
  Token token;
  int depth = 0;
  const char* begin = nullptr;
  const char* end = nullptr;
  while (true) {
    token = lexer.next();
    const bool over = token.is(TokenKind::kEnd) || (depth == 0 && token.is(TokenKind::kComma));
    if (over && begin == nullptr) {
      return std::nullopt;
    }
    if (over) {
      parameters.emplace_back(begin, static_cast<std::size_t>(end - begin));
      begin = nullptr;
    }
    if (token.is(TokenKind::kEnd)) {
      break;
    }
    depth += token.is(TokenKind::kOpenParen) ? 1 : token.is(TokenKind::kCloseParen) ? -1 : 0;
    if (depth < 0 || token.is(TokenKind::kInvalid) || token.is(TokenKind::kSemicolon)) {
      return std::nullopt;
    }
    if (!over) {
      begin = begin == nullptr ? token.text.data() : begin;
      end = token.text.data() + token.text.size();
    }
  }
  return depth == 0 && !lexer.saw_uncertain_text() ? std::optional(parameters) : std::nullopt;
}

bool speaks_of_sessions(const Statement& statement, std::string_view schema) {
  if (statement.kind == StatementKind::kKill) {
    return true;
  }
  return is_evaluated_at_once(statement.kind) && statement.kind != StatementKind::kCall &&
         (statement.has(Flag::kConnectionId) || reads_process_table(statement, schema));
}

}  // namespace

std::optional<TextSource> prepared_text_source(std::string_view sql, const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  if (in_doubt(sql, options) || !lexer.next().is(Keyword::kPrepare) || !lexer.next().is_name() ||
      !lexer.next().is(Keyword::kFrom)) {
    return std::nullopt;
  }
  const auto source = read_source(lexer, options);
  return source && source->parameters.empty() ? source : std::nullopt;
}

std::optional<TextSource> immediate_text_source(std::string_view sql, const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  if (in_doubt(sql, options) || !lexer.next().is(Keyword::kExecute) ||
      !lexer.next().is("IMMEDIATE")) {
    return std::nullopt;
  }
  return read_source(lexer, options);
}

std::optional<std::string> text_with_parameters(std::string_view prepared,
                                                std::string_view list,
                                                const LexerOptions& options) {
  const auto parameters = split_parameters(list, options);
  if (!parameters) {
    return std::nullopt;
  }
  std::string out;
  std::size_t used = 0;
  std::size_t copied = 0;
  bool in_limit = false;
  SqlLexer lexer(prepared, options);
  for (Token token = lexer.next(); !token.is(TokenKind::kEnd); token = lexer.next()) {
    if (token.is(TokenKind::kInvalid)) {
      return std::nullopt;
    }
    const bool goes_on = token.is(TokenKind::kNumber) || token.is(TokenKind::kComma) ||
                         token.is("OFFSET") || token.is(TokenKind::kPlaceholder);
    in_limit = token.is(Keyword::kLimit) || (in_limit && goes_on);
    if (!token.is(TokenKind::kPlaceholder)) {
      continue;
    }
    if (in_limit || used == parameters->size()) {
      return std::nullopt;
    }
    const auto at = static_cast<std::size_t>(token.text.data() - prepared.data());
    out += prepared.substr(copied, at - copied);
    out += '(';
    out += (*parameters)[used++];
    out += ')';
    copied = at + token.text.size();
  }
  if (used != parameters->size() || lexer.saw_uncertain_text()) {
    return std::nullopt;
  }
  out += prepared.substr(copied);
  return out;
}

bool are_literals(std::string_view parameters, const LexerOptions& options) {
  const auto expressions = split_parameters(parameters, options);
  return expressions && std::all_of(expressions->begin(), expressions->end(), [&](auto expression) {
           SqlLexer lexer(expression, options);
           const Token value = lexer.next();
           return (value.is(TokenKind::kNumber) || value.is(TokenKind::kString)) &&
                  lexer.next().is(TokenKind::kEnd);
         });
}

std::string text_question(std::string_view expression, const LexerOptions& options) {
  return std::string(is_lone_value(expression, options) ? kAsk : kAskStrictly) +
         std::string(expression);
}

std::optional<ExecutedText> executed_text(std::string_view sql, const LexerOptions& options) {
  SqlLexer lexer(sql, options);
  if (in_doubt(sql, options) || !lexer.next().is(Keyword::kExecute)) {
    return std::nullopt;
  }
  const Token name = lexer.next();
  Token next = lexer.next();
  const bool lone = next.is(TokenKind::kEnd) || next.is(TokenKind::kSemicolon);
  if (!name.is_name() || (name.is("IMMEDIATE") && !lone && !next.is(Keyword::kUsing))) {
    return std::nullopt;
  }
  if (next.is(TokenKind::kSemicolon)) {
    next = lexer.next();
  }
  if (next.is(TokenKind::kEnd)) {
    return ExecutedText{name.name(), {}};
  }
  bool again = false;
  const auto parameters = next.is(Keyword::kUsing) ? read_expressions(lexer, again) : std::nullopt;
  return parameters && !again ? std::optional(ExecutedText{name.name(), *parameters})
                              : std::nullopt;
}

bool runs_outside_execute(const Statement& statement, std::string_view schema) {
  if (statement.flags.has_any({Flag::kUncertain, Flag::kMultiStatement})) {
    return false;
  }
  if (speaks_of_sessions(statement, schema)) {
    return true;
  }
  if (statement.has(Flag::kPlaceholders)) {  // what collects its rows takes them (decision 0027)
    return statement.has(Flag::kCreateSelect) && !statement.has(Flag::kTemporary);
  }
  switch (statement.kind) {
    case StatementKind::kDdl:
    case StatementKind::kAccount:
    case StatementKind::kSetPassword:
    case StatementKind::kBegin:
    case StatementKind::kCommit:
    case StatementKind::kRollback:
    case StatementKind::kSetAutocommit:
    case StatementKind::kSetTransaction:
    case StatementKind::kXa:
    case StatementKind::kUnlockTables:
    case StatementKind::kServerAdmin:
      return true;
    default:
      return statement.flags.has_any(
          {Flag::kImplicitCommit, Flag::kSetsAutocommit, Flag::kGuardedSetting, Flag::kSetsGlobal});
  }
}

}  // namespace consort::router
